/* batchnorm forward, the reference: strict C. */
#include <math.h>

#include "kernels/batchnorm/batchnorm.h"

static const char *accepts(const void *desc) { return kohl_batchnorm_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_batchnorm_desc *d = desc;
  const float *src = (const float *)args->in[BATCHNORM_SRC] + first * d->src_stride;
  const float *scale = args->in[BATCHNORM_SCALE], *shift = args->in[BATCHNORM_SHIFT];
  float *dst = (float *)args->out[BATCHNORM_DST] + first * d->dst_stride;
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c++) dst[c] = kohl_activate(fmaf(src[c], scale[c], shift[c]), d->activation);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_batchnorm_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_batchnorm_fwd_ref = {accepts, NULL, NULL, NULL, run};
