/* The driver of the weight gradient by Winograd.
 *
 * Channels and filters fall into blocks of at most 128, so that dU of a block and V and Y of a chunk of tiles stay in a
 * worker's L2.  A unit of work is one block, the tiles of one group and some of the rows of positions, a pass: the
 * transforms of one part of the rows need nothing of the others', so that passes cost reading the pixels again and no
 * arithmetic.  When all groups are done, their dU are added and become weights.
 *
 * With few tiles, writing dU and reading it again would take long beside the products.  A unit then is a block with all
 * its passes, and makes its weights at once. */
#include "kernels/conv2d/wgrad_wino.h"
#include "kernels/core/size.h"

#include <string.h>

enum {
  BLOCK = KOHL_WINO_BLOCK,
  CHUNK = KOHL_WGRAD_WINO_CHUNK,
  PANEL = BLOCK * CHUNK,
  PAD = 16,                 /* floats between positions: else they would fall into the same sets of the caches */
  GROUPS = 16,              /* at most */
  GROUP_WEIGHTS = 64 << 10, /* of all groups: so that adding them up stays cheap */
  GROUP_CHUNKS = 4,         /* of one group, at least */
  WIDEST = 128,             /* channels or filters of a block */
  NARROWEST = 32,
  AT_ONCE_TILES = 1024, /* at most, where a unit makes its weights at once */
  ONE_PASS = 64 * 64,   /* weights of a block whose 36 positions fit in L2 together */
};

static kohl_wino_tiling tiling_of(const kohl_conv2d_desc *d) {
  kohl_wino_tiling t = {.m = 4, .side = 6, .positions = 36};
  t.down = kohl_ceil_div((size_t)d->p, 4);
  t.across = kohl_ceil_div((size_t)d->q, 4);
  t.tiles = (size_t)d->n * t.down * t.across;
  return t;
}

size_t kohl_wgrad_wino_groups(const kohl_conv2d_desc *d) {
  const size_t weights = GROUP_WEIGHTS / ((size_t)d->c * (size_t)d->k);
  const size_t chunks = kohl_ceil_div(tiling_of(d).tiles, CHUNK) / GROUP_CHUNKS;
  return kohl_larger(1, kohl_smaller(GROUPS, kohl_smaller(weights, chunks)));
}

/* Even parts of whole blocks of 16: of c channels, or of k filters. */
typedef struct {
  size_t blocks, count;
  size_t widest; /* blocks of a part, at most */
} parts;

static parts parts_of(int channels, size_t widest) {
  parts p = {.blocks = (size_t)channels / BLOCK};
  p.count = kohl_ceil_div(p.blocks, widest / BLOCK);
  p.widest = kohl_ceil_div(p.blocks, p.count);
  return p;
}

static size_t part_first(const parts *p, size_t i) { return p->blocks * i / p->count; }

/* What follows from the desc and the number of workers. */
typedef struct {
  const kohl_conv2d_desc *d;
  kohl_wino_tiling t;
  size_t chunks, groups;
  bool at_once;
  parts channels, filters;
  const unsigned *passes;
  size_t pass_count, pass_positions; /* positions: of a pass */
  size_t v, y, u;                    /* floats of a worker's V and Y, and of a block's dU */
  size_t rows;                       /* of a block of dbia's sums */
  size_t sum_blocks;
} shape;

