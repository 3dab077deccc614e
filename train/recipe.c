/* Recipes in memory: defaults, heads and phases, single assignments. */
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
    case KOHL_RECIPE_FIGURE: return sizeof(kohl_recipe_figure);
  }
  return 0;
}

static bool is_own(const kohl_recipe *recipe, int index, int item) {
  const kohl_recipe_scope *scope = kohl_recipe_scope_of(index);
  return *kohl_recipe_own(recipe, scope, item) >> (index - scope->first) & 1;
}

/* One key of all heads or phases that do not say it. */
static kohl_status settle(kohl_context *ctx, kohl_recipe *recipe, int index) {
  const kohl_recipe_kind kind = kohl_recipe_fields[index].kind;
  const void *from = kohl_recipe_field_at(recipe, index, -1);
  const int count = *kohl_recipe_count(recipe, kohl_recipe_scope_of(index));
  for (int item = 0; item < count; item++) {
    void *to = kohl_recipe_field_at(recipe, index, item);
    if (is_own(recipe, index, item)) continue;
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
  out->head_count = out->phase_count = 1;
  if (status == KOHL_OK) status = kohl_recipe_settle(ctx, out);
  if (status != KOHL_OK) kohl_recipe_free(ctx, out);
  return status;
}

/* Where an assignment goes: its field, and the element or -1. */
typedef struct target {
  int index, item;
} target;

/* "phases.2.KEY" moves *key and *n on to KEY and is *item 1 of its scope; false: there is no such element. */
static bool find_item(const kohl_recipe *recipe, const char **key, size_t *n, const kohl_recipe_scope **scope,
                      int *item) {
  *item = -1;
  *scope = NULL;
  for (const kohl_recipe_scope *s = kohl_recipe_scopes; s < kohl_recipe_scopes + KOHL_RECIPE_SCOPES; s++) {
    const size_t skip = strlen(s->key) + 1;
    if (*n < skip || memcmp(*key, s->key, skip - 1) != 0 || (*key)[skip - 1] != '.') continue;
    const char *digit = *key + skip, *end = *key + *n;
    int number = 0;
    *scope = s;
    for (; digit < end && *digit >= '0' && *digit <= '9' && number <= s->most; digit++) {
      number = 10 * number + (*digit - '0');
    }
    if (digit == end || *digit != '.' || number < 1 || number > *kohl_recipe_count(recipe, s)) return false;
    *item = number - 1;
    *n = (size_t)(end - digit - 1);
    *key = digit + 1;
  }
  return true;
}

/* The field of a key: of an element where scope is not NULL.  -1: there is none, *other: but one of another place. */
static int find_field(const kohl_recipe_scope *scope, const char *key, size_t n, bool *other) {
  const int index = kohl_recipe_field_find(key, n);
  *other = index >= 0;
  if (!scope) return index;
  for (int i = scope->first; i < scope->end; i++) {
    const char *own = kohl_recipe_element_key(i);
    if (strlen(own) == n && memcmp(own, key, n) == 0) return i;
  }
  return index >= scope->first && index < scope->end ? index : -1;
}

static kohl_status find_target(kohl_context *ctx, const kohl_recipe *recipe, const char *shown, const char *key,
                               size_t n, bool must_act, target *out) {
  const kohl_quoted whole = kohl_quote(key, n);
  const kohl_recipe_scope *scope;
  bool other;
  if (!find_item(recipe, &key, &n, &scope, &out->item)) {
    return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': no such %s, expected %s.N.KEY with N from 1 to %d", shown,
                     whole.text, scope->noun, scope->key, *kohl_recipe_count(recipe, scope));
  }
  out->index = find_field(scope, key, n, &other);
  if (out->index < 0) {
    return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': no such field%s%s, expected one of recipes/README.md",
                     shown, whole.text, other ? " of a " : "", other ? scope->noun : "");
  }
  scope = kohl_recipe_scope_of(out->index);
  if (scope && !*kohl_recipe_listed(recipe, scope)) out->item = -1; /* the one element is the top level */
  if (!must_act || !scope || out->item >= 0) return KOHL_OK;
  for (int i = 0; i < *kohl_recipe_count(recipe, scope); i++) {
    if (!is_own(recipe, out->index, i)) return KOHL_OK;
  }
  return kohl_fail(ctx, KOHL_USAGE, "--set %s: field '%s': every %s says its own, expected %s.N.%s", shown, whole.text,
                   scope->noun, scope->key, kohl_recipe_element_key(out->index));
}

kohl_status kohl_recipe_assign(kohl_context *ctx, kohl_recipe *recipe, const char *assignment, bool must_act) {
  const char *equals = strchr(assignment, '=');
  kohl_quoted shown = kohl_quote(assignment, strlen(assignment));
  if (!equals) return kohl_fail(ctx, KOHL_USAGE, "--set %s: expected KEY=VALUE", shown.text);
  target to = {-1, -1};
  kohl_status status = find_target(ctx, recipe, shown.text, assignment, (size_t)(equals - assignment), must_act, &to);
  if (status != KOHL_OK) return status;
  char expected[KOHL_RECIPE_EXPECTED];
  void *at = kohl_recipe_field_at(recipe, to.index, to.item);
  if (kohl_recipe_field_parse(ctx, &kohl_recipe_fields[to.index], equals + 1, at, expected, &status)) {
    const kohl_recipe_scope *scope = kohl_recipe_scope_of(to.index);
    if (!scope) return KOHL_OK;
    if (to.item < 0) return settle(ctx, recipe, to.index);
    *kohl_recipe_own(recipe, scope, to.item) |= (uint64_t)1 << (to.index - scope->first);
    return KOHL_OK;
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

bool kohl_recipe_several(const kohl_recipe *recipe, int head) {
  return recipe->heads_listed ? recipe->heads[head].loss.name == KOHL_LOSS_SIGMOID : recipe->data.several_labels != 0;
}

int kohl_recipe_head_of(const kohl_recipe *recipe, const kohl_recipe_figure *figure) {
  if (!figure->head[0]) return 0;
  for (int h = 0; recipe->heads_listed && h < recipe->head_count; h++) {
    if (strcmp(recipe->heads[h].head.name, figure->head) == 0) return h;
  }
  return -1;
}

void kohl_recipe_free(kohl_context *ctx, kohl_recipe *recipe) {
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    if (kohl_recipe_fields[i].kind != KOHL_RECIPE_TEXT) continue;
    const kohl_recipe_scope *scope = kohl_recipe_scope_of(i);
    const int items = scope ? scope->most : 0;
    for (int p = -1; p < items; p++) kohl_free(ctx, *(kohl_recipe_text *)kohl_recipe_field_at(recipe, i, p));
  }
  memset(recipe, 0, sizeof *recipe);
}
