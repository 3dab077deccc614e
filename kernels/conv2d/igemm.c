/* The implicit GEMM's driver: panels, packing, pointer tables and the split into units of work. */
#include "kernels/conv2d/igemm.h"
#include "kernels/core/size.h"
#include "kernels/core/stream.h"

#include <string.h>

enum {
  LINE = 64,
  TABLE_BYTES = 64 << 10,  /* of a worker's pointer tables: they share L2 with a panel and the pixels */
  TILES = 32,              /* of a strip, at most */
  MOST_UNITS = 64,         /* per worker, in the search for a split */
  PACK = 32,               /* taps and channels of a block of weights that is packed at once */
  MERGE_FLOATS = 64,       /* a filter row of at most so many floats is treated as one tap */
  CHUNK_BYTES = 512 << 10, /* a longer panel of a 1x1 filter is cut along its chain, to stay in L2 */
};

typedef kohl_igemm_panel panel;

/* What follows from the desc; no memory of its own. */
typedef struct {
  const kohl_igemm_isa *isa;
  const kohl_conv2d_desc *d;
  size_t c_group, taps, run; /* run: channels, or channels of a whole filter row where merged */
  bool merged;
  size_t panels, depth;       /* depth: r*s*c_group */
  size_t most_tiles;          /* of a strip */
  size_t zeros;               /* bytes of the zero pixel */
  size_t table, copies, tile; /* bytes per worker; tile: outputs on their way to a view */
} shape;

/* The split of one run. */
typedef struct {
  size_t pixels, tiles, strips, blocks;
  bool strip_major; /* units go through the blocks of one strip first */
} split;

/* The next number to try after x: half as much again, a multiple of `of`, then `last`, then beyond. */
static size_t grow(size_t x, size_t of, size_t last) {
  if (x == last) return last + 1;
  size_t next = kohl_round_up(x + (x + 1) / 2, of);
  return next < last ? next : last;
}

size_t kohl_igemm_panel_width(const kohl_igemm_isa *isa, int channels) {
  return (size_t)isa->lanes * (channels > isa->lanes ? 2 : 1);
}

bool kohl_igemm_next_panel(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, panel *p) {
  int k_group = d->k / d->groups;
  p->wei += (size_t)d->r * d->s * (d->c / d->groups) * (p->channels ? kohl_igemm_panel_width(isa, p->channels) : 0);
  p->k0 += p->channels;
  p->dst_c += p->channels;
  if (p->k0 == d->k) return false;
  if (p->dst_c == d->dst_k[p->dst]) {
    p->dst++;
    p->dst_c = 0;
  }
  p->group = p->k0 / k_group;
  int left = (p->group + 1) * k_group - p->k0, room = d->dst_k[p->dst] - p->dst_c;
  p->channels = 2 * isa->lanes;
  if (left < p->channels) p->channels = left;
  if (room < p->channels) p->channels = room;
  return true;
}

static shape shape_of(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d) {
  shape s = {.isa = isa, .d = d, .c_group = (size_t)(d->c / d->groups), .taps = (size_t)d->r * d->s};
  s.depth = s.taps * s.c_group;
  s.run = s.c_group;
  /* A filter row over packed pixels is one run of floats in memory, so few channels need few pointers. */
  s.merged =
      d->s > 1 && d->groups == 1 && d->dilation_w == 1 && d->src_stride == d->c && s.c_group * d->s <= MERGE_FLOATS;
  if (s.merged) {
    s.taps = (size_t)d->r;
    s.run = s.c_group * d->s;
  }
  for (panel p = {0}; kohl_igemm_next_panel(isa, d, &p);) s.panels++;
  size_t tile = s.taps * isa->rows * sizeof(float *);
  s.most_tiles = TABLE_BYTES / tile;
  if (s.most_tiles > TILES) s.most_tiles = TILES;
  if (s.most_tiles < 1) s.most_tiles = 1;
  s.table = kohl_round_up(s.most_tiles * tile, LINE);
  s.copies = s.merged ? kohl_round_up(s.most_tiles * s.taps * isa->rows * s.run * sizeof(float), LINE) : 0;
  s.tile = kohl_round_up((size_t)isa->rows * 2 * isa->lanes * sizeof(float), LINE);
  s.zeros = kohl_round_up((s.merged ? s.run : (size_t)d->c) * sizeof(float), LINE);
  return s;
}

