/* The list of binary cross-entropies, checking a desc, and the divisor. */
#include "kernels/sigmoid_bce/sigmoid_bce.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(sigmoid_bce, __VA_ARGS__)
#include "kernels/sigmoid_bce/sigmoid_bce.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(sigmoid_bce, __VA_ARGS__)
#include "kernels/sigmoid_bce/sigmoid_bce.def"
#undef KERNEL
};
KOHL_DEFINE_OP(sigmoid_bce, table)

const char *kohl_sigmoid_bce_check(const void *desc) {
  const kohl_sigmoid_bce_desc *d = desc;
  if (d->n < 0 || d->k < 1) return "a size is below 1";
  if (!(d->label_smoothing >= 0.0f && d->label_smoothing < 1.0f)) return "the label smoothing is not in [0, 1)";
  if (!(d->loss_weight > 0.0f && d->loss_weight <= 1e30f)) return "the weight of the loss is not a number above 0";
  if (d->divide_by != KOHL_SIGMOID_BCE_BY_BATCH && d->divide_by != KOHL_SIGMOID_BCE_BY_WEIGHTS) {
    return "an unknown divisor";
  }
  return NULL;
}

float kohl_sigmoid_bce_divisor(const kohl_sigmoid_bce_desc *d, const float *sample_weights) {
  if (d->divide_by == KOHL_SIGMOID_BCE_BY_BATCH || !sample_weights) return d->n ? (float)d->n : 1.0f;
  float sum = 0.0f;
  for (int i = 0; i < d->n; i++) sum += sample_weights[i];
  return sum == 0.0f ? 1.0f : sum;
}
