/* The graph as JSON: {"arch": ..., "base_output": name, "nodes": [{"name", "layer", "inputs": [names], "trainable",
 * <fields of the layer>}, ...]}.  Fields are those of nn/fields.c; all of a layer's fields are always written, and
 * reading takes absent ones from kohl_params_default. */
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/fields.h"

static void write_field(const kohl_field *field, const kohl_params *params, kohl_json_writer *writer) {
  const char *at = (const char *)params + field->offset;
  const int *ints = (const int *)(const void *)at;
  kohl_json_write_key(writer, field->name);
  switch (field->kind) {
    case KOHL_FIELD_INT:
      if (field->count > 1) kohl_json_write_array_begin(writer);
      for (int i = 0; i < field->count; i++) kohl_json_write_int64(writer, ints[i]);
      if (field->count > 1) kohl_json_write_array_end(writer);
      break;
    case KOHL_FIELD_FLOAT: kohl_json_write_float(writer, *(const float *)(const void *)at); break;
    case KOHL_FIELD_BOOL: kohl_json_write_bool(writer, *(const bool *)at); break;
    case KOHL_FIELD_WORD: kohl_json_write_string(writer, field->words[*(const unsigned *)(const void *)at]); break;
  }
}

void kohl_fields_write_json(kohl_layer layer, const kohl_params *params, kohl_json_writer *writer) {
  for (const kohl_field *field = kohl_fields; field->layer != KOHL_LAYER_COUNT; field++) {
    if (field->layer == layer) write_field(field, params, writer);
  }
}

void kohl_graph_write_json(const kohl_graph *graph, kohl_json_writer *writer) {
  kohl_json_write_object_begin(writer);
  kohl_json_write_key(writer, "arch");
  kohl_json_write_string(writer, graph->arch);
  kohl_json_write_key(writer, "base_output");
  if (graph->base_output >= 0)
    kohl_json_write_string(writer, graph->nodes[graph->base_output].name);
  else
    kohl_json_write_null(writer);
  kohl_json_write_key(writer, "nodes");
  kohl_json_write_array_begin(writer);
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    kohl_json_write_object_begin(writer);
    kohl_json_write_key(writer, "name");
    kohl_json_write_string(writer, node->name);
    kohl_json_write_key(writer, "layer");
    kohl_json_write_string(writer, kohl_layer_name(node->layer));
    kohl_json_write_key(writer, "inputs");
    kohl_json_write_array_begin(writer);
    for (int j = 0; j < node->input_count; j++) kohl_json_write_string(writer, graph->nodes[node->inputs[j]].name);
    kohl_json_write_array_end(writer);
    kohl_json_write_key(writer, "trainable");
    kohl_json_write_bool(writer, node->trainable);
    kohl_fields_write_json(node->layer, &node->params, writer);
    kohl_json_write_object_end(writer);
  }
  kohl_json_write_array_end(writer);
  kohl_json_write_object_end(writer);
}

/* A node while it is read: fields may come before the layer's word would be known, so "layer" must come first. */
typedef struct {
  char *name;
  bool has_layer, trainable;
  kohl_layer layer;
  kohl_params params;
  int inputs[KOHL_NODE_INPUTS], input_count;
} draft;

static kohl_status read_bool(kohl_json *json, bool *out) {
  kohl_json_event event = kohl_json_next(json);
  if (event != KOHL_JSON_TRUE && event != KOHL_JSON_FALSE)
    return kohl_json_fail(json, "expected true or false, found %s", kohl_json_event_name(event));
  *out = event == KOHL_JSON_TRUE;
  return KOHL_OK;
}

static kohl_status read_int(kohl_json *json, int *out) {
  int64_t value;
  kohl_status status = kohl_json_expect(json, KOHL_JSON_NUMBER_VALUE);
  if (status == KOHL_OK) status = kohl_json_get_int64(json, &value);
  if (status != KOHL_OK) return status;
  if (value < INT32_MIN || value > INT32_MAX)
    return kohl_json_fail(json, "%lld is no 32-bit integer", (long long)value);
  *out = (int)value;
  return KOHL_OK;
}

