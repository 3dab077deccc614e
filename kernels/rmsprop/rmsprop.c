/* The list of RMSprop steps, and checking a desc. */
#include "kernels/rmsprop/rmsprop.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(rmsprop, __VA_ARGS__)
#include "kernels/rmsprop/rmsprop.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(rmsprop, __VA_ARGS__)
#include "kernels/rmsprop/rmsprop.def"
#undef KERNEL
};
KOHL_DEFINE_OP(rmsprop, table)

const char *kohl_rmsprop_check(const void *desc) {
  const kohl_rmsprop_desc *d = desc;
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  return NULL;
}
