/* One weight's moving average on the device; rest is 1 - decay, rounded once. */
#ifndef KOHL_KERNELS_EMA_ONE_CUH
#define KOHL_KERNELS_EMA_ONE_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/ema/ema.h"
}

struct kohl_ema_one {
  float rest;
  __device__ void operator()(float weight, float *average) const { *average = fmaf(rest, weight - *average, *average); }
};

#endif
