/* One weight's step of RMSprop on the device: x[0] the weight, x[1] its momentum, x[2] its mean square. */
#ifndef KOHL_KERNELS_RMSPROP_ONE_CUH
#define KOHL_KERNELS_RMSPROP_ONE_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/rmsprop/rmsprop.h"
}

struct kohl_rmsprop_one {
  kohl_rmsprop_desc d;
  __device__ void operator()(float grad, float *x) const {
    const float g = d.weight_decay != 0.0f ? fmaf(d.weight_decay, x[0], grad) : grad;
    const float v = fmaf(d.rho, x[2], (1.0f - d.rho) * (g * g));
    const float den = d.epsilon_inside ? sqrtf(v + d.epsilon) : sqrtf(v) + d.epsilon;
    float move = d.lr * g / den;
    if (d.momentum != 0.0f) x[1] = move = fmaf(d.momentum, x[1], move);
    x[0] -= move;
    x[2] = v;
  }
};

#endif
