/* colour with AVX-512. */
#include "kernels/picture/rgb_avx512.h"

typedef __m512i sums;

LANES_INLINE sums sums_zero(void) { return _mm512_setzero_si512(); }

LANES_INLINE sums sums_add(sums total, lanes x) {
  __m512i whole = _mm512_cvttps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(65536.0f)));
  __m512i even = _mm512_and_si512(whole, _mm512_set1_epi64(0xffffffff));
  return _mm512_add_epi64(total, _mm512_add_epi64(even, _mm512_srli_epi64(whole, 32)));
}

LANES_INLINE uint64_t sums_total(sums total) { return (uint64_t)_mm512_reduce_add_epi64(total); }

#include "kernels/colour/loops.inc"

const kohl_kernel_code kohl_colour_fwd_avx512 = {kohl_colour_check, NULL, NULL, kohl_colour_workspace, run};
