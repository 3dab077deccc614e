/* add forward with AVX2: 8 channels a register, a masked register for the tail. */
#include <immintrin.h>

#include "kernels/add/add.h"

static const char *accepts(const void *desc) { return kohl_add_check(desc); }

static inline __m256 sum(__m256 x, __m256 y, bool relu) {
  __m256 z = _mm256_add_ps(x, y);
  return relu ? _mm256_max_ps(_mm256_setzero_ps(), z) : z; /* the second operand stays for NaN and -0 */
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_add_desc *d = desc;
  const float *a = (const float *)args->in[ADD_A] + first * d->a_stride;
  const float *b = (const float *)args->in[ADD_B] + first * d->b_stride;
  float *dst = (float *)args->out[ADD_DST] + first * d->dst_stride;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  const __m256i tail = _mm256_cmpgt_epi32(_mm256_set1_epi32(d->c % 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  for (; count; count--, a += d->a_stride, b += d->b_stride, dst += d->dst_stride) {
    int c = 0;
    for (; c + 8 <= d->c; c += 8) {
      __m256 x = _mm256_loadu_ps(a + c), y = _mm256_loadu_ps(b + c);
      _mm256_storeu_ps(dst + c, sum(x, y, relu));
    }
    if (c == d->c) continue;
    __m256 x = _mm256_maskload_ps(a + c, tail), y = _mm256_maskload_ps(b + c, tail);
    _mm256_maskstore_ps(dst + c, tail, sum(x, y, relu));
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_add_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_add_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
