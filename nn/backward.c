/* The training half of a plan: flat parameters, the loss, and the gradient steps behind the forward steps.
 *
 * Going backwards over the nodes, each node's output gradient is turned into the gradients of its weights (when it is
 * trainable) and of its inputs (when something below them is trainable); below the lowest trainable layer nothing is
 * computed.  A layer kind whose op has no gradient kernel is refused by name when pass 7 looks for one. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/plan_passes.h"

typedef struct {
  kohl_context *ctx;
  kohl_plan *plan;
  int *gradient; /* per node: buffer of its output's gradient, -1 while nothing has arrived */
  char *wanted;  /* per node: something at or below it is trained */
} backward;

static bool trained(const kohl_graph *graph, const kohl_node *node) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  return node->trainable && kohl_node_weights(graph, node, specs) > 0;
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
      plan->param_count += (specs[j].count + 15) / 16 * 16;
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

/* A piece of params or gradients as a buffer. */
static kohl_status add_piece(backward *b, int home, size_t offset, int *buffer) {
  kohl_status status = kohl_plan_add_floats(b->ctx, b->plan, 0, buffer);
  if (status != KOHL_OK) return status;
  b->plan->buffers[*buffer].home = home;
  b->plan->buffers[*buffer].channel = (int)offset;
  return KOHL_OK;
}

/* The buffer that receives the gradient of a node's output; *sum is where it is to be added, -1 for the first. */
static kohl_status add_gradient(backward *b, int node, int *target, int *sum) {
  *sum = b->gradient[node];
  kohl_status status = kohl_plan_add_activation(b->ctx, b->plan, b->plan->graph->nodes[node].shape, target);
  if (status == KOHL_OK && *sum < 0) b->gradient[node] = *target;
  return status;
}

/* When a node feeds several others its gradients are added up, in the order of the backward pass. */
static kohl_status add_sum(backward *b, int node, int term, int sum) {
  if (sum < 0) return KOHL_OK;
  kohl_shape shape = b->plan->graph->nodes[node].shape;
  kohl_step *step;
  kohl_status status = kohl_plan_add_step(b->ctx, b->plan, &kohl_add_op, KOHL_FWD, node, &step);
  if (status != KOHL_OK) return status;
  step->desc.add = (kohl_add_desc){.n = b->plan->options.batch, .pixels = shape.h * shape.w, .c = shape.c};
  step->in[ADD_A] = step->out[ADD_DST] = sum;
  step->in[ADD_B] = term;
  return KOHL_OK;
}

/* Adds one step with the desc of the node's forward step. */
static kohl_status add_direction(backward *b, int forward, kohl_direction direction, int node, kohl_step **step) {
  kohl_status status = kohl_plan_add_step(b->ctx, b->plan, b->plan->steps[forward].op, direction, node, step);
  if (status == KOHL_OK) (*step)->desc = b->plan->steps[forward].desc;
  return status;
}

/* A layer's own activation is undone first: the gradient before it replaces the gradient behind it. */
static kohl_status undo_activation(backward *b, int node, int output) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  kohl_step *step;
  kohl_status status = kohl_plan_add_step(b->ctx, b->plan, &kohl_activation_op, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->desc.activation = (kohl_activation_desc){.n = b->plan->options.batch,
                                                 .pixels = layer->shape.h * layer->shape.w,
                                                 .c = layer->shape.c,
                                                 .function = KOHL_ACTIVATION_FUNCTION_RELU};
  step->in[ACTIVATION_DGRAD_DST] = output;
  step->in[ACTIVATION_DGRAD_DDST] = step->out[ACTIVATION_DGRAD_DSRC] = b->gradient[node];
  return KOHL_OK;
}

static kohl_status dense_backward(backward *b, int forward, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  int input = layer->inputs[0], src = b->plan->steps[forward].in[DENSE_SRC],
      output = b->plan->steps[forward].out[DENSE_DST];
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  size_t bias_at = 0;
  kohl_status status = KOHL_OK;
  kohl_step *step;
  if (kohl_node_weights(b->plan->graph, layer, specs) > 1) bias_at = (specs[0].count + 15) / 16 * 16;
  if (layer->params.activation == KOHL_ACTIVATION_RELU) status = undo_activation(b, node, output);
  size_t at = b->plan->param_offset[node];
  if (status == KOHL_OK && at != SIZE_MAX) {
    int dwei = -1, dbia = -1;
    status = add_piece(b, b->plan->gradients, at, &dwei);
    if (status == KOHL_OK && bias_at) status = add_piece(b, b->plan->gradients, at + bias_at, &dbia);
    if (status == KOHL_OK) status = add_direction(b, forward, KOHL_WGRAD, node, &step);
    if (status != KOHL_OK) return status;
    step->in[DENSE_WGRAD_SRC] = src;
    step->in[DENSE_WGRAD_DDST] = b->gradient[node];
    step->out[DENSE_WGRAD_DWEI] = dwei;
    step->out[DENSE_WGRAD_DBIA] = dbia;
  }
  if (status != KOHL_OK || !b->wanted[input]) return status;
  int wei, target, sum;
  if (at == SIZE_MAX) {
    return kohl_fail(b->ctx, KOHL_USAGE,
                     "layer '%s' (dense): a frozen layer between trainable ones is not supported yet; "
                     "freeze what is below it too",
                     layer->name);
  }
  status = add_piece(b, b->plan->params, at, &wei);
  if (status == KOHL_OK) status = add_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->in[DENSE_DGRAD_DDST] = b->gradient[node];
  step->in[DENSE_DGRAD_WEI] = wei;
  step->out[DENSE_DGRAD_DSRC] = target;
  return add_sum(b, input, target, sum);
}

