/* pool forward with AVX2: 8 channels a register, four registers at a time so that four chains are in flight.
 * Channels do not mix, so the order within each is that of the reference. */
#include <immintrin.h>
#include <math.h>

#include "kernels/pool/pool.h"

#define INLINE static inline __attribute__((always_inline))

/* Reduces `vectors` registers of channels; a tail is one register under a mask. */
INLINE void reduce(const kohl_pool_cells *cells, size_t c, const int vectors, const bool tail, __m256i mask,
                   const bool max, float *dst) {
  __m256 acc[4];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) acc[v] = _mm256_set1_ps(max ? -INFINITY : 0.0f);
  for (int r = 0; r < cells->rows; r++) {
    const float *pixel = cells->src + r * cells->row_step + c;
    for (int s = 0; s < cells->cols; s++, pixel += cells->pixel_step) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        __m256 x = tail ? _mm256_maskload_ps(pixel, mask) : _mm256_loadu_ps(pixel + 8 * v);
        if (max) { /* vmaxps gives its second operand for equals and NaN, so a NaN in x needs the blend */
          acc[v] = _mm256_blendv_ps(_mm256_max_ps(x, acc[v]), x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
        } else {
          acc[v] = _mm256_add_ps(acc[v], x);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) {
    if (!max) acc[v] = _mm256_div_ps(acc[v], _mm256_set1_ps(cells->divisor));
    if (tail) {
      _mm256_maskstore_ps(dst + c, mask, acc[v]);
    } else {
      _mm256_storeu_ps(dst + c + 8 * v, acc[v]);
    }
  }
}

INLINE void reduce_all(const kohl_pool_cells *cells, size_t channels, const bool max, float *dst) {
  size_t c = 0;
  __m256i none = _mm256_setzero_si256();
  for (; c + 32 <= channels; c += 32) reduce(cells, c, 4, false, none, max, dst);
  for (; c + 8 <= channels; c += 8) reduce(cells, c, 1, false, none, max, dst);
  if (c == channels) return;
  __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  reduce(cells, c, 1, true, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(channels - c)), lanes), max, dst);
}

void kohl_pool_reduce_avx2(const kohl_pool_cells *cells, int c, float *dst) {
  if (cells->max) {
    reduce_all(cells, (size_t)c, true, dst);
  } else {
    reduce_all(cells, (size_t)c, false, dst);
  }
}

static const char *accepts(const void *desc) { return kohl_pool_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_pool_run(desc, args, threads, kohl_pool_reduce_avx2);
}

const kohl_kernel_code kohl_pool_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
