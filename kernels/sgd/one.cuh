/* One weight's step of gradient descent on the device: x[0] the weight, x[1] its momentum. */
#ifndef KOHL_KERNELS_SGD_ONE_CUH
#define KOHL_KERNELS_SGD_ONE_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/sgd/sgd.h"
}

struct kohl_sgd_one {
  kohl_sgd_desc d;
  __device__ void operator()(float grad, float *x) const {
    float w = x[0], m = x[1], g = d.weight_decay != 0.0f ? fmaf(d.weight_decay, w, grad) : grad;
    if (d.momentum == 0.0f) {
      x[0] = fmaf(-d.lr, g, w);
      return;
    }
    if (d.lr_inside) {
      const float t = d.lr * g;
      m = fmaf(d.momentum, m, -t);
      w += d.nesterov ? fmaf(d.momentum, m, -t) : m;
    } else {
      m = fmaf(d.momentum, m, g);
      w = fmaf(-d.lr, d.nesterov ? fmaf(d.momentum, m, g) : m, w);
    }
    x[0] = w;
    x[1] = m;
  }
};

#endif
