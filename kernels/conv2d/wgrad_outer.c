/* conv2d weight gradient by outer products: chunks, packing and the split into units of work. */
#include "kernels/conv2d/wgrad_outer.h"
#include "kernels/core/size.h"

#include <string.h>

enum {
  LINE = 64,
  CHUNK_BYTES = 768 << 10,       /* of a chunk: it is read again for every pair of panels, so it stays in L2 */
  DIRECT_FILTERS = 192,          /* every panel of them reads src again: with more, packing it costs less */
  L1_WAY = 4096 / sizeof(float), /* pixels so far apart would share one set of L1 */
  BLOCK_ROWS = 256,              /* the most rows of a block */
  UNITS = 16,                    /* per worker, at least: an uneven pair of cores ends together */
};

/* What follows from the desc.  A line is an input row with its zeros, a slot the place of one in a chunk. */
typedef struct {
  const kohl_wgrad_isa *isa;
  const kohl_conv2d_desc *d;
  bool merged;                  /* a filter row is one tap of s*c channels */
  bool direct;                  /* src is read where it is: every pixel once, whole vectors */
  size_t across, channels;      /* taps of a filter row, and their channels */
  size_t channel_panels, width; /* width: floats of a channel panel's pixel */
  size_t filter_panels;
  size_t stride_h, stride_w; /* in slots and in packed pixels: a 1x1 filter's are packed without the unread ones */
  size_t reach;              /* slots under a filter */
  size_t pixels;             /* of a line */
  size_t line;               /* floats of a line of one panel, merged: of all */
  size_t block, rows, chunk; /* output rows */
  size_t slots;              /* of a chunk, at most */
} shape;

/* Slots of so many output rows that begin at row p of a picture: pictures share none. */
static size_t slots_of(const shape *s, size_t p, size_t rows) {
  const size_t all = (size_t)s->d->p, here = kohl_smaller(rows, all - p);
  size_t slots = (here - 1) * s->stride_h + s->reach, whole = (rows - here) / all, rest = (rows - here) % all;
  slots += whole * ((all - 1) * s->stride_h + s->reach);
  return rest ? slots + (rest - 1) * s->stride_h + s->reach : slots;
}

/* The most slots of so many rows, wherever they begin: every picture's first row needs a whole reach. */
static size_t most_slots(const shape *s, size_t rows) {
  size_t pictures = kohl_smaller(rows, rows / s->d->p + 2);
  return (rows - pictures) * s->stride_h + pictures * (s->reach > s->stride_h ? s->reach : s->stride_h);
}

static size_t ddst_floats(const shape *s, size_t rows) { return s->filter_panels * rows * s->d->q * s->isa->lanes; }
static size_t src_floats(const shape *s, size_t slots) {
  return s->direct ? 0 : slots * s->line * (s->merged ? 1 : s->channel_panels);
}
static size_t sums_floats(const shape *s, size_t rows) {
  return kohl_ceil_div(rows, s->block) * s->filter_panels * s->isa->lanes;
}

/* What is packed of so many rows. */
static size_t packed_bytes(const shape *s, size_t rows) {
  return (ddst_floats(s, rows) + src_floats(s, most_slots(s, rows)) + sums_floats(s, rows)) * sizeof(float);
}

/* What is read of src, where it is not packed. */
static size_t direct_bytes(const shape *s, size_t rows) {
  return s->direct ? rows * s->d->q * s->channels * sizeof(float) : 0;
}

