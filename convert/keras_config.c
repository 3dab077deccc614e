/* model_config to a graph; see keras_config.h.  {"class_name": "Sequential" | "Functional" | "Model", "config":
 * {"layers": [{"class_name", "config": {"name", ...}, "inbound_nodes"}], "output_layers"}}.  What a field means stands
 * in Keras's documentation of the layer; anything that we could only compute differently is refused. */
#include "convert/keras_config.h"

#include <stdio.h>
#include <string.h>

#include "convert/keras_fields.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

typedef struct reader {
  kohl_context *ctx;
  kohl_graph *graph;
  int size;               /* of the input instead of the file's, or 0 */
  bool sequential;        /* every layer's input is the one before */
  int last;               /* the node that the next layer of a sequence follows, -1 before the first */
  kohl_json_range config; /* of the current layer */
  char name[KOHL_JSON_WORD], class[KOHL_JSON_WORD];
} reader;

static kohl_status refuse(reader *r, const char *field, const char *value, const char *expected) {
  return kohl_fail(r->ctx, KOHL_BAD_INPUT, "field '%s': value '%s', expected %s", field, QUOTE(value), expected);
}

/* A field that may only have one of the values whose meaning here is the same; a field that is not there has it. */
static kohl_status need_number(reader *r, const char *field, double a, double b) {
  double value = a;
  kohl_json_range range;
  char text[48];
  kohl_status status = kohl_json_field(r->ctx, r->config, field, &range);
  if (status || !range.text) return status;
  if (range.text[0] == '[' && range.length > 2) { /* "axis": [3] */
    range.text++;
    range.length -= 2;
    kohl_json json;
    kohl_json_open(&json, r->ctx, range.text, range.length);
    bool good = kohl_json_next(&json) == KOHL_JSON_NUMBER_VALUE && kohl_json_get_double(&json, &value) == KOHL_OK;
    kohl_json_close(&json);
    if (!good) return refuse(r, field, "a list", "one number");
  } else {
    status = kohl_json_field_double(r->ctx, r->config, field, &value);
  }
  if (status || value == a || value == b) return status;
  snprintf(text, sizeof text, "%g", value);
  return refuse(r, field, text, "Keras's default");
}

static kohl_status need_channels_last(reader *r) {
  char word[KOHL_JSON_WORD] = "channels_last";
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "data_format", word);
  return status || strcmp(word, "channels_last") == 0 ? status : refuse(r, "data_format", word, "channels_last");
}

static kohl_status read_padding(reader *r, kohl_params *params) {
  char word[KOHL_JSON_WORD] = "valid";
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "padding", word);
  if (status) return status;
  bool same = strcmp(word, "same") == 0;
  params->padding = same ? KOHL_PADDING_SAME_UPPER : KOHL_PADDING_VALID;
  return same || strcmp(word, "valid") == 0 ? KOHL_OK : refuse(r, "padding", word, "valid or same");
}

static kohl_status read_int(reader *r, const char *field, int *out) {
  int pair[2] = {*out, *out};
  kohl_status status = kohl_json_field_pair(r->ctx, r->config, field, pair);
  *out = pair[0];
  return status;
}

static kohl_status add(reader *r, kohl_layer layer, const char *name, const kohl_params *params, const int *inputs,
                       int count) {
  return kohl_graph_add(r->ctx, r->graph, layer, name, params, inputs, count, &r->last);
}

/* Adds the current layer, with an activation that is none, relu, or a node of its own behind it. */
static kohl_status add_activated(reader *r, kohl_layer layer, kohl_params *params, const int *inputs, int count) {
  char word[KOHL_JSON_WORD] = "linear", name[KOHL_JSON_WORD + 16];
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "activation", word);
  if (status) return status;
  bool softmax = strcmp(word, "softmax") == 0, sigmoid = strcmp(word, "sigmoid") == 0;
  if (strcmp(word, "relu") == 0)
    params->activation = KOHL_ACTIVATION_RELU;
  else if (!softmax && !sigmoid && strcmp(word, "linear") != 0)
    return refuse(r, "activation", word, "linear, relu, softmax or sigmoid");
  status = add(r, layer, r->name, params, inputs, count);
  if (status || (!softmax && !sigmoid)) return status;
  snprintf(name, sizeof name, "%.*s/%s", KOHL_JSON_WORD - 1, r->name, softmax ? "softmax" : "sigmoid");
  kohl_params none = kohl_params_default();
  return add(r, softmax ? KOHL_LAYER_softmax : KOHL_LAYER_sigmoid, name, &none, (const int[]){r->last}, 1);
}

