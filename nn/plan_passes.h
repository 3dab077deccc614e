/* The passes of the plan among themselves; not for users of a plan.  Each returns KOHL_OK or leaves a text. */
#ifndef KOHL_NN_PLAN_PASSES_H
#define KOHL_NN_PLAN_PASSES_H

#include "nn/plan.h"

/* Appends a buffer or a step, zeroed, with every index -1; *index is its number. */
kohl_status kohl_plan_add_buffer(kohl_context *ctx, kohl_plan *plan, kohl_buffer_kind kind, int *index);
kohl_status kohl_plan_add_activation(kohl_context *ctx, kohl_plan *plan, kohl_shape shape, int *index);
kohl_status kohl_plan_add_step(kohl_context *ctx, kohl_plan *plan, const kohl_op *op, kohl_direction direction,
                               int node, kohl_step **step);

/* Makes a plan as it comes, whatever the limit: its forward pass cut into segments, and (lighter not NULL, for each of
 * its steps) so many times a kernel that needs less memory than the list's first. */
kohl_status kohl_plan_attempt(kohl_context *ctx, const kohl_graph *graph, const kohl_plan_options *options,
                              int segments, const unsigned char *lighter, kohl_plan **out);

/* lighten.c: replaces a plan that exceeds options->memory_limit by one with lighter kernels that does not, or, when
 * none fits, by the smallest. */
kohl_status kohl_plan_lighten(kohl_context *ctx, const kohl_plan_options *options, kohl_plan **plan);

/* Bytes that a step needs with a kernel: its weights and workspace.  The next kernel that needs less; NULL: none does.
 */
size_t kohl_plan_kernel_bytes(const kohl_context *ctx, const kohl_step *step, const kohl_kernel *kernel);
const kohl_kernel *kohl_plan_lighter(const kohl_context *ctx, const kohl_step *step);

/* A weights buffer of that many floats. */
kohl_status kohl_plan_add_floats(kohl_context *ctx, kohl_plan *plan, size_t count, int *index);

/* The step that writes a buffer, -1 for none; how many running steps and views read it. */
int kohl_plan_producer(const kohl_plan *plan, int buffer);
int kohl_plan_readers(const kohl_plan *plan, int buffer);

/* A piece of params, gradients or state as a buffer. */
kohl_status kohl_plan_add_piece(kohl_context *ctx, kohl_plan *plan, int home, size_t offset, int *index);

/* In training: the forward step of a node, -1 when it has none. */
int kohl_plan_forward_step(const kohl_plan *plan, int node);

/* Whether a batch-norm uses the statistics of the batch: in training, when it is trainable. */
bool kohl_plan_batch_statistics(const kohl_plan *plan, int node);

/* The head whose layer is this node, NULL for none. */
const kohl_plan_head *kohl_plan_head_of(const kohl_plan *plan, int node);

kohl_status kohl_plan_add_params(kohl_context *ctx, kohl_plan *plan);   /* training: params, state, wanted */
kohl_status kohl_plan_add_heads(kohl_context *ctx, kohl_plan *plan);    /* training: heads and their buffers */
kohl_status kohl_plan_lower(kohl_context *ctx, kohl_plan *plan);        /* passes 0 to 2: nodes become steps */
void kohl_plan_fold_norms(kohl_plan *plan);                             /* 3 */
void kohl_plan_fuse(kohl_plan *plan);                                   /* 4 */
void kohl_plan_place_concats(kohl_plan *plan);                          /* 5 */
void kohl_plan_merge_siblings(kohl_plan *plan);                         /* 6 */
kohl_status kohl_plan_choose(kohl_context *ctx, kohl_plan *plan);       /* 7 */
kohl_status kohl_plan_place(kohl_context *ctx, kohl_plan *plan);        /* 8 */
kohl_status kohl_plan_add_backward(kohl_context *ctx, kohl_plan *plan); /* training: loss and gradient steps */

#endif
