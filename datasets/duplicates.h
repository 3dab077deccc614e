/* Pictures that a list holds more than once: byte for byte, and by their looks.
 *
 * Copies have the same length, the same checksum and, compared, the same bytes.  Two pictures are similar when their
 * difference hashes (datasets/scan.h) differ in few of the 64 bits and their 9 x 8 pixels of grey by 8 of 255 on
 * average at most: the hash alone, which knows no contrast, takes one bright object on a dark ground for another.
 * Groups are closed under similarity, so that the first and last of a chain may differ more.  Hashes of nearly flat
 * pictures (fewer than 6 bits set, or fewer than 6 not set) say nothing and are left out.
 *
 * Similar hashes are found without comparing all pairs: of distance + 1 bands of bits one at least is the same in two
 * hashes that differ in `distance` bits. */
#ifndef KOHL_DATASETS_DUPLICATES_H
#define KOHL_DATASETS_DUPLICATES_H

#include "datasets/scan.h"

enum { KOHL_DISTANCE_MOST = 8 };

/* Samples of one group, in the list's order. */
typedef struct kohl_duplicate_group {
  size_t begin, count; /* in member */
  bool labels_differ;  /* two of them belong to different classes */
  bool splits_differ;  /* two of them belong to different parts: what is learned from is tested on */
} kohl_duplicate_group;

/* Groups of two or more, ordered by their first samples. */
typedef struct kohl_duplicates {
  size_t *member;
  kohl_duplicate_group *group;
  size_t count;
} kohl_duplicates;

/* The copies among the good pictures of a scan, or among all files of kohl_scan_files.  *out is the caller's until
 * kohl_duplicates_free; empty on failure. A picture that cannot be read again is no copy of another. */
kohl_status kohl_duplicates_exact(kohl_context *ctx, const kohl_samples *samples, const kohl_scan *scan,
                                  kohl_duplicates *out);

/* The similar ones, at most `distance` bits (0 to KOHL_DISTANCE_MOST) from one to the next.  Of copies only the first
 * counts, so that no group holds a picture twice. */
kohl_status kohl_duplicates_similar(kohl_context *ctx, const kohl_samples *samples, const kohl_scan *scan,
                                    const kohl_duplicates *exact, int distance, kohl_duplicates *out);

/* *copy_of: one entry for each sample, the first of its copies or itself; the caller's until kohl_free. */
kohl_status kohl_duplicates_copies(kohl_context *ctx, const kohl_samples *samples, const kohl_duplicates *exact,
                                   uint32_t **copy_of);

/* Takes all but the first of each group out of the list; scan and groups are of no use for it afterwards. */
kohl_status kohl_duplicates_drop(kohl_context *ctx, kohl_samples *samples, const kohl_duplicates *exact);

void kohl_duplicates_free(kohl_context *ctx, kohl_duplicates *duplicates);

#endif
