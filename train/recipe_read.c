/* A recipe from YAML: libcyaml checks the structure against a schema made of recipe.def, the fields check their values.
 *
 * Every scalar comes out of libcyaml as text, so that a file and `--set` go through the same conversion and the same
 * messages.  libcyaml's own words are caught by its log callback and lead to the field; its line is the bracket's, so
 * that the line of the key is taken from recipe_scan.c. */
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <string.h>

#include "datasets/file.h"
#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "train/recipe_field.h"

enum { GROUPS = 24 };

/* What libcyaml fills: per field its text, or its list of texts.  NULL: absent. */
typedef struct raw_values {
  char *text[KOHL_RECIPE_FIELDS];
  char **list[KOHL_RECIPE_FIELDS];
  unsigned count[KOHL_RECIPE_FIELDS];
} raw_values;
typedef struct raw_recipe {
  raw_values top;
  struct {
    raw_values *item;
    unsigned count;
  } list[KOHL_RECIPE_SCOPES];
} raw_recipe;

/* The keys of a mapping and of the groups in it.  Groups are laid over the whole raw_values, at offset 0. */
typedef struct mapping {
  cyaml_schema_field_t top[KOHL_RECIPE_FIELDS + KOHL_RECIPE_SCOPES + 1];
  cyaml_schema_field_t inner[KOHL_RECIPE_FIELDS + GROUPS]; /* one group after the other, each ended by an empty one */
  char name[GROUPS][32];
} mapping;

typedef struct schema {
  mapping recipe, item[KOHL_RECIPE_SCOPES];
  cyaml_schema_value_t entry, item_entry[KOHL_RECIPE_SCOPES], root;
} schema;

/* libcyaml's messages: the first line, and the fields of the backtrace from the innermost outwards. */
typedef struct complaint {
  char first[192];
  char path[64];
} complaint;

static void catch_log(cyaml_log_t level, void *user, const char *format, va_list args) {
  complaint *c = user;
  char text[256];
  if (level < CYAML_LOG_ERROR) return;
  vsnprintf(text, sizeof text, format, args);
  const char *message = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
  if (!c->first[0]) snprintf(c->first, sizeof c->first, "%.*s", (int)strcspn(message, "\n"), message);
  const char *field = strstr(text, "in mapping field '"), *element = strstr(text, "in sequence entry '");
  const char *begin = field ? field + 18 : element ? element + 19 : NULL, *end = begin ? strchr(begin, '\'') : NULL;
  if (!end) return;
  const bool size = strncmp(c->first, "Excessive", 9) == 0 || strncmp(c->first, "Insufficient", 12) == 0;
  if (!field && size && !c->path[0]) return; /* of the list, not of its last element */
  char inner[sizeof c->path];
  memcpy(inner, c->path, sizeof inner);
  snprintf(c->path, sizeof c->path, "%.*s%s%.40s", (int)(end - begin < 20 ? end - begin : 20), begin,
           inner[0] ? "." : "", inner);
}

/* realloc through the context: the size stands before the block, at a distance that keeps it aligned. */
static void *take_memory(void *user, void *old, size_t bytes) {
  kohl_context *ctx = user;
  enum { HEAD = 64 };
  if (bytes == 0) {
    if (old) kohl_free(ctx, (char *)old - HEAD);
    return NULL;
  }
  char *block;
  size_t whole;
  if (!kohl_add_size(bytes, HEAD, &whole) || kohl_alloc(ctx, whole, 1, "a recipe", &block) != KOHL_OK) return NULL;
  memcpy(block, &bytes, sizeof bytes);
  if (old) {
    size_t had;
    memcpy(&had, (char *)old - HEAD, sizeof had);
    memcpy(block + HEAD, old, had < bytes ? had : bytes);
    kohl_free(ctx, (char *)old - HEAD);
  }
  return block + HEAD;
}

static cyaml_schema_field_t leaf(const schema *s, int index, const char *key) {
  cyaml_schema_field_t field = {.key = key};
  const kohl_recipe_kind kind = kohl_recipe_fields[index].kind;
  if (kind == KOHL_RECIPE_LIST_OF_INT || kind == KOHL_RECIPE_RANGE) {
    field.data_offset = (uint32_t)(offsetof(raw_values, list) + (size_t)index * sizeof(char **));
    field.count_offset = (uint32_t)(offsetof(raw_values, count) + (size_t)index * sizeof(unsigned));
    field.count_size = sizeof(unsigned);
    field.value.type = CYAML_SEQUENCE;
    field.value.data_size = sizeof(char *);
    field.value.sequence.entry = &s->entry;
    field.value.sequence.max = KOHL_RECIPE_LIST;
  } else {
    field.data_offset = (uint32_t)(offsetof(raw_values, text) + (size_t)index * sizeof(char *));
    field.value = s->entry;
  }
  field.value.flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);
  return field;
}

