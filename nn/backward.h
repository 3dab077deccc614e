/* The backward pass among its files; not for users of a plan.  backward.c walks over the nodes, backward_layers.c knows
 * what each kind of layer does with the gradient of its output. */
#ifndef KOHL_NN_BACKWARD_H
#define KOHL_NN_BACKWARD_H

#include "nn/plan_passes.h"

typedef struct kohl_backward {
  kohl_context *ctx;
  kohl_plan *plan;
  int *gradient; /* per node: buffer of its output's gradient, -1 while nothing has arrived */
  char *wanted;  /* per node: something at or below it is trained */
} kohl_backward;

/* A buffer for one more gradient of a node's output.  *sum is the buffer to which it is then to be added (by
 * kohl_backward_sum), -1 when it is the first. */
kohl_status kohl_backward_gradient(kohl_backward *b, int node, int *target, int *sum);
kohl_status kohl_backward_sum(kohl_backward *b, int node, int term, int sum);

/* Adds the gradient steps of one node, whose own output's gradient is there.  A layer that has none is KOHL_USAGE. */
kohl_status kohl_backward_node(kohl_backward *b, int node);

#endif
