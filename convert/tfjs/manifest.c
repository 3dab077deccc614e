/* model.json, read once from front to back; see manifest.h. */
#include "convert/tfjs/entry.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file on its way. */
typedef struct reader {
  kohl_context *ctx;
  kohl_json json;
  kohl_tfjs_manifest *m;
  char *text; /* free text behind the names */
  char format[KOHL_TFJS_WORD], generated[KOHL_JSON_WORD], converted[KOHL_JSON_WORD], keras[KOHL_JSON_WORD];
  bool has_manifest, has_topology, is_graph;
} reader;

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static kohl_status keep_tensor(reader *r, const kohl_tfjs_entry *e, const kohl_source_tensor *tensor,
                               const kohl_tfjs_place *place) {
  kohl_tfjs_manifest *m = r->m;
  if (m->count == KOHL_SAFETENSORS_COUNT)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "more than %d tensors", KOHL_SAFETENSORS_COUNT);
  kohl_status status =
      kohl_grow(r->ctx, &m->tensors, &m->tensor_capacity, m->count + 1, sizeof *m->tensors, "the tensors");
  if (!status)
    status = kohl_grow(r->ctx, &m->places, &m->place_capacity, m->count + 1, sizeof *m->places, "the tensors");
  if (status) return status;
  m->tensors[m->count] = *tensor;
  m->places[m->count] = *place;
  m->tensors[m->count++].info.name = r->text;
  r->text = stpcpy(r->text, e->name) + 1; /* shorter than its JSON: twice its length is there for each name */
  return KOHL_OK;
}

static kohl_status read_tensor(reader *r, size_t *group_bytes) {
  kohl_tfjs_entry e = {0};
  kohl_source_tensor tensor = {0};
  kohl_tfjs_place place = {.offset = r->m->bytes};
  kohl_status status = kohl_tfjs_entry_read(&r->json, &e);
  if (!status && !e.name[0]) status = kohl_json_fail(&r->json, "field 'name' of a tensor is missing");
  if (!status) status = kohl_tfjs_entry_check(r->ctx, &e, &tensor, &place);
  if (!status && (!kohl_add_size(r->m->bytes, tensor.info.bytes, &r->m->bytes)))
    status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'shape': too large");
  *group_bytes += status ? 0 : tensor.info.bytes; /* at most m->bytes */
  bool left_out = strcmp(e.group, "optimizer") == 0;
  if (!status && !left_out) status = keep_tensor(r, &e, &tensor, &place);
  if (status == KOHL_BAD_INPUT && e.name[0]) kohl_fail_prefix(r->ctx, "tensor '%s'", QUOTE(e.name));
  return status;
}

/* A name of a file in the model's own folder, which downloads of a browser write as "./weights.bin". */
static kohl_status read_path(reader *r) {
  kohl_json *json = &r->json;
  kohl_tfjs_manifest *m = r->m;
  if (json->event != KOHL_JSON_STRING)
    return json->status ? json->status : kohl_json_fail(json, "field 'paths': expected a list of texts");
  const char *name = json->text;
  size_t n = json->text_length;
  if (n > 2 && memcmp(name, "./", 2) == 0) name += 2, n -= 2;
  bool plain = n > 0 && n <= KOHL_TFJS_FILE && !memchr(name, 0, n) && !memchr(name, '/', n) && !memchr(name, '\\', n);
  if (!plain || (n <= 2 && memcmp("..", name, n) == 0))
    return kohl_json_fail(json, "field 'paths': '%s', expected the name of a file in the folder of the model",
                          kohl_quote(json->text, json->text_length).text);
  if (m->shard_count == KOHL_TFJS_SHARDS)
    return kohl_json_fail(json, "field 'paths': more than %d files", KOHL_TFJS_SHARDS);
  kohl_status status =
      kohl_grow(r->ctx, &m->shards, &m->shard_capacity, m->shard_count + 1, sizeof *m->shards, "the shards");
  if (status) return status;
  m->shards[m->shard_count++] = (kohl_tfjs_shard){r->text, m->group_count - 1};
  memcpy(r->text, name, n);
  r->text[n] = 0;
  r->text += n + 1;
  return KOHL_OK;
}

