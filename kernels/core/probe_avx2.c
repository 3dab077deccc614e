/* The probes with 8 floats a register: 12 chains cover the latency of two units. */
#include <immintrin.h>

#include "kernels/core/probe.h"

float kohl_probe_fma_avx2(long rounds) {
  __m256 a[12], half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
  for (int i = 0; i < 12; i++) a[i] = _mm256_set1_ps((float)i);
  for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) a[i] = _mm256_fmadd_ps(a[i], half, one);
  }
  for (int i = 1; i < 12; i++) a[0] = _mm256_add_ps(a[0], a[i]);
  return _mm256_cvtss_f32(a[0]);
}

float kohl_probe_read_avx2(const float *values, size_t count) {
  __m256 sum[8];
  for (int j = 0; j < 8; j++) sum[j] = _mm256_setzero_ps();
  for (size_t i = 0; i < count; i += 64) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sum[j] = _mm256_add_ps(sum[j], _mm256_load_ps(values + i + 8 * j));
  }
  for (int j = 1; j < 8; j++) sum[0] = _mm256_add_ps(sum[0], sum[j]);
  return _mm256_cvtss_f32(sum[0]);
}
