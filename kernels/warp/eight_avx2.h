/* The coordinates of eight neighbouring output pixels, for the kernels of warp at both levels. */
#ifndef KOHL_KERNELS_WARP_EIGHT_AVX2_H
#define KOHL_KERNELS_WARP_EIGHT_AVX2_H

#include <immintrin.h>

#include "kernels/warp/warp.h"

/* The whole part of each coordinate and its fraction. */
typedef struct {
  __m256i whole;
  __m256 fraction;
} coordinates;

/* from + x * step for eight x; lanes of 64 bits hold pixels 0 1 4 5 and 2 3 6 7, so that one shuffle sorts the halves.
 */
static inline coordinates coordinates_of(uint64_t from, uint64_t step, int x) {
  from += step * (uint64_t)x;
  __m256i start = _mm256_set1_epi64x((long long)from), two = _mm256_set1_epi64x((long long)(2 * step));
  __m256i multiples = _mm256_set_epi64x((long long)(5 * step), (long long)(4 * step), (long long)step, 0);
  __m256 a = _mm256_castsi256_ps(_mm256_add_epi64(start, multiples));
  __m256 b = _mm256_castsi256_ps(_mm256_add_epi64(_mm256_castps_si256(a), two));
  __m256i low = _mm256_castps_si256(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
  __m256 fraction = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(low, 8)), _mm256_set1_ps(0x1p-24f));
  return (coordinates){_mm256_castps_si256(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))), fraction};
}

/* A pixel and its right neighbour, from their row in the lower half and the next row in the upper one.  Eight bytes are
 * read of six: in the upper row those behind them, in the lower one those before them, which are there. */
static inline __m256i neighbours(const uint8_t *at, size_t row) {
  __m128i above = _mm_loadl_epi64((const __m128i *)at), below = _mm_loadl_epi64((const __m128i *)(at + row - 2));
  return _mm256_set_m128i(below, above);
}

#endif
