/* How far a figure may be trusted: 95 % intervals. */
#ifndef KOHL_TRAIN_METRICS_INTERVAL_H
#define KOHL_TRAIN_METRICS_INTERVAL_H

#include "kernels/core/context.h"

typedef struct kohl_interval {
  double low, high;
} kohl_interval;

/* Of a share: `right` of n independent answers (Wilson, "Probable inference", JASA 1927; without correction for
 * continuity).  0 to 1 when n is 0. */
kohl_interval kohl_interval_wilson(int64_t right, int64_t n);

enum { KOHL_BOOTSTRAP_RESAMPLES = 2000 };

typedef struct kohl_bootstrap {
  int resamples; /* 0: nothing was measured */
  kohl_interval accuracy, balanced_accuracy, macro_f1;
} kohl_bootstrap;

/* Percentiles 2.5 and 97.5 (linear between the two nearest) of the figures as kohl_metrics_compute has them, over
 * `resamples` (1 to 1,000,000) lists of n samples drawn with replacement; the draws are a function of seed, resample
 * and place alone.  probabilities and truth as kohl_metrics_compute takes them, and must be good for it.  All
 * intervals are 0 when n is 0. */
kohl_status kohl_bootstrap_run(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                               int classes, int resamples, uint64_t seed, kohl_bootstrap *out);

#endif
