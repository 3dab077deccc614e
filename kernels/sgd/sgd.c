/* The list of steps of gradient descent, and checking a desc. */
#include "kernels/sgd/sgd.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(sgd, __VA_ARGS__)
#include "kernels/sgd/sgd.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(sgd, __VA_ARGS__)
#include "kernels/sgd/sgd.def"
#undef KERNEL
};
KOHL_DEFINE_OP(sgd, table)

const char *kohl_sgd_check(const void *desc) {
  const kohl_sgd_desc *d = desc;
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  return NULL;
}
