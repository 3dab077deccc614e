/* lrn forward, the reference: strict C.  A running sum would be faster and would change the rounding. */
#include "kernels/core/math.h"
#include "kernels/lrn/lrn.h"

static const char *accepts(const void *desc) { return kohl_lrn_check(desc); }

static float normalise(const kohl_lrn_desc *d, const float *src, int c) {
  int half = d->size / 2, first = c > half ? c - half : 0, last = d->c - 1 - c > half ? c + half : d->c - 1;
  float sum = 0.0f;
  for (int j = first; j <= last; j++) sum = fmaf(src[j], src[j], sum);
  return src[c] * kohl_powf(fmaf(d->alpha, sum, d->bias), -d->beta);
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_lrn_desc *d = desc;
  const float *src = (const float *)args->in[LRN_SRC] + first * d->src_stride;
  float *dst = (float *)args->out[LRN_DST] + first * d->dst_stride;
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c++) dst[c] = normalise(d, src, c);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_lrn_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_lrn_fwd_ref = {accepts, NULL, NULL, NULL, run};
