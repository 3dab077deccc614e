/* pool forward with AVX-512: 16 channels a register, four registers at a time so that four chains are in flight.
 * Channels do not mix, so the order within each is that of the reference. */
#include <immintrin.h>
#include <math.h>

#include "kernels/pool/pool.h"

#define INLINE static inline __attribute__((always_inline))

/* Reduces `vectors` registers of channels; mask is for the last (all ones but in the tail). */
INLINE void reduce(const kohl_pool_cells *cells, size_t c, const int vectors, __mmask16 mask, const bool max,
                   float *dst) {
  __m512 acc[4];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) acc[v] = _mm512_set1_ps(max ? -INFINITY : 0.0f);
  for (int r = 0; r < cells->rows; r++) {
    const float *pixel = cells->src + r * cells->row_step + c;
    for (int s = 0; s < cells->cols; s++, pixel += cells->pixel_step) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        __m512 x = _mm512_maskz_loadu_ps(mask, pixel + 16 * v);
        if (max) { /* vmaxps gives its second operand for equals and NaN, so a NaN in x needs the blend */
          acc[v] = _mm512_max_ps(x, acc[v]);
          acc[v] = _mm512_mask_mov_ps(acc[v], _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
        } else {
          acc[v] = _mm512_add_ps(acc[v], x);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) {
    if (!max) acc[v] = _mm512_div_ps(acc[v], _mm512_set1_ps(cells->divisor));
    _mm512_mask_storeu_ps(dst + c + 16 * v, mask, acc[v]);
  }
}

INLINE void reduce_all(const kohl_pool_cells *cells, size_t channels, const bool max, float *dst) {
  size_t c = 0;
  for (; c + 64 <= channels; c += 64) reduce(cells, c, 4, 0xffff, max, dst);
  for (; c + 16 <= channels; c += 16) reduce(cells, c, 1, 0xffff, max, dst);
  if (c < channels) reduce(cells, c, 1, (__mmask16)((1u << (channels - c)) - 1), max, dst);
}

void kohl_pool_reduce_avx512(const kohl_pool_cells *cells, int c, float *dst) {
  if (cells->max) {
    reduce_all(cells, (size_t)c, true, dst);
  } else {
    reduce_all(cells, (size_t)c, false, dst);
  }
}

static const char *accepts(const void *desc) { return kohl_pool_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_pool_run(desc, args, threads, kohl_pool_reduce_avx512);
}

const kohl_kernel_code kohl_pool_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