/* Cycles of a unit, roughly: the multiply-adds (two vectors a cycle), fetching its panels and pixels from L3 at 32
 * bytes a cycle where the unit before had others, the pointers, and claiming it. */
static double unit_cost(const shape *s, size_t tiles, size_t panels, bool new_panels, bool new_pixels) {
  double rows = s->isa->rows, lanes = s->isa->lanes;
  double cost = (double)tiles * panels * rows * s->depth + 400 + (double)tiles * rows * (10 + 2.0 * s->taps);
  if (new_panels) cost += (double)panels * s->depth * 2 * lanes * sizeof(float) / 32;
  if (new_pixels) cost += (double)tiles * rows * s->d->c * sizeof(float) / 32;
  return cost;
}

/* Tries strips and blocks, each by growing steps, for the shortest time of the slowest worker.  A quarter of a unit
 * is added because the workers do not end together.  The larger operand is gone through once: where it is the
 * pixels, units go through the blocks of a strip before the next strip. */
static split split_of(const shape *s, size_t workers) {
  const kohl_conv2d_desc *d = s->d;
  split u = {.pixels = (size_t)d->n * d->p * d->q, .strips = 1, .blocks = 1};
  u.tiles = (u.pixels + s->isa->rows - 1) / s->isa->rows;
  if (!u.tiles) return u;
  u.strip_major = (double)d->n * d->h * d->w * d->c > (double)d->k * s->depth;
  const size_t fewest = (u.tiles + s->most_tiles - 1) / s->most_tiles;
  double best = 0;
  for (size_t blocks = 1; blocks <= s->panels; blocks = grow(blocks, 1, s->panels)) {
    for (size_t strips = fewest; strips <= u.tiles; strips = grow(strips, workers, u.tiles)) {
      size_t units = strips * blocks, rounds = (units + workers - 1) / workers;
      size_t tiles = (u.tiles + strips - 1) / strips, panels = (s->panels + blocks - 1) / blocks;
      double cost = unit_cost(s, tiles, panels, !u.strip_major || blocks > 1, u.strip_major || strips > 1);
      double time = cost * (rounds + (workers > 1 ? 0.25 : 0));
      if (best == 0 || time < best) {
        best = time;
        u.strips = strips;
        u.blocks = blocks;
      }
      if (units > MOST_UNITS * workers) break;
    }
  }
  return u;
}

const char *kohl_igemm_accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  return d->pool ? "no fused pool" : kohl_conv2d_check(d);
}

size_t kohl_igemm_packed_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d) {
  panel p = {0};
  while (kohl_igemm_next_panel(isa, d, &p)) continue;
  return p.wei * sizeof(float);
}

void kohl_igemm_pack(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const float *wei, float *packed) {
  size_t depth = (size_t)d->r * d->s * (d->c / d->groups);
  for (panel p = {0}; kohl_igemm_next_panel(isa, d, &p);) {
    size_t width = kohl_igemm_panel_width(isa, p.channels);
    float *to = packed + p.wei;
    if ((size_t)p.channels < width) memset(to, 0, depth * width * sizeof *to);
    for (size_t i0 = 0; i0 < depth; i0 += PACK) { /* a transpose by blocks that fit in L1 */
      size_t i1 = depth - i0 < PACK ? depth : i0 + PACK;
      for (int k = 0; k < p.channels; k++) {
        const float *from = wei + (p.k0 + k) * depth;
        for (size_t i = i0; i < i1; i++) to[i * width + k] = from[i];
      }
    }
  }
}

/* The workspace: the panels, the zero pixel, then each worker's pointer tables and copies. */
static size_t shared_bytes(const shape *s) { return kohl_round_up(s->panels * sizeof(panel), LINE) + s->zeros; }
static size_t worker_bytes(const shape *s) { return s->table + s->copies + s->tile; }

size_t kohl_igemm_workspace_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, size_t workers) {
  shape s = shape_of(isa, d);
  return shared_bytes(&s) + workers * worker_bytes(&s);
}

