/* ModelProto: producer_name 2, graph 7, opset_import 8.  GraphProto: node 1, initializer 5, input 11, output 12,
 * sparse_initializer 15.  NodeProto: input 1, output 2, name 3, op_type 4, attribute 5, domain 7.  See model.h.
 *
 * The file is gone through twice: once to count, then to fill arrays of exactly that size, so that memory stays near
 * the file's own. */
#include "convert/onnx/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"

#define QUOTE(bytes_) kohl_quote((const char *)(bytes_).at, (bytes_).length).text

static int compare(kohl_proto_bytes a, kohl_proto_bytes b) {
  size_t least = a.length < b.length ? a.length : b.length;
  int order = least ? memcmp(a.at, b.at, least) : 0;
  return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_names(const void *a, const void *b) {
  return compare(*(const kohl_proto_bytes *)a, *(const kohl_proto_bytes *)b);
}

int kohl_onnx_model_value(const kohl_onnx_model *model, kohl_proto_bytes name) {
  size_t low = 0, high = model->value_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(model->names[middle], name);
    if (!order) return (int)middle;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

int kohl_onnx_node_input(const kohl_onnx_model *model, const kohl_onnx_node *node, size_t index) {
  return index < node->inputs ? model->links[node->first + index] : -1;
}

int kohl_onnx_node_output(const kohl_onnx_model *model, const kohl_onnx_node *node, size_t index) {
  return index < node->outputs ? model->links[node->first + node->inputs + index] : -1;
}

kohl_onnx_who kohl_onnx_node_who(const kohl_onnx_model *model, const kohl_onnx_node *node) {
  kohl_onnx_who who;
  if (node->name.length)
    snprintf(who.text, sizeof who.text, "node '%s' (%s)", QUOTE(node->name), QUOTE(node->op));
  else
    snprintf(who.text, sizeof who.text, "node %zu (%s)", (size_t)(node - model->nodes), QUOTE(node->op));
  return who;
}

static kohl_status damaged(kohl_context *ctx, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s is damaged or cut off", what);
}

static bool is_text(const kohl_proto *field, uint32_t number) { return kohl_proto_is(field, number, KOHL_PROTO_BYTES); }

/* The set of operators: {domain 1, version 2}, of which ONNX's own counts. */
static kohl_status read_opset(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes message) {
  kohl_proto field = kohl_proto_open(message);
  kohl_proto_bytes domain = {0};
  uint64_t version = 0;
  while (kohl_proto_next(&field)) {
    if (is_text(&field, 1)) domain = field.bytes;
    if (kohl_proto_is(&field, 2, KOHL_PROTO_VARINT)) version = field.number;
  }
  if (field.damaged) return damaged(ctx, "opset_import");
  if (kohl_proto_word(domain, "") || kohl_proto_word(domain, "ai.onnx")) model->opset = version;
  return KOHL_OK;
}

static kohl_status read_top(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes *graph) {
  kohl_proto field = kohl_proto_open((kohl_proto_bytes){model->map.bytes, model->map.length});
  kohl_status status = KOHL_OK;
  bool found = false;
  while (!status && kohl_proto_next(&field)) {
    if (is_text(&field, 2)) model->producer = field.bytes;
    if (is_text(&field, 8)) status = read_opset(ctx, model, field.bytes);
    if (!is_text(&field, 7)) continue;
    if (found) return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'graph' is there twice");
    found = true;
    *graph = field.bytes;
  }
  if (status) return status;
  if (field.damaged) return damaged(ctx, "the model");
  if (!found) return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'graph' is missing, expected an ONNX model");
  if (model->opset >= KOHL_ONNX_OPSET_FIRST && model->opset <= KOHL_ONNX_OPSET_LAST) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'opset_import': version %llu, expected %d to %d",
                   (unsigned long long)model->opset, KOHL_ONNX_OPSET_FIRST, KOHL_ONNX_OPSET_LAST);
}

/* The tensor in the attribute `value` of a Constant, if it has one (name 1, t 5). */
static bool constant_tensor(kohl_proto_bytes attribute, kohl_proto_bytes *tensor) {
  kohl_proto field = kohl_proto_open(attribute);
  bool named = false, found = false;
  while (kohl_proto_next(&field)) {
    if (is_text(&field, 1)) named = kohl_proto_word(field.bytes, "value");
    if (!is_text(&field, 5)) continue;
    found = true;
    *tensor = field.bytes;
  }
  return named && found;
}

/* Nodes, links and tensors there are. */
static kohl_status count_all(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes graph) {
  kohl_proto field = kohl_proto_open(graph);
  kohl_proto_bytes tensor;
  while (kohl_proto_next(&field)) {
    model->initializer_count += is_text(&field, 5);
    if (is_text(&field, 15)) return kohl_fail(ctx, KOHL_BAD_INPUT, "a sparse initializer, expected dense ones");
    if (!is_text(&field, 1)) continue;
    model->node_count++;
    kohl_proto node = kohl_proto_open(field.bytes);
    while (kohl_proto_next(&node)) {
      model->link_count += is_text(&node, 1) || is_text(&node, 2);
      model->tensor_count += is_text(&node, 5) && constant_tensor(node.bytes, &tensor);
    }
    if (node.damaged) return kohl_fail(ctx, KOHL_BAD_INPUT, "node %zu is damaged", model->node_count - 1);
  }
  if (field.damaged) return damaged(ctx, "the graph");
  model->tensor_count += model->initializer_count;
  if (model->node_count <= KOHL_ONNX_NODES && model->link_count <= KOHL_ONNX_LINKS &&
      model->tensor_count <= KOHL_ONNX_TENSORS)
    return KOHL_OK;
  return kohl_fail(
      ctx, KOHL_BAD_INPUT, "%zu nodes with %zu inputs and outputs and %zu tensors, expected at most %d, %d and %d",
      model->node_count, model->link_count, model->tensor_count, KOHL_ONNX_NODES, KOHL_ONNX_LINKS, KOHL_ONNX_TENSORS);
}

/* The next node; its links are names yet. */
static kohl_status read_node(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes message,
                             kohl_proto_bytes *links, size_t *tensors) {
  kohl_onnx_node *node = &model->nodes[model->node_count++];
  kohl_proto_bytes tensor;
  *node = (kohl_onnx_node){.message = message, .first = model->link_count, .tensor = -1};
  kohl_status status = KOHL_OK;
  for (uint32_t pass = 1; pass <= 2; pass++) {
    kohl_proto field = kohl_proto_open(message);
    while (kohl_proto_next(&field)) {
      if (is_text(&field, pass)) {
        links[model->link_count++] = field.bytes;
        node->inputs += pass == 1;
        node->outputs += pass == 2;
      }
      if (is_text(&field, 3)) node->name = field.bytes;
      if (is_text(&field, 4)) node->op = field.bytes;
      if (is_text(&field, 7)) node->foreign = field.bytes.length && !kohl_proto_word(field.bytes, "ai.onnx");
      if (pass == 2 || !is_text(&field, 5) || !constant_tensor(field.bytes, &tensor)) continue;
      node->tensor = (int)*tensors;
      status = kohl_onnx_tensor_decode(ctx, tensor, &model->tensors[(*tensors)++]);
      if (status) return status;
    }
  }
  return status;
}

static kohl_status read_all(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes graph,
                            kohl_proto_bytes *links) {
  kohl_proto field = kohl_proto_open(graph);
  kohl_status status = KOHL_OK;
  size_t tensors = model->initializer_count, initializers = 0;
  model->node_count = model->link_count = 0;
  while (!status && kohl_proto_next(&field)) {
    if (is_text(&field, 5)) status = kohl_onnx_tensor_decode(ctx, field.bytes, &model->tensors[initializers++]);
    if (!status && is_text(&field, 1)) status = read_node(ctx, model, field.bytes, links, &tensors);
  }
  return status;
}

/* Every name that something defines, in order; and which tensor it is. */
static kohl_status name_values(kohl_context *ctx, kohl_onnx_model *model, const kohl_proto_bytes *links,
                               kohl_proto_bytes input) {
  kohl_proto_bytes *names = model->names;
  size_t count = 0;
  for (size_t i = 0; i < model->initializer_count; i++) names[count++] = model->tensors[i].name;
  for (size_t i = 0; i < model->node_count; i++) {
    const kohl_onnx_node *node = &model->nodes[i];
    for (size_t k = 0; k < node->outputs; k++)
      if (links[node->first + node->inputs + k].length) names[count++] = links[node->first + node->inputs + k];
  }
  names[count++] = input;
  if (count > KOHL_ONNX_VALUES)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu values, expected at most %d", count, KOHL_ONNX_VALUES);
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 1; i < count; i++)
    if (compare(names[i - 1], names[i]) == 0)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "value '%s' is defined twice", QUOTE(names[i]));
  model->value_count = count;
  for (size_t i = 0; i < count; i++) model->initial[i] = -1;
  for (size_t i = 0; i < model->initializer_count; i++)
    model->initial[kohl_onnx_model_value(model, model->tensors[i].name)] = (int)i;
  model->input = kohl_onnx_model_value(model, input);
  return KOHL_OK;
}

