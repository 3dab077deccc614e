/* clip_norm, the reference: strict C. */
#include <math.h>

#include "kernels/clip_norm/clip_norm.h"

static double squares(const float *grad, size_t count) {
  double partial[16] = {0.0};
  for (size_t i = 0; i < count; i++) partial[i % 16] = fma((double)grad[i], (double)grad[i], partial[i % 16]);
  for (int half = 8; half; half /= 2) {
    for (int i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  return partial[0];
}

static void scale(float *grad, size_t count, float factor) {
  for (size_t i = 0; i < count; i++) grad[i] *= factor;
}

static const kohl_clip_norm_isa isa = {squares, scale};

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_clip_norm_run(&isa, desc, args, threads);
}

const kohl_kernel_code kohl_clip_norm_fwd_ref = {kohl_clip_norm_check, NULL, NULL, kohl_clip_norm_workspace, run};
