/* The windows of lrn on CUDA. */
#ifndef KOHL_KERNELS_LRN_LRN_CUH
#define KOHL_KERNELS_LRN_LRN_CUH

#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/core/math.h"
#include "kernels/lrn/lrn.h"
}

/* Channels first .. last of the window around c. */
struct kohl_lrn_window {
  int first, last;
};
static __device__ inline kohl_lrn_window kohl_lrn_window_of(const kohl_lrn_desc &d, int c) {
  const int half = d.size / 2;
  return {c - min(c, half), c + min(d.c - 1 - c, half)};
}

/* bias + alpha * sum of squares in the window. */
static __device__ inline float kohl_lrn_base(const kohl_lrn_desc &d, const float *src, kohl_lrn_window window) {
  float sum = 0.0f;
  for (int j = window.first; j <= window.last; j++) sum = fmaf(src[j], src[j], sum);
  return fmaf(d.alpha, sum, d.bias);
}

static inline const char *kohl_lrn_accepts(const void *desc) {
  return kohl_lrn_check(static_cast<const kohl_lrn_desc *>(desc));
}

#endif
