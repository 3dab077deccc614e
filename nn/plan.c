/* Making a plan: the order of the passes, and what they share. */
#include "nn/plan.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/plan_passes.h"

kohl_plan_options kohl_plan_options_default(void) {
  kohl_plan_options options;
  memset(&options, 0, sizeof options);
  options.batch = 1;
  return options;
}

void kohl_plan_destroy(kohl_context *ctx, kohl_plan *plan) {
  if (!plan) return;
  kohl_free(ctx, plan->steps);
  kohl_free(ctx, plan->buffers);
  kohl_free(ctx, plan->node_buffer);
  kohl_free(ctx, plan->param_offset);
  kohl_free(ctx, plan->state_offset);
  kohl_free(ctx, plan->wanted);
  kohl_free(ctx, plan);
}

kohl_status kohl_plan_add_buffer(kohl_context *ctx, kohl_plan *plan, kohl_buffer_kind kind, int *index) {
  kohl_status status = kohl_grow(ctx, &plan->buffers, &plan->buffer_capacity, plan->buffer_count + 1,
                                 sizeof *plan->buffers, "the plan's buffers");
  if (status != KOHL_OK) return status;
  kohl_buffer *buffer = &plan->buffers[plan->buffer_count];
  memset(buffer, 0, sizeof *buffer);
  buffer->kind = kind;
  buffer->home = buffer->first = buffer->last = -1;
  *index = (int)plan->buffer_count++;
  return KOHL_OK;
}

kohl_status kohl_plan_add_activation(kohl_context *ctx, kohl_plan *plan, kohl_shape shape, int *index) {
  kohl_status status = kohl_plan_add_buffer(ctx, plan, KOHL_BUFFER_ACTIVATION, index);
  if (status != KOHL_OK) return status;
  plan->buffers[*index].shape = shape;
  plan->buffers[*index].stride = shape.c;
  return KOHL_OK;
}

kohl_status kohl_plan_add_floats(kohl_context *ctx, kohl_plan *plan, size_t count, int *index) {
  kohl_status status = kohl_plan_add_buffer(ctx, plan, KOHL_BUFFER_WEIGHTS, index);
  if (status == KOHL_OK) plan->buffers[*index].bytes = count * sizeof(float);
  return status;
}

kohl_status kohl_plan_add_step(kohl_context *ctx, kohl_plan *plan, const kohl_op *op, kohl_direction direction,
                               int node, kohl_step **step) {
  kohl_status status =
      kohl_grow(ctx, &plan->steps, &plan->step_capacity, plan->step_count + 1, sizeof *plan->steps, "the plan's steps");
  if (status != KOHL_OK) return status;
  kohl_step *s = &plan->steps[plan->step_count++];
  memset(s, 0, sizeof *s);
  s->op = op;
  s->direction = direction;
  s->node = node;
  s->scratch = s->absorbed_by = s->repeats = -1;
  for (int i = 0; i < KOHL_ARGS_IN; i++) s->in[i] = -1;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) s->out[i] = -1;
  for (int i = 0; i < KOHL_CONV2D_DSTS; i++) s->sources[i] = s->norms[i] = -1;
  s->desc.n = plan->options.batch;
  *step = s;
  return KOHL_OK;
}

int kohl_plan_producer(const kohl_plan *plan, int buffer) {
  for (size_t i = 0; i < plan->step_count; i++) {
    if (plan->steps[i].absorbed_by >= 0) continue;
    for (int j = 0; j < KOHL_ARGS_OUT; j++) {
      if (plan->steps[i].out[j] == buffer) return (int)i;
    }
  }
  return -1;
}

int kohl_plan_readers(const kohl_plan *plan, int buffer) {
  int readers = 0;
  for (size_t i = 0; i < plan->step_count; i++) {
    if (plan->steps[i].absorbed_by >= 0) continue;
    for (int j = 0; j < KOHL_ARGS_IN; j++) readers += plan->steps[i].in[j] == buffer;
  }
  for (size_t i = 0; i < plan->buffer_count; i++) readers += plan->buffers[i].home == buffer && plan->buffers[i].view;
  return readers;
}

int kohl_buffer_root(const kohl_plan *plan, int buffer) {
  while (plan->buffers[buffer].home >= 0) buffer = plan->buffers[buffer].home;
  return buffer;
}

int kohl_buffer_stride(const kohl_plan *plan, int buffer) {
  while (plan->buffers[buffer].home >= 0 && !plan->buffers[buffer].view) buffer = plan->buffers[buffer].home;
  return plan->buffers[buffer].stride;
}

size_t kohl_buffer_offset(const kohl_plan *plan, int buffer) {
  size_t floats = 0;
  for (; plan->buffers[buffer].home >= 0; buffer = plan->buffers[buffer].home)
    floats += (size_t)plan->buffers[buffer].channel;
  return plan->buffers[buffer].offset + floats * sizeof(float);
}

