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
kohl_adam_factors kohl_adam_factors_of(const kohl_adam_desc *d);

extern const kohl_op kohl_adam_op;

#endif
