/* warp forward with AVX-512: a register holds, for two output pixels, a pixel of the upper row and the one below it. */
#include "kernels/warp/eight_avx2.h"

/* Two output pixels from their neighbours, channels in floats 0-2 and 8-10. */
static inline __m512 blend(__m512i pairs, __m512 fx, __m512 fy) {
  const __m512i left =
      _mm512_broadcast_i64x4(_mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1, /* above */
                                              2, -1, -1, -1, 3, -1, -1, -1, 4, -1, -1, -1, -1, -1, -1, -1));
  const __m512i right =
      _mm512_broadcast_i64x4(_mm256_setr_epi8(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1, /* above */
                                              5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1));
  __m512i a = _mm512_shuffle_epi8(pairs, left), b = _mm512_shuffle_epi8(pairs, right);
  __m512 both = _mm512_fmadd_ps(fx, _mm512_cvtepi32_ps(_mm512_sub_epi32(b, a)), _mm512_cvtepi32_ps(a));
  __m512 below = _mm512_shuffle_f32x4(both, both, _MM_SHUFFLE(3, 3, 1, 1));
  return _mm512_fmadd_ps(fy, _mm512_sub_ps(below, both), both); /* its odd lanes are nothing */
}

static inline void eight(const kohl_warp_row *r, int x) {
  const __m512i halves = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m512i pixels = _mm512_setr_epi32(0, 1, 2, 8, 9, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  coordinates y = coordinates_of(r->row, r->row_step, x), z = coordinates_of(r->column, r->column_step, x);
  int32_t rows[8], columns[8];
  float *dst = r->dst + 3 * (size_t)x;
  _mm256_storeu_si256((__m256i *)rows, y.whole);
  _mm256_storeu_si256((__m256i *)columns, z.whole);
  __m512 fy = _mm512_castps256_ps512(y.fraction), fx = _mm512_castps256_ps512(z.fraction);
  size_t step = (size_t)r->d->src_row;
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2, dst += 6) {
    __m256i a = neighbours(r->src + (size_t)rows[i] * step + (size_t)columns[i] * 3, step);
    __m256i b = neighbours(r->src + (size_t)rows[i + 1] * step + (size_t)columns[i + 1] * 3, step);
    __m512i which = _mm512_add_epi32(halves, _mm512_set1_epi32(i));
    __m512 two = blend(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1), _mm512_permutexvar_ps(which, fx),
                       _mm512_permutexvar_ps(which, fy));
    _mm256_mask_storeu_ps(dst, 0x3f, _mm512_castps512_ps256(_mm512_permutexvar_ps(pixels, two)));
  }
}

#include "kernels/warp/rows.inc"

const kohl_kernel_code kohl_warp_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
