/* Recipes in memory: defaults, single assignments, writing. */
#include "train/recipe.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/place.h"
#include "nn/json.h"
#include "train/recipe_field.h"

kohl_status kohl_recipe_default(kohl_context *ctx, kohl_recipe *out) {
  memset(out, 0, sizeof *out);
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    char expected[KOHL_RECIPE_EXPECTED];
    kohl_status status;
    if (kohl_recipe_field_parse(ctx, field, field->initial, out, expected, &status)) continue;
    kohl_recipe_free(ctx, out);
    if (status != KOHL_OK) return status;
    return kohl_fail(ctx, KOHL_USAGE, "field '%s': default '%s', expected %s", field->path, field->initial, expected);
  }
  return KOHL_OK;
}

kohl_status kohl_recipe_set(kohl_context *ctx, kohl_recipe *recipe, const char *assignment) {
  const char *equals = strchr(assignment, '=');
  kohl_quoted shown = kohl_quote(assignment, strlen(assignment));
  if (!equals) return kohl_fail(ctx, KOHL_USAGE, "--set %s: expected KEY=VALUE", shown.text);
  int index = kohl_recipe_field_find(assignment, (size_t)(equals - assignment));
  if (index < 0) {
    return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': no such field, expected one of recipes/README.md",
                     shown.text, kohl_quote(assignment, (size_t)(equals - assignment)).text);
  }
  const kohl_recipe_field *field = &kohl_recipe_fields[index];
  char expected[KOHL_RECIPE_EXPECTED];
  kohl_status status;
  if (kohl_recipe_field_parse(ctx, field, equals + 1, recipe, expected, &status)) return KOHL_OK;
  if (status != KOHL_OK) return status;
  return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': value '%s', expected %s", shown.text, field->path,
                   kohl_quote(equals + 1, strlen(equals + 1)).text, expected);
}

kohl_status kohl_recipe_write(kohl_context *ctx, const kohl_recipe *recipe, const char *path) {
  char *text;
  kohl_status status = kohl_recipe_print(ctx, recipe, &text);
  if (status != KOHL_OK) return status;
  kohl_file_place place;
  status = kohl_place_begin(ctx, path, &place);
  if (status == KOHL_OK) {
    status = kohl_place_create(ctx, &place);
    if (status == KOHL_OK) status = kohl_place_append(ctx, &place, text, strlen(text));
    if (status == KOHL_OK) status = kohl_place_commit(ctx, &place);
    kohl_place_end(ctx, &place);
  }
  kohl_free(ctx, text);
  return status;
}

void kohl_recipe_free(kohl_context *ctx, kohl_recipe *recipe) {
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    if (kohl_recipe_fields[i].kind != KOHL_RECIPE_TEXT) continue;
    kohl_free(ctx, *(kohl_recipe_text *)((char *)recipe + kohl_recipe_fields[i].offset));
  }
  memset(recipe, 0, sizeof *recipe);
}
