/* Single layers; see layers.h.  What a field means stands in Keras's documentation of the layer; anything that we
 * could only compute differently is refused. */
#include "convert/keras/layers.h"

#include <stdio.h>
#include <string.h>

enum { MOST_PADS = 1024 };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

typedef kohl_keras_reader reader;

kohl_status kohl_keras_layer_refuse(reader *r, const char *field, const char *value, const char *expected) {
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
    if (!good) return kohl_keras_layer_refuse(r, field, "a list", "one number");
  } else {
    status = kohl_json_field_double(r->ctx, r->config, field, &value);
  }
  if (status || value == a || value == b) return status;
  snprintf(text, sizeof text, "%g", value);
  return kohl_keras_layer_refuse(r, field, text, "Keras's default");
}

static kohl_status need_channels_last(reader *r) {
  char word[KOHL_JSON_WORD] = "channels_last";
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "data_format", word);
  return status || strcmp(word, "channels_last") == 0
             ? status
             : kohl_keras_layer_refuse(r, "data_format", word, "channels_last");
}

static kohl_status read_padding(reader *r, kohl_params *params) {
  char word[KOHL_JSON_WORD] = "valid";
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "padding", word);
  if (status) return status;
  bool same = strcmp(word, "same") == 0;
  params->padding = same ? KOHL_PADDING_SAME_UPPER : KOHL_PADDING_VALID;
  return same || strcmp(word, "valid") == 0 ? KOHL_OK : kohl_keras_layer_refuse(r, "padding", word, "valid or same");
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
  char word[KOHL_JSON_WORD] = "linear", name[KOHL_NAME_TEXT + 16];
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "activation", word);
  if (status) return status;
  bool softmax = strcmp(word, "softmax") == 0, sigmoid = strcmp(word, "sigmoid") == 0;
  if (strcmp(word, "relu") == 0)
    params->activation = KOHL_ACTIVATION_RELU;
  else if (!softmax && !sigmoid && strcmp(word, "linear") != 0)
    return kohl_keras_layer_refuse(r, "activation", word, "linear, relu, softmax or sigmoid");
  status = add(r, layer, r->name, params, inputs, count);
  if (status || (!softmax && !sigmoid)) return status;
  snprintf(name, sizeof name, "%.*s/%s", KOHL_NAME_TEXT - 1, r->name, softmax ? "softmax" : "sigmoid");
  kohl_params none = kohl_params_default();
  return add(r, softmax ? KOHL_LAYER_softmax : KOHL_LAYER_sigmoid, name, &none, (const int[]){r->last}, 1);
}

/* Takes up a ZeroPadding2D before a convolution or pool: *input becomes what it pads. */
static kohl_status take_pad(reader *r, kohl_params *params, int *input) {
  if (*input >= 0) return KOHL_OK;
  const kohl_keras_pad *pad = &r->pads[kohl_keras_padded(*input)];
  if (params->padding != KOHL_PADDING_VALID)
    return kohl_keras_layer_refuse(r, "padding", "same", "valid behind a ZeroPadding2D");
  params->padding = KOHL_PADDING_EXPLICIT;
  memcpy(params->pad, pad->pad, sizeof params->pad);
  *input = pad->node;
  return KOHL_OK;
}

/* [[top, bottom], [left, right]], [vertical, horizontal] or one number for all, in any of Keras's notations. */
static kohl_status read_pads(reader *r, int pad[4]) {
  kohl_json_range range;
  int64_t numbers[4] = {1, 1, 1, 1};
  int count = 0;
  bool good = true;
  kohl_status status = kohl_json_field(r->ctx, r->config, "padding", &range);
  if (status) return status;
  kohl_json json;
  kohl_json_open(&json, r->ctx, range.text ? range.text : "1", range.text ? range.length : 1);
  while (good && kohl_json_next(&json) != KOHL_JSON_END) {
    if (json.event == KOHL_JSON_NUMBER_VALUE && count < 4)
      good = kohl_json_get_int64(&json, &numbers[count++]) == KOHL_OK;
    else
      good = json.event == KOHL_JSON_ARRAY_BEGIN || json.event == KOHL_JSON_ARRAY_END;
  }
  kohl_json_close(&json);
  for (int i = 0; i < 4; i++) good = good && numbers[i] >= 0 && numbers[i] <= 32768;
  if (!good || count == 0 || count == 3)
    return kohl_keras_layer_refuse(r, "padding", kohl_quote(range.text, range.length).text,
                                   "[[top, bottom], [left, right]]");
  int right = count == 4 ? 3 : count - 1, left = count == 4 ? 2 : right, bottom = count == 4 ? 1 : 0;
  pad[0] = (int)numbers[0];
  pad[1] = (int)numbers[left];
  pad[2] = (int)numbers[bottom];
  pad[3] = (int)numbers[right];
  return KOHL_OK;
}