static kohl_status read_group(reader *r) {
  kohl_json *json = &r->json;
  kohl_tfjs_manifest *m = r->m;
  bool paths = false, weights = false;
  if (json->event != KOHL_JSON_OBJECT_BEGIN)
    return json->status ? json->status : kohl_json_fail(json, "field 'weightsManifest': expected a list of objects");
  kohl_status status = kohl_grow(r->ctx, &m->group_bytes, &m->group_capacity, m->group_count + 1,
                                 sizeof *m->group_bytes, "the groups of shards");
  if (status) return status;
  size_t *bytes = &m->group_bytes[m->group_count++];
  while (!status && kohl_json_next(json) == KOHL_JSON_KEY) {
    bool is_paths = kohl_json_is(json, "paths"), is_weights = kohl_json_is(json, "weights");
    if ((is_paths && paths) || (is_weights && weights)) return kohl_json_fail(json, "the field is there twice");
    paths |= is_paths;
    weights |= is_weights;
    status = is_paths || is_weights ? kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN) : kohl_json_skip(json);
    while (!status && (is_paths || is_weights) && kohl_json_next(json) != KOHL_JSON_ARRAY_END)
      status = is_paths ? read_path(r) : read_tensor(r, bytes);
  }
  status = kohl_tfjs_object_end(json, status);
  if (!status && (!paths || !weights))
    status = kohl_json_fail(json, "field 'weightsManifest': '%s' is missing", paths ? "weights" : "paths");
  return status;
}

static kohl_status read_groups(reader *r) {
  if (r->has_manifest) return kohl_json_fail(&r->json, "field 'weightsManifest' is there twice");
  r->has_manifest = true;
  kohl_status status = kohl_json_expect(&r->json, KOHL_JSON_ARRAY_BEGIN);
  while (!status && kohl_json_next(&r->json) != KOHL_JSON_ARRAY_END) {
    if (r->m->group_count == KOHL_TFJS_SHARDS)
      return kohl_json_fail(&r->json, "field 'weightsManifest': more than %d groups", KOHL_TFJS_SHARDS);
    status = read_group(r);
    if (!status) status = kohl_check_cancel(r->ctx);
  }
  return status;
}

/* Keeps the part that is a layer's "class_name" and "config": the object itself, or its "model_config". */
static kohl_status read_topology(reader *r) {
  kohl_json *json = &r->json;
  if (r->has_topology) return kohl_json_fail(json, "field 'modelTopology' is there twice");
  r->has_topology = true;
  kohl_json_next(json);
  if (json->event == KOHL_JSON_NULL) return KOHL_OK;
  if (json->event != KOHL_JSON_OBJECT_BEGIN)
    return json->status ? json->status : kohl_json_fail(json, "field 'modelTopology': expected an object");
  const char *whole = json->bytes + json->token, *config = NULL;
  size_t length = 0;
  bool named = false;
  kohl_status status = KOHL_OK;
  while (!status && kohl_json_next(json) == KOHL_JSON_KEY) {
    bool model = kohl_json_is(json, "model_config");
    named |= kohl_json_is(json, "class_name");
    r->is_graph |= kohl_json_is(json, "node");
    if (kohl_json_is(json, "keras_version")) {
      status = kohl_tfjs_take_text(json, "keras_version", r->keras, sizeof r->keras);
      continue;
    }
    const char *value = json->bytes + json->at; /* behind the colon */
    status = kohl_json_skip(json);
    if (!status && model) {
      value += strspn(value, " \t\r\n"); /* ends at the value */
      config = *value == '{' ? value : NULL;
      length = (size_t)(json->bytes + json->at - value);
    }
  }
  status = kohl_tfjs_object_end(json, status);
  if (!status && !config && named) config = whole, length = (size_t)(json->bytes + json->at - whole);
  if (status || !config || r->is_graph) return status;
  status = kohl_alloc(r->ctx, length + 1, 1, "the network's description", &r->m->topology);
  if (!status) memcpy(r->m->topology, config, length);
  return status;
}

