/* Layers with weights, and those that work number by number.  What they mean stands in ONNX's documentation of its
 * operators; anything that we could only compute differently is refused. */
#include <float.h>
#include <stdio.h>
#include <string.h>

#include "convert/onnx/build.h"

/* A size that fits in params; their table of ranges says more. */
static int as_int(int64_t number) { return number >= 0 && number <= INT32_MAX ? (int)number : -1; }

/* The layer is new and nothing is known of its output but what it is. */
static kohl_status result_of(kohl_onnx_build *build, kohl_onnx_kind kind, int node, bool open) {
  kohl_onnx_value value = kohl_onnx_value_of(kind, node);
  value.open = open;
  return kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_conv(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  kohl_onnx_tensor *weight;
  kohl_params params = kohl_params_default();
  int64_t groups = 1, dilations[KOHL_ONNX_FEW] = {1, 1};
  int dims = 2, node;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, KOHL_ONNX_ALLOW_PADDED, &input);
  if (!status) status = kohl_onnx_constant_input(build, 1, 4, &weight);
  if (!status) status = kohl_onnx_attribute_int(build, "group", &groups);
  if (!status) status = kohl_onnx_attribute_ints(build, "dilations", dilations, &dims);
  if (status) return status;
  for (int i = 0; i < 2; i++) {
    params.kernel[i] = as_int(weight->shape[2 + i]);
    params.dilation[i] = as_int(dilations[i]);
  }
  status = kohl_onnx_window(build, input, &params);
  if (status) return status;
  if (dims != 2 || params.kernel[0] != weight->shape[2] || params.kernel[1] != weight->shape[3])
    return kohl_onnx_refuse(build, "attributes 'kernel_shape' and 'dilations'", "not the weight's",
                            "its height and width");
  params.filters = as_int(weight->shape[0]);
  params.groups = as_int(groups);
  params.bias = kohl_onnx_input(build, 2) != NULL;
  status = kohl_onnx_layer(build, KOHL_LAYER_conv2d, &params, &input, 1, 1, &node);
  if (!status) status = kohl_onnx_weight_add(build, 1, node, "weight", (kohl_layout){true, true});
  if (!status && params.bias) status = kohl_onnx_weight_add(build, 2, node, "bias", (kohl_layout){true, true});
  return status ? status : result_of(build, KOHL_ONNX_PICTURE, node, !params.bias);
}

kohl_status kohl_onnx_batch_norm(kohl_onnx_build *build) {
  static const char *const suffixes[] = {"gamma", "beta", "mean", "variance"};
  kohl_onnx_value *input;
  kohl_params params = kohl_params_default();
  int node;
  params.epsilon = 1e-5f;
  params.momentum = 0.9f;
  params.unbiased = kohl_proto_word(build->model->producer, "pytorch");
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_UNSET, 0, &input);
  if (!status) status = kohl_onnx_attribute_float(build, "epsilon", &params.epsilon);
  if (!status) status = kohl_onnx_attribute_float(build, "momentum", &params.momentum);
  if (!status) status = kohl_onnx_need(build, "training_mode", 0);
  if (!status) status = kohl_onnx_need(build, "spatial", 1);
  if (!status) status = kohl_onnx_layer(build, KOHL_LAYER_batch_norm, &params, &input, 1, 1, &node);
  for (size_t i = 0; i < 4 && !status; i++)
    status = kohl_onnx_weight_add(build, i + 1, node, suffixes[i], (kohl_layout){true, true});
  if (status) return status;
  kohl_onnx_value value = *input;
  value.node = node;
  value.open = false;
  return kohl_onnx_result(build, &value);
}

/* A matrix times rows of numbers; bias is the number of an input, or 0. */
static kohl_status dense(kohl_onnx_build *build, bool output_first, size_t bias) {
  kohl_onnx_value *input;
  kohl_onnx_tensor *weight;
  kohl_params params = kohl_params_default();
  int node;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_ROWS, KOHL_ONNX_ALLOW_CHW, &input);
  if (!status) status = kohl_onnx_constant_input(build, 1, 2, &weight);
  if (status) return status;
  output_first ^= kohl_onnx_input(build, 1)->transposed;
  params.filters = as_int(weight->shape[output_first ? 0 : 1]);
  params.bias = bias > 0;
  kohl_layout layout = {output_first, input->order != KOHL_ONNX_HWC};
  status = kohl_onnx_layer(build, KOHL_LAYER_dense, &params, &input, 1, 1, &node);
  if (!status) status = kohl_onnx_weight_add(build, 1, node, "weight", layout);
  if (!status && bias) status = kohl_onnx_weight_add(build, bias, node, "bias", layout);
  return status ? status : result_of(build, KOHL_ONNX_ROWS, node, !bias);
}

