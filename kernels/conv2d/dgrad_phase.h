/* One side, rows or columns, of a phase of conv2d's input gradient, for the CPU's kernels and CUDA's.
 *
 * Input pixels first, first + stride, ... are a phase: the same taps reach all of them, and of those taps' outputs
 * they are a forward convolution of stride 1. */
#ifndef KOHL_KERNELS_CONV2D_DGRAD_PHASE_H
#define KOHL_KERNELS_CONV2D_DGRAD_PHASE_H

#include "kernels/core/inline.h"

typedef struct kohl_dgrad_side {
  int first, pixels;
  int tap, tap_step, taps; /* ascending; 0 taps: the gradient is zero */
  int dilation, pad;       /* of the convolution of ddst */
} kohl_dgrad_side;

KOHL_INLINE int kohl_dgrad_common_divisor(int a, int b) {
  while (b) {
    int rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Tap t reaches pixel y from output (y + pad - t*dilation) / stride where that is whole.  Of the taps of a phase every
 * stride/gcd-th does, and from one to the next the output moves by dilation/gcd. */
KOHL_INLINE kohl_dgrad_side kohl_dgrad_side_of(int first, int in, int filter, int stride, int dilation, int pad) {
  const int common = kohl_dgrad_common_divisor(stride, dilation);
  kohl_dgrad_side side;
  side.first = first;
  side.pixels = (in - first + stride - 1) / stride;
  side.tap = 0;
  side.tap_step = stride / common;
  side.taps = 0;
  side.dilation = dilation / common;
  side.pad = 0;
  while (side.tap < filter && (first + pad - side.tap * dilation) % stride) side.tap++;
  if (side.tap == filter) return side;
  side.taps = (filter - 1 - side.tap) / side.tap_step + 1;
  side.pad = (side.taps - 1) * side.dilation - (first + pad - side.tap * dilation) / stride;
  return side;
}

#endif
