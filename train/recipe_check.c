/* What a recipe's fields must be to each other: those of the whole run here, those of heads in recipe_check_heads.c,
 * those of a phase in recipe_check_phase.c.
 *
 * A setting that nothing reads is a mistake of whoever wrote it, so that it is an error. */
#include <string.h>

#include "kernels/core/context.h"
#include "train/recipe_field.h"

static kohl_status check_data(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  double held = recipe->data.validation + recipe->data.test;
  if (!(held < 1)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'data.validation': %g and data.test %g, expected a sum below 1",
                     where, recipe->data.validation, recipe->data.test);
  }
  if (recipe->data.cap > 0 && recipe->data.oversample > recipe->data.cap) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'data.oversample': value %lld, expected at most data.cap, %lld",
                     where, (long long)recipe->data.oversample, (long long)recipe->data.cap);
  }
  return KOHL_OK;
}

static kohl_status check_pictures(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  const kohl_augmentation a = kohl_recipe_augmentation(recipe);
  const char *wrong = kohl_augmentation_check(&a);
  if (wrong) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'augment': %s", where, wrong);
  const int64_t crop = recipe->augment.crop, size = recipe->pictures.size;
  if (crop > 0 && crop < size) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'augment.crop': value %lld, expected 0 or at least pictures.size, %lld", where,
                     (long long)crop, (long long)size);
  }
  const int64_t variants = recipe->features.variants;
  if (variants > 0 && !kohl_recipe_augments(recipe)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'features.variants': value %lld, but nothing is augmented, expected 0 or a key of "
                     "augment",
                     where, (long long)variants);
  }
  if (variants > 0 && !recipe->features.cache) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'features.variants': value %lld with features.cache false, expected 0 or cache true",
                     where, (long long)variants);
  }
  return KOHL_OK;
}

kohl_status kohl_recipe_check(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  kohl_status status = check_data(ctx, recipe, where);
  if (status == KOHL_OK) status = kohl_recipe_check_heads(ctx, recipe, where);
  if (status == KOHL_OK) status = check_pictures(ctx, recipe, where);
  if (status == KOHL_OK) status = kohl_recipe_check_figure(ctx, recipe, &recipe->best, "best", where);
  for (int p = 0; p < recipe->phase_count && status == KOHL_OK; p++) {
    status = kohl_recipe_check_phase(ctx, recipe, p, where);
  }
  return status;
}
