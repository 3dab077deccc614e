/* pool's gradient cell by cell: cutting into bands, marking rows of windows as they come up, and which windows lie over
 * a cell. */
#include "kernels/pool/gather.h"
#include "kernels/core/size.h"

#include "kernels/core/stream.h"

enum {
  LINE = 64,        /* bytes */
  BAND_WINDOWS = 8, /* a band has at least so many rows of windows of its own: few are marked twice */
  UNITS = 4         /* for each worker, if bands allow it */
};

/* Rows of windows over one row of cells at most. */
static size_t slots_of(const kohl_pool_desc *d) {
  return kohl_smaller(((size_t)d->r + d->stride_h - 1) / d->stride_h, (size_t)d->p);
}

/* Floats of a window's marks: whole cache lines. */
static size_t mark_pixel(const kohl_pool_desc *d) {
  return ((size_t)d->c + LINE / sizeof(float) - 1) / (LINE / sizeof(float)) * (LINE / sizeof(float));
}

size_t kohl_pool_gather_workspace(const void *desc, size_t workers) {
  const kohl_pool_desc *d = desc;
  return workers * slots_of(d) * d->q * mark_pixel(d) * sizeof(float);
}

typedef struct {
  const kohl_pool_gather_isa *isa;
  const kohl_pool_desc *d;
  const kohl_args *args;
  size_t bands, band; /* of a picture; rows of one */
  kohl_pool_cover common;
} state;

/* Windows first .. end - 1 lie over a row or column of cells. */
typedef struct {
  int first, end;
} range;

/* From the windows over an earlier cell, or from {0, 0}, to those over the cell `at`. */
static range advance(range over, int64_t at, int stride, int pad, int window, int windows) {
  while (over.first < windows && (int64_t)over.first * stride - pad + window <= at) over.first++;
  if (over.end < over.first) over.end = over.first;
  while (over.end < windows && (int64_t)over.end * stride - pad <= at) over.end++;
  return over;
}

/* The marks of row p of picture n's windows. */
static void mark(const state *st, size_t n, int p, float *marks) {
  const kohl_pool_desc *d = st->d;
  const float *ddst = (const float *)st->args->in[POOL_DGRAD_DDST] + (n * d->p + p) * d->q * d->dst_stride;
  const float *src = st->args->in[POOL_DGRAD_SRC];
  const kohl_pool_side y = kohl_pool_rows(d, p);
  for (int q = 0; q < d->q; q++, ddst += d->dst_stride, marks += st->common.mark_pixel) {
    const kohl_pool_side x = kohl_pool_cols(d, q);
    if (d->mode != KOHL_POOL_MAX) {
      st->isa->share(ddst, d->c, kohl_pool_window(d, NULL, y, x).divisor, marks);
      continue;
    }
    const float *from = src + ((n * d->h + y.first) * d->w + x.first) * d->src_stride;
    const kohl_pool_cells cells = kohl_pool_window(d, from, y, x);
    st->isa->search(&cells, d->c, (float)((int64_t)y.skipped * d->s + x.skipped), (float)d->s, marks);
  }
}

/* Row y of dsrc, under `rows` of windows. */
static void row(const state *st, size_t n, int y, range rows, const float *ring) {
  const kohl_pool_desc *d = st->d;
  float *dsrc = (float *)st->args->out[POOL_DGRAD_DSRC] + (n * d->h + y) * d->w * d->src_stride;
  const float *ddst = (const float *)st->args->in[POOL_DGRAD_DDST] + (n * d->p + rows.first) * d->q * d->dst_stride;
  kohl_pool_cover cover = st->common;
  cover.slot = rows.first % cover.slots;
  const int64_t down = ((int64_t)y + d->pad_top - (int64_t)rows.first * d->stride_h) * d->s;
  range cols = {0, 0};
  for (int x = 0; x < d->w; x++, dsrc += d->src_stride) {
    cols = advance(cols, x, d->stride_w, d->pad_left, d->s, d->q);
    cover.cols = cols.end - cols.first;
    cover.rows = cover.cols ? rows.end - rows.first : 0;
    cover.marks = ring + cols.first * cover.mark_pixel;
    cover.ddst = ddst + cols.first * cover.ddst_pixel;
    cover.cell = (float)(down + x + d->pad_left - (int64_t)cols.first * d->stride_w);
    st->isa->sum(&cover, d->c, dsrc);
  }
}

/* One band of one picture. */
static void unit(void *shared, size_t index, size_t worker) {
  const state *st = shared;
  const kohl_pool_desc *d = st->d;
  const size_t n = index / st->bands, begin = index % st->bands * st->band;
  const size_t end = kohl_smaller(begin + st->band, (size_t)d->h);
  float *ring = (float *)st->args->workspace + worker * (size_t)st->common.slots * st->common.mark_row;
  range rows = {0, 0};
  int marked = -1;
  for (size_t y = begin; y < end; y++) {
    rows = advance(rows, (int64_t)y, d->stride_h, d->pad_top, d->r, d->p);
    if (marked < rows.first) marked = rows.first;
    for (; marked < rows.end; marked++) {
      mark(st, n, marked, ring + (size_t)(marked % st->common.slots) * st->common.mark_row);
    }
    row(st, n, (int)y, rows, ring);
  }
  if (st->common.stream) kohl_stream_settle();
}

void kohl_pool_gather(const kohl_pool_gather_isa *isa, const kohl_pool_desc *d, const kohl_args *args,
                      kohl_threads *threads) {
  if (!d->n) return;
  const size_t most = ((size_t)d->p + BAND_WINDOWS - 1) / BAND_WINDOWS;
  const size_t bands = kohl_smaller((UNITS * kohl_threads_count(threads) + d->n - 1) / d->n, most);
  const size_t band = ((size_t)d->h + bands - 1) / bands;
  state st = {isa, d, args, ((size_t)d->h + band - 1) / band, band, {0}};
  st.common = (kohl_pool_cover){.mark_pixel = mark_pixel(d),
                                .mark_row = mark_pixel(d) * d->q,
                                .slots = (int)slots_of(d),
                                .ddst_pixel = (size_t)d->dst_stride,
                                .ddst_row = (size_t)d->q * d->dst_stride,
                                .cell_row = (float)d->stride_h * (float)d->s,
                                .cell_pixel = (float)d->stride_w,
                                .max = d->mode == KOHL_POOL_MAX,
                                .stream = kohl_stream_pays(args->out[POOL_DGRAD_DSRC], (size_t)d->src_stride,
                                                           (size_t)d->c, (size_t)d->n * d->h * d->w * d->c)};
  kohl_parallel(threads, unit, &st, (size_t)d->n * st.bands);
}
