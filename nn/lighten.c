/* Speed for memory: kernels that need less, for the layers where that saves most.
 *
 * Kernels stand in their list fastest first, and some are fast because they need much: Winograd's filters are up to
 * four times the stored ones.  Where a limit is exceeded, the layer whose next lighter kernel saves most gets that one,
 * and so on until the plan fits; then the layers that need not have changed are given back what they had.  A kernel for
 * a lesser processor is no lighter one (kohl_kernel_next): ref would fit into many limits, and take a hundred times as
 * long. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/plan_passes.h"

enum { ALL = 255 }; /* more kernels than a list has */

typedef struct lightening {
  kohl_context *ctx;
  const kohl_plan_options *options;
  kohl_plan **plan; /* the best so far */
  size_t count;     /* of its steps */
  unsigned char *lighter;
} lightening;

/* Plans with the present choice; the result replaces the plan when it fits or `always`. */
static kohl_status attempt(lightening *l, bool always, bool *fits) {
  kohl_plan *other;
  kohl_status status =
      kohl_plan_attempt(l->ctx, (*l->plan)->graph, l->options, (*l->plan)->segments, l->lighter, &other);
  if (status != KOHL_OK) return status;
  *fits = other->arena_bytes <= l->options->memory_limit;
  kohl_plan *worse = *fits || always ? *l->plan : other;
  if (worse != other) *l->plan = other;
  kohl_plan_destroy(l->ctx, worse);
  return KOHL_OK;
}

/* The step whose next lighter kernel saves most; count when there is none. */
static size_t most_saving(const lightening *l) {
  size_t best = l->count, most = 0;
  for (size_t i = 0; i < l->count; i++) {
    const kohl_step *step = &(*l->plan)->steps[i];
    if (step->absorbed_by >= 0 || step->repeats >= 0) continue;
    const kohl_kernel *next = kohl_plan_lighter(l->ctx, step);
    if (!next) continue;
    const size_t saved =
        kohl_plan_kernel_bytes(l->ctx, step, step->kernel) - kohl_plan_kernel_bytes(l->ctx, step, next);
    if (saved > most) most = saved, best = i;
  }
  return best;
}

/* Step by step from the fastest kernels to the first plan that fits, which there is. */
static kohl_status lighten_until_it_fits(lightening *l) {
  kohl_status status = KOHL_OK;
  for (bool fits = false; !fits && status == KOHL_OK;) {
    const size_t step = most_saving(l);
    if (step == l->count) break;
    l->lighter[step]++;
    status = attempt(l, true, &fits);
  }
  for (size_t i = 0; i < l->count && status == KOHL_OK; i++) {
    for (bool fits = true; l->lighter[i] && fits && status == KOHL_OK;) {
      l->lighter[i]--;
      status = attempt(l, false, &fits);
      if (!fits) l->lighter[i]++;
    }
  }
  return status;
}

kohl_status kohl_plan_lighten(kohl_context *ctx, const kohl_plan_options *options, kohl_plan **plan) {
  lightening l = {ctx, options, plan, (*plan)->step_count, NULL};
  kohl_plan *lightest;
  kohl_status status = kohl_alloc(ctx, l.count, 1, "a plan", &l.lighter);
  if (status != KOHL_OK) return status;
  memset(l.lighter, ALL, l.count);
  status = kohl_plan_attempt(ctx, (*plan)->graph, options, (*plan)->segments, l.lighter, &lightest);
  if (status == KOHL_OK) {
    const bool can = lightest->arena_bytes <= options->memory_limit;
    const bool smaller = lightest->arena_bytes < (*plan)->arena_bytes;
    kohl_plan *worse = !can && smaller ? *plan : lightest;
    if (worse == *plan) *plan = lightest;
    kohl_plan_destroy(ctx, worse);
    memset(l.lighter, 0, l.count);
    if (can) status = lighten_until_it_fits(&l);
  }
  kohl_free(ctx, l.lighter);
  return status;
}
