/* AttributeProto: name 1, f 2, i 3, s 4, t 5, floats 7, ints 8, type 20 (FLOAT 1, INT 2, STRING 3, TENSOR 4, FLOATS 6,
 * INTS 7).  Writers that leave out zeros say the type only. */
#include <stdio.h>
#include <string.h>

#include "convert/onnx/build.h"

enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 };

#define QUOTE(bytes_) kohl_quote((const char *)(bytes_).at, (bytes_).length).text

kohl_status kohl_onnx_refuse(kohl_onnx_build *build, const char *what, const char *found, const char *expected) {
  return kohl_fail(build->ctx, KOHL_BAD_INPUT, "%s: %s, expected %s", what, found, expected);
}

kohl_status kohl_onnx_refuse_number(kohl_onnx_build *build, const char *what, int64_t found, const char *expected) {
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)found);
  return kohl_onnx_refuse(build, what, text, expected);
}

/* The message of an attribute, which has length 0 when there is none. */
static kohl_status find(kohl_onnx_build *build, const char *name, kohl_proto_bytes *out) {
  *out = (kohl_proto_bytes){0};
  kohl_proto node = kohl_proto_open(build->node->message);
  while (kohl_proto_next(&node)) {
    if (!kohl_proto_is(&node, 5, KOHL_PROTO_BYTES)) continue;
    kohl_proto field = kohl_proto_open(node.bytes);
    bool is = false;
    while (kohl_proto_next(&field))
      if (kohl_proto_is(&field, 1, KOHL_PROTO_BYTES)) is = kohl_proto_word(field.bytes, name);
    if (field.damaged) return kohl_fail(build->ctx, KOHL_BAD_INPUT, "an attribute is damaged");
    if (is && out->length) return kohl_fail(build->ctx, KOHL_BAD_INPUT, "attribute '%s' is there twice", name);
    if (is) *out = node.bytes;
  }
  return KOHL_OK;
}

static kohl_status refuse_type(kohl_onnx_build *build, const char *name, const char *expected) {
  return kohl_fail(build->ctx, KOHL_BAD_INPUT, "attribute '%s': another type, expected %s", name, expected);
}

/* Finds an attribute's field of one type; *there is false when there is no such attribute. */
static kohl_status find_field(kohl_onnx_build *build, const char *name, uint64_t type, uint32_t number,
                              kohl_proto_wire wire, const char *expected, kohl_proto *out, bool *there) {
  kohl_proto_bytes message;
  uint64_t said = 0;
  bool found = false;
  kohl_status status = find(build, name, &message);
  *there = message.length > 0;
  *out = (kohl_proto){0};
  if (status || !*there) return status;
  kohl_proto field = kohl_proto_open(message);
  while (kohl_proto_next(&field)) {
    if (kohl_proto_is(&field, 20, KOHL_PROTO_VARINT)) said = field.number;
    if (!kohl_proto_is(&field, number, wire)) continue;
    found = true;
    *out = field;
  }
  return said == type || (!said && found) ? KOHL_OK : refuse_type(build, name, expected);
}

kohl_status kohl_onnx_attribute_int(kohl_onnx_build *build, const char *name, int64_t *out) {
  kohl_proto field;
  bool there;
  kohl_status status = find_field(build, name, TYPE_INT, 3, KOHL_PROTO_VARINT, "a whole number", &field, &there);
  if (!status && there) *out = (int64_t)field.number;
  return status;
}

kohl_status kohl_onnx_attribute_float(kohl_onnx_build *build, const char *name, float *out) {
  kohl_proto field;
  bool there;
  kohl_status status = find_field(build, name, TYPE_FLOAT, 2, KOHL_PROTO_FIXED32, "a number", &field, &there);
  uint32_t bits = (uint32_t)field.number;
  if (!status && there) memcpy(out, &bits, sizeof bits);
  return status;
}

kohl_status kohl_onnx_attribute_text(kohl_onnx_build *build, const char *name, kohl_proto_bytes *out) {
  kohl_proto field;
  bool there;
  kohl_status status = find_field(build, name, TYPE_STRING, 4, KOHL_PROTO_BYTES, "a text", &field, &there);
  if (!status && there) *out = field.bytes;
  return status;
}

