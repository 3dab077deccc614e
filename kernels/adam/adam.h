/* adam: one step of Adam (Kingma and Ba, 2015) or AdamW over a flat array of weights, in place.
 *
 * g = grad + weight_decay w when the decay is coupled (an L2 penalty);
 *   m = m + (1 - beta1) (g - m),   v = v + (1 - beta2) (g^2 - v)
 *   hat (Keras; the paper's second form):  w = w - lr sqrt(1 - beta2^t)/(1 - beta1^t) m / (sqrt(v) + epsilon)
 *   plain (PyTorch; the paper's first):    w = w - lr/(1 - beta1^t) m / (sqrt(v)/sqrt(1 - beta2^t) + epsilon)
 * They differ in what epsilon is compared with.  Decoupled decay (AdamW) also takes lr weight_decay w
 * off, w being the weight before the step.
 *
 * Accuracy class CHAIN: rate, root, rest1 = 1 - beta1, rest2 = 1 - beta2 and shrink = lr * weight_decay are worked out
 * in double from the desc's doubles and rounded once (powers by repeated squaring); root is 1 in hat.  Per weight:
 * g = fma(weight_decay, w, grad) when coupled; m = fma(rest1, g - m, m); v = fma(rest2, fma(g, g, -v), v);
 * move = (rate * m) / fma(sqrt(v), root, epsilon); move = fma(shrink, w, move) when decoupled; w = w - move.  Shrinking
 * w first would round it once more, and always to the same side. */
#ifndef KOHL_KERNELS_ADAM_ADAM_H
#define KOHL_KERNELS_ADAM_ADAM_H

#include <math.h>

#include "kernels/core/inline.h"
#include "kernels/core/pixels.h"

typedef enum kohl_adam_epsilon { KOHL_ADAM_EPSILON_HAT, KOHL_ADAM_EPSILON_PLAIN } kohl_adam_epsilon;

/* Doubles, because 1 - beta2 of a rounded 0.999 would be off by 1e-5 of itself. */
typedef struct kohl_adam_desc {
  int n;                                          /* 1: an update has no batch */
  int64_t count;                                  /* weights */
  int64_t step;                                   /* t: 1 for the first step */
  double lr, beta1, beta2, epsilon, weight_decay; /* betas in [0, 1) */
  kohl_adam_epsilon epsilon_place;
  bool decoupled; /* AdamW */
} kohl_adam_desc;

/* kohl_args of fwd: arrays of count floats that do not overlap */
enum { ADAM_GRAD };                    /* in */
enum { ADAM_WEIGHTS, ADAM_M, ADAM_V }; /* out, read and updated; M and V are 0 before the first step */

/* NULL, or what is wrong with the desc. */
const char *kohl_adam_check(const void *desc);

/* What a step is the same in for every weight; decay is 0 when decoupled, shrink when coupled. */
typedef struct kohl_adam_factors {
  float rate, root, rest1, rest2, epsilon, decay, shrink;
} kohl_adam_factors;

/* beta^step by repeated squaring: the C library's pow differs from version to version. */
KOHL_INLINE double kohl_adam_power(double beta, int64_t step) {
  double result = 1.0;
  for (; step; step /= 2, beta *= beta) {
    if (step % 2) result *= beta;
  }
  return result;
}

KOHL_INLINE kohl_adam_factors kohl_adam_factors_of(const kohl_adam_desc *d) {
  const double first = 1.0 - kohl_adam_power(d->beta1, d->step);
  const double second = sqrt(1.0 - kohl_adam_power(d->beta2, d->step));
  const bool hat = d->epsilon_place == KOHL_ADAM_EPSILON_HAT;
  kohl_adam_factors f;
  f.rate = (float)(hat ? d->lr * second / first : d->lr / first);
  f.root = hat ? 1.0f : (float)(1.0 / second);
  f.rest1 = (float)(1.0 - d->beta1);
  f.rest2 = (float)(1.0 - d->beta2);
  f.epsilon = (float)d->epsilon;
  f.decay = d->decoupled ? 0.0f : (float)d->weight_decay;
  f.shrink = d->decoupled ? (float)(d->lr * d->weight_decay) : 0.0f;
  return f;
}

extern const kohl_op kohl_adam_op;

#endif
