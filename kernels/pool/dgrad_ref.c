/* pool gradient, the reference: strict C, one channel of one window after the other. */
#include <math.h>

#include "kernels/pool/pool.h"

/* The cell that the forward chose, as an offset. */
static size_t chosen(const kohl_pool_cells *cells, int c) {
  float acc = -INFINITY;
  size_t at = 0;
  for (int r = 0; r < cells->rows; r++) {
    for (int s = 0; s < cells->cols; s++) {
      size_t offset = r * cells->row_step + s * cells->pixel_step;
      float v = cells->src[offset + c];
      if (!(v > acc || v != v)) continue;
      acc = v;
      at = offset;
    }
  }
  return at;
}

void kohl_pool_spread_ref(const kohl_pool_cells *cells, int c, const float *ddst, float *dsrc) {
  for (int i = 0; i < c; i++) {
    if (cells->max) {
      dsrc[chosen(cells, i) + i] += ddst[i];
      continue;
    }
    float share = ddst[i] / cells->divisor;
    for (int r = 0; r < cells->rows; r++) {
      for (int s = 0; s < cells->cols; s++) dsrc[r * cells->row_step + s * cells->pixel_step + i] += share;
    }
  }
}

static const char *accepts(const void *desc) { return kohl_pool_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_pool_dgrad(desc, args, threads, kohl_pool_spread_ref);
}

const kohl_kernel_code kohl_pool_dgrad_ref = {accepts, NULL, NULL, NULL, run};
