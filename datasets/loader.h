/* Batches of pictures, decoded ahead of whoever uses them.
 *
 * A loader is given an epoch's list of draws, each naming a sample, and gives batches in that order.  Threads of its
 * own fill a ring of batches; what stands in a batch is a function of (list, draw, augmentation) alone, so that neither
 * their number, nor their timing, nor the cache changes a bit of it.  It draws nothing itself: the list comes from
 * balance and shuffle, the random numbers of an augmentation from its own hook.
 *
 * A bad picture stops nothing: its draw is handed out with ok false and zeros, the other draws are as they would be
 * without it.  It is named once, by a warning in the order of draws, is marked in samples, and later draws of it are
 * skipped without opening it.  Past a share of bad samples the run ends.
 *
 * Memory is taken when the loader is made (kohl_loader_bytes says how much; 1 MiB of each worker is for resizing);
 * after that only decode workers take any, each at most `decode_bytes`, beyond which a picture is bad.  (The
 * coefficients of a progressive JPEG, at most 8 bytes a pixel, are libjpeg's own and not in that number.) */
#ifndef KOHL_DATASETS_LOADER_H
#define KOHL_DATASETS_LOADER_H

#include "datasets/cache.h"
#include "datasets/prepare.h"
#include "datasets/source.h"

typedef struct kohl_loader kohl_loader;

/* Makes the floats dst[row_h][row_w][3] of one draw from a decoded and fitted picture rgb[h][w][3].  draw is the
 * position in the epoch's list and keys all random numbers; workspace is the worker's, augment_bytes long, aligned to
 * 64, with anything in it.  Called by several threads at once: what user points to must not change while an epoch runs
 * (between epochs, before kohl_loader_begin, it may: that is where the epoch's number belongs). */
typedef void (*kohl_augment)(void *user, uint64_t draw, const uint8_t *rgb, float *dst, void *workspace);

enum { KOHL_LOADER_BATCH = 4096, KOHL_LOADER_WORKERS = 256, KOHL_LOADER_AHEAD = 1024 };

typedef struct kohl_loader_options {
  int batch;            /* draws of a batch, 1 to 4096 */
  int workers;          /* threads, at most 256; -1: one per processor; 0: none, the caller decodes when it asks */
  int ahead;            /* batches that may be ready before they are asked for, 1 to 1024 */
  bool bytes;           /* rows are the fitted pictures themselves, u8, instead of floats; no augmentation then */
  double bad_limit;     /* the share of the samples in the lists that may be bad; 1: all of them */
  size_t decode_bytes;  /* what one worker may take to decode a picture */
  kohl_cache *cache;    /* or NULL; borrowed */
  kohl_augment augment; /* NULL: normalised as pre says */
  void *augment_user;
  size_t augment_bytes;
  int row_h, row_w; /* pixels of what the augmentation makes, at most those of the fit; 0: those of the fit */
} kohl_loader_options;

/* Batches of 32, a worker per processor, 2 ahead, floats, 1 % bad, 256 MiB to decode a picture, no cache. */
kohl_loader_options kohl_loader_options_default(void);

/* One batch.  The arrays have count entries and are the loader's, valid until its next call. */
typedef struct kohl_batch {
  size_t count;         /* 0: the epoch is over */
  const float *floats;  /* [count][row_h][row_w][3]; NULL with bytes */
  const uint8_t *bytes; /* [count][h][w][3]; NULL without */
  const bool *ok;       /* false: a bad picture, its row is zeros */
  const uint64_t *draw; /* positions in the epoch's list, one after the other */
  const size_t *sample; /* indices into samples */
  const int *label;
} kohl_batch;

/* Of the epoch at hand or the last one, from kohl_loader_begin to the end of the last kohl_loader_next in it. */
typedef struct kohl_loader_stats {
  size_t pictures, skipped; /* draws handed out with and without a picture */
  size_t decoded, cached;   /* pictures that were decoded from files, and that came from the cache */
  double seconds;           /* all of it */
  double waited;            /* of it, in kohl_loader_next until the batch was ready */
  size_t bad, listed;       /* of all epochs: bad samples that were met, samples in the lists */
  size_t decode_peak;       /* of all epochs: the most bytes that one worker had at once */
} kohl_loader_stats;

/* *bytes = memory of a loader over a list of `count` samples: ring and bookkeeping, exactly what is taken, and the
 * workers' decode_bytes.  The cache states its own.  KOHL_USAGE for options that cannot be. */
kohl_status kohl_loader_bytes(kohl_context *ctx, size_t count, const kohl_preprocessing *pre,
                              const kohl_loader_options *options, size_t *bytes);

/* samples, the cache and the augmentation's user are borrowed until kohl_loader_destroy; pre and options are copied.
 * The loader marks bad samples in samples, in the thread that calls it; nobody else may change the list meanwhile.
 * KOHL_USAGE for options or a preprocessing that cannot be; KOHL_BAD_INPUT for a pack that was fitted otherwise;
 * KOHL_NO_RESOURCE for memory or threads.  ctx is used in the calling thread only, but for its allocator. */
kohl_status kohl_loader_create(kohl_context *ctx, kohl_samples *samples, const kohl_preprocessing *pre,
                               const kohl_loader_options *options, kohl_loader **out);

/* Starts an epoch at draw `first` of a list of count sample indices (a resumed epoch begins in the middle).  An epoch
 * at hand is given up.  list is borrowed until the epoch is over, given up or the loader destroyed. */
kohl_status kohl_loader_begin(kohl_loader *loader, const size_t *list, size_t count, size_t first);

/* The next batch: `batch` draws, fewer at the end.  Fails with the first failure in the order of draws: memory, a
 * cancelled context (asked while waiting too), or KOHL_BAD_INPUT when too many samples are bad; the epoch is over then.
 */
kohl_status kohl_loader_next(kohl_loader *loader, kohl_batch *out);

kohl_loader_stats kohl_loader_read_stats(kohl_loader *loader);

/* At any time; waits for pictures that are being decoded.  NULL is allowed. */
void kohl_loader_destroy(kohl_loader *loader);

/* KOHL_BAD_INPUT when more than `share` of count samples are bad: "3 of 200 pictures are bad (1.5 %), expected at most
 * 1 %; the first are: A, B, C", those being the first bad ones of samples. */
kohl_status kohl_bad_check(kohl_context *ctx, const kohl_samples *samples, size_t bad, size_t count, double share);

#endif
