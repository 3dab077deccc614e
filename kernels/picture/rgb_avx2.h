/* Pixels of three floats in registers of AVX2, under names that rgb_avx512.h shares.
 *
 * Three lanes of neighbouring floats hold LANES pixels.  rgb_split parts them into one register per channel, rgb_join
 * is its inverse. */
#ifndef KOHL_KERNELS_PICTURE_RGB_AVX2_H
#define KOHL_KERNELS_PICTURE_RGB_AVX2_H

#include <stdint.h>

#include "kernels/core/lanes_avx2.h"

typedef struct rgb {
  lanes r, g, b;
} rgb;

/* LANES bytes as floats. */
LANES_INLINE lanes rgb_bytes(const uint8_t *at) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)at)));
}

LANES_INLINE rgb rgb_split(lanes a, lanes b, lanes c) {
  lanes v03 = _mm256_permute2f128_ps(a, b, 0x30); /* r0 g0 b0 r1 | r4 g4 b4 r5 */
  lanes v14 = _mm256_permute2f128_ps(a, c, 0x21); /* g1 b1 r2 g2 | g5 b5 r6 g6 */
  lanes v25 = _mm256_permute2f128_ps(b, c, 0x30); /* b2 r3 g3 b3 | b6 r7 g7 b7 */
  lanes rg = _mm256_shuffle_ps(v14, v25, _MM_SHUFFLE(2, 1, 3, 2));
  lanes gb = _mm256_shuffle_ps(v03, v14, _MM_SHUFFLE(1, 0, 2, 1));
  return (rgb){_mm256_shuffle_ps(v03, rg, _MM_SHUFFLE(2, 0, 3, 0)), _mm256_shuffle_ps(gb, rg, _MM_SHUFFLE(3, 1, 2, 0)),
               _mm256_shuffle_ps(gb, v25, _MM_SHUFFLE(3, 0, 3, 1))};
}

LANES_INLINE void rgb_join(rgb x, lanes v[3]) {
  lanes rg = _mm256_shuffle_ps(x.r, x.g, _MM_SHUFFLE(2, 0, 2, 0));
  lanes gb = _mm256_shuffle_ps(x.g, x.b, _MM_SHUFFLE(3, 1, 3, 1));
  lanes br = _mm256_shuffle_ps(x.b, x.r, _MM_SHUFFLE(3, 1, 2, 0));
  lanes v03 = _mm256_shuffle_ps(rg, br, _MM_SHUFFLE(2, 0, 2, 0));
  lanes v14 = _mm256_shuffle_ps(gb, rg, _MM_SHUFFLE(3, 1, 2, 0));
  lanes v25 = _mm256_shuffle_ps(br, gb, _MM_SHUFFLE(3, 1, 3, 1));
  v[0] = _mm256_permute2f128_ps(v03, v14, 0x20);
  v[1] = _mm256_permute2f128_ps(v25, v03, 0x30);
  v[2] = _mm256_permute2f128_ps(v14, v25, 0x31);
}

#endif
