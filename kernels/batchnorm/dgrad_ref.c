/* batchnorm input gradient, the reference: strict C. */
#include "kernels/batchnorm/batchnorm.h"

static const char *accepts(const void *desc) { return kohl_batchnorm_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_batchnorm_desc *d = desc;
  const float *ddst = (const float *)args->in[BATCHNORM_DGRAD_DDST] + first * d->dst_stride;
  const float *scale = args->in[BATCHNORM_DGRAD_SCALE], *dst = args->in[BATCHNORM_DGRAD_DST];
  float *dsrc = (float *)args->out[BATCHNORM_DGRAD_DSRC] + first * d->src_stride;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  if (relu) dst += first * d->dst_stride;
  for (; count; count--, ddst += d->dst_stride, dsrc += d->src_stride) {
    for (int c = 0; c < d->c; c++) dsrc[c] = (!relu || dst[c] > 0.0f ? ddst[c] : 0.0f) * scale[c];
    if (relu) dst += d->dst_stride;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_batchnorm_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_batchnorm_dgrad_ref = {accepts, NULL, NULL, NULL, run};
