/* The list of channel copies, and checking a desc. */
#include "kernels/concat/concat.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(concat, __VA_ARGS__)
#include "kernels/concat/concat.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(concat, __VA_ARGS__)
#include "kernels/concat/concat.def"
#undef KERNEL
};
KOHL_DEFINE_OP(concat, table)

const char *kohl_concat_check(const kohl_concat_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  return NULL;
}
