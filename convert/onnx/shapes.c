/* Ops that move the numbers of pictures without changing them, and those that only give them another name. */
#include <stdio.h>
#include <string.h>

#include "convert/onnx/build.h"

enum { TYPE_FLOAT = KOHL_ONNX_FLOAT, TYPE_INT32 = KOHL_ONNX_INT32, TYPE_INT64 = KOHL_ONNX_INT64 };

kohl_status kohl_onnx_identity(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  return input ? kohl_onnx_alias(build, input) : kohl_onnx_refuse(build, "inputs", "none", "one");
}

kohl_status kohl_onnx_cast(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t to = 0;
  kohl_status status = kohl_onnx_attribute_int(build, "to", &to);
  if (status) return status;
  if (!input) return kohl_onnx_refuse(build, "inputs", "none", "one");
  uint64_t type = input->kind == KOHL_ONNX_CONSTANT ? build->model->tensors[input->tensor].type
                  : input->kind == KOHL_ONNX_INTS   ? TYPE_INT64
                                                    : build->model->input_type;
  bool wider = to == TYPE_FLOAT && (type == KOHL_ONNX_FLOAT16 || type == KOHL_ONNX_BFLOAT16);
  bool whole = (to == TYPE_INT32 || to == TYPE_INT64) && (type == TYPE_INT32 || type == TYPE_INT64);
  if (to < 1 || ((uint64_t)to != type && !wider && !whole))
    return kohl_onnx_refuse_number(build, "attribute 'to'", to, "the type that it has");
  return kohl_onnx_alias(build, input);
}

/* One channel of the input, still with its dimension or without. */
static kohl_status take_channel(kohl_onnx_build *build, const kohl_onnx_value *input, int64_t channel, bool gathered) {
  kohl_onnx_value value = *input;
  int channels = build->graph->nodes[0].params.size[2];
  if (input->kind != KOHL_ONNX_PICTURE || input->node != 0 || input->channel >= 0 || input->last || input->padded)
    return kohl_onnx_refuse(build, "input 0", "another value", "the network's input, whose channels are scaled");
  if (channel < 0) channel += channels;
  if (channel < 0 || channel >= channels || channel > 2)
    return kohl_onnx_refuse_number(build, "channel", channel, "one of at most 3");
  value.channel = (int)channel;
  value.gathered = gathered;
  value.scale[0] = input->scale[channel];
  value.shift[0] = input->shift[channel];
  return kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_gather(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0), *which = kohl_onnx_input(build, 1);
  int64_t axis = 0, index[KOHL_ONNX_FEW];
  int count = 0;
  kohl_status status = kohl_onnx_attribute_int(build, "axis", &axis);
  if (!status) status = kohl_onnx_list(build, "indices", 1, index, &count);
  if (status) return status;
  if (!input || !which || count != 1) return kohl_onnx_refuse_number(build, "input 1: length", count, "1");
  if (axis != 1 && axis != -3) return kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "1");
  bool scalar = which->kind == KOHL_ONNX_INTS ? which->scalar : build->model->tensors[which->tensor].dims == 0;
  return take_channel(build, input, index[0], scalar);
}

/* starts, ends, axes and steps, of which one is given. */
kohl_status kohl_onnx_slice(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t start[KOHL_ONNX_FEW], end[KOHL_ONNX_FEW], axis[KOHL_ONNX_FEW] = {0}, step[KOHL_ONNX_FEW] = {1};
  int starts = 0, ends = 0, axes = 1, steps = 1;
  kohl_status status = kohl_onnx_list(build, "starts", 1, start, &starts);
  if (!status) status = kohl_onnx_list(build, "ends", 2, end, &ends);
  if (!status) status = kohl_onnx_list(build, "axes", 3, axis, &axes);
  if (!status) status = kohl_onnx_list(build, "steps", 4, step, &steps);
  if (status) return status;
  if (!input || starts != 1 || ends != 1 || axes != 1 || steps != 1 || step[0] != 1)
    return kohl_onnx_refuse(build, "the slice", "of several axes or steps", "one axis and steps of 1");
  if (start[0] == 0 && end[0] >= INT32_MAX) return kohl_onnx_alias(build, input); /* all of it: x[:, ...] */
  int channels = build->graph->nodes[0].params.size[2];
  int64_t last = end[0] > channels ? channels : end[0] < 0 ? end[0] + channels : end[0];
  int64_t first = start[0] < 0 ? start[0] + channels : start[0];
  if ((axis[0] != 1 && axis[0] != -3) || last - 1 != first)
    return kohl_onnx_refuse(build, "the slice", "another one", "one channel of the input");
  return take_channel(build, input, first, false);
}