static kohl_status read_conv2d(reader *r, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  kohl_status status = need_channels_last(r);
  if (!status) status = read_int(r, "filters", &params.filters);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "kernel_size", params.kernel);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "strides", params.stride);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "dilation_rate", params.dilation);
  if (!status) status = read_int(r, "groups", &params.groups);
  if (!status) status = read_padding(r, &params);
  if (!status) status = kohl_json_field_bool(r->ctx, r->config, "use_bias", &params.bias);
  return status ? status : add_activated(r, KOHL_LAYER_conv2d, &params, inputs, count);
}

static kohl_status read_dense(reader *r, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  kohl_status status = read_int(r, "units", &params.filters);
  if (!status) status = kohl_json_field_bool(r->ctx, r->config, "use_bias", &params.bias);
  return status ? status : add_activated(r, KOHL_LAYER_dense, &params, inputs, count);
}

static kohl_status read_pool(reader *r, kohl_layer layer, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  params.kernel[0] = params.kernel[1] = 2;
  kohl_status status = need_channels_last(r);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "pool_size", params.kernel);
  memcpy(params.stride, params.kernel, sizeof params.stride);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "strides", params.stride);
  if (!status) status = read_padding(r, &params);
  return status ? status : add(r, layer, r->name, &params, inputs, count);
}

static kohl_status read_norm(reader *r, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  double epsilon = 1e-3, momentum = (double)params.momentum;
  kohl_status status = need_number(r, "axis", -1, 3);
  if (!status) status = kohl_json_field_double(r->ctx, r->config, "epsilon", &epsilon);
  if (!status) status = kohl_json_field_double(r->ctx, r->config, "momentum", &momentum);
  if (!status) status = kohl_json_field_bool(r->ctx, r->config, "scale", &params.gamma);
  if (!status) status = kohl_json_field_bool(r->ctx, r->config, "center", &params.beta);
  params.epsilon = (float)epsilon;
  params.momentum = (float)momentum;
  return status ? status : add(r, KOHL_LAYER_batch_norm, r->name, &params, inputs, count);
}

static kohl_status read_dropout(reader *r, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  double rate = params.rate;
  kohl_status status = kohl_json_field_double(r->ctx, r->config, "rate", &rate);
  params.rate = (float)rate;
  return status ? status : add(r, KOHL_LAYER_dropout, r->name, &params, inputs, count);
}

/* Layers that are a node of their own and have at most fields that must be the usual. */
static kohl_status read_plain(reader *r, kohl_layer layer, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  kohl_status status = need_channels_last(r);
  if (!status && layer == KOHL_LAYER_relu) {
    kohl_json_range most;
    status = kohl_json_field(r->ctx, r->config, "max_value", &most);
    if (!status && most.text) status = refuse(r, "max_value", "a number", "none");
    if (!status) status = need_number(r, "negative_slope", 0, 0);
    if (!status) status = need_number(r, "threshold", 0, 0);
  }
  if (!status && (layer == KOHL_LAYER_softmax || layer == KOHL_LAYER_concat)) status = need_number(r, "axis", -1, 3);
  return status ? status : add(r, layer, r->name, &params, inputs, count);
}

static kohl_status read_activation(reader *r, const int *inputs, int count) {
  char word[KOHL_JSON_WORD] = "";
  kohl_params params = kohl_params_default();
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "activation", word);
  if (status) return status;
  kohl_layer layer = strcmp(word, "relu") == 0      ? KOHL_LAYER_relu
                     : strcmp(word, "softmax") == 0 ? KOHL_LAYER_softmax
                     : strcmp(word, "sigmoid") == 0 ? KOHL_LAYER_sigmoid
                                                    : KOHL_LAYER_COUNT;
  if (layer == KOHL_LAYER_COUNT) return refuse(r, "activation", word, "relu, softmax or sigmoid");
  return add(r, layer, r->name, &params, inputs, count);
}

