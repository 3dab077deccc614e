/* rmsprop: one step of RMSprop (Hinton; as in Keras 2) over a flat array of weights, in place.
 *
 * g = grad + weight_decay w (coupled, as in PyTorch: an L2 penalty of weight_decay/2 |w|^2), then
 *   v = rho v + (1 - rho) g^2        step = lr g / (sqrt(v) + epsilon), or lr g / sqrt(v + epsilon)
 *   without momentum: w = w - step;  with: m = momentum m + step, w = w - m
 *
 * The learning rate is the step's own: schedules and decay are the caller's, and so is leaving out a step whose
 * gradients are not finite.
 *
 * Accuracy class CHAIN: g = fma(weight_decay, w, grad), or grad when it is 0; v = fma(rho, v, (1 - rho) * (g * g));
 * num = lr * g; den = sqrt(v) + epsilon, or sqrt(v + epsilon); step = num / den; m = fma(momentum, m, step); one
 * subtraction.  sqrt and division are correctly rounded everywhere. */
#ifndef KOHL_KERNELS_RMSPROP_RMSPROP_H
#define KOHL_KERNELS_RMSPROP_RMSPROP_H

#include "kernels/core/pixels.h"

typedef struct kohl_rmsprop_desc {
  int n;         /* 1: an update has no batch */
  int64_t count; /* weights */
  float lr, rho, epsilon, momentum, weight_decay;
  bool epsilon_inside; /* of the square root */
} kohl_rmsprop_desc;

/* kohl_args of fwd: arrays of count floats that do not overlap */
enum { RMSPROP_GRAD };                          /* in */
enum { RMSPROP_WEIGHTS, RMSPROP_V, RMSPROP_M }; /* out, read and updated; M (momentum) may be NULL when momentum is 0 */

/* NULL, or what is wrong with the desc. */
const char *kohl_rmsprop_check(const void *desc);

extern const kohl_op kohl_rmsprop_op;

#endif
