/* adam, the reference: strict C. */
#include <math.h>

#include "kernels/adam/adam.h"

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_adam_factors f = kohl_adam_factors_of(desc);
  const float *grad = args->in[ADAM_GRAD];
  float *w = args->out[ADAM_WEIGHTS], *m = args->out[ADAM_M], *v = args->out[ADAM_V];
  for (size_t i = first; i < first + count; i++) {
    float g = f.decay != 0.0f ? fmaf(f.decay, w[i], grad[i]) : grad[i];
    m[i] = fmaf(f.rest1, g - m[i], m[i]);
    v[i] = fmaf(f.rest2, fmaf(g, g, -v[i]), v[i]);
    float move = f.rate * m[i] / fmaf(sqrtf(v[i]), f.root, f.epsilon);
    w[i] -= f.shrink != 0.0f ? fmaf(f.shrink, w[i], move) : move;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_adam_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_adam_fwd_ref = {kohl_adam_check, NULL, NULL, NULL, run};
