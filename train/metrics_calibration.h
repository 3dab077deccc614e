/* Whether probabilities are what they say: of the predictions that are 80 % sure, are 80 % right?
 *
 * Confidences fall into 15 bins of equal width; bin b holds those of b/15 up to but not (b+1)/15, the last one 1 too.
 * The expected calibration error is the mean over predictions of |share that is right - mean confidence| of their bin
 * (Guo et al., "On calibration of modern neural networks", ICML 2017, whose bins hold their upper edge instead). */
#ifndef KOHL_TRAIN_METRICS_CALIBRATION_H
#define KOHL_TRAIN_METRICS_CALIBRATION_H

#include <stdbool.h>
#include <stdint.h>

enum { KOHL_CALIBRATION_BINS = 15 };

typedef struct kohl_calibration_bin {
  int64_t count, right; /* predictions, and those that are right */
  double confidence;    /* their mean; 0 in an empty bin */
} kohl_calibration_bin;

typedef struct kohl_calibration {
  double ece; /* expected calibration error, 0 to 1 */
  kohl_calibration_bin bin[KOHL_CALIBRATION_BINS];
} kohl_calibration;

/* Counts one prediction of confidence 0 to 1 into a calibration that began as zeros. */
void kohl_calibration_add(kohl_calibration *calibration, double confidence, bool right);

/* Sums become means and the error; once, at the end. */
void kohl_calibration_finish(kohl_calibration *calibration);

/* p within 2^-52 .. 1 - 2^-52, as scikit-learn's log_loss clips it: what was certain and wrong costs 36. */
double kohl_probability_clip(double p);

#endif
