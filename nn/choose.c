/* Pass 7 of the plan: strides into the descs, a kernel for each step, buffers for weights and workspace. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/record.h"
#include "nn/plan_passes.h"

static int stride(const kohl_plan *plan, int buffer) { return buffer < 0 ? 0 : kohl_buffer_stride(plan, buffer); }

static void conv2d_strides(const kohl_plan *plan, const kohl_step *step, kohl_conv2d_desc *d) {
  if (step->direction == KOHL_DGRAD) {
    d->src_stride = stride(plan, step->out[CONV2D_DGRAD_DSRC]);
    d->dst_stride[0] = stride(plan, step->in[CONV2D_DGRAD_DDST]);
    return;
  }
  if (step->direction == KOHL_WGRAD) {
    d->src_stride = stride(plan, step->in[CONV2D_WGRAD_SRC]);
    d->dst_stride[0] = stride(plan, step->in[CONV2D_WGRAD_DDST]);
    return;
  }
  d->src_stride = stride(plan, step->in[CONV2D_SRC]);
  for (int i = 0; i < d->dsts; i++) d->dst_stride[i] = stride(plan, step->out[CONV2D_DST + i]);
  d->add_stride = stride(plan, step->in[CONV2D_ADD]);
}

/* Every desc with strides takes them from the buffers of its arguments, in both directions. */
static void set_strides(const kohl_plan *plan, kohl_step *step) {
  int src = stride(plan, step->in[0]), dst = stride(plan, step->out[0]);
  bool forward = step->direction == KOHL_FWD;
  if (step->op == &kohl_conv2d_op) {
    conv2d_strides(plan, step, &step->desc.conv2d);
  } else if (step->op == &kohl_dense_op) {
    step->desc.dense.src_stride = step->desc.dense.c;
    step->desc.dense.dst_stride = step->desc.dense.k;
    if (forward) step->desc.dense.src_stride = src, step->desc.dense.dst_stride = dst;
  } else if (step->op == &kohl_pool_op) {
    step->desc.pool.src_stride = forward ? src : dst, step->desc.pool.dst_stride = forward ? dst : src;
  } else if (step->op == &kohl_adaptive_pool_op) {
    step->desc.adaptive_pool.src_stride = forward ? src : dst;
    step->desc.adaptive_pool.dst_stride = forward ? dst : src;
  } else if (step->op == &kohl_batchnorm_op) {
    step->desc.batchnorm.src_stride = forward ? src : dst, step->desc.batchnorm.dst_stride = forward ? dst : src;
  } else if (step->op == &kohl_batchnorm_train_op) { /* dgrad: src and dsrc have one stride, as dst and ddst */
    kohl_batchnorm_train_desc *d = &step->desc.batchnorm_train;
    d->src_stride = src, d->dst_stride = forward ? dst : stride(plan, step->in[BATCHNORM_TRAIN_DGRAD_DDST]);
  } else if (step->op == &kohl_activation_op) {
    step->desc.activation.src_stride = forward ? src : dst, step->desc.activation.dst_stride = forward ? dst : src;
  } else if (step->op == &kohl_softmax_op) {
    step->desc.softmax.src_stride = src, step->desc.softmax.dst_stride = dst;
  } else if (step->op == &kohl_concat_op) {
    step->desc.concat.src_stride = src, step->desc.concat.dst_stride = dst;
  } else if (step->op == &kohl_add_op) {
    step->desc.add.a_stride = src, step->desc.add.b_stride = stride(plan, step->in[ADD_B]),
    step->desc.add.dst_stride = dst;
  } else if (step->op == &kohl_lrn_op) {
    step->desc.lrn.src_stride = forward ? src : dst, step->desc.lrn.dst_stride = forward ? dst : src;
  }
}

/* Gives a fused pool back to its own step. */
static bool undo_pool(kohl_plan *plan, size_t index) {
  kohl_step *step = &plan->steps[index];
  if (step->op != &kohl_conv2d_op || !step->desc.conv2d.pool) return false;
  for (size_t i = 0; i < plan->step_count; i++) {
    kohl_step *pool = &plan->steps[i];
    if (pool->op != &kohl_pool_op || pool->absorbed_by != (int)index) continue;
    pool->absorbed_by = -1;
    step->desc.conv2d.pool = false;
    step->out[0] = pool->in[POOL_SRC];
    step->node = plan->graph->nodes[pool->node].inputs[0];
    char *word = strstr(step->fused, "pool");
    if (word) *(word > step->fused ? word - 1 : word) = 0;
    return true;
  }
  return false;
}

