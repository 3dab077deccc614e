/* What training keeps beside the network: flat parameters with their gradients, running statistics, and heads. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/plan_passes.h"

/* Running statistics follow the data, not a gradient. */
static bool is_statistic(const char *suffix) { return !strcmp(suffix, "mean") || !strcmp(suffix, "variance"); }

bool kohl_plan_batch_statistics(const kohl_plan *plan, int node) {
  const kohl_node *layer = &plan->graph->nodes[node];
  return plan->options.train && layer->layer == KOHL_LAYER_batch_norm && layer->trainable;
}

/* Every tensor begins at a multiple of 16 floats. */
static size_t padded(size_t floats) { return (floats + 15) / 16 * 16; }

/* Floats of a node's tensors that are statistics, or that are not. */
static size_t floats_of(const kohl_graph *graph, const kohl_node *node, bool statistics) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  size_t floats = 0;
  for (int i = 0, count = kohl_node_weights(graph, node, specs); i < count; i++) {
    if (is_statistic(specs[i].suffix) == statistics) floats += padded(specs[i].count);
  }
  return floats;
}

static size_t place_of(const kohl_plan *plan, const size_t *offsets, int node, const char *suffix) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  if (!offsets || offsets[node] == SIZE_MAX) return SIZE_MAX;
  size_t at = offsets[node];
  for (int i = 0, count = kohl_node_weights(plan->graph, &plan->graph->nodes[node], specs); i < count; i++) {
    if (is_statistic(specs[i].suffix) != is_statistic(suffix)) continue;
    if (!strcmp(specs[i].suffix, suffix)) return at;
    at += padded(specs[i].count);
  }
  return SIZE_MAX;
}

size_t kohl_plan_param(const kohl_plan *plan, int node, const char *suffix) {
  return is_statistic(suffix) ? SIZE_MAX : place_of(plan, plan->param_offset, node, suffix);
}

size_t kohl_plan_state(const kohl_plan *plan, int node, const char *suffix) {
  return is_statistic(suffix) ? place_of(plan, plan->state_offset, node, suffix) : SIZE_MAX;
}

kohl_status kohl_plan_add_piece(kohl_context *ctx, kohl_plan *plan, int home, size_t offset, int *index) {
  kohl_status status = kohl_plan_add_floats(ctx, plan, 0, index);
  if (status != KOHL_OK) return status;
  plan->buffers[*index].home = home;
  plan->buffers[*index].channel = (int)offset;
  return KOHL_OK;
}

static void set_offsets(kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    size_t floats = node->trainable ? floats_of(graph, node, false) : 0;
    plan->param_offset[i] = floats ? plan->param_count : SIZE_MAX;
    plan->param_count += floats;
    plan->wanted[i] = floats > 0;
    for (int j = 0; j < node->input_count; j++) plan->wanted[i] |= plan->wanted[node->inputs[j]];
    bool statistics = kohl_plan_batch_statistics(plan, (int)i);
    plan->state_offset[i] = statistics ? plan->state_count : SIZE_MAX;
    if (statistics) plan->state_count += floats_of(graph, node, true);
  }
}

kohl_status kohl_plan_add_params(kohl_context *ctx, kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *plan->param_offset, "a plan", &plan->param_offset);
  if (status == KOHL_OK)
    status = kohl_alloc(ctx, graph->count, sizeof *plan->state_offset, "a plan", &plan->state_offset);
  if (status == KOHL_OK) status = kohl_alloc(ctx, graph->count, 1, "a plan", &plan->wanted);
  if (status != KOHL_OK) return status;
  set_offsets(plan);
  if (plan->param_count > INT32_MAX || plan->state_count > INT32_MAX) {
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "training: %zu weights in one part, expected at most 2^31",
                     plan->param_count);
  }
  if (!plan->param_count) return kohl_fail(ctx, KOHL_USAGE, "training: no layer is trainable");
  status = kohl_plan_add_floats(ctx, plan, plan->param_count, &plan->params);
  if (status == KOHL_OK) status = kohl_plan_add_floats(ctx, plan, plan->param_count, &plan->gradients);
  if (status == KOHL_OK && plan->state_count) status = kohl_plan_add_floats(ctx, plan, plan->state_count, &plan->state);
  return status;
}

const kohl_plan_head *kohl_plan_head_of(const kohl_plan *plan, int node) {
  for (size_t i = 0; i < plan->head_count; i++) {
    if (plan->heads[i].options.node == node) return &plan->heads[i];
  }
  return NULL;
}

