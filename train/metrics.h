/* How good predictions are: from probabilities and true classes to the figures of a report.  One label a picture here,
 * many labels in train/metrics_many.h.
 *
 * Not the loss (kernels/softmax_xent) and not the running of a network (train/evaluate.h).  Definitions are those of
 * scikit-learn with zero_division=0; where it leaves a choice or gives no number, this page says which.  Every figure
 * is finite, and 0 where there is nothing to measure. */
#ifndef KOHL_TRAIN_METRICS_H
#define KOHL_TRAIN_METRICS_H

#include "kernels/core/context.h"
#include "train/metrics_calibration.h"

typedef struct kohl_metrics_options {
  double beta; /* of F-beta: recall counts beta times as much as precision; more than 0 */
  bool ranks;  /* ROC AUC and average precision: a sort for each class and one of all probabilities, which takes eight
                  bytes for each; without it they are 0 */
} kohl_metrics_options;

kohl_metrics_options kohl_metrics_options_default(void); /* beta 1, with ranks */

/* One class against the rest. */
typedef struct kohl_class_metrics {
  double precision;   /* right / predicted as this class; 0 when never predicted */
  double recall;      /* right / support; 0 without support */
  double f1;          /* 2 right / (support + predicted); 0 when both are 0 */
  double fbeta;       /* (1 + beta^2) right / (beta^2 support + predicted) */
  double specificity; /* of the samples of other classes, the share that was not predicted as this one */
  double roc_auc;     /* chance that one of this class has a higher probability than one of the rest; equal: half */
  double average_precision; /* sum over falling thresholds of precision * gain in recall */
  double brier;             /* mean of (probability - 1 or 0)^2: scikit-learn's brier_score_loss */
  bool ranked;              /* it has samples, and so has the rest; else roc_auc and average_precision are 0 */
  int64_t support;          /* samples that are of this class */
  int64_t predicted, right; /* predicted as this class, and those of them that are */
} kohl_class_metrics;

typedef struct kohl_metrics {
  size_t n;
  int classes;
  double beta;
  double accuracy;          /* top-1 */
  double top3, top5;        /* the truth is among the 3 or 5 most probable; of equal ones the lower index is first */
  double balanced_accuracy; /* mean recall over the classes that have support */
  double kappa;             /* Cohen's; 0 where chance alone is always right: one class only */
  /* Means over the classes that are true or predicted at least once, classes_seen of them. */
  double macro_precision, macro_recall, macro_f1, macro_fbeta, macro_specificity;
  /* Means weighted by support.  weighted_recall is the accuracy, as are all micro averages of one label a picture. */
  double weighted_precision, weighted_recall, weighted_f1, weighted_fbeta;
  int classes_seen;
  /* macro: means over the classes that are `ranked`, classes_used of them; micro: all probabilities in one list, which
   * is ranked but for no samples or a single class. */
  double roc_auc_macro, roc_auc_micro, average_precision_macro, average_precision_micro;
  int classes_used;
  bool micro_ranked;
  double brier;    /* mean over samples of the sum over classes of (probability - 1 or 0)^2: 0 to 2 */
  double log_loss; /* mean of -ln of the truth's probability: rows clipped to 2^-52 .. 1 - 2^-52, made to sum to 1 */
  double ece;      /* of calibration */
  kohl_calibration calibration;  /* of the highest probability of each sample */
  kohl_class_metrics *per_class; /* [classes], owned */
  int64_t *confusion;            /* [true class][predicted class], owned */
  int64_t *places;               /* [classes], owned: samples whose truth is the first, second ... most probable */
} kohl_metrics;

/* probabilities: n rows of `classes` floats; truth: n class indices.  The predicted class is the most probable one,
 * of equal ones the lower index.  *out is the caller's until kohl_metrics_free; on failure it is empty.
 * KOHL_BAD_INPUT: a truth outside 0 .. classes-1, a probability outside 0 .. 1.  KOHL_NOT_FINITE: a NaN probability.
 * All name the sample.  KOHL_USAGE: no class, a beta that is not above 0. */
kohl_status kohl_metrics_measure(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                                 int classes, const kohl_metrics_options *options, kohl_metrics *out);

/* The same with the default options. */
kohl_status kohl_metrics_compute(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                                 int classes, kohl_metrics *out);
void kohl_metrics_free(kohl_context *ctx, kohl_metrics *metrics);

/* The share of samples whose truth is among the k most probable; k of 1 or more, 1 from `classes` on. */
double kohl_metrics_top(const kohl_metrics *metrics, int k);

/* Fills precision, recall, f1, fbeta and specificity from support, predicted, right and n. */
void kohl_class_metrics_finish(kohl_class_metrics *one, int64_t n, double beta);

/* Sums over classes, from which the averages of one label and of many are made.  A class that is neither true nor
 * predicted adds nothing but its Brier score. */
typedef struct kohl_class_sums {
  int seen, supported; /* classes that are true or predicted; that are true */
  int64_t support, predicted, right;
  double precision, recall, f1, fbeta, specificity, brier;
  double weighted_precision, weighted_recall, weighted_f1, weighted_fbeta; /* by support */
} kohl_class_sums;

/* Finishes the metrics of all classes, whose Brier scores become means over n samples, and adds them up. */
kohl_class_sums kohl_class_sums_make(kohl_class_metrics *per_class, int classes, size_t n, double beta);

/* KOHL_USAGE where classes or options are none. */
kohl_status kohl_metrics_check(kohl_context *ctx, int classes, const kohl_metrics_options *options);

#endif