size_t kohl_igemm_tasks(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, size_t workers) {
  shape s = shape_of(isa, d);
  split u = split_of(&s, workers);
  return u.tiles ? u.strips * u.blocks : 0;
}

typedef struct {
  shape s;
  split u;
  const kohl_args *args;
  const kohl_igemm_view *view; /* NULL: output pixels are neighbours */
  const panel *panels;
  const float *zeros;
  char *scratch; /* of worker 0 */
  bool stream;   /* outputs go past the caches */
  size_t workers;
} state;

/* An output pixel, and the input pixel under the filter's first tap. */
typedef struct {
  int n, p, q, y, x;
} corner;

static corner corner_of(const kohl_conv2d_desc *d, size_t pixel) {
  size_t row = pixel / d->q;
  int p = (int)(row % d->p), q = (int)(pixel % d->q);
  return (corner){(int)(row / d->p), p, q, p * d->stride_h - d->pad_top, q * d->stride_w - d->pad_left};
}

/* Goes on by count pixels, at most to the first one of the next row. */
static void go_on(const kohl_conv2d_desc *d, corner *at, size_t count) {
  at->q += (int)count;
  at->x += (int)count * d->stride_w;
  if (at->q < d->q) return;
  at->q = 0;
  at->x = -d->pad_left;
  at->y += d->stride_h;
  if (++at->p < d->p) return;
  at->p = 0;
  at->y = -d->pad_top;
  at->n++;
}

/* How many of so many pixels are in the row of `at`. */
static size_t in_row(const kohl_conv2d_desc *d, const corner *at, size_t pixels) {
  size_t left = (size_t)(d->q - at->q);
  return pixels < left ? pixels : left;
}

/* Pointers of one pixel, one per tap, `rows` apart. */
static void point(const state *st, const corner *at, const float **table) {
  const kohl_conv2d_desc *d = st->s.d;
  const float *src = (const float *)st->args->in[CONV2D_SRC] + (size_t)at->n * d->h * d->w * d->src_stride;
  const int rows = st->s.isa->rows;
  for (int r = 0, y = at->y; r < d->r; r++, y += d->dilation_h) {
    const float *line = y >= 0 && y < d->h ? src + (size_t)y * d->w * d->src_stride : NULL;
    for (int s = 0, x = at->x; s < d->s; s++, x += d->dilation_w, table += rows) {
      *table = line && x >= 0 && x < d->w ? line + (size_t)x * d->src_stride : st->zeros;
    }
  }
}

/* The same where a filter row is one tap.  A row that sticks out of the picture is copied between zeros. */
static void point_merged(const state *st, const corner *at, const float **table, float *copy) {
  const kohl_conv2d_desc *d = st->s.d;
  const float *src = (const float *)st->args->in[CONV2D_SRC] + (size_t)at->n * d->h * d->w * d->c;
  const int rows = st->s.isa->rows, before = at->x < 0 ? -at->x : 0,
            after = at->x + d->s > d->w ? at->x + d->s - d->w : 0;
  for (int r = 0, y = at->y; r < d->r; r++, y += d->dilation_h, table += rows, copy += rows * st->s.run) {
    if (y < 0 || y >= d->h || before + after >= d->s) {
      *table = st->zeros;
      continue;
    }
    const float *line = src + ((size_t)y * d->w + at->x + before) * d->c;
    if (before + after == 0) {
      *table = line;
      continue;
    }
    memset(copy, 0, st->s.run * sizeof *copy);
    memcpy(copy + (size_t)before * d->c, line, (size_t)(d->s - before - after) * d->c * sizeof *copy);
    *table = copy;
  }
}

static size_t first_pixel(const split *u, size_t tile) { return tile * u->pixels / u->tiles; }

/* The table of a tile of which no filter leaves the picture: the same steps from tap to tap for every pixel.  False
 * when one does. */