kohl_desc kohl_plan_head_desc(const kohl_plan *plan, const kohl_plan_head *head) {
  const kohl_head_options *o = &head->options;
  int n = plan->options.batch, k = plan->graph->nodes[o->node].shape.c;
  kohl_desc desc;
  memset(&desc, 0, sizeof desc);
  if (head->labels >= 0) {
    desc.softmax_xent = (kohl_softmax_xent_desc){
        n, k, o->label_smoothing, o->divide_by_weights ? KOHL_SOFTMAX_XENT_BY_WEIGHTS : KOHL_SOFTMAX_XENT_BY_BATCH,
        o->weight};
  } else {
    desc.sigmoid_bce = (kohl_sigmoid_bce_desc){
        n, k, o->label_smoothing, o->divide_by_weights ? KOHL_SIGMOID_BCE_BY_WEIGHTS : KOHL_SIGMOID_BCE_BY_BATCH,
        o->weight};
  }
  return desc;
}

static kohl_status check_head(kohl_context *ctx, const kohl_plan *plan, const kohl_head_options *head) {
  const kohl_graph *graph = plan->graph;
  if (head->node < 0 || (size_t)head->node >= graph->count) {
    return kohl_fail(ctx, KOHL_USAGE, "head: layer number %d, expected 0 to %zu", head->node, graph->count - 1);
  }
  const kohl_node *node = &graph->nodes[head->node];
  if (node->layer != KOHL_LAYER_softmax && node->layer != KOHL_LAYER_sigmoid) {
    return kohl_fail(ctx, KOHL_USAGE, "layer '%s' (%s): training needs a softmax or sigmoid as the last layer",
                     node->name, kohl_layer_name(node->layer));
  }
  if (node->shape.h != 1 || node->shape.w != 1) {
    return kohl_fail(ctx, KOHL_USAGE, "layer '%s' (%s): its output is %dx%dx%d, expected 1x1xN to train on labels",
                     node->name, kohl_layer_name(node->layer), node->shape.h, node->shape.w, node->shape.c);
  }
  if (!(head->weight > 0 && head->weight <= 1e30f)) {
    return kohl_fail(ctx, KOHL_USAGE, "head '%s': its loss's weight is %g, expected a number above 0", node->name,
                     (double)head->weight);
  }
  for (size_t i = 0; i < graph->count; i++) {
    for (int j = 0; j < graph->nodes[i].input_count; j++) {
      if (graph->nodes[i].inputs[j] != head->node) continue;
      return kohl_fail(ctx, KOHL_USAGE, "head '%s': layer '%s' reads it, expected an output of the network", node->name,
                       graph->nodes[i].name);
    }
  }
  if (kohl_plan_head_of(plan, head->node)) {
    return kohl_fail(ctx, KOHL_USAGE, "head '%s' is given twice", node->name);
  }
  return KOHL_OK;
}

/* What a head is told besides pictures, and its losses. */
static kohl_status add_head(kohl_context *ctx, kohl_plan *plan, const kohl_head_options *options) {
  kohl_status status = check_head(ctx, plan, options);
  if (status != KOHL_OK) return status;
  const kohl_node *node = &plan->graph->nodes[options->node];
  size_t batch = (size_t)plan->options.batch, k = (size_t)node->shape.c;
  kohl_plan_head *head = &plan->heads[plan->head_count++];
  *head = (kohl_plan_head){*options, -1, -1, -1, -1, -1, -1};
  status = kohl_plan_add_floats(ctx, plan, k, &head->class_weights);
  if (status == KOHL_OK) status = kohl_plan_add_floats(ctx, plan, batch, &head->losses);
  if (status == KOHL_OK && node->layer == KOHL_LAYER_softmax)
    return kohl_plan_add_floats(ctx, plan, batch, &head->labels);
  if (status == KOHL_OK) status = kohl_plan_add_floats(ctx, plan, batch * k, &head->targets);
  if (status == KOHL_OK) status = kohl_plan_add_floats(ctx, plan, k, &head->positive_weights);
  return status == KOHL_OK ? kohl_plan_add_floats(ctx, plan, batch, &head->sample_weights) : status;
}

kohl_status kohl_plan_add_heads(kohl_context *ctx, kohl_plan *plan) {
  const kohl_plan_options *o = &plan->options;
  kohl_head_options last = {(int)plan->graph->count - 1, 1, o->label_smoothing, o->divide_by_weights};
  const kohl_head_options *heads = o->heads ? o->heads : &last;
  size_t count = o->heads ? o->head_count : 1;
  if (count < 1 || count > KOHL_HEADS) {
    return kohl_fail(ctx, KOHL_USAGE, "training: %zu heads, expected 1 to %d", count, KOHL_HEADS);
  }
  kohl_status status = kohl_plan_add_floats(ctx, plan, 2 * (size_t)o->batch, &plan->draws);
  for (size_t i = 0; i < count && status == KOHL_OK; i++) status = add_head(ctx, plan, &heads[i]);
  return status;
}
