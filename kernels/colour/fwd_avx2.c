/* colour with AVX2. */
#include "kernels/picture/rgb_avx2.h"

typedef __m256i sums;

LANES_INLINE sums sums_zero(void) { return _mm256_setzero_si256(); }

/* The odd 32-bit numbers shifted down, the even ones masked: both added as 64-bit numbers. */
LANES_INLINE sums sums_add(sums total, lanes x) {
  __m256i whole = _mm256_cvttps_epi32(_mm256_mul_ps(x, _mm256_set1_ps(65536.0f)));
  __m256i even = _mm256_and_si256(whole, _mm256_set1_epi64x(0xffffffff));
  return _mm256_add_epi64(total, _mm256_add_epi64(even, _mm256_srli_epi64(whole, 32)));
}

LANES_INLINE uint64_t sums_total(sums total) {
  uint64_t part[4];
  _mm256_storeu_si256((__m256i *)part, total);
  return part[0] + part[1] + part[2] + part[3];
}

#include "kernels/colour/loops.inc"

const kohl_kernel_code kohl_colour_fwd_avx2 = {kohl_colour_check, NULL, NULL, kohl_colour_workspace, run};
