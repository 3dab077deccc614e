/* Registers of AVX2 under one set of names, so that a kernel that is the same text at every level is written once.
 *
 * A body (kernels/<op>/<what>.inc) is included behind this header or behind lanes_avx512.h and sees nothing else of the
 * level.  `lanes` are LANES floats, `wides` WIDES doubles.  A part is the first `count` lanes: the others are neither
 * read nor written, and are 0 when read. */
#ifndef KOHL_KERNELS_CORE_LANES_AVX2_H
#define KOHL_KERNELS_CORE_LANES_AVX2_H

#include <immintrin.h>
#include <stdbool.h>

#define LANES_INLINE static inline __attribute__((always_inline, unused))

enum { LANES = 8, WIDES = 4 };
typedef __m256 lanes;
typedef __m256 lanes_where; /* all ones where true */
typedef __m256d wides;

LANES_INLINE __m256i lanes_mask(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LANES_INLINE lanes lanes_load(const float *at, int count) {
  return count >= LANES ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, lanes_mask(count));
}
LANES_INLINE void lanes_store(float *at, int count, lanes x) {
  if (count >= LANES) {
    _mm256_storeu_ps(at, x);
  } else {
    _mm256_maskstore_ps(at, lanes_mask(count), x);
  }
}
LANES_INLINE void lanes_stream(float *at, lanes x) { _mm256_stream_ps(at, x); } /* past the caches; `at` is aligned */
LANES_INLINE lanes lanes_set(float x) { return _mm256_set1_ps(x); }
LANES_INLINE lanes lanes_add(lanes a, lanes b) { return _mm256_add_ps(a, b); }
LANES_INLINE lanes lanes_sub(lanes a, lanes b) { return _mm256_sub_ps(a, b); }
LANES_INLINE lanes lanes_mul(lanes a, lanes b) { return _mm256_mul_ps(a, b); }
LANES_INLINE lanes lanes_div(lanes a, lanes b) { return _mm256_div_ps(a, b); }
LANES_INLINE lanes lanes_sqrt(lanes a) { return _mm256_sqrt_ps(a); }
LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm256_fmadd_ps(a, b, c); }   /* ab + c */
LANES_INLINE lanes lanes_fms(lanes a, lanes b, lanes c) { return _mm256_fmsub_ps(a, b, c); }   /* ab - c */
LANES_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c) { return _mm256_fnmadd_ps(a, b, c); } /* c - ab */
LANES_INLINE lanes lanes_max(lanes a, lanes b) { return _mm256_max_ps(a, b); } /* b where either is NaN */
LANES_INLINE lanes_where lanes_greater(lanes a, lanes b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
LANES_INLINE lanes_where lanes_equal(lanes a, lanes b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
LANES_INLINE lanes_where lanes_nan(lanes a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
LANES_INLINE lanes_where lanes_or(lanes_where a, lanes_where b) { return _mm256_or_ps(a, b); }
LANES_INLINE lanes lanes_select(lanes_where w, lanes yes, lanes no) { return _mm256_blendv_ps(no, yes, w); }

/* WIDES floats as doubles; doubles as they are. */
LANES_INLINE wides wides_load_floats(const float *at, int count) {
  __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32(count), _mm_setr_epi32(0, 1, 2, 3));
  return _mm256_cvtps_pd(count >= WIDES ? _mm_loadu_ps(at) : _mm_maskload_ps(at, mask));
}
LANES_INLINE __m256i wides_mask(int count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
LANES_INLINE wides wides_load(const double *at, int count) {
  return count >= WIDES ? _mm256_loadu_pd(at) : _mm256_maskload_pd(at, wides_mask(count));
}
LANES_INLINE void wides_store(double *at, int count, wides x) {
  if (count >= WIDES) {
    _mm256_storeu_pd(at, x);
  } else {
    _mm256_maskstore_pd(at, wides_mask(count), x);
  }
}
LANES_INLINE wides wides_set(double x) { return _mm256_set1_pd(x); }
LANES_INLINE wides wides_add(wides a, wides b) { return _mm256_add_pd(a, b); }
LANES_INLINE wides wides_sub(wides a, wides b) { return _mm256_sub_pd(a, b); }
LANES_INLINE wides wides_fma(wides a, wides b, wides c) { return _mm256_fmadd_pd(a, b, c); }
/* x where y > 0, else +0 (for a NaN in y as well): the gradient that a ReLU lets through. */
LANES_INLINE wides wides_gate(wides x, wides y) {
  return _mm256_and_pd(x, _mm256_cmp_pd(y, _mm256_setzero_pd(), _CMP_GT_OQ));
}

/* For kernels/core/lanes_pow.inc.  The first or the last WIDES lanes as doubles, and back, rounded. */
typedef __m256d wides_where; /* all ones where true */
LANES_INLINE wides lanes_low(lanes a) { return _mm256_cvtps_pd(_mm256_castps256_ps128(a)); }
LANES_INLINE wides lanes_high(lanes a) { return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)); }
LANES_INLINE lanes lanes_join(wides low, wides high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}
LANES_INLINE bool lanes_any(lanes_where w) { return _mm256_movemask_ps(w) != 0; }
LANES_INLINE wides wides_mul(wides a, wides b) { return _mm256_mul_pd(a, b); }
LANES_INLINE wides wides_div(wides a, wides b) { return _mm256_div_pd(a, b); }
LANES_INLINE wides_where wides_greater(wides a, wides b) { return _mm256_cmp_pd(a, b, _CMP_GT_OQ); }
LANES_INLINE wides wides_select(wides_where w, wides yes, wides no) { return _mm256_blendv_pd(no, yes, w); }
/* x = 2^e m with m from sqrt(1/2) to below sqrt(2), for normal x > 0: returns m.  The difference to the bits of
 * sqrt(1/2) has e in its upper 12 bits; e + 2048 below the exponent of 2^52 is the double 2^52 + 2048 + e. */
LANES_INLINE wides wides_mantissa(wides x, wides *e) {
  const __m256i bits = _mm256_castpd_si256(x), top = _mm256_set1_epi64x((long long)0xfff0000000000000);
  const __m256i off = _mm256_sub_epi64(bits, _mm256_set1_epi64x(0x3fe6a09e667f3bcd));
  const __m256i biased = _mm256_srli_epi64(_mm256_xor_si256(off, _mm256_set1_epi64x((long long)(1ull << 63))), 52);
  const wides sum = _mm256_castsi256_pd(_mm256_or_si256(biased, _mm256_set1_epi64x(0x4330000000000000)));
  *e = _mm256_sub_pd(sum, _mm256_set1_pd(0x1p52 + 2048.0));
  return _mm256_castsi256_pd(_mm256_sub_epi64(bits, _mm256_and_si256(off, top)));
}
/* 2^e for a whole that is 1.5 * 2^52 + e, e from -1022 to 1023: e stands in its low bits. */
LANES_INLINE wides wides_power_of_two(wides whole) {
  const __m256i bits = _mm256_add_epi64(_mm256_castpd_si256(whole), _mm256_set1_epi64x(1023));
  return _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52));
}

#endif
