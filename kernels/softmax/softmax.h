/* softmax: exp(src[c]) over the sum of exp over the c channels of each pixel.
 *
 * Accuracy class CHAIN:
 *   max: pool's compare, c ascending from -inf (NaN wins);
 *   e[c] = kohl_expf(src[c] - max), one rounding before the exponential;
 *   sum: 16 partial sums, partial i adding e[c] with c mod 16 == i from 0 on, c ascending; then partial i += partial
 *        i + 8, then i + 4, i + 2, i + 1: a fixed tree, whatever the width of the registers;
 *   dst[c] = e[c] / sum.
 * dgrad: dsrc = dst (ddst - sum_j ddst_j dst_j): the sum with the same 16 partial sums and tree, by fma(ddst, dst,
 *   partial); then the difference, then the product.
 * A NaN or +inf among the channels, or -inf in all of them, makes the whole pixel NaN; a single -inf gives 0. */
#ifndef KOHL_KERNELS_SOFTMAX_SOFTMAX_H
#define KOHL_KERNELS_SOFTMAX_SOFTMAX_H

#include "kernels/core/pixels.h"

typedef struct kohl_softmax_desc {
  int n, pixels, c;           /* n pictures of pixels = h*w pixels with c channels */
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
} kohl_softmax_desc;

/* kohl_args of fwd */
enum { SOFTMAX_SRC }; /* in: pixels */
enum { SOFTMAX_DST }; /* out: pixels; may be src when the strides are equal */

/* kohl_args of dgrad.  In: the forward's output and its gradient, pixels of stride dst_stride. */
enum { SOFTMAX_DGRAD_DST, SOFTMAX_DGRAD_DDST };
enum { SOFTMAX_DGRAD_DSRC }; /* out: pixels of stride src_stride; may be ddst when the strides are equal */

/* NULL, or what is wrong with the desc. */
const char *kohl_softmax_check(const kohl_softmax_desc *d);

/* One pixel in the order above: dst[0 .. c-1] from src; gives *max and *sum, whose logarithm a loss needs. */
void kohl_softmax_pixel(const float *src, int c, float *dst, float *max, float *sum);

extern const kohl_op kohl_softmax_op;

#endif
