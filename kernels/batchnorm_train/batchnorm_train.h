/* batchnorm_train: batch normalisation as training does it, with the statistics of the batch, and all its gradients.
 *
 * Per channel, over the N = n*pixels pixels of the batch:
 *   fwd:   mean; variance = sum (src - mean)^2 / N;  inv_std = 1 / sqrt(variance + epsilon)
 *          dst = act((src - mean) inv_std gamma + beta)
 *          running = momentum running + (1 - momentum) batch, for mean and variance
 *   dgrad: dbeta = sum g, dgamma = sum g xhat,
 *          dsrc = gamma inv_std (g - dbeta/N - xhat dgamma/N),
 *          where xhat = (src - mean) inv_std, and g = ddst, with a ReLU only where dst > 0
 *
 * momentum is the share of the old value: 0.99 in Keras, 1 - 0.1 where PyTorch's momentum is 0.1.  With `unbiased`
 * the running variance takes the batch's times N/(N-1), as PyTorch does (N = 1 takes it as it is, where PyTorch
 * refuses); Keras takes it as it is.  The normalisation itself always uses the biased one.  An empty batch gives a mean
 * and an inv_std of 0 and leaves the running statistics alone.
 *
 * Accuracy class CHAIN.  Sums in double in the order of kernels/batchnorm/sums.h.  fwd: mean' = sum / N in double,
 * squares about mean' , variance' = squares / N; saved mean and inv_std = 1 / sqrt(variance' + epsilon) are those
 * rounded to f32.  scale = gamma * inv_std and shift = beta - mean * scale, each worked out in double from the saved
 * floats (scale before its rounding) and rounded once; dst = act(fma(src, scale, shift)).  Running statistics:
 * momentum * old + (1 - momentum) * batch in double, rounded once.
 * dgrad, with the saved floats: A = sum g and B = sum g (src - mean); dbeta = A and dgamma = B * inv_std, rounded once;
 * scale = gamma * inv_std, a = -scale * inv_std^2 * B / N and b = -scale * A / N, worked out in double from left to
 * right, with the unrounded scale, and rounded once; dsrc = fma(scale, g, fma(a, src - mean, b)) in f32. */
#ifndef KOHL_KERNELS_BATCHNORM_TRAIN_BATCHNORM_TRAIN_H
#define KOHL_KERNELS_BATCHNORM_TRAIN_BATCHNORM_TRAIN_H

#include "kernels/batchnorm/batchnorm.h"

typedef struct kohl_batchnorm_train_desc {
  int n, pixels, c;           /* n pictures of pixels = h*w pixels with c channels */
  int src_stride, dst_stride; /* floats from one pixel of src and dsrc, of dst and ddst to the next, >= c */
  kohl_activation activation;
  float epsilon;   /* >= 0 */
  double momentum; /* 0 .. 1 */
  bool unbiased;
} kohl_batchnorm_train_desc;

/* kohl_args of fwd.  In: pixels, [c] or NULL (1), [c] or NULL (0). */
enum { BATCHNORM_TRAIN_SRC, BATCHNORM_TRAIN_GAMMA, BATCHNORM_TRAIN_BETA };
/* out: pixels, not src; for dgrad [2][c], means and then inv_stds; [c] and [c], read and updated, or NULL both. */
enum { BATCHNORM_TRAIN_DST, BATCHNORM_TRAIN_SAVED, BATCHNORM_TRAIN_RUNNING_MEAN, BATCHNORM_TRAIN_RUNNING_VARIANCE };
/* kohl_args of dgrad.  In: pixels; pixels; the forward's dst, read with a ReLU only, else NULL is allowed; as in fwd;
 * fwd's. */
enum {
  BATCHNORM_TRAIN_DGRAD_SRC,
  BATCHNORM_TRAIN_DGRAD_DDST,
  BATCHNORM_TRAIN_DGRAD_DST,
  BATCHNORM_TRAIN_DGRAD_GAMMA,
  BATCHNORM_TRAIN_DGRAD_SAVED
};
/* out: pixels, may be ddst when the strides are equal; [c]; [c]. */
enum { BATCHNORM_TRAIN_DGRAD_DSRC, BATCHNORM_TRAIN_DGRAD_DGAMMA, BATCHNORM_TRAIN_DGRAD_DBETA };

/* NULL, or what is wrong with the desc. */
const char *kohl_batchnorm_train_check(const void *desc);

/* What dgrad does with each pixel once the sums are there: coefficients of c floats each. */
typedef struct kohl_batchnorm_train_coefficients {
  float *scale, *a, *b;
} kohl_batchnorm_train_coefficients;

/* Rows of dsrc from `rows` (as in sums.h).  stream: past the caches; needs whole, aligned lines. */
typedef void kohl_batchnorm_train_spread(const kohl_batchnorm_rows *rows, const float *mean,
                                         const kohl_batchnorm_train_coefficients *with, float *dsrc, int dsrc_stride,
                                         bool stream);
kohl_batchnorm_train_spread kohl_batchnorm_train_spread_ref, kohl_batchnorm_train_spread_avx2,
    kohl_batchnorm_train_spread_avx512;

/* Both directions around the parts that differ by level, and their workspaces.  normalise: batchnorm's forward. */
void kohl_batchnorm_train_fwd(const kohl_batchnorm_isa *isa, const kohl_kernel_code *normalise,
                              const kohl_batchnorm_train_desc *d, const kohl_args *args, kohl_threads *threads);
void kohl_batchnorm_train_dgrad(const kohl_batchnorm_isa *isa, kohl_batchnorm_train_spread *spread,
                                const kohl_batchnorm_train_desc *d, const kohl_args *args, kohl_threads *threads);
size_t kohl_batchnorm_train_fwd_workspace(const void *desc, size_t workers);
size_t kohl_batchnorm_train_dgrad_workspace(const void *desc, size_t workers);

extern const kohl_op kohl_batchnorm_train_op;

#endif
