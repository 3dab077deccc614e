/* The backward pass among its files; not for users of a plan.  backward.c walks over the nodes, backward_layers.c knows
 * what each kind of layer does with the gradient of its output, recompute.c trades time for memory. */
#ifndef KOHL_NN_BACKWARD_H
#define KOHL_NN_BACKWARD_H

#include "nn/plan_passes.h"

typedef struct kohl_backward {
  kohl_context *ctx;
  kohl_plan *plan;
  int *gradient; /* per node: buffer of its output's gradient, -1 while nothing has arrived */
  int *again;    /* per buffer of the forward pass: the one that holds it computed again, -1 for none (recompute.c) */
  int *segment;  /* per node: its part of the forward pass; the last part is kept whole */
  int lowest;    /* the lowest part that is in memory */
  size_t forward_buffers;
} kohl_backward;

/* What a gradient step reads in place of a buffer of the forward pass: it, or what was computed again. */
int kohl_backward_value(const kohl_backward *b, int buffer);

/* Cuts the forward steps above the frozen part into plan->segments parts of about the same bytes. */
void kohl_recompute_cut(kohl_backward *b);

/* Before the gradient of a node: computes its part of the forward pass again, unless that was kept or done. */
kohl_status kohl_recompute_part(kohl_backward *b, int node);

/* Behind the last gradient step: drops repeated steps that nobody reads. */
void kohl_recompute_prune(kohl_plan *plan);

/* A buffer for one more gradient of a node's output.  *sum is the buffer to which it is then to be added (by
 * kohl_backward_sum), -1 when it is the first. */
kohl_status kohl_backward_gradient(kohl_backward *b, int node, int *target, int *sum);
kohl_status kohl_backward_sum(kohl_backward *b, int node, int term, int sum);

/* Adds the gradient steps of one node, whose own output's gradient is there.  A layer that has none is KOHL_USAGE. */
kohl_status kohl_backward_node(kohl_backward *b, int node);

#endif
