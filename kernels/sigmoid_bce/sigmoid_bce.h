/* sigmoid_bce: binary cross-entropy of k independent labels on logits, and its gradient (many labels per picture).
 *
 * Sample i, label j, logit x, target t in 0 .. 1, smoothed to T = t (1 - smoothing) + smoothing/2 (Keras):
 *   fwd:   p = sigmoid(x);  loss_i = sample_i / k * sum_j class_j (positive_j T softplus(-x) + (1 - T) softplus(x)),
 *          softplus(x) = ln(1 + e^x): the mean over labels (Keras), not divided by the batch
 *   dgrad: dlogit = sample_i class_j / k / divisor * loss_weight * ((1 - T) p - positive_j T (1 - p))
 * positive weighs the positives of a label (PyTorch's pos_weight), class a label, sample a sample; NULL is 1.
 * A sample of weight 0 is left out: its loss and gradient are 0; divided by the batch it still counts as one.
 *
 * Accuracy class CHAIN: high = 1 - smoothing, low = smoothing / 2, T = fma(t, high, low), U = 1 - T, P = positive * T.
 * e = kohl_expf(-|x|), y = 1 + e, tail = kohl_logf(y) - ((y - 1) - e) / y: ln(1 + e) with e's lost bits; above =
 * max(x, 0) + tail, below = max(-x, 0) + tail.  term = class * fma(P, below, U * above); sum = 0, then sum + term, j
 * ascending; loss = (sample * sum) / k.  p = kohl_sigmoidf(x).
 * dgrad: weight = ((sample / k) / divisor) * loss_weight; q = 1 - p; dlogit = (weight * class) * (U * p - P * q), where
 * the difference is fma(U, p, -(P * q)). */
#ifndef KOHL_KERNELS_SIGMOID_BCE_SIGMOID_BCE_H
#define KOHL_KERNELS_SIGMOID_BCE_SIGMOID_BCE_H

#include "kernels/core/pixels.h"

/* What the gradient is divided by: the number of samples, or the sum of their weights (the batch's, added from 0 in the
 * order of the samples; 0 counts as 1). */
typedef enum kohl_sigmoid_bce_divide { KOHL_SIGMOID_BCE_BY_BATCH, KOHL_SIGMOID_BCE_BY_WEIGHTS } kohl_sigmoid_bce_divide;

typedef struct kohl_sigmoid_bce_desc {
  int n, k;              /* n samples, k labels, dense */
  float label_smoothing; /* 0 <= label_smoothing < 1 */
  kohl_sigmoid_bce_divide divide_by;
  float loss_weight; /* > 0: of this head among several; scales the gradient, not the loss that is reported */
} kohl_sigmoid_bce_desc;

/* kohl_args.  In: logits [n][k] (dgrad: the forward's probabilities), float targets [n][k], then [k], [k] and [n] or
 * NULL. */
enum {
  SIGMOID_BCE_LOGITS,
  SIGMOID_BCE_TARGETS,
  SIGMOID_BCE_POSITIVE_WEIGHTS,
  SIGMOID_BCE_CLASS_WEIGHTS,
  SIGMOID_BCE_SAMPLE_WEIGHTS
};
enum { SIGMOID_BCE_DGRAD_PROBABILITIES };
/* fwd, out: [n][k], which may be the logits; [n].  dgrad, out: [n][k], which may be the probabilities. */
enum { SIGMOID_BCE_PROBABILITIES, SIGMOID_BCE_LOSS };
enum { SIGMOID_BCE_DGRAD_DLOGITS };

/* NULL, or what is wrong with the desc. */
const char *kohl_sigmoid_bce_check(const void *desc);

/* The divisor of a batch; also what the sum of the losses is divided by for their mean. */
float kohl_sigmoid_bce_divisor(const kohl_sigmoid_bce_desc *d, const float *sample_weights);

extern const kohl_op kohl_sigmoid_bce_op;

#endif
