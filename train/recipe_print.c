/* A recipe as YAML.  Numbers are written by the JSON writer, because it does not ask the locale what a decimal point
 * is, and so that they read back equal. */
#include <stdio.h>
#include <string.h>

#include "kernels/core/place.h"
#include "nn/json.h"
#include "train/recipe_field.h"

/* One value as YAML.  JSON's quoted strings are YAML's too, since control characters were refused. */
static void print_value(const kohl_recipe_field *field, const void *at, kohl_json_writer *out) {
  switch (field->kind) {
    case KOHL_RECIPE_TEXT: kohl_json_write_string(out, *(const kohl_recipe_text *)at); break;
    case KOHL_RECIPE_INT: kohl_json_write_int64(out, *(const kohl_recipe_int *)at); break;
    case KOHL_RECIPE_REAL: kohl_json_write_double(out, *(const kohl_recipe_real *)at); break;
    case KOHL_RECIPE_WORD: {
      int length;
      const char *word = kohl_recipe_word_text(field, *(const kohl_recipe_word *)at, &length);
      kohl_json_write_string_n(out, word, (size_t)length);
      break;
    }
    case KOHL_RECIPE_FIGURE: {
      const kohl_recipe_figure *figure = at;
      int length;
      char text[128];
      const char *word = kohl_recipe_word_text(field, figure->word, &length);
      snprintf(text, sizeof text, "%s%s%.*s", figure->head, figure->head[0] ? "." : "", length, word);
      kohl_json_write_string(out, text);
      break;
    }
    case KOHL_RECIPE_COLOUR: {
      char text[8];
      const uint8_t *c = ((const kohl_recipe_colour *)at)->rgb;
      snprintf(text, sizeof text, "#%02x%02x%02x", (unsigned)c[0], (unsigned)c[1], (unsigned)c[2]);
      kohl_json_write_string(out, text);
      break;
    }
    case KOHL_RECIPE_RANGE: {
      const kohl_recipe_range *range = at;
      kohl_json_write_array_begin(out);
      kohl_json_write_double(out, range->low);
      kohl_json_write_double(out, range->high);
      kohl_json_write_array_end(out);
      break;
    }
    case KOHL_RECIPE_LIST_OF_INT: {
      const kohl_recipe_list *list = at;
      kohl_json_write_array_begin(out);
      for (int i = 0; i < list->count; i++) kohl_json_write_int64(out, list->value[i]);
      kohl_json_write_array_end(out);
      break;
    }
  }
}

/* The text grows here; a failure stays in status. */
typedef struct printer {
  kohl_context *ctx;
  char *text;
  size_t length, capacity;
  kohl_status status;
} printer;

static void put(printer *out, const char *text, size_t n) {
  if (out->status != KOHL_OK) return;
  out->status = kohl_grow(out->ctx, &out->text, &out->capacity, out->length + n + 1, 1, "the text of a recipe");
  if (out->status != KOHL_OK) return;
  memcpy(out->text + out->length, text, n);
  out->length += n;
  out->text[out->length] = 0;
}

static void put_value(printer *out, const kohl_recipe_field *field, const void *at) {
  kohl_json_writer value;
  kohl_json_write_begin(&value, out->ctx);
  print_value(field, at, &value);
  kohl_status status = kohl_json_write_end(&value);
  if (status == KOHL_OK) {
    put(out, value.text, value.length);
  } else if (out->status == KOHL_OK) {
    out->status = status;
  }
  kohl_json_write_free(&value);
}

/* Fields first .. end-1.  item: as in kohl_recipe_field_at; 0 and above is an element of a list. */
static void put_fields(printer *out, const kohl_recipe *recipe, int first, int end, int item) {
  const char *group = "", *indent = item < 0 ? "" : "    ";
  size_t group_length = 0;
  for (int i = first; i < end; i++) {
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    const char *path = item < 0 ? field->path : kohl_recipe_element_key(i);
    const char *dot = strchr(path, '.'), *key = dot ? dot + 1 : path;
    size_t length = dot ? (size_t)(dot - path) : 0;
    if (dot && (length != group_length || memcmp(group, path, length) != 0)) {
      put(out, indent, strlen(indent));
      put(out, path, length);
      put(out, ":\n", 2);
    }
    group = path;
    group_length = length;
    put(out, item >= 0 && i == first ? "  - " : indent, strlen(indent));
    put(out, "  ", dot ? 2 : 0);
    put(out, key, strlen(key));
    put(out, ": ", 2);
    put_value(out, field, kohl_recipe_field_at(recipe, i, item));
    put(out, "\n", 1);
  }
}

kohl_status kohl_recipe_print(kohl_context *ctx, const kohl_recipe *recipe, char **text) {
  printer out = {ctx, NULL, 0, 0, KOHL_OK};
  put_fields(&out, recipe, 0, KOHL_RECIPE_FIELDS, -1);
  for (const kohl_recipe_scope *s = kohl_recipe_scopes; s < kohl_recipe_scopes + KOHL_RECIPE_SCOPES; s++) {
    if (!*kohl_recipe_listed(recipe, s)) continue;
    put(&out, s->key, strlen(s->key));
    put(&out, ":\n", 2);
    for (int i = 0; i < *kohl_recipe_count(recipe, s); i++) put_fields(&out, recipe, s->first, s->end, i);
  }
  if (out.status != KOHL_OK) {
    kohl_free(ctx, out.text);
    out.text = NULL;
  }
  *text = out.text;
  return out.status;
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
