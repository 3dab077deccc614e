/* Sums of gradients; see accumulate.h.
 *
 * The products are not fused into the sums: that would be a library call for each where the processor has no such
 * instruction, and here everything is read from memory once. */
#include "train/accumulate.h"

#include <string.h>

#include "kernels/core/alloc.h"

enum { BLOCK = 1 << 16 }; /* elements of one unit of work */

struct kohl_accumulate {
  kohl_context *ctx;
  size_t count, runs;
  double divisor; /* of all runs together */
  float first;    /* of the first one, whose gradients are not yet multiplied by it while it is alone */
  float *sum;     /* [count], owned */
};

kohl_status kohl_accumulate_create(kohl_context *ctx, size_t count, kohl_accumulate **out) {
  kohl_accumulate *accumulate;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *accumulate, "summed gradients", &accumulate);
  if (status != KOHL_OK) return status;
  accumulate->ctx = ctx;
  accumulate->count = count;
  status = kohl_alloc(ctx, count, sizeof *accumulate->sum, "summed gradients", &accumulate->sum);
  if (status == KOHL_OK)
    *out = accumulate;
  else
    kohl_accumulate_destroy(accumulate);
  return status;
}

void kohl_accumulate_destroy(kohl_accumulate *accumulate) {
  if (!accumulate) return;
  kohl_free(accumulate->ctx, accumulate->sum);
  kohl_free(accumulate->ctx, accumulate);
}

void kohl_accumulate_reset(kohl_accumulate *accumulate) {
  accumulate->runs = 0;
  accumulate->divisor = 0;
}

typedef struct pass {
  kohl_accumulate *accumulate;
  const float *src;
  float *dst, divisor;
} pass;

static size_t block_end(const pass *p, size_t block) {
  size_t end = (block + 1) * BLOCK;
  return end < p->accumulate->count ? end : p->accumulate->count;
}

static void add_second(void *state, size_t block, size_t worker) {
  const pass *p = state;
  float *sum = p->accumulate->sum, first = p->accumulate->first;
  (void)worker;
  for (size_t i = block * BLOCK, end = block_end(p, block); i < end; i++)
    sum[i] = sum[i] * first + p->src[i] * p->divisor;
}

static void add_another(void *state, size_t block, size_t worker) {
  const pass *p = state;
  float *sum = p->accumulate->sum;
  (void)worker;
  for (size_t i = block * BLOCK, end = block_end(p, block); i < end; i++) sum[i] = sum[i] + p->src[i] * p->divisor;
}

static void divide(void *state, size_t block, size_t worker) {
  const pass *p = state;
  const float *sum = p->accumulate->sum;
  (void)worker;
  for (size_t i = block * BLOCK, end = block_end(p, block); i < end; i++) p->dst[i] = sum[i] / p->divisor;
}

static void run(kohl_task task, pass *p) {
  kohl_parallel(p->accumulate->ctx->threads, task, p, (p->accumulate->count + BLOCK - 1) / BLOCK);
}

void kohl_accumulate_add(kohl_accumulate *accumulate, const float *gradients, float divisor) {
  pass p = {accumulate, gradients, NULL, divisor};
  if (accumulate->runs == 0) {
    memcpy(accumulate->sum, gradients, accumulate->count * sizeof *gradients);
    accumulate->first = divisor;
  } else {
    run(accumulate->runs == 1 ? add_second : add_another, &p);
  }
  accumulate->runs++;
  accumulate->divisor += (double)divisor;
}

size_t kohl_accumulate_finish(kohl_accumulate *accumulate, float *gradients) {
  size_t runs = accumulate->runs;
  pass p = {accumulate, NULL, gradients, accumulate->divisor == 0.0 ? 1.0f : (float)accumulate->divisor};
  if (runs == 1) memcpy(gradients, accumulate->sum, accumulate->count * sizeof *gradients);
  if (runs > 1) run(divide, &p);
  kohl_accumulate_reset(accumulate);
  return runs;
}
