/* The list of elementwise functions, and checking a desc. */
#include "kernels/activation/activation.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(activation, __VA_ARGS__)
#include "kernels/activation/activation.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(activation, __VA_ARGS__)
#include "kernels/activation/activation.def"
#undef KERNEL
};
KOHL_DEFINE_OP(activation, table)

const char *kohl_activation_check(const kohl_activation_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  if (d->function < KOHL_ACTIVATION_FUNCTION_COPY || d->function > KOHL_ACTIVATION_FUNCTION_SIGMOID) {
    return "an unknown function";
  }
  return NULL;
}
