/* The training half of a plan: flat parameters, the loss, and the gradient steps behind the forward steps.
 *
 * Going backwards over the nodes, each node's output gradient is turned into the gradients of its weights (when it is
 * trainable) and of its inputs (when something below them is trainable); below the lowest trainable layer nothing is
 * computed.  A layer kind whose op has no gradient kernel is refused by name when pass 7 looks for one. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/backward.h"

static bool trained(const kohl_graph *graph, const kohl_node *node) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  return node->trainable && kohl_node_weights(graph, node, specs) > 0;
}

static size_t padded(size_t floats) { return (floats + 15) / 16 * 16; }

size_t kohl_plan_param(const kohl_plan *plan, int node, const char *suffix) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  if (!plan->param_offset || plan->param_offset[node] == SIZE_MAX) return SIZE_MAX;
  size_t at = plan->param_offset[node];
  for (int i = 0, count = kohl_node_weights(plan->graph, &plan->graph->nodes[node], specs); i < count; i++) {
    if (!strcmp(specs[i].suffix, suffix)) return at;
    at += padded(specs[i].count);
  }
  return SIZE_MAX;
}

/* One float array for all trained weights, one for their gradients; every tensor begins at a multiple of 16 floats. */
static kohl_status add_params(kohl_context *ctx, kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *plan->param_offset, "a plan", &plan->param_offset);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < graph->count; i++) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    const kohl_node *node = &graph->nodes[i];
    plan->param_offset[i] = SIZE_MAX;
    if (!trained(graph, node)) continue;
    plan->param_offset[i] = plan->param_count;
    for (int j = 0, count = kohl_node_weights(graph, node, specs); j < count; j++) {
      plan->param_count += padded(specs[j].count);
    }
  }
  if (plan->param_count > INT32_MAX) {
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "training: %zu weights in one part, expected at most 2^31",
                     plan->param_count);
  }
  if (!plan->param_count) return kohl_fail(ctx, KOHL_USAGE, "training: no layer is trainable");
  status = kohl_plan_add_floats(ctx, plan, plan->param_count, &plan->params);
  return status == KOHL_OK ? kohl_plan_add_floats(ctx, plan, plan->param_count, &plan->gradients) : status;
}

int kohl_plan_forward_step(const kohl_plan *plan, int node) {
  for (size_t i = 0; i < plan->forward_steps; i++) {
    if (plan->steps[i].node == node) return (int)i;
  }
  return -1;
}

/* The last softmax becomes the loss: probabilities and losses forward, the logits' gradient backward. */
static kohl_status add_loss(kohl_backward *b) {
  kohl_plan *plan = b->plan;
  int last = (int)plan->graph->count - 1, logits_node = plan->graph->nodes[last].inputs[0],
      forward = kohl_plan_forward_step(plan, last);
  if (plan->graph->nodes[last].layer != KOHL_LAYER_softmax || forward < 0) {
    return kohl_fail(b->ctx, KOHL_USAGE, "layer '%s' (%s): training needs a softmax as the last layer",
                     plan->graph->nodes[last].name, kohl_layer_name(plan->graph->nodes[last].layer));
  }
  kohl_step *loss = &plan->steps[forward];
  loss->op = &kohl_softmax_xent_op;
  loss->desc.softmax_xent = (kohl_softmax_xent_desc){
      .n = plan->options.batch,
      .k = plan->graph->nodes[last].shape.c,
      .label_smoothing = plan->options.label_smoothing,
      .divide_by = plan->options.divide_by_weights ? KOHL_SOFTMAX_XENT_BY_WEIGHTS : KOHL_SOFTMAX_XENT_BY_BATCH};
  loss->in[SOFTMAX_XENT_LABELS] = plan->labels;
  loss->in[SOFTMAX_XENT_CLASS_WEIGHTS] = plan->class_weights;
  loss->out[SOFTMAX_XENT_LOSS] = plan->losses;
  int target, sum;
  kohl_step *step;
  kohl_status status = kohl_backward_gradient(b, logits_node, &target, &sum);
  if (status == KOHL_OK) status = kohl_plan_add_step(b->ctx, plan, &kohl_softmax_xent_op, KOHL_DGRAD, last, &step);
  if (status != KOHL_OK) return status;
  step->desc = plan->steps[forward].desc;
  step->in[SOFTMAX_XENT_DGRAD_PROBABILITIES] = plan->output;
  step->in[SOFTMAX_XENT_LABELS] = plan->labels;
  step->in[SOFTMAX_XENT_CLASS_WEIGHTS] = plan->class_weights;
  step->out[SOFTMAX_XENT_DGRAD_DLOGITS] = target;
  return KOHL_OK;
}

kohl_status kohl_plan_add_backward(kohl_context *ctx, kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  kohl_backward b = {ctx, plan, NULL, NULL};
  plan->forward_steps = plan->step_count;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *b.gradient, "a plan", &b.gradient);
  if (status == KOHL_OK) status = kohl_alloc(ctx, graph->count, 1, "a plan", &b.wanted);
  if (status == KOHL_OK) status = add_params(ctx, plan);
  if (status != KOHL_OK) goto end;
  for (size_t i = 0; i < graph->count; i++) {
    b.gradient[i] = -1;
    b.wanted[i] = trained(graph, &graph->nodes[i]);
    for (int j = 0; j < graph->nodes[i].input_count; j++) b.wanted[i] |= b.wanted[graph->nodes[i].inputs[j]];
  }
  for (size_t i = 0; i < plan->step_count; i++)
    plan->steps[i].repack = plan->param_offset[plan->steps[i].node] != SIZE_MAX;
  status = add_loss(&b);
  for (size_t i = graph->count - 1; i-- > 0 && status == KOHL_OK;) {
    if (b.gradient[i] >= 0 && b.wanted[i]) status = kohl_backward_node(&b, (int)i);
  }
end:
  kohl_free(ctx, b.gradient);
  kohl_free(ctx, b.wanted);
  return status;
}
