/* In which order others have the numbers behind a flattened picture: here h,w,c, in PyTorch and ONNX c,h,w.
 *
 * Layers that work on each number by itself hand the order on, a dense layer ends it; anything else between the two
 * (a concatenation, a sum, a convolution) has no such order, and neither has an output. */
#ifndef KOHL_CONVERT_EXPORT_ORDER_H
#define KOHL_CONVERT_EXPORT_ORDER_H

#include "nn/graph.h"

typedef struct kohl_export_order {
  kohl_shape picture; /* the layer's outputs are this one's numbers, of more than one pixel; else zeros */
  bool unclear;       /* it reads such numbers and makes something else of them than a dense layer's sums */
} kohl_export_order;

/* One for each node, the caller's until kohl_free. */
kohl_status kohl_export_orders(kohl_context *ctx, const kohl_graph *graph, kohl_export_order **out);

/* The picture whose numbers a node reads, or zeros. */
static inline kohl_shape kohl_export_picture(const kohl_export_order *orders, const kohl_node *node) {
  return node->input_count ? orders[node->inputs[0]].picture : (kohl_shape){0, 0, 0};
}

/* Whether every order ends in a dense layer. */
bool kohl_export_orders_clear(const kohl_export_order *orders, const kohl_graph *graph);

#endif