/* Narrower blocks and more passes make units enough for many workers. */
static shape shape_of(const kohl_conv2d_desc *d, size_t workers, size_t groups, bool at_once) {
  static const unsigned one[] = {KOHL_WINO_ROWS};
  static const unsigned two[] = {KOHL_WINO_ROW_0 | KOHL_WINO_ROWS_12, KOHL_WINO_ROWS_34 | KOHL_WINO_ROW_5};
  static const unsigned three[] = {KOHL_WINO_ROW_0 | KOHL_WINO_ROW_5, KOHL_WINO_ROWS_12, KOHL_WINO_ROWS_34};
  shape s = {.d = d, .t = tiling_of(d), .groups = groups, .at_once = at_once};
  s.chunks = kohl_ceil_div(s.t.tiles, CHUNK);
  size_t units = 0;
  for (size_t widest = WIDEST; widest >= NARROWEST && units < workers; widest /= 2) {
    s.channels = parts_of(d->c, widest);
    s.filters = parts_of(d->k, widest);
    units = s.channels.count * s.filters.count * (at_once ? 1 : 3 * s.groups);
  }
  const size_t weights = s.channels.widest * s.filters.widest * BLOCK * BLOCK;
  s.passes = two, s.pass_count = 2;
  if (weights <= ONE_PASS && (at_once || units >= 3 * workers))
    s.passes = one, s.pass_count = 1;
  else if (!at_once && units < 3 * workers)
    s.passes = three, s.pass_count = 3;
  s.pass_positions = s.t.positions / s.pass_count;
  s.v = s.pass_positions * (s.channels.widest * PANEL + PAD);
  s.y = s.pass_positions * (s.filters.widest * PANEL + PAD);
  s.u = s.t.positions * (weights + PAD);
  s.rows = (size_t)kohl_conv2d_block_rows(d);
  s.sum_blocks = kohl_ceil_div((size_t)d->n * (size_t)d->p, s.rows);
  return s;
}

/* One group is all, and there are units enough. */
static bool makes_at_once(const kohl_conv2d_desc *d, size_t workers) {
  const shape s = shape_of(d, workers, 1, true);
  return kohl_wgrad_wino_groups(d) == 1 && s.t.tiles <= AT_ONCE_TILES && s.channels.count * s.filters.count >= workers;
}

static size_t zeros_floats(const kohl_conv2d_desc *d) { return (size_t)(d->c > d->k ? d->c : d->k); }
static size_t sums_floats(const shape *s) { return s->d->bias ? s->sum_blocks * (size_t)s->d->k : 0; }

static size_t dus_of(const shape *s, size_t workers) {
  return s->at_once ? workers : s->groups * s->channels.count * s->filters.count;
}

static size_t floats_of(const shape *s, size_t workers) {
  return zeros_floats(s->d) + sums_floats(s) + dus_of(s, workers) * s->u + workers * (s->v + s->y);
}

/* A smaller batch may have fewer groups, or weights made at once. */
size_t kohl_wgrad_wino_workspace_size(const void *desc, size_t workers) {
  const shape at_once = shape_of(desc, workers, 1, true);
  size_t floats = floats_of(&at_once, workers);
  for (size_t groups = kohl_wgrad_wino_groups(desc); groups > 0; groups--) {
    const shape s = shape_of(desc, workers, groups, false);
    floats = kohl_larger(floats, floats_of(&s, workers));
  }
  return floats * sizeof(float);
}

typedef struct {
  shape s;
  const kohl_wgrad_wino_isa *isa;
  const kohl_args *args;
  float *zeros, *sums; /* sums: [block of rows][k] */
  float *u, *v;        /* dU of all units, or of the workers; V and Y of the first worker */
} state;

/* One block, group and pass. */
typedef struct {
  size_t c, k; /* first channel and filter */
  size_t channel_blocks, filter_blocks;
  size_t first, end; /* chunks */
  unsigned rows;
  float *u, *v, *y;
} work;

static size_t v_position(const work *w) { return w->channel_blocks * PANEL + PAD; }
static size_t y_position(const work *w) { return w->filter_blocks * PANEL + PAD; }
static size_t u_position(const work *w) { return w->channel_blocks * w->filter_blocks * BLOCK * BLOCK + PAD; }

static void tile_of(const state *st, size_t tile, const float *ddst, const float **table, kohl_wgrad_wino_tile *call) {
  const kohl_conv2d_desc *d = st->s.d;
  const kohl_wino_tiling *t = &st->s.t;
  const size_t within = tile % (t->down * t->across), column = (size_t)d->dst_stride[0];
  const size_t p = within / t->across * 4, q = within % t->across * 4, row = (size_t)d->q * column;
  call->ddst = ddst + (tile / (t->down * t->across) * (size_t)d->p + p) * row + q * column;
  call->row = row, call->column = column;
  call->pixel = NULL;
  if (p + 4 <= (size_t)d->p && q + 4 <= (size_t)d->q) return;
  for (size_t i = 0; i < 16; i++) {
    const bool inside = p + i / 4 < (size_t)d->p && q + i % 4 < (size_t)d->q;
    table[i] = inside ? call->ddst + i / 4 * row + i % 4 * column : st->zeros;
  }
  call->pixel = table;
}