static kohl_status compile(kohl_context *ctx, kohl_plan *plan) {
  kohl_status status = KOHL_OK;
  if (plan->options.train) status = kohl_plan_add_params(ctx, plan);
  if (status == KOHL_OK && plan->options.train) status = kohl_plan_add_heads(ctx, plan);
  if (status == KOHL_OK) status = kohl_plan_lower(ctx, plan);
  if (status != KOHL_OK) return status;
  kohl_plan_fold_norms(plan);
  kohl_plan_fuse(plan);
  kohl_plan_place_concats(plan);
  kohl_plan_merge_siblings(plan);
  plan->forward_steps = plan->step_count;
  if (plan->options.train) status = kohl_plan_add_backward(ctx, plan);
  if (status == KOHL_OK) status = kohl_plan_choose(ctx, plan);
  return status == KOHL_OK ? kohl_plan_place(ctx, plan) : status;
}

kohl_status kohl_plan_attempt(kohl_context *ctx, const kohl_graph *graph, const kohl_plan_options *options,
                              int segments, const unsigned char *lighter, kohl_plan **out) {
  kohl_plan *plan;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *plan, "a plan", &plan);
  if (status != KOHL_OK) return status;
  plan->graph = graph;
  plan->options = *options;
  plan->segments = segments;
  plan->lighter = lighter;
  plan->input = plan->output = plan->draws = plan->params = plan->gradients = plan->state = -1;
  status = compile(ctx, plan);
  plan->options.taps = NULL; /* the caller's memory, not read any more */
  plan->options.heads = NULL;
  plan->lighter = NULL;
  if (status == KOHL_OK)
    *out = plan;
  else
    kohl_plan_destroy(ctx, plan);
  return status;
}

/* The plan with the fewest recomputed steps whose arena stays within the limit, else the smallest. */
static kohl_status recompute_within(kohl_context *ctx, const kohl_graph *graph, const kohl_plan_options *options,
                                    kohl_plan **out) {
  static const int segments[] = {2, 3, 4, 6, 8, 12, 16, 24, 32};
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
    kohl_plan *other;
    if ((*out)->arena_bytes <= options->memory_limit) return KOHL_OK;
    status = kohl_plan_attempt(ctx, graph, options, segments[i], NULL, &other);
    if (status != KOHL_OK) break;
    kohl_plan *worse = other->arena_bytes < (*out)->arena_bytes ? *out : other;
    *out = worse == other ? *out : other;
    kohl_plan_destroy(ctx, worse);
  }
  return status;
}

/* Within the limit by recomputing, in training, then by kernels that need less memory; else the smallest. */
static kohl_status create_within(kohl_context *ctx, const kohl_graph *graph, const kohl_plan_options *options,
                                 kohl_plan **out) {
  kohl_status status = kohl_plan_attempt(ctx, graph, options, 1, NULL, out);
  if (status != KOHL_OK || !options->memory_limit) return status;
  if (options->train) status = recompute_within(ctx, graph, options, out);
  if (status == KOHL_OK && (*out)->arena_bytes > options->memory_limit) status = kohl_plan_lighten(ctx, options, out);
  if (status == KOHL_OK) return KOHL_OK;
  kohl_plan_destroy(ctx, *out);
  *out = NULL;
  return status;
}

/* A batch that fits a limit, found by planning smaller ones; 0 when not even one picture does. */
static int batch_that_fits(kohl_context *ctx, const kohl_graph *graph, kohl_plan_options options) {
  for (options.batch /= 2; options.batch >= 1; options.batch /= 2) {
    kohl_plan *smaller;
    if (create_within(ctx, graph, &options, &smaller) != KOHL_OK) return 0;
    size_t bytes = smaller->arena_bytes;
    kohl_plan_destroy(ctx, smaller);
    if (bytes <= options.memory_limit) return options.batch;
  }
  return 0;
}

kohl_status kohl_plan_create(kohl_context *ctx, const kohl_graph *graph, const kohl_plan_options *options,
                             kohl_plan **out) {
  *out = NULL;
  if (options->batch < 1 || options->batch > 65536) {
    return kohl_fail(ctx, KOHL_USAGE, "batch: %d, expected 1 to 65536", options->batch);
  }
  kohl_status status = create_within(ctx, graph, options, out);
  if (status != KOHL_OK || !options->memory_limit || (*out)->arena_bytes <= options->memory_limit) return status;
  size_t bytes = (*out)->arena_bytes;
  kohl_plan_destroy(ctx, *out);
  *out = NULL;
  int fits = batch_that_fits(ctx, graph, *options);
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "memory: batch %d needs %zu bytes, the limit is %zu; %s %d", options->batch,
                   bytes, options->memory_limit, fits ? "it fits with batch" : "no batch fits, not even",
                   fits ? fits : 1);
}
