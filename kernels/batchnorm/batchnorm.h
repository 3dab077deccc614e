/* batchnorm: normalisation with fixed statistics, folded to one multiply-add per channel.
 *
 *   dst[pixel, c] = act(fma(src[pixel, c], scale[c], shift[c]))
 *
 * and its gradients, the statistics being constants.  Statistics of a batch are batchnorm_train's.
 *
 *   g = ddst, or with a ReLU: ddst where the forward's dst > 0, else +0
 *   dgrad: dsrc = g * scale
 *   wgrad: dbeta = sum g, dgamma = inv_std * sum g (src - mean), over all pixels
 *
 * Accuracy class CHAIN: fwd and dgrad have one rounding, then the activation; wgrad adds in double in the order of
 * sums.h, multiplies by inv_std in double and rounds once. */
#ifndef KOHL_KERNELS_BATCHNORM_BATCHNORM_H
#define KOHL_KERNELS_BATCHNORM_BATCHNORM_H

#include "kernels/batchnorm/sums.h"
#include "kernels/core/activation.h"
#include "kernels/core/pixels.h"
#include "kernels/core/stream.h"

typedef struct kohl_batchnorm_desc {
  int n, pixels, c;           /* n pictures of pixels = h*w pixels with c channels */
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
  kohl_activation activation;
} kohl_batchnorm_desc;

/* kohl_args of fwd */
enum { BATCHNORM_SRC, BATCHNORM_SCALE, BATCHNORM_SHIFT }; /* in: pixels, [c], [c] */
enum { BATCHNORM_DST };                                   /* out: pixels; may be src when the strides are equal */

/* kohl_args of dgrad; src_stride is dsrc's, dst_stride that of ddst and dst.  In: pixels, [c], pixels (read with a ReLU
 * only, else NULL is allowed). */
enum { BATCHNORM_DGRAD_DDST, BATCHNORM_DGRAD_SCALE, BATCHNORM_DGRAD_DST };
enum { BATCHNORM_DGRAD_DSRC }; /* out: pixels; may be ddst when the strides are equal */
/* kohl_args of wgrad.  In: pixels, pixels, pixels (as above), [c], and 1 / sqrt(variance + epsilon) [c]. */
enum { BATCHNORM_WGRAD_SRC, BATCHNORM_WGRAD_DDST, BATCHNORM_WGRAD_DST, BATCHNORM_WGRAD_MEAN, BATCHNORM_WGRAD_INV_STD };
enum { BATCHNORM_WGRAD_DGAMMA, BATCHNORM_WGRAD_DBETA }; /* out: [c] */

/* NULL, or what is wrong with the desc. */
const char *kohl_batchnorm_check(const kohl_batchnorm_desc *d);

/* Whether the forward's outputs go past the caches: not where they replace the inputs, which are in one. */
static inline bool kohl_batchnorm_streams(const kohl_batchnorm_desc *d, const kohl_args *args) {
  const void *dst = args->out[BATCHNORM_DST];
  return dst != args->in[BATCHNORM_SRC] &&
         kohl_stream_pays(dst, (size_t)d->dst_stride, (size_t)d->c, (size_t)d->n * d->pixels * d->c);
}

/* scale[i] = gamma / sqrt(variance + epsilon) and shift[i] = beta - mean * scale for c channels, worked out in
 * double and rounded once each.  gamma NULL is 1, beta NULL is 0.  A variance + epsilon of 0 or less gives inf or NaN,
 * which the caller, who knows the layer's name, refuses. */
void kohl_batchnorm_fixed(int c, const float *gamma, const float *beta, const float *mean, const float *variance,
                          float epsilon, float *scale, float *shift);

/* wgrad with the sums of one level, and its workspace. */
void kohl_batchnorm_wgrad(const kohl_batchnorm_isa *isa, const kohl_batchnorm_desc *d, const kohl_args *args,
                          kohl_threads *threads);
size_t kohl_batchnorm_wgrad_workspace(const void *desc, size_t workers);

extern const kohl_op kohl_batchnorm_op;

#endif
