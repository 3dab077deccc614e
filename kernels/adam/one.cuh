/* One weight's step of Adam on the device: x[0] the weight, x[1] its first moment, x[2] its second. */
#ifndef KOHL_KERNELS_ADAM_ONE_CUH
#define KOHL_KERNELS_ADAM_ONE_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/adam/adam.h"
}

struct kohl_adam_one {
  kohl_adam_factors f;
  __device__ void operator()(float grad, float *x) const {
    const float g = f.decay != 0.0f ? fmaf(f.decay, x[0], grad) : grad;
    const float m = fmaf(f.rest1, g - x[1], x[1]), v = fmaf(f.rest2, fmaf(g, g, -x[2]), x[2]);
    const float move = f.rate * m / fmaf(sqrtf(v), f.root, f.epsilon);
    x[0] -= f.shrink != 0.0f ? fmaf(f.shrink, x[0], move) : move;
    x[1] = m;
    x[2] = v;
  }
};

#endif
