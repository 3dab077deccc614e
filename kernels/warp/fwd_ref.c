/* warp forward, the reference: one pixel after the other; what a pixel is stands in warp.h. */
#include "kernels/warp/warp.h"

static const char *accepts(const void *desc) { return kohl_warp_check(desc); }

typedef struct {
  const kohl_warp_desc *d;
  const kohl_args *args;
} job;

static void row(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_warp_row r = kohl_warp_row_at(j->d, j->args, index);
  for (int x = 0; x < j->d->q; x++) kohl_warp_pixel(&r, x);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  job j = {desc, args};
  kohl_parallel(threads, row, &j, (size_t)j.d->n * (size_t)j.d->p);
}

const kohl_kernel_code kohl_warp_fwd_ref = {accepts, NULL, NULL, NULL, run};