/* The input: [null, height, width, channels] under one of Keras's names for it. */
static kohl_status add_input(reader *r, const char *name) {
  static const char *const fields[] = {"batch_input_shape", "batch_shape"};
  kohl_json_range shape = {0}, one;
  kohl_status status = KOHL_OK;
  kohl_params params = kohl_params_default();
  bool more = true;
  int count = 0, sizes[4] = {0};
  for (int i = 0; i < 2 && !status && !shape.text; i++) status = kohl_json_field(r->ctx, r->config, fields[i], &shape);
  if (status) return status;
  if (!shape.text || shape.text[0] != '[') return refuse(r, fields[0], "", "[null, height, width, channels]");
  kohl_json json;
  kohl_json_open(&json, r->ctx, shape.text, shape.length);
  kohl_json_next(&json);
  while (!(status = kohl_json_element(&json, &one, &more)) && more && count < 5) {
    int64_t number = 0;
    bool good = !one.text || (json.event == KOHL_JSON_NUMBER_VALUE && kohl_json_get_int64(&json, &number) == KOHL_OK);
    if (count < 4) sizes[count] = good && number >= 0 && number <= 32768 ? (int)number : -1;
    count++;
  }
  kohl_json_close(&json);
  if (status) return status;
  if (r->size) sizes[1] = sizes[2] = r->size;
  if (count != 4 || sizes[1] < 1 || sizes[2] < 1 || sizes[3] < 1)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT,
                     "field '%s': value '%s', expected [null, height, width, channels]; --size gives height and width",
                     fields[0], kohl_quote(shape.text, shape.length).text);
  memcpy(params.size, sizes + 1, sizeof params.size);
  return add(r, KOHL_LAYER_input, name, &params, NULL, 0);
}

static kohl_status add_layer(reader *r, const int *inputs, int count) {
  static const struct {
    const char *class;
    kohl_layer layer;
  } plain[] = {{"GlobalAveragePooling2D", KOHL_LAYER_global_avg_pool},
               {"GlobalMaxPooling2D", KOHL_LAYER_global_max_pool},
               {"ReLU", KOHL_LAYER_relu},
               {"Softmax", KOHL_LAYER_softmax},
               {"Concatenate", KOHL_LAYER_concat},
               {"Add", KOHL_LAYER_add},
               {"Flatten", KOHL_LAYER_flatten}};
  const char *class = r->class;
  if (strcmp(class, "InputLayer") == 0) return add_input(r, r->name);
  if (strcmp(class, "Conv2D") == 0) return read_conv2d(r, inputs, count);
  if (strcmp(class, "Dense") == 0) return read_dense(r, inputs, count);
  if (strcmp(class, "MaxPooling2D") == 0) return read_pool(r, KOHL_LAYER_max_pool, inputs, count);
  if (strcmp(class, "AveragePooling2D") == 0) return read_pool(r, KOHL_LAYER_avg_pool, inputs, count);
  if (strcmp(class, "BatchNormalization") == 0) return read_norm(r, inputs, count);
  if (strcmp(class, "Dropout") == 0) return read_dropout(r, inputs, count);
  if (strcmp(class, "Activation") == 0) return read_activation(r, inputs, count);
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    if (strcmp(class, plain[i].class) == 0) return read_plain(r, plain[i].layer, inputs, count);
  return refuse(r, "class_name", class,
                "Conv2D, Dense, BatchNormalization, a pooling, Activation, Concatenate, Add, Flatten or Dropout");
}

