/* Recipes in memory: defaults, phases, single assignments. */
#include "train/recipe.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "train/recipe_field.h"

/* Bytes of a value that is plain data. */
static size_t size_of(kohl_recipe_kind kind) {
  switch (kind) {
    case KOHL_RECIPE_TEXT: return sizeof(kohl_recipe_text);
    case KOHL_RECIPE_INT: return sizeof(kohl_recipe_int);
    case KOHL_RECIPE_REAL: return sizeof(kohl_recipe_real);
    case KOHL_RECIPE_WORD: return sizeof(kohl_recipe_word);
    case KOHL_RECIPE_COLOUR: return sizeof(kohl_recipe_colour);
    case KOHL_RECIPE_RANGE: return sizeof(kohl_recipe_range);
    case KOHL_RECIPE_LIST_OF_INT: return sizeof(kohl_recipe_list);
  }
  return 0;
}

static uint64_t own_bit(int index) { return (uint64_t)1 << (index - KOHL_RECIPE_RUN_FIELDS); }

/* One key of all phases that do not say it. */
static kohl_status settle(kohl_context *ctx, kohl_recipe *recipe, int index) {
  const kohl_recipe_kind kind = kohl_recipe_fields[index].kind;
  const void *from = kohl_recipe_field_at(recipe, index, -1);
  for (int p = 0; p < recipe->phase_count; p++) {
    void *to = kohl_recipe_field_at(recipe, index, p);
    if (recipe->phases[p].own & own_bit(index)) continue;
    if (kind == KOHL_RECIPE_TEXT) {
      char *copy;
      kohl_status status = kohl_strdup(ctx, *(const kohl_recipe_text *)from, &copy);
      if (status != KOHL_OK) return status;
      kohl_free(ctx, *(kohl_recipe_text *)to);
      *(kohl_recipe_text *)to = copy;
    } else {
      memcpy(to, from, size_of(kind));
    }
  }
  return KOHL_OK;
}

kohl_status kohl_recipe_settle(kohl_context *ctx, kohl_recipe *recipe) {
  kohl_status status = KOHL_OK;
  for (int i = KOHL_RECIPE_RUN_FIELDS; i < KOHL_RECIPE_FIELDS && status == KOHL_OK; i++) {
    status = settle(ctx, recipe, i);
  }
  return status;
}

kohl_status kohl_recipe_default(kohl_context *ctx, kohl_recipe *out) {
  memset(out, 0, sizeof *out);
  kohl_status status = KOHL_OK;
  for (int i = 0; i < KOHL_RECIPE_FIELDS && status == KOHL_OK; i++) {
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    char expected[KOHL_RECIPE_EXPECTED];
    void *at = kohl_recipe_field_at(out, i, -1);
    if (kohl_recipe_field_parse(ctx, field, field->initial, at, expected, &status) || status != KOHL_OK) continue;
    status = kohl_fail(ctx, KOHL_USAGE, "field '%s': default '%s', expected %s", field->path, field->initial, expected);
  }
  out->phase_count = 1;
  if (status == KOHL_OK) status = kohl_recipe_settle(ctx, out);
  if (status != KOHL_OK) kohl_recipe_free(ctx, out);
  return status;
}

/* Where an assignment goes: its field, and the phase or -1. */
typedef struct target {
  int index, phase;
} target;

/* "phases.2.KEY" moves *key and *n on to KEY and is phase 1; false: there is no such phase. */
static bool find_phase(const kohl_recipe *recipe, const char **key, size_t *n, int *phase) {
  static const char prefix[] = "phases.";
  const size_t skip = sizeof prefix - 1;
  *phase = -1;
  if (*n < skip || memcmp(*key, prefix, skip) != 0) return true;
  const char *digit = *key + skip;
  if (*n < skip + 2 || *digit < '1' || *digit > '9' || digit[1] != '.') return false;
  *phase = *digit - '1';
  *key += skip + 2;
  *n -= skip + 2;
  return *phase < recipe->phase_count;
}

