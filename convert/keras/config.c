/* model_config to a graph; see config.h.  {"class_name": "Sequential" | "Functional" | "Model", "config":
 * {"layers": [{"class_name", "config": {"name", ...}, "inbound_nodes"}], "output_layers"}}.  What a field means stands
 * in Keras's documentation of the layer; anything that we could only compute differently is refused. */
#include "convert/keras/config.h"

#include <stdio.h>
#include <string.h>

#include "convert/base.h"
#include "convert/keras/layers.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

typedef kohl_keras_reader reader;

/* The layers that a value refers to: every array that begins with a text, ["conv2d", 0, 0], in all of Keras's notations
 * (Keras 3 has it under "keras_history").  calls counts the array's own elements. */
static kohl_status find_inputs(reader *r, const char *field, kohl_json_range value, int *inputs, int *count,
                               int *calls) {
  kohl_json json;
  kohl_status status = KOHL_OK;
  kohl_json_event before = KOHL_JSON_END;
  *count = *calls = 0;
  kohl_json_open(&json, r->ctx, value.text, value.length);
  while (!status && kohl_json_next(&json) != KOHL_JSON_END) {
    if (json.event == KOHL_JSON_ERROR) {
      status = json.status;
    } else if (json.event == KOHL_JSON_STRING && before == KOHL_JSON_ARRAY_BEGIN) {
      int node = json.text_length < KOHL_JSON_WORD ? kohl_keras_layer_output(r, json.text, json.text_length) : -1;
      if (node == -1 || *count == KOHL_NODE_INPUTS)
        status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field '%s': '%s', expected at most %d layers that come before",
                           field, kohl_quote(json.text, json.text_length).text, KOHL_NODE_INPUTS);
      else
        inputs[(*count)++] = node;
    }
    *calls += json.depth == 2 && (json.event == KOHL_JSON_ARRAY_BEGIN || json.event == KOHL_JSON_OBJECT_BEGIN);
    before = json.event;
  }
  kohl_json_close(&json);
  return status;
}

static kohl_status read_layer(reader *r, kohl_json_range layer) {
  int inputs[KOHL_NODE_INPUTS], count = 0, calls = 0;
  kohl_json_range inbound = {0};
  snprintf(r->name, sizeof r->name, "%zu", r->graph->count); /* until its name is known */
  r->class[0] = 0;
  kohl_status status = kohl_json_field_text(r->ctx, layer, "class_name", r->class);
  if (!status) status = kohl_json_field(r->ctx, layer, "config", &r->config);
  if (!status && !r->config.text) status = kohl_keras_layer_refuse(r, "config", "", "an object");
  if (!status) status = kohl_json_field_text(r->ctx, r->config, "name", r->name);
  if (!status && r->sequential) {
    if (r->graph->count == 0 && strcmp(r->class, "InputLayer") != 0) status = kohl_keras_layer_input(r, "input");
    inputs[0] = r->last;
    count = 1;
  } else if (!status && strcmp(r->class, "InputLayer") != 0) {
    status = kohl_json_field(r->ctx, layer, "inbound_nodes", &inbound);
    if (!status && inbound.text) status = find_inputs(r, "inbound_nodes", inbound, inputs, &count, &calls);
    if (!status && calls != 1)
      status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'inbound_nodes': %d uses of the layer, expected one", calls);
  }
  if (!status && strcmp(r->class, "InputLayer") == 0 && r->graph->count > 0)
    status = kohl_keras_layer_refuse(r, "class_name", r->class, "one input");
  if (!status) status = kohl_keras_layer_add(r, inputs, count);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(r->ctx, "model_config: layer '%s'", QUOTE(r->name));
  return status;
}

/* The one output of a functional model; of a sequence it is the last layer. */
static kohl_status find_last(reader *r, kohl_json_range config, int *last) {
  int outputs[KOHL_NODE_INPUTS], count = 1, calls;
  kohl_json_range value;
  *last = r->sequential ? r->last : (int)r->graph->count - 1;
  if (r->sequential)
    return *last >= 0 ? KOHL_OK : kohl_keras_layer_refuse(r, "layers", "ZeroPadding2D", "another layer at the end");
  kohl_status status = kohl_json_field(r->ctx, config, "output_layers", &value);
  if (!status && value.text) status = find_inputs(r, "output_layers", value, outputs, &count, &calls);
  if (!status && value.text && count == 1) *last = outputs[0];
  if (!status && (count != 1 || *last < 0))
    status =
        kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'output_layers': %d layers, expected one, no ZeroPadding2D", count);
  return status;
}

static kohl_status read_model(reader *r, kohl_json_range model, int *last) {
  char class[KOHL_JSON_WORD] = "";
  kohl_json_range config, layers, layer;
  bool more = true;
  kohl_status status = kohl_json_field_text(r->ctx, model, "class_name", class);
  if (!status) status = kohl_json_field(r->ctx, model, "config", &config);
  if (status) return status;
  r->sequential = strcmp(class, "Sequential") == 0;
  if (!r->sequential && strcmp(class, "Functional") != 0 && strcmp(class, "Model") != 0)
    return kohl_keras_layer_refuse(r, "class_name", class, "Sequential, Functional or Model");
  layers = config; /* the oldest Sequential is a list itself */
  if (config.text && config.text[0] == '{') status = kohl_json_field(r->ctx, config, "layers", &layers);
  if (status) return status;
  if (!layers.text || layers.text[0] != '[') return kohl_keras_layer_refuse(r, "layers", "", "a list");
  kohl_json json;
  kohl_json_open(&json, r->ctx, layers.text, layers.length);
  kohl_json_next(&json);
  while (!status && !(status = kohl_json_element(&json, &layer, &more)) && more) status = read_layer(r, layer);
  kohl_json_close(&json);
  if (!status && r->graph->count < 2) status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'layers': there are none");
  return status ? status : find_last(r, config, last);
}

kohl_status kohl_keras_config_read(kohl_context *ctx, const char *path, const char *json, int size, kohl_graph **out) {
  reader r = {.ctx = ctx, .size = size, .last = -1};
  int last = -1;
  *out = NULL;
  kohl_status status = kohl_graph_create(ctx, "keras", &r.graph);
  if (!status) status = read_model(&r, (kohl_json_range){json, strlen(json)}, &last);
  if (!status) status = kohl_graph_cut(ctx, r.graph, last, NULL, out);
  if (!status) (*out)->base_output = kohl_convert_base(*out);
  kohl_graph_destroy(ctx, r.graph);
  kohl_free(ctx, r.pads);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", path);
  return status;
}