static kohl_status read_ints(kohl_json *json, int *out, int count) {
  if (count == 1) return read_int(json, out);
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  for (int i = 0; i < count && status == KOHL_OK; i++) status = read_int(json, &out[i]);
  return status == KOHL_OK ? kohl_json_expect(json, KOHL_JSON_ARRAY_END) : status;
}

static kohl_status read_field(kohl_json *json, const kohl_field *field, kohl_params *params) {
  char *at = (char *)params + field->offset;
  kohl_status status;
  double number;
  switch (field->kind) {
    case KOHL_FIELD_INT: return read_ints(json, (int *)(void *)at, field->count);
    case KOHL_FIELD_BOOL: return read_bool(json, (bool *)at);
    case KOHL_FIELD_FLOAT:
      status = kohl_json_expect(json, KOHL_JSON_NUMBER_VALUE);
      if (status == KOHL_OK) status = kohl_json_get_double(json, &number);
      if (status == KOHL_OK) *(float *)(void *)at = (float)number;
      return status;
    case KOHL_FIELD_WORD:
      status = kohl_json_expect(json, KOHL_JSON_STRING);
      if (status != KOHL_OK) return status;
      for (int i = 0; field->words[i]; i++) {
        if (kohl_json_is(json, field->words[i])) return *(unsigned *)(void *)at = (unsigned)i, KOHL_OK;
      }
      return kohl_json_fail(json, "unknown word '%s' for %s", kohl_quote(json->text, json->text_length).text,
                            field->name);
  }
  return KOHL_OK;
}

static kohl_status read_layer(kohl_json *json, draft *node) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_STRING);
  if (status != KOHL_OK) return status;
  for (int i = 0; i < KOHL_LAYER_COUNT; i++) {
    if (!kohl_json_is(json, kohl_layer_name((kohl_layer)i))) continue;
    node->layer = (kohl_layer)i;
    node->has_layer = true;
    return KOHL_OK;
  }
  return kohl_json_fail(json, "layer '%s': '%s' is a kind of layer that this version does not know",
                        node->name ? node->name : "?", kohl_quote(json->text, json->text_length).text);
}

static kohl_status read_inputs(kohl_json *json, const kohl_graph *graph, draft *node) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_STRING) {
    if (node->input_count == KOHL_NODE_INPUTS) return kohl_json_fail(json, "more than %d inputs", KOHL_NODE_INPUTS);
    int found = -1;
    for (size_t i = 0; i < graph->count && found < 0; i++) {
      if (kohl_json_is(json, graph->nodes[i].name)) found = (int)i;
    }
    if (found < 0)
      return kohl_json_fail(json, "input '%s' is no earlier layer", kohl_quote(json->text, json->text_length).text);
    node->inputs[node->input_count++] = found;
  }
  if (status != KOHL_OK || json->status != KOHL_OK) return status != KOHL_OK ? status : json->status;
  return json->event == KOHL_JSON_ARRAY_END ? KOHL_OK : kohl_json_fail(json, "expected a layer's name");
}

/* The member whose key is current. */
static kohl_status read_member(kohl_json *json, const kohl_graph *graph, draft *node) {
  kohl_status status;
  if (kohl_json_is(json, "name")) {
    if (node->name) return kohl_json_fail(json, "a second name");
    status = kohl_json_expect(json, KOHL_JSON_STRING);
    return status == KOHL_OK ? kohl_json_copy_text(json, &node->name) : status;
  }
  if (kohl_json_is(json, "layer")) return read_layer(json, node);
  if (kohl_json_is(json, "inputs")) return read_inputs(json, graph, node);
  if (kohl_json_is(json, "trainable")) return read_bool(json, &node->trainable);
  if (!node->has_layer) return kohl_json_fail(json, "expected \"name\" and \"layer\" before the layer's fields");
  for (const kohl_field *field = kohl_fields; field->layer != KOHL_LAYER_COUNT; field++) {
    if (field->layer == node->layer && kohl_json_is(json, field->name)) return read_field(json, field, &node->params);
  }
  return kohl_json_fail(json, "layer '%s' (%s): unknown field '%s'", node->name ? node->name : "?",
                        kohl_layer_name(node->layer), kohl_quote(json->text, json->text_length).text);
}

