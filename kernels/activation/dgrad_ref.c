/* activation gradient, the reference: strict C. */
#include "kernels/activation/activation.h"

static const char *accepts(const void *desc) { return kohl_activation_check(desc); }

static float gradient(float dst, float ddst, kohl_activation_function function) {
  switch (function) {
    case KOHL_ACTIVATION_FUNCTION_RELU: return dst > 0.0f ? ddst : 0.0f;
    case KOHL_ACTIVATION_FUNCTION_SIGMOID: return ddst * (dst * (1.0f - dst));
    case KOHL_ACTIVATION_FUNCTION_COPY: break;
  }
  return ddst;
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_activation_desc *d = desc;
  const float *dst = (const float *)args->in[ACTIVATION_DGRAD_DST] + first * d->dst_stride;
  const float *ddst = (const float *)args->in[ACTIVATION_DGRAD_DDST] + first * d->dst_stride;
  float *dsrc = (float *)args->out[ACTIVATION_DGRAD_DSRC] + first * d->src_stride;
  for (; count; count--, dst += d->dst_stride, ddst += d->dst_stride, dsrc += d->src_stride) {
    for (int c = 0; c < d->c; c++) dsrc[c] = gradient(dst[c], ddst[c], d->function);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_activation_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_activation_dgrad_ref = {accepts, NULL, NULL, NULL, run};
