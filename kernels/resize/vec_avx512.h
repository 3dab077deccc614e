/* Registers of AVX-512 for the passes of resize: see vec_avx2.h. */
#ifndef KOHL_KERNELS_RESIZE_VEC_AVX512_H
#define KOHL_KERNELS_RESIZE_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define VEC_INLINE static inline __attribute__((always_inline, unused))

enum { VEC_BYTES = 64, VEC_ROWS = 16 };
typedef __m512i vec;

VEC_INLINE vec vec_zero(void) { return _mm512_setzero_si512(); }
VEC_INLINE vec vec_set(int32_t x) { return _mm512_set1_epi32(x); }
VEC_INLINE vec vec_lanes(__m128i x) { return _mm512_broadcast_i32x4(x); }
VEC_INLINE vec vec_load(const uint8_t *at) { return _mm512_loadu_si512(at); }
VEC_INLINE void vec_store(uint8_t *at, vec x) { _mm512_storeu_si512(at, x); }
VEC_INLINE vec vec_pairs(const uint8_t *at) { return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)at)); }
VEC_INLINE vec vec_madd(vec a, vec b) { return _mm512_madd_epi16(a, b); }
VEC_INLINE vec vec_add(vec a, vec b) { return _mm512_add_epi32(a, b); }
VEC_INLINE vec vec_left(vec a, int bits) { return _mm512_slli_epi32(a, (unsigned)bits); }
VEC_INLINE vec vec_right(vec a, int bits) { return _mm512_srai_epi32(a, (unsigned)bits); }
VEC_INLINE vec vec_pack32(vec a, vec b) { return _mm512_packs_epi32(a, b); }
VEC_INLINE vec vec_pack16(vec a, vec b) { return _mm512_packus_epi16(a, b); }
VEC_INLINE vec vec_shuffle(vec a, vec order) { return _mm512_shuffle_epi8(a, order); }
VEC_INLINE vec vec_low8(vec a, vec b) { return _mm512_unpacklo_epi8(a, b); }
VEC_INLINE vec vec_high8(vec a, vec b) { return _mm512_unpackhi_epi8(a, b); }
VEC_INLINE vec vec_low32(vec a, vec b) { return _mm512_unpacklo_epi32(a, b); }
VEC_INLINE vec vec_high32(vec a, vec b) { return _mm512_unpackhi_epi32(a, b); }
VEC_INLINE vec vec_low64(vec a, vec b) { return _mm512_unpacklo_epi64(a, b); }
VEC_INLINE vec vec_high64(vec a, vec b) { return _mm512_unpackhi_epi64(a, b); }
VEC_INLINE void vec_scatter(uint8_t *at, size_t step, vec x) {
  _mm_storeu_si128((__m128i *)at, _mm512_castsi512_si128(x));
  _mm_storeu_si128((__m128i *)(at + step), _mm512_extracti32x4_epi32(x, 1));
  _mm_storeu_si128((__m128i *)(at + 2 * step), _mm512_extracti32x4_epi32(x, 2));
  _mm_storeu_si128((__m128i *)(at + 3 * step), _mm512_extracti32x4_epi32(x, 3));
}

#endif