/* Forward steps whose weights lie in buffers of pass 7's making. */
static bool has_weights(const kohl_step *step) {
  return step->op == &kohl_conv2d_op || step->op == &kohl_dense_op || step->op == &kohl_batchnorm_op;
}

/* Bytes of the weights that a kernel of conv2d or dense reads; 0 of other ops. */
static size_t weight_bytes(const kohl_step *step, const kohl_kernel *kernel) {
  const kohl_desc *d = &step->desc;
  if (kohl_kernel_packs(kernel)) return kernel->code->packed_size(d);
  if (step->op == &kohl_dense_op) return (size_t)d->dense.k * (size_t)d->dense.c * sizeof(float);
  if (step->op != &kohl_conv2d_op) return 0;
  return (size_t)d->conv2d.k * (size_t)d->conv2d.r * (size_t)d->conv2d.s * (size_t)(d->conv2d.c / d->conv2d.groups) *
         sizeof(float);
}

size_t kohl_plan_kernel_bytes(const kohl_context *ctx, const kohl_step *step, const kohl_kernel *kernel) {
  return weight_bytes(step, kernel) + kohl_kernel_workspace(kernel, &step->desc, kohl_threads_count(ctx->threads));
}

const kohl_kernel *kohl_plan_lighter(const kohl_context *ctx, const kohl_step *step) {
  const size_t bytes = kohl_plan_kernel_bytes(ctx, step, step->kernel);
  const kohl_kernel *next = step->kernel;
  while ((next = kohl_kernel_next(ctx, step->op, next, &step->desc))) {
    if (kohl_plan_kernel_bytes(ctx, step, next) < bytes) return next;
  }
  return NULL;
}

/* As often as the plan's memory limit asks for it. */
static void take_lighter(kohl_context *ctx, kohl_plan *plan, size_t index) {
  kohl_step *step = &plan->steps[index];
  for (int times = plan->lighter ? plan->lighter[index] : 0; times > 0; times--) {
    const kohl_kernel *lighter = kohl_plan_lighter(ctx, step);
    if (!lighter) return;
    step->kernel = lighter;
    if (ctx->chosen) kohl_record_add(ctx->chosen, lighter);
  }
}

static kohl_status choose_kernel(kohl_context *ctx, kohl_plan *plan, size_t index) {
  kohl_step *step = &plan->steps[index];
  if (step->repeats >= 0) { /* exactly what was done the first time, with the same weights */
    const kohl_step *first = &plan->steps[step->repeats];
    set_strides(plan, step);
    step->kernel = first->kernel;
    if (has_weights(first)) step->in[1] = first->in[1], step->in[2] = first->in[2];
    return KOHL_OK;
  }
  do {
    set_strides(plan, step);
    step->kernel = kohl_kernel_choose_on_device(ctx, step->op, step->direction, &step->desc);
  } while (!step->kernel && undo_pool(plan, index));
  if (step->kernel) {
    take_lighter(ctx, plan, index);
    return KOHL_OK;
  }
  const kohl_node *node = &plan->graph->nodes[step->node];
  kohl_fail_prefix(ctx, "layer '%s' (%s)", node->name, kohl_layer_name(node->layer));
  return KOHL_USAGE;
}

/* An input gradient reads packed weights, or plain ones: in params where they are trained, else a copy. */
static kohl_status add_gradient_weights(kohl_context *ctx, kohl_plan *plan, size_t index) {
  int wei, node = plan->steps[index].sources[0];
  kohl_status status = kohl_plan_add_floats(ctx, plan, 0, &wei);
  if (status != KOHL_OK) return status;
  if (!kohl_kernel_packs(plan->steps[index].kernel) && plan->param_offset[node] != SIZE_MAX) {
    plan->buffers[wei].home = plan->params;
    plan->buffers[wei].channel = (int)plan->param_offset[node];
  } else {
    plan->buffers[wei].bytes = weight_bytes(&plan->steps[index], plan->steps[index].kernel);
  }
  plan->steps[index].in[1] = wei;
  return KOHL_OK;
}

/* Whether a forward step can read what is trained as it lies in params. */
static bool reads_params(const kohl_plan *plan, const kohl_step *step) {
  return plan->params >= 0 && kohl_plan_param(plan, step->sources[0], "weight") != SIZE_MAX && step->sources[1] < 0 &&
         step->norms[0] < 0 && !kohl_kernel_packs(step->kernel);
}