kohl_status kohl_onnx_attribute_ints(kohl_onnx_build *build, const char *name, int64_t out[KOHL_ONNX_FEW], int *count) {
  kohl_proto_bytes message;
  uint64_t said = 0;
  int seen = 0;
  kohl_status status = find(build, name, &message);
  if (status || !message.length) return status;
  kohl_proto field = kohl_proto_open(message);
  while (kohl_proto_next(&field)) {
    if (kohl_proto_is(&field, 20, KOHL_PROTO_VARINT)) said = field.number;
    if (field.field != 8) continue;
    kohl_proto_bytes packed = field.bytes;
    uint64_t number = field.number;
    bool damaged = false, one = field.wire == KOHL_PROTO_VARINT;
    while (one || kohl_proto_varint(&packed, &number, &damaged)) {
      one = false;
      if (seen == KOHL_ONNX_FEW)
        return kohl_fail(build->ctx, KOHL_BAD_INPUT, "attribute '%s': more than %d numbers", name, KOHL_ONNX_FEW);
      out[seen++] = (int64_t)number;
    }
    if (damaged) return kohl_fail(build->ctx, KOHL_BAD_INPUT, "attribute '%s': the list is cut off", name);
  }
  if (said != TYPE_INTS && !(said == 0 && seen)) return refuse_type(build, name, "whole numbers");
  *count = seen;
  return KOHL_OK;
}

kohl_status kohl_onnx_need(kohl_onnx_build *build, const char *name, int64_t value) {
  int64_t found = value;
  char what[64], expected[32];
  kohl_status status = kohl_onnx_attribute_int(build, name, &found);
  if (status || found == value) return status;
  snprintf(what, sizeof what, "attribute '%s'", name);
  snprintf(expected, sizeof expected, "%lld", (long long)value);
  return kohl_onnx_refuse_number(build, what, found, expected);
}

kohl_onnx_value *kohl_onnx_input(kohl_onnx_build *build, size_t index) {
  int value = kohl_onnx_node_input(build->model, build->node, index);
  return value < 0 ? NULL : &build->values[value];
}

/* A value as a list: numbers of a shape, or a constant. */
kohl_status kohl_onnx_list(kohl_onnx_build *build, const char *name, size_t index, int64_t out[KOHL_ONNX_FEW],
                           int *count) {
  const kohl_onnx_value *value = kohl_onnx_input(build, index);
  kohl_status status = kohl_onnx_attribute_ints(build, name, out, count);
  if (status || !value) return status;
  if (value->kind == KOHL_ONNX_INTS && !value->pairs) {
    memcpy(out, value->ints, sizeof value->ints);
    *count = value->count;
    return KOHL_OK;
  }
  kohl_onnx_tensor *tensor = value->kind == KOHL_ONNX_CONSTANT ? &build->model->tensors[value->tensor] : NULL;
  if (tensor) status = kohl_onnx_tensor_find(build->ctx, &build->model->files, tensor);
  if (status) return status;
  if (!tensor || !kohl_onnx_tensor_ints(tensor, KOHL_ONNX_FEW, out))
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input %zu (%s), expected a constant of at most %d whole numbers",
                     index, name, KOHL_ONNX_FEW);
  *count = (int)tensor->count;
  return KOHL_OK;
}

kohl_status kohl_onnx_number(kohl_onnx_build *build, size_t index, double *out) {
  const kohl_onnx_value *value = kohl_onnx_input(build, index);
  kohl_onnx_tensor *tensor;
  kohl_safetensors_dtype dtype;
  float number;
  if (!value) return KOHL_OK;
  tensor = value->kind == KOHL_ONNX_CONSTANT ? &build->model->tensors[value->tensor] : NULL;
  if (!tensor || tensor->count != 1 || !kohl_onnx_tensor_dtype(tensor, &dtype))
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input %zu, expected a constant of one number", index);
  kohl_onnx_cursor cursor = {0};
  kohl_status status = kohl_onnx_tensor_find(build->ctx, &build->model->files, tensor);
  if (!status) status = kohl_onnx_tensor_read(build->ctx, build->model->path, tensor, &cursor, 0, 1, &number);
  if (!status) *out = (double)number;
  return status;
}
