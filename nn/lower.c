/* Passes 0 to 2 of the plan: which nodes this run needs, and what steps they become.
 *
 * A node becomes one step (a concat: one copy per input), or none: dropout in inference and flatten are other names
 * for their input's memory.  Descs get everything but strides and packed weights, which later passes decide. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/plan_passes.h"

/* Pass 2: a node is needed when the last node or a tap depends on it. */
static void mark_needed(const kohl_plan *plan, char *needed) {
  const kohl_graph *graph = plan->graph;
  needed[graph->count - 1] = 1;
  for (size_t i = 0; i < plan->options.tap_count; i++) needed[plan->options.taps[i]] = 1;
  for (size_t i = 0; i < plan->head_count; i++) needed[plan->heads[i].options.node] = 1;
  for (size_t i = graph->count; i-- > 0;) {
    if (!needed[i]) continue;
    for (int j = 0; j < graph->nodes[i].input_count; j++) needed[graph->nodes[i].inputs[j]] = 1;
  }
}

static kohl_shape input_shape(const kohl_plan *plan, const kohl_node *node) {
  return plan->graph->nodes[node->inputs[0]].shape;
}

static void conv2d_desc(const kohl_plan *plan, const kohl_node *node, kohl_conv2d_desc *d) {
  const kohl_params *params = &node->params;
  kohl_shape in = input_shape(plan, node);
  int pads[4];
  kohl_node_pads(plan->graph, node, pads);
  *d = (kohl_conv2d_desc){.n = plan->options.batch,
                          .h = in.h,
                          .w = in.w,
                          .c = in.c,
                          .k = params->filters,
                          .r = params->kernel[0],
                          .s = params->kernel[1],
                          .p = node->shape.h,
                          .q = node->shape.w,
                          .stride_h = params->stride[0],
                          .stride_w = params->stride[1],
                          .dilation_h = params->dilation[0],
                          .dilation_w = params->dilation[1],
                          .pad_top = pads[0],
                          .pad_left = pads[1],
                          .pad_bottom = pads[2],
                          .pad_right = pads[3],
                          .groups = params->groups,
                          .dsts = 1,
                          .dst_k = {params->filters},
                          .bias = params->bias,
                          .activation = params->activation};
}

static void pool_desc(const kohl_plan *plan, const kohl_node *node, kohl_pool_desc *d) {
  const kohl_params *params = &node->params;
  kohl_shape in = input_shape(plan, node);
  int pads[4];
  kohl_node_pads(plan->graph, node, pads);
  *d = (kohl_pool_desc){.n = plan->options.batch,
                        .h = in.h,
                        .w = in.w,
                        .c = in.c,
                        .r = params->kernel[0],
                        .s = params->kernel[1],
                        .p = node->shape.h,
                        .q = node->shape.w,
                        .stride_h = params->stride[0],
                        .stride_w = params->stride[1],
                        .pad_top = pads[0],
                        .pad_left = pads[1],
                        .pad_bottom = pads[2],
                        .pad_right = pads[3],
                        .mode = KOHL_POOL_MAX};
  if (node->layer == KOHL_LAYER_avg_pool) d->mode = params->count_padding ? KOHL_POOL_AVG_ALL : KOHL_POOL_AVG_VALID;
}