static shape shape_of(const kohl_wgrad_isa *isa, const kohl_conv2d_desc *d) {
  const size_t lanes = (size_t)isa->lanes;
  shape s = {.isa = isa, .d = d, .across = (size_t)d->s, .channels = (size_t)d->c};
  s.merged = d->s > 1 && d->dilation_w == 1 && d->c < isa->lanes;
  if (s.merged) {
    s.across = 1;
    s.channels = (size_t)d->s * d->c;
  }
  s.channel_panels = kohl_ceil_div(s.channels, 2 * lanes);
  s.width = s.merged ? (size_t)d->c : s.channels > lanes ? 2 * lanes : lanes;
  s.filter_panels = kohl_ceil_div((size_t)d->k, (size_t)isa->filters);
  s.stride_h = d->r == 1 ? 1 : (size_t)d->stride_h;
  s.stride_w = d->s == 1 ? 1 : (size_t)d->stride_w;
  s.reach = (size_t)(d->r - 1) * d->dilation_h + 1;
  s.pixels = (d->q - 1) * s.stride_w + (size_t)(d->s - 1) * d->dilation_w + 1;
  s.line = s.pixels * s.width;
  /* merged: the last pixel's vectors go on behind the line */
  if (s.merged) s.line = kohl_round_up(s.line + (s.channel_panels + 1) * 2 * lanes, lanes);
  s.direct = d->r == 1 && d->s == 1 && d->p == d->h && d->q == d->w && d->c % isa->lanes == 0 &&
             d->k <= DIRECT_FILTERS && d->src_stride % L1_WAY != 0;
  s.block = (size_t)kohl_conv2d_block_rows(d);
  s.rows = (size_t)d->n * d->p;
  s.chunk = s.block;
  while (s.chunk < s.rows && packed_bytes(&s, s.chunk + s.block) + direct_bytes(&s, s.chunk + s.block) <= CHUNK_BYTES) {
    s.chunk += s.block;
  }
  return s;
}

const char *kohl_wgrad_outer_accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  const char *wrong = kohl_conv2d_gradient_check(desc);
  return wrong ? wrong : d->groups > 1 ? "groups > 1" : NULL;
}

size_t kohl_wgrad_outer_workspace_size(const kohl_wgrad_isa *isa, const kohl_conv2d_desc *d) {
  shape s = shape_of(isa, d);
  return packed_bytes(&s, s.chunk) + 3 * LINE; /* each of its three parts begins at a line */
}

/* One chunk: output rows first to first + rows - 1. */
typedef struct {
  shape s;
  const kohl_args *args;
  size_t first, rows, slots, blocks;
  size_t filter_blocks, tap_blocks; /* panels of filters and taps are shared out in so many */
  float *ddst;                      /* [filter panel][row][pixel][lanes] */
  float *src;                       /* [channel panel][slot][pixel][width], merged [slot][pixel][c] */
  float *sums;                      /* [block][filter panel][lanes]: of ddst */
} state;

/* Filters are shared out evenly, since every number of them up to isa filters is equally fast per filter. */
static size_t first_filter(const shape *s, size_t panel) { return panel * s->d->k / s->filter_panels; }

/* Rows of a block to panels, and their sums for dbia. */
static void pack_ddst(const state *st, size_t block) {
  const shape *s = &st->s;
  const kohl_conv2d_desc *d = s->d;
  const size_t lanes = (size_t)s->isa->lanes, stride = (size_t)d->dst_stride[0];
  float *sums = st->sums + block * s->filter_panels * lanes;
  memset(sums, 0, s->filter_panels * lanes * sizeof *sums);
  for (size_t row = block * s->block, stop = kohl_smaller(row + s->block, st->rows); row < stop; row++) {
    for (size_t p = 0; p < s->filter_panels; p++) {
      size_t filter = first_filter(s, p);
      kohl_wgrad_copy copy = {
          .from = (const float *)st->args->in[CONV2D_WGRAD_DDST] + (st->first + row) * d->q * stride + filter,
          .to = st->ddst + (p * st->rows + row) * d->q * lanes,
          .sum = d->bias ? sums + p * lanes : NULL,
          .from_step = stride,
          .to_step = lanes,
          .pixels = (size_t)d->q,
          .channels = (int)(first_filter(s, p + 1) - filter),
          .vectors = 1,
      };
      s->isa->copy(&copy);
    }
  }
}

/* The packed pixels of a line that are in the picture: first to stop - 1. */
static void inside(const shape *s, size_t step, size_t *first, size_t *stop) {
  const size_t before = (size_t)s->d->pad_left, end = before + s->d->w;
  *first = kohl_smaller(kohl_ceil_div(before, step), s->pixels);
  *stop = kohl_smaller(kohl_ceil_div(end, step), s->pixels);
}

