/* Labels and weights of samples for heads and metrics; see targets.h. */
#include "train/targets.h"

#include <string.h>

kohl_status kohl_targets_check(kohl_context *ctx, const kohl_head_labels *own, const size_t *list, size_t count,
                               bool sigmoid, const char *where) {
  char path[KOHL_SAMPLE_PATH];
  const kohl_samples *samples = own->samples;
  for (size_t i = 0; i < count && !sigmoid; i++) {
    /* its kernel finds both the target and the weight by the label alone */
    size_t labels;
    kohl_head_labels_at(own, list[i], &labels);
    if (labels > 1) {
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s: '%.600s' has %zu labels, expected 1 for a softmax; loss.name sigmoid takes several", where,
                       kohl_sample_path(samples, list[i], path), labels);
    }
    float weight = kohl_sample_weight(samples, list[i]);
    if (weight != 1.0f) {
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s: '%.600s' has the weight %g, expected 1 for a softmax, which weighs classes only; "
                       "loss.name sigmoid takes weights",
                       where, kohl_sample_path(samples, list[i], path), (double)weight);
    }
  }
  return KOHL_OK;
}

void kohl_targets_tell(const kohl_session_head *head, int i, const kohl_head_labels *own, size_t sample,
                       const float *class_weights) {
  size_t count, k = (size_t)head->k;
  const int *labels = kohl_head_labels_at(own, sample, &count);
  if (head->labels) { /* a softmax, whose class weights stand in the head */
    head->labels[i] = count ? labels[0] : KOHL_SOFTMAX_XENT_LEFT_OUT;
    return;
  }
  float *row = head->targets + (size_t)i * k;
  double sum = 0;
  memset(row, 0, k * sizeof *row); /* of the run before */
  for (size_t j = 0; j < count; j++) {
    row[labels[j]] = 1.0f;
    sum += class_weights ? (double)class_weights[labels[j]] : 1.0;
  }
  /* the mean and not the sum: a picture with many labels is still one picture; exact where it has one */
  head->sample_weights[i] = count ? (float)(sum / (double)count) * kohl_sample_weight(own->samples, sample) : 0.0f;
}

void kohl_targets_truth(const kohl_head_labels *own, size_t sample, uint8_t *row) {
  size_t count;
  const int *labels = kohl_head_labels_at(own, sample, &count);
  memset(row, 0, own->class_count);
  for (size_t j = 0; j < count; j++) row[labels[j]] = 1;
}
