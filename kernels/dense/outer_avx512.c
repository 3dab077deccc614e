/* The micro kernel of the dense gradients for AVX-512: 14 rows x 32 columns are 28 accumulators. */
#include <immintrin.h>

#include "kernels/dense/outer.h"

enum { ROWS = 14, LANES = 16, AHEAD = 10 };

/* whole: all 32 columns are there; else the missing ones are neither read nor written. */
static inline __attribute__((always_inline)) void tile(const kohl_outer_call *call, const int rows, const bool whole) {
  const unsigned columns = whole ? ~0u : (1u << call->columns) - 1;
  const __mmask16 mask0 = (__mmask16)columns, mask1 = (__mmask16)(columns >> 16);
  __m512 acc[ROWS][2];
  const float *a[ROWS], *b = call->b;
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++) {
    acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    a[i] = call->a + i * call->a_row;
  }
  size_t at = 0, a_step = call->a_step, b_step = call->b_step;
#pragma GCC unroll 2
  for (size_t t = call->depth; t > 0; t--, at += a_step, b += b_step) {
    __m512 b0 = whole ? _mm512_loadu_ps(b) : _mm512_maskz_loadu_ps(mask0, b);
    __m512 b1 = whole ? _mm512_loadu_ps(b + LANES) : _mm512_maskz_loadu_ps(mask1, b + LANES);
    /* Rows of b are far apart, where no hardware prefetcher follows.  AHEAD stays below the ways of L1: at a power
     * of two apart they share a set. */
    _mm_prefetch((const char *)(b + AHEAD * b_step), _MM_HINT_T0);
    _mm_prefetch((const char *)(b + AHEAD * b_step + LANES), _MM_HINT_T0);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
      __m512 x = _mm512_set1_ps(a[i][at]);
      acc[i][0] = _mm512_fmadd_ps(x, b0, acc[i][0]);
      acc[i][1] = _mm512_fmadd_ps(x, b1, acc[i][1]);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++) {
    float *out = call->out + i * call->out_row;
    if (whole) {
      _mm512_storeu_ps(out, acc[i][0]);
      _mm512_storeu_ps(out + LANES, acc[i][1]);
    } else {
      _mm512_mask_storeu_ps(out, mask0, acc[i][0]);
      _mm512_mask_storeu_ps(out + LANES, mask1, acc[i][1]);
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
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)

static void micro(const kohl_outer_call *call) {
#define PAIR(rows) \
  { part_##rows, whole_##rows }
  static void (*const tiles[ROWS][2])(const kohl_outer_call *) = {PAIR(1),  PAIR(2),  PAIR(3),  PAIR(4), PAIR(5),
                                                                  PAIR(6),  PAIR(7),  PAIR(8),  PAIR(9), PAIR(10),
                                                                  PAIR(11), PAIR(12), PAIR(13), PAIR(14)};
  tiles[call->rows - 1][call->columns == 2 * LANES](call);
}

const kohl_outer_isa kohl_outer_avx512 = {ROWS, LANES, micro};
