/* dense input gradient, the reference: strict C, one output after the other. */
#include <math.h>

#include "kernels/dense/dense.h"

typedef struct {
  const kohl_dense_desc *d;
  const kohl_args *args;
} row_state;

/* One row of dsrc. */
static void row(void *state, size_t n, size_t worker) {
  (void)worker;
  const row_state *st = state;
  const kohl_dense_desc *d = st->d;
  const float *ddst = (const float *)st->args->in[DENSE_DGRAD_DDST] + n * d->dst_stride;
  const float *wei = st->args->in[DENSE_DGRAD_WEI];
  float *dsrc = (float *)st->args->out[DENSE_DGRAD_DSRC] + n * d->src_stride;
  for (int c = 0; c < d->c; c++) {
    float acc = 0.0f;
    for (int k = 0; k < d->k; k++) acc = fmaf(ddst[k], wei[(size_t)k * d->c + c], acc);
    dsrc[c] = acc;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  row_state state = {desc, args};
  kohl_parallel(threads, row, &state, (size_t)state.d->n);
}

const kohl_kernel_code kohl_dense_dgrad_ref = {kohl_dense_check, NULL, NULL, NULL, run};
