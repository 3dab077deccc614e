/* What a head in training, and the metrics behind it, are told about a sample: its labels and how much it counts.
 *
 * Not where class weights come from (datasets/balance.h), nor their place in a softmax: that head has an array for
 * them, which is written once.  A sigmoid's are multiplied into the sample's weight, as Keras's class_weight is. */
#ifndef KOHL_TRAIN_TARGETS_H
#define KOHL_TRAIN_TARGETS_H

#include "nn/session.h"
#include "train/head_labels.h"

/* Whether the loss can be told all that is known of count samples (indices).  A softmax takes at most one label a
 * picture and no weights but 1; else KOHL_BAD_INPUT naming the picture, its value, and sigmoid, which takes both. where
 * begins the text: the data. */
kohl_status kohl_targets_check(kohl_context *ctx, const kohl_head_labels *labels, const size_t *list, size_t count,
                               bool sigmoid, const char *where);

/* Tells a head about its sample i of a run (below the batch), sample being an index of labels, whose class_count is the
 * head's k.  softmax: labels[i].  sigmoid: row i of targets, 1 for the sample's labels and 0 for the others, and
 * sample_weights[i] = (the mean of class_weights over its labels, worked out in double, as f32) * the sample's own
 * weight.  class_weights: [k], or NULL for 1.  A sample without labels is left out: label -1, weight 0. */
void kohl_targets_tell(const kohl_session_head *head, int i, const kohl_head_labels *labels, size_t sample,
                       const float *class_weights);

/* The same for metrics with many labels: row[labels->class_count], 1 or 0. */
void kohl_targets_truth(const kohl_head_labels *labels, size_t sample, uint8_t *row);

#endif
