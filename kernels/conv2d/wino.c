/* The driver of Winograd convolutions: strips of tiles, and what each unit of work does.
 *
 * Two splits.  With private strips a unit is a few tiles: their patches are transformed, and then for each panel of
 * filters all positions are multiplied and transformed back, so that V and M stay in the worker's L2.  With few tiles
 * or few strips, all patches are transformed first and shared, and a unit is a panel (for many workers, a piece of its
 * tiles): every byte of U, which is then the most of what is read, is read by one worker only. */
#include "kernels/conv2d/wino.h"
#include "kernels/core/cpu.h"
#include "kernels/core/size.h"
#include "kernels/core/stream.h"

#include <string.h>

enum {
  LINE = 64,
  PAD = 16,                 /* floats between positions: an even number of lines would put them into the same sets */
  SHARED_TILES = 64,        /* most tiles of a shared V */
  LEAST_ROWS = 6,           /* of a piece of a shared V: fewer leave the multiplication waiting for loads */
  HEAVY_BYTES = 2 << 20,    /* of U, from which on it leaves L2 between two strips */
  AHEAD_BYTES = 1400 << 10, /* of V, from which on its next position is asked for instead of the next strip's pixels */
};

static size_t panels_of(const kohl_wino_isa *isa, const kohl_conv2d_desc *d) {
  return ((size_t)d->k + isa->width - 1) / isa->width;
}

/* Most tiles of a strip.  V and M of a strip should stay in L2, while U is read once per strip: that of many channels
 * leaves L2 anyway, and then more tiles share it.  No bit of the result depends on it, nor does the workspace, which is
 * for `room` tiles. */
static size_t strip_of(int m, int c, bool room) {
  const size_t calls = c >= 512 ? 3 : room || kohl_cpu_l2_bytes() >= 2 << 20 ? 2 : 1;
  return calls * (m == 4 ? 14 : 28);
}

static kohl_wino_tiling tiling_of(const kohl_conv2d_desc *d, int m, size_t workers) {
  kohl_wino_tiling t = {.m = m, .side = m + 2, .positions = (size_t)(m + 2) * (size_t)(m + 2)};
  t.down = ((size_t)d->p + m - 1) / m;
  t.across = ((size_t)d->q + m - 1) / m;
  t.tiles = (size_t)d->n * t.down * t.across;
  t.strip = strip_of(m, d->c, false);
  t.strips = kohl_smaller(kohl_round_up((t.tiles + t.strip - 1) / t.strip, workers), t.tiles);
  return t;
}

/* Whether V is shared. */
static bool shares(const kohl_conv2d_desc *d, const kohl_wino_tiling *t, size_t workers) {
  const size_t bytes = t->positions * (size_t)d->c * (size_t)d->k * sizeof(float);
  return t->tiles <= SHARED_TILES && (t->strips < workers || bytes >= HEAVY_BYTES);
}

static size_t v_floats(const kohl_conv2d_desc *d, const kohl_wino_tiling *t, size_t tiles) {
  return t->positions * (tiles * (size_t)d->c + PAD);
}

static size_t m_floats(const kohl_wino_isa *isa, const kohl_wino_tiling *t, size_t tiles) {
  return t->positions * (tiles * isa->width + PAD);
}

/* For any batch up to d->n: as many tiles as either split can have at a time. */
size_t kohl_wino_workspace_size(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, size_t workers) {
  const kohl_wino_tiling t = tiling_of(d, m, workers);
  const size_t strip = kohl_smaller(strip_of(m, d->c, true), t.tiles), shared = kohl_smaller(SHARED_TILES, t.tiles);
  const size_t apart = workers * (v_floats(d, &t, strip) + m_floats(isa, &t, strip));
  const size_t together = v_floats(d, &t, shared) + workers * m_floats(isa, &t, shared);
  return (kohl_round_up((size_t)d->c, LINE) + (apart > together ? apart : together)) * sizeof(float);
}

