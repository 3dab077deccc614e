/* How good predictions are where a picture has any number of labels.
 *
 * A label is given where its probability is at or above its threshold.  Definitions are scikit-learn's for multilabel
 * indicators with zero_division=0; every figure is finite, and 0 where there is nothing to measure. */
#ifndef KOHL_TRAIN_METRICS_MANY_H
#define KOHL_TRAIN_METRICS_MANY_H

#include "train/metrics.h"

typedef struct kohl_metrics_many {
  size_t n;
  int classes;
  double beta;
  int64_t marks, chosen;  /* labels that the pictures have, and that they were given */
  int64_t exact;          /* pictures given exactly the labels that they have */
  double subset_accuracy; /* exact / n */
  double hamming_loss;    /* share of all decisions, one for each picture and label, that are wrong */
  double macro_precision, macro_recall, macro_f1, macro_fbeta;             /* means over all labels */
  double micro_precision, micro_recall, micro_f1, micro_fbeta;             /* of all decisions as one list */
  double weighted_precision, weighted_recall, weighted_f1, weighted_fbeta; /* weighted by support */
  double samples_precision, samples_recall, samples_f1, samples_fbeta;     /* means over pictures */
  /* macro: means over the labels that some pictures have and some have not, classes_used of them; micro: all decisions
   * in one list, which is ranked where not all are equal */
  double roc_auc_macro, roc_auc_micro, average_precision_macro, average_precision_micro;
  int classes_used;
  bool micro_ranked;
  double brier;    /* mean over all decisions of (probability - 1 or 0)^2 */
  double log_loss; /* mean over all decisions of -ln of the probability of what is so, clipped as for one label */
  double ece;      /* of calibration */
  kohl_calibration calibration;  /* of every probability: `right` counts the labels that pictures have */
  kohl_class_metrics *per_class; /* [classes], owned */
  float *thresholds;             /* [classes], owned */
} kohl_metrics_many;

/* probabilities: [n][classes], 0 to 1; marks: [n][classes], not 0 where the picture has the label; thresholds:
 * [classes], or NULL for 0.5.  *out is the caller's until kohl_metrics_many_free; on failure it is empty.
 * KOHL_BAD_INPUT, KOHL_NOT_FINITE: a probability outside 0 .. 1, naming the sample.  KOHL_USAGE: no class, a beta that
 * is not above 0. */
kohl_status kohl_metrics_many_measure(kohl_context *ctx, const float *probabilities, const uint8_t *marks, size_t n,
                                      int classes, const float *thresholds, const kohl_metrics_options *options,
                                      kohl_metrics_many *out);

/* The same with ranks. */
kohl_status kohl_metrics_many_compute(kohl_context *ctx, const float *probabilities, const uint8_t *marks, size_t n,
                                      int classes, const float *thresholds, double beta, kohl_metrics_many *out);
void kohl_metrics_many_free(kohl_context *ctx, kohl_metrics_many *metrics);

/* thresholds[c] = the one with the highest F-beta of label c on these samples: tried is every way to cut the
 * list between two different probabilities; of equally good ones the highest is taken, and of it the middle between the
 * two (between the lowest and 0, where all are above).  A label that no sample has
 * gets 0.5, since nothing can be known about it.  Errors as above. */
kohl_status kohl_thresholds_choose(kohl_context *ctx, const float *probabilities, const uint8_t *marks, size_t n,
                                   int classes, double beta, float *thresholds);

#endif
