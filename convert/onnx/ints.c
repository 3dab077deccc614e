/* Arithmetic on shapes: the few whole numbers that exporters compute in front of a Reshape or a Pad.  A list may be a
 * table of two columns, as PyTorch turns its pads around in one: begin and end of each dimension, last dimension first,
 * to all begins and then all ends. */
#include <string.h>

#include "convert/onnx/build.h"

static kohl_status result(kohl_onnx_build *build, const int64_t *ints, int count, bool scalar, bool pairs) {
  kohl_onnx_value value = {.kind = KOHL_ONNX_INTS, .count = count, .scalar = scalar, .pairs = pairs, .channel = -1};
  memcpy(value.ints, ints, (size_t)count * sizeof *ints);
  return kohl_onnx_result(build, &value);
}

/* An input as such a list. */
static kohl_status load(kohl_onnx_build *build, size_t index, kohl_onnx_value *out) {
  const kohl_onnx_value *value = kohl_onnx_input(build, index);
  *out = (kohl_onnx_value){.kind = KOHL_ONNX_INTS};
  if (!value) return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input %zu: none, expected whole numbers", index);
  if (value->kind == KOHL_ONNX_INTS) {
    *out = *value;
    return KOHL_OK;
  }
  int dims = value->kind == KOHL_ONNX_CONSTANT ? build->model->tensors[value->tensor].dims : -1;
  if (dims < 0 || dims > 1)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input %zu, expected a list of numbers", index);
  out->scalar = dims == 0;
  return kohl_onnx_list(build, "data", index, out->ints, &out->count);
}

kohl_status kohl_onnx_constant(kohl_onnx_build *build) {
  int64_t ints[KOHL_ONNX_FEW] = {INT64_MIN};
  int count = -1;
  if (build->node->tensor >= 0) {
    kohl_onnx_value value = {.kind = KOHL_ONNX_CONSTANT, .tensor = build->node->tensor, .channel = -1};
    return kohl_onnx_result(build, &value);
  }
  kohl_status status = kohl_onnx_attribute_int(build, "value_int", ints);
  if (status) return status;
  if (ints[0] != INT64_MIN) return result(build, ints, 1, true, false);
  status = kohl_onnx_attribute_ints(build, "value_ints", ints, &count);
  if (status) return status;
  if (count >= 0) return result(build, ints, count, false, false);
  return kohl_onnx_refuse(build, "attributes", "others", "value, value_int or value_ints");
}

kohl_status kohl_onnx_shape(kohl_onnx_build *build) {
  static const int64_t sizes[4] = {KOHL_ONNX_BATCH, KOHL_ONNX_SIDE, KOHL_ONNX_SIDE, KOHL_ONNX_SIDE};
  const kohl_onnx_value *input = kohl_onnx_input(build, 0);
  if (!input || input->kind < KOHL_ONNX_PICTURE || input->gathered)
    return kohl_onnx_refuse(build, "input 0", "another value", "what a layer has made");
  int64_t rank = input->kind == KOHL_ONNX_ROWS ? 2 : 4, start = 0, end = rank;
  kohl_status status = kohl_onnx_attribute_int(build, "start", &start);
  if (!status) status = kohl_onnx_attribute_int(build, "end", &end);
  if (status) return status;
  if (end > rank) end = rank;
  if (start < 0 || end < start)
    return kohl_onnx_refuse_number(build, "attribute 'start'", start, "a part of the shape");
  return result(build, sizes + start, (int)(end - start), false, false);
}

kohl_status kohl_onnx_ints_gather(kohl_onnx_build *build) {
  kohl_onnx_value from, which;
  int64_t axis = 0;
  kohl_status status = kohl_onnx_attribute_int(build, "axis", &axis);
  if (!status) status = load(build, 0, &from);
  if (!status) status = load(build, 1, &which);
  if (status) return status;
  if (axis != 0 || from.scalar || from.pairs || which.count != 1)
    return kohl_onnx_refuse(build, "inputs", "others", "a list and the number of one element");
  if (which.ints[0] < 0) which.ints[0] += from.count;
  if (which.ints[0] < 0 || which.ints[0] >= from.count)
    return kohl_onnx_refuse_number(build, "input 1: element", which.ints[0], "one of the list");
  return result(build, &from.ints[which.ints[0]], 1, which.scalar, false);
}

/* The last pairs first. */
static kohl_status reverse_pairs(kohl_onnx_build *build, const kohl_onnx_value *from) {
  int64_t out[KOHL_ONNX_FEW];
  for (int i = 0; i < from->count; i++) out[i] = from->ints[from->count - 2 - i / 2 * 2 + i % 2];
  return result(build, out, from->count, false, true);
}

