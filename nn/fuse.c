/* Passes 3 to 6 of the plan: fold batch-norm, fuse epilogues, concat in place, merge siblings.  In training they touch
 * only the frozen part below everything trained, which runs as in inference: what a gradient reads stays as it is.
 *
 * Each pass only rewires steps and buffers; a step whose work another one does is marked absorbed, never removed, so
 * that pass 7 can undo a fusion.  A buffer that is kept (output or tap) is never fused away. */
#include <stdio.h>
#include <string.h>

#include "nn/plan_passes.h"

static bool is(const kohl_plan *plan, const kohl_step *step, const kohl_op *op) {
  return step->absorbed_by < 0 && step->op == op && !(plan->wanted && plan->wanted[step->node]);
}

/* The step that writes `buffer` for one reader only and may therefore write something else instead; NULL if none. */
static kohl_step *sole_producer(kohl_plan *plan, int buffer) {
  if (plan->buffers[buffer].keep || kohl_plan_readers(plan, buffer) != 1) return NULL;
  int step = kohl_plan_producer(plan, buffer);
  return step < 0 ? NULL : &plan->steps[step];
}

/* `step` takes over the work of `other`: it writes other's output. */
static void absorb(kohl_plan *plan, kohl_step *step, kohl_step *other, const char *what) {
  size_t used = strlen(step->fused);
  snprintf(step->fused + used, sizeof step->fused - used, "%s%s", used ? " " : "", what);
  other->absorbed_by = (int)(step - plan->steps);
  step->out[0] = other->out[0];
  step->node = other->node;
}

/* The activation member of a step that has one, else NULL. */
static kohl_activation *activation_of(const kohl_plan *plan, kohl_step *step) {
  if (is(plan, step, &kohl_conv2d_op)) return &step->desc.conv2d.activation;
  if (is(plan, step, &kohl_dense_op)) return &step->desc.dense.activation;
  if (is(plan, step, &kohl_batchnorm_op)) return &step->desc.batchnorm.activation;
  if (is(plan, step, &kohl_add_op)) return &step->desc.add.activation;
  return NULL;
}

void kohl_plan_fold_norms(kohl_plan *plan) {
  for (size_t i = 0; i < plan->step_count; i++) {
    kohl_step *norm = &plan->steps[i];
    if (!is(plan, norm, &kohl_batchnorm_op)) continue;
    kohl_step *step = sole_producer(plan, norm->in[BATCHNORM_SRC]);
    if (!step || (!is(plan, step, &kohl_conv2d_op) && !is(plan, step, &kohl_dense_op)) ||
        *activation_of(plan, step) != KOHL_ACTIVATION_NONE)
      continue;
    step->norms[0] = norm->node;
    if (is(plan, step, &kohl_conv2d_op))
      step->desc.conv2d.bias = true;
    else
      step->desc.dense.bias = true;
    absorb(plan, step, norm, "bn");
  }
}

/* The last step that writes into a buffer's memory, -1 for none: from then on it can be read. */
static int ready(const kohl_plan *plan, int buffer) {
  while (plan->buffers[buffer].home >= 0 && plan->buffers[buffer].view) buffer = plan->buffers[buffer].home;
  int last = -1;
  for (size_t i = 0; i < plan->step_count; i++) {
    for (int j = 0; j < KOHL_ARGS_OUT && plan->steps[i].absorbed_by < 0; j++) {
      for (int at = plan->steps[i].out[j]; at >= 0; at = plan->buffers[at].home) {
        if (at == buffer) last = (int)i;
      }
    }
  }
  return last;
}

/* A sum behind a convolution: the convolution adds the other term, if that is there when the convolution runs. */
static void fuse_add(kohl_plan *plan, kohl_step *add) {
  for (int side = 0; side < 2; side++) {
    kohl_step *step = sole_producer(plan, add->in[side]);
    if (!step || !is(plan, step, &kohl_conv2d_op) || step->desc.conv2d.add ||
        step->desc.conv2d.activation != KOHL_ACTIVATION_NONE)
      continue;
    int other = add->in[1 - side];
    if (other == add->in[side] || ready(plan, other) > step - plan->steps) continue;
    step->desc.conv2d.add = true;
    step->desc.conv2d.activation = add->desc.add.activation;
    step->in[CONV2D_ADD] = other;
    absorb(plan, step, add, "add");
    return;
  }
}

