/* sgd, the reference: strict C. */
#include <math.h>

#include "kernels/sgd/sgd.h"

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_sgd_desc *d = desc;
  const float *grad = args->in[SGD_GRAD];
  float *w = args->out[SGD_WEIGHTS], *m = args->out[SGD_M];
  for (size_t i = first; i < first + count; i++) {
    float g = d->weight_decay != 0.0f ? fmaf(d->weight_decay, w[i], grad[i]) : grad[i];
    if (d->momentum == 0.0f) {
      w[i] = fmaf(-d->lr, g, w[i]);
    } else if (d->lr_inside) {
      float t = d->lr * g;
      m[i] = fmaf(d->momentum, m[i], -t);
      w[i] += d->nesterov ? fmaf(d->momentum, m[i], -t) : m[i];
    } else {
      m[i] = fmaf(d->momentum, m[i], g);
      w[i] = fmaf(-d->lr, d->nesterov ? fmaf(d->momentum, m[i], g) : m[i], w[i]);
    }
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_sgd_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_sgd_fwd_ref = {kohl_sgd_check, NULL, NULL, NULL, run};
