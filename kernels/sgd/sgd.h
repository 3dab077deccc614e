/* sgd: one step of gradient descent over a flat array of weights, in place, with momentum and weight decay.
 *
 * g = grad + weight_decay w (coupled: an L2 penalty of weight_decay/2 |w|^2), then
 *   PyTorch's form: m = momentum m + g,     w = w - lr m;   nesterov: w = w - lr (g + momentum m)
 *   Keras's form:   m = momentum m - lr g,  w = w + m;      nesterov: w = w + (momentum m - lr g)
 * From m = 0 both go the same way while lr is constant: they differ in where lr enters, so that after a change of lr
 * Keras's velocity still holds the old one.  Without momentum: w = w - lr g.
 *
 * Schedules are the caller's, and so is leaving out a step whose gradients are not finite.
 *
 * Accuracy class CHAIN: g = fma(weight_decay, w, grad), or grad when it is 0.  PyTorch's form: m = fma(momentum, m, g);
 * s = m, or fma(momentum, m, g) with the new m; w = fma(-lr, s, w).  Keras's form: t = lr * g; m = fma(momentum, m,
 * -t); s = m, or fma(momentum, m, -t) with the new m; w = w + s.  Without momentum: w = fma(-lr, g, w) in both. */
#ifndef KOHL_KERNELS_SGD_SGD_H
#define KOHL_KERNELS_SGD_SGD_H

#include "kernels/core/pixels.h"

typedef struct kohl_sgd_desc {
  int n;         /* 1: an update has no batch */
  int64_t count; /* weights */
  float lr, momentum, weight_decay;
  bool nesterov;
  bool lr_inside; /* Keras's form */
} kohl_sgd_desc;

/* kohl_args of fwd: arrays of count floats that do not overlap */
enum { SGD_GRAD };           /* in */
enum { SGD_WEIGHTS, SGD_M }; /* out, read and updated; M (momentum) may be NULL when momentum is 0 */

/* NULL, or what is wrong with the desc. */
const char *kohl_sgd_check(const void *desc);

extern const kohl_op kohl_sgd_op;

#endif