/* One input row between its zeros. */
static void pack_src(const state *st, size_t slot) {
  const shape *s = &st->s;
  const kohl_conv2d_desc *d = s->d;
  const size_t p = st->first % d->p, here = (kohl_smaller(st->rows, d->p - p) - 1) * s->stride_h + s->reach;
  const size_t whole = (d->p - 1) * s->stride_h + s->reach, step = d->s == 1 ? (size_t)d->stride_w : 1;
  const size_t lanes = (size_t)s->isa->lanes, panels = s->merged ? 1 : s->channel_panels;
  const size_t panel_floats = st->slots * s->line;
  size_t n = st->first / d->p, down = slot, first, stop;
  int64_t y = slot < here ? (int64_t)p * d->stride_h : 0;
  if (slot >= here) {
    n += 1 + (slot - here) / whole;
    down = (slot - here) % whole;
  }
  y += (int64_t)down * (d->r == 1 ? d->stride_h : 1) - d->pad_top;
  float *line = st->src + slot * s->line;
  inside(s, step, &first, &stop);
  if (y < 0 || y >= d->h || first >= stop) {
    for (size_t i = 0; i < panels; i++) memset(line + i * panel_floats, 0, s->line * sizeof *line);
    return;
  }
  const float *src = (const float *)st->args->in[CONV2D_WGRAD_SRC];
  src += ((n * d->h + (size_t)y) * d->w + first * step - d->pad_left) * d->src_stride;
  for (size_t i = 0; i < panels; i++, line += panel_floats) {
    size_t channel = i * 2 * lanes, left = d->c - channel;
    kohl_wgrad_copy copy = {
        .from = src + channel,
        .to = line + first * s->width,
        .from_step = step * d->src_stride,
        .to_step = s->width,
        .pixels = stop - first,
        .channels = (int)kohl_smaller(left, 2 * lanes),
        .vectors = s->width > lanes ? 2 : 1,
    };
    s->isa->copy(&copy);
    memset(line, 0, first * s->width * sizeof *line);
    memset(line + stop * s->width, 0, (s->line - stop * s->width) * sizeof *line);
  }
}

static void pack_unit(void *context, size_t index, size_t worker) {
  (void)worker;
  const state *st = context;
  if (index < st->blocks) {
    pack_ddst(st, index);
  } else {
    pack_src(st, index - st->blocks);
  }
}

/* Where each row of a block finds its src line for filter row 0 and a panel. */
static void point(const state *st, size_t row, size_t stop, size_t panel, const float **table) {
  const shape *s = &st->s;
  const size_t all = (size_t)s->d->p, p0 = st->first % all, here = kohl_smaller(st->rows, all - p0);
  const size_t skip = panel * (s->merged ? 2 * (size_t)s->isa->lanes : st->slots * s->line);
  for (; row < stop; row++, table++) {
    size_t slot = row * s->stride_h, later = row - here;
    if (row >= here) slot = slots_of(s, p0, here + later / all * all) + later % all * s->stride_h;
    *table = st->src + slot * s->line + skip;
  }
}

/* One block and panel of channels, some panels of filters and taps, from [0] to [1] - 1.  All
 * taps of a panel of filters come one after the other, so that it is in L1. */
