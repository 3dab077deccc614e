/* ema, the reference: strict C. */
#include <math.h>

#include "kernels/ema/ema.h"

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_ema_desc *d = desc;
  const float *w = args->in[EMA_WEIGHTS], rest = (float)(1.0 - d->decay);
  float *average = args->out[EMA_AVERAGE];
  for (size_t i = first; i < first + count; i++) average[i] = fmaf(rest, w[i] - average[i], average[i]);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_ema_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_ema_fwd_ref = {kohl_ema_check, NULL, NULL, NULL, run};
