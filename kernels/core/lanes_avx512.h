/* Registers of AVX-512 under the names of lanes_avx2.h, which explains them. */
#ifndef KOHL_KERNELS_CORE_LANES_AVX512_H
#define KOHL_KERNELS_CORE_LANES_AVX512_H

#include <immintrin.h>
#include <stdbool.h>

#define LANES_INLINE static inline __attribute__((always_inline, unused))

enum { LANES = 16, WIDES = 8 };
typedef __m512 lanes;
typedef __mmask16 lanes_where;
typedef __m512d wides;

LANES_INLINE __mmask16 lanes_mask(int count) { return (__mmask16)((1u << count) - 1); }
LANES_INLINE lanes lanes_load(const float *at, int count) {
  return count >= LANES ? _mm512_loadu_ps(at) : _mm512_maskz_loadu_ps(lanes_mask(count), at);
}
LANES_INLINE void lanes_store(float *at, int count, lanes x) {
  if (count >= LANES) {
    _mm512_storeu_ps(at, x);
  } else {
    _mm512_mask_storeu_ps(at, lanes_mask(count), x);
  }
}
LANES_INLINE void lanes_stream(float *at, lanes x) { _mm512_stream_ps(at, x); }
LANES_INLINE lanes lanes_set(float x) { return _mm512_set1_ps(x); }
LANES_INLINE lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
LANES_INLINE lanes lanes_sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
LANES_INLINE lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
LANES_INLINE lanes lanes_div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
LANES_INLINE lanes lanes_sqrt(lanes a) { return _mm512_sqrt_ps(a); }
LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
LANES_INLINE lanes lanes_fms(lanes a, lanes b, lanes c) { return _mm512_fmsub_ps(a, b, c); }
LANES_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c) { return _mm512_fnmadd_ps(a, b, c); }
LANES_INLINE lanes lanes_max(lanes a, lanes b) { return _mm512_max_ps(a, b); }
LANES_INLINE lanes_where lanes_greater(lanes a, lanes b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
LANES_INLINE lanes_where lanes_equal(lanes a, lanes b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
LANES_INLINE lanes_where lanes_nan(lanes a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
LANES_INLINE lanes_where lanes_or(lanes_where a, lanes_where b) { return (lanes_where)(a | b); }
LANES_INLINE lanes lanes_select(lanes_where w, lanes yes, lanes no) { return _mm512_mask_mov_ps(no, w, yes); }

LANES_INLINE __mmask8 wides_mask(int count) { return (__mmask8)((1u << count) - 1); }
LANES_INLINE wides wides_load_floats(const float *at, int count) {
  return _mm512_cvtps_pd(count >= WIDES ? _mm256_loadu_ps(at) : _mm256_maskz_loadu_ps(wides_mask(count), at));
}
LANES_INLINE wides wides_load(const double *at, int count) {
  return count >= WIDES ? _mm512_loadu_pd(at) : _mm512_maskz_loadu_pd(wides_mask(count), at);
}
LANES_INLINE void wides_store(double *at, int count, wides x) {
  if (count >= WIDES) {
    _mm512_storeu_pd(at, x);
  } else {
    _mm512_mask_storeu_pd(at, wides_mask(count), x);
  }
}
LANES_INLINE wides wides_set(double x) { return _mm512_set1_pd(x); }
LANES_INLINE wides wides_add(wides a, wides b) { return _mm512_add_pd(a, b); }
LANES_INLINE wides wides_sub(wides a, wides b) { return _mm512_sub_pd(a, b); }
LANES_INLINE wides wides_fma(wides a, wides b, wides c) { return _mm512_fmadd_pd(a, b, c); }
LANES_INLINE wides wides_gate(wides x, wides y) {
  return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(y, _mm512_setzero_pd(), _CMP_GT_OQ), x);
}

typedef __mmask8 wides_where;
LANES_INLINE wides lanes_low(lanes a) { return _mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
LANES_INLINE wides lanes_high(lanes a) {
  return _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1)));
}
LANES_INLINE lanes lanes_join(wides low, wides high) {
  const __m512d first = _mm512_castpd256_pd512(_mm256_castps_pd(_mm512_cvtpd_ps(low)));
  return _mm512_castpd_ps(_mm512_insertf64x4(first, _mm256_castps_pd(_mm512_cvtpd_ps(high)), 1));
}
LANES_INLINE bool lanes_any(lanes_where w) { return w != 0; }
LANES_INLINE wides wides_mul(wides a, wides b) { return _mm512_mul_pd(a, b); }
LANES_INLINE wides wides_div(wides a, wides b) { return _mm512_div_pd(a, b); }
LANES_INLINE wides_where wides_greater(wides a, wides b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
LANES_INLINE wides wides_select(wides_where w, wides yes, wides no) { return _mm512_mask_mov_pd(no, w, yes); }
LANES_INLINE wides wides_mantissa(wides x, wides *e) {
  const __m512i bits = _mm512_castpd_si512(x), top = _mm512_set1_epi64((long long)0xfff0000000000000);
  const __m512i off = _mm512_sub_epi64(bits, _mm512_set1_epi64(0x3fe6a09e667f3bcd));
  const __m512i biased = _mm512_srli_epi64(_mm512_xor_si512(off, _mm512_set1_epi64((long long)(1ull << 63))), 52);
  const wides sum = _mm512_castsi512_pd(_mm512_or_si512(biased, _mm512_set1_epi64(0x4330000000000000)));
  *e = _mm512_sub_pd(sum, _mm512_set1_pd(0x1p52 + 2048.0));
  return _mm512_castsi512_pd(_mm512_sub_epi64(bits, _mm512_and_si512(off, top)));
}
LANES_INLINE wides wides_power_of_two(wides whole) {
  const __m512i bits = _mm512_add_epi64(_mm512_castpd_si512(whole), _mm512_set1_epi64(1023));
  return _mm512_castsi512_pd(_mm512_slli_epi64(bits, 52));
}

#endif