/* Names of links to numbers.  ready: what nodes before this one define. */
static kohl_status link_values(kohl_context *ctx, kohl_onnx_model *model, const kohl_proto_bytes *links, char *ready) {
  for (size_t i = 0; i < model->value_count; i++) ready[i] = model->initial[i] >= 0 || (int)i == model->input;
  for (size_t i = 0; i < model->node_count; i++) {
    const kohl_onnx_node *node = &model->nodes[i];
    for (size_t k = node->first; k < node->first + node->inputs + node->outputs; k++) {
      int value = links[k].length ? kohl_onnx_model_value(model, links[k]) : -1;
      bool input = k < node->first + node->inputs;
      model->links[k] = value;
      if (input && links[k].length && (value < 0 || !ready[value]))
        return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: input '%s', expected a value that is defined before",
                         kohl_onnx_node_who(model, node).text, QUOTE(links[k]));
      if (!input && value >= 0) ready[value] = 1;
    }
  }
  return KOHL_OK;
}

/* A ValueInfoProto: name 1, type 2 {tensor_type 1 {elem_type 1, shape 2 {dim 1 {dim_value 1}}}}; the parts that are
 * not there stay as they are. */
static kohl_proto_bytes part_of(kohl_proto_bytes message, uint32_t number) {
  kohl_proto field = kohl_proto_open(message);
  kohl_proto_bytes part = {0};
  while (kohl_proto_next(&field))
    if (is_text(&field, number)) part = field.bytes;
  return part;
}