/* The first channel or filter of the block. */
static const float *src_of(const state *st, const work *w) {
  return (const float *)st->args->in[CONV2D_WGRAD_SRC] + w->c;
}
static const float *ddst_of(const state *st, const work *w) {
  return (const float *)st->args->in[CONV2D_WGRAD_DDST] + w->k;
}

static void transform(const state *st, const work *w, size_t first, size_t tiles) {
  const float *table[KOHL_WINO_SIDE * KOHL_WINO_SIDE];
  kohl_wino_patch patch = {.block = PANEL, .position = v_position(w)};
  kohl_wgrad_wino_tile tile = {.block = PANEL, .position = y_position(w)};
  for (size_t i = 0; i < tiles; i++) {
    kohl_wino_patch_of(st->s.d, &st->s.t, first + i, src_of(st, w), st->zeros, table, &patch);
    patch.v = w->v + i * BLOCK;
    for (size_t block = 0; block < w->channel_blocks; block++) st->isa->patch(&patch, block, w->rows);
    tile_of(st, first + i, ddst_of(st, w), table, &tile);
    tile.y = w->y + i * BLOCK;
    for (size_t block = 0; block < w->filter_blocks; block++) st->isa->tile(&tile, block, w->rows);
  }
}

/* What asks for the pixels of the next chunk of tiles while one is multiplied. */
typedef struct {
  const state *st;
  const work *w;
  size_t tile, end;             /* the next tile, and behind the last */
  size_t block;                 /* its next block: those of src, then those of ddst */
  uintptr_t src, ddst;          /* the first of the 4x4 pixels that the tiles before do not have */
  size_t due, products, blocks; /* for every `products` so many blocks are asked for */
} ahead;

static void ahead_tile(ahead *a) {
  const kohl_conv2d_desc *d = a->st->s.d;
  const kohl_wino_tiling *t = &a->st->s.t;
  const size_t picture = a->tile / (t->down * t->across), within = a->tile % (t->down * t->across);
  const size_t y = within / t->across * 4, x = within % t->across * 4;
  /* Row 5 of positions reads row 5 of the patch; without it, the tile above has not read row 1. */
  const size_t down = picture * (size_t)d->h + y + (a->w->rows & KOHL_WINO_ROW_5 ? 2 : 1) - (size_t)d->pad_top;
  const size_t src = (down * (size_t)d->w + x + 2 - (size_t)d->pad_left) * (size_t)d->src_stride;
  const size_t ddst = ((picture * (size_t)d->p + y) * (size_t)d->q + x) * (size_t)d->dst_stride[0];
  a->src = (uintptr_t)src_of(a->st, a->w) + src * sizeof(float);
  a->ddst = (uintptr_t)ddst_of(a->st, a->w) + ddst * sizeof(float);
}

/* A share of 4x4 pixels of `blocks` cache lines, to L2, in the order of memory, which the CPU's own prefetching likes.
 * Where they are outside the picture, it is for something else or nothing. */
static void ask(uintptr_t first, size_t row, size_t column, size_t blocks, size_t share) {
  for (size_t i = 0, pixel = share * 16 / blocks, line = share * 16 % blocks; i < 16; i++) {
    const size_t floats = pixel / 4 * row + pixel % 4 * column + line * BLOCK;
    __builtin_prefetch((const void *)(first + floats * sizeof(float)), 0, 2);
    if (++line == blocks) line = 0, pixel++;
  }
}

static void ahead_next(ahead *a) {
  const kohl_conv2d_desc *d = a->st->s.d;
  const size_t src = (size_t)d->src_stride, ddst = (size_t)d->dst_stride[0], channels = a->w->channel_blocks;
  if (a->block < channels)
    ask(a->src, (size_t)d->w * src, src, channels, a->block);
  else
    ask(a->ddst, (size_t)d->q * ddst, ddst, a->w->filter_blocks, a->block - channels);
  if (++a->block < channels + a->w->filter_blocks) return;
  a->block = 0;
  if (++a->tile < a->end) ahead_tile(a);
}

static void ahead_between(void *user) {
  ahead *a = user;
  for (a->due += a->blocks; a->due >= a->products && a->tile < a->end; a->due -= a->products) ahead_next(a);
}

