/* Registers of AVX2 under one set of names for kernels/resize/passes.inc, which is the same text at both levels.
 *
 * A vec is VEC_BYTES bytes or VEC_ROWS 32-bit numbers, one for each row of a strip.  Packs and unpacks work within
 * lanes of 16 bytes, as the instructions do. */
#ifndef KOHL_KERNELS_RESIZE_VEC_AVX2_H
#define KOHL_KERNELS_RESIZE_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define VEC_INLINE static inline __attribute__((always_inline, unused))

enum { VEC_BYTES = 32, VEC_ROWS = 8 };
typedef __m256i vec;

VEC_INLINE vec vec_zero(void) { return _mm256_setzero_si256(); }
VEC_INLINE vec vec_set(int32_t x) { return _mm256_set1_epi32(x); }
VEC_INLINE vec vec_lanes(__m128i x) { return _mm256_broadcastsi128_si256(x); } /* the same in each lane */
VEC_INLINE vec vec_load(const uint8_t *at) { return _mm256_loadu_si256((const __m256i *)at); }
VEC_INLINE void vec_store(uint8_t *at, vec x) { _mm256_storeu_si256((__m256i *)at, x); }
/* 2 * VEC_ROWS bytes as 16-bit numbers. */
VEC_INLINE vec vec_pairs(const uint8_t *at) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)at)); }
/* The sums of two neighbouring products of 16-bit numbers. */
VEC_INLINE vec vec_madd(vec a, vec b) { return _mm256_madd_epi16(a, b); }
VEC_INLINE vec vec_add(vec a, vec b) { return _mm256_add_epi32(a, b); }
VEC_INLINE vec vec_left(vec a, int bits) { return _mm256_slli_epi32(a, bits); }
VEC_INLINE vec vec_right(vec a, int bits) { return _mm256_srai_epi32(a, bits); }
VEC_INLINE vec vec_pack32(vec a, vec b) { return _mm256_packs_epi32(a, b); }  /* to 16 bits, clamped */
VEC_INLINE vec vec_pack16(vec a, vec b) { return _mm256_packus_epi16(a, b); } /* to bytes, clamped to 0 .. 255 */
VEC_INLINE vec vec_shuffle(vec a, vec order) { return _mm256_shuffle_epi8(a, order); }
VEC_INLINE vec vec_low8(vec a, vec b) { return _mm256_unpacklo_epi8(a, b); }
VEC_INLINE vec vec_high8(vec a, vec b) { return _mm256_unpackhi_epi8(a, b); }
VEC_INLINE vec vec_low32(vec a, vec b) { return _mm256_unpacklo_epi32(a, b); }
VEC_INLINE vec vec_high32(vec a, vec b) { return _mm256_unpackhi_epi32(a, b); }
VEC_INLINE vec vec_low64(vec a, vec b) { return _mm256_unpacklo_epi64(a, b); }
VEC_INLINE vec vec_high64(vec a, vec b) { return _mm256_unpackhi_epi64(a, b); }
/* Stores each lane, `step` bytes apart. */
VEC_INLINE void vec_scatter(uint8_t *at, size_t step, vec x) {
  _mm_storeu_si128((__m128i *)at, _mm256_castsi256_si128(x));
  _mm_storeu_si128((__m128i *)(at + step), _mm256_extracti128_si256(x, 1));
}

#endif
