/* The list of local response normalisations, and checking a desc. */
#include "kernels/lrn/lrn.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(lrn, __VA_ARGS__)
#include "kernels/lrn/lrn.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(lrn, __VA_ARGS__)
#include "kernels/lrn/lrn.def"
#undef KERNEL
};
KOHL_DEFINE_OP(lrn, table)

const char *kohl_lrn_check(const kohl_lrn_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->size < 1 || d->size % 2 == 0) return "the window's size is not odd";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  return NULL;
}
