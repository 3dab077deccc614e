/* What to do about unbalanced classes: lists of draws that are cut and repeated, weights, and sampling by weights.
 *
 * Not a split: lists are made of what datasets/split.h has put into a part.  The order that makes the numbers mean
 * something is: leave out byte-identical copies, split, cap the large classes, oversample the small ones in the
 * training part only, and take the weights from the list that is then trained on.
 *
 * Everything is keyed by (seed, class) and by the position within the class, so that neither threads nor the other
 * classes change what is drawn.  Labels are read from the samples; they must be 0 .. class_count - 1. */
#ifndef KOHL_DATASETS_BALANCE_H
#define KOHL_DATASETS_BALANCE_H

#include "datasets/source.h"
#include "kernels/core/philox.h"

/* An epoch's draws: positions in a list of samples, the same one several times where it is repeated.  A draw's own
 * position in the list is what keys its augmentation, so that copies get different ones.  Starts as {0}; the caller's
 * until kohl_list_free. */
typedef struct kohl_list {
  size_t *sample;
  size_t count, capacity;
} kohl_list;

void kohl_list_free(kohl_context *ctx, kohl_list *list);

/* *list, empty or made before, becomes the samples of one split (KOHL_SPLIT_UNSET: those without one) in their order.
 */
kohl_status kohl_list_of_split(kohl_context *ctx, const kohl_samples *samples, kohl_split split, kohl_list *list);

/* Keeps the draws whose sample is the first of its identical copies: copy_of[i] == i, copy_of having one entry a
 * sample. */
void kohl_list_drop_copies(kohl_list *list, const uint32_t *copy_of);

/* Draws of every class; with only_good those of samples that are not bad.  count: samples->class_count numbers. */
void kohl_list_count(const kohl_list *list, const kohl_samples *samples, bool only_good, size_t *count);

/* Of every class with more than `most` draws, `most` stay, drawn without replacement; what stays keeps its order.  With
 * the same seed a lower cap keeps a part of what a higher one keeps.  most is 1 or more, else KOHL_USAGE. */
kohl_status kohl_list_cap(kohl_context *ctx, const kohl_samples *samples, size_t most, uint64_t seed, kohl_list *list);

/* Every class with n draws, 0 < n < least, gets least of them: the list as it was stays in front, then follow, class by
 * class, whole copies of the class in its order and least % n of its draws, without replacement, in its order.  So a
 * draw is repeated least / n or least / n + 1 times.  A class without draws stays without. */
kohl_status kohl_list_oversample(kohl_context *ctx, const kohl_samples *samples, size_t least, uint64_t seed,
                                 kohl_list *list);

/* Puts order[0 .. count - 1] into an order that is a function of (seed, draw, op) and count alone (Fisher-Yates). */
void kohl_shuffle(size_t *order, size_t count, uint64_t seed, uint64_t draw, uint32_t op);

typedef enum kohl_weighting {
  KOHL_WEIGHTING_NONE,      /* 1 */
  KOHL_WEIGHTING_BALANCED,  /* n / (classes * n_class): compute_class_weight of scikit-learn, to the bit */
  KOHL_WEIGHTING_INVERSE,   /* n / n_class */
  KOHL_WEIGHTING_EFFECTIVE, /* (1 - beta) / (1 - beta^n_class), scaled to the sum `classes` (Cui et al., CVPR 2019) */
} kohl_weighting;

/* weight[c] from count[c], the draws of class c; names are for the error text.  beta, 0 <= beta < 1, is only read by
 * EFFECTIVE: 0 gives 1 to all, 1 - 1e-k comes near INVERSE where n_class is far below 10^k.  A class without draws is
 * KOHL_BAD_INPUT unless the kind is NONE. */
kohl_status kohl_class_weights(kohl_context *ctx, kohl_weighting kind, double beta, const size_t *count,
                               const char *const *names, size_t classes, double *weight);

/* Weights from a CSV file with the columns class (or label) and weight, every class once, in any order.  Weights are 0
 * or more, finite, and not all 0.  KOHL_BAD_INPUT names the line. */
kohl_status kohl_class_weights_read(kohl_context *ctx, const char *path, const char *const *names, size_t classes,
                                    double *weight);

/* The multi-label variant: weight[l] = (n - positive[l]) / positive[l], by which the positive term of a label's loss is
 * multiplied.  A label that no sample has gets 1: nothing is multiplied by it. */
void kohl_positive_weights(const size_t *positive, size_t n, size_t labels, double *weight);

/* Draws with replacement: n numbers from 0 to count - 1, each with a probability of weight / sum of the weights, up to
 * the rounding of the running sum (2^-53 of the sum for each weight).  Immutable once made, so that any number of
 * threads may draw. */
typedef struct kohl_sampler kohl_sampler;

/* weight: count numbers, 0 or more, whose sum is finite and at least 1e-300, else KOHL_BAD_INPUT; only read.  *out is
 * the caller's until kohl_sampler_destroy. */
kohl_status kohl_sampler_create(kohl_context *ctx, const double *weight, size_t count, kohl_sampler **out);

/* Over the draws of a list, each class as probable as the others that have draws; within it all draws the same. */
kohl_status kohl_sampler_balanced(kohl_context *ctx, const kohl_samples *samples, const kohl_list *list,
                                  kohl_sampler **out);
void kohl_sampler_destroy(kohl_context *ctx, kohl_sampler *sampler);

/* The key of one epoch, and what stands at one position of the epoch's draws.  Weight 0 is never drawn. */
kohl_random_key kohl_sampler_key(uint64_t seed, uint32_t epoch);
size_t kohl_sampler_draw(const kohl_sampler *sampler, kohl_random_key key, uint64_t draw);

#endif