void kohl_wino_patch_of(const kohl_conv2d_desc *d, const kohl_wino_tiling *t, size_t tile, const float *src,
                        const float *zeros, const float **table, kohl_wino_patch *call) {
  const size_t picture = tile / (t->down * t->across), within = tile % (t->down * t->across);
  const int y = (int)(within / t->across) * t->m - d->pad_top, x = (int)(within % t->across) * t->m - d->pad_left;
  const ptrdiff_t column = d->src_stride, row = column * d->w;
  src += picture * (size_t)d->h * (size_t)row;
  call->blocks = (size_t)d->c / KOHL_WINO_BLOCK;
  if (y >= 0 && x >= 0 && y + t->side <= d->h && x + t->side <= d->w) {
    call->pixel = NULL;
    call->src = src + y * row + x * column;
    call->row = (size_t)row, call->column = (size_t)column;
    return;
  }
  for (int i = 0; i < t->side; i++) {
    for (int j = 0; j < t->side; j++) {
      const bool inside = y + i >= 0 && y + i < d->h && x + j >= 0 && x + j < d->w;
      table[i * t->side + j] = inside ? src + (y + i) * row + (x + j) * column : zeros;
    }
  }
  call->pixel = table;
}

typedef struct {
  const kohl_wino_isa *isa;
  const kohl_conv2d_desc *d;
  const kohl_args *args;
  kohl_wino_tiling t;
  size_t panels, pieces, workers;
  bool stream;
  const float *zeros;
  float *v, *m;              /* of the first worker; v of all when shared */
  size_t v_worker, m_worker; /* floats from one worker's to the next's */
} state;

/* Patches first to first + count - 1 to V, whose positions are count * c + PAD floats apart. */
static void transform(const state *st, size_t first, size_t tiles, size_t at, size_t count, float *v) {
  const float *table[KOHL_WINO_SIDE * KOHL_WINO_SIDE];
  kohl_wino_patch call = {.block = tiles * KOHL_WINO_BLOCK, .position = tiles * (size_t)st->d->c + PAD};
  for (size_t i = at; i < at + count; i++) {
    kohl_wino_patch_of(st->d, &st->t, first + i, st->args->in[CONV2D_SRC], st->zeros, table, &call);
    call.v = v + i * KOHL_WINO_BLOCK;
    (st->t.m == 4 ? st->isa->patch4 : st->isa->patch2)(&call);
  }
}

/* Tiles whose patches are in V. */
typedef struct {
  size_t first, tiles; /* counted through the batch */
  const float *v;      /* the first one's */
  size_t v_tiles;      /* of all of V */
} part;

/* What is to be in L2 soon: the pixels of the strip that this worker will probably have next, a row of two tiles at a
 * time, or where V does not fit, the tiles of its next position. */
typedef struct {
  bool pixels;
  size_t next, tiles; /* the next strip */
  size_t asked;       /* rows of two tiles */
} ahead;

static void look_ahead(const state *st, ahead *a, const float *next_position, size_t tiles, size_t calls,
                       kohl_wino_product *call) {
  const size_t c = (size_t)st->d->c, quarters = c / 4 * calls;
  const kohl_wino_tiling *t = &st->t;
  call->soon[1] = (const char *)next_position;
  call->soon_lines[1] = next_position ? (tiles * c * sizeof(float) / LINE + quarters - 1) / quarters : 0;
  if (!a->pixels) return;
  call->soon_lines[1] = 0;
  const size_t rows = (size_t)t->side, tile = a->next + a->asked / rows * 2;
  if (tile >= a->next + a->tiles) return;
  const size_t picture = tile / (t->down * t->across), within = tile % (t->down * t->across);
  const ptrdiff_t y = (ptrdiff_t)(within / t->across * (size_t)t->m + a->asked % rows) - st->d->pad_top;
  const ptrdiff_t x = (ptrdiff_t)(within % t->across * (size_t)t->m) - st->d->pad_left;
  a->asked++;
  if (y < 0 || y >= st->d->h) return;
  const size_t pixel = (picture * (size_t)st->d->h + (size_t)y) * (size_t)st->d->w + (size_t)(x < 0 ? 0 : x);
  call->soon[1] = (const char *)((const float *)st->args->in[CONV2D_SRC] + pixel * (size_t)st->d->src_stride);
  call->soon_lines[1] = (2 * (size_t)t->m * (size_t)st->d->src_stride * sizeof(float) / LINE + quarters - 1) / quarters;
}

