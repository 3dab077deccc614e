/* Classifying picture files: decode and prepare as the model file says, run, hand out the results one by one.
 *
 * Not evaluation against known labels (train/evaluate.h).  Of several heads (nn/model.h) every one answers.  The logits
 * are the input of the last softmax or sigmoid. A classifier belongs to one thread at a time; the pictures of a batch
 * are decoded by the context's threads. */
#ifndef KOHL_INFER_CLASSIFY_H
#define KOHL_INFER_CLASSIFY_H

#include "nn/model.h"

typedef struct kohl_classifier kohl_classifier;

typedef struct kohl_classifier_options {
  int batch;            /* pictures in one run, 1 to 4096 */
  const char *features; /* a layer whose output is wanted too, or NULL; only read during kohl_classifier_create */
} kohl_classifier_options;

kohl_classifier_options kohl_classifier_options_default(void); /* batch 8, no features */

/* Makes a classifier over a model, which is borrowed and must live longer.  An unknown features layer is KOHL_USAGE;
 * a model with labels whose last layer is neither softmax nor sigmoid is KOHL_BAD_INPUT.  *out is the caller's. */
kohl_status kohl_classifier_create(kohl_context *ctx, const kohl_model *model, const kohl_classifier_options *options,
                                   kohl_classifier **out);
void kohl_classifier_destroy(kohl_classifier *classifier);

/* How many probabilities a result has: 0 for a model without head. */
int kohl_classifier_classes(const kohl_classifier *classifier);

/* The features' shape; all 0 without features. */
kohl_shape kohl_classifier_features_shape(const kohl_classifier *classifier);

/* What a further head says. */
typedef struct kohl_classified_head {
  const float *probabilities, *logits; /* [its labels] */
  const bool *chosen;                  /* of many labels, else NULL */
} kohl_classified_head;

/* The result for one file.  The arrays are the classifier's, valid during the sink's call. */
typedef struct kohl_classified {
  size_t index; /* in the list of paths */
  const char *path;
  kohl_status status;         /* KOHL_OK, or why this picture failed (the others go on); then no arrays */
  const char *error;          /* one line naming the file; "" when KOHL_OK */
  const float *probabilities; /* [classes] */
  const float *logits;        /* [classes] */
  const bool *chosen;         /* [classes]: labels at or above their thresholds; NULL but for a model of many labels */
  const float *features;      /* [h][w][c], NULL without a features layer */
  const kohl_classified_head *more; /* [model->more_count]: of the heads behind the first */
} kohl_classified;

/* Called once per path, in order.  Anything but KOHL_OK ends the run with that status. */
typedef kohl_status (*kohl_classify_sink)(void *user, const kohl_classified *result);

/* Classifies count files.  A picture that cannot be read, and one whose outputs are not finite, is reported to the
 * sink; other failures (memory, cancel) end the run. */
kohl_status kohl_classify(kohl_classifier *classifier, const char *const *paths, size_t count, kohl_classify_sink sink,
                          void *user);

/* Indices of the k largest values, best first, of equal ones the lower index first; NaN comes last.  Writes
 * min(k, count) indices to order and returns that number. */
int kohl_top_k(const float *values, int count, int k, int *order);

#endif
