/* The list of optimizers' whole steps, and checking a desc. */
#include "kernels/update/update.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(update, __VA_ARGS__)
#include "kernels/update/update.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(update, __VA_ARGS__)
#include "kernels/update/update.def"
#undef KERNEL
};
KOHL_DEFINE_OP(update, table)

static bool share(double x) { return x >= 0.0 && x < 1.0; }

const char *kohl_update_check(const void *desc) {
  const kohl_update_desc *d = desc;
  const bool adam = d->rule == KOHL_UPDATE_ADAM || d->rule == KOHL_UPDATE_ADAMW;
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  if (d->losses < 0) return "the count of losses is negative";
  if (!adam && d->rule != KOHL_UPDATE_SGD && d->rule != KOHL_UPDATE_RMSPROP) return "an unknown rule";
  if (adam && !(share(d->beta1) && share(d->beta2))) return "a beta is not in [0, 1)";
  if (!adam && !share(d->momentum)) return "the momentum is not in [0, 1)";
  if (!(d->max_norm > 0.0f)) return "the largest norm is not above 0";
  if (!share(d->ema)) return "the average's share is not in [0, 1)";
  return NULL;
}
