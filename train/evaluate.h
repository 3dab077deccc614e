/* Evaluating a model file on labelled pictures. */
#ifndef KOHL_TRAIN_EVALUATE_H
#define KOHL_TRAIN_EVALUATE_H

#include "nn/json.h"
#include "train/metrics.h"

typedef struct kohl_evaluate_options {
  int batch;                /* pictures in one run, 1 to 4096 */
  const char *split;        /* "train", "validation" or "test": only samples of this part; NULL: all that are listed */
  const char *split_column; /* of a CSV; NULL: found by its name */
  void (*progress)(void *user, size_t done, size_t count); /* after each batch; may be NULL */
  void *progress_user;
} kohl_evaluate_options;

typedef struct kohl_evaluation {
  kohl_metrics metrics;
  char **labels; /* metrics.classes names, owned */
  size_t bad;    /* pictures that could not be read; not among metrics.n */
} kohl_evaluation;

kohl_evaluate_options kohl_evaluate_options_default(void); /* batch 32, all samples */

/* Runs the model over data (folder or CSV, datasets/source.h) with the preprocessing of its file.  A class that the
 * model does not know is KOHL_BAD_INPUT naming it, as is a split without samples and a model without labels.  Bad
 * pictures are left out, counted and named in the log.  *out is the caller's until kohl_evaluation_free. */
kohl_status kohl_evaluate(kohl_context *ctx, const char *model_path, const char *data_path,
                          const kohl_evaluate_options *options, kohl_evaluation *out);
void kohl_evaluation_free(kohl_context *ctx, kohl_evaluation *evaluation);

/* {"n", "accuracy", "top3", "top5", "balanced_accuracy", "macro_f1", "per_class": {label: {"precision", "recall",
 * "f1", "support"}}, "confusion": [[...]]}, rows of confusion being the true classes, and "bad". */
void kohl_evaluation_write_json(const kohl_evaluation *evaluation, kohl_json_writer *writer);

#endif
