/* dropout: in training, sets a random part of the features to 0 and scales up the rest.
 *
 *   keep[i, f] = kohl_random_uniform(seed, epoch, draws[i], op, f) >= rate
 *   fwd:   dst[i, f]  = keep ? src[i, f] * scale : 0
 *   dgrad: dsrc[i, f] = keep ? ddst[i, f] * scale : 0
 *
 * scale = 1 / (1 - rate), two roundings.  The mask is a function of the key alone, so that the gradient draws it again
 * instead of keeping it, and that neither the batch's size nor the place of a sample in it changes a number.
 * Accuracy class CHAIN: one rounding.  A dropped feature is +0 even where src is NaN or infinite. */
#ifndef KOHL_KERNELS_DROPOUT_DROPOUT_H
#define KOHL_KERNELS_DROPOUT_DROPOUT_H

#include "kernels/core/pixels.h"

typedef struct kohl_dropout_desc {
  int n, features; /* n samples, dense: [n][features] */
  float rate;      /* the part to drop, 0 <= rate < 1 */
  uint64_t seed;
  uint32_t epoch, op; /* op tells this layer's numbers from another's */
} kohl_dropout_desc;

/* kohl_args of fwd: [n][features] floats, and each sample's index in the epoch's list of draws, uint64_t [n] */
enum { DROPOUT_SRC, DROPOUT_DRAWS }; /* in */
enum { DROPOUT_DST };                /* out: may be src */
/* kohl_args of dgrad, the draws as before */
enum { DROPOUT_DGRAD_DDST }; /* in */
enum { DROPOUT_DGRAD_DSRC }; /* out: may be ddst */

/* NULL, or what is wrong with the desc. */
const char *kohl_dropout_check(const kohl_dropout_desc *d);

/* Either direction: dst = the masked and scaled src. */
void kohl_dropout_mask(const void *desc, const kohl_args *args, size_t first, size_t count);

extern const kohl_op kohl_dropout_op;

#endif
