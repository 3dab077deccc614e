/* Nodes, names and constants of an ONNX graph; what the layers (onnx_layers.c) are written with. */
#include "convert/export/onnx.h"

#include <stdio.h>
#include <string.h>

void kohl_to_onnx_begin(kohl_to_onnx *onnx, const char *op, const char *name, const char *const *inputs,
                        const char *output) {
  kohl_put *put = &onnx->nodes;
  kohl_put_begin(put, ONNX_GRAPH_NODE);
  for (int i = 0; inputs[i]; i++) kohl_put_text(put, ONNX_NODE_INPUT, inputs[i]);
  kohl_put_text(put, ONNX_NODE_OUTPUT, output);
  kohl_put_text(put, ONNX_NODE_NAME, name);
  kohl_put_text(put, ONNX_NODE_OP, op);
}

void kohl_to_onnx_end(kohl_to_onnx *onnx) {
  kohl_put_end(&onnx->nodes);
  if (onnx->status == KOHL_OK) onnx->status = onnx->nodes.status;
}

void kohl_to_onnx_plain(kohl_to_onnx *onnx, const char *op, const char *name, const char *input, const char *output) {
  const char *inputs[] = {input, NULL};
  kohl_to_onnx_begin(onnx, op, name, inputs, output);
  kohl_to_onnx_end(onnx);
}

static void attribute(kohl_to_onnx *onnx, const char *name) {
  kohl_put_begin(&onnx->nodes, ONNX_NODE_ATTRIBUTE);
  kohl_put_text(&onnx->nodes, ONNX_ATTRIBUTE_NAME, name);
}

static void attribute_end(kohl_to_onnx *onnx, uint64_t type) {
  kohl_put_varint(&onnx->nodes, ONNX_ATTRIBUTE_TYPE, type);
  kohl_put_end(&onnx->nodes);
}

void kohl_to_onnx_int(kohl_to_onnx *onnx, const char *name, int64_t value) {
  attribute(onnx, name);
  kohl_put_varint(&onnx->nodes, ONNX_ATTRIBUTE_INT, (uint64_t)value);
  attribute_end(onnx, ONNX_IS_INT);
}

void kohl_to_onnx_float(kohl_to_onnx *onnx, const char *name, float value) {
  attribute(onnx, name);
  kohl_put_float(&onnx->nodes, ONNX_ATTRIBUTE_FLOAT, value);
  attribute_end(onnx, ONNX_IS_FLOAT);
}

void kohl_to_onnx_ints(kohl_to_onnx *onnx, const char *name, const int *values, int count) {
  attribute(onnx, name);
  for (int i = 0; i < count; i++) kohl_put_varint(&onnx->nodes, ONNX_ATTRIBUTE_INTS, (uint64_t)values[i]);
  attribute_end(onnx, ONNX_IS_INTS);
}

void kohl_to_onnx_name(const kohl_to_onnx *onnx, int index, const char *tag, char *name) {
  snprintf(name, KOHL_TO_ONNX_NAME, "%s:%s", onnx->graph->nodes[index].name, tag);
}

const char *kohl_to_onnx_out(kohl_to_onnx *onnx, int index, bool row) {
  char *name = row ? onnx->values[index].row : onnx->values[index].map;
  kohl_shape shape = onnx->graph->nodes[index].shape;
  const bool last = row || shape.h > 1 || shape.w > 1; /* one pixel leaves the network as a row */
  if (last && index == onnx->output) {
    strcpy(name, "output");
  } else if (last && index == onnx->logits) {
    strcpy(name, "logits");
  } else {
    kohl_to_onnx_name(onnx, index, "out", name);
  }
  return name;
}

const char *kohl_to_onnx_row(kohl_to_onnx *onnx, int input) {
  kohl_to_onnx_value *value = &onnx->values[input];
  if (*value->row) return value->row;
  char name[KOHL_TO_ONNX_NAME];
  kohl_to_onnx_name(onnx, input, "row", name);
  const bool is_last = input == onnx->output || input == onnx->logits;
  if (is_last) kohl_to_onnx_out(onnx, input, true);
  if (!is_last) strcpy(value->row, name);
  kohl_to_onnx_plain(onnx, "Flatten", name, value->map, value->row); /* axis 1 is its default */
  return value->row;
}

const char *kohl_to_onnx_map(kohl_to_onnx *onnx, int input) {
  static const int64_t shape[4] = {0, -1, 1, 1}; /* as many pictures as before, the numbers as channels */
  kohl_to_onnx_value *value = &onnx->values[input];
  if (*value->map) return value->map;
  char constant_name[KOHL_TO_ONNX_NAME];
  kohl_to_onnx_name(onnx, input, "pixel", value->map);
  kohl_to_onnx_name(onnx, input, "shape", constant_name);
  kohl_to_onnx_whole(onnx, constant_name, shape, 4);
  const char *inputs[] = {value->row, constant_name, NULL};
  kohl_to_onnx_begin(onnx, "Reshape", value->map, inputs, value->map);
  kohl_to_onnx_end(onnx);
  return value->map;
}

const char *kohl_to_onnx_any(const kohl_to_onnx *onnx, int input) {
  const kohl_to_onnx_value *value = &onnx->values[input];
  return *value->row ? value->row : value->map;
}

/* A new constant, or NULL after an error. */
static kohl_to_onnx_constant *constant(kohl_to_onnx *onnx, const char *name) {
  if (onnx->status != KOHL_OK) return NULL;
  onnx->status = kohl_grow(onnx->ctx, &onnx->constants, &onnx->constant_capacity, onnx->constant_count + 1,
                           sizeof *onnx->constants, "a list of constants");
  if (onnx->status != KOHL_OK) return NULL;
  kohl_to_onnx_constant *made = &onnx->constants[onnx->constant_count++];
  snprintf(made->name, sizeof made->name, "%s", name);
  return made;
}

const char *kohl_to_onnx_weight(kohl_to_onnx *onnx, int index, const char *suffix) {
  static const kohl_layout torch = {.output_first = true, .channels_first = true};
  const kohl_node *node = &onnx->graph->nodes[index];
  const kohl_weight *weight = kohl_model_weight(onnx->model, index, suffix);
  kohl_shape picture = onnx->transposed ? (kohl_shape){0, 0, 0} : kohl_export_picture(onnx->orders, node);
  kohl_to_onnx_constant *made = constant(onnx, weight->name);
  if (made) made->view = kohl_export_view_of(weight, torch, picture);
  return weight->name;
}

void kohl_to_onnx_floats(kohl_to_onnx *onnx, const char *name, const float *values, int dims, const int64_t *shape) {
  size_t count = 1;
  for (int d = 0; d < dims; d++) count *= (size_t)shape[d];
  kohl_to_onnx_constant *made = constant(onnx, name);
  if (!made) return;
  onnx->status = kohl_alloc(onnx->ctx, count, sizeof *values, "a constant", &made->owned);
  if (onnx->status != KOHL_OK) return;
  memcpy(made->owned, values, count * sizeof *values);
  made->view = kohl_export_view_row(made->owned, count);
  made->view.shape_dims = dims;
  for (int d = 0; d < dims; d++) made->view.shape[d] = shape[d];
}

void kohl_to_onnx_whole(kohl_to_onnx *onnx, const char *name, const int64_t *values, int count) {
  kohl_to_onnx_constant *made = constant(onnx, name);
  if (!made) return;
  for (int i = 0; i < count; i++) made->whole[i] = values[i];
  made->whole_count = count;
}
