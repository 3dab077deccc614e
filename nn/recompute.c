/* Time for memory in training: parts of the forward pass are computed again when their gradients are due.
 *
 * The forward steps above the frozen part are cut into plan->segments parts of about the same bytes.  What one part
 * hands to another stays in memory; what only the part itself reads lives twice for a short time, once on the way
 * forward and once on the way back, in buffers of its own.  The last part is kept, since its gradients come at once.
 * Steps are deterministic (dropout has its key, running statistics are updated the first time only), so that the
 * gradients have the same bits. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/backward.h"

static bool runs(const kohl_step *step) { return step->absorbed_by < 0; }

void kohl_recompute_cut(kohl_backward *b) {
  const kohl_plan *plan = b->plan;
  double total = 0, before = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < plan->graph->count; i++) {
      kohl_shape s = plan->graph->nodes[i].shape;
      double size = plan->wanted[i] ? (double)s.h * s.w * s.c : 0;
      int part = total > 0 ? (int)(before / total * plan->segments) : 0;
      if (pass == 0) {
        total += size;
        continue;
      }
      b->segment[i] = !plan->wanted[i] ? -1 : part < plan->segments ? part : plan->segments - 1;
      before += size;
    }
  }
  b->lowest = plan->segments - 1;
}

static bool touches(const kohl_plan *plan, const kohl_step *step, int root) {
  for (int j = 0; j < KOHL_ARGS_IN; j++) {
    if (step->in[j] >= 0 && kohl_buffer_root(plan, step->in[j]) == root) return true;
  }
  for (int j = 0; j < KOHL_ARGS_OUT; j++) {
    if (step->out[j] >= 0 && kohl_buffer_root(plan, step->out[j]) == root) return true;
  }
  return false;
}

/* Whether on the way forward only the steps of one part know the memory of a buffer. */
static bool interior(const kohl_backward *b, int buffer, int part) {
  const kohl_plan *plan = b->plan;
  int root = kohl_buffer_root(plan, buffer);
  if (plan->buffers[root].kind != KOHL_BUFFER_ACTIVATION) return false;
  for (size_t i = 0; i < b->forward_buffers; i++) {
    if (plan->buffers[i].keep && kohl_buffer_root(plan, (int)i) == root) return false;
  }
  for (size_t i = 0; i < plan->forward_steps; i++) {
    const kohl_step *step = &plan->steps[i];
    if (runs(step) && b->segment[step->node] != part && touches(plan, step, root)) return false;
  }
  return true;
}

/* A second buffer like this one; a slice or view gets one in the second of its home, which is made first. */
static kohl_status repeat_buffer(kohl_backward *b, int buffer) {
  while (b->again[buffer] < 0) {
    int top = buffer, copy;
    while (b->plan->buffers[top].home >= 0 && b->again[b->plan->buffers[top].home] < 0)
      top = b->plan->buffers[top].home;
    kohl_status status = kohl_plan_add_buffer(b->ctx, b->plan, KOHL_BUFFER_ACTIVATION, &copy);
    if (status != KOHL_OK) return status;
    b->plan->buffers[copy] = b->plan->buffers[top];
    int home = b->plan->buffers[top].home;
    if (home >= 0) b->plan->buffers[copy].home = b->again[home];
    b->again[top] = copy;
  }
  return KOHL_OK;
}

static kohl_status repeat_step(kohl_backward *b, size_t index, int part) {
  kohl_plan *plan = b->plan;
  kohl_step source = plan->steps[index], *step;
  bool needed = false;
  for (int j = 0; j < KOHL_ARGS_OUT; j++) {
    if (source.out[j] < 0 || !interior(b, source.out[j], part)) continue;
    kohl_status status = repeat_buffer(b, source.out[j]);
    if (status != KOHL_OK) return status;
    needed = true;
  }
  if (!needed) return KOHL_OK;
  kohl_status status = kohl_plan_add_step(b->ctx, plan, source.op, source.direction, source.node, &step);
  if (status != KOHL_OK) return status;
  *step = source;
  step->repack = false;
  step->repeats = (int)index;
  strcpy(step->fused, "again");
  for (int j = 0; j < KOHL_ARGS_IN; j++) step->in[j] = kohl_backward_value(b, source.in[j]);
  for (int j = 0; j < KOHL_ARGS_OUT; j++) step->out[j] = kohl_backward_value(b, source.out[j]);
  if (step->op == &kohl_batchnorm_train_op)
    step->out[BATCHNORM_TRAIN_RUNNING_MEAN] = step->out[BATCHNORM_TRAIN_RUNNING_VARIANCE] = -1;
  return KOHL_OK;
}

kohl_status kohl_recompute_part(kohl_backward *b, int node) {
  int part = b->segment[node];
  if (part < 0 || part >= b->lowest) return KOHL_OK;
  b->lowest = part;
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < b->plan->forward_steps && status == KOHL_OK; i++) {
    const kohl_step *step = &b->plan->steps[i];
    if (runs(step) && b->segment[step->node] == part) status = repeat_step(b, i, part);
  }
  for (size_t i = 0; i < b->forward_buffers && status == KOHL_OK; i++) { /* views have no step of their own */
    if (b->again[i] < 0 && b->again[kohl_buffer_root(b->plan, (int)i)] >= 0) status = repeat_buffer(b, (int)i);
  }
  return status;
}

void kohl_recompute_prune(kohl_plan *plan) {
  for (size_t i = plan->step_count; i-- > plan->forward_steps;) {
    kohl_step *step = &plan->steps[i];
    if (step->repeats < 0) continue;
    bool read = false;
    for (size_t later = i + 1; later < plan->step_count && !read; later++) {
      for (int j = 0; j < KOHL_ARGS_IN && runs(&plan->steps[later]) && !read; j++) {
        int in = plan->steps[later].in[j];
        for (int o = 0; o < KOHL_ARGS_OUT && in >= 0; o++) {
          int out = step->out[o];
          read |= out >= 0 && plan->buffers[kohl_buffer_root(plan, out)].kind == KOHL_BUFFER_ACTIVATION &&
                  kohl_buffer_root(plan, in) == kohl_buffer_root(plan, out);
        }
      }
    }
    if (!read) step->absorbed_by = (int)i; /* nobody's work any more: its own */
  }
}
