/* softmax_xent: categorical cross-entropy of a softmax, with class weights and label smoothing, and its gradient.
 *
 * Sample i with logits x, label y and weight w = class_weights[y] (1 without weights) has the target
 * t_j = (1 - smoothing) * [j == y] + smoothing / k.
 *   fwd:   probabilities = softmax(x);  loss = w * (ln sum_j exp(x_j) - sum_j t_j x_j), not divided by anything
 *   dgrad: dlogits_j = w * (p_j - t_j) / divisor * loss_weight, p being the forward's probabilities
 *
 * Accuracy class CHAIN: p, max m and sum in softmax's order (kernels/softmax/softmax.h).  low = smoothing / k; t_j =
 * low, t_y = (1 - smoothing) + low.  Since the targets add up to 1, both terms of the loss are taken relative to m,
 * where nothing cancels: dot = 0, then dot = fma(t_j, x_j - m, dot) for j ascending with t_j != 0 (so that a logit of
 * -inf that nobody asks for does not matter); loss = w * (kohl_logf(sum) - dot). dlogits_j = ((w * (p_j - t_j)) /
 * divisor) * loss_weight.
 *
 * A sample with the label -1 is left out: it has weight 0 and, with smoothing, low for all its targets, so that its
 * loss and its gradient are 0 by the same formulas.  BY_BATCH it counts in the divisor all the same, so that what the
 * others weigh does not depend on it; BY_WEIGHTS it does not.  Any other label outside 0 .. k-1, which the caller
 * should have refused, makes the sample's loss and gradient NaN. */
#ifndef KOHL_KERNELS_SOFTMAX_XENT_SOFTMAX_XENT_H
#define KOHL_KERNELS_SOFTMAX_XENT_SOFTMAX_XENT_H

#include <math.h>

#include "kernels/core/inline.h"
#include "kernels/core/pixels.h"

enum { KOHL_SOFTMAX_XENT_LEFT_OUT = -1 };

/* What the gradient is divided by: the number of samples n (Keras), or the sum of the weights of the batch's labels
 * (PyTorch's weighted mean). */
typedef enum kohl_softmax_xent_divide {
  KOHL_SOFTMAX_XENT_BY_BATCH,
  KOHL_SOFTMAX_XENT_BY_WEIGHTS
} kohl_softmax_xent_divide;

typedef struct kohl_softmax_xent_desc {
  int n, k;              /* n samples, k classes */
  float label_smoothing; /* 0 <= label_smoothing < 1 */
  kohl_softmax_xent_divide divide_by;
  float loss_weight; /* > 0: of this head among several; scales the gradient, not the loss that is reported */
} kohl_softmax_xent_desc;

/* kohl_args of fwd: logits [n][k], int32_t labels [n], class weights [k] or NULL */
enum { SOFTMAX_XENT_LOGITS, SOFTMAX_XENT_LABELS, SOFTMAX_XENT_CLASS_WEIGHTS }; /* in */
enum { SOFTMAX_XENT_PROBABILITIES, SOFTMAX_XENT_LOSS }; /* out: [n][k], which may be the logits; [n] */
/* kohl_args of dgrad: labels and weights as before */
enum { SOFTMAX_XENT_DGRAD_PROBABILITIES }; /* in: [n][k] */
enum { SOFTMAX_XENT_DGRAD_DLOGITS };       /* out: [n][k], which may be the probabilities */

/* NULL, or what is wrong with the desc. */
const char *kohl_softmax_xent_check(const kohl_softmax_xent_desc *d);

/* The divisor of a batch: (float)n, or the weights of its labels added in the order of the samples from 0 (-1 is
 * 0, labels outside 0 .. k-1 count as NaN).  0, which means that no sample weighs anything, is given as 1.  Also what a
 * mean loss is divided by. */
float kohl_softmax_xent_divisor(const kohl_softmax_xent_desc *d, const int32_t *labels, const float *class_weights);

/* The weight of one label: 0 for -1, else NaN outside 0 .. k-1. */
KOHL_INLINE float kohl_softmax_xent_weight(const kohl_softmax_xent_desc *d, int32_t label, const float *class_weights) {
  if (label == KOHL_SOFTMAX_XENT_LEFT_OUT) return 0.0f;
  if (label < 0 || label >= d->k) return NAN;
  return class_weights ? class_weights[label] : 1.0f;
}

extern const kohl_op kohl_softmax_xent_op;

#endif