static kohl_status find_target(kohl_context *ctx, const kohl_recipe *recipe, const char *shown, const char *key,
                               size_t n, bool must_act, target *out) {
  const kohl_quoted whole = kohl_quote(key, n);
  if (!find_phase(recipe, &key, &n, &out->phase)) {
    return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': no such phase, expected phases.N.KEY with N from 1 to %d",
                     shown, whole.text, recipe->phase_count);
  }
  out->index = kohl_recipe_field_find(key, n);
  if (out->index < 0 || (out->phase >= 0 && out->index < KOHL_RECIPE_RUN_FIELDS)) {
    return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': no such field%s, expected one of recipes/README.md", shown,
                     whole.text, out->index < 0 ? "" : " of a phase");
  }
  if (!recipe->phases_listed) out->phase = -1; /* the one phase is the top level */
  if (!must_act || out->index < KOHL_RECIPE_RUN_FIELDS || out->phase >= 0) return KOHL_OK;
  for (int p = 0; p < recipe->phase_count; p++) {
    if (!(recipe->phases[p].own & own_bit(out->index))) return KOHL_OK;
  }
  return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': every phase says its own, expected phases.N.%s", shown,
                   whole.text, whole.text);
}

kohl_status kohl_recipe_assign(kohl_context *ctx, kohl_recipe *recipe, const char *assignment, bool must_act) {
  const char *equals = strchr(assignment, '=');
  kohl_quoted shown = kohl_quote(assignment, strlen(assignment));
  if (!equals) return kohl_fail(ctx, KOHL_USAGE, "--set %s: expected KEY=VALUE", shown.text);
  target to = {-1, -1};
  kohl_status status = find_target(ctx, recipe, shown.text, assignment, (size_t)(equals - assignment), must_act, &to);
  if (status != KOHL_OK) return status;
  char expected[KOHL_RECIPE_EXPECTED];
  void *at = kohl_recipe_field_at(recipe, to.index, to.phase);
  if (kohl_recipe_field_parse(ctx, &kohl_recipe_fields[to.index], equals + 1, at, expected, &status)) {
    if (to.phase >= 0) recipe->phases[to.phase].own |= own_bit(to.index);
    return to.index < KOHL_RECIPE_RUN_FIELDS || to.phase >= 0 ? KOHL_OK : settle(ctx, recipe, to.index);
  }
  if (status != KOHL_OK) return status;
  return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': value '%s', expected %s", shown.text,
                   kohl_quote(assignment, (size_t)(equals - assignment)).text,
                   kohl_quote(equals + 1, strlen(equals + 1)).text, expected);
}

kohl_status kohl_recipe_set(kohl_context *ctx, kohl_recipe *recipe, const char *assignment) {
  return kohl_recipe_assign(ctx, recipe, assignment, true);
}

kohl_augmentation kohl_recipe_augmentation(const kohl_recipe *recipe) {
  kohl_augmentation a = {.rotation = recipe->augment.rotation,
                         .width_shift = recipe->augment.width_shift,
                         .height_shift = recipe->augment.height_shift,
                         .zoom = {recipe->augment.zoom.low, recipe->augment.zoom.high},
                         .shear = recipe->augment.shear,
                         .horizontal_flip = recipe->augment.horizontal_flip != 0,
                         .vertical_flip = recipe->augment.vertical_flip != 0,
                         .brightness = {recipe->augment.brightness.low, recipe->augment.brightness.high},
                         .contrast = {recipe->augment.contrast.low, recipe->augment.contrast.high},
                         .saturation = {recipe->augment.saturation.low, recipe->augment.saturation.high},
                         .crop = (int)recipe->augment.crop,
                         .fill = (kohl_fill)recipe->augment.fill};
  for (int c = 0; c < 3; c++) a.colour[c] = (float)recipe->augment.colour.rgb[c];
  return a;
}

static bool changes(const double range[2]) { return range[0] != 1.0 || range[1] != 1.0; }

bool kohl_recipe_augments(const kohl_recipe *recipe) {
  const kohl_augmentation a = kohl_recipe_augmentation(recipe);
  return a.rotation > 0 || a.width_shift > 0 || a.height_shift > 0 || a.shear > 0 || a.horizontal_flip ||
         a.vertical_flip || a.crop > 0 || changes(a.zoom) || changes(a.brightness) || changes(a.contrast) ||
         changes(a.saturation);
}

void kohl_recipe_free(kohl_context *ctx, kohl_recipe *recipe) {
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    if (kohl_recipe_fields[i].kind != KOHL_RECIPE_TEXT) continue;
    const int phases = i < KOHL_RECIPE_RUN_FIELDS ? 0 : KOHL_RECIPE_PHASES;
    for (int p = -1; p < phases; p++) kohl_free(ctx, *(kohl_recipe_text *)kohl_recipe_field_at(recipe, i, p));
  }
  memset(recipe, 0, sizeof *recipe);
}
