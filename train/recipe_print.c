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

/* Fields first .. end-1.  phase: as in kohl_recipe_field_at; one of them is an element of a list. */
static void put_fields(printer *out, const kohl_recipe *recipe, int first, int end, int phase) {
  const char *group = "", *indent = phase < 0 ? "" : "    ";
  size_t group_length = 0;
  for (int i = first; i < end; i++) {
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    const char *dot = strchr(field->path, '.'), *key = dot ? dot + 1 : field->path;
    size_t length = dot ? (size_t)(dot - field->path) : 0;
    if (dot && (length != group_length || memcmp(group, field->path, length) != 0)) {
      put(out, indent, strlen(indent));
      put(out, field->path, length);
      put(out, ":\n", 2);
    }
    group = field->path;
    group_length = length;
    put(out, phase >= 0 && i == first ? "  - " : indent, strlen(indent));
    put(out, "  ", dot ? 2 : 0);
    put(out, key, strlen(key));
    put(out, ": ", 2);
    put_value(out, field, kohl_recipe_field_at(recipe, i, phase));
    put(out, "\n", 1);
  }
}

kohl_status kohl_recipe_print(kohl_context *ctx, const kohl_recipe *recipe, char **text) {
  printer out = {ctx, NULL, 0, 0, KOHL_OK};
  static const char phases[] = "phases:\n";
  put_fields(&out, recipe, 0, KOHL_RECIPE_FIELDS, -1);
  if (recipe->phases_listed) put(&out, phases, sizeof phases - 1);
  for (int p = 0; recipe->phases_listed && p < recipe->phase_count; p++) {
    put_fields(&out, recipe, KOHL_RECIPE_RUN_FIELDS, KOHL_RECIPE_FIELDS, p);
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
