/* batchnorm: normalisation with fixed statistics, folded to one multiply-add per channel.
 *
 *   dst[pixel, c] = act(fma(src[pixel, c], scale[c], shift[c]))
 *
 * Accuracy class CHAIN: one rounding, then the activation.  Statistics of a batch are not computed here. */
#ifndef KOHL_KERNELS_BATCHNORM_BATCHNORM_H
#define KOHL_KERNELS_BATCHNORM_BATCHNORM_H

#include "kernels/core/activation.h"
#include "kernels/core/pixels.h"

typedef struct kohl_batchnorm_desc {
  int n, pixels, c;           /* n pictures of pixels = h*w pixels with c channels */
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
  kohl_activation activation;
} kohl_batchnorm_desc;

/* kohl_args of fwd */
enum { BATCHNORM_SRC, BATCHNORM_SCALE, BATCHNORM_SHIFT }; /* in: pixels, [c], [c] */
enum { BATCHNORM_DST };                                   /* out: pixels; may be src when the strides are equal */

/* NULL, or what is wrong with the desc. */
const char *kohl_batchnorm_check(const kohl_batchnorm_desc *d);

/* scale[i] = gamma / sqrt(variance + epsilon) and shift[i] = beta - mean * scale for c channels, worked out in
 * double and rounded once each.  gamma NULL is 1, beta NULL is 0.  A variance + epsilon of 0 or less gives inf or NaN,
 * which the caller, who knows the layer's name, refuses. */
void kohl_batchnorm_fixed(int c, const float *gamma, const float *beta, const float *mean, const float *variance,
                          float epsilon, float *scale, float *shift);

extern const kohl_op kohl_batchnorm_op;

#endif