static kohl_status read_zero_padding(reader *r, const int *inputs) {
  kohl_keras_pad pad = {.node = inputs[0]};
  kohl_status status = need_channels_last(r);
  if (!status && inputs[0] < 0)
    status = kohl_keras_layer_refuse(r, "class_name", r->class, "one before a convolution or pool, not two");
  if (!status && r->pad_count == MOST_PADS)
    status = kohl_keras_layer_refuse(r, "class_name", r->class, "at most 1024 of them");
  if (!status) status = read_pads(r, pad.pad);
  if (!status)
    status = kohl_grow(r->ctx, &r->pads, &r->pad_capacity, r->pad_count + 1, sizeof *r->pads, "paddings of a network");
  if (status) return status;
  r->pads[r->pad_count] = pad;
  r->last = kohl_keras_padded((int)r->pad_count++);
  return KOHL_OK;
}

static kohl_status read_conv2d(reader *r, const int *inputs, int count) {
  int input = inputs[0];
  kohl_params params = kohl_params_default();
  kohl_status status = need_channels_last(r);
  if (!status) status = read_int(r, "filters", &params.filters);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "kernel_size", params.kernel);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "strides", params.stride);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "dilation_rate", params.dilation);
  if (!status) status = read_int(r, "groups", &params.groups);
  if (!status) status = read_padding(r, &params);
  if (!status) status = kohl_json_field_bool(r->ctx, r->config, "use_bias", &params.bias);
  if (!status) status = take_pad(r, &params, &input);
  return status ? status : add_activated(r, KOHL_LAYER_conv2d, &params, &input, count);
}

static kohl_status read_dense(reader *r, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  kohl_status status = read_int(r, "units", &params.filters);
  if (!status) status = kohl_json_field_bool(r->ctx, r->config, "use_bias", &params.bias);
  return status ? status : add_activated(r, KOHL_LAYER_dense, &params, inputs, count);
}

static bool is_relu(const kohl_node *node) {
  return node->layer == KOHL_LAYER_relu || node->params.activation == KOHL_ACTIVATION_RELU;
}

/* Padding of a pool never wins here, and a zero never does in Keras where no value is below it. */
static kohl_status read_pool(reader *r, kohl_layer layer, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  int input = inputs[0];
  params.kernel[0] = params.kernel[1] = 2;
  kohl_status status = need_channels_last(r);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "pool_size", params.kernel);
  memcpy(params.stride, params.kernel, sizeof params.stride);
  if (!status) status = kohl_json_field_pair(r->ctx, r->config, "strides", params.stride);
  if (!status) status = read_padding(r, &params);
  if (!status && input < 0 &&
      (layer != KOHL_LAYER_max_pool || !is_relu(&r->graph->nodes[r->pads[kohl_keras_padded(input)].node])))
    status =
        kohl_keras_layer_refuse(r, "class_name", r->class, "behind ZeroPadding2D: Conv2D, or MaxPooling2D of a ReLU");
  if (!status) status = take_pad(r, &params, &input);
  return status ? status : add(r, layer, r->name, &params, &input, count);
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
    if (!status && most.text) status = kohl_keras_layer_refuse(r, "max_value", "a number", "none");
    if (!status) status = need_number(r, "negative_slope", 0, 0);
    if (!status) status = need_number(r, "threshold", 0, 0);
  }
  if (!status && (layer == KOHL_LAYER_softmax || layer == KOHL_LAYER_concat)) status = need_number(r, "axis", -1, 3);
  return status ? status : add(r, layer, r->name, &params, inputs, count);
}

/* Two at a time, in Keras's order. */
static kohl_status read_add(reader *r, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  kohl_status status = KOHL_OK;
  char name[KOHL_NAME_TEXT + 16];
  if (count < 2) return kohl_keras_layer_refuse(r, "inbound_nodes", "one input", "two to eight");
  r->last = inputs[0];
  for (int i = 1; i < count && !status; i++) {
    snprintf(name, sizeof name, i + 1 < count ? "%s/%d" : "%s", r->name, i + 1);
    status = add(r, KOHL_LAYER_add, name, &params, (const int[]){r->last, inputs[i]}, 2);
  }
  return status;
}

static kohl_status read_activation(reader *r, const int *inputs, int count) {
  char word[KOHL_JSON_WORD] = "";
  kohl_params params = kohl_params_default();
  kohl_status status = kohl_json_field_text(r->ctx, r->config, "activation", word);
  if (status) return status;
  if (strcmp(word, "linear") == 0) {
    r->last = inputs[0];
    return KOHL_OK;
  }
  kohl_layer layer = strcmp(word, "relu") == 0      ? KOHL_LAYER_relu
                     : strcmp(word, "softmax") == 0 ? KOHL_LAYER_softmax
                     : strcmp(word, "sigmoid") == 0 ? KOHL_LAYER_sigmoid
                                                    : KOHL_LAYER_COUNT;
  if (layer == KOHL_LAYER_COUNT) return kohl_keras_layer_refuse(r, "activation", word, "relu, softmax or sigmoid");
  return add(r, layer, r->name, &params, inputs, count);
}

