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

#endif
