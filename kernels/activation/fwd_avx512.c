/* activation forward with AVX-512, relu and copy: 16 channels a register, a masked register for the tail; large
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
  const float *src = (const float *)args->in[ACTIVATION_SRC] + first * d->src_stride;
  float *dst = (float *)args->out[ACTIVATION_DST] + first * d->dst_stride;
  const bool relu = d->function == KOHL_ACTIVATION_FUNCTION_RELU;
  const bool stream = kohl_activation_stream(d, src, dst, (size_t)d->dst_stride);
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c += 16) {
      __mmask16 mask = d->c - c < 16 ? (__mmask16)((1u << (d->c - c)) - 1) : 0xffff;
      __m512 x = _mm512_maskz_loadu_ps(mask, src + c);
      if (relu) x = _mm512_max_ps(_mm512_setzero_ps(), x); /* the second operand stays for NaN and -0 */
      if (stream) {
        _mm512_stream_ps(dst + c, x);
      } else {
        _mm512_mask_storeu_ps(dst + c, mask, x);
      }
    }
  }
  if (stream) kohl_stream_settle();
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_activation_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_activation_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