/* Fields as keys of a mapping: all of them, or those of an element of a scope; returns where the next key goes. */
static cyaml_schema_field_t *build_mapping(const schema *s, mapping *to, const kohl_recipe_scope *scope) {
  const int first = scope ? scope->first : 0, end = scope ? scope->end : KOHL_RECIPE_FIELDS;
  cyaml_schema_field_t *top = to->top, *inner = to->inner;
  int groups = 0;
  for (int i = first; i < end; i++) {
    const char *path = scope ? kohl_recipe_element_key(i) : kohl_recipe_fields[i].path, *dot = strchr(path, '.');
    if (!dot) {
      *top++ = leaf(s, i, path);
      continue;
    }
    size_t length = (size_t)(dot - path);
    if (groups == 0 || strlen(to->name[groups - 1]) != length || memcmp(to->name[groups - 1], path, length) != 0) {
      inner += groups > 0;
      memcpy(to->name[groups], path, length);
      top->key = to->name[groups++];
      top->value.type = CYAML_MAPPING;
      top->value.flags = CYAML_FLAG_OPTIONAL;
      top->value.data_size = sizeof(raw_values);
      top++->value.mapping.fields = inner;
    }
    *inner++ = leaf(s, i, dot + 1);
  }
  return top;
}

static void build_schema(schema *s) {
  memset(s, 0, sizeof *s);
  s->entry.type = CYAML_STRING;
  s->entry.flags = CYAML_FLAG_POINTER;
  s->entry.data_size = sizeof(char);
  s->entry.string.max = 4096;
  cyaml_schema_field_t *next = build_mapping(s, &s->recipe, NULL);
  for (size_t i = 0; i < KOHL_RECIPE_SCOPES; i++, next++) {
    const kohl_recipe_scope *scope = &kohl_recipe_scopes[i];
    build_mapping(s, &s->item[i], scope);
    s->item_entry[i].type = CYAML_MAPPING;
    s->item_entry[i].data_size = sizeof(raw_values);
    s->item_entry[i].mapping.fields = s->item[i].top;
    next->key = scope->key;
    next->data_offset = (uint32_t)(offsetof(raw_recipe, list) + i * sizeof((raw_recipe *)0)->list[0]);
    next->count_offset = next->data_offset + (uint32_t)sizeof(raw_values *);
    next->count_size = sizeof(unsigned);
    next->value.type = CYAML_SEQUENCE;
    next->value.flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);
    next->value.data_size = sizeof(raw_values);
    next->value.sequence.entry = &s->item_entry[i];
    next->value.sequence.min = 1;
    next->value.sequence.max = (uint32_t)scope->most;
  }
  s->root.type = CYAML_MAPPING;
  s->root.flags = CYAML_FLAG_POINTER;
  s->root.data_size = sizeof(raw_recipe);
  s->root.mapping.fields = s->recipe.top;
}

static kohl_status explain(kohl_context *ctx, const char *name, cyaml_err_t error, complaint *c,
                           const kohl_recipe_lines *lines) {
  if (error == CYAML_ERR_OOM) return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: memory for the recipe refused", name);
  static const char unexpected[] = "Unexpected key: ";
  const char *key = strncmp(c->first, unexpected, sizeof unexpected - 1) == 0 ? c->first + sizeof unexpected - 1 : NULL;
  char path[320];
  snprintf(path, sizeof path, "%s%s%s", c->path, key && c->path[0] ? "." : "", key ? key : "");
  int line = kohl_recipe_line_of(lines, path);
  if (key) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': no such field, expected one of recipes/README.md", name,
                     line, kohl_quote(path, strlen(path)).text);
  }
  const char *what = c->first[0] ? c->first : cyaml_strerror(error);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': %s", name, line, kohl_quote(path, strlen(path)).text, what);
}

static bool has_key(const kohl_recipe_lines *lines, const char *path) {
  for (size_t i = 0; i < lines->count; i++) {
    if (strcmp(lines->line[i].path, path) == 0) return true;
  }
  return false;
}

/* A list's texts as one, "[1,2]". */
enum { JOINED = 512 };
static void join(char *const *list, unsigned count, char joined[JOINED]) {
  size_t at = 1;
  joined[0] = '[';
  for (unsigned k = 0; k < count && at < JOINED; k++) {
    at += (size_t)snprintf(joined + at, JOINED - at, "%s%.40s", k ? "," : "", list[k][0] ? list[k] : "''");
  }
  if (at < JOINED - 1) memcpy(joined + at, "]", 2);
}

