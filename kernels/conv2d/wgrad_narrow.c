/* conv2d weight gradient for few input channels: blocks, their input rows, and their sums in order. */
#include "kernels/conv2d/wgrad_narrow.h"
#include "kernels/core/size.h"

#include <string.h>

enum {
  LINE = 64,
  FILTERS = 16,           /* their number is a multiple of it */
  TAPS_MOST = 512,        /* r * s * c and the bias */
  SUMS_BYTES = 256 << 10, /* of the blocks that are computed together */
  BLOCKS_LEAST = 8,       /* per worker, so that they end together */
  PIECE_BYTES = 40 << 10, /* of ddst: what L1 has room for */
  PIECE_LEAST = 16,       /* pixels of a piece */
  ADDED = 7,              /* taps that a unit of work adds up */
};

/* What follows from the desc. */
typedef struct {
  const kohl_conv2d_desc *d;
  size_t taps;        /* r * s * c, and one for the bias */
  size_t pixels;      /* of a padded input row */
  size_t line;        /* floats of one */
  size_t rows, block; /* output rows of the batch, and of a block */
  size_t sums;        /* floats of a block's */
  size_t together;    /* blocks */
} shape;

static shape shape_of(const kohl_conv2d_desc *d, size_t workers) {
  shape s = {.d = d, .taps = (size_t)d->r * d->s * d->c + (d->bias ? 1 : 0)};
  s.pixels = (size_t)(d->q - 1) * d->stride_w + (size_t)(d->s - 1) * d->dilation_w + 1;
  s.line = kohl_round_up(s.pixels * d->c, LINE / sizeof(float));
  s.rows = (size_t)d->n * d->p;
  s.block = (size_t)kohl_conv2d_block_rows(d);
  s.sums = s.taps * d->k;
  s.together = SUMS_BYTES / (s.sums * sizeof(float));
  if (s.together < BLOCKS_LEAST * workers) s.together = BLOCKS_LEAST * workers;
  return s;
}

/* A worker's input rows: those under each row of a block, and a row of ones for the bias. */
static size_t lines_floats(const shape *s) { return (s->block * s->d->r + 1) * s->line; }

const char *kohl_wgrad_narrow_accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  const char *wrong = kohl_conv2d_gradient_check(desc);
  if (wrong) return wrong;
  if (d->groups > 1) return "groups > 1";
  if (d->c > KOHL_NARROW_CHANNELS) return "more than 4 input channels";
  if (d->k % FILTERS) return "the filters are no multiple of 16";
  return (size_t)d->r * d->s * d->c < TAPS_MOST ? NULL : "more than 511 weights a filter";
}

size_t kohl_wgrad_narrow_workspace_size(const kohl_conv2d_desc *d, size_t workers) {
  shape s = shape_of(d, workers);
  return ((s.together + 1) * s.sums + workers * lines_floats(&s)) * sizeof(float) + 3 * LINE;
}

typedef struct {
  shape s;
  const kohl_narrow_isa *isa;
  const kohl_args *args;
  size_t first; /* block of those that are computed now */
  size_t count;
  float *total, *sums, *lines;
} state;

/* The input row under filter row r of an output row, between zeros. */
static void copy_line(const state *st, size_t row, int r, float *line) {
  const kohl_conv2d_desc *d = st->s.d;
  const size_t c = (size_t)d->c, stride = (size_t)d->src_stride;
  int64_t y = (int64_t)(row % d->p) * d->stride_h - d->pad_top + (int64_t)r * d->dilation_h;
  size_t first = (size_t)d->pad_left < st->s.pixels ? (size_t)d->pad_left : st->s.pixels;
  size_t stop = first + d->w < st->s.pixels ? first + d->w : st->s.pixels;
  if (y < 0 || y >= d->h) stop = first = 0;
  memset(line, 0, first * c * sizeof *line);
  memset(line + stop * c, 0, (st->s.pixels - stop) * c * sizeof *line);
  if (first >= stop) return;
  const float *src = (const float *)st->args->in[CONV2D_WGRAD_SRC] + (row / d->p * d->h + (size_t)y) * d->w * stride;
  if (stride == c) {
    memcpy(line + first * c, src, (stop - first) * c * sizeof *line);
    return;
  }
  for (size_t x = first; x < stop; x++, src += stride) memcpy(line + x * c, src, c * sizeof *line);
}

/* Where a tap begins in a row of the block.  The tap behind the weights reads the ones. */
static const float *tap_of(const shape *s, const float *lines, size_t row, size_t tap) {
  const kohl_conv2d_desc *d = s->d;
  if (tap == (size_t)d->r * d->s * d->c) return lines + s->block * d->r * s->line;
  size_t c = tap % d->c, across = tap / d->c % d->s, down = tap / d->c / d->s;
  return lines + (row * d->r + down) * s->line + across * d->dilation_w * d->c + c;
}

