/* Ops that move numbers or look at shapes.  Of arithmetic on shapes only what exporters emit in front of a Reshape. */
#include <stdio.h>
#include <string.h>

#include "convert/onnx/build.h"

enum { TYPE_FLOAT = KOHL_ONNX_FLOAT, TYPE_INT32 = KOHL_ONNX_INT32, TYPE_INT64 = KOHL_ONNX_INT64 };

static bool is_activation(const kohl_onnx_value *value) {
  return value && (value->kind == KOHL_ONNX_PICTURE || value->kind == KOHL_ONNX_ROWS);
}

static bool is_constant(const kohl_onnx_value *value) {
  return value && (value->kind == KOHL_ONNX_CONSTANT || value->kind == KOHL_ONNX_INTS);
}

static kohl_status ints_result(kohl_onnx_build *build, const int64_t *ints, int count, bool scalar) {
  kohl_onnx_value value = {.kind = KOHL_ONNX_INTS, .count = count, .scalar = scalar, .channel = -1};
  memcpy(value.ints, ints, (size_t)count * sizeof *ints);
  return kohl_onnx_result(build, &value);
}

/* Does a value have no dimension? */
static bool is_scalar(const kohl_onnx_build *build, const kohl_onnx_value *value) {
  return value->kind == KOHL_ONNX_INTS ? value->scalar : build->model->tensors[value->tensor].dims == 0;
}

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

kohl_status kohl_onnx_constant(kohl_onnx_build *build) {
  int64_t ints[KOHL_ONNX_FEW];
  int count = -1;
  if (build->node->tensor >= 0) {
    kohl_onnx_value value = {.kind = KOHL_ONNX_CONSTANT, .tensor = build->node->tensor, .channel = -1};
    return kohl_onnx_result(build, &value);
  }
  ints[0] = INT64_MIN;
  kohl_status status = kohl_onnx_attribute_int(build, "value_int", ints);
  if (status) return status;
  if (ints[0] != INT64_MIN) return ints_result(build, ints, 1, true);
  status = kohl_onnx_attribute_ints(build, "value_ints", ints, &count);
  if (status) return status;
  if (count >= 0) return ints_result(build, ints, count, false);
  return kohl_onnx_refuse(build, "attributes", "others", "value, value_int or value_ints");
}

kohl_status kohl_onnx_shape(kohl_onnx_build *build) {
  static const int64_t sizes[4] = {KOHL_ONNX_BATCH, KOHL_ONNX_SIDE, KOHL_ONNX_SIDE, KOHL_ONNX_SIDE};
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  if (!is_activation(input) || input->gathered) return kohl_onnx_refuse(build, "input 0", "another value", "a picture");
  int64_t rank = input->kind == KOHL_ONNX_ROWS ? 2 : 4, start = 0, end = rank;
  kohl_status status = kohl_onnx_attribute_int(build, "start", &start);
  if (!status) status = kohl_onnx_attribute_int(build, "end", &end);
  if (status) return status;
  if (end > rank) end = rank;
  if (start < 0 || end < start)
    return kohl_onnx_refuse_number(build, "attribute 'start'", start, "a part of the shape");
  return ints_result(build, sizes + start, (int)(end - start), false);
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
  int64_t axis = 0, index[KOHL_ONNX_FEW], from[KOHL_ONNX_FEW];
  int count = 0, length = 0;
  kohl_status status = kohl_onnx_attribute_int(build, "axis", &axis);
  if (!status && !is_constant(which)) status = kohl_onnx_refuse(build, "input 1", "another value", "a constant");
  if (!status) status = kohl_onnx_list(build, "indices", 1, index, &count);
  if (status) return status;
  if (count != 1) return kohl_onnx_refuse_number(build, "input 1: length", count, "1");
  bool scalar = is_scalar(build, which);
  if (is_activation(input))
    return axis == 1 || axis == -3 ? take_channel(build, input, index[0], scalar)
                                   : kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "1");
  if (!is_constant(input)) return kohl_onnx_refuse(build, "input 0", "another value", "a picture or a shape");
  status = kohl_onnx_list(build, "data", 0, from, &length);
  if (status) return status;
  if (index[0] < 0) index[0] += length;
  if (axis != 0 || is_scalar(build, input) || index[0] < 0 || index[0] >= length)
    return kohl_onnx_refuse_number(build, "input 1: index", index[0], "an element of the shape");
  return ints_result(build, &from[index[0]], 1, scalar);
}

