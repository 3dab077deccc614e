/* The list of pools and what they share: checking a desc, output size, cutting windows to the picture, clearing and
 * walking a gradient. */
#include "kernels/pool/pool.h"

#include <string.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(pool, __VA_ARGS__)
#include "kernels/pool/pool.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(pool, __VA_ARGS__)
#include "kernels/pool/pool.def"
#undef KERNEL
};
KOHL_DEFINE_OP(pool, table)

/* (room / stride) rounded down, plus the first window; room may be negative. */
static int64_t windows(int64_t room, int stride) { return room < 0 ? 0 : room / stride + 1; }

int kohl_pool_out(int in, int window, int stride, int pad_before, int pad_after, bool ceil) {
  int64_t room = (int64_t)in + pad_before + pad_after - window;
  int64_t out = windows(room + (ceil ? stride - 1 : 0), stride);
  if (ceil && out > 0 && (out - 1) * stride >= (int64_t)in + pad_before) out--;
  return (int)out;
}

static bool follows(int out, int in, int window, int stride, int pad_before, int pad_after) {
  return out > 0 && (out == kohl_pool_out(in, window, stride, pad_before, pad_after, false) ||
                     out == kohl_pool_out(in, window, stride, pad_before, pad_after, true));
}

const char *kohl_pool_check(const kohl_pool_desc *d) {
  if (d->n < 0 || d->h < 1 || d->w < 1 || d->c < 1 || d->r < 1 || d->s < 1) return "a size is below 1";
  if (d->stride_h < 1 || d->stride_w < 1) return "a stride is below 1";
  if (d->pad_top < 0 || d->pad_left < 0 || d->pad_bottom < 0 || d->pad_right < 0) return "a padding is negative";
  if (d->pad_top >= d->r || d->pad_left >= d->s) return "a padding covers a whole window";
  if (d->mode < KOHL_POOL_MAX || d->mode > KOHL_POOL_AVG_ALL) return "an unknown mode";
  if (!follows(d->p, d->h, d->r, d->stride_h, d->pad_top, d->pad_bottom) ||
      !follows(d->q, d->w, d->s, d->stride_w, d->pad_left, d->pad_right)) {
    return "p or q does not follow from the other sizes";
  }
  if ((int64_t)(d->p - 1) * d->stride_h - d->pad_top >= d->h ||
      (int64_t)(d->q - 1) * d->stride_w - d->pad_left >= d->w) {
    return "a window lies in the padding";
  }
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  return NULL;
}

static kohl_pool_side cut(int index, int stride, int pad_before, int pad_after, int window, int size) {
  int64_t start = (int64_t)index * stride - pad_before, end = start + window;
  int64_t room = (int64_t)size + pad_after;
  int64_t first = start < 0 ? 0 : start, last = end < size ? end : size;
  return (kohl_pool_side){(int)first, (int)(last - first), (int)((end < room ? end : room) - start),
                          (int)(first - start)};
}

kohl_pool_side kohl_pool_rows(const kohl_pool_desc *d, int p) {
  return cut(p, d->stride_h, d->pad_top, d->pad_bottom, d->r, d->h);
}

kohl_pool_side kohl_pool_cols(const kohl_pool_desc *d, int q) {
  return cut(q, d->stride_w, d->pad_left, d->pad_right, d->s, d->w);
}

kohl_pool_cells kohl_pool_window(const kohl_pool_desc *d, const float *src, kohl_pool_side y, kohl_pool_side x) {
  bool all = d->mode == KOHL_POOL_AVG_ALL;
  float divisor = all ? (float)y.padded * (float)x.padded : (float)y.count * (float)x.count;
  size_t row_step = (size_t)d->w * d->src_stride;
  return (kohl_pool_cells){src, row_step, (size_t)d->src_stride, y.count, x.count, d->mode == KOHL_POOL_MAX, divisor};
}

typedef struct {
  const kohl_pool_desc *d;
  const kohl_args *args;
  kohl_pool_reduce *reduce;
} row_state;

/* One output row (n, p). */
static void row(void *state, size_t index, size_t worker) {
  (void)worker;
  const row_state *st = state;
  const kohl_pool_desc *d = st->d;
  const float *src = st->args->in[POOL_SRC];
  float *dst = (float *)st->args->out[POOL_DST] + index * d->q * d->dst_stride;
  size_t n = index / d->p, row_step = (size_t)d->w * d->src_stride;
  kohl_pool_side y = kohl_pool_rows(d, (int)(index % d->p));
  src += (n * d->h + y.first) * row_step;
  for (int q = 0; q < d->q; q++, dst += d->dst_stride) {
    kohl_pool_side x = kohl_pool_cols(d, q);
    kohl_pool_cells cells = kohl_pool_window(d, src + (size_t)x.first * d->src_stride, y, x);
    st->reduce(&cells, d->c, dst);
  }
}

void kohl_pool_run(const kohl_pool_desc *d, const kohl_args *args, kohl_threads *threads, kohl_pool_reduce *reduce) {
  row_state state = {d, args, reduce};
  kohl_parallel(threads, row, &state, (size_t)d->n * d->p);
}

const char *kohl_pool_spread_limit(int64_t cells) {
  return cells > 1 << 24 ? "a window of more than 2^24 cells" : NULL;
}

void kohl_pool_clear(float *dsrc, size_t pixels, size_t stride, int c) {
  for (; pixels; pixels--, dsrc += stride) memset(dsrc, 0, (size_t)c * sizeof *dsrc);
}

typedef struct {
  const kohl_pool_desc *d;
  const kohl_args *args;
  kohl_pool_spread *spread;
  size_t blocks;
} block_state;

/* One block of channels of one picture. */
static void block(void *state, size_t index, size_t worker) {
  (void)worker;
  const block_state *st = state;
  const kohl_pool_desc *d = st->d;
  size_t n = index / st->blocks, c = index % st->blocks * KOHL_POOL_SPREAD_CHANNELS, left = (size_t)d->c - c;
  int channels = left < KOHL_POOL_SPREAD_CHANNELS ? (int)left : KOHL_POOL_SPREAD_CHANNELS;
  size_t pixels = (size_t)d->h * d->w, first = n * pixels * d->src_stride + c;
  const float *src = d->mode == KOHL_POOL_MAX ? (const float *)st->args->in[POOL_DGRAD_SRC] + first : NULL;
  const float *ddst = (const float *)st->args->in[POOL_DGRAD_DDST] + n * d->p * d->q * d->dst_stride + c;
  float *dsrc = (float *)st->args->out[POOL_DGRAD_DSRC] + first;
  kohl_pool_clear(dsrc, pixels, (size_t)d->src_stride, channels);
  for (int p = 0; p < d->p; p++) {
    kohl_pool_side y = kohl_pool_rows(d, p);
    for (int q = 0; q < d->q; q++, ddst += d->dst_stride) {
      kohl_pool_side x = kohl_pool_cols(d, q);
      size_t at = ((size_t)y.first * d->w + x.first) * d->src_stride;
      kohl_pool_cells cells = kohl_pool_window(d, src ? src + at : NULL, y, x);
      st->spread(&cells, channels, ddst, dsrc + at);
    }
  }
}

void kohl_pool_dgrad(const kohl_pool_desc *d, const kohl_args *args, kohl_threads *threads, kohl_pool_spread *spread) {
  size_t blocks = ((size_t)d->c + KOHL_POOL_SPREAD_CHANNELS - 1) / KOHL_POOL_SPREAD_CHANNELS;
  block_state state = {d, args, spread, blocks};
  kohl_parallel(threads, block, &state, (size_t)d->n * blocks);
}
