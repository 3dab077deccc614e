/* The list of cross-entropies, checking a desc, weights and divisor. */
#include "kernels/softmax_xent/softmax_xent.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(softmax_xent, __VA_ARGS__)
#include "kernels/softmax_xent/softmax_xent.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(softmax_xent, __VA_ARGS__)
#include "kernels/softmax_xent/softmax_xent.def"
#undef KERNEL
};
KOHL_DEFINE_OP(softmax_xent, table)

const char *kohl_softmax_xent_check(const kohl_softmax_xent_desc *d) {
  if (d->n < 0 || d->k < 1) return "a size is below 1";
  if (!(d->label_smoothing >= 0.0f && d->label_smoothing < 1.0f)) return "the label smoothing is not in [0, 1)";
  if (!(d->loss_weight > 0.0f && d->loss_weight <= 1e30f)) return "the weight of the loss is not a number above 0";
  if (d->divide_by != KOHL_SOFTMAX_XENT_BY_BATCH && d->divide_by != KOHL_SOFTMAX_XENT_BY_WEIGHTS) {
    return "an unknown divisor";
  }
  return NULL;
}

float kohl_softmax_xent_weight(const kohl_softmax_xent_desc *d, int32_t label, const float *class_weights) {
  if (label == KOHL_SOFTMAX_XENT_LEFT_OUT) return 0.0f;
  if (label < 0 || label >= d->k) return NAN;
  return class_weights ? class_weights[label] : 1.0f;
}

float kohl_softmax_xent_divisor(const kohl_softmax_xent_desc *d, const int32_t *labels, const float *class_weights) {
  if (d->divide_by == KOHL_SOFTMAX_XENT_BY_BATCH) return d->n ? (float)d->n : 1.0f;
  float sum = 0.0f;
  for (int i = 0; i < d->n; i++) sum += kohl_softmax_xent_weight(d, labels[i], class_weights);
  return sum == 0.0f ? 1.0f : sum;
}
