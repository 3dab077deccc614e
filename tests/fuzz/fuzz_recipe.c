/* Any bytes as a recipe: refused with a message, or read, written and read back equal. */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  kohl_recipe recipe, again;
  if (kohl_recipe_parse(ctx, "fuzz", (const char *)data, bytes, &recipe) == KOHL_OK) {
    char *first, *second;
    if (kohl_recipe_print(ctx, &recipe, &first) != KOHL_OK) abort();
    if (kohl_recipe_parse(ctx, "again", first, strlen(first), &again) != KOHL_OK) abort();
    if (kohl_recipe_print(ctx, &again, &second) != KOHL_OK || strcmp(first, second) != 0) abort();
    kohl_free(ctx, first);
    kohl_free(ctx, second);
    kohl_recipe_free(ctx, &recipe);
    kohl_recipe_free(ctx, &again);
  }
  kohl_context_destroy(ctx);
  return 0;
}
