/* Dividing a list of samples into training, validation and test parts. */
#ifndef KOHL_DATASETS_SPLIT_H
#define KOHL_DATASETS_SPLIT_H

#include "datasets/source.h"

/* Gives every sample a split, stratified: class by class, from a shuffle keyed by (seed, class), so that neither
 * threads nor the other classes change it.
 *
 * Samples without a split: of a class's n, floor(n * test_fraction + 0.5) become test,
 * floor(n * validation_fraction + 0.5) validation, the rest training; at least one stays in training, for which
 * test gives up samples first, then validation.  A sample that has a split keeps it, with one exception: where some
 * have one and none is validation, a class's validation part is drawn from its training samples too.
 *
 * Fractions are 0 or more and together less than 1, else KOHL_USAGE. */
kohl_status kohl_samples_split(kohl_context *ctx, kohl_samples *samples, uint64_t seed, double validation_fraction,
                               double test_fraction);

/* The same with samples that must stay together: those of one group, and byte-identical copies.  group has any number
 * for each sample, copy_of the index of the first sample that is identical with it (its own where none is before it);
 * either may be NULL, and without both this is kohl_samples_split.
 *
 * Groups are handed out by kohl_units_deal (datasets/folds.h): each class is over its share of a part by at most its
 * largest group where every group is of one class, and in general the division is no worse than a random one is on
 * average.  No class is left without training samples but where all of its are in one group together with other
 * classes, or given splits leave no choice; how many are is a warning.  A group of which samples have a split goes
 * where the first of them is, whole; that samples of one group are given to different parts is a warning, and they stay
 * there. */
kohl_status kohl_samples_split_groups(kohl_context *ctx, kohl_samples *samples, const uint32_t *group,
                                      const uint32_t *copy_of, uint64_t seed, double validation_fraction,
                                      double test_fraction);

#endif
