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
LANES_INLINE lanes lanes_set(float x) { return _mm512_set1_ps(x); }
LANES_INLINE lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
LANES_INLINE lanes lanes_sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
LANES_INLINE lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
LANES_INLINE lanes lanes_div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
LANES_INLINE lanes lanes_sqrt(lanes a) { return _mm512_sqrt_ps(a); }
LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
LANES_INLINE lanes lanes_fms(lanes a, lanes b, lanes c) { return _mm512_fmsub_ps(a, b, c); }
LANES_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c) { return _mm512_fnmadd_ps(a, b, c); }
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

#endif