/* One position and panel for all tiles of V: calls of even numbers of rows, which ask for the next filters meanwhile.
 */
static void multiply(const state *st, const part *of, const float *v, const float *u, float *m,
                     const float *next_position, ahead *a) {
  const size_t tiles = of->tiles, c = (size_t)st->d->c, rows = (size_t)st->isa->rows, width = (size_t)st->isa->width;
  const size_t calls = (tiles + rows - 1) / rows, lines = c * width * sizeof(float) / LINE;
  kohl_wino_product call = {.block = of->v_tiles * KOHL_WINO_BLOCK, .blocks = c / KOHL_WINO_BLOCK, .u = u};
  call.soon_lines[0] = (lines + c / 4 * calls - 1) / (c / 4 * calls);
  call.soon[0] = (const char *)(u + c * width);
  look_ahead(st, a, next_position, tiles, calls, &call);
  for (size_t i = 0, row = 0; i < calls; i++) {
    call.rows = (int)((tiles - row + calls - i - 1) / (calls - i));
    call.v = v + row * KOHL_WINO_BLOCK;
    call.m = m + row * width;
    st->isa->multiply(&call);
    for (int kind = 0; kind < 2; kind++) call.soon[kind] += call.soon_lines[kind] * (c / 4) * LINE;
    row += (size_t)call.rows;
  }
}

/* Tiles first to first + tiles - 1 of one panel, from M to dst. */
static void finish(const state *st, size_t first, size_t tiles, size_t panel, const float *m) {
  const kohl_conv2d_desc *d = st->d;
  const kohl_wino_tiling *t = &st->t;
  const size_t width = (size_t)st->isa->width, k0 = panel * width, size = (size_t)t->m, pool = d->pool ? 2 : 1;
  const size_t dst_row = (size_t)d->q / pool * (size_t)d->dst_stride[0], add_row = (size_t)d->q * (size_t)d->add_stride;
  const float *bia = d->bias ? (const float *)st->args->in[CONV2D_BIA] + k0 : NULL;
  kohl_wino_result call = {.position = tiles * width + PAD,
                           .channels = (int)kohl_smaller(width, (size_t)d->k - k0),
                           .bia = bia,
                           .add_row = add_row,
                           .add_column = (size_t)d->add_stride,
                           .relu = d->activation == KOHL_ACTIVATION_RELU,
                           .pool = d->pool,
                           .stream = st->stream,
                           .row = dst_row,
                           .column = (size_t)d->dst_stride[0]};
  for (size_t i = 0; i < tiles; i++) {
    const size_t picture = (first + i) / (t->down * t->across), within = (first + i) % (t->down * t->across);
    const size_t y = within / t->across * size, x = within % t->across * size;
    call.m = m + i * width;
    call.rows = (int)kohl_smaller(size, (size_t)d->p - y);
    call.columns = (int)kohl_smaller(size, (size_t)d->q - x);
    call.dst = (float *)st->args->out[CONV2D_DST] + (picture * ((size_t)d->p / pool) + y / pool) * dst_row +
               x / pool * call.column + k0;
    if (d->add)
      call.add =
          (const float *)st->args->in[CONV2D_ADD] + (picture * (size_t)d->p + y) * add_row + x * call.add_column + k0;
    (t->m == 4 ? st->isa->result4 : st->isa->result2)(&call);
  }
}

/* All positions of one panel for some tiles, and what becomes of them. */
static void panel(const state *st, const part *of, size_t index, float *m, ahead *a) {
  const size_t c = (size_t)st->d->c, width = (size_t)st->isa->width, positions = st->t.positions;
  const size_t position = of->v_tiles * c + PAD;
  const float *u = (const float *)st->args->in[CONV2D_WEI] + index * positions * c * width;
  for (size_t p = 0; p < positions; p++) {
    const float *next = of->v + (p + 1 < positions ? p + 1 : 0) * position;
    multiply(st, of, of->v + p * position, u + p * c * width, m + p * (of->tiles * width + PAD), next, a);
  }
  finish(st, of->first, of->tiles, index, m);
}