/* relu, sigmoid, dropout and the other ops whose gradient needs no weights: one dgrad step. */
static kohl_status single_backward(backward *b, int forward, int node) {
  int input = b->plan->graph->nodes[node].inputs[0], target, sum;
  if (!b->wanted[input]) return KOHL_OK;
  kohl_step *step;
  kohl_status status = add_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  const kohl_step *source = &b->plan->steps[forward];
  if (source->op == &kohl_dropout_op) {
    step->in[DROPOUT_DGRAD_DDST] = b->gradient[node];
    step->in[DROPOUT_DRAWS] = b->plan->draws;
  } else {
    step->in[ACTIVATION_DGRAD_DST] = source->out[0];
    step->in[ACTIVATION_DGRAD_DDST] = b->gradient[node];
  }
  step->out[0] = target;
  return add_sum(b, input, target, sum);
}

/* A view's gradient is the same memory in the input's shape. */
static kohl_status flatten_backward(backward *b, int node) {
  int input = b->plan->graph->nodes[node].inputs[0], target, sum;
  if (!b->wanted[input]) return KOHL_OK;
  if (b->plan->node_buffer[node] == b->plan->node_buffer[input] && b->gradient[input] < 0) {
    b->gradient[input] = b->gradient[node];
    return KOHL_OK;
  }
  kohl_status status = add_gradient(b, input, &target, &sum);
  if (status != KOHL_OK) return status;
  b->plan->buffers[target].home = b->gradient[node];
  b->plan->buffers[target].view = true;
  return add_sum(b, input, target, sum);
}

static int forward_step(const kohl_plan *plan, int node) {
  for (size_t i = 0; i < plan->forward_steps; i++) {
    if (plan->steps[i].node == node) return (int)i;
  }
  return -1;
}

static kohl_status node_backward(backward *b, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  int forward = forward_step(b->plan, node);
  switch (layer->layer) {
    case KOHL_LAYER_input: return KOHL_OK;
    case KOHL_LAYER_dense: return dense_backward(b, forward, node);
    case KOHL_LAYER_flatten: return flatten_backward(b, node);
    case KOHL_LAYER_relu:
    case KOHL_LAYER_sigmoid:
    case KOHL_LAYER_dropout: return single_backward(b, forward, node);
    default:
      return kohl_fail(
          b->ctx, KOHL_USAGE,
          "layer '%s' (%s): this version has no gradient for this kind of layer; freeze it and what is below it",
          layer->name, kohl_layer_name(layer->layer));
  }
}

/* The last softmax becomes the loss: probabilities and losses forward, the logits' gradient backward. */
static kohl_status add_loss(backward *b) {
  kohl_plan *plan = b->plan;
  int last = (int)plan->graph->count - 1, logits_node = plan->graph->nodes[last].inputs[0],
      forward = forward_step(plan, last);
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
  kohl_status status = add_gradient(b, logits_node, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, last, &step);
  if (status != KOHL_OK) return status;
  step->in[SOFTMAX_XENT_DGRAD_PROBABILITIES] = plan->output;
  step->in[SOFTMAX_XENT_LABELS] = plan->labels;
  step->in[SOFTMAX_XENT_CLASS_WEIGHTS] = plan->class_weights;
  step->out[SOFTMAX_XENT_DGRAD_DLOGITS] = target;
  return KOHL_OK;
}

kohl_status kohl_plan_add_backward(kohl_context *ctx, kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  backward b = {ctx, plan, NULL, NULL};
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
    if (b.gradient[i] >= 0 && b.wanted[i]) status = node_backward(&b, (int)i);
  }
end:
  kohl_free(ctx, b.gradient);
  kohl_free(ctx, b.wanted);
  return status;
}
