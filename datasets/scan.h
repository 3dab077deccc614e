/* Looking at every picture of a list: whether it can be decoded, what it is, and what tells copies of it.
 *
 * Pictures are read and decoded whole, many at a time on the context's threads; nothing of them is kept but a hundred
 * bytes each.  The result does not depend on the number of threads. */
#ifndef KOHL_DATASETS_SCAN_H
#define KOHL_DATASETS_SCAN_H

#include "datasets/source.h"

enum { KOHL_SCAN_MODES = 64 /* kinds of files told apart, at most */, KOHL_LOOK_W = 9, KOHL_LOOK_H = 8 };

/* A picture averaged to 9 x 8 pixels of grey, (299 R + 587 G + 114 B) / 1000, and the difference hash (dHash) of these:
 * bit 8 * y + x says whether pixel x of row y is darker than the one to its right. */
typedef struct kohl_look {
  uint64_t difference;
  uint8_t grey[KOHL_LOOK_H][KOHL_LOOK_W];
} kohl_look;

typedef struct kohl_scan_picture {
  uint64_t bytes; /* of the file, or of the pixels of a record */
  kohl_look look;
  uint32_t crc;  /* CRC32C of those bytes */
  uint16_t w, h; /* 0: bad */
  uint8_t mode;  /* index into modes */
} kohl_scan_picture;

typedef struct kohl_scan_bad {
  char *path, *reason; /* owned */
} kohl_scan_bad;

typedef struct kohl_scan {
  kohl_scan_picture *picture; /* one for each sample */
  const char *modes[KOHL_SCAN_MODES];
  size_t mode_count;
  kohl_scan_bad *bad; /* each named once, in the order of the list; pictures left out by the source come first */
  size_t bad_count, bad_capacity;
  uint64_t bytes;  /* of all good pictures */
  bool files_only; /* made by kohl_scan_files */
} kohl_scan;

/* Scans samples->count pictures; the bad ones are marked in the list.  progress (NULL: none) is called from the
 * calling thread.  scan must be all zero or hold what kohl_scan_left_out put into it; it is the caller's until
 * kohl_scan_free, after a failure too. */
kohl_status kohl_scan_run(kohl_context *ctx, kohl_samples *samples,
                          void (*progress)(void *user, size_t done, size_t count), void *user, kohl_scan *scan);

/* For kohl_duplicates_exact alone, without decoding: bytes and crc of the pictures that have as many bytes as another
 * one, which are the only ones that are read; all else stays zero, and files that cannot be read or are empty have no
 * copies.  scan as in kohl_scan_run. */
kohl_status kohl_scan_files(kohl_context *ctx, const kohl_samples *samples, kohl_scan *scan);

void kohl_scan_free(kohl_context *ctx, kohl_scan *scan);

/* Enters a bad picture that is no sample. */
kohl_status kohl_scan_left_out(kohl_context *ctx, kohl_scan *scan, const char *path, const char *reason);

/* *out = how a picture looks.  KOHL_NO_RESOURCE only. */
kohl_status kohl_picture_look(kohl_context *ctx, const kohl_picture *picture, kohl_look *out);

#endif
