/* Networks that nobody has trained yet: their weights, and what their pictures look like. */
#ifndef KOHL_TRAIN_INITIAL_H
#define KOHL_TRAIN_INITIAL_H

#include "nn/model.h"

/* Which thing draws random numbers: the `op` of kernels/core/philox.h.  Layers of a graph use their place in it, below
 * these; augmentation has its own (datasets/augment_draw.h). */
enum {
  KOHL_DRAWS_HEAD = 0x10000,  /* initial weights of a head; draw = number of the tensor, element = place in it */
  KOHL_DRAWS_ORDER = 0x10001, /* order of an epoch; draw 0, element = step of the shuffle */
  KOHL_DRAWS_BASE = 0x10002,  /* initial weights of a base */
};

/* Gives every tensor memory and its initial value, as in Keras: filters and matrices Glorot uniform, limit
 * sqrt(6 / (fan_in + fan_out)) where a filter's fans count its positions; gamma and running variance 1, the rest 0. */
kohl_status kohl_weights_draw(kohl_context *ctx, kohl_model *model, uint64_t seed, uint32_t op);

/* A base of an architecture (nn/models/models.h) without head and with initial weights, for pictures of `size` pixels
 * (0: the architecture's own), whose preprocessing is byte / 255.  *out is the caller's. */
kohl_status kohl_base_draw(kohl_context *ctx, const char *arch, int size, uint64_t seed, kohl_model **out);

#endif
