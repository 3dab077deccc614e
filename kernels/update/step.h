/* What a step of an optimizer comes down to: whether it may be taken, and the descs of its parts.  One text for the
 * optimizer of train, for `ref` and for devices. */
#ifndef KOHL_KERNELS_UPDATE_STEP_H
#define KOHL_KERNELS_UPDATE_STEP_H

#include <math.h>

#include "kernels/adam/adam.h"
#include "kernels/core/inline.h"
#include "kernels/rmsprop/rmsprop.h"
#include "kernels/sgd/sgd.h"
#include "kernels/update/update.h"

/* Whether the rule has the array of this slot: UPDATE_FIRST, UPDATE_SECOND or UPDATE_AVERAGE. */
KOHL_INLINE bool kohl_update_has(const kohl_update_desc *d, int slot) {
  const bool adam = d->rule == KOHL_UPDATE_ADAM || d->rule == KOHL_UPDATE_ADAMW;
  if (slot == UPDATE_FIRST) return adam || d->momentum > 0.0;
  return slot == UPDATE_SECOND ? adam || d->rule == KOHL_UPDATE_RMSPROP : d->ema > 0.0;
}

/* Whether a step can be taken with gradients of this norm before clipping (weights_norm is read where weights decay).
 * A norm bounds every element: g <= 1e18 has a square that is a number, and with g <= 1e37 (1 - momentum) / lr, at this
 * rate or at falling ones, lr times a sum of momentum's geometric series is at most 1e37, so that 17 such steps do not
 * reach infinity while the forward pass that refuses a loss comes before each.  RMSprop's and Adam's quotients are a
 * few lr.  What the decay adds counts with the gradient, or for AdamW with the step. */
KOHL_INLINE bool kohl_update_allowed(const kohl_update_desc *d, double lr, double norm, double weights_norm) {
  const bool adam = d->rule == KOHL_UPDATE_ADAM || d->rule == KOHL_UPDATE_ADAMW;
  double limit = 1e37 / lr;
  if (!(norm < INFINITY)) return false;
  if (norm > (double)d->max_norm) norm = (double)d->max_norm;
  if (!adam && d->momentum > 0.0) limit *= 1.0 - d->momentum;
  if (limit > 1e18) limit = 1e18;
  double shrink = d->weight_decay != 0.0 ? d->weight_decay * weights_norm : 0.0;
  if (d->rule == KOHL_UPDATE_ADAMW) return norm <= limit && lr * shrink <= 1e37;
  return norm + shrink <= limit; /* false for NaN */
}

/* The desc of the rule's own op. */
KOHL_INLINE kohl_sgd_desc kohl_update_sgd(const kohl_update_desc *d, const kohl_update_now *now) {
  const kohl_sgd_desc desc = {1,           d->count,    (float)now->lr, (float)d->momentum, (float)d->weight_decay,
                              d->nesterov, d->lr_inside};
  return desc;
}

KOHL_INLINE kohl_rmsprop_desc kohl_update_rmsprop(const kohl_update_desc *d, const kohl_update_now *now) {
  const kohl_rmsprop_desc desc = {1,
                                  d->count,
                                  (float)now->lr,
                                  (float)d->rho,
                                  (float)d->epsilon,
                                  (float)d->momentum,
                                  (float)d->weight_decay,
                                  d->epsilon_inside};
  return desc;
}

KOHL_INLINE kohl_adam_desc kohl_update_adam(const kohl_update_desc *d, const kohl_update_now *now) {
  const kohl_adam_desc desc = {1,
                               d->count,
                               now->step,
                               now->lr,
                               d->beta1,
                               d->beta2,
                               d->epsilon,
                               d->weight_decay,
                               d->epsilon_plain ? KOHL_ADAM_EPSILON_PLAIN : KOHL_ADAM_EPSILON_HAT,
                               d->rule == KOHL_UPDATE_ADAMW};
  return desc;
}

#endif