static void strip_unit(void *user, size_t index, size_t worker) {
  const state *st = user;
  const size_t tiles = st->t.tiles, strips = st->t.strips, next = index + st->workers;
  const size_t first = tiles * index / strips, count = tiles * (index + 1) / strips - first;
  float *v = st->v + worker * st->v_worker, *m = st->m + worker * st->m_worker;
  ahead a = {.pixels = st->v_worker * sizeof *v <= AHEAD_BYTES};
  if (next < strips) a.next = tiles * next / strips, a.tiles = tiles * (next + 1) / strips - a.next;
  const part all = {first, count, v, count};
  transform(st, first, count, 0, count, v);
  for (size_t i = 0; i < st->panels; i++) panel(st, &all, i, m, &a);
  if (st->stream) kohl_stream_settle();
}

static void patch_unit(void *user, size_t index, size_t worker) {
  const state *st = user;
  (void)worker;
  transform(st, 0, st->t.tiles, index, 1, st->v);
}

static void panel_unit(void *user, size_t index, size_t worker) {
  const state *st = user;
  const size_t piece = index % st->pieces, tiles = st->t.tiles;
  const size_t first = tiles * piece / st->pieces, count = tiles * (piece + 1) / st->pieces - first;
  const part of = {first, count, st->v + first * KOHL_WINO_BLOCK, tiles};
  ahead a = {.pixels = false};
  panel(st, &of, index / st->pieces, st->m + worker * st->m_worker, &a);
  if (st->stream) kohl_stream_settle();
}

void kohl_wino_run(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const kohl_args *args,
                   kohl_threads *threads) {
  const size_t workers = kohl_threads_count(threads), zeros = kohl_round_up((size_t)d->c, LINE);
  float *memory = args->workspace;
  state st = {
      .isa = isa, .d = d, .args = args, .t = tiling_of(d, m, workers), .panels = panels_of(isa, d), .workers = workers};
  if (!st.t.tiles) return;
  memset(memory, 0, zeros * sizeof *memory);
  st.zeros = memory;
  st.v = memory + zeros;
  /* At every size: measured as fast as through the caches or faster, with one picture too. */
  st.stream = ((uintptr_t)args->out[CONV2D_DST] | (size_t)d->dst_stride[0] * sizeof(float)) % KOHL_STREAM_LINE == 0 &&
              !d->add && !d->pool;
  if (shares(d, &st.t, workers)) {
    st.m_worker = m_floats(isa, &st.t, st.t.tiles);
    st.m = st.v + v_floats(d, &st.t, st.t.tiles);
    kohl_parallel(threads, patch_unit, &st, st.t.tiles);
    st.pieces = kohl_smaller((2 * workers + st.panels - 1) / st.panels, (st.t.tiles + LEAST_ROWS - 1) / LEAST_ROWS);
    kohl_parallel(threads, panel_unit, &st, st.panels * st.pieces);
    return;
  }
  const size_t most = kohl_smaller(st.t.strip, st.t.tiles);
  st.v_worker = v_floats(d, &st.t, most);
  st.m_worker = m_floats(isa, &st.t, most);
  st.m = st.v + workers * st.v_worker;
  kohl_parallel(threads, strip_unit, &st, st.t.strips);
}

void kohl_wino_dgrad_run(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const kohl_args *args,
                         kohl_threads *threads) {
  const kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  kohl_args forward = {.workspace = args->workspace};
  forward.in[CONV2D_SRC] = args->in[CONV2D_DGRAD_DDST];
  forward.in[CONV2D_WEI] = args->in[CONV2D_DGRAD_WEI];
  forward.out[CONV2D_DST] = args->out[CONV2D_DGRAD_DSRC];
  kohl_wino_run(isa, m, &conv, &forward, threads);
}
