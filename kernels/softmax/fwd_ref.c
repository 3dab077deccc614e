/* softmax forward, the reference: strict C, one pixel after the other. */
#include "kernels/softmax/softmax.h"

static const char *accepts(const void *desc) { return kohl_softmax_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_softmax_desc *d = desc;
  const float *src = (const float *)args->in[SOFTMAX_SRC] + first * d->src_stride;
  float *dst = (float *)args->out[SOFTMAX_DST] + first * d->dst_stride;
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    float max, sum;
    kohl_softmax_pixel(src, d->c, dst, &max, &sum);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_softmax_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_softmax_fwd_ref = {accepts, NULL, NULL, NULL, run};