kohl_status kohl_onnx_gemm(kohl_onnx_build *build) {
  float alpha = 1, beta = 1;
  int64_t transposed = 0;
  bool bias = kohl_onnx_input(build, 2) != NULL;
  kohl_status status = kohl_onnx_attribute_float(build, "alpha", &alpha);
  if (!status) status = kohl_onnx_attribute_float(build, "beta", &beta);
  if (!status) status = kohl_onnx_attribute_int(build, "transB", &transposed);
  if (!status) status = kohl_onnx_need(build, "transA", 0);
  if (!status && (alpha != 1 || (bias && beta != 1)))
    status = kohl_onnx_refuse(build, "attributes 'alpha' and 'beta'", "other numbers", "1");
  return status ? status : dense(build, transposed != 0, bias ? 2 : 0);
}

kohl_status kohl_onnx_matmul(kohl_onnx_build *build) { return dense(build, false, 0); }

kohl_status kohl_onnx_lrn(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  kohl_params params = kohl_params_default();
  int64_t size = -1;
  int node;
  params.lrn_alpha = 1e-4f;
  params.lrn_beta = 0.75f;
  params.lrn_bias = 1;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, 0, &input);
  if (!status) status = kohl_onnx_attribute_int(build, "size", &size);
  if (!status) status = kohl_onnx_attribute_float(build, "alpha", &params.lrn_alpha);
  if (!status) status = kohl_onnx_attribute_float(build, "beta", &params.lrn_beta);
  if (!status) status = kohl_onnx_attribute_float(build, "bias", &params.lrn_bias);
  if (status) return status;
  params.window = as_int(size);
  if (params.window < 1) return kohl_onnx_refuse_number(build, "attribute 'size'", size, "1 to 255");
  params.lrn_alpha /= (float)params.window; /* ONNX divides the sum by the window, kohl does not */
  status = kohl_onnx_layer(build, KOHL_LAYER_lrn, &params, &input, 1, 0, &node);
  return status ? status : result_of(build, KOHL_ONNX_PICTURE, node, false);
}

/* Number by number: whatever the order of its input was, that of its output is the same. */
static kohl_status each(kohl_onnx_build *build, kohl_layer layer, const kohl_params *params, unsigned allow) {
  kohl_onnx_value *input;
  int node;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_UNSET, allow, &input);
  if (!status) status = kohl_onnx_layer(build, layer, params, &input, 1, 0, &node);
  if (status) return status;
  kohl_onnx_value value = *input;
  value.node = node;
  value.open = false;
  return kohl_onnx_result(build, &value);
}

static const unsigned any_order = KOHL_ONNX_ALLOW_LAST | KOHL_ONNX_ALLOW_CHW;

kohl_status kohl_onnx_relu(kohl_onnx_build *build) {
  kohl_params params = kohl_params_default();
  return each(build, KOHL_LAYER_relu, &params, any_order);
}

kohl_status kohl_onnx_sigmoid(kohl_onnx_build *build) {
  kohl_params params = kohl_params_default();
  return each(build, KOHL_LAYER_sigmoid, &params, any_order);
}

/* Only from 0 to infinity. */
kohl_status kohl_onnx_clip(kohl_onnx_build *build) {
  float low = -FLT_MAX, high = FLT_MAX;
  kohl_status status = kohl_onnx_attribute_float(build, "min", &low);
  if (!status) status = kohl_onnx_attribute_float(build, "max", &high);
  double least = (double)low, most = (double)high;
  if (!status) status = kohl_onnx_number(build, 1, &least);
  if (!status) status = kohl_onnx_number(build, 2, &most);
  if (status) return status;
  if (!(least == 0 && most >= (double)FLT_MAX)) {
    char text[64];
    snprintf(text, sizeof text, "%g to %g", least, most);
    return kohl_onnx_refuse(build, "range", text, "0 and no upper end");
  }
  return kohl_onnx_relu(build);
}