static ahead ahead_of(const state *st, const work *w, size_t chunk) {
  const size_t panels = kohl_ceil_div(w->channel_blocks, st->isa->channel_blocks);
  ahead a = {.st = st, .w = w, .tile = kohl_smaller(chunk, w->end) * CHUNK};
  a.end = kohl_smaller(a.tile + CHUNK, kohl_smaller(w->end * CHUNK, st->s.t.tiles));
  if (a.tile >= a.end) return a;
  a.products = st->s.pass_positions * panels * w->filter_blocks * st->isa->pieces;
  a.blocks = (a.end - a.tile) * (w->channel_blocks + w->filter_blocks);
  ahead_tile(&a);
  return a;
}

static void multiply(const state *st, const work *w, size_t chunk, size_t tiles) {
  static const unsigned part_of[] = {KOHL_WINO_ROW_0,   KOHL_WINO_ROWS_12, KOHL_WINO_ROWS_12,
                                     KOHL_WINO_ROWS_34, KOHL_WINO_ROWS_34, KOHL_WINO_ROW_5};
  ahead next = ahead_of(st, w, chunk + 1);
  kohl_wgrad_wino_product call = {.v = w->v,
                                  .y = w->y,
                                  .channel_blocks = w->channel_blocks,
                                  .filter_blocks = w->filter_blocks,
                                  .tiles = (int)tiles,
                                  .first = chunk == w->first,
                                  .between = ahead_between,
                                  .user = &next};
  for (size_t position = 0; position < st->s.t.positions; position++) {
    if (!(w->rows & part_of[position / 6])) continue;
    call.u = w->u + position * u_position(w);
    call.next_v = call.v + v_position(w);
    call.next_y = call.y + y_position(w);
    st->isa->multiply(&call);
    call.v = call.next_v;
    call.y = call.next_y;
  }
}

/* The sums of some blocks of rows, for dbia. */
static void sum_rows(const state *st, const work *w, size_t first, size_t end) {
  const kohl_conv2d_desc *d = st->s.d;
  const size_t rows = (size_t)d->n * (size_t)d->p, q = (size_t)d->q, step = (size_t)d->dst_stride[0];
  for (size_t block = first; block < end; block++) {
    const size_t row = block * st->s.rows, count = kohl_smaller(st->s.rows, rows - row);
    st->isa->sum(ddst_of(st, w) + row * q * step, step, count * q, w->filter_blocks,
                 st->sums + block * (size_t)d->k + w->k);
  }
}

/* Blocks of rows are shared out over all chunks, so that ddst is summed up shortly after it is transformed. */
static void work_do(const state *st, const work *w, bool sums) {
  const size_t all = st->s.sum_blocks, chunks = st->s.chunks;
  for (size_t chunk = w->first; chunk < w->end; chunk++) {
    const size_t tiles = kohl_smaller(CHUNK, st->s.t.tiles - chunk * CHUNK);
    transform(st, w, chunk * CHUNK, tiles);
    if (sums) sum_rows(st, w, all * chunk / chunks, all * (chunk + 1) / chunks);
    multiply(st, w, chunk, tiles);
  }
}

/* Block number `index` of channels and filters, in a worker's memory. */
static work work_of(const state *st, size_t index, size_t worker) {
  const shape *s = &st->s;
  const size_t channels = index % s->channels.count, filters = index / s->channels.count;
  work w = {.v = st->v + worker * (s->v + s->y)};
  const size_t c = part_first(&s->channels, channels), k = part_first(&s->filters, filters);
  w.c = c * BLOCK, w.k = k * BLOCK;
  w.channel_blocks = part_first(&s->channels, channels + 1) - c;
  w.filter_blocks = part_first(&s->filters, filters + 1) - k;
  w.y = w.v + s->v;
  return w;
}

