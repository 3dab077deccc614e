/* warp forward with AVX2: a register holds a pixel of the upper row and the one below it. */
#include "kernels/warp/eight_avx2.h"

/* Output pixel from its neighbours; channels in the first three floats. */
static inline __m128 blend(__m256i pair, __m256 fx, __m128 fy) {
  const __m256i left = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1, /* above */
                                        2, -1, -1, -1, 3, -1, -1, -1, 4, -1, -1, -1, -1, -1, -1, -1);
  const __m256i right = _mm256_setr_epi8(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1, /* above */
                                         5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1);
  __m256i a = _mm256_shuffle_epi8(pair, left), b = _mm256_shuffle_epi8(pair, right);
  __m256 both = _mm256_fmadd_ps(fx, _mm256_cvtepi32_ps(_mm256_sub_epi32(b, a)), _mm256_cvtepi32_ps(a));
  __m128 top = _mm256_castps256_ps128(both), bottom = _mm256_extractf128_ps(both, 1);
  return _mm_fmadd_ps(fy, _mm_sub_ps(bottom, top), top);
}

static inline void eight(const kohl_warp_row *r, int x) {
  coordinates y = coordinates_of(r->row, r->row_step, x), z = coordinates_of(r->column, r->column_step, x);
  int32_t rows[8], columns[8];
  float fy[8], fx[8], *dst = r->dst + 3 * (size_t)x;
  _mm256_storeu_si256((__m256i *)rows, y.whole);
  _mm256_storeu_si256((__m256i *)columns, z.whole);
  _mm256_storeu_ps(fy, y.fraction);
  _mm256_storeu_ps(fx, z.fraction);
  size_t step = (size_t)r->d->src_row;
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++, dst += 3) {
    __m256i pair = neighbours(r->src + (size_t)rows[i] * step + (size_t)columns[i] * 3, step);
    __m128 pixel = blend(pair, _mm256_set1_ps(fx[i]), _mm_set1_ps(fy[i]));
    if (i < 7) {
      _mm_storeu_ps(dst, pixel); /* the fourth float is the next pixel's */
    } else {
      _mm_storel_pi((__m64 *)dst, pixel);
      _mm_store_ss(dst + 2, _mm_movehl_ps(pixel, pixel));
    }
  }
}

#include "kernels/warp/rows.inc"

const kohl_kernel_code kohl_warp_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
