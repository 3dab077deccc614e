/* lrn gradient, the reference: strict C.  Powers and quotients of a pixel's channels are worked out once and kept in
 * the workspace: 2c floats per worker. */
#include "kernels/core/math.h"
#include "kernels/lrn/lrn.h"

static const char *accepts(const void *desc) { return kohl_lrn_check(desc); }

static size_t workspace_size(const void *desc, size_t workers) {
  const kohl_lrn_desc *d = desc;
  return 2 * workers * (size_t)d->c * sizeof(float);
}

static void window(const kohl_lrn_desc *d, int c, int *first, int *last) {
  int half = d->size / 2;
  *first = c > half ? c - half : 0;
  *last = d->c - 1 - c > half ? c + half : d->c - 1;
}

static void pixel(const kohl_lrn_desc *d, const float *src, const float *ddst, float *power, float *quotient,
                  float *dsrc) {
  const float factor = 2.0f * d->alpha * d->beta;
  int first, last;
  for (int c = 0; c < d->c; c++) {
    float sum = 0.0f;
    window(d, c, &first, &last);
    for (int j = first; j <= last; j++) sum = fmaf(src[j], src[j], sum);
    float base = fmaf(d->alpha, sum, d->bias);
    power[c] = kohl_powf(base, -d->beta);
    quotient[c] = ddst[c] * src[c] * power[c] / base;
  }
  for (int c = 0; c < d->c; c++) {
    float sum = 0.0f;
    window(d, c, &first, &last);
    for (int j = first; j <= last; j++) sum += quotient[j];
    dsrc[c] = fmaf(-(factor * src[c]), sum, ddst[c] * power[c]);
  }
}

static void work(const kohl_lrn_desc *d, const kohl_args *args, float *scratch, size_t first, size_t count) {
  const float *src = (const float *)args->in[LRN_DGRAD_SRC] + first * (size_t)d->src_stride;
  const float *ddst = (const float *)args->in[LRN_DGRAD_DDST] + first * (size_t)d->dst_stride;
  float *dsrc = (float *)args->out[LRN_DGRAD_DSRC] + first * (size_t)d->src_stride;
  for (; count; count--, src += d->src_stride, ddst += d->dst_stride, dsrc += d->src_stride) {
    pixel(d, src, ddst, scratch, scratch + d->c, dsrc);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_lrn_desc *d = desc;
  kohl_lrn_run(d, args, threads, work, 2 * (size_t)d->c);
}

const kohl_kernel_code kohl_lrn_dgrad_ref = {accepts, NULL, NULL, workspace_size, run};