static kohl_status add_param_weights(kohl_context *ctx, kohl_plan *plan, size_t index, bool bias) {
  const int node = plan->steps[index].sources[0];
  int wei, bia = -1;
  kohl_status status = kohl_plan_add_piece(ctx, plan, plan->params, kohl_plan_param(plan, node, "weight"), &wei);
  if (status == KOHL_OK && bias)
    status = kohl_plan_add_piece(ctx, plan, plan->params, kohl_plan_param(plan, node, "bias"), &bia);
  if (status == KOHL_OK) plan->steps[index].in[1] = wei, plan->steps[index].in[2] = bia;
  return status;
}

static kohl_status add_weights(kohl_context *ctx, kohl_plan *plan, size_t index) {
  const kohl_step *step = &plan->steps[index];
  const kohl_desc *desc = &step->desc;
  bool conv = step->op == &kohl_conv2d_op, dense = step->op == &kohl_dense_op;
  kohl_status status = KOHL_OK;
  int wei = -1, bia = -1;
  if (step->direction == KOHL_DGRAD && step->op == &kohl_batchnorm_op) {
    const kohl_step *forward = &plan->steps[kohl_plan_forward_step(plan, step->node)];
    plan->steps[index].in[BATCHNORM_DGRAD_SCALE] = forward->in[BATCHNORM_SCALE];
    return KOHL_OK;
  }
  if (step->direction == KOHL_DGRAD && (conv || dense)) return add_gradient_weights(ctx, plan, index);
  if (step->direction != KOHL_FWD || step->repeats >= 0) return KOHL_OK;
  if (conv || dense) {
    size_t bytes = weight_bytes(step, step->kernel), k = (size_t)(conv ? desc->conv2d.k : desc->dense.k);
    bool bias = conv ? desc->conv2d.bias : desc->dense.bias;
    if (reads_params(plan, step)) return add_param_weights(ctx, plan, index, bias);
    status = kohl_plan_add_floats(ctx, plan, 0, &wei);
    if (status != KOHL_OK) return status;
    plan->buffers[wei].bytes = bytes;
    if (bias) status = kohl_plan_add_floats(ctx, plan, k, &bia);
  } else if (step->op == &kohl_batchnorm_op) {
    size_t c = (size_t)desc->batchnorm.c;
    status = kohl_plan_add_floats(ctx, plan, c, &wei);
    if (status == KOHL_OK) status = kohl_plan_add_floats(ctx, plan, c, &bia);
  } else {
    return KOHL_OK;
  }
  plan->steps[index].in[1] = wei; /* CONV2D_WEI, DENSE_WEI, BATCHNORM_SCALE */
  plan->steps[index].in[2] = bia; /* CONV2D_BIA, DENSE_BIA, BATCHNORM_SHIFT */
  return status;
}

static kohl_status add_scratch(kohl_context *ctx, kohl_plan *plan, size_t index) {
  const kohl_step *step = &plan->steps[index];
  size_t bytes = kohl_kernel_workspace(step->kernel, &step->desc, kohl_threads_count(ctx->threads));
  if (!bytes) return KOHL_OK;
  int scratch;
  kohl_status status = kohl_plan_add_buffer(ctx, plan, KOHL_BUFFER_SCRATCH, &scratch);
  if (status != KOHL_OK) return status;
  plan->buffers[scratch].bytes = bytes;
  plan->steps[index].scratch = scratch;
  return KOHL_OK;
}

_Static_assert(CONV2D_WEI == 1 && DENSE_WEI == 1 && BATCHNORM_SCALE == 1 && DENSE_DGRAD_WEI == 1,
               "weights are the second input of every op");
_Static_assert(CONV2D_BIA == 2 && DENSE_BIA == 2 && BATCHNORM_SHIFT == 2, "bias is the third input of every op");

kohl_status kohl_plan_choose(kohl_context *ctx, kohl_plan *plan) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < plan->step_count && status == KOHL_OK; i++) {
    if (plan->steps[i].absorbed_by >= 0) continue;
    status = choose_kernel(ctx, plan, i);
    if (status == KOHL_OK) status = add_weights(ctx, plan, i);
    if (status == KOHL_OK) status = add_scratch(ctx, plan, i);
  }
  return status;
}
