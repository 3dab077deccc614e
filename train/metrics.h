/* How good predictions are: from probabilities and true classes to the figures of a report.
 *
 * Not the loss (kernels/softmax_xent) and not the running of a network (train/evaluate.h).  Definitions are those of
 * scikit-learn with zero_division=0; where it leaves a choice, this page says which. */
#ifndef KOHL_TRAIN_METRICS_H
#define KOHL_TRAIN_METRICS_H

#include "kernels/core/context.h"
#include "nn/json.h"

typedef struct kohl_class_metrics {
  double precision; /* right / predicted as this class; 0 when never predicted */
  double recall;    /* right / support; 0 without support */
  double f1;        /* 2 right / (support + predicted); 0 when both are 0 */
  int64_t support;  /* samples that are of this class */
  int64_t predicted;
} kohl_class_metrics;

typedef struct kohl_metrics {
  size_t n;
  int classes;
  double accuracy;          /* top-1; 0 when n is 0, like every other figure */
  double top3, top5;        /* the truth is among the 3 or 5 most probable; of equal ones the lower index is first */
  double balanced_accuracy; /* mean recall over the classes that have support */
  double macro_f1;          /* mean F1 over the classes that are true or predicted at least once */
  kohl_class_metrics *per_class; /* [classes], owned */
  int64_t *confusion;            /* [true class][predicted class], owned */
} kohl_metrics;

/* probabilities: n rows of `classes` floats; truth: n class indices.  The predicted class is the most probable one,
 * of equal ones the lower index.  *out is the caller's until kohl_metrics_free; on failure it is empty.
 * KOHL_BAD_INPUT: a truth outside 0 .. classes-1.  KOHL_NOT_FINITE: a NaN probability.  Both name the sample. */
kohl_status kohl_metrics_compute(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                                 int classes, kohl_metrics *out);
void kohl_metrics_free(kohl_context *ctx, kohl_metrics *metrics);

#endif
