/* softmax gradient, the reference: strict C, one pixel after the other. */
#include <math.h>

#include "kernels/softmax/softmax.h"

static const char *accepts(const void *desc) { return kohl_softmax_check(desc); }

static float dot(const float *dst, const float *ddst, int c) {
  float partial[16] = {0.0f};
  for (int i = 0; i < c; i++) partial[i % 16] = fmaf(ddst[i], dst[i], partial[i % 16]);
  for (int half = 8; half; half /= 2) {
    for (int i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  return partial[0];
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_softmax_desc *d = desc;
  const float *dst = (const float *)args->in[SOFTMAX_DGRAD_DST] + first * d->dst_stride;
  const float *ddst = (const float *)args->in[SOFTMAX_DGRAD_DDST] + first * d->dst_stride;
  float *dsrc = (float *)args->out[SOFTMAX_DGRAD_DSRC] + first * d->src_stride;
  for (; count; count--, dst += d->dst_stride, ddst += d->dst_stride, dsrc += d->src_stride) {
    float sum = dot(dst, ddst, d->c);
    for (int i = 0; i < d->c; i++) dsrc[i] = dst[i] * (ddst[i] - sum);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_softmax_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_softmax_dgrad_ref = {accepts, NULL, NULL, NULL, run};
