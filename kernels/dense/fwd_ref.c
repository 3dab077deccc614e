/* dense forward, the reference: strict C, one output after the other. */
#include <math.h>

#include "kernels/dense/dense.h"

typedef struct {
  const kohl_dense_desc *d;
  const kohl_args *args;
} row_state;

/* One row of dst. */
static void row(void *state, size_t n, size_t worker) {
  (void)worker;
  const row_state *st = state;
  const kohl_dense_desc *d = st->d;
  const float *src = (const float *)st->args->in[DENSE_SRC] + n * d->src_stride, *wei = st->args->in[DENSE_WEI];
  const float *bia = st->args->in[DENSE_BIA];
  float *dst = (float *)st->args->out[DENSE_DST] + n * d->dst_stride;
  for (int k = 0; k < d->k; k++, wei += d->c) {
    float acc = 0.0f;
    for (int c = 0; c < d->c; c++) acc = fmaf(src[c], wei[c], acc);
    if (d->bias) acc += bia[k];
    dst[k] = kohl_activate(acc, d->activation);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  row_state state = {desc, args};
  kohl_parallel(threads, row, &state, (size_t)state.d->n);
}

const kohl_kernel_code kohl_dense_fwd_ref = {kohl_dense_check, NULL, NULL, NULL, run};
