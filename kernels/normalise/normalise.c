/* The list of kernels that normalise pictures, and the check of a desc. */
#include "kernels/normalise/normalise.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(normalise, __VA_ARGS__)
#include "kernels/normalise/normalise.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(normalise, __VA_ARGS__)
#include "kernels/normalise/normalise.def"
#undef KERNEL
};
KOHL_DEFINE_OP(normalise, table)

const char *kohl_normalise_check(const kohl_normalise_desc *d) {
  if (d->n < 0 || d->pixels < 1) return "a size is below 1";
  if (d->dst_stride < 3) return "the destination's stride is below 3";
  if (!isfinite(d->scale)) return "scale is not finite";
  for (int c = 0; c < 3; c++) {
    if (!isfinite(d->mean[c]) || !isfinite(d->inv_std[c])) return "a mean or 1 / std is not finite";
  }
  return NULL;
}
