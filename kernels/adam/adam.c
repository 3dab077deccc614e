/* The list of Adam steps, checking a desc, and the factors of a step. */
#include "kernels/adam/adam.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(adam, __VA_ARGS__)
#include "kernels/adam/adam.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(adam, __VA_ARGS__)
#include "kernels/adam/adam.def"
#undef KERNEL
};
KOHL_DEFINE_OP(adam, table)

const char *kohl_adam_check(const void *desc) {
  const kohl_adam_desc *d = desc;
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  if (d->step < 1) return "the step is below 1";
  if (!(d->beta1 >= 0.0 && d->beta1 < 1.0 && d->beta2 >= 0.0 && d->beta2 < 1.0)) return "a beta is not in [0, 1)";
  if (d->epsilon_place != KOHL_ADAM_EPSILON_HAT && d->epsilon_place != KOHL_ADAM_EPSILON_PLAIN) {
    return "an unknown place of epsilon";
  }
  return NULL;
}

/* beta^step by repeated squaring: the C library's pow differs from version to version. */
static double power(double beta, int64_t step) {
  double result = 1.0;
  for (; step; step /= 2, beta *= beta) {
    if (step % 2) result *= beta;
  }
  return result;
}

kohl_adam_factors kohl_adam_factors_of(const kohl_adam_desc *d) {
  double first = 1.0 - power(d->beta1, d->step), second = sqrt(1.0 - power(d->beta2, d->step));
  const bool hat = d->epsilon_place == KOHL_ADAM_EPSILON_HAT;
  return (kohl_adam_factors){.rate = (float)(hat ? d->lr * second / first : d->lr / first),
                             .root = hat ? 1.0f : (float)(1.0 / second),
                             .rest1 = (float)(1.0 - d->beta1),
                             .rest2 = (float)(1.0 - d->beta2),
                             .epsilon = (float)d->epsilon,
                             .decay = d->decoupled ? 0.0f : (float)d->weight_decay,
                             .shrink = d->decoupled ? (float)(d->lr * d->weight_decay) : 0.0f};
}