kohl_status kohl_onnx_unsqueeze(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t axes[KOHL_ONNX_FEW];
  int count = 0;
  kohl_status status = kohl_onnx_list(build, "axes", 1, axes, &count);
  if (status) return status;
  if (!input || !input->gathered || count != 1 || (axes[0] != 1 && axes[0] != -3))
    return kohl_onnx_refuse(build, "input 0", "another value", "a channel of the input, and axis 1");
  kohl_onnx_value value = *input;
  value.gathered = false;
  return kohl_onnx_result(build, &value);
}

/* A picture as rows of numbers; values is how many the model says (-1: nothing). */
static kohl_status flatten(kohl_onnx_build *build, kohl_onnx_value *input, int64_t values) {
  kohl_params params = kohl_params_default();
  kohl_onnx_value value = *input;
  kohl_status status = KOHL_OK;
  value.open = false;
  if (input->kind == KOHL_ONNX_PICTURE) {
    value = kohl_onnx_value_of(KOHL_ONNX_ROWS, input->node);
    value.single = input->single;
    value.order = input->single ? KOHL_ONNX_ANY_ORDER : input->last ? KOHL_ONNX_HWC : KOHL_ONNX_CHW;
    if (!input->single) status = kohl_onnx_layer(build, KOHL_LAYER_flatten, &params, &input, 1, 0, &value.node);
  }
  if (!status && values >= 0) status = kohl_onnx_check_add(build, value.node, values);
  return status ? status : kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_flatten(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  int64_t axis = 1;
  unsigned allow = KOHL_ONNX_ALLOW_LAST | KOHL_ONNX_ALLOW_CHW;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_UNSET, allow, &input);
  if (!status) status = kohl_onnx_attribute_int(build, "axis", &axis);
  if (status) return status;
  if (axis != 1 && axis != (input->kind == KOHL_ONNX_ROWS ? -1 : -3))
    return kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "1");
  return flatten(build, input, -1);
}

/* To [batch, everything else]. */
kohl_status kohl_onnx_reshape(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  int64_t shape[KOHL_ONNX_FEW], batch = build->model->input_shape[0], zero = 0;
  int count = 0;
  unsigned allow = KOHL_ONNX_ALLOW_LAST | KOHL_ONNX_ALLOW_CHW;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_UNSET, allow, &input);
  if (!status) status = kohl_onnx_list(build, "shape", 1, shape, &count);
  if (!status) status = kohl_onnx_attribute_int(build, "allowzero", &zero);
  if (status) return status;
  bool copied = count == 2 && (shape[0] == KOHL_ONNX_BATCH || (shape[0] == 0 && !zero));
  bool first = count == 2 && (copied || shape[0] == -1 || shape[0] == batch || (shape[0] == 1 && batch < 0));
  if (!first || shape[1] < -1 || shape[1] == 0 || (shape[0] == -1 && shape[1] < 0))
    return kohl_onnx_refuse(build, "the shape", "another one", "[batch, all values of a picture]");
  return flatten(build, input, shape[1]);
}

