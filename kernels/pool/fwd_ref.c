/* pool forward, the reference: strict C, one channel of one window after the other. */
#include <math.h>

#include "kernels/pool/pool.h"

static float reduce_max(const kohl_pool_cells *cells, int c) {
  float acc = -INFINITY;
  for (int r = 0; r < cells->rows; r++) {
    const float *v = cells->src + r * cells->row_step + c;
    for (int s = 0; s < cells->cols; s++, v += cells->pixel_step) acc = *v > acc || *v != *v ? *v : acc;
  }
  return acc;
}

static float reduce_avg(const kohl_pool_cells *cells, int c) {
  float acc = 0.0f;
  for (int r = 0; r < cells->rows; r++) {
    const float *v = cells->src + r * cells->row_step + c;
    for (int s = 0; s < cells->cols; s++, v += cells->pixel_step) acc += *v;
  }
  return acc / cells->divisor;
}

void kohl_pool_reduce_ref(const kohl_pool_cells *cells, int c, float *dst) {
  for (int i = 0; i < c; i++) dst[i] = cells->max ? reduce_max(cells, i) : reduce_avg(cells, i);
}

static const char *accepts(const void *desc) { return kohl_pool_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_pool_run(desc, args, threads, kohl_pool_reduce_ref);
}

const kohl_kernel_code kohl_pool_fwd_ref = {accepts, NULL, NULL, NULL, run};
