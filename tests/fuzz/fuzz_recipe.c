/* Any bytes as a recipe: refused with a message, or read, written and read back equal.  What follows a zero byte is an
 * assignment as of --set, then a recipe's base.adjust is applied; what comes out of these is written and read back too,
 * and every rate of its schedules is a number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/recipe.h"
#include "train/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void write_and_read(kohl_context *ctx, const kohl_recipe *recipe) {
  kohl_recipe again;
  char *first, *second;
  if (kohl_recipe_print(ctx, recipe, &first) != KOHL_OK) abort();
  if (kohl_recipe_parse(ctx, "again", first, strlen(first), &again) != KOHL_OK) abort();
  if (kohl_recipe_print(ctx, &again, &second) != KOHL_OK || strcmp(first, second) != 0) abort();
  kohl_free(ctx, first);
  kohl_free(ctx, second);
  kohl_recipe_free(ctx, &again);
}

static void follow_schedules(const kohl_recipe *recipe) {
  for (int p = 0; p < recipe->phase_count; p++) {
    const kohl_recipe_phase *phase = &recipe->phases[p];
    kohl_schedule_state state = kohl_schedule_begin();
    for (int64_t epoch = 0; epoch < 4; epoch++) {
      double figure = epoch == 2 ? NAN : (double)(epoch % 2);
      for (int64_t step = 3 * epoch; step < 3 * epoch + 3; step++) {
        double rate = kohl_schedule_rate(phase, &state, step, 3);
        if (!(rate >= 0 && rate <= phase->optimizer.lr * 1.000001)) abort();
      }
      if (kohl_schedule_epoch(phase, &state, figure, figure)) break;
    }
  }
}

static void change(kohl_context *ctx, kohl_recipe *recipe, const uint8_t *data, size_t bytes) {
  char assignment[512];
  if (bytes >= sizeof assignment) return;
  memcpy(assignment, data, bytes);
  assignment[bytes] = 0;
  if (kohl_recipe_set(ctx, recipe, assignment) != KOHL_OK) write_and_read(ctx, recipe); /* it is unchanged then */
  if (kohl_recipe_adjust(ctx, recipe, "a") != KOHL_OK) return;
  if (kohl_recipe_check(ctx, recipe, "changed") != KOHL_OK) return;
  write_and_read(ctx, recipe);
  follow_schedules(recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  const uint8_t *zero = bytes ? memchr(data, 0, bytes) : NULL;
  const size_t length = zero ? (size_t)(zero - data) : bytes;
  kohl_recipe recipe;
  if (kohl_recipe_parse(ctx, "fuzz", (const char *)data, length, &recipe) == KOHL_OK) {
    write_and_read(ctx, &recipe);
    follow_schedules(&recipe);
    if (zero) change(ctx, &recipe, zero + 1, bytes - length - 1);
    kohl_recipe_free(ctx, &recipe);
  }
  kohl_context_destroy(ctx);
  return 0;
}
