/* Pixels of three floats in registers of AVX-512: see rgb_avx2.h. */
#ifndef KOHL_KERNELS_PICTURE_RGB_AVX512_H
#define KOHL_KERNELS_PICTURE_RGB_AVX512_H

#include <stdint.h>

#include "kernels/core/lanes_avx512.h"

typedef struct rgb {
  lanes r, g, b;
} rgb;

LANES_INLINE lanes rgb_bytes(const uint8_t *at) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)at)));
}

/* The 16 floats whose places in a and b the first three orders give, then those of the last in c. */
LANES_INLINE rgb rgb_split(lanes a, lanes b, lanes c) {
  const __m512i r1 = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
  const __m512i r2 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
  const __m512i g1 = _mm512_setr_epi32(1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
  const __m512i g2 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
  const __m512i b1 = _mm512_setr_epi32(2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
  const __m512i b2 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
  return (rgb){_mm512_permutex2var_ps(_mm512_permutex2var_ps(a, r1, b), r2, c),
               _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, g1, b), g2, c),
               _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, b1, b), b2, c)};
}

LANES_INLINE void rgb_join(rgb x, lanes v[3]) {
  const __m512i a1 = _mm512_setr_epi32(0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
  const __m512i a2 = _mm512_setr_epi32(0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15);
  const __m512i b1 = _mm512_setr_epi32(21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
  const __m512i b2 = _mm512_setr_epi32(0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15);
  const __m512i c1 = _mm512_setr_epi32(0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
  const __m512i c2 = _mm512_setr_epi32(26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31);
  v[0] = _mm512_permutex2var_ps(_mm512_permutex2var_ps(x.r, a1, x.g), a2, x.b);
  v[1] = _mm512_permutex2var_ps(_mm512_permutex2var_ps(x.r, b1, x.g), b2, x.b);
  v[2] = _mm512_permutex2var_ps(_mm512_permutex2var_ps(x.r, c1, x.g), c2, x.b);
}

#endif