/* The pixels q to q + pixels - 1 of a row: every tile goes on with its sums. */
static void piece(const state *st, const float *lines, size_t row, size_t q, size_t pixels, const float *ddst,
                  float *sums) {
  const shape *s = &st->s;
  const kohl_conv2d_desc *d = s->d;
  const size_t most = (size_t)st->isa->taps, lanes = (size_t)st->isa->lanes;
  kohl_narrow_call call = {.pixels = pixels,
                           .ddst_step = (size_t)d->dst_stride[0],
                           .src_step = (size_t)d->stride_w * d->c,
                           .first = row == 0 && q == 0,
                           .sums_step = (size_t)d->k};
  for (size_t tap = 0, line = 0; tap < s->taps; tap += most) {
    call.taps = (int)(s->taps - tap < most ? s->taps - tap : most);
    for (int t = 0; t < call.taps; t++) call.src[t] = tap_of(s, lines, row, tap + (size_t)t) + q * call.src_step;
    for (size_t k = 0; k < (size_t)d->k; k += (size_t)call.vectors * lanes) {
      call.vectors = st->isa->vectors;
      while (k + (size_t)call.vectors * lanes > (size_t)d->k) call.vectors /= 2;
      call.ddst = ddst + k;
      call.ahead = pixels * call.ddst_step + line++ % (size_t)call.vectors * lanes;
      call.sums = sums + tap * d->k + k;
      st->isa->micro(&call);
    }
  }
}

static void block_unit(void *context, size_t index, size_t worker) {
  const state *st = context;
  const shape *s = &st->s;
  const kohl_conv2d_desc *d = s->d;
  const size_t first = (st->first + index) * s->block, stride = (size_t)d->dst_stride[0];
  const size_t rows = s->rows - first < s->block ? s->rows - first : s->block;
  float *lines = st->lines + worker * lines_floats(s);
  size_t pixels = PIECE_BYTES / ((size_t)d->k * sizeof(float));
  if (pixels < PIECE_LEAST) pixels = PIECE_LEAST;
  for (size_t i = 0; i < rows * d->r; i++) copy_line(st, first + i / d->r, (int)(i % d->r), lines + i * s->line);
  for (size_t row = 0; row < rows; row++) {
    const float *ddst = (const float *)st->args->in[CONV2D_WGRAD_DDST] + (first + row) * d->q * stride;
    for (size_t q = 0; q < (size_t)d->q; q += pixels) {
      size_t left = (size_t)d->q - q;
      piece(st, lines, row, q, left < pixels ? left : pixels, ddst + q * stride, st->sums + index * s->sums);
    }
  }
}

/* A few taps of all filters: the blocks in their order. */
static void add_unit(void *context, size_t index, size_t worker) {
  (void)worker;
  const state *st = context;
  const size_t at = index * ADDED * st->s.d->k, left = st->s.sums - at;
  const size_t count = left < ADDED * (size_t)st->s.d->k ? left : ADDED * (size_t)st->s.d->k;
  for (size_t i = 0; i < st->count; i++) {
    const float *sums = st->sums + i * st->s.sums + at;
    if (st->first + i == 0)
      memcpy(st->total + at, sums, count * sizeof *sums);
    else
      st->isa->add(st->total + at, sums, count);
  }
}

static void write_totals(const state *st) {
  const kohl_conv2d_desc *d = st->s.d;
  const size_t k = (size_t)d->k, weights = (size_t)d->r * d->s * d->c;
  float *dwei = st->args->out[CONV2D_WGRAD_DWEI];
  for (size_t tap = 0; tap < weights; tap++) {
    for (size_t j = 0; j < k; j++) dwei[j * weights + tap] = st->total[tap * k + j];
  }
  if (d->bias) memcpy(st->args->out[CONV2D_WGRAD_DBIA], st->total + weights * k, k * sizeof(float));
}

static float *line_up(float *p) { return (float *)kohl_round_up((uintptr_t)p, LINE); }

void kohl_wgrad_narrow_run(const kohl_narrow_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                           kohl_threads *threads) {
  state st = {.s = shape_of(d, kohl_threads_count(threads)), .isa = isa, .args = args};
  const shape *s = &st.s;
  const size_t blocks = (s->rows + s->block - 1) / s->block;
  st.total = line_up(args->workspace);
  st.sums = line_up(st.total + s->sums);
  st.lines = line_up(st.sums + s->together * s->sums);
  memset(st.total, 0, s->sums * sizeof *st.total); /* what an empty batch gives */
  for (size_t worker = 0; worker < kohl_threads_count(threads); worker++) {
    float *ones = st.lines + worker * lines_floats(s) + s->block * d->r * s->line;
    for (size_t i = 0; i < s->line; i++) ones[i] = 1.0f;
  }
  for (; st.first < blocks; st.first += st.count) {
    st.count = blocks - st.first < s->together ? blocks - st.first : s->together;
    kohl_parallel(threads, block_unit, &st, st.count);
    kohl_parallel(threads, add_unit, &st, (s->taps + ADDED - 1) / ADDED);
  }
  write_totals(&st);
}
