/* The list of kernels that gather rows, and the check of a desc. */
#include "kernels/gather/gather.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(gather, __VA_ARGS__)
#include "kernels/gather/gather.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(gather, __VA_ARGS__)
#include "kernels/gather/gather.def"
#undef KERNEL
};
KOHL_DEFINE_OP(gather, table)

const char *kohl_gather_check(const kohl_gather_desc *d) {
  if (d->n < 0 || d->rows < 0 || d->bytes < 1) return "a size is below what it can be";
  if (d->rows > INT32_MAX) return "more than 2^31 - 1 rows";
  return NULL;
}
