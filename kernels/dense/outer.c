/* The driver of the dense gradients: cuts the output into units, a unit into tiles. */
#include "kernels/dense/outer.h"
#include "kernels/core/size.h"

enum {
  PANELS = 16,         /* of a unit, at most: long enough runs of every row for the memory's sake */
  B_BYTES = 256 << 10, /* of b that a unit uses: it goes through them once per tile of rows, so they stay in L2 */
  UNITS = 16,          /* per worker: enough that an uneven pair of cores ends together */
};

typedef struct {
  const kohl_outer_isa *isa;
  kohl_outer_call whole; /* the product; its rows and columns are those below */
  size_t rows, columns, tiles, panels;
  size_t row_blocks, column_blocks;
} product;

/* One block of rows times one block of columns. */
static void unit(void *state, size_t index, size_t worker) {
  (void)worker;
  const product *m = state;
  const size_t width = 2 * (size_t)m->isa->lanes;
  size_t column_block = index / m->row_blocks, row_block = index % m->row_blocks;
  size_t p0 = column_block * m->panels / m->column_blocks, p1 = (column_block + 1) * m->panels / m->column_blocks;
  size_t t0 = row_block * m->tiles / m->row_blocks, t1 = (row_block + 1) * m->tiles / m->row_blocks;
  for (size_t t = t0; t < t1; t++) {
    size_t row = t * m->rows / m->tiles, end = (t + 1) * m->rows / m->tiles;
    for (size_t p = p0; p < p1; p++) {
      size_t left = m->columns - p * width;
      kohl_outer_call call = m->whole;
      call.a += row * call.a_row;
      call.b += p * width;
      call.out += row * call.out_row + p * width;
      call.rows = (int)(end - row);
      call.columns = (int)(left < width ? left : width);
      m->isa->micro(&call);
    }
  }
}

static void multiply(const kohl_outer_isa *isa, const kohl_outer_call *whole, size_t rows, size_t columns,
                     kohl_threads *threads) {
  product m = {.isa = isa, .whole = *whole, .rows = rows, .columns = columns};
  if (!rows) return;
  m.tiles = kohl_ceil_div(rows, (size_t)isa->rows);
  m.panels = kohl_ceil_div(columns, 2 * (size_t)isa->lanes);
  size_t fit = B_BYTES / sizeof(float) / (2 * (size_t)isa->lanes) / (whole->depth ? whole->depth : 1);
  m.column_blocks = kohl_ceil_div(m.panels, fit < 1 ? 1 : fit > PANELS ? PANELS : fit);
  m.row_blocks = 1;
  size_t workers = kohl_threads_count(threads), want = workers > 1 ? UNITS * workers : 1;
  if (m.column_blocks < want) m.row_blocks = kohl_ceil_div(want, m.column_blocks);
  if (m.row_blocks > m.tiles) m.row_blocks = m.tiles;
  kohl_parallel(threads, unit, &m, m.row_blocks * m.column_blocks);
}

void kohl_outer_dgrad(const kohl_outer_isa *isa, const kohl_dense_desc *d, const kohl_args *args,
                      kohl_threads *threads) {
  kohl_outer_call whole = {
      .depth = (size_t)d->k,
      .a = args->in[DENSE_DGRAD_DDST],
      .a_row = (size_t)d->dst_stride,
      .a_step = 1,
      .b = args->in[DENSE_DGRAD_WEI],
      .b_step = (size_t)d->c,
      .out = args->out[DENSE_DGRAD_DSRC],
      .out_row = (size_t)d->src_stride,
  };
  multiply(isa, &whole, (size_t)d->n, (size_t)d->c, threads);
}

void kohl_outer_wgrad(const kohl_outer_isa *isa, const kohl_dense_desc *d, const kohl_args *args,
                      kohl_threads *threads) {
  kohl_outer_call whole = {
      .depth = (size_t)d->n,
      .a = args->in[DENSE_WGRAD_DDST],
      .a_row = 1,
      .a_step = (size_t)d->dst_stride,
      .b = args->in[DENSE_WGRAD_SRC],
      .b_step = (size_t)d->src_stride,
      .out = args->out[DENSE_WGRAD_DWEI],
      .out_row = (size_t)d->c,
  };
  multiply(isa, &whole, (size_t)d->k, (size_t)d->c, threads);
  kohl_dense_dbia(d, args, threads);
}