static kohl_status read_model(reader *r) {
  kohl_json *json = &r->json;
  kohl_status status = kohl_json_expect(json, KOHL_JSON_OBJECT_BEGIN);
  while (!status && kohl_json_next(json) == KOHL_JSON_KEY) {
    if (kohl_json_is(json, "weightsManifest"))
      status = read_groups(r);
    else if (kohl_json_is(json, "modelTopology"))
      status = read_topology(r);
    else if (kohl_json_is(json, "format"))
      status = kohl_tfjs_take_text(json, "format", r->format, sizeof r->format);
    else if (kohl_json_is(json, "generatedBy"))
      status = kohl_tfjs_take_text(json, "generatedBy", r->generated, sizeof r->generated);
    else if (kohl_json_is(json, "convertedBy"))
      status = kohl_tfjs_take_text(json, "convertedBy", r->converted, sizeof r->converted);
    else
      status = kohl_json_skip(json);
    if (strcmp(r->format, "graph-model") == 0) r->is_graph = true;
    if (r->is_graph) return KOHL_OK;
  }
  status = kohl_tfjs_object_end(json, status);
  return status ? status : kohl_json_expect(json, KOHL_JSON_END);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* No two of the names that begin elements of this size. */
static kohl_status check_unique(kohl_context *ctx, const void *elements, size_t count, size_t size, const char *what) {
  const char **names;
  kohl_status status = kohl_alloc(ctx, count, sizeof *names, "the names", &names);
  if (status) return status;
  for (size_t i = 0; i < count; i++) memcpy(&names[i], (const char *)elements + i * size, sizeof names[i]);
  if (count > 1) qsort(names, count, sizeof *names, by_text);
  for (size_t i = 1; i < count && !status; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s '%s' is there twice", what, QUOTE(names[i]));
  kohl_free(ctx, names);
  return status;
}

_Static_assert(offsetof(kohl_source_tensor, info.name) == 0 && offsetof(kohl_tfjs_shard, name) == 0,
               "names come first");

static kohl_status check_model(reader *r) {
  const kohl_tfjs_manifest *m = r->m;
  if (r->is_graph)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT,
                     "is a TF.js graph-model, which holds TensorFlow's operations; expected a layers-model");
  if (r->format[0] && strcmp(r->format, "layers-model") != 0)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'format': value '%s', expected layers-model", QUOTE(r->format));
  if (!r->has_manifest) return kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'weightsManifest' is missing");
  if (!m->count) return kohl_fail(r->ctx, KOHL_BAD_INPUT, "holds no weights");
  kohl_status status = check_unique(r->ctx, m->tensors, m->count, sizeof *m->tensors, "tensor");
  return status ? status : check_unique(r->ctx, m->shards, m->shard_count, sizeof *m->shards, "field 'paths': file");
}

static void set_origin(reader *r) {
  if (!r->generated[0] && r->keras[0]) snprintf(r->generated, sizeof r->generated, "Keras %s", QUOTE(r->keras));
  snprintf(r->m->origin, sizeof r->m->origin, "%s%s%s", QUOTE(r->generated),
           r->generated[0] && r->converted[0] ? ", " : "", QUOTE(r->converted));
}

kohl_status kohl_tfjs_manifest_read(kohl_context *ctx, const char *path, const char *json, size_t length,
                                    kohl_tfjs_manifest *manifest) {
  reader r = {.ctx = ctx, .m = manifest};
  if (length > KOHL_TFJS_JSON)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes of JSON, expected at most %d", path, length, KOHL_TFJS_JSON);
  kohl_status status = kohl_alloc(ctx, length + 1, 2, "the names of a TF.js model", &manifest->texts);
  if (status) return status;
  r.text = manifest->texts;
  kohl_json_open(&r.json, ctx, json, length);
  status = read_model(&r);
  kohl_json_close(&r.json);
  if (!status) status = check_model(&r);
  if (!status) status = kohl_tfjs_names_set(ctx, manifest, r.text);
  if (!status) set_origin(&r);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", path);
  if (status) kohl_tfjs_manifest_free(ctx, manifest);
  return status;
}

void kohl_tfjs_manifest_free(kohl_context *ctx, kohl_tfjs_manifest *manifest) {
  kohl_free(ctx, manifest->tensors);
  kohl_free(ctx, manifest->places);
  kohl_free(ctx, manifest->shards);
  kohl_free(ctx, manifest->group_bytes);
  kohl_free(ctx, manifest->topology);
  kohl_free(ctx, manifest->texts);
  *manifest = (kohl_tfjs_manifest){0};
}
