/* One thread's peak with 512-bit registers: twelve independent chains, more than latency times throughput (4 x 2). */
#include <immintrin.h>

#include "tests/kernelcheck/peak.h"

enum { CHAINS = 12, LANES = 16 };

double peak_avx512(long rounds, float *sink) {
  __m512 acc[CHAINS];
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_set1_ps((float)i);
  for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_fmadd_ps(acc[i], factor, term);
  }
  for (int i = 1; i < CHAINS; i++) acc[0] = _mm512_add_ps(acc[0], acc[i]);
  float lanes[LANES];
  _mm512_storeu_ps(lanes, acc[0]);
  *sink = lanes[0];
  return 2.0 * CHAINS * LANES * (double)rounds;
}
