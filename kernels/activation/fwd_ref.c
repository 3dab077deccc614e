/* activation forward, the reference: strict C. */
#include "kernels/activation/activation.h"
#include "kernels/core/math.h"

static const char *accepts(const void *desc) { return kohl_activation_check(desc); }

static float apply(float x, kohl_activation_function function) {
  switch (function) {
    case KOHL_ACTIVATION_FUNCTION_RELU: return kohl_relu(x);
    case KOHL_ACTIVATION_FUNCTION_SIGMOID: return kohl_sigmoidf(x);
    case KOHL_ACTIVATION_FUNCTION_COPY: break;
  }
  return x;
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_activation_desc *d = desc;
  const float *src = (const float *)args->in[ACTIVATION_SRC] + first * d->src_stride;
  float *dst = (float *)args->out[ACTIVATION_DST] + first * d->dst_stride;
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c++) dst[c] = apply(src[c], d->function);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_activation_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_activation_fwd_ref = {accepts, NULL, NULL, NULL, run};
