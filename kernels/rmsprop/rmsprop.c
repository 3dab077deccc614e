/* The list of RMSprop steps, checking a desc, and the arithmetic of one weight. */
#include "kernels/rmsprop/rmsprop.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(rmsprop, __VA_ARGS__)
#include "kernels/rmsprop/rmsprop.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(rmsprop, __VA_ARGS__)
#include "kernels/rmsprop/rmsprop.def"
#undef KERNEL
};
KOHL_DEFINE_OP(rmsprop, table)

const char *kohl_rmsprop_check(const kohl_rmsprop_desc *d) {
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  return NULL;
}

void kohl_rmsprop_span(const kohl_rmsprop_desc *d, const kohl_args *args, size_t first, size_t count) {
  const float *grad = args->in[RMSPROP_GRAD];
  float *weights = args->out[RMSPROP_WEIGHTS], *v = args->out[RMSPROP_V], *m = args->out[RMSPROP_M];
  const float rest = 1.0f - d->rho;
  for (size_t i = first; i < first + count; i++) {
    float g = grad[i];
    v[i] = fmaf(d->rho, v[i], rest * (g * g));
    float den = d->epsilon_inside ? sqrtf(v[i] + d->epsilon) : sqrtf(v[i]) + d->epsilon;
    float step = d->lr * g / den;
    if (d->momentum != 0.0f) step = m[i] = fmaf(d->momentum, m[i], step);
    weights[i] -= step;
  }
}