/* The op and the desc (without strides) of a node that becomes one step of one input. */
static const kohl_op *single_desc(const kohl_plan *plan, int index, kohl_desc *desc) {
  const kohl_node *node = &plan->graph->nodes[index];
  const kohl_params *params = &node->params;
  kohl_shape in = input_shape(plan, node), out = node->shape;
  int n = plan->options.batch, pixels = out.h * out.w;
  switch (node->layer) {
    case KOHL_LAYER_conv2d: conv2d_desc(plan, node, &desc->conv2d); return &kohl_conv2d_op;
    case KOHL_LAYER_dense:
      desc->dense = (kohl_dense_desc){
          .n = n, .c = in.c, .k = params->filters, .bias = params->bias, .activation = params->activation};
      return &kohl_dense_op;
    case KOHL_LAYER_max_pool:
    case KOHL_LAYER_avg_pool: pool_desc(plan, node, &desc->pool); return &kohl_pool_op;
    case KOHL_LAYER_adaptive_avg_pool:
    case KOHL_LAYER_global_avg_pool:
    case KOHL_LAYER_global_max_pool:
      desc->adaptive_pool = (kohl_adaptive_pool_desc){
          .n = n,
          .h = in.h,
          .w = in.w,
          .c = in.c,
          .p = out.h,
          .q = out.w,
          .mode = node->layer == KOHL_LAYER_global_max_pool ? KOHL_ADAPTIVE_POOL_MAX : KOHL_ADAPTIVE_POOL_AVG};
      return &kohl_adaptive_pool_op;
    case KOHL_LAYER_batch_norm:
      if (kohl_plan_batch_statistics(plan, index)) {
        desc->batchnorm_train = (kohl_batchnorm_train_desc){.n = n,
                                                            .pixels = pixels,
                                                            .c = out.c,
                                                            .epsilon = params->epsilon,
                                                            .momentum = (double)params->momentum,
                                                            .unbiased = params->unbiased};
        return &kohl_batchnorm_train_op;
      }
      desc->batchnorm = (kohl_batchnorm_desc){.n = n, .pixels = pixels, .c = out.c};
      return &kohl_batchnorm_op;
    case KOHL_LAYER_relu:
    case KOHL_LAYER_sigmoid:
      desc->activation =
          (kohl_activation_desc){.n = n,
                                 .pixels = pixels,
                                 .c = out.c,
                                 .function = node->layer == KOHL_LAYER_relu ? KOHL_ACTIVATION_FUNCTION_RELU
                                                                            : KOHL_ACTIVATION_FUNCTION_SIGMOID};
      return &kohl_activation_op;
    case KOHL_LAYER_softmax:
      desc->softmax = (kohl_softmax_desc){.n = n, .pixels = pixels, .c = out.c};
      return &kohl_softmax_op;
    case KOHL_LAYER_lrn:
      desc->lrn = (kohl_lrn_desc){.n = n,
                                  .pixels = pixels,
                                  .c = out.c,
                                  .size = params->window,
                                  .alpha = params->lrn_alpha,
                                  .beta = params->lrn_beta,
                                  .bias = params->lrn_bias};
      return &kohl_lrn_op;
    case KOHL_LAYER_dropout: /* keyed by its place from the graph's end, which kohl_graph_rest does not change */
      desc->dropout = (kohl_dropout_desc){.n = n,
                                          .features = pixels * out.c,
                                          .rate = params->rate,
                                          .seed = plan->options.seed,
                                          .op = (uint32_t)(plan->graph->count - (size_t)index)};
      return &kohl_dropout_op;
    default: return NULL;
  }
}

static kohl_status lower_concat(kohl_context *ctx, kohl_plan *plan, int index) {
  const kohl_node *node = &plan->graph->nodes[index];
  kohl_status status = kohl_plan_add_activation(ctx, plan, node->shape, &plan->node_buffer[index]);
  for (int i = 0, channel = 0; i < node->input_count && status == KOHL_OK; i++) {
    kohl_shape shape = plan->graph->nodes[node->inputs[i]].shape;
    int slot;
    kohl_step *step;
    status = kohl_plan_add_activation(ctx, plan, shape, &slot);
    if (status == KOHL_OK) status = kohl_plan_add_step(ctx, plan, &kohl_concat_op, KOHL_FWD, index, &step);
    if (status != KOHL_OK) return status;
    plan->buffers[slot].home = plan->node_buffer[index];
    plan->buffers[slot].channel = channel;
    channel += shape.c;
    step->desc.concat = (kohl_concat_desc){.n = plan->options.batch, .pixels = shape.h * shape.w, .c = shape.c};
    step->in[CONCAT_SRC] = plan->node_buffer[node->inputs[i]];
    step->out[CONCAT_DST] = slot;
  }
  return status;
}

/* Another name for the input's memory: its own buffer (dropout), or a view of another shape (flatten). */
static kohl_status lower_alias(kohl_context *ctx, kohl_plan *plan, int index) {
  const kohl_node *node = &plan->graph->nodes[index];
  int source = plan->node_buffer[node->inputs[0]];
  kohl_shape in = input_shape(plan, node);
  if (node->layer == KOHL_LAYER_dropout || in.h * in.w == 1) {
    plan->node_buffer[index] = source;
    return KOHL_OK;
  }
  int view;
  kohl_status status = kohl_plan_add_activation(ctx, plan, node->shape, &view);
  if (status != KOHL_OK) return status;
  plan->buffers[view].home = source;
  plan->buffers[view].view = true;
  plan->buffers[source].dense = true;
  plan->node_buffer[index] = view;
  return KOHL_OK;
}

/* A batch-norm with the batch's statistics: gamma and beta lie in params, the running statistics in state; what the
 * gradient needs of the batch is kept beside. */
