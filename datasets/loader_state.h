/* The inside of a loader, shared by loader.c (making it), loader_epoch.c (who works on what, and handing out) and
 * loader_worker.c (one picture into its row). */
#ifndef KOHL_DATASETS_LOADER_STATE_H
#define KOHL_DATASETS_LOADER_STATE_H

#include <pthread.h>

#include "datasets/fit_room.h"
#include "datasets/loader.h"

/* What is known of a sample; guarded by the lock. */
enum { KOHL_SAMPLE_LISTED = 1, KOHL_SAMPLE_FAILED = 2 };

/* How one draw went. */
typedef struct kohl_load_result {
  kohl_status status;
  bool decoded, cached;
  char text[KOHL_ERROR_TEXT]; /* why it failed; "" where the sample was known to be bad */
} kohl_load_result;

/* One batch of the ring.  Rows and results are written by whoever claimed them; left, guarded by the lock, says when
 * all are. */
typedef struct kohl_slot {
  uint8_t *rows; /* [batch] rows of row_bytes, owned */
  kohl_load_result *results;
  bool *ok;
  uint64_t *draw;
  size_t *sample;
  int *label;
  size_t left;
} kohl_slot;

/* A thread that decodes, or the caller's stand-in for one.  ctx is its own, with an allocator that counts. */
typedef struct kohl_load_worker {
  kohl_loader *loader;
  pthread_t thread;
  kohl_context ctx;
  kohl_allocator allocator; /* the one behind the counting */
  size_t used, peak, limit; /* bytes */
  bool refused;             /* the limit was hit by this picture */
  uint8_t *rgb;             /* a fitted picture, owned; NULL with bytes */
  void *workspace;          /* of the augmentation, owned */
  kohl_fit_room room;
} kohl_load_worker;

struct kohl_loader {
  kohl_context *ctx;
  kohl_samples *samples;
  kohl_preprocessing pre;
  kohl_loader_options options;
  size_t picture_bytes, row_bytes;
  kohl_slot *slots;
  size_t ring; /* slots, the one that is handed out among them */
  kohl_load_worker *workers;
  size_t worker_count, started; /* worker_count is at least 1: the caller's when there are no threads */
  uint8_t *flags;               /* [samples], of KOHL_SAMPLE_* */
  bool *counted;                /* [samples], among `bad`; of the caller's side only, as `bad` and `listed` are */

  pthread_mutex_t lock;
  pthread_cond_t work, ready; /* there may be something to claim; a batch is complete, or nobody is busy */
  bool stop;
  const size_t *list;
  size_t first, end;        /* draws of the epoch; end is also 0 when there is none */
  size_t claimed;           /* the next draw to work on */
  size_t batches, released; /* of the epoch: handed out, given back; at most one more out than back */
  size_t busy;              /* workers with a draw in hand */

  size_t bad, listed; /* samples */
  double began;
  kohl_loader_stats stats;
};

/* Makes draw `draw` of the epoch's list into its row; known_bad: without opening it.  Fills in the result. */
void kohl_load_draw(kohl_load_worker *worker, size_t draw, bool known_bad);

/* Prepares a worker's context and memory; the rest of it is zeros.  Freed by kohl_load_worker_free, on failure too. */
kohl_status kohl_load_worker_make(kohl_context *ctx, kohl_loader *loader, kohl_load_worker *worker);
void kohl_load_worker_free(kohl_context *ctx, kohl_load_worker *worker);

/* Whether a draw may be claimed: its batch has a slot in the ring.  Under the lock. */
bool kohl_loader_claimable(const kohl_loader *loader);

/* Claims one draw and loads it.  Under the lock, which is open while it decodes. */
void kohl_load_claimed(kohl_load_worker *worker);

/* The place of a draw of the epoch at hand. */
static inline kohl_slot *kohl_loader_slot(kohl_loader *loader, size_t draw, size_t *row) {
  size_t at = draw - loader->first, batch = (size_t)loader->options.batch;
  *row = at % batch;
  return &loader->slots[at / batch % loader->ring];
}

#endif
