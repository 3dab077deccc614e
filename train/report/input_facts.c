/* run.json, flattened: "data.train" and "837".  Whoever writes it may add keys; all are shown. */
#include <string.h>
#include <unistd.h>

#include "datasets/file.h"
#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "train/report/input.h"
#include "train/runfolder.h"

typedef struct walker {
  kohl_report_input *out;
  kohl_text prefix;              /* the keys so far, with '.' between them */
  size_t begin[KOHL_JSON_DEPTH]; /* how long the prefix was outside of each bracket */
  bool array[KOHL_JSON_DEPTH];
  int depth;
} walker;

static void cut(kohl_text *text, size_t length) {
  if (text->text) text->text[text->length = length] = 0;
}

static kohl_status add_fact(walker *w, const char *value, size_t length) {
  kohl_report_input *out = w->out;
  kohl_context *ctx = out->ctx;
  const char *key = w->prefix.text ? w->prefix.text : "";
  kohl_report_fact *last = out->fact_count ? &out->facts[out->fact_count - 1] : NULL;
  if (w->depth > 0 && w->array[w->depth - 1] && last && strcmp(last->key, key) == 0) { /* a further one of an array */
    kohl_text joined = {.ctx = ctx};
    kohl_text_add(&joined, "%s, %.*s", last->value, (int)length, value);
    if (joined.status != KOHL_OK) return joined.status;
    kohl_free(ctx, last->value);
    last->value = joined.text;
    return KOHL_OK;
  }
  kohl_status status =
      kohl_grow(ctx, &out->facts, &out->fact_capacity, out->fact_count + 1, sizeof *out->facts, "facts");
  if (status != KOHL_OK) return status;
  kohl_report_fact *fact = &out->facts[out->fact_count];
  status = kohl_strdup(ctx, key, &fact->key);
  if (status == KOHL_OK) status = kohl_alloc(ctx, length + 1, 1, "a value", &fact->value);
  if (status == KOHL_OK) {
    memcpy(fact->value, value, length);
    out->fact_count++;
  } else {
    kohl_free(ctx, fact->key);
    fact->key = NULL;
  }
  return status;
}

static kohl_status step(walker *w, kohl_json *json) {
  size_t outside = w->depth > 0 ? w->begin[w->depth - 1] : 0;
  switch (json->event) {
    case KOHL_JSON_OBJECT_BEGIN:
    case KOHL_JSON_ARRAY_BEGIN: /* the reader has refused more than KOHL_JSON_DEPTH */
      w->array[w->depth] = json->event == KOHL_JSON_ARRAY_BEGIN;
      w->begin[w->depth++] = w->prefix.length;
      return KOHL_OK;
    case KOHL_JSON_OBJECT_END:
    case KOHL_JSON_ARRAY_END:
      cut(&w->prefix, outside);
      w->depth--;
      break;
    case KOHL_JSON_KEY:
      kohl_text_add(&w->prefix, "%s%.*s", w->prefix.length ? "." : "", (int)json->text_length, json->text);
      return w->prefix.status;
    case KOHL_JSON_TRUE:
    case KOHL_JSON_FALSE:
    case KOHL_JSON_STRING:
    case KOHL_JSON_NUMBER_VALUE: {
      bool word = json->event == KOHL_JSON_TRUE || json->event == KOHL_JSON_FALSE;
      const char *text = !word ? json->text : json->event == KOHL_JSON_TRUE ? "yes" : "no";
      kohl_status status = add_fact(w, text, word ? strlen(text) : json->text_length);
      if (status != KOHL_OK) return status;
      break;
    }
    default: break; /* null says nothing */
  }
  /* the value of a key is over: back to the keys of the object that holds it */
  if (w->depth > 0 && !w->array[w->depth - 1]) cut(&w->prefix, w->begin[w->depth - 1]);
  return KOHL_OK;
}

kohl_status kohl_report_facts_read(kohl_context *ctx, const char *path, kohl_report_input *out) {
  uint8_t *bytes;
  size_t length;
  if (access(path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_file_load(ctx, path, KOHL_REPORT_TEXT, &bytes, &length);
  if (status != KOHL_OK) return status;
  walker w = {.out = out, .prefix = {.ctx = ctx}};
  kohl_json json;
  kohl_json_open(&json, ctx, (const char *)bytes, length);
  while (status == KOHL_OK && kohl_json_next(&json) != KOHL_JSON_END) {
    status = json.event == KOHL_JSON_ERROR ? json.status : step(&w, &json);
  }
  if (status != KOHL_OK) kohl_fail_prefix(ctx, "%s", path);
  out->has_facts = status == KOHL_OK;
  kohl_json_close(&json);
  kohl_text_free(&w.prefix);
  kohl_free(ctx, bytes);
  return status;
}

const char *kohl_report_fact_find(const kohl_report_input *input, const char *key) {
  for (size_t i = 0; i < input->fact_count; i++) {
    if (strcmp(input->facts[i].key, key) == 0) return input->facts[i].value;
  }
  return NULL;
}