/* The node whose object has just begun. */
static kohl_status read_node(kohl_context *ctx, kohl_json *json, kohl_graph *graph) {
  draft node;
  memset(&node, 0, sizeof node);
  node.params = kohl_params_default();
  node.trainable = true;
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_KEY) status = read_member(json, graph, &node);
  if (status == KOHL_OK) status = json->status;
  if (status == KOHL_OK && (!node.name || !node.has_layer))
    status = kohl_json_fail(json, "a layer without name or kind");
  int index;
  if (status == KOHL_OK)
    status = kohl_graph_add(ctx, graph, node.layer, node.name, &node.params, node.inputs, node.input_count, &index);
  if (status == KOHL_OK) graph->nodes[index].trainable = node.trainable;
  kohl_free(ctx, node.name);
  return status;
}

/* The members of the graph's object; *base receives the name of the base's last layer or stays NULL. */
static kohl_status read_members(kohl_context *ctx, kohl_json *json, kohl_graph *graph, char **base) {
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_KEY) {
    bool arch = kohl_json_is(json, "arch");
    if (arch || kohl_json_is(json, "base_output")) {
      kohl_json_event event = kohl_json_next(json);
      if (event == KOHL_JSON_NULL && !arch) continue;
      char **slot = arch ? &graph->arch : base;
      if (event != KOHL_JSON_STRING)
        return kohl_json_fail(json, "expected a string, found %s", kohl_json_event_name(event));
      kohl_free(ctx, *slot);
      *slot = NULL;
      status = kohl_json_copy_text(json, slot);
    } else if (kohl_json_is(json, "nodes")) {
      status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
      while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_OBJECT_BEGIN) status = read_node(ctx, json, graph);
      if (status == KOHL_OK) status = json->status;
      if (status == KOHL_OK && json->event != KOHL_JSON_ARRAY_END)
        status = kohl_json_fail(json, "expected a layer's object");
    } else {
      status = kohl_json_fail(json, "unknown field '%s' of the graph", kohl_quote(json->text, json->text_length).text);
    }
  }
  if (status == KOHL_OK) status = json->status;
  if (status == KOHL_OK && json->event != KOHL_JSON_OBJECT_END)
    status = kohl_json_fail(json, "expected a field of the graph");
  return status;
}

kohl_status kohl_graph_read_json(kohl_context *ctx, kohl_json *json, kohl_graph **out) {
  kohl_graph *graph;
  char *base = NULL;
  *out = NULL;
  kohl_status status = kohl_graph_create(ctx, "", &graph);
  if (status != KOHL_OK) return status;
  status = kohl_json_expect(json, KOHL_JSON_OBJECT_BEGIN);
  if (status == KOHL_OK) status = read_members(ctx, json, graph, &base);
  if (status == KOHL_OK && !graph->arch) status = kohl_strdup(ctx, "", &graph->arch);
  if (status == KOHL_OK && !graph->count) status = kohl_fail(ctx, KOHL_BAD_INPUT, "the graph has no layers");
  if (status == KOHL_OK && base) {
    graph->base_output = kohl_graph_find(graph, base);
    if (graph->base_output < 0)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "base_output '%s' is no layer of the graph", base);
  }
  if (status == KOHL_OK) status = kohl_graph_infer(ctx, graph);
  kohl_free(ctx, base);
  if (status == KOHL_OK)
    *out = graph;
  else
    kohl_graph_destroy(ctx, graph);
  return status;
}
