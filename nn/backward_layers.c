/* What each kind of layer does with the gradient of its output: the steps that give the gradients of its weights and
 * inputs.  A gradient buffer belongs to one node; where a node feeds several others their terms are added up in the
 * order of the backward pass. */
#include "nn/backward.h"

kohl_status kohl_backward_gradient(kohl_backward *b, int node, int *target, int *sum) {
  *sum = b->gradient[node];
  kohl_status status = kohl_plan_add_activation(b->ctx, b->plan, b->plan->graph->nodes[node].shape, target);
  if (status == KOHL_OK && *sum < 0) b->gradient[node] = *target;
  return status;
}

kohl_status kohl_backward_sum(kohl_backward *b, int node, int term, int sum) {
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

/* One step with the op and the desc of the node's forward step. */
static kohl_status add_direction(kohl_backward *b, int forward, kohl_direction direction, int node, kohl_step **step) {
  kohl_status status = kohl_plan_add_step(b->ctx, b->plan, b->plan->steps[forward].op, direction, node, step);
  if (status == KOHL_OK) (*step)->desc = b->plan->steps[forward].desc;
  return status;
}

/* A layer's own activation is undone first: the gradient before it replaces the gradient behind it. */
static kohl_status undo_activation(kohl_backward *b, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  if (layer->params.activation != KOHL_ACTIVATION_RELU) return KOHL_OK;
  kohl_step *step;
  kohl_status status = kohl_plan_add_step(b->ctx, b->plan, &kohl_activation_op, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->desc.activation = (kohl_activation_desc){.n = b->plan->options.batch,
                                                 .pixels = layer->shape.h * layer->shape.w,
                                                 .c = layer->shape.c,
                                                 .function = KOHL_ACTIVATION_FUNCTION_RELU};
  step->in[ACTIVATION_DGRAD_DST] = kohl_backward_value(b, b->plan->node_buffer[node]);
  step->in[ACTIVATION_DGRAD_DDST] = step->out[ACTIVATION_DGRAD_DSRC] = b->gradient[node];
  return KOHL_OK;
}

/* conv2d and dense have the same slots, so that one function serves both. */
_Static_assert((int)CONV2D_WGRAD_SRC == (int)DENSE_WGRAD_SRC && (int)CONV2D_WGRAD_DDST == (int)DENSE_WGRAD_DDST, "in");
_Static_assert((int)CONV2D_WGRAD_DWEI == (int)DENSE_WGRAD_DWEI && (int)CONV2D_WGRAD_DBIA == (int)DENSE_WGRAD_DBIA,
               "out");
_Static_assert((int)CONV2D_DGRAD_DDST == (int)DENSE_DGRAD_DDST && (int)CONV2D_DGRAD_WEI == (int)DENSE_DGRAD_WEI, "in");
_Static_assert((int)CONV2D_DGRAD_DSRC == (int)DENSE_DGRAD_DSRC, "out");

static kohl_status weight_gradient(kohl_backward *b, int forward, int node) {
  size_t bias = kohl_plan_param(b->plan, node, "bias");
  int dwei = -1, dbia = -1;
  kohl_step *step;
  kohl_status status =
      kohl_plan_add_piece(b->ctx, b->plan, b->plan->gradients, kohl_plan_param(b->plan, node, "weight"), &dwei);
  if (status == KOHL_OK && bias != SIZE_MAX)
    status = kohl_plan_add_piece(b->ctx, b->plan, b->plan->gradients, bias, &dbia);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_WGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->in[DENSE_WGRAD_SRC] = kohl_backward_value(b, b->plan->steps[forward].in[DENSE_SRC]);
  step->in[DENSE_WGRAD_DDST] = b->gradient[node];
  step->out[DENSE_WGRAD_DWEI] = dwei;
  step->out[DENSE_WGRAD_DBIA] = dbia;
  return KOHL_OK;
}

/* conv2d and dense.  The weights of dgrad, packed or plain, are pass 7's matter. */
static kohl_status weighted_backward(kohl_backward *b, int forward, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  int input = layer->inputs[0], target, sum;
  kohl_step *step;
  kohl_status status = undo_activation(b, node);
  if (status == KOHL_OK && b->plan->param_offset[node] != SIZE_MAX) status = weight_gradient(b, forward, node);
  if (status != KOHL_OK || !b->plan->wanted[input]) return status;
  status = kohl_backward_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->in[DENSE_DGRAD_DDST] = b->gradient[node];
  step->out[DENSE_DGRAD_DSRC] = target;
  step->sources[0] = node;
  step->repack = b->plan->param_offset[node] != SIZE_MAX;
  return kohl_backward_sum(b, input, target, sum);
}

/* relu, sigmoid, lrn and dropout: one dgrad step without weights. */
static kohl_status single_backward(kohl_backward *b, int forward, int node) {
  int input = b->plan->graph->nodes[node].inputs[0], target, sum;
  if (!b->plan->wanted[input]) return KOHL_OK;
  kohl_step *step;
  kohl_status status = kohl_backward_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  const kohl_step *source = &b->plan->steps[forward];
  if (source->op == &kohl_dropout_op) {
    step->in[DROPOUT_DGRAD_DDST] = b->gradient[node];
    step->in[DROPOUT_DRAWS] = b->plan->draws;
  } else if (source->op == &kohl_lrn_op) {
    step->in[LRN_DGRAD_SRC] = kohl_backward_value(b, source->in[LRN_SRC]);
    step->in[LRN_DGRAD_DDST] = b->gradient[node];
  } else {
    step->in[ACTIVATION_DGRAD_DST] = kohl_backward_value(b, source->out[0]);
    step->in[ACTIVATION_DGRAD_DDST] = b->gradient[node];
  }
  step->out[0] = target;
  return kohl_backward_sum(b, input, target, sum);
}

_Static_assert((int)POOL_DGRAD_DDST == (int)ADAPTIVE_POOL_DGRAD_DDST &&
                   (int)POOL_DGRAD_SRC == (int)ADAPTIVE_POOL_DGRAD_SRC,
               "pools have the same slots");

/* Every pool: the windows' gradients go back to their cells; a maximum is looked for again in the source. */
static kohl_status pool_backward(kohl_backward *b, int forward, int node) {
  int input = b->plan->graph->nodes[node].inputs[0], target, sum;
  if (!b->plan->wanted[input]) return KOHL_OK;
  kohl_step *step;
  kohl_status status = kohl_backward_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->in[POOL_DGRAD_DDST] = b->gradient[node];
  step->in[POOL_DGRAD_SRC] = kohl_backward_value(b, b->plan->steps[forward].in[POOL_SRC]);
  step->out[POOL_DGRAD_DSRC] = target;
  return kohl_backward_sum(b, input, target, sum);
}

/* A batch-norm with the batch's statistics: one step gives the gradients of gamma, beta and the input, the last in the
 * place of the output's. */
static kohl_status statistics_backward(kohl_backward *b, int forward, int node) {
  kohl_plan *plan = b->plan;
  size_t gamma = kohl_plan_param(plan, node, "gamma"), beta = kohl_plan_param(plan, node, "beta");
  int input = plan->graph->nodes[node].inputs[0], sum = b->gradient[input], dgamma = -1, dbeta = -1;
  kohl_status status = KOHL_OK;
  /* The op always writes both; one that is not there goes to a place of its own. */
  if (gamma != SIZE_MAX)
    status = kohl_plan_add_piece(b->ctx, plan, plan->gradients, gamma, &dgamma);
  else
    status = kohl_plan_add_floats(b->ctx, plan, (size_t)plan->graph->nodes[node].shape.c, &dgamma);
  if (status == KOHL_OK && beta != SIZE_MAX)
    status = kohl_plan_add_piece(b->ctx, plan, plan->gradients, beta, &dbeta);
  else if (status == KOHL_OK)
    status = kohl_plan_add_floats(b->ctx, plan, (size_t)plan->graph->nodes[node].shape.c, &dbeta);
  kohl_step *step;
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  const kohl_step *source = &plan->steps[forward];
  step->in[BATCHNORM_TRAIN_DGRAD_SRC] = kohl_backward_value(b, source->in[BATCHNORM_TRAIN_SRC]);
  step->in[BATCHNORM_TRAIN_DGRAD_DDST] = b->gradient[node];
  step->in[BATCHNORM_TRAIN_DGRAD_GAMMA] = source->in[BATCHNORM_TRAIN_GAMMA];
  step->in[BATCHNORM_TRAIN_DGRAD_SAVED] = source->out[BATCHNORM_TRAIN_SAVED];
  step->out[BATCHNORM_TRAIN_DGRAD_DSRC] = b->gradient[node];
  step->out[BATCHNORM_TRAIN_DGRAD_DGAMMA] = dgamma;
  step->out[BATCHNORM_TRAIN_DGRAD_DBETA] = dbeta;
  if (!plan->wanted[input]) return KOHL_OK;
  if (sum < 0) b->gradient[input] = b->gradient[node];
  return kohl_backward_sum(b, input, b->gradient[node], sum);
}

/* A frozen batch-norm is a scale per channel, the forward step's own (pass 7 knows where it lies). */
static kohl_status norm_backward(kohl_backward *b, int forward, int node) {
  int input = b->plan->graph->nodes[node].inputs[0], target, sum;
  if (kohl_plan_batch_statistics(b->plan, node)) return statistics_backward(b, forward, node);
  if (!b->plan->wanted[input]) return KOHL_OK;
  kohl_step *step;
  kohl_status status = kohl_backward_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = add_direction(b, forward, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->in[BATCHNORM_DGRAD_DDST] = b->gradient[node];
  step->out[BATCHNORM_DGRAD_DSRC] = target;
  return kohl_backward_sum(b, input, target, sum);
}

/* A view's gradient is the same memory in the input's shape. */
static kohl_status flatten_backward(kohl_backward *b, int node) {
  int input = b->plan->graph->nodes[node].inputs[0], target, sum;
  if (!b->plan->wanted[input]) return KOHL_OK;
  if (b->plan->node_buffer[node] == b->plan->node_buffer[input] && b->gradient[input] < 0) {
    b->gradient[input] = b->gradient[node];
    return KOHL_OK;
  }
  kohl_status status = kohl_backward_gradient(b, input, &target, &sum);
  if (status != KOHL_OK) return status;
  b->plan->buffers[target].home = b->gradient[node];
  b->plan->buffers[target].view = true;
  return kohl_backward_sum(b, input, target, sum);
}

/* Copies (a slice of) a gradient into one of the input's own, since later steps change gradients in place. */
static kohl_status copy_gradient(kohl_backward *b, int node, int source, int input) {
  int target, sum;
  if (!b->plan->wanted[input]) return KOHL_OK;
  kohl_shape shape = b->plan->graph->nodes[input].shape;
  kohl_step *step;
  kohl_status status = kohl_backward_gradient(b, input, &target, &sum);
  if (status == KOHL_OK) status = kohl_plan_add_step(b->ctx, b->plan, &kohl_concat_op, KOHL_FWD, node, &step);
  if (status != KOHL_OK) return status;
  step->desc.concat = (kohl_concat_desc){.n = b->plan->options.batch, .pixels = shape.h * shape.w, .c = shape.c};
  step->in[CONCAT_SRC] = source;
  step->out[CONCAT_DST] = target;
  return kohl_backward_sum(b, input, target, sum);
}

static kohl_status add_backward(kohl_backward *b, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  kohl_status status = undo_activation(b, node);
  for (int i = 0; i < 2 && status == KOHL_OK; i++) status = copy_gradient(b, node, b->gradient[node], layer->inputs[i]);
  return status;
}

static kohl_status concat_backward(kohl_backward *b, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  kohl_status status = KOHL_OK;
  for (int i = 0, channel = 0; i < layer->input_count && status == KOHL_OK; i++) {
    kohl_shape shape = b->plan->graph->nodes[layer->inputs[i]].shape;
    int slice;
    status = kohl_plan_add_activation(b->ctx, b->plan, shape, &slice);
    if (status != KOHL_OK) return status;
    b->plan->buffers[slice].home = b->gradient[node];
    b->plan->buffers[slice].channel = channel;
    channel += shape.c;
    status = copy_gradient(b, node, slice, layer->inputs[i]);
  }
  return status;
}

kohl_status kohl_backward_node(kohl_backward *b, int node) {
  const kohl_node *layer = &b->plan->graph->nodes[node];
  int forward = kohl_plan_forward_step(b->plan, node);
  switch (layer->layer) {
    case KOHL_LAYER_input: return KOHL_OK;
    case KOHL_LAYER_conv2d:
    case KOHL_LAYER_dense: return weighted_backward(b, forward, node);
    case KOHL_LAYER_batch_norm: return norm_backward(b, forward, node);
    case KOHL_LAYER_flatten: return flatten_backward(b, node);
    case KOHL_LAYER_relu:
    case KOHL_LAYER_sigmoid:
    case KOHL_LAYER_lrn:
    case KOHL_LAYER_dropout: return single_backward(b, forward, node);
    case KOHL_LAYER_max_pool:
    case KOHL_LAYER_avg_pool:
    case KOHL_LAYER_adaptive_avg_pool:
    case KOHL_LAYER_global_avg_pool:
    case KOHL_LAYER_global_max_pool: return pool_backward(b, forward, node);
    case KOHL_LAYER_add: return add_backward(b, node);
    case KOHL_LAYER_concat: return concat_backward(b, node);
    default:
      return kohl_fail(b->ctx, KOHL_USAGE,
                       "layer '%s' (%s): this version has no gradient for this kind of layer; freeze what is below it",
                       layer->name, kohl_layer_name(layer->layer));
  }
}