/* The node that gives a Keras layer's output: the activation behind it where there is one. */
static int find_output(const reader *r, const char *layer, size_t length) {
  static const char *const endings[] = {"/softmax", "/sigmoid", ""};
  int index = -1;
  for (int i = 0; i < 3 && index < 0; i++) {
    char name[KOHL_JSON_WORD + 16];
    snprintf(name, sizeof name, "%.*s%s", (int)length, layer, endings[i]);
    index = kohl_graph_find(r->graph, name);
  }
  return index;
}

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
      int node = json.text_length < KOHL_JSON_WORD ? find_output(r, json.text, json.text_length) : -1;
      if (node < 0 || *count == KOHL_NODE_INPUTS)
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
  if (!status && !r->config.text) status = refuse(r, "config", "", "an object");
  if (!status) status = kohl_json_field_text(r->ctx, r->config, "name", r->name);
  if (!status && r->sequential) {
    if (r->last < 0 && strcmp(r->class, "InputLayer") != 0) status = add_input(r, "input");
    inputs[0] = r->last;
    count = 1;
  } else if (!status && strcmp(r->class, "InputLayer") != 0) {
    status = kohl_json_field(r->ctx, layer, "inbound_nodes", &inbound);
    if (!status && inbound.text) status = find_inputs(r, "inbound_nodes", inbound, inputs, &count, &calls);
    if (!status && calls != 1)
      status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'inbound_nodes': %d uses of the layer, expected one", calls);
  }
  if (!status && strcmp(r->class, "InputLayer") == 0 && r->graph->count > 0)
    status = refuse(r, "class_name", r->class, "one input");
  if (!status) status = add_layer(r, inputs, count);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(r->ctx, "model_config: layer '%s'", QUOTE(r->name));
  return status;
}

/* The one output of a functional model; of a sequence it is the last layer. */
static kohl_status find_last(reader *r, kohl_json_range config, int *last) {
  int outputs[KOHL_NODE_INPUTS], count = 1, calls;
  kohl_json_range value;
  *last = (int)r->graph->count - 1;
  if (r->sequential) return KOHL_OK;
  kohl_status status = kohl_json_field(r->ctx, config, "output_layers", &value);
  if (!status && value.text) status = find_inputs(r, "output_layers", value, outputs, &count, &calls);
  if (!status && value.text && count == 1) *last = outputs[0];
  if (!status && count != 1)
    status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'output_layers': %d layers, expected one", count);
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
    return refuse(r, "class_name", class, "Sequential, Functional or Model");
  layers = config; /* the oldest Sequential is a list itself */
  if (config.text && config.text[0] == '{') status = kohl_json_field(r->ctx, config, "layers", &layers);
  if (status) return status;
  if (!layers.text || layers.text[0] != '[') return refuse(r, "layers", "", "a list");
  kohl_json json;
  kohl_json_open(&json, r->ctx, layers.text, layers.length);
  kohl_json_next(&json);
  while (!status && !(status = kohl_json_element(&json, &layer, &more)) && more) status = read_layer(r, layer);
  kohl_json_close(&json);
  if (!status && r->graph->count < 2) status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "field 'layers': there are none");
  return status ? status : find_last(r, config, last);
}

/* The last node with pixels, if nothing leads around it. */
static int find_base(const kohl_graph *graph) {
  int base = (int)graph->count - 1;
  while (base >= 0 && graph->nodes[base].shape.h == 1 && graph->nodes[base].shape.w == 1) base--;
  for (size_t i = (size_t)base + 1; base >= 0 && i < graph->count; i++)
    for (int k = 0; k < graph->nodes[i].input_count; k++)
      if (graph->nodes[i].inputs[k] < base) return -1;
  return base > 0 && base + 1 < (int)graph->count ? base : -1;
}

kohl_status kohl_keras_config_read(kohl_context *ctx, const char *path, const char *json, int size, kohl_graph **out) {
  reader r = {.ctx = ctx, .size = size, .last = -1};
  int last = -1;
  *out = NULL;
  kohl_status status = kohl_graph_create(ctx, "keras", &r.graph);
  if (!status) status = read_model(&r, (kohl_json_range){json, strlen(json)}, &last);
  if (!status) status = kohl_graph_cut(ctx, r.graph, last, NULL, out);
  if (!status) (*out)->base_output = find_base(*out);
  kohl_graph_destroy(ctx, r.graph);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", path);
  return status;
}