/* Behind a fused pool the relu stays on its own, so that pass 7 can undo the pool alone. */
static void fuse_relu(kohl_plan *plan, kohl_step *relu) {
  kohl_step *step = sole_producer(plan, relu->in[ACTIVATION_SRC]);
  kohl_activation *activation = step ? activation_of(plan, step) : NULL;
  if (!activation || *activation != KOHL_ACTIVATION_NONE || (is(plan, step, &kohl_conv2d_op) && step->desc.conv2d.pool))
    return;
  *activation = KOHL_ACTIVATION_RELU;
  absorb(plan, step, relu, "relu");
}

static void fuse_pool(kohl_plan *plan, kohl_step *pool) {
  const kohl_pool_desc *d = &pool->desc.pool;
  bool two_by_two = d->mode == KOHL_POOL_MAX && d->r == 2 && d->s == 2 && d->stride_h == 2 && d->stride_w == 2 &&
                    !d->pad_top && !d->pad_left && d->p == d->h / 2 && d->q == d->w / 2;
  kohl_step *step = two_by_two ? sole_producer(plan, pool->in[POOL_SRC]) : NULL;
  if (!step || !is(plan, step, &kohl_conv2d_op)) return;
  step->desc.conv2d.pool = true;
  absorb(plan, step, pool, "pool");
}

void kohl_plan_fuse(kohl_plan *plan) {
  for (size_t i = 0; i < plan->step_count; i++) {
    kohl_step *step = &plan->steps[i];
    if (is(plan, step, &kohl_add_op))
      fuse_add(plan, step);
    else if (is(plan, step, &kohl_activation_op) && step->desc.activation.function == KOHL_ACTIVATION_FUNCTION_RELU)
      fuse_relu(plan, step);
    else if (is(plan, step, &kohl_pool_op))
      fuse_pool(plan, step);
  }
}

/* A copy into a concat disappears when its source can be written into the slice directly: a buffer of its own, written
 * by a step or made of slices itself, and not read through a view. */
void kohl_plan_place_concats(kohl_plan *plan) {
  for (size_t i = 0; i < plan->step_count; i++) {
    kohl_step *copy = &plan->steps[i];
    if (!is(plan, copy, &kohl_concat_op)) continue;
    kohl_buffer *source = &plan->buffers[copy->in[CONCAT_SRC]];
    int slot = copy->out[CONCAT_DST];
    int channels = plan->buffers[plan->buffers[slot].home].shape.c;
    if (copy->in[CONCAT_SRC] == plan->input || source->home >= 0 || source->dense ||
        source->kind != KOHL_BUFFER_ACTIVATION)
      continue;
    if (plan->buffers[plan->buffers[slot].home].dense && channels == source->shape.c) continue;
    source->home = plan->buffers[slot].home;
    source->channel = plan->buffers[slot].channel;
    copy->absorbed_by = (int)i; /* nobody's work any more: its own */
    snprintf(copy->fused, sizeof copy->fused, "in place");
  }
}

/* Convolutions that can be one: 1x1 over the same input with the same epilogue. */
static bool mergeable(const kohl_plan *plan, const kohl_step *step) {
  const kohl_conv2d_desc *d = &step->desc.conv2d;
  return is(plan, step, &kohl_conv2d_op) && d->r == 1 && d->s == 1 && d->stride_h == 1 && d->stride_w == 1 &&
         d->groups == 1 && !d->add && !d->pool && !d->pad_top && !d->pad_left && !d->pad_bottom && !d->pad_right;
}

void kohl_plan_merge_siblings(kohl_plan *plan) {
  for (size_t i = 0; i < plan->step_count; i++) {
    kohl_step *first = &plan->steps[i];
    if (!mergeable(plan, first)) continue;
    kohl_conv2d_desc *d = &first->desc.conv2d;
    for (size_t j = i + 1; j < plan->step_count && d->dsts < KOHL_CONV2D_DSTS; j++) {
      kohl_step *sibling = &plan->steps[j];
      const kohl_conv2d_desc *e = &sibling->desc.conv2d;
      if (!mergeable(plan, sibling) || sibling->in[CONV2D_SRC] != first->in[CONV2D_SRC] || e->bias != d->bias ||
          e->activation != d->activation)
        continue;
      first->out[d->dsts] = sibling->out[0];
      first->sources[d->dsts] = sibling->sources[0];
      first->norms[d->dsts] = sibling->norms[0];
      d->dst_k[d->dsts++] = e->k;
      d->k += e->k;
      sibling->absorbed_by = (int)i;
      size_t used = strlen(first->fused);
      if (!strstr(first->fused, "siblings"))
        snprintf(first->fused + used, sizeof first->fused - used, "%ssiblings", used ? " " : "");
    }
  }
}
