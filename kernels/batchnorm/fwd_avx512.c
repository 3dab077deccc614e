/* batchnorm forward with AVX-512: 16 channels a register, a masked register for the tail. */
#include <immintrin.h>

#include "kernels/batchnorm/batchnorm.h"

static const char *accepts(const void *desc) { return kohl_batchnorm_check(desc); }

static inline __m512 affine(__m512 x, __m512 a, __m512 b, bool relu) {
  __m512 y = _mm512_fmadd_ps(x, a, b);
  return relu ? _mm512_max_ps(_mm512_setzero_ps(), y) : y; /* the second operand stays for NaN and -0 */
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_batchnorm_desc *d = desc;
  const float *src = (const float *)args->in[BATCHNORM_SRC] + first * d->src_stride;
  const float *scale = args->in[BATCHNORM_SCALE], *shift = args->in[BATCHNORM_SHIFT];
  float *dst = (float *)args->out[BATCHNORM_DST] + first * d->dst_stride;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU, stream = kohl_batchnorm_streams(d, args);
  const __mmask16 tail = (__mmask16)((1u << d->c % 16) - 1);
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    int c = 0;
    for (; c + 16 <= d->c; c += 16) {
      __m512 y = affine(_mm512_loadu_ps(src + c), _mm512_loadu_ps(scale + c), _mm512_loadu_ps(shift + c), relu);
      if (stream) {
        _mm512_stream_ps(dst + c, y);
      } else {
        _mm512_storeu_ps(dst + c, y);
      }
    }
    if (c == d->c) continue;
    __m512 x = _mm512_maskz_loadu_ps(tail, src + c), a = _mm512_maskz_loadu_ps(tail, scale + c);
    _mm512_mask_storeu_ps(dst + c, tail, affine(x, a, _mm512_maskz_loadu_ps(tail, shift + c), relu));
  }
  if (stream) kohl_stream_settle();
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_batchnorm_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_batchnorm_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
