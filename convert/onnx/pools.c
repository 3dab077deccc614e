/* Windows and pools.  Zeros that a Pad puts around a picture are cells like others to ONNX: a convolution pads by
 * itself, an average counts them, and a maximum does not see them where no number is below 0. */
#include <string.h>

#include "convert/onnx/build.h"

enum { MOST_SIDE = 32768 };

/* Two numbers (four for pads) of a list, in kohl's order, which is ONNX's. */
static kohl_status read_sizes(kohl_onnx_build *build, const char *name, int want, int *out, bool *there) {
  int64_t numbers[KOHL_ONNX_FEW];
  int count = -1;
  kohl_status status = kohl_onnx_attribute_ints(build, name, numbers, &count);
  *there = count >= 0;
  if (status || !*there) return status;
  for (int i = 0; i < count && i < want; i++) {
    if (numbers[i] < 0 || numbers[i] > MOST_SIDE) return kohl_onnx_refuse_number(build, name, numbers[i], "0 to 32768");
    out[i] = (int)numbers[i];
  }
  return count == want ? KOHL_OK : kohl_onnx_refuse_number(build, name, count, want == 2 ? "2 numbers" : "4 numbers");
}

/* What a Pad has left waiting: it goes into the window's own padding. */
static kohl_status take_pad(kohl_onnx_build *build, const kohl_onnx_value *input, kohl_params *params) {
  if (!input->padded) return KOHL_OK;
  if (params->padding == KOHL_PADDING_SAME_UPPER)
    return kohl_onnx_refuse(build, "attribute 'auto_pad'", "SAME_UPPER", "NOTSET or VALID behind a Pad");
  for (int i = 0; i < 4; i++) params->pad[i] += input->pad[i];
  params->padding = KOHL_PADDING_EXPLICIT;
  return KOHL_OK;
}

kohl_status kohl_onnx_window(kohl_onnx_build *build, const kohl_onnx_value *input, kohl_params *params) {
  kohl_proto_bytes word = {0};
  bool kernel, strides, pads;
  kohl_status status = read_sizes(build, "kernel_shape", 2, params->kernel, &kernel);
  if (!status) status = read_sizes(build, "strides", 2, params->stride, &strides);
  if (!status) status = read_sizes(build, "pads", 4, params->pad, &pads);
  if (!status) status = kohl_onnx_attribute_text(build, "auto_pad", &word);
  if (status) return status;
  bool any = params->pad[0] || params->pad[1] || params->pad[2] || params->pad[3];
  if (!word.length || kohl_proto_word(word, "NOTSET"))
    params->padding = any ? KOHL_PADDING_EXPLICIT : KOHL_PADDING_VALID;
  else if (any)
    return kohl_onnx_refuse(build, "attribute 'pads'", "numbers beside 'auto_pad'", "one of the two");
  else if (kohl_proto_word(word, "SAME_UPPER"))
    params->padding = KOHL_PADDING_SAME_UPPER;
  else if (!kohl_proto_word(word, "VALID"))
    return kohl_onnx_refuse(build, "attribute 'auto_pad'", kohl_quote((const char *)word.at, word.length).text,
                            "NOTSET, SAME_UPPER or VALID");
  return take_pad(build, input, params);
}

/* What both pools have. */
static kohl_status read_pool(kohl_onnx_build *build, kohl_onnx_value **input, kohl_params *params) {
  int64_t ceil = 0, dilations[KOHL_ONNX_FEW] = {1, 1};
  int count = 2;
  params->kernel[0] = params->kernel[1] = 0;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, KOHL_ONNX_ALLOW_PADDED, input);
  if (!status) status = kohl_onnx_window(build, *input, params);
  if (!status) status = kohl_onnx_attribute_int(build, "ceil_mode", &ceil);
  if (!status) status = kohl_onnx_attribute_ints(build, "dilations", dilations, &count);
  if (status) return status;
  for (int i = 0; i < count; i++)
    if (dilations[i] != 1) return kohl_onnx_refuse_number(build, "attribute 'dilations'", dilations[i], "1");
  params->ceil = ceil != 0;
  return KOHL_OK;
}

