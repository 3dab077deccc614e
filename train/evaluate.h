/* Evaluating a model on labelled pictures.
 *
 * A model of one label is measured by train/metrics.h, one of many labels by train/metrics_many.h with the thresholds
 * of its file; the label column of a CSV then holds several labels with ; between them. */
#ifndef KOHL_TRAIN_EVALUATE_H
#define KOHL_TRAIN_EVALUATE_H

#include "nn/json.h"
#include "nn/model.h"
#include "train/metrics_interval.h"
#include "train/metrics_many.h"
#include "train/predictions.h"

typedef struct kohl_evaluate_options {
  int batch;                /* pictures in one run, 1 to 4096 */
  const char *split;        /* "train", "validation" or "test": only samples of this part; NULL: all that are listed */
  const char *split_column; /* of a CSV; NULL: found by its name */
  const char *head;         /* the only one of several heads to be evaluated; NULL: all */
  double beta;              /* of F-beta; 0: 1 with one label, 2 with many (recall counts twice) */
  int topk;                 /* top-1 to top-k accuracies that the JSON gets */
  int bootstrap;            /* resamples of the intervals of one label, 0: none */
  uint64_t seed;            /* of the resamples */
  void (*progress)(void *user, size_t done, size_t count); /* after each batch; may be NULL */
  void *progress_user;
} kohl_evaluate_options;

typedef struct kohl_evaluation {
  kohl_predictions predictions;   /* of the pictures that could be read, in the order of the data */
  bool many;                      /* the model's task is many labels */
  kohl_metrics metrics;           /* of one label; with many only where every picture has exactly one, else n is 0 */
  kohl_metrics_many many_metrics; /* of many labels; else n is 0 */
  kohl_interval accuracy;         /* Wilson's, of the accuracy; of the subset accuracy with many labels */
  kohl_bootstrap bootstrap;
  int topk;
  size_t bad;                   /* pictures that could not be read; not among the predictions */
  char *head;                   /* name of the head, owned; NULL for a model that has one */
  struct kohl_evaluation *more; /* of the further heads, owned */
  size_t more_count;
} kohl_evaluation;

/* batch 32, all samples, beta 0, topk 5, no bootstrap */
kohl_evaluate_options kohl_evaluate_options_default(void);

/* Runs the model over data (folder or CSV, datasets/source.h) with the preprocessing of its file.  Of several heads
 * each is measured by the pictures that have a label for it: of the first those of the list, or of a column named like
 * the head; of a further one those of the column named like it, which may be empty and hold labels that the model does
 * not know, which do not count.  A class that the model does not know is KOHL_BAD_INPUT naming it, as is a split
 * without samples and a model without labels.  Bad pictures are left out, counted and named in the log.  *out is the
 * caller's until kohl_evaluation_free. */
kohl_status kohl_evaluate(kohl_context *ctx, const char *model_path, const char *data_path,
                          const kohl_evaluate_options *options, kohl_evaluation *out);
void kohl_evaluation_free(kohl_context *ctx, kohl_evaluation *evaluation);

/* The part of it that runs an opened model: predictions of heads first to first + count - 1 without `chosen`, whose
 * probabilities are whatever the heads' layers give.  *bad is set in any case; out's are the caller's, and empty on
 * failure. */
kohl_status kohl_predict(kohl_context *ctx, const kohl_model *model, const char *data_path,
                         const kohl_evaluate_options *options, size_t first, size_t count, kohl_predictions *out,
                         size_t *bad);

/* One label: {"task", "n", "bad", "accuracy", "accuracy_wilson": [low, high], "accuracy_bootstrap", "top3", "top5",
 * "top": [top-1, ...], "balanced_accuracy" ..., the names of kohl_metrics ..., "calibration": [{"count", "right",
 * "confidence"}], "per_class": {label: {"precision", ...}}, "confusion": [[...]]}, rows of confusion being the true
 * classes.  Many labels: the names of kohl_metrics_many, "per_class" with "threshold"; accuracy, top3, top5 and
 * balanced_accuracy where every picture has one label.  Ranks of a class that has none are null.  With
 * several heads "head" names the first, and "heads": {name: {...}} has the same of the others. */
void kohl_evaluation_write_json(const kohl_evaluation *evaluation, kohl_json_writer *writer);

#endif
