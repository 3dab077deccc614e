/* ema: the moving average of weights, average = decay average + (1 - decay) weights, in place.
 *
 * Accuracy class CHAIN: rest = 1 - decay in double, rounded once; average = fma(rest, weights - average, average). */
#ifndef KOHL_KERNELS_EMA_EMA_H
#define KOHL_KERNELS_EMA_EMA_H

#include "kernels/core/pixels.h"

typedef struct kohl_ema_desc {
  int n;         /* 1: an update has no batch */
  int64_t count; /* weights */
  double decay;  /* the share of the old average, 0 .. 1 */
} kohl_ema_desc;

/* kohl_args of fwd: arrays of count floats that do not overlap */
enum { EMA_WEIGHTS }; /* in */
enum { EMA_AVERAGE }; /* out, read and updated */

/* NULL, or what is wrong with the desc. */
const char *kohl_ema_check(const void *desc);

extern const kohl_op kohl_ema_op;

#endif