static kohl_status read_input_type(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes info) {
  kohl_proto_bytes tensor = part_of(part_of(info, 2), 1);
  kohl_proto field = kohl_proto_open(tensor);
  while (kohl_proto_next(&field))
    if (kohl_proto_is(&field, 1, KOHL_PROTO_VARINT)) model->input_type = field.number;
  kohl_proto dim = kohl_proto_open(part_of(tensor, 2));
  while (kohl_proto_next(&dim)) {
    if (!is_text(&dim, 1)) continue;
    if (model->input_dims == 8)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "input '%s': more than 8 dimensions", QUOTE(part_of(info, 1)));
    int64_t *size = &model->input_shape[model->input_dims++];
    *size = -1;
    kohl_proto value = kohl_proto_open(dim.bytes);
    while (kohl_proto_next(&value))
      if (kohl_proto_is(&value, 1, KOHL_PROTO_VARINT) && value.number >= 1 && value.number <= INT32_MAX)
        *size = (int64_t)value.number;
  }
  return KOHL_OK;
}

/* The one input that is no initializer, and the outputs. */
static kohl_status find_ends(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes graph, kohl_proto_bytes *input,
                             kohl_proto_bytes outputs[KOHL_ONNX_OUTPUTS]) {
  kohl_proto field = kohl_proto_open(graph);
  kohl_proto_bytes info = {0};
  size_t inputs = 0, count = 0;
  while (kohl_proto_next(&field)) {
    if (is_text(&field, 12)) {
      if (count < KOHL_ONNX_OUTPUTS) outputs[count] = part_of(field.bytes, 1);
      count++;
    }
    if (!is_text(&field, 11)) continue;
    kohl_proto_bytes name = part_of(field.bytes, 1);
    if (kohl_onnx_model_value(model, name) >= 0) continue; /* an initializer: old files list them */
    info = field.bytes;
    *input = name;
    inputs++;
  }
  if (inputs != 1 || count < 1 || count > KOHL_ONNX_OUTPUTS)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "the graph has %zu inputs and %zu outputs, expected one and 1 to %d", inputs,
                     count, KOHL_ONNX_OUTPUTS);
  model->output_count = (int)count;
  return read_input_type(ctx, model, info);
}