/* The input: [null, height, width, channels] under one of Keras's names for it. */
kohl_status kohl_keras_layer_input(reader *r, const char *name) {
  static const char *const fields[] = {"batch_input_shape", "batch_shape"};
  kohl_json_range shape = {0}, one;
  kohl_status status = KOHL_OK;
  kohl_params params = kohl_params_default();
  bool more = true;
  int count = 0, sizes[4] = {0};
  for (int i = 0; i < 2 && !status && !shape.text; i++) status = kohl_json_field(r->ctx, r->config, fields[i], &shape);
  if (status) return status;
  if (!shape.text || shape.text[0] != '[')
    return kohl_keras_layer_refuse(r, fields[0], "", "[null, height, width, channels]");
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

/* Layers whose work is training's alone. */
static bool does_nothing(const char *class) {
  static const char *const classes[] = {"ActivityRegularization",
                                        "AlphaDropout",
                                        "AugMix",
                                        "CutMix",
                                        "GaussianDropout",
                                        "GaussianNoise",
                                        "Identity",
                                        "MixUp",
                                        "RandAugment",
                                        "RandomBrightness",
                                        "RandomColorDegeneration",
                                        "RandomColorJitter",
                                        "RandomContrast",
                                        "RandomElasticTransform",
                                        "RandomErasing",
                                        "RandomFlip",
                                        "RandomGaussianBlur",
                                        "RandomGrayscale",
                                        "RandomHeight",
                                        "RandomHue",
                                        "RandomInvert",
                                        "RandomPerspective",
                                        "RandomPosterization",
                                        "RandomRotation",
                                        "RandomSaturation",
                                        "RandomSharpness",
                                        "RandomShear",
                                        "RandomTranslation",
                                        "RandomWidth",
                                        "RandomZoom",
                                        "SpatialDropout2D"};
  for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
    if (strcmp(class, classes[i]) == 0) return true;
  return false;
}

kohl_status kohl_keras_layer_add(reader *r, const int *inputs, int count) {
  static const struct {
    const char *class;
    kohl_layer layer;
  } plain[] = {{"GlobalAveragePooling2D", KOHL_LAYER_global_avg_pool},
               {"GlobalMaxPooling2D", KOHL_LAYER_global_max_pool},
               {"ReLU", KOHL_LAYER_relu},
               {"Softmax", KOHL_LAYER_softmax},
               {"Concatenate", KOHL_LAYER_concat},
               {"Flatten", KOHL_LAYER_flatten}};
  const char *class = r->class;
  bool mine;
  if (count < 1) return kohl_keras_layer_refuse(r, "inbound_nodes", "none", "a layer that comes before");
  if (does_nothing(class)) {
    r->last = inputs[0];
    return KOHL_OK;
  }
  kohl_status status = kohl_keras_affine_add(r, inputs, count, &mine);
  if (status || mine) return status;
  if (strcmp(class, "Conv2D") == 0) return read_conv2d(r, inputs, count);
  if (strcmp(class, "MaxPooling2D") == 0) return read_pool(r, KOHL_LAYER_max_pool, inputs, count);
  if (strcmp(class, "AveragePooling2D") == 0) return read_pool(r, KOHL_LAYER_avg_pool, inputs, count);
  if (strcmp(class, "ZeroPadding2D") == 0) return read_zero_padding(r, inputs);
  for (int i = 0; i < count; i++)
    if (inputs[i] < 0)
      return kohl_keras_layer_refuse(r, "class_name", class, "behind ZeroPadding2D: Conv2D, or MaxPooling2D of a ReLU");
  if (strcmp(class, "Dense") == 0) return read_dense(r, inputs, count);
  if (strcmp(class, "Add") == 0) return read_add(r, inputs, count);
  if (strcmp(class, "BatchNormalization") == 0) return read_norm(r, inputs, count);
  if (strcmp(class, "Dropout") == 0) return read_dropout(r, inputs, count);
  if (strcmp(class, "Activation") == 0) return read_activation(r, inputs, count);
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    if (strcmp(class, plain[i].class) == 0) return read_plain(r, plain[i].layer, inputs, count);
  return kohl_keras_layer_refuse(
      r, "class_name", class,
      "Conv2D, Dense, BatchNormalization, a pooling, Activation, ZeroPadding2D, Concatenate, Add, Flatten or Dropout");
}
