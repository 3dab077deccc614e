/* The probes with 16 floats a register: 24 chains, as many accumulators as the convolution kernels keep. */
#include <immintrin.h>

#include "kernels/core/probe.h"

float kohl_probe_fma_avx512(long rounds) {
  __m512 a[24], half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
  for (int i = 0; i < 24; i++) a[i] = _mm512_set1_ps((float)i);
  for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 24
    for (int i = 0; i < 24; i++) a[i] = _mm512_fmadd_ps(a[i], half, one);
  }
  for (int i = 1; i < 24; i++) a[0] = _mm512_add_ps(a[0], a[i]);
  return _mm512_cvtss_f32(a[0]);
}

float kohl_probe_read_avx512(const float *values, size_t count) {
  __m512 sum[4];
  for (int j = 0; j < 4; j++) sum[j] = _mm512_setzero_ps();
  for (size_t i = 0; i < count; i += 64) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) sum[j] = _mm512_add_ps(sum[j], _mm512_load_ps(values + i + 16 * j));
  }
  for (int j = 1; j < 4; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  return _mm512_cvtss_f32(sum[0]);
}