/* The initializers' names alone, for find_ends. */
static void name_initializers(kohl_onnx_model *model) {
  for (size_t i = 0; i < model->initializer_count; i++) model->names[i] = model->tensors[i].name;
  model->value_count = model->initializer_count;
  if (model->value_count) qsort(model->names, model->value_count, sizeof *model->names, compare_names);
}

static kohl_status decode(kohl_context *ctx, kohl_onnx_model *model, kohl_proto_bytes **links, char **ready) {
  kohl_proto_bytes graph = {0}, input = {0}, outputs[KOHL_ONNX_OUTPUTS] = {{0}};
  kohl_status status = read_top(ctx, model, &graph);
  if (!status) status = count_all(ctx, model, graph);
  if (status) return status;
  size_t values = model->initializer_count + model->link_count + 1;
  status = kohl_alloc(ctx, model->node_count, sizeof *model->nodes, "a model", &model->nodes);
  if (!status) status = kohl_alloc(ctx, model->tensor_count, sizeof *model->tensors, "a model", &model->tensors);
  if (!status) status = kohl_alloc(ctx, model->link_count, sizeof *model->links, "a model", &model->links);
  if (!status) status = kohl_alloc(ctx, model->link_count, sizeof **links, "a model", links);
  if (!status) status = kohl_alloc(ctx, values, sizeof *model->names, "a model", &model->names);
  if (!status) status = kohl_alloc(ctx, values, sizeof *model->initial, "a model", &model->initial);
  if (!status) status = kohl_alloc(ctx, values, 1, "a model", ready);
  if (!status) status = read_all(ctx, model, graph, *links);
  if (status) return status;
  name_initializers(model);
  status = find_ends(ctx, model, graph, &input, outputs);
  if (!status) status = name_values(ctx, model, *links, input);
  if (!status) status = link_values(ctx, model, *links, *ready);
  for (int i = 0; i < model->output_count && !status; i++) {
    model->outputs[i] = kohl_onnx_model_value(model, outputs[i]);
    if (model->outputs[i] < 0)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "output '%s', expected a value of the graph", QUOTE(outputs[i]));
  }
  return status;
}

kohl_status kohl_onnx_model_open(kohl_context *ctx, const char *path, kohl_onnx_model *model) {
  kohl_proto_bytes *links = NULL;
  char *ready = NULL;
  model->path = model->files.path = path;
  kohl_status status = kohl_map_open(ctx, path, &model->map);
  if (status) return status;
  status = decode(ctx, model, &links, &ready);
  kohl_free(ctx, links);
  kohl_free(ctx, ready);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", path);
  return status;
}

void kohl_onnx_model_close(kohl_context *ctx, kohl_onnx_model *model) {
  kohl_onnx_files_close(ctx, &model->files);
  kohl_free(ctx, model->nodes);
  kohl_free(ctx, model->tensors);
  kohl_free(ctx, model->links);
  kohl_free(ctx, model->names);
  kohl_free(ctx, model->initial);
  kohl_map_close(&model->map);
  *model = (kohl_onnx_model){0};
}
