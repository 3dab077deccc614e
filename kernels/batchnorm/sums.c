/* Sums over pixels: blocks in parallel, then their results in one fixed order. */
#include "kernels/batchnorm/sums.h"

typedef struct {
  const kohl_batchnorm_isa *isa;
  const kohl_batchnorm_rows *rows;
  const double *mean; /* NULL: a plain sum */
  double *scratch;    /* per block: c doubles, or 2c with gradients */
  size_t block, blocks;
  bool gradients;
} state_of;

static size_t blocks_of(size_t rows) {
  size_t block = kohl_batchnorm_block(rows);
  return (rows + block - 1) / block;
}

size_t kohl_batchnorm_sums_scratch(size_t rows, int c) { return 2 * blocks_of(rows) * (size_t)c; }

static void unit(void *state, size_t index, size_t worker) {
  (void)worker;
  const state_of *st = state;
  /* Squares come after the sum over the same rows: backwards, for what is still in a cache. */
  if (st->mean && !st->gradients) index = st->blocks - 1 - index;
  kohl_batchnorm_rows part = *st->rows;
  size_t first = index * st->block, left = st->rows->rows - first, c = (size_t)part.c;
  part.rows = left < st->block ? left : st->block;
  part.src += first * (size_t)part.src_stride;
  if (part.dst) part.dst += first * (size_t)part.dst_stride;
  if (part.ddst) part.ddst += first * (size_t)part.dst_stride;
  double *a = st->scratch + index * c * (st->gradients ? 2 : 1);
  if (st->gradients) {
    st->isa->gradients(&part, st->mean, a, a + c);
  } else if (st->mean) {
    st->isa->squares(&part, st->mean, a);
  } else {
    st->isa->sum(&part, a);
  }
}

static void join(const state_of *st, size_t offset, double *out) {
  size_t c = (size_t)st->rows->c, step = c * (st->gradients ? 2 : 1);
  for (size_t i = 0; i < c; i++) out[i] = 0.0;
  for (size_t b = 0; b < st->blocks; b++) {
    const double *from = st->scratch + b * step + offset;
    for (size_t i = 0; i < c; i++) out[i] += from[i];
  }
}

static void run(state_of *st, double *a, kohl_threads *threads) {
  st->block = kohl_batchnorm_block(st->rows->rows);
  st->blocks = blocks_of(st->rows->rows);
  kohl_parallel(threads, unit, st, st->blocks);
  join(st, 0, a);
}

void kohl_batchnorm_sum(const kohl_batchnorm_isa *isa, const kohl_batchnorm_rows *rows, double *a, double *scratch,
                        kohl_threads *threads) {
  state_of st = {.isa = isa, .rows = rows, .scratch = scratch};
  run(&st, a, threads);
}

void kohl_batchnorm_squares(const kohl_batchnorm_isa *isa, const kohl_batchnorm_rows *rows, const double *mean,
                            double *a, double *scratch, kohl_threads *threads) {
  state_of st = {.isa = isa, .rows = rows, .mean = mean, .scratch = scratch};
  run(&st, a, threads);
}

void kohl_batchnorm_gradients(const kohl_batchnorm_isa *isa, const kohl_batchnorm_rows *rows, const double *mean,
                              double *a, double *b, double *scratch, kohl_threads *threads) {
  state_of st = {.isa = isa, .rows = rows, .mean = mean, .scratch = scratch, .gradients = true};
  run(&st, a, threads);
  join(&st, (size_t)rows->c, b);
}
