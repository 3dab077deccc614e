/* add: the sum of two tensors, where no convolution's epilogue could take it.
 *
 *   dst[pixel, c] = act(a[pixel, c] + b[pixel, c])
 *
 * There is no gradient kernel: da and db are both ddst, after the activation's own dgrad where there is one.
 *
 * Accuracy class CHAIN: one rounding, then the activation. */
#ifndef KOHL_KERNELS_ADD_ADD_H
#define KOHL_KERNELS_ADD_ADD_H

#include "kernels/core/activation.h"
#include "kernels/core/pixels.h"

typedef struct kohl_add_desc {
  int n, pixels, c;                   /* n pictures of pixels = h*w pixels with c channels */
  int a_stride, b_stride, dst_stride; /* floats from one pixel to the next, >= c */
  kohl_activation activation;
} kohl_add_desc;

/* kohl_args of fwd */
enum { ADD_A, ADD_B }; /* in: pixels */
enum { ADD_DST };      /* out: pixels; may be a or b when the strides are equal */

/* NULL, or what is wrong with the desc. */
const char *kohl_add_check(const kohl_add_desc *d);

extern const kohl_op kohl_add_op;

#endif