/* Hands every text that is there to its field: of the top level (scope NULL) or of an element. */
static kohl_status convert(kohl_context *ctx, const char *name, const raw_values *raw, const kohl_recipe_lines *lines,
                           const kohl_recipe_scope *scope, int item, kohl_recipe *out) {
  const int first = scope ? scope->first : 0, end = scope ? scope->end : KOHL_RECIPE_FIELDS;
  for (int i = first; i < end; i++) {
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    char joined[JOINED], path[64], prefix[24] = "", *text = raw->text[i];
    if (scope) snprintf(prefix, sizeof prefix, "%s.%d.", scope->key, item + 1);
    snprintf(path, sizeof path, "%s%s", prefix, scope ? kohl_recipe_element_key(i) : field->path);
    const bool list = field->kind == KOHL_RECIPE_LIST_OF_INT || field->kind == KOHL_RECIPE_RANGE;
    if (list && has_key(lines, path)) { /* libcyaml gives NULL for [] */
      join(raw->list[i], raw->count[i], joined);
      text = joined;
    }
    if (!text) continue;
    kohl_status status;
    char expected[KOHL_RECIPE_EXPECTED];
    void *at = kohl_recipe_field_at(out, i, item);
    if (kohl_recipe_field_parse(ctx, field, text, at, expected, &status)) {
      if (scope) *kohl_recipe_own(out, scope, item) |= (uint64_t)1 << (i - scope->first);
      continue;
    }
    if (status != KOHL_OK) return status;
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': value '%s', expected %s", name,
                     kohl_recipe_line_of(lines, path), path, kohl_quote(text, strlen(text)).text, expected);
  }
  return KOHL_OK;
}

static kohl_status convert_all(kohl_context *ctx, const char *name, const raw_recipe *raw,
                               const kohl_recipe_lines *lines, kohl_recipe *out) {
  kohl_status status = convert(ctx, name, &raw->top, lines, NULL, -1, out);
  for (int i = 0; i < KOHL_RECIPE_SCOPES; i++) {
    const kohl_recipe_scope *scope = &kohl_recipe_scopes[i];
    const int count = (int)raw->list[i].count;
    if (!count) continue;
    *kohl_recipe_listed(out, scope) = true;
    *kohl_recipe_count(out, scope) = count;
    for (int k = 0; k < count && status == KOHL_OK; k++) {
      status = convert(ctx, name, &raw->list[i].item[k], lines, scope, k, out);
    }
  }
  return status == KOHL_OK ? kohl_recipe_settle(ctx, out) : status;
}

kohl_status kohl_recipe_parse(kohl_context *ctx, const char *name, const char *text, size_t bytes, kohl_recipe *out) {
  memset(out, 0, sizeof *out);
  if (bytes > KOHL_RECIPE_BYTES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes, expected at most %d", name, bytes, KOHL_RECIPE_BYTES);
  }
  kohl_recipe_lines lines;
  kohl_status status = kohl_recipe_scan(ctx, name, text, bytes, &lines);
  schema s;
  build_schema(&s);
  complaint caught = {"", ""};
  cyaml_config_t config = {.log_fn = catch_log,
                           .log_ctx = &caught,
                           .mem_fn = take_memory,
                           .mem_ctx = ctx,
                           .log_level = CYAML_LOG_ERROR,
                           .flags = CYAML_CFG_NO_ALIAS};
  raw_recipe *raw = NULL;
  if (status == KOHL_OK) {
    cyaml_err_t error = cyaml_load_data((const uint8_t *)text, bytes, &config, &s.root, (cyaml_data_t **)&raw, NULL);
    if (error != CYAML_OK) status = explain(ctx, name, error, &caught, &lines);
  }
  if (status == KOHL_OK) status = kohl_recipe_default(ctx, out);
  if (status == KOHL_OK && raw) status = convert_all(ctx, name, raw, &lines, out);
  if (status == KOHL_OK) status = kohl_recipe_check(ctx, out, name);
  if (raw) cyaml_free(&config, &s.root, raw, 0);
  kohl_free(ctx, lines.line);
  if (status != KOHL_OK) kohl_recipe_free(ctx, out);
  return status;
}

kohl_status kohl_recipe_read(kohl_context *ctx, const char *path, kohl_recipe *out) {
  uint8_t *text;
  size_t bytes;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_file_load(ctx, path, KOHL_RECIPE_BYTES, &text, &bytes);
  if (status != KOHL_OK) return status;
  status = kohl_recipe_parse(ctx, path, (const char *)text, bytes, out);
  kohl_free(ctx, text);
  return status;
}
