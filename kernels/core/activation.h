/* Activations that an epilogue may apply, one definition for every kernel.  NaN goes through. */
#ifndef KOHL_KERNELS_CORE_ACTIVATION_H
#define KOHL_KERNELS_CORE_ACTIVATION_H

#include "kernels/core/inline.h"

typedef enum kohl_activation { KOHL_ACTIVATION_NONE, KOHL_ACTIVATION_RELU } kohl_activation;

/* max(x, 0) with NaN kept: x < 0 is false for NaN.  -0 stays -0. */
KOHL_INLINE float kohl_relu(float x) { return x < 0.0f ? 0.0f : x; }

KOHL_INLINE float kohl_activate(float x, kohl_activation activation) {
  return activation == KOHL_ACTIVATION_RELU ? kohl_relu(x) : x;
}

#endif
