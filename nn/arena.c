/* Pass 8 of the plan: how long each buffer lives, and where in the arena it lies.
 *
 * Weights come first, in the order of their numbers, since they live all the time: so they can be memory of their own,
 * a mapped file.  Other buffers are placed behind them, largest first, each at the lowest offset where nothing that
 * lives at the same time lies. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/plan_passes.h"

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void touch(kohl_plan *plan, int buffer, int step) {
  if (buffer < 0) return;
  kohl_buffer *root = &plan->buffers[kohl_buffer_root(plan, buffer)];
  if (root->first < 0 || step < root->first) root->first = step;
  if (step > root->last) root->last = step;
}

static void set_lifetimes(kohl_plan *plan) {
  int end = (int)plan->step_count;
  for (int i = 0; i < end; i++) {
    const kohl_step *step = &plan->steps[i];
    if (step->absorbed_by >= 0) continue;
    for (int j = 0; j < KOHL_ARGS_IN; j++) touch(plan, step->in[j], i);
    for (int j = 0; j < KOHL_ARGS_OUT; j++) touch(plan, step->out[j], i);
    touch(plan, step->scratch, i);
  }
  for (size_t i = 0; i < plan->buffer_count; i++) {
    if (!plan->buffers[i].keep && plan->buffers[i].kind != KOHL_BUFFER_WEIGHTS) continue;
    kohl_buffer *root = &plan->buffers[kohl_buffer_root(plan, (int)i)];
    root->first = 0;
    root->last = end;
  }
}

static kohl_status set_sizes(kohl_context *ctx, kohl_plan *plan) {
  for (size_t i = 0; i < plan->buffer_count; i++) {
    kohl_buffer *buffer = &plan->buffers[i];
    if (buffer->kind != KOHL_BUFFER_ACTIVATION || buffer->home >= 0) continue;
    size_t floats = (size_t)buffer->shape.h * (size_t)buffer->shape.w * (size_t)buffer->stride;
    if (!kohl_mul_size(floats, (size_t)plan->options.batch * sizeof(float), &buffer->bytes)) {
      return kohl_fail(ctx, KOHL_NO_RESOURCE,
                       "memory: batch %d of %dx%dx%d values is more than this machine can address", plan->options.batch,
                       buffer->shape.h, buffer->shape.w, buffer->shape.c);
    }
  }
  return KOHL_OK;
}

/* Largest first, then by number.  An insertion sort, since qsort's comparison would need a global; a plan has some
 * thousand buffers at most. */
static void order_by_size(const kohl_plan *plan, int *order, int count) {
  for (int i = 1; i < count; i++) {
    int moving = order[i], j = i;
    for (; j > 0 && plan->buffers[order[j - 1]].bytes < plan->buffers[moving].bytes; j--) order[j] = order[j - 1];
    order[j] = moving;
  }
}

static bool alive_together(const kohl_buffer *a, const kohl_buffer *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset for `buffer` beside the first `count` buffers of `placed`, which are sorted by offset. */
static size_t lowest_gap(const kohl_plan *plan, const kohl_buffer *buffer, const int *placed, int count) {
  size_t at = plan->weights_bytes;
  for (int i = 0; i < count; i++) {
    const kohl_buffer *other = &plan->buffers[placed[i]];
    if (!alive_together(buffer, other)) continue;
    if (at + buffer->bytes <= other->offset) break;
    size_t end = aligned(other->offset + other->bytes);
    if (end > at) at = end;
  }
  return at;
}

/* FNV-1a over what a result could depend on. */
static uint64_t digest(uint64_t hash, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
  return hash;
}

static void set_digest(kohl_plan *plan) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < plan->step_count; i++) {
    const kohl_step *step = &plan->steps[i];
    if (step->absorbed_by >= 0) continue;
    hash = digest(hash, step->op->name, strlen(step->op->name));
    hash = digest(hash, step->kernel->id, strlen(step->kernel->id));
    hash = digest(hash, step->fused, strlen(step->fused));
    hash = digest(hash, &step->node, sizeof step->node);
  }
  plan->digest = hash;
}

static void place_all(kohl_plan *plan, const int *order, int *placed, int count) {
  for (int i = 0; i < count; i++) {
    kohl_buffer *buffer = &plan->buffers[order[i]];
    buffer->offset = lowest_gap(plan, buffer, placed, i);
    int j = i;
    for (; j > 0 && plan->buffers[placed[j - 1]].offset > buffer->offset; j--) placed[j] = placed[j - 1];
    placed[j] = order[i];
    size_t end = aligned(buffer->offset + buffer->bytes);
    if (end > plan->arena_bytes) plan->arena_bytes = end;
  }
}

static void place_weights(kohl_plan *plan) {
  plan->weights_bytes = 0;
  for (size_t i = 0; i < plan->buffer_count; i++) {
    kohl_buffer *buffer = &plan->buffers[i];
    if (buffer->kind != KOHL_BUFFER_WEIGHTS || buffer->home >= 0) continue;
    buffer->offset = plan->weights_bytes;
    plan->weights_bytes += aligned(buffer->bytes);
  }
  plan->arena_bytes = plan->weights_bytes;
}

kohl_status kohl_plan_place(kohl_context *ctx, kohl_plan *plan) {
  int *order, count = 0;
  kohl_status status = set_sizes(ctx, plan);
  if (status != KOHL_OK) return status;
  set_lifetimes(plan);
  status = kohl_alloc(ctx, 2 * plan->buffer_count, sizeof *order, "a plan", &order);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < plan->buffer_count; i++) {
    const kohl_buffer *buffer = &plan->buffers[i];
    if (buffer->kind != KOHL_BUFFER_WEIGHTS && buffer->home < 0 && buffer->first >= 0) order[count++] = (int)i;
  }
  place_weights(plan);
  order_by_size(plan, order, count);
  place_all(plan, order, order + plan->buffer_count, count);
  kohl_free(ctx, order);
  set_digest(plan);
  return KOHL_OK;
}
