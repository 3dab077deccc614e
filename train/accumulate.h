/* The gradient of a batch that is too large for one run, from several smaller ones (gradient accumulation).
 *
 * Not for running statistics: a batch-norm that trains sees each small batch by itself, as in every framework.  A
 * session's gradients are those of a mean, a sum over samples divided by d (their number, or their weights); the mean
 * over all of them is sum(g_i * d_i) / sum(d_i).  What has been added stands in no checkpoint: those are written
 * between updates only.  One thread at a time. */
#ifndef KOHL_TRAIN_ACCUMULATE_H
#define KOHL_TRAIN_ACCUMULATE_H

#include "kernels/core/context.h"

typedef struct kohl_accumulate kohl_accumulate;

/* For `count` gradients; takes 4 bytes for each.  *out is the caller's until kohl_accumulate_destroy (NULL is allowed),
 * empty, and borrows ctx. */
kohl_status kohl_accumulate_create(kohl_context *ctx, size_t count, kohl_accumulate **out);
void kohl_accumulate_destroy(kohl_accumulate *accumulate);

/* Adds the gradients of one run, count floats that are only read, with what its losses were divided by: the value of
 * kohl_softmax_xent_divisor or kohl_sigmoid_bce_divisor, but 0 where that says 1 because no sample weighs anything.
 * Several heads need the same divisor, the number of samples.  Allocates nothing. */
void kohl_accumulate_add(kohl_accumulate *accumulate, const float *gradients, float divisor);

/* Writes the gradients of all that was added to count floats and is empty then; returns how many runs it was.  Nothing
 * is written after none, and after one exactly what was added.  After more, element by element in f32, every operation
 * rounded: s = g_1 * d_1, then s = s + g_i * d_i in the order of the calls, s / (float)D at last; D, the sum of the
 * divisors, in double, and 1 where it is 0.  The same bits for any number of threads; NaN and infinity stay such.  The
 * array may be one that was added. */
size_t kohl_accumulate_finish(kohl_accumulate *accumulate, float *gradients);

/* Forgets what was added: for a step that is not to be. */
void kohl_accumulate_reset(kohl_accumulate *accumulate);

#endif