/* Of 0 and a layer's output: what PyTorch's newer exporter makes of clamp. */
kohl_status kohl_onnx_max(kohl_onnx_build *build) {
  double least = -1;
  kohl_status status = kohl_onnx_number(build, 1, &least);
  if (status) return status;
  if (build->node->inputs != 2 || least != 0) return kohl_onnx_refuse(build, "inputs", "others", "a picture and 0");
  return kohl_onnx_relu(build);
}

kohl_status kohl_onnx_softmax(kohl_onnx_build *build) {
  kohl_params params = kohl_params_default();
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  bool rows = input && input->kind == KOHL_ONNX_ROWS, newer = build->model->opset >= 13;
  int64_t axis = newer ? -1 : 1;
  kohl_status status = kohl_onnx_attribute_int(build, "axis", &axis);
  if (status) return status;
  bool channels = axis == 1 || axis == (rows ? -1 : -3);
  if (!channels) return kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "the channels'");
  if (!rows && !newer && !(input && input->single)) /* older ones take all that comes behind the axis as one */
    return kohl_onnx_refuse(build, "input", "a picture", "rows of numbers");
  return each(build, KOHL_LAYER_softmax, &params, 0);
}

kohl_status kohl_onnx_dropout(kohl_onnx_build *build) {
  kohl_params params = kohl_params_default();
  float ratio = 0.5f;
  kohl_status status = kohl_onnx_attribute_float(build, "ratio", &ratio);
  double rate = (double)ratio;
  if (!status) status = kohl_onnx_number(build, 1, &rate);
  if (status) return status;
  if (kohl_onnx_input(build, 2)) return kohl_onnx_refuse(build, "input 2 (training_mode)", "a value", "none");
  params.rate = (float)rate;
  return each(build, KOHL_LAYER_dropout, &params, any_order);
}

/* A constant behind a layer that has no bias: one number for each of its outputs. */
static kohl_status add_bias(kohl_onnx_build *build, const kohl_onnx_value *input, size_t constant) {
  kohl_onnx_tensor *tensor;
  kohl_status status = kohl_onnx_constant_input(build, constant, -1, &tensor);
  if (status) return status;
  kohl_params *params = &build->graph->nodes[input->node].params;
  int rank = input->kind == KOHL_ONNX_ROWS ? 2 : 4, axis = input->last ? 3 : 1;
  bool good = tensor->dims <= rank && tensor->count == (size_t)params->filters;
  for (int i = 0; i < tensor->dims; i++) good = good && (tensor->shape[i] == 1 || i + rank - tensor->dims == axis);
  if (!good) return kohl_onnx_refuse(build, "a constant is added", "not one number for each channel", "a bias");
  params->bias = true;
  status = kohl_onnx_weight_add(build, constant, input->node, "bias", (kohl_layout){true, true});
  if (status) return status;
  kohl_onnx_value value = *input;
  value.open = false;
  return kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_add(kohl_onnx_build *build) {
  kohl_onnx_value *inputs[2] = {kohl_onnx_input(build, 0), kohl_onnx_input(build, 1)};
  kohl_params params = kohl_params_default();
  int node;
  if (!inputs[0] || !inputs[1]) return kohl_onnx_refuse(build, "inputs", "one", "two");
  for (size_t i = 0; i < 2; i++) {
    const kohl_onnx_value *other = inputs[1 - i];
    if (inputs[i]->kind != KOHL_ONNX_CONSTANT || other->kind < KOHL_ONNX_PICTURE) continue;
    if (other->open && other->uses == 1) return add_bias(build, other, i);
    return kohl_onnx_arithmetic(build, '+');
  }
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < 2 && !status; i++)
    status = kohl_onnx_activation(build, i, KOHL_ONNX_UNSET, KOHL_ONNX_ALLOW_LAST, &inputs[i]);
  if (status) return status;
  if (inputs[0]->kind != inputs[1]->kind || inputs[0]->last != inputs[1]->last || inputs[0]->order != inputs[1]->order)
    return kohl_onnx_refuse(build, "inputs", "of different kinds", "two of one shape");
  status = kohl_onnx_layer(build, KOHL_LAYER_add, &params, inputs, 2, 0, &node);
  if (status) return status;
  kohl_onnx_value value = *inputs[0];
  value.node = node;
  value.open = false;
  return kohl_onnx_result(build, &value);
}
