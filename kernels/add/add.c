/* The list of additions, and checking a desc. */
#include "kernels/add/add.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(add, __VA_ARGS__)
#include "kernels/add/add.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(add, __VA_ARGS__)
#include "kernels/add/add.def"
#undef KERNEL
};
KOHL_DEFINE_OP(add, table)

const char *kohl_add_check(const kohl_add_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->a_stride < d->c || d->b_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  if (d->activation != KOHL_ACTIVATION_NONE && d->activation != KOHL_ACTIVATION_RELU) return "an unknown activation";
  return NULL;
}
