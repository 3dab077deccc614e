/* The list of adaptive pools and what they share: checking a desc, sharing out the picture. */
#include "kernels/adaptive_pool/adaptive_pool.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(adaptive_pool, __VA_ARGS__)
#include "kernels/adaptive_pool/adaptive_pool.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(adaptive_pool, __VA_ARGS__)
#include "kernels/adaptive_pool/adaptive_pool.def"
#undef KERNEL
};
KOHL_DEFINE_OP(adaptive_pool, table)

enum { BLOCK = KOHL_POOL_SPREAD_CHANNELS }; /* channels of one unit of work: the widest kernel's pass */

const char *kohl_adaptive_pool_check(const kohl_adaptive_pool_desc *d) {
  if (d->n < 0 || d->h < 1 || d->w < 1 || d->c < 1 || d->p < 1 || d->q < 1) return "a size is below 1";
  if (d->mode != KOHL_ADAPTIVE_POOL_AVG && d->mode != KOHL_ADAPTIVE_POOL_MAX) return "an unknown mode";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  return NULL;
}

/* Window `index` of `windows` along a side of `size` pixels: its first pixel and how many. */
static int share(int index, int windows, int size, int *count) {
  int64_t first = (int64_t)index * size / windows, end = ((int64_t)(index + 1) * size + windows - 1) / windows;
  *count = (int)(end - first);
  return (int)first;
}

typedef struct {
  const kohl_adaptive_pool_desc *d;
  const kohl_args *args;
  kohl_pool_reduce *reduce;
  size_t blocks;
} unit_state;

/* One block of channels of one output row (n, p). */
static void unit(void *state, size_t index, size_t worker) {
  (void)worker;
  const unit_state *st = state;
  const kohl_adaptive_pool_desc *d = st->d;
  int c = (int)(index % st->blocks) * BLOCK, channels = d->c - c < BLOCK ? d->c - c : BLOCK;
  size_t row = index / st->blocks, n = row / d->p, row_step = (size_t)d->w * d->src_stride;
  kohl_pool_cells cells = {NULL, row_step, (size_t)d->src_stride, 0, 0, d->mode == KOHL_ADAPTIVE_POOL_MAX, 1.0f};
  int y = share((int)(row % d->p), d->p, d->h, &cells.rows);
  const float *src = (const float *)st->args->in[ADAPTIVE_POOL_SRC] + (n * d->h + y) * row_step + c;
  float *dst = (float *)st->args->out[ADAPTIVE_POOL_DST] + row * d->q * d->dst_stride + c;
  for (int q = 0; q < d->q; q++, dst += d->dst_stride) {
    cells.src = src + (size_t)share(q, d->q, d->w, &cells.cols) * d->src_stride;
    cells.divisor = (float)cells.rows * (float)cells.cols;
    st->reduce(&cells, channels, dst);
  }
}

void kohl_adaptive_pool_run(const kohl_adaptive_pool_desc *d, const kohl_args *args, kohl_threads *threads,
                            kohl_pool_reduce *reduce) {
  unit_state state = {d, args, reduce, ((size_t)d->c + BLOCK - 1) / BLOCK};
  kohl_parallel(threads, unit, &state, (size_t)d->n * d->p * state.blocks);
}

typedef struct {
  const kohl_adaptive_pool_desc *d;
  const kohl_args *args;
  kohl_pool_spread *spread;
  size_t blocks;
} block_state;

/* One block of channels of one picture. */
static void block(void *state, size_t index, size_t worker) {
  (void)worker;
  const block_state *st = state;
  const kohl_adaptive_pool_desc *d = st->d;
  size_t n = index / st->blocks, c = index % st->blocks * BLOCK, left = (size_t)d->c - c;
  int channels = left < BLOCK ? (int)left : BLOCK;
  size_t pixels = (size_t)d->h * d->w, first = n * pixels * d->src_stride + c, row_step = (size_t)d->w * d->src_stride;
  const bool max = d->mode == KOHL_ADAPTIVE_POOL_MAX;
  const float *src = max ? (const float *)st->args->in[ADAPTIVE_POOL_DGRAD_SRC] + first : NULL;
  const float *ddst = (const float *)st->args->in[ADAPTIVE_POOL_DGRAD_DDST] + n * d->p * d->q * d->dst_stride + c;
  float *dsrc = (float *)st->args->out[ADAPTIVE_POOL_DGRAD_DSRC] + first;
  kohl_pool_clear(dsrc, pixels, (size_t)d->src_stride, channels);
  kohl_pool_cells cells = {NULL, row_step, (size_t)d->src_stride, 0, 0, max, 1.0f};
  for (int p = 0; p < d->p; p++) {
    size_t row = (size_t)share(p, d->p, d->h, &cells.rows) * row_step;
    for (int q = 0; q < d->q; q++, ddst += d->dst_stride) {
      size_t at = row + (size_t)share(q, d->q, d->w, &cells.cols) * d->src_stride;
      cells.divisor = (float)cells.rows * (float)cells.cols;
      cells.src = src ? src + at : NULL;
      st->spread(&cells, channels, ddst, dsrc + at);
    }
  }
}

void kohl_adaptive_pool_dgrad(const kohl_adaptive_pool_desc *d, const kohl_args *args, kohl_threads *threads,
                              kohl_pool_spread *spread) {
  block_state state = {d, args, spread, ((size_t)d->c + BLOCK - 1) / BLOCK};
  kohl_parallel(threads, block, &state, (size_t)d->n * state.blocks);
}
