/* update: an optimizer's whole step over a flat array of weights, decided and taken in one go: for devices where asking
 * whether the gradients are numbers would cost a wait.
 *
 *   taken = all losses are finite and kohl_update_allowed (step.h) says yes of the norms
 *   where it is taken: the rule (kernels/sgd, kernels/rmsprop, kernels/adam), then average = ema average + (1 - ema)
 *   weights (kernels/ema); else weights, moments and average keep their bits
 *
 * The norm that is compared with the limits is that of the gradients before they were clipped (kernels/clip_norm), or
 * max_norm where it is larger.  What changes from step to step lies in memory, not in the desc, so that a graph that
 * was recorded once goes on.
 *
 * Accuracy class CHAIN: the descs of the parts are those that step.h makes, the arithmetic is that of their headers. */
#ifndef KOHL_KERNELS_UPDATE_UPDATE_H
#define KOHL_KERNELS_UPDATE_UPDATE_H

#include "kernels/core/kernel.h"

typedef enum kohl_update_rule {
  KOHL_UPDATE_SGD,
  KOHL_UPDATE_RMSPROP,
  KOHL_UPDATE_ADAM,  /* weight decay coupled: into the gradient */
  KOHL_UPDATE_ADAMW, /* decoupled: off the weights */
} kohl_update_rule;

/* What one step is told. */
typedef struct kohl_update_now {
  double lr;
  int64_t step; /* from 1: Adam's t */
} kohl_update_now;

/* A member that the rule does not name is not read. */
typedef struct kohl_update_desc {
  int n;         /* 1: an update has no batch */
  int64_t count; /* weights */
  kohl_update_rule rule;
  double momentum;          /* sgd, rmsprop: 0 to below 1; 0: none, and no array */
  bool nesterov, lr_inside; /* sgd */
  double rho;               /* rmsprop */
  bool epsilon_inside;      /* rmsprop: of the square root */
  double beta1, beta2;      /* adam, adamw: 0 to below 1 */
  bool epsilon_plain;       /* adam, adamw: PyTorch's place, else Keras's */
  double epsilon;           /* all but sgd */
  double weight_decay;      /* all */
  float max_norm;           /* what the gradients were clipped to; INFINITY: they were not */
  double ema;               /* share of the old average, below 1; 0: no average */
  int losses;               /* how many must be finite, may be 0 */
} kohl_update_desc;

/* kohl_args of fwd.  Arrays do not overlap. */
enum {
  UPDATE_GRAD,         /* in: [count], clipped */
  UPDATE_NOW,          /* in: a kohl_update_now */
  UPDATE_NORM,         /* in: float [1], of the gradients before clipping, as clip_norm gives it */
  UPDATE_WEIGHTS_NORM, /* in: float [1]; may be NULL when weight_decay is 0 */
  UPDATE_LOSSES,       /* in: float [losses]; may be NULL when losses is 0 */
};
enum {
  UPDATE_WEIGHTS, /* out: [count], read and updated, as the next three are */
  UPDATE_FIRST,   /* out: [count], momentum, or Adam's m; may be NULL where kohl_update_has says no, as the next two */
  UPDATE_SECOND,  /* out: [count], RMSprop's or Adam's v */
  UPDATE_AVERAGE, /* out: [count] */
  UPDATE_TAKEN,   /* out: int32_t [1], 1 where the step was taken, else 0 */
};

/* NULL, or what is wrong with the desc. */
const char *kohl_update_check(const void *desc);

extern const kohl_op kohl_update_op;

#endif