static kohl_status add_pool(kohl_onnx_build *build, kohl_layer layer, const kohl_params *params, kohl_onnx_value *input,
                            bool single) {
  int node;
  kohl_status status = kohl_onnx_layer(build, layer, params, &input, 1, 0, &node);
  kohl_onnx_value value = kohl_onnx_value_of(KOHL_ONNX_PICTURE, node);
  value.single = single;
  return status ? status : kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_max_pool(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  kohl_params params = kohl_params_default();
  kohl_status status = read_pool(build, &input, &params);
  if (!status && input->padded && build->graph->nodes[input->node].layer != KOHL_LAYER_relu)
    status = kohl_onnx_refuse(build, "input", "a Pad of numbers of any sign", "a Pad behind a Relu");
  return status ? status : add_pool(build, KOHL_LAYER_max_pool, &params, input, false);
}

kohl_status kohl_onnx_average_pool(kohl_onnx_build *build) {
  kohl_onnx_value *input = kohl_onnx_input(build, 0);
  kohl_params params = kohl_params_default();
  int64_t count_padding = 0;
  kohl_status status = read_pool(build, &input, &params);
  if (!status) status = kohl_onnx_attribute_int(build, "count_include_pad", &count_padding);
  if (status) return status;
  bool own = false;
  for (int i = 0; i < 4; i++) own |= params.pad[i] != (input->padded ? input->pad[i] : 0);
  if (input->padded && own && !count_padding)
    return kohl_onnx_refuse(build, "attribute 'pads'", "numbers that do not count", "none behind a Pad");
  params.count_padding = count_padding || input->padded;
  if (params.kernel[0] == 1 && params.kernel[1] == 1 && params.stride[0] == 1 && params.stride[1] == 1 &&
      params.padding != KOHL_PADDING_EXPLICIT)
    return kohl_onnx_alias(build, input); /* what PyTorch's adaptive pool leaves where it changes nothing */
  return add_pool(build, KOHL_LAYER_avg_pool, &params, input, false);
}

kohl_status kohl_onnx_global_average(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  kohl_params params = kohl_params_default();
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, 0, &input);
  return status ? status : add_pool(build, KOHL_LAYER_global_avg_pool, &params, input, true);
}

kohl_status kohl_onnx_global_max(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  kohl_params params = kohl_params_default();
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, 0, &input);
  return status ? status : add_pool(build, KOHL_LAYER_global_max_pool, &params, input, true);
}

/* Over height and width only. */
kohl_status kohl_onnx_reduce_mean(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  kohl_params params = kohl_params_default();
  int64_t axes[KOHL_ONNX_FEW], keep = 1;
  int count = 0, node;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, KOHL_ONNX_ALLOW_LAST, &input);
  if (!status) status = kohl_onnx_list(build, "axes", 1, axes, &count);
  if (!status) status = kohl_onnx_attribute_int(build, "keepdims", &keep);
  if (status) return status;
  int64_t first = input->last ? 1 : 2, sum = 0, product = 1;
  for (int i = 0; i < count; i++) {
    if (axes[i] < -4 || axes[i] > 3) return kohl_onnx_refuse_number(build, "'axes'", axes[i], "height and width");
    axes[i] += axes[i] < 0 ? 4 : 0;
    sum += axes[i];
    product *= axes[i];
  }
  if (count != 2 || sum != 2 * first + 1 || product != first * (first + 1))
    return kohl_onnx_refuse(build, "'axes'", "others", "height and width");
  status = kohl_onnx_layer(build, KOHL_LAYER_global_avg_pool, &params, &input, 1, 0, &node);
  if (status) return status;
  kohl_onnx_value value = kohl_onnx_value_of(keep ? KOHL_ONNX_PICTURE : KOHL_ONNX_ROWS, node);
  value.last = keep && input->last;
  value.single = true;
  return kohl_onnx_result(build, &value);
}

/* Zeros on height and width, for whoever reads it. */
kohl_status kohl_onnx_pad(kohl_onnx_build *build) {
  kohl_onnx_value *input = kohl_onnx_input(build, 0);
  kohl_proto_bytes mode = {0};
  int64_t pads[KOHL_ONNX_FEW];
  double number = 0;
  float attribute = 0;
  int count = 0;
  if (!input || input->kind != KOHL_ONNX_PICTURE || input->channel >= 0)
    return kohl_onnx_refuse(build, "input 0", "another value", "a picture");
  kohl_status status = kohl_onnx_attribute_text(build, "mode", &mode);
  if (!status) status = kohl_onnx_list(build, "pads", 1, pads, &count);
  if (!status) status = kohl_onnx_attribute_float(build, "value", &attribute);
  number = (double)attribute;
  if (!status) status = kohl_onnx_number(build, 2, &number);
  if (status) return status;
  if (mode.length && !kohl_proto_word(mode, "constant"))
    return kohl_onnx_refuse(build, "attribute 'mode'", kohl_quote((const char *)mode.at, mode.length).text, "constant");
  if (number != 0) return kohl_onnx_refuse(build, "the value of the padding", "another number", "0");
  if (kohl_onnx_input(build, 3)) return kohl_onnx_refuse(build, "input 3 (axes)", "a value", "none");
  kohl_onnx_value value = *input;
  int high = input->last ? 1 : 2, channels = input->last ? 3 : 1;
  bool good = count == 8 && !pads[0] && !pads[4] && !pads[channels] && !pads[4 + channels];
  for (int i = 0; i < 4 && good; i++) {
    int64_t cells = pads[(i < 2 ? 0 : 4) + high + i % 2];
    good = cells >= 0 && cells <= MOST_SIDE - value.pad[i];
    if (good) value.pad[i] += (int)cells;
    value.padded |= cells != 0;
  }
  if (!good) return kohl_onnx_refuse(build, "'pads'", "others", "0 to 32768 on height and width");
  value.open = false;
  return kohl_onnx_result(build, &value);
}
