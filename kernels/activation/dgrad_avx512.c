/* activation gradient with AVX-512, relu and copy: 16 channels a register, a masked register for the tail; large
 * outputs that are not in place go past the caches. */
#include <immintrin.h>

#include "kernels/activation/activation.h"

static const char *accepts(const void *desc) {
  const kohl_activation_desc *d = desc;
  if (d->function == KOHL_ACTIVATION_FUNCTION_SIGMOID) return "no sigmoid";
  return kohl_activation_check(d);
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_activation_desc *d = desc;
  const float *dst = (const float *)args->in[ACTIVATION_DGRAD_DST] + first * d->dst_stride;
  const float *ddst = (const float *)args->in[ACTIVATION_DGRAD_DDST] + first * d->dst_stride;
  float *dsrc = (float *)args->out[ACTIVATION_DGRAD_DSRC] + first * d->src_stride;
  const bool relu = d->function == KOHL_ACTIVATION_FUNCTION_RELU;
  const bool stream = kohl_activation_stream(d, ddst, dsrc, (size_t)d->src_stride);
  for (; count; count--, dst += d->dst_stride, ddst += d->dst_stride, dsrc += d->src_stride) {
    for (int c = 0; c < d->c; c += 16) {
      __mmask16 mask = d->c - c < 16 ? (__mmask16)((1u << (d->c - c)) - 1) : 0xffff, pass = mask;
      if (relu) pass = _mm512_cmp_ps_mask(_mm512_maskz_loadu_ps(mask, dst + c), _mm512_setzero_ps(), _CMP_GT_OQ);
      const __m512 x = _mm512_maskz_loadu_ps(pass, ddst + c);
      if (stream) {
        _mm512_stream_ps(dsrc + c, x);
      } else {
        _mm512_mask_storeu_ps(dsrc + c, mask, x);
      }
    }
  }
  if (stream) kohl_stream_settle();
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_activation_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_activation_dgrad_avx512 = {accepts, NULL, NULL, NULL, run};
