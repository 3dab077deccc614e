/* Layers that scale and shift the network's input; see layers.h.  A preset prepares pictures, so that one affine map
 * for each channel takes all of them up: x * scale + shift, worked out in double. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/keras/layers.h"

typedef kohl_keras_reader reader;

enum { CHANNELS = 3 };

#define EPSILON 1e-7 /* below which Keras's Normalization takes no standard deviation */

/* The numbers of a value, however they are nested: one for all channels, or one for each. */
static kohl_status read_numbers(reader *r, const char *field, kohl_json_range value, double out[CHANNELS]) {
  kohl_json json;
  double number;
  int count = 0;
  bool good = value.text != NULL;
  kohl_json_open(&json, r->ctx, value.text, value.length);
  while (good && kohl_json_next(&json) != KOHL_JSON_END) {
    if (json.event == KOHL_JSON_NUMBER_VALUE && count < CHANNELS)
      good = kohl_json_get_double(&json, &number) == KOHL_OK && isfinite((out[count++] = number));
    else
      good = json.event == KOHL_JSON_ARRAY_BEGIN || json.event == KOHL_JSON_ARRAY_END;
  }
  kohl_json_close(&json);
  if (good && count == 1) out[1] = out[2] = out[0];
  if (good && (count == 1 || count == CHANNELS)) return KOHL_OK;
  return kohl_keras_layer_refuse(r, field, kohl_quote(value.text, value.length).text,
                                 "one number, or one for each of 3 channels");
}

static kohl_status read_field(reader *r, const char *field, double out[CHANNELS]) {
  kohl_json_range value;
  kohl_status status = kohl_json_field(r->ctx, r->config, field, &value);
  return status ? status : read_numbers(r, field, value, out);
}

/* (x - mean) / sqrt(variance). */
static kohl_status read_normalization(reader *r, double scale[CHANNELS], double shift[CHANNELS]) {
  double mean[CHANNELS], variance[CHANNELS];
  bool invert = false;
  kohl_status status = kohl_json_field_bool(r->ctx, r->config, "invert", &invert);
  if (!status && invert) status = kohl_keras_layer_refuse(r, "invert", "true", "false");
  if (!status) status = read_field(r, "mean", mean);
  if (!status) status = read_field(r, "variance", variance);
  for (int i = 0; i < CHANNELS && !status; i++) {
    double deviation = variance[i] >= 0 ? sqrt(variance[i]) : 0;
    scale[i] = 1 / (deviation > EPSILON ? deviation : EPSILON);
    shift[i] = -mean[i] * scale[i];
  }
  return status;
}

/* The one number beside the layer's input in [{"args": [{...}, 127.5]}] of Keras 3, or {"y": 127.5} of Keras 2. */
static bool find_operand(reader *r, double *out) {
  kohl_json json;
  kohl_json_event before = KOHL_JSON_END;
  bool key = false;
  int count = 0;
  if (!r->inbound.text) return false;
  kohl_json_open(&json, r->ctx, r->inbound.text, r->inbound.length);
  while (kohl_json_next(&json) != KOHL_JSON_END && json.event != KOHL_JSON_ERROR) {
    bool behind = before == KOHL_JSON_OBJECT_END && json.depth == 3; /* the input comes first */
    if (json.event == KOHL_JSON_NUMBER_VALUE && (key || behind)) count += kohl_json_get_double(&json, out) == KOHL_OK;
    key = json.event == KOHL_JSON_KEY && kohl_json_is(&json, "y");
    before = json.event;
  }
  kohl_json_close(&json);
  return count == 1 && isfinite(*out);
}

/* x / y, x * y, x + y, x - y: operations of Keras 3, or functions of TensorFlow in Keras 2. */
static char find_sign(reader *r, int count, double *operand) {
  static const struct {
    const char *class, *function;
    char sign;
  } signs[] = {{"TrueDivide", "math.truediv", '/'},
               {"Multiply", "math.multiply", '*'},
               {"Add", "__operators__.add", '+'},
               {"Subtract", "math.subtract", '-'}};
  char function[KOHL_JSON_WORD] = "";
  if (count != 1 || !find_operand(r, operand)) return 0;
  if (strcmp(r->class, "TFOpLambda") == 0 && kohl_json_field_text(r->ctx, r->config, "function", function) != KOHL_OK)
    return 0;
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
    if (strcmp(signs[i].class, r->class) == 0 || strcmp(signs[i].function, function) == 0) return signs[i].sign;
  return 0;
}

static kohl_status read_arithmetic(reader *r, char sign, double y, double scale[CHANNELS], double shift[CHANNELS]) {
  if (sign == '/' && y == 0) return kohl_keras_layer_refuse(r, "inbound_nodes", "0", "another divisor");
  for (int i = 0; i < CHANNELS; i++) {
    scale[i] = sign == '/' ? 1 / y : sign == '*' ? y : 1;
    shift[i] = sign == '+' ? y : sign == '-' ? -y : 0;
  }
  return KOHL_OK;
}

/* The input of the network, which no other layer has used. */
static bool is_first(const reader *r, int input) {
  const kohl_graph *graph = r->graph;
  bool first = input == 0 && graph->count > 0 && graph->nodes[0].params.size[2] == CHANNELS;
  for (size_t i = 1; i < graph->count && first; i++)
    for (int k = 0; k < graph->nodes[i].input_count; k++) first = first && graph->nodes[i].inputs[k] != 0;
  for (size_t i = 0; i < r->pad_count; i++) first = first && r->pads[i].node != 0;
  return first;
}

kohl_status kohl_keras_affine_add(reader *r, const int *inputs, int count, bool *mine) {
  double scale[CHANNELS], shift[CHANNELS], operand = 0;
  bool rescaling = strcmp(r->class, "Rescaling") == 0, normalization = strcmp(r->class, "Normalization") == 0;
  char sign = find_sign(r, count, &operand);
  *mine = rescaling || normalization || sign;
  if (!*mine) return KOHL_OK;
  if (!is_first(r, inputs[0]))
    return kohl_keras_layer_refuse(r, "class_name", r->class,
                                   "one right behind an input of 3 channels, before every other layer");
  kohl_status status = KOHL_OK;
  if (rescaling) {
    status = read_field(r, "scale", scale);
    if (!status) status = read_field(r, "offset", shift);
  } else {
    status = normalization ? read_normalization(r, scale, shift) : read_arithmetic(r, sign, operand, scale, shift);
  }
  for (int i = 0; i < CHANNELS && !status; i++) {
    double old = r->affine ? r->input_scale[i] : 1;
    r->input_scale[i] = old * scale[i];
    r->input_shift[i] = (r->affine ? r->input_shift[i] : 0) * scale[i] + shift[i];
  }
  r->affine |= !status;
  r->last = 0;
  return status;
}
