/* The order of numbers behind a flattened picture; see order.h. */
#include "convert/export/order.h"

#include "kernels/core/alloc.h"

/* Whether each number of the output comes of the one at its place in the input. */
static bool hands_on(kohl_layer layer) {
  switch (layer) {
    case KOHL_LAYER_batch_norm:
    case KOHL_LAYER_relu:
    case KOHL_LAYER_sigmoid:
    case KOHL_LAYER_dropout:
    case KOHL_LAYER_flatten: return true;
    default: return false;
  }
}

kohl_status kohl_export_orders(kohl_context *ctx, const kohl_graph *graph, kohl_export_order **out) {
  kohl_export_order *orders;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *orders, "the order of layers", out);
  if (status != KOHL_OK) return status;
  orders = *out;
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    bool reads = false;
    for (int j = 0; j < node->input_count; j++) {
      const kohl_export_order *input = &orders[node->inputs[j]];
      reads |= input->picture.c > 0;
      orders[i].unclear |= input->unclear && node->layer != KOHL_LAYER_dense;
    }
    if (reads && hands_on(node->layer)) {
      orders[i].picture = orders[node->inputs[0]].picture;
    } else if (reads && node->layer != KOHL_LAYER_dense) {
      orders[i].unclear = true;
    } else if (node->layer == KOHL_LAYER_flatten) {
      kohl_shape in = graph->nodes[node->inputs[0]].shape;
      if (in.h > 1 || in.w > 1) orders[i].picture = in;
    }
  }
  return KOHL_OK;
}

bool kohl_export_orders_clear(const kohl_export_order *orders, const kohl_graph *graph) {
  for (size_t i = 0; i < graph->count; i++) {
    if (orders[i].unclear) return false;
  }
  return orders[graph->count - 1].picture.c == 0;
}
