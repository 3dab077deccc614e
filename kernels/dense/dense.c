/* The list of dense layers and what they share: checking a desc, FLOPs, the bias gradient. */
#include "kernels/dense/dense.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(dense, __VA_ARGS__)
#include "kernels/dense/dense.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(dense, __VA_ARGS__)
#include "kernels/dense/dense.def"
#undef KERNEL
};
KOHL_DEFINE_OP(dense, table)

const char *kohl_dense_check(const void *desc) {
  const kohl_dense_desc *d = desc;
  if (d->n < 0 || d->c < 1 || d->k < 1) return "a size is below 1";
  if (d->src_stride < d->c) return "the source's stride is below its features";
  if (d->dst_stride < d->k) return "the destination's stride is below its features";
  return NULL;
}

double kohl_dense_flops(const kohl_dense_desc *d) { return 2.0 * d->n * d->c * d->k; }

enum { BLOCK = 256 }; /* outputs of one unit of the bias gradient */

typedef struct {
  const kohl_dense_desc *d;
  const kohl_args *args;
} sum_state;

static void sum_block(void *state, size_t index, size_t worker) {
  (void)worker;
  const sum_state *st = state;
  const kohl_dense_desc *d = st->d;
  const float *ddst = st->args->in[DENSE_WGRAD_DDST];
  float *dbia = st->args->out[DENSE_WGRAD_DBIA];
  int k0 = (int)index * BLOCK, k1 = d->k - k0 < BLOCK ? d->k : k0 + BLOCK;
  for (int k = k0; k < k1; k++) dbia[k] = 0.0f;
  for (int n = 0; n < d->n; n++, ddst += d->dst_stride) {
    for (int k = k0; k < k1; k++) dbia[k] += ddst[k];
  }
}

void kohl_dense_dbia(const kohl_dense_desc *d, const kohl_args *args, kohl_threads *threads) {
  sum_state state = {d, args};
  if (d->bias) kohl_parallel(threads, sum_block, &state, ((size_t)d->k + BLOCK - 1) / BLOCK);
}