static kohl_status lower_norm(kohl_context *ctx, kohl_plan *plan, int index, size_t at) {
  static const struct {
    const char *suffix;
    bool input;
    int slot;
  } pieces[] = {{"gamma", true, BATCHNORM_TRAIN_GAMMA},
                {"beta", true, BATCHNORM_TRAIN_BETA},
                {"mean", false, BATCHNORM_TRAIN_RUNNING_MEAN},
                {"variance", false, BATCHNORM_TRAIN_RUNNING_VARIANCE}};
  size_t c = (size_t)plan->graph->nodes[index].shape.c;
  plan->buffers[plan->steps[at].in[BATCHNORM_TRAIN_SRC]].dense = true; /* dgrad has one stride for src and dsrc */
  kohl_status status = kohl_plan_add_floats(ctx, plan, 2 * c, &plan->steps[at].out[BATCHNORM_TRAIN_SAVED]);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces && status == KOHL_OK; i++) {
    bool input = pieces[i].input;
    size_t offset =
        input ? kohl_plan_param(plan, index, pieces[i].suffix) : kohl_plan_state(plan, index, pieces[i].suffix);
    int *slot = input ? &plan->steps[at].in[pieces[i].slot] : &plan->steps[at].out[pieces[i].slot];
    if (offset != SIZE_MAX) status = kohl_plan_add_piece(ctx, plan, input ? plan->params : plan->state, offset, slot);
  }
  return status;
}

/* Whether a dropout drops: in training, unless it is frozen and nothing below it is trained. */
static bool drops(const kohl_plan *plan, int index) {
  return plan->options.train && (plan->graph->nodes[index].trainable || plan->wanted[index]);
}

static kohl_status lower_node(kohl_context *ctx, kohl_plan *plan, int index) {
  const kohl_node *node = &plan->graph->nodes[index];
  kohl_status status;
  if (node->layer == KOHL_LAYER_flatten || (node->layer == KOHL_LAYER_dropout && !drops(plan, index)))
    return lower_alias(ctx, plan, index);
  if (node->layer == KOHL_LAYER_concat) return lower_concat(ctx, plan, index);
  status = kohl_plan_add_activation(ctx, plan, node->shape, &plan->node_buffer[index]);
  if (status != KOHL_OK || node->layer == KOHL_LAYER_input) return status;
  kohl_step *step;
  status = kohl_plan_add_step(ctx, plan, &kohl_add_op, KOHL_FWD, index, &step);
  if (status != KOHL_OK) return status;
  step->out[0] = plan->node_buffer[index];
  step->in[0] = plan->node_buffer[node->inputs[0]];
  step->sources[0] = index;
  if (node->layer == KOHL_LAYER_add) {
    step->in[ADD_B] = plan->node_buffer[node->inputs[1]];
    step->desc.add = (kohl_add_desc){.n = plan->options.batch,
                                     .pixels = node->shape.h * node->shape.w,
                                     .c = node->shape.c,
                                     .activation = node->params.activation};
    return KOHL_OK;
  }
  step->op = single_desc(plan, index, &step->desc);
  if (!step->op)
    return kohl_fail(ctx, KOHL_USAGE, "layer '%s' (%s): no op computes it", node->name, kohl_layer_name(node->layer));
  if (step->op == &kohl_batchnorm_train_op) return lower_norm(ctx, plan, index, plan->step_count - 1);
  if (node->layer == KOHL_LAYER_dropout) {
    step->in[DROPOUT_DRAWS] = plan->draws;
    plan->buffers[step->in[0]].dense = plan->buffers[step->out[0]].dense = true;
  }
  return KOHL_OK;
}

kohl_status kohl_plan_lower(kohl_context *ctx, kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  for (size_t i = 0; i < plan->options.tap_count; i++) {
    if (plan->options.taps[i] < 0 || (size_t)plan->options.taps[i] >= graph->count) {
      return kohl_fail(ctx, KOHL_USAGE, "tap: layer number %d, expected 0 to %zu", plan->options.taps[i],
                       graph->count - 1);
    }
  }
  char *needed = NULL;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *plan->node_buffer, "a plan", &plan->node_buffer);
  if (status == KOHL_OK) status = kohl_alloc(ctx, graph->count, 1, "a plan", &needed);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < graph->count; i++) plan->node_buffer[i] = -1;
  mark_needed(plan, needed);
  needed[0] = 1;
  for (size_t i = 0; i < graph->count && status == KOHL_OK; i++) {
    if (needed[i]) status = lower_node(ctx, plan, (int)i);
  }
  kohl_free(ctx, needed);
  if (status != KOHL_OK) return status;
  plan->input = plan->node_buffer[0];
  plan->output = plan->node_buffer[graph->count - 1];
  plan->buffers[plan->input].keep = plan->buffers[plan->output].keep = true;
  for (size_t i = 0; i < plan->options.tap_count; i++)
    plan->buffers[plan->node_buffer[plan->options.taps[i]]].keep = true;
  for (size_t i = 0; i < plan->head_count; i++)
    plan->buffers[plan->node_buffer[plan->heads[i].options.node]].keep = true;
  return KOHL_OK;
}