static bool point_inside(const shape *s, const float *src, corner at, size_t pixels, const float **table) {
  const kohl_conv2d_desc *d = s->d;
  const size_t stride = (size_t)d->src_stride;
  for (size_t i = 0, count; i < pixels; i += count) {
    count = in_row(d, &at, pixels - i);
    int last = at.x + ((int)count - 1) * d->stride_w + (d->s - 1) * d->dilation_w;
    if (at.y < 0 || at.x < 0 || at.y + (d->r - 1) * d->dilation_h >= d->h || last >= d->w) return false;
    const float *pixel = src + (((size_t)at.n * d->h + at.y) * d->w + at.x) * stride;
    for (size_t j = 0; j < count; j++) table[i + j] = pixel + j * d->stride_w * stride;
    go_on(d, &at, count);
  }
  const float **to = table + s->isa->rows;
  for (size_t tap = 1, across = s->merged ? 1 : (size_t)d->s; tap < s->taps; tap++, to += s->isa->rows) {
    size_t step = (tap / across * d->dilation_h * d->w + tap % across * d->dilation_w) * stride;
    for (size_t i = 0; i < pixels; i++) to[i] = table[i] + step;
  }
  return true;
}

/* Fills a worker's tables for tiles tile to stop - 1. */
static void point_tiles(const state *st, size_t tile, size_t stop, const float **table, float *copies) {
  const shape *s = &st->s;
  const size_t rows = (size_t)s->isa->rows;
  for (; tile < stop; tile++, table += s->taps * rows) {
    size_t first = first_pixel(&st->u, tile), pixels = first_pixel(&st->u, tile + 1) - first;
    corner at = corner_of(s->d, first);
    if (!point_inside(s, st->args->in[CONV2D_SRC], at, pixels, table)) {
      for (size_t i = 0; i < pixels; i++, go_on(s->d, &at, 1)) {
        if (s->merged) {
          point_merged(st, &at, table + i, copies + i * s->run);
        } else {
          point(st, &at, table + i);
        }
      }
    }
    if (s->merged) copies += s->taps * rows * s->run;
  }
}

/* A tile whose pixels are apart: in one row they have one stride, else they are copied out of `buffer`. */
static void multiply_apart(const state *st, kohl_igemm_call *call, const panel *p, size_t pixel, float *buffer) {
  const kohl_conv2d_desc *d = st->s.d;
  const kohl_igemm_view *view = st->view;
  corner at = corner_of(d, pixel);
  float *dst = (float *)st->args->out[CONV2D_DST] + p->dst_c;
  size_t count = (size_t)call->rows;
  bool one_row = in_row(d, &at, count) == count;
  call->dst = one_row ? dst + at.n * view->picture + at.p * view->row + at.q * view->column : buffer;
  call->dst_stride = one_row ? view->column : 2 * (size_t)st->s.isa->lanes;
  st->s.isa->micro(call);
  for (size_t i = 0; i < count && !one_row; i++, go_on(d, &at, 1)) {
    memcpy(dst + at.n * view->picture + at.p * view->row + at.q * view->column, buffer + i * call->dst_stride,
           (size_t)p->channels * sizeof *dst);
  }
}

/* All tiles of a strip times one panel, while each of the first tiles fetches two lines of every 4 channels of the next
 * one, of the same width, to L2. */
