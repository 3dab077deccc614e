/* dense weight gradient, the reference: strict C, one output after the other. */
#include <math.h>

#include "kernels/dense/dense.h"

typedef struct {
  const kohl_dense_desc *d;
  const kohl_args *args;
} row_state;

/* The weights of output k. */
static void row(void *state, size_t k, size_t worker) {
  (void)worker;
  const row_state *st = state;
  const kohl_dense_desc *d = st->d;
  const float *src = st->args->in[DENSE_WGRAD_SRC], *ddst = (const float *)st->args->in[DENSE_WGRAD_DDST] + k;
  float *dwei = (float *)st->args->out[DENSE_WGRAD_DWEI] + k * d->c;
  for (int c = 0; c < d->c; c++) {
    float acc = 0.0f;
    for (size_t n = 0; n < (size_t)d->n; n++) acc = fmaf(ddst[n * d->dst_stride], src[n * d->src_stride + c], acc);
    dwei[c] = acc;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  row_state state = {desc, args};
  kohl_parallel(threads, row, &state, (size_t)state.d->k);
  kohl_dense_dbia(desc, args, threads);
}

const kohl_kernel_code kohl_dense_wgrad_ref = {kohl_dense_check, NULL, NULL, NULL, run};