/* Filters first to first + count - 1 of a block of 16 channels, both counted in w's blocks. */
static void result(const state *st, const work *w, size_t groups, size_t channel_block, size_t first, size_t count) {
  const kohl_conv2d_desc *d = st->s.d;
  const size_t tap = (size_t)d->c, filter = 9 * tap;
  const kohl_wgrad_wino_result call = {
      .u = w->u + (channel_block * w->filter_blocks * BLOCK + first) * BLOCK,
      .groups = groups,
      .group = st->s.channels.count * st->s.filters.count * st->s.u,
      .position = u_position(w),
      .filters = count,
      .dwei = (float *)st->args->out[CONV2D_WGRAD_DWEI] + (w->k + first) * filter + w->c + channel_block * BLOCK,
      .dwei_filter = filter,
      .tap = tap,
  };
  st->isa->result(&call);
}

static void at_once_unit(void *user, size_t index, size_t worker) {
  const state *st = user;
  work w = work_of(st, index, worker);
  w.u = st->u + worker * st->s.u;
  w.end = st->s.chunks;
  for (size_t pass = 0; pass < st->s.pass_count; pass++) {
    w.rows = st->s.passes[pass];
    work_do(st, &w, st->s.d->bias && w.c == 0 && pass == 0);
  }
  for (size_t block = 0; block < w.channel_blocks; block++) result(st, &w, 1, block, 0, w.filter_blocks * BLOCK);
}

static void group_unit(void *user, size_t index, size_t worker) {
  const state *st = user;
  const shape *s = &st->s;
  const size_t blocks = s->channels.count * s->filters.count, pass = index % s->pass_count;
  const size_t block = index / s->pass_count % blocks, group = index / s->pass_count / blocks;
  work w = work_of(st, block, worker);
  w.rows = s->passes[pass];
  w.u = st->u + (group * blocks + block) * s->u;
  w.first = s->chunks * group / s->groups;
  w.end = s->chunks * (group + 1) / s->groups;
  work_do(st, &w, s->d->bias && w.c == 0 && pass == 0);
}

/* 16 channels x 16 filters. */
static void result_unit(void *user, size_t index, size_t worker) {
  (void)worker;
  const state *st = user;
  const shape *s = &st->s;
  const size_t channel_block = index % s->channels.blocks, filter_block = index / s->channels.blocks;
  size_t channels = 0, filters = 0;
  while (part_first(&s->channels, channels + 1) <= channel_block) channels++;
  while (part_first(&s->filters, filters + 1) <= filter_block) filters++;
  const size_t block = filters * s->channels.count + channels;
  work w = work_of(st, block, 0);
  w.u = st->u + block * s->u;
  result(st, &w, s->groups, channel_block - w.c / BLOCK, filter_block * BLOCK - w.k, BLOCK);
}

static void add_sums(const state *st) {
  const size_t k = (size_t)st->s.d->k;
  float *dbia = st->args->out[CONV2D_WGRAD_DBIA];
  memcpy(dbia, st->sums, k * sizeof *dbia);
  for (size_t block = 1; block < st->s.sum_blocks; block++) {
    const float *sums = st->sums + block * k;
    for (size_t i = 0; i < k; i++) dbia[i] += sums[i];
  }
}

void kohl_wgrad_wino_run(const kohl_wgrad_wino_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                         kohl_threads *threads) {
  const size_t workers = kohl_threads_count(threads), groups = kohl_wgrad_wino_groups(d);
  state st = {.s = shape_of(d, workers, groups, makes_at_once(d, workers)), .isa = isa, .args = args};
  const shape *s = &st.s;
  if (!s->t.tiles) {
    memset(args->out[CONV2D_WGRAD_DWEI], 0, 9 * (size_t)d->k * (size_t)d->c * sizeof(float));
    if (d->bias) memset(args->out[CONV2D_WGRAD_DBIA], 0, (size_t)d->k * sizeof(float));
    return;
  }
  st.zeros = args->workspace;
  st.sums = st.zeros + zeros_floats(d);
  st.u = st.sums + sums_floats(s);
  st.v = st.u + dus_of(s, workers) * s->u;
  memset(st.zeros, 0, zeros_floats(d) * sizeof *st.zeros);
  if (s->at_once) {
    kohl_parallel(threads, at_once_unit, &st, s->channels.count * s->filters.count);
  } else {
    kohl_parallel(threads, group_unit, &st, s->groups * s->channels.count * s->filters.count * s->pass_count);
    kohl_parallel(threads, result_unit, &st, s->channels.blocks * s->filters.blocks);
  }
  if (d->bias) add_sums(&st);
}
