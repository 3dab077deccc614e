/* batchnorm forward with AVX-512: 16 channels a register, a masked register for the tail. */
#include <immintrin.h>

#include "kernels/batchnorm/batchnorm.h"

static const char *accepts(const void *desc) { return kohl_batchnorm_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_batchnorm_desc *d = desc;
  const float *src = (const float *)args->in[BATCHNORM_SRC] + first * d->src_stride;
  const float *scale = args->in[BATCHNORM_SCALE], *shift = args->in[BATCHNORM_SHIFT];
  float *dst = (float *)args->out[BATCHNORM_DST] + first * d->dst_stride;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c += 16) {
      __mmask16 mask = d->c - c < 16 ? (__mmask16)((1u << (d->c - c)) - 1) : 0xffff;
      __m512 a = _mm512_maskz_loadu_ps(mask, scale + c), b = _mm512_maskz_loadu_ps(mask, shift + c);
      __m512 y = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, src + c), a, b);
      if (relu) y = _mm512_max_ps(_mm512_setzero_ps(), y); /* the second operand stays for NaN and -0 */
      _mm512_mask_storeu_ps(dst + c, mask, y);
    }
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_batchnorm_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_batchnorm_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
