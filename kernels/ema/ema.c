/* The list of moving averages, and checking a desc. */
#include "kernels/ema/ema.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(ema, __VA_ARGS__)
#include "kernels/ema/ema.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(ema, __VA_ARGS__)
#include "kernels/ema/ema.def"
#undef KERNEL
};
KOHL_DEFINE_OP(ema, table)

const char *kohl_ema_check(const void *desc) {
  const kohl_ema_desc *d = desc;
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  if (!(d->decay >= 0.0 && d->decay <= 1.0)) return "the decay is not in [0, 1]";
  return NULL;
}
