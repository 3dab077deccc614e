/* add forward with AVX-512: 16 channels a register, a masked register for the tail. */
#include <immintrin.h>

#include "kernels/add/add.h"

static const char *accepts(const void *desc) { return kohl_add_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_add_desc *d = desc;
  const float *a = (const float *)args->in[ADD_A] + first * d->a_stride;
  const float *b = (const float *)args->in[ADD_B] + first * d->b_stride;
  float *dst = (float *)args->out[ADD_DST] + first * d->dst_stride;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  for (; count; count--, a += d->a_stride, b += d->b_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c += 16) {
      __mmask16 mask = d->c - c < 16 ? (__mmask16)((1u << (d->c - c)) - 1) : 0xffff;
      __m512 y = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, a + c), _mm512_maskz_loadu_ps(mask, b + c));
      if (relu) y = _mm512_max_ps(_mm512_setzero_ps(), y); /* the second operand stays for NaN and -0 */
      _mm512_mask_storeu_ps(dst + c, mask, y);
    }
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_add_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_add_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
