/* rmsprop, the reference: strict C. */
#include <math.h>

#include "kernels/rmsprop/rmsprop.h"

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_rmsprop_desc *d = desc;
  const float *grad = args->in[RMSPROP_GRAD], rest = 1.0f - d->rho;
  float *w = args->out[RMSPROP_WEIGHTS], *v = args->out[RMSPROP_V], *m = args->out[RMSPROP_M];
  for (size_t i = first; i < first + count; i++) {
    float g = d->weight_decay != 0.0f ? fmaf(d->weight_decay, w[i], grad[i]) : grad[i];
    v[i] = fmaf(d->rho, v[i], rest * (g * g));
    float den = d->epsilon_inside ? sqrtf(v[i] + d->epsilon) : sqrtf(v[i]) + d->epsilon;
    float step = d->lr * g / den;
    if (d->momentum != 0.0f) step = m[i] = fmaf(d->momentum, m[i], step);
    w[i] -= step;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_rmsprop_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_rmsprop_fwd_ref = {kohl_rmsprop_check, NULL, NULL, NULL, run};
