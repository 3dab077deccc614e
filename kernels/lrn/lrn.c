/* The list of local response normalisations, checking a desc, and the loop over pixels with scratch memory. */
#include "kernels/lrn/lrn.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(lrn, __VA_ARGS__)
#include "kernels/lrn/lrn.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(lrn, __VA_ARGS__)
#include "kernels/lrn/lrn.def"
#undef KERNEL
};
KOHL_DEFINE_OP(lrn, table)

const char *kohl_lrn_check(const kohl_lrn_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->size < 1 || d->size % 2 == 0) return "the window's size is not odd";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  return NULL;
}

int kohl_lrn_half(const kohl_lrn_desc *d) { return d->size / 2 < d->c ? d->size / 2 : d->c - 1; }

size_t kohl_lrn_row(const kohl_lrn_desc *d) {
  return ((size_t)d->c + 2 * (size_t)kohl_lrn_half(d) + 16 + 15) / 16 * 16;
}

typedef struct {
  const kohl_lrn_desc *d;
  const kohl_args *args;
  kohl_lrn_work work;
  size_t pixels, block, floats;
} block_state;

static void block(void *state, size_t index, size_t worker) {
  const block_state *st = state;
  size_t first = index * st->block, left = st->pixels - first;
  float *scratch = (float *)st->args->workspace + worker * st->floats;
  st->work(st->d, st->args, scratch, first, left < st->block ? left : st->block);
}

void kohl_lrn_run(const kohl_lrn_desc *d, const kohl_args *args, kohl_threads *threads, kohl_lrn_work work,
                  size_t floats) {
  block_state state = {d, args, work, (size_t)d->n * (size_t)d->pixels, d->c < 2048 ? 2048 / (size_t)d->c : 1, floats};
  kohl_parallel(threads, block, &state, (state.pixels + state.block - 1) / state.block);
}