static void multiply_block(const state *st, size_t row, size_t panel, const size_t filters[2], const size_t taps[2]) {
  const shape *s = &st->s;
  const kohl_conv2d_desc *d = s->d;
  const size_t stop = kohl_smaller(row + s->block, st->rows), channel = panel * 2 * s->isa->lanes;
  const bool run = d->r == 1 && d->s == 1; /* no zeros: a panel's rows follow each other */
  const float *table[BLOCK_ROWS];
  kohl_wgrad_call call = {
      .src = table,
      .step = s->direct ? (size_t)d->src_stride : s->stride_w * s->width,
      .rows = run ? 1 : stop - row,
      .pixels = run ? (stop - row) * d->q : (size_t)d->q,
      .channels = (int)kohl_smaller(s->channels - channel, 2 * s->isa->lanes),
      .far = s->direct,
      .first = st->first + row == 0,
      .filter_step = (size_t)d->r * d->s * d->c,
  };
  if (s->direct) {
    table[0] = (const float *)st->args->in[CONV2D_WGRAD_SRC] + (st->first + row) * d->q * call.step + channel;
  } else {
    point(st, row, stop, panel, table);
  }
  for (size_t p = filters[0]; p < filters[1]; p++) {
    size_t filter = first_filter(s, p);
    float *dwei = (float *)st->args->out[CONV2D_WGRAD_DWEI] + filter * call.filter_step + channel;
    call.ddst = st->ddst + (p * st->rows + row) * d->q * s->isa->lanes;
    call.filters = (int)(first_filter(s, p + 1) - filter);
    for (size_t tap = taps[0]; tap < taps[1]; tap++) {
      size_t r = tap / s->across, x = tap % s->across;
      call.skip = r * d->dilation_h * s->line + x * d->dilation_w * s->width;
      call.dwei = dwei + (r * d->s + x) * d->c;
      s->isa->micro(&call);
    }
  }
}

/* A share of the filters and filter rows and one panel of channels, over all blocks of the chunk. */
static void multiply_unit(void *context, size_t index, size_t worker) {
  (void)worker;
  const state *st = context;
  const shape *s = &st->s;
  const size_t share = index % st->filter_blocks, rest = index / st->filter_blocks;
  const size_t part = rest % st->tap_blocks, panel = rest / st->tap_blocks, all = s->d->r * s->across;
  const size_t filters[2] = {share * s->filter_panels / st->filter_blocks,
                             (share + 1) * s->filter_panels / st->filter_blocks};
  const size_t taps[2] = {part * all / st->tap_blocks, (part + 1) * all / st->tap_blocks};
  for (size_t row = 0; row < st->rows; row += s->block) multiply_block(st, row, panel, filters, taps);
}

static void add_bias(const state *st) {
  const shape *s = &st->s;
  float *dbia = st->args->out[CONV2D_WGRAD_DBIA];
  const float *sums = st->sums;
  for (size_t block = 0; block < st->blocks; block++) {
    for (size_t p = 0; p < s->filter_panels; p++, sums += s->isa->lanes) {
      size_t filter = first_filter(s, p), count = first_filter(s, p + 1) - filter;
      bool first = st->first == 0 && block == 0;
      for (size_t i = 0; i < count; i++) dbia[filter + i] = first ? sums[i] : dbia[filter + i] + sums[i];
    }
  }
}

static float *line_up(float *p) { return (float *)kohl_round_up((uintptr_t)p, LINE); }

void kohl_wgrad_outer_run(const kohl_wgrad_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                          kohl_threads *threads) {
  state st = {.s = shape_of(isa, d), .args = args};
  const shape *s = &st.s;
  if (!s->rows) {
    memset(args->out[CONV2D_WGRAD_DWEI], 0, (size_t)d->k * d->r * d->s * d->c * sizeof(float));
    if (d->bias) memset(args->out[CONV2D_WGRAD_DBIA], 0, (size_t)d->k * sizeof(float));
    return;
  }
  const size_t workers = kohl_threads_count(threads), units = workers > 1 ? UNITS * workers : 1;
  st.filter_blocks = kohl_smaller(kohl_ceil_div(units, s->channel_panels), s->filter_panels);
  st.tap_blocks = kohl_smaller(kohl_ceil_div(units, s->channel_panels * st.filter_blocks), d->r * s->across);
  for (; st.first < s->rows; st.first += st.rows) {
    st.rows = kohl_smaller(s->chunk, s->rows - st.first);
    st.blocks = kohl_ceil_div(st.rows, s->block);
    st.slots = s->direct ? 0 : slots_of(s, st.first % d->p, st.rows);
    st.ddst = line_up(args->workspace);
    st.src = line_up(st.ddst + ddst_floats(s, st.rows));
    st.sums = line_up(st.src + src_floats(s, st.slots));
    kohl_parallel(threads, pack_unit, &st, st.blocks + st.slots);
    if (d->bias) add_bias(&st);
    kohl_parallel(threads, multiply_unit, &st, s->channel_panels * st.filter_blocks * st.tap_blocks);
  }
}
