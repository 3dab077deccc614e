/* The micro kernel of the dense gradients for AVX2: 6 rows x 16 columns are 12 accumulators. */
#include <immintrin.h>

#include "kernels/dense/outer.h"

enum { ROWS = 6, LANES = 8, AHEAD = 6 };

/* whole: all 16 columns are there; else the missing ones are neither read nor written. */
static inline __attribute__((always_inline)) void tile(const kohl_outer_call *call, const int rows, const bool whole) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i mask0 = _mm256_cmpgt_epi32(_mm256_set1_epi32(call->columns), lane);
  const __m256i mask1 = _mm256_cmpgt_epi32(_mm256_set1_epi32(call->columns - LANES), lane);
  __m256 acc[ROWS][2];
  const float *a[ROWS], *b = call->b;
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++) {
    acc[i][0] = acc[i][1] = _mm256_setzero_ps();
    a[i] = call->a + i * call->a_row;
  }
  size_t at = 0, a_step = call->a_step, b_step = call->b_step;
#pragma GCC unroll 2
  for (size_t t = call->depth; t > 0; t--, at += a_step, b += b_step) {
    __m256 b0 = whole ? _mm256_loadu_ps(b) : _mm256_maskload_ps(b, mask0);
    __m256 b1 = whole ? _mm256_loadu_ps(b + LANES) : _mm256_maskload_ps(b + LANES, mask1);
    /* Rows of b are far apart, where no hardware prefetcher follows.  AHEAD stays below the ways of L1: at a power
     * of two apart they share a set. */
    _mm_prefetch((const char *)(b + AHEAD * b_step), _MM_HINT_T0);
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
      __m256 x = _mm256_set1_ps(a[i][at]);
      acc[i][0] = _mm256_fmadd_ps(x, b0, acc[i][0]);
      acc[i][1] = _mm256_fmadd_ps(x, b1, acc[i][1]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++) {
    float *out = call->out + i * call->out_row;
    if (whole) {
      _mm256_storeu_ps(out, acc[i][0]);
      _mm256_storeu_ps(out + LANES, acc[i][1]);
    } else {
      _mm256_maskstore_ps(out, mask0, acc[i][0]);
      _mm256_maskstore_ps(out + LANES, mask1, acc[i][1]);
    }
  }
}

/* Every number of rows has its own functions, so that the sums are registers. */
#define TILE(rows)                                                                  \
  static void part_##rows(const kohl_outer_call *call) { tile(call, rows, false); } \
  static void whole_##rows(const kohl_outer_call *call) { tile(call, rows, true); }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

static void micro(const kohl_outer_call *call) {
#define PAIR(rows) \
  { part_##rows, whole_##rows }
  static void (*const tiles[ROWS][2])(const kohl_outer_call *) = {PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5), PAIR(6)};
  tiles[call->rows - 1][call->columns == 2 * LANES](call);
}

const kohl_outer_isa kohl_outer_avx2 = {ROWS, LANES, micro};
