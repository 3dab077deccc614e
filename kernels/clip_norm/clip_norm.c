/* The list of clippings by norm, checking a desc, and the blocks around the parts that differ by level. */
#include "kernels/clip_norm/clip_norm.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(clip_norm, __VA_ARGS__)
#include "kernels/clip_norm/clip_norm.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(clip_norm, __VA_ARGS__)
#include "kernels/clip_norm/clip_norm.def"
#undef KERNEL
};
KOHL_DEFINE_OP(clip_norm, table)

const char *kohl_clip_norm_check(const void *desc) {
  const kohl_clip_norm_desc *d = desc;
  if (d->n != 1) return "n is not 1";
  if (d->count < 0) return "the count is negative";
  if (!(d->max_norm > 0.0f)) return "the largest norm is not above 0";
  return NULL;
}

static size_t blocks_of(const kohl_clip_norm_desc *d) {
  return ((size_t)d->count + KOHL_CLIP_NORM_BLOCK - 1) / KOHL_CLIP_NORM_BLOCK;
}

size_t kohl_clip_norm_workspace(const void *desc, size_t workers) {
  (void)workers;
  return blocks_of(desc) * sizeof(double);
}

typedef struct {
  const kohl_clip_norm_isa *isa;
  float *grad;
  double *sums;
  size_t count;
  float factor;
} block_state;

static size_t length(const block_state *st, size_t index) {
  size_t left = st->count - index * KOHL_CLIP_NORM_BLOCK;
  return left < KOHL_CLIP_NORM_BLOCK ? left : KOHL_CLIP_NORM_BLOCK;
}

static void square_block(void *state, size_t index, size_t worker) {
  (void)worker;
  const block_state *st = state;
  st->sums[index] = st->isa->squares(st->grad + index * KOHL_CLIP_NORM_BLOCK, length(st, index));
}

static void scale_block(void *state, size_t index, size_t worker) {
  (void)worker;
  const block_state *st = state;
  st->isa->scale(st->grad + index * KOHL_CLIP_NORM_BLOCK, length(st, index), st->factor);
}

void kohl_clip_norm_run(const kohl_clip_norm_isa *isa, const kohl_clip_norm_desc *d, const kohl_args *args,
                        kohl_threads *threads) {
  block_state state = {isa, args->out[CLIP_NORM_GRAD], args->workspace, (size_t)d->count, 1.0f};
  size_t blocks = blocks_of(d);
  double sum = 0.0;
  kohl_parallel(threads, square_block, &state, blocks);
  for (size_t i = 0; i < blocks; i++) sum += state.sums[i];
  double norm = sqrt(sum);
  *(float *)args->out[CLIP_NORM_NORM] = (float)norm;
  if (!(norm > (double)d->max_norm && norm < INFINITY)) return;
  state.factor = (float)((double)d->max_norm / norm);
  kohl_parallel(threads, scale_block, &state, blocks);
}