kohl_status kohl_onnx_ints_slice(kohl_onnx_build *build) {
  kohl_onnx_value from;
  int64_t start[KOHL_ONNX_FEW], end[KOHL_ONNX_FEW], axis[KOHL_ONNX_FEW] = {0}, step[KOHL_ONNX_FEW] = {1};
  int starts = 0, ends = 0, axes = 1, steps = 1;
  kohl_status status = load(build, 0, &from);
  if (!status) status = kohl_onnx_list(build, "starts", 1, start, &starts);
  if (!status) status = kohl_onnx_list(build, "ends", 2, end, &ends);
  if (!status) status = kohl_onnx_list(build, "axes", 3, axis, &axes);
  if (!status) status = kohl_onnx_list(build, "steps", 4, step, &steps);
  if (status) return status;
  if (starts != 1 || ends != 1 || axes != 1 || steps != 1 || axis[0] != 0 || from.scalar)
    return kohl_onnx_refuse(build, "the slice", "of several axes", "a part of a list");
  if (from.pairs && step[0] == -1 && start[0] == -1 && end[0] < -KOHL_ONNX_FEW) return reverse_pairs(build, &from);
  if (start[0] < 0) start[0] += from.count;
  if (end[0] < 0) end[0] += from.count;
  if (end[0] > from.count) end[0] = from.count;
  if (from.pairs || step[0] != 1 || start[0] < 0 || end[0] < start[0])
    return kohl_onnx_refuse(build, "the slice", "another one", "a part of a list");
  return result(build, from.ints + start[0], (int)(end[0] - start[0]), false, false);
}

/* A number as a list of one, and back. */
static kohl_status rank(kohl_onnx_build *build, bool to_scalar) {
  kohl_onnx_value from;
  int64_t axes[KOHL_ONNX_FEW] = {0};
  int count = 1;
  kohl_status status = load(build, 0, &from);
  if (!status) status = kohl_onnx_list(build, "axes", 1, axes, &count);
  if (status) return status;
  if (count != 1 || axes[0] != 0 || from.count != 1 || from.pairs || from.scalar == to_scalar)
    return kohl_onnx_refuse(build, "input 0", "another value", to_scalar ? "a list of one number" : "one number");
  return result(build, from.ints, 1, to_scalar, false);
}

kohl_status kohl_onnx_ints_squeeze(kohl_onnx_build *build) { return rank(build, true); }
kohl_status kohl_onnx_ints_unsqueeze(kohl_onnx_build *build) { return rank(build, false); }

kohl_status kohl_onnx_ints_concat(kohl_onnx_build *build) {
  kohl_onnx_value part;
  int64_t all[KOHL_ONNX_FEW];
  int count = 0;
  kohl_status status = kohl_onnx_need(build, "axis", 0);
  for (size_t i = 0; i < build->node->inputs && !status; i++) {
    status = load(build, i, &part);
    if (status) break;
    if (part.scalar || part.pairs || count + part.count > KOHL_ONNX_FEW)
      return kohl_onnx_refuse_number(build, "length", count + part.count, "lists of at most 8 numbers together");
    memcpy(all + count, part.ints, (size_t)part.count * sizeof *part.ints);
    count += part.count;
  }
  return status ? status : result(build, all, count, false, false);
}

/* To pairs, or to a list. */
kohl_status kohl_onnx_ints_reshape(kohl_onnx_build *build) {
  kohl_onnx_value from, shape;
  kohl_status status = load(build, 0, &from);
  if (!status) status = load(build, 1, &shape);
  if (status) return status;
  bool pairs = shape.count == 2 && shape.ints[0] == -1 && shape.ints[1] == 2 && from.count % 2 == 0 && !from.scalar;
  bool list = shape.count == 1 && (shape.ints[0] == -1 || shape.ints[0] == from.count);
  if (!pairs && !list) return kohl_onnx_refuse(build, "the shape", "another one", "[-1] or [-1, 2]");
  return result(build, from.ints, from.count, false, pairs);
}

/* All that comes first in the pairs, then all that comes second: a table of two rows, which only a list can be made of,
 * so that it is one already. */
kohl_status kohl_onnx_ints_transpose(kohl_onnx_build *build) {
  kohl_onnx_value from;
  int64_t out[KOHL_ONNX_FEW], axes[KOHL_ONNX_FEW] = {1, 0};
  int count = 2;
  kohl_status status = load(build, 0, &from);
  if (!status) status = kohl_onnx_attribute_ints(build, "perm", axes, &count);
  if (status) return status;
  if (!from.pairs || count != 2 || axes[0] != 1 || axes[1] != 0)
    return kohl_onnx_refuse(build, "input 0", "another value", "a table of two columns and 'perm' [1, 0]");
  for (int i = 0; i < from.count; i++) out[i] = from.ints[i % (from.count / 2) * 2 + i / (from.count / 2)];
  return result(build, out, from.count, false, false);
}

/* Zeros. */
kohl_status kohl_onnx_ints_zeros(kohl_onnx_build *build) {
  kohl_onnx_value shape;
  const kohl_onnx_tensor *value = build->node->tensor >= 0 ? &build->model->tensors[build->node->tensor] : NULL;
  int64_t zeros[KOHL_ONNX_FEW] = {0}, number = -1;
  kohl_status status = load(build, 0, &shape);
  if (status) return status;
  if (!value || value->count != 1 || !kohl_onnx_tensor_ints(value, 1, &number) || number != 0 || shape.count != 1 ||
      shape.ints[0] < 0 || shape.ints[0] > KOHL_ONNX_FEW)
    return kohl_onnx_refuse(build, "inputs", "others", "at most 8 zeros, whole numbers");
  return result(build, zeros, (int)shape.ints[0], false, false);
}
