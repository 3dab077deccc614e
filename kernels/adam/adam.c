/* The list of Adam steps, and checking a desc. */
#include "kernels/adam/adam.h"

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