/* starts, ends, axes and steps, of which one is given. */
kohl_status kohl_onnx_slice(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t start[KOHL_ONNX_FEW], end[KOHL_ONNX_FEW], axis[KOHL_ONNX_FEW] = {0}, step[KOHL_ONNX_FEW] = {1};
  int starts = 0, ends = 0, axes = 1, steps = 1, length = 0;
  kohl_status status = kohl_onnx_list(build, "starts", 1, start, &starts);
  if (!status) status = kohl_onnx_list(build, "ends", 2, end, &ends);
  if (!status) status = kohl_onnx_list(build, "axes", 3, axis, &axes);
  if (!status) status = kohl_onnx_list(build, "steps", 4, step, &steps);
  if (status) return status;
  if (starts != 1 || ends != 1 || axes != 1 || steps != 1 || step[0] != 1)
    return kohl_onnx_refuse(build, "the slice", "of several axes or steps", "one axis and steps of 1");
  if (is_activation(input)) {
    int channels = build->graph->nodes[0].params.size[2];
    int64_t last = end[0] > channels ? channels : end[0] < 0 ? end[0] + channels : end[0];
    int64_t first = start[0] < 0 ? start[0] + channels : start[0];
    bool all = first == 0 && end[0] >= INT32_MAX; /* x[:, ...] */
    if (all && !input->gathered) return kohl_onnx_alias(build, input);
    if ((axis[0] != 1 && axis[0] != -3) || last != first + 1)
      return kohl_onnx_refuse(build, "the slice", "another one", "one channel of the input");
    return take_channel(build, input, first, false);
  }
  int64_t from[KOHL_ONNX_FEW];
  if (!is_constant(input)) return kohl_onnx_refuse(build, "input 0", "another value", "a picture or a shape");
  status = kohl_onnx_list(build, "data", 0, from, &length);
  if (status) return status;
  if (end[0] > length) end[0] = length;
  if (start[0] < 0) start[0] += length;
  if (end[0] < 0) end[0] += length;
  if (axis[0] != 0 || is_scalar(build, input) || start[0] < 0 || end[0] < start[0])
    return kohl_onnx_refuse(build, "the slice", "another one", "a part of the shape");
  return ints_result(build, from + start[0], (int)(end[0] - start[0]), false);
}

kohl_status kohl_onnx_unsqueeze(kohl_onnx_build *build) {
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t axes[KOHL_ONNX_FEW], from[KOHL_ONNX_FEW];
  int count = 0, length = 0;
  kohl_status status = kohl_onnx_list(build, "axes", 1, axes, &count);
  if (status) return status;
  if (count == 1 && is_activation(input) && input->gathered && (axes[0] == 1 || axes[0] == -3)) {
    kohl_onnx_value value = *input;
    value.gathered = false;
    return kohl_onnx_result(build, &value);
  }
  if (count != 1 || axes[0] != 0 || !is_constant(input) || !is_scalar(build, input))
    return kohl_onnx_refuse(build, "input 0", "another value", "a number of a shape, or a channel of the input");
  status = kohl_onnx_list(build, "data", 0, from, &length);
  return status ? status : ints_result(build, from, 1, false);
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
  kohl_onnx_value *input = kohl_onnx_input(build, 0);
  int64_t axes[KOHL_ONNX_FEW], from[KOHL_ONNX_FEW];
  int count = 0, length = 0;
  kohl_status status = kohl_onnx_list(build, "axes", 1, axes, &count);
  if (status) return status;
  if (is_constant(input)) {
    status = kohl_onnx_list(build, "data", 0, from, &length);
    if (status) return status;
    if (length != 1 || count > 1 || (count == 1 && axes[0] != 0))
      return kohl_onnx_refuse_number(build, "input 0: length", length, "1");
    return ints_result(build, from, 1, true);
  }
  status = kohl_onnx_activation(build, 0, KOHL_ONNX_PICTURE, KOHL_ONNX_ALLOW_LAST, &input);
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

static kohl_status concat_ints(kohl_onnx_build *build, int64_t axis) {
  int64_t all[KOHL_ONNX_FEW], part[KOHL_ONNX_FEW];
  int count = 0;
  if (axis != 0) return kohl_onnx_refuse_number(build, "attribute 'axis'", axis, "0");
  for (size_t i = 0; i < build->node->inputs; i++) {
    int length = 0;
    kohl_status status = kohl_onnx_list(build, "inputs", i, part, &length);
    if (status) return status;
    if (count + length > KOHL_ONNX_FEW || is_scalar(build, kohl_onnx_input(build, i)))
      return kohl_onnx_refuse_number(build, "length", count + length, "a shape");
    memcpy(all + count, part, (size_t)length * sizeof *part);
    count += length;
  }
  return ints_result(build, all, count, false);
}

kohl_status kohl_onnx_concat(kohl_onnx_build *build) {
  kohl_onnx_value *inputs[KOHL_NODE_INPUTS];
  const kohl_onnx_value *one = kohl_onnx_input(build, 0);
  kohl_params params = kohl_params_default();
  int64_t axis = INT64_MIN;
  size_t count = build->node->inputs;
  int node;
  bool constant = count > 0;
  kohl_status status = kohl_onnx_attribute_int(build, "axis", &axis);
  for (size_t i = 0; i < count; i++) constant = constant && is_constant(kohl_onnx_input(build, i));
  if (status) return status;
  if (constant) return concat_ints(build, axis);
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