static void multiply(const state *st, const panel *p, const panel *next, size_t tile, size_t stop,
                     const float *const *table, float *buffer) {
  const shape *s = &st->s;
  const kohl_conv2d_desc *d = s->d;
  const float *bia = st->args->in[CONV2D_BIA], *add = st->args->in[CONV2D_ADD];
  size_t width = kohl_igemm_panel_width(s->isa, p->channels), chunk = s->run, stride = (size_t)d->dst_stride[p->dst];
  if (s->taps == 1 && !d->add && !st->view && stop - tile > 1 && s->run * width * sizeof(float) > CHUNK_BYTES) {
    chunk = CHUNK_BYTES / sizeof(float) / width;
  }
  const size_t turns = 2 * width * sizeof(float) / LINE;
  const ptrdiff_t ahead = ((ptrdiff_t)next->wei - (ptrdiff_t)p->wei) * (ptrdiff_t)sizeof(float);
  for (size_t c = 0; c < s->run; c += chunk) {
    for (size_t t = tile; t < stop; t++) {
      size_t pixel = first_pixel(&st->u, t);
      kohl_igemm_call call = {
          .pixel = table + (t - tile) * s->taps * s->isa->rows,
          .taps = s->taps,
          .skip = p->group * s->c_group + c,
          .run = s->run - c < chunk ? s->run - c : chunk,
          .wei = (const float *)st->args->in[CONV2D_WEI] + p->wei + c * width,
          .rows = (int)(first_pixel(&st->u, t + 1) - pixel),
          .channels = p->channels,
          .resume = c > 0,
          .last = s->run - c <= chunk,
          .relu = d->activation == KOHL_ACTIVATION_RELU,
          .bia = d->bias ? bia + p->k0 : NULL,
          .add = d->add ? add + pixel * d->add_stride + p->k0 : NULL,
          .dst = (float *)st->args->out[CONV2D_DST + p->dst] + pixel * stride + p->dst_c,
          .add_stride = (size_t)d->add_stride,
          .dst_stride = stride,
          .soon = next != p && stop - tile > 1 && t - tile < turns ? ahead + (ptrdiff_t)((t - tile) * 2 * LINE) : 0,
          .stream = st->stream && chunk >= s->run && p->channels == 2 * s->isa->lanes,
      };
      if (st->view) {
        multiply_apart(st, &call, p, pixel, buffer);
      } else {
        s->isa->micro(&call);
      }
    }
  }
}

/* One strip of tiles times one block of panels. */
static void unit(void *context, size_t index, size_t worker) {
  const state *st = context;
  const split *u = &st->u;
  size_t strip = u->strip_major ? index / u->blocks : index % u->strips;
  size_t block = u->strip_major ? index % u->blocks : index / u->strips;
  size_t tile = strip * u->tiles / u->strips, stop = (strip + 1) * u->tiles / u->strips;
  char *scratch = st->scratch + worker * worker_bytes(&st->s);
  const float **table = (const float **)scratch;
  point_tiles(st, tile, stop, table, (float *)(scratch + st->s.table));
  size_t p = block * st->s.panels / u->blocks, end = (block + 1) * st->s.panels / u->blocks;
  float *buffer = (float *)(scratch + st->s.table + st->s.copies);
  const size_t after = u->strip_major ? end : end + (st->workers - 1) * (end - p);
  for (; p < end; p++) {
    const size_t next = p + 1 < end ? p + 1 : after;
    multiply(st, &st->panels[p], &st->panels[next < st->s.panels ? next : p], tile, stop, table, buffer);
  }
  if (st->stream) kohl_stream_settle();
}

/* Whether all outputs are whole, aligned vectors, and so many that no cache will keep them for the next layer. */
static bool streams(const kohl_conv2d_desc *d, const kohl_args *args, const kohl_igemm_view *view) {
  size_t bytes = 0;
  if (view) return false;
  for (int i = 0; i < d->dsts; i++) {
    bytes += (size_t)d->n * d->p * d->q * (size_t)d->dst_k[i] * sizeof(float);
    if (((uintptr_t)args->out[CONV2D_DST + i] | (size_t)d->dst_stride[i] * sizeof(float)) % LINE) return false;
  }
  return bytes >= KOHL_STREAM_LEAST_BYTES;
}

void kohl_igemm_run(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                    kohl_threads *threads) {
  kohl_igemm_run_view(isa, d, args, NULL, threads);
}

void kohl_igemm_run_view(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                         const kohl_igemm_view *view, kohl_threads *threads) {
  state st = {.s = shape_of(isa, d), .args = args, .view = view};
  st.u = split_of(&st.s, kohl_threads_count(threads));
  if (!st.u.tiles) return;
  panel *panels = args->workspace, p = {0};
  for (size_t i = 0; kohl_igemm_next_panel(isa, d, &p); i++) panels[i] = p;
  char *zeros = (char *)args->workspace + shared_bytes(&st.s) - st.s.zeros;
  memset(zeros, 0, st.s.zeros);
  st.panels = panels;
  st.zeros = (const float *)zeros;
  st.stream = streams(d, args, view);
  st.workers = kohl_threads_count(threads);
  st.scratch = zeros + st.s.zeros;
  kohl_parallel(threads, unit, &st, st.u.strips * st.u.blocks);
}