kohl_status kohl_onnx_squeeze(kohl_onnx_build *build) {
  kohl_onnx_value *input;
  int64_t axes[KOHL_ONNX_FEW];
  int count = 0;
  kohl_status status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, KOHL_ONNX_ALLOW_LAST, &input);
  if (!status) status = kohl_onnx_list(build, "axes", 1, axes, &count);
  if (status) return status;
  int64_t first = input->last ? 1 : 2;
  for (int i = 0; i < count; i++) axes[i] += axes[i] < 0 ? 4 : 0;
  if (count != 2 || !((axes[0] == first && axes[1] == first + 1) || (axes[1] == first && axes[0] == first + 1)))
    return kohl_onnx_refuse(build, "'axes'", "others", "height and width");
  status = kohl_onnx_check_add(build, input->node, 0);
  kohl_onnx_value value = kohl_onnx_value_of(KOHL_ONNX_ROWS, input->node);
  value.single = true;
  return status ? status : kohl_onnx_result(build, &value);
}

/* Pictures between the two orders of their dimensions; a constant matrix, as it is read. */
kohl_status kohl_onnx_transpose(kohl_onnx_build *build) {
  static const int64_t to_last[4] = {0, 2, 3, 1}, from_last[4] = {0, 3, 1, 2};
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t axes[KOHL_ONNX_FEW] = {1, 0};
  int count = -1;
  kohl_status status = kohl_onnx_attribute_ints(build, "perm", axes, &count);
  if (status) return status;
  if (input && input->kind == KOHL_ONNX_CONSTANT && build->model->tensors[input->tensor].dims == 2 &&
      (count == -1 || count == 2) && axes[0] == 1 && axes[1] == 0) {
    kohl_onnx_value value = *input;
    value.transposed = !value.transposed;
    return kohl_onnx_result(build, &value);
  }
  bool picture = input && input->kind == KOHL_ONNX_PICTURE && input->channel < 0 && count == 4;
  const int64_t *perm = picture && input->last ? from_last : to_last;
  if (!picture || memcmp(axes, perm, 4 * sizeof *perm) != 0)
    return kohl_onnx_refuse(build, "attribute 'perm'", "another order",
                            picture && input->last ? "[0, 3, 1, 2]" : "[0, 2, 3, 1] of a picture");
  kohl_onnx_value value = *input;
  value.last = !value.last;
  value.open = false;
  return kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_concat(kohl_onnx_build *build) {
  kohl_onnx_value *inputs[KOHL_NODE_INPUTS];
  const kohl_onnx_value *one = kohl_onnx_input(build, 0);
  kohl_params params = kohl_params_default();
  int64_t axis = INT64_MIN;
  size_t count = build->node->inputs;
  int node;
  kohl_status status = kohl_onnx_attribute_int(build, "axis", &axis);
  if (status) return status;
  if (one && one->channel >= 0)
    return axis == 1 || axis == -3 ? kohl_onnx_join_channels(build)
                                   : kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "1");
  if (count < 1 || count > KOHL_NODE_INPUTS) return kohl_onnx_refuse_number(build, "inputs", (int64_t)count, "1 to 8");
  for (size_t i = 0; i < count && !status; i++)
    status = kohl_onnx_activation(build, i, KOHL_ONNX_UNSET, KOHL_ONNX_ALLOW_LAST, &inputs[i]);
  if (status) return status;
  kohl_onnx_value value = *inputs[0];
  int64_t rank = value.kind == KOHL_ONNX_ROWS ? 2 : 4, channels = value.last ? 3 : 1;
  if (axis != channels && axis != channels - rank)
    return kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "that of the channels");
  for (size_t i = 1; i < count; i++)
    if (inputs[i]->kind != value.kind || inputs[i]->last != value.last)
      return kohl_onnx_refuse(build, "inputs", "of different kinds", "one kind");
  status = kohl_onnx_layer(build, KOHL_LAYER_concat, &params, inputs, (int)count, 0, &node);
  if (status) return status;
  value.node = node;
  value.open = false;
  value.order = KOHL_ONNX_ANY_ORDER;
  return kohl_onnx_result(build, &value);
}
