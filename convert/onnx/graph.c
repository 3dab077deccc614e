/* The walk over a model's nodes; see build.h.  Nodes that the output does not need are left alone, whatever they are.
 */
#include <stdio.h>
#include <string.h>

#include "convert/onnx/build.h"

#define QUOTE(bytes_) kohl_quote((const char *)(bytes_).at, (bytes_).length).text

static const struct {
  const char *name;
  kohl_onnx_reader *reader;
  bool ints;
} ops[] = {
#define OP(name, reader) {name, reader, false},
#define INTS(name, reader) {name, reader, true},
#include "convert/onnx/ops.def"
#undef OP
#undef INTS
};

kohl_onnx_value kohl_onnx_value_of(kohl_onnx_kind kind, int node) {
  return (kohl_onnx_value){.kind = kind, .node = node, .channel = -1, .scale = {1, 1, 1}};
}

kohl_status kohl_onnx_result(kohl_onnx_build *build, const kohl_onnx_value *value) {
  int output = kohl_onnx_node_output(build->model, build->node, 0);
  if (output < 0) return kohl_onnx_refuse(build, "outputs", "none", "one");
  int uses = build->values[output].uses;
  build->values[output] = *value;
  build->values[output].uses = uses;
  return KOHL_OK;
}

kohl_status kohl_onnx_alias(kohl_onnx_build *build, const kohl_onnx_value *value) {
  kohl_onnx_value same = *value;
  same.open = value->open && value->uses == 1;
  return kohl_onnx_result(build, &same);
}

/* The first layer fixes what is done to the input; all others must agree. */
static kohl_status fix_input(kohl_onnx_build *build, const kohl_onnx_value *value) {
  if (value->node != 0) return KOHL_OK;
  if (!build->fixed) {
    memcpy(build->scale, value->scale, sizeof build->scale);
    memcpy(build->shift, value->shift, sizeof build->shift);
    build->fixed = true;
  }
  for (int i = 0; i < 3; i++)
    if (build->scale[i] != value->scale[i] || build->shift[i] != value->shift[i])
      return kohl_onnx_refuse(build, "the network's input", "scaled in two ways", "one");
  return KOHL_OK;
}

kohl_status kohl_onnx_activation(kohl_onnx_build *build, size_t index, kohl_onnx_kind kind, unsigned allow,
                                 kohl_onnx_value **out) {
  kohl_onnx_value *value = kohl_onnx_input(build, index);
  const char *expected = kind == KOHL_ONNX_ROWS      ? "rows of numbers (2 dimensions)"
                         : kind == KOHL_ONNX_PICTURE ? "a picture (4 dimensions)"
                                                     : "what a layer has made";
  char what[32];
  *out = value;
  snprintf(what, sizeof what, "input %zu", index);
  if (!value) return kohl_onnx_refuse(build, what, "nothing", expected);
  if (value->kind < KOHL_ONNX_PICTURE) return kohl_onnx_refuse(build, what, "a constant", expected);
  if (kind != KOHL_ONNX_UNSET && value->kind != kind)
    return kohl_onnx_refuse(build, what, value->kind == KOHL_ONNX_ROWS ? "rows of numbers" : "a picture", expected);
  if (value->channel >= 0) return kohl_onnx_refuse(build, what, "one channel of the network's input", expected);
  if (value->padded && !(allow & KOHL_ONNX_ALLOW_PADDED))
    return kohl_onnx_refuse(build, what, "a padded picture", "it before a Conv, AveragePool or MaxPool only");
  if (value->last && !(allow & KOHL_ONNX_ALLOW_LAST))
    return kohl_onnx_refuse(build, what, "a picture with channels last", "channels second");
  if (value->order == KOHL_ONNX_CHW && !(allow & KOHL_ONNX_ALLOW_CHW))
    return kohl_onnx_refuse(build, what, "a flattened picture", "it before Gemm or MatMul only");
  return fix_input(build, value);
}

kohl_status kohl_onnx_constant_input(kohl_onnx_build *build, size_t index, int dims, kohl_onnx_tensor **out) {
  const kohl_onnx_value *value = kohl_onnx_input(build, index);
  kohl_onnx_tensor *tensor = value && value->kind == KOHL_ONNX_CONSTANT ? &build->model->tensors[value->tensor] : NULL;
  if (!tensor) return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input %zu, expected a constant tensor", index);
  if (dims >= 0 && tensor->dims != dims)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input %zu: tensor '%s' has %d dimensions, expected %d", index,
                     QUOTE(tensor->name), tensor->dims, dims);
  *out = tensor;
  return kohl_onnx_tensor_find(build->ctx, &build->model->files, tensor);
}

kohl_status kohl_onnx_layer(kohl_onnx_build *build, kohl_layer layer, const kohl_params *params,
                            kohl_onnx_value *const *inputs, int count, size_t weight, int *index) {
  char name[KOHL_NAME_TEXT];
  int nodes[KOHL_NODE_INPUTS];
  for (int i = 0; i < count && i < KOHL_NODE_INPUTS; i++) nodes[i] = inputs[i]->node;
  kohl_onnx_layer_name(build, layer, weight ? kohl_onnx_node_input(build->model, build->node, weight) : -1, name);
  return kohl_graph_add(build->ctx, build->graph, layer, name, params, nodes, count, index);
}

kohl_status kohl_onnx_weight_add(kohl_onnx_build *build, size_t index, int node, const char *suffix,
                                 kohl_layout layout) {
  kohl_onnx_tensor *tensor;
  kohl_safetensors_dtype dtype;
  kohl_status status = kohl_onnx_constant_input(build, index, -1, &tensor);
  if (status) return status;
  if (!kohl_onnx_tensor_dtype(tensor, &dtype))
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "tensor '%s': data type %llu, expected 1, 10, 11 or 16 (float types)",
                     QUOTE(tensor->name), (unsigned long long)tensor->type);
  if (build->weight_count == KOHL_SAFETENSORS_COUNT)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "more than %d weights", KOHL_SAFETENSORS_COUNT);
  status = kohl_grow(build->ctx, &build->weights, &build->weight_capacity, build->weight_count + 1,
                     sizeof *build->weights, "a network's weights");
  if (status) return status;
  int value = kohl_onnx_node_input(build->model, build->node, index);
  build->weights[build->weight_count++] = (kohl_onnx_weight){value, build->values[value].tensor, node, suffix, layout};
  return KOHL_OK;
}

kohl_status kohl_onnx_check_add(kohl_onnx_build *build, int node, int64_t values) {
  kohl_status status = kohl_grow(build->ctx, &build->checks, &build->check_capacity, build->check_count + 1,
                                 sizeof *build->checks, "checks of a network");
  if (status) return status;
  build->checks[build->check_count++] = (kohl_onnx_check){node, values, (size_t)(build->node - build->model->nodes)};
  return KOHL_OK;
}

/* Counts who reads each value, from an output up; a node of whose outputs none is read is not needed. */
static void count_uses(kohl_onnx_build *build, int output) {
  const kohl_onnx_model *model = build->model;
  for (size_t i = 0; i < model->value_count; i++) build->values[i].uses = 0;
  build->values[output].uses = 1;
  for (size_t i = model->node_count; i-- > 0;) {
    const kohl_onnx_node *node = &model->nodes[i];
    bool needed = false;
    for (size_t k = 0; k < node->outputs; k++) {
      int value = kohl_onnx_node_output(model, node, k);
      needed |= value >= 0 && build->values[value].uses > 0;
    }
    for (size_t k = 0; k < node->inputs && needed; k++) {
      int value = kohl_onnx_node_input(model, node, k);
      if (value >= 0) build->values[value].uses++;
    }
  }
}

/* The output that all others are on the way to: probabilities where the logits are an output too. */
static kohl_status find_output(kohl_onnx_build *build) {
  const kohl_onnx_model *model = build->model;
  for (int i = 0; i < model->output_count; i++) {
    int others = 0;
    build->output = model->outputs[i];
    count_uses(build, build->output);
    for (int k = 0; k < model->output_count; k++) others += build->values[model->outputs[k]].uses > 0;
    if (others == model->output_count) return KOHL_OK;
  }
  return kohl_fail(build->ctx, KOHL_BAD_INPUT, "the graph has %d outputs, expected one, or one behind all others",
                   model->output_count);
}

static bool is_needed(const kohl_onnx_build *build, const kohl_onnx_node *node, size_t first) {
  for (size_t k = first; k < node->outputs; k++) {
    int value = kohl_onnx_node_output(build->model, node, k);
    if (value >= 0 && build->values[value].uses > 0) return true;
  }
  return false;
}

/* Are all inputs whole numbers that are known? */
static bool reads_ints(kohl_onnx_build *build) {
  size_t ints = 0, others = 0;
  for (size_t i = 0; i < build->node->inputs; i++) {
    const kohl_onnx_value *value = kohl_onnx_input(build, i);
    if (!value) continue;
    uint64_t type = value->kind == KOHL_ONNX_CONSTANT ? build->model->tensors[value->tensor].type : 0;
    bool whole = value->kind == KOHL_ONNX_INTS || type == KOHL_ONNX_INT64 || type == KOHL_ONNX_INT32;
    ints += whole;
    others += !whole;
  }
  return ints && !others;
}

static kohl_status read_node(kohl_onnx_build *build) {
  const kohl_onnx_node *node = build->node;
  if (is_needed(build, node, 1)) return kohl_onnx_refuse(build, "outputs", "a second one is used", "one");
  bool ints = reads_ints(build);
  for (int pass = ints ? 1 : 0; pass >= 0 && !node->foreign; pass--)
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
      if (ops[i].ints == (pass == 1) && kohl_proto_word(node->op, ops[i].name)) return ops[i].reader(build);
  return kohl_fail(build->ctx, KOHL_BAD_INPUT, "this operator is not read%s",
                   node->foreign ? ", it is not one of ONNX's own" : "");
}

/* Channels come last where the first thing done is to move them, or where only so the numbers can be sizes. */
static bool channels_last(kohl_onnx_build *build) {
  const kohl_onnx_model *model = build->model;
  for (size_t i = 0; i < model->node_count; i++) {
    int64_t axes[KOHL_ONNX_FEW];
    int count = -1;
    build->node = &model->nodes[i];
    if (!kohl_proto_word(build->node->op, "Transpose") || kohl_onnx_node_input(model, build->node, 0) != model->input)
      continue; /* an error here comes again where the node is read */
    if (!kohl_onnx_attribute_ints(build, "perm", axes, &count) && count == 4) return axes[1] == 3;
  }
  int64_t second = model->input_shape[1], fourth = model->input_shape[3];
  return fourth >= 1 && fourth <= 4 && !(second >= 1 && second <= 4);
}

static kohl_status add_input(kohl_onnx_build *build) {
  kohl_onnx_model *model = build->model;
  kohl_proto_bytes name = model->names[model->input];
  char text[KOHL_NAME_TEXT];
  kohl_params params = kohl_params_default();
  if (model->input_type != KOHL_ONNX_FLOAT && model->input_type != KOHL_ONNX_FLOAT16)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input '%s': data type %llu, expected 1 or 10 (float, half)",
                     QUOTE(name), (unsigned long long)model->input_type);
  if (model->input_dims != 4)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input '%s': %d dimensions, expected 4", QUOTE(name),
                     model->input_dims);
  bool last = channels_last(build);
  int64_t channels = model->input_shape[last ? 3 : 1];
  if (channels < 1)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "input '%s': no number of channels, expected one", QUOTE(name));
  for (int i = 0; i < 2; i++) {
    int64_t side = model->input_shape[(last ? 1 : 2) + i];
    params.size[i] = side < 1 ? 1 : (int)side;
  }
  params.size[2] = (int)channels;
  snprintf(text, sizeof text, "%s", QUOTE(name));
  if (!text[0]) strcpy(text, "input");
  kohl_onnx_value value = kohl_onnx_value_of(KOHL_ONNX_PICTURE, 0);
  value.last = last;
  value.uses = build->values[model->input].uses;
  build->values[model->input] = value;
  return kohl_graph_add(build->ctx, build->graph, KOHL_LAYER_input, text, &params, NULL, 0, NULL);
}

static kohl_status find_last(kohl_onnx_build *build) {
  const kohl_onnx_value *value = &build->values[build->output];
  kohl_proto_bytes name = build->model->names[build->output];
  const char *found = value->kind < KOHL_ONNX_PICTURE ? "a constant"
                      : value->node == 0              ? "the input itself"
                      : value->padded                 ? "a padded picture"
                                                      : NULL;
  if (found)
    return kohl_fail(build->ctx, KOHL_BAD_INPUT, "output '%s' is %s, expected that of a layer", QUOTE(name), found);
  build->last = value->node;
  if (value->order != KOHL_ONNX_CHW) return KOHL_OK;
  int node = value->node; /* a flatten, or behind it what works number by number */
  while (build->graph->nodes[node].layer != KOHL_LAYER_flatten) node = build->graph->nodes[node].inputs[0];
  return kohl_onnx_check_add(build, build->graph->nodes[node].inputs[0], 0);
}

static kohl_status walk(kohl_onnx_build *build) {
  const kohl_onnx_model *model = build->model;
  kohl_status status = add_input(build);
  for (size_t i = 0; i < model->value_count; i++) {
    if (model->initial[i] < 0) continue;
    build->values[i].kind = KOHL_ONNX_CONSTANT;
    build->values[i].tensor = model->initial[i];
    build->values[i].channel = -1;
  }
  for (size_t i = 0; i < model->node_count && !status; i++) {
    build->node = &model->nodes[i];
    if (!is_needed(build, build->node, 0)) continue;
    status = read_node(build);
    if (!status) status = kohl_check_cancel(build->ctx);
    if (status == KOHL_BAD_INPUT) kohl_fail_prefix(build->ctx, "%s", kohl_onnx_node_who(model, build->node).text);
  }
  return status ? status : find_last(build);
}

kohl_status kohl_onnx_build_run(kohl_onnx_build *build) {
  kohl_onnx_model *model = build->model;
  kohl_status status = kohl_alloc(build->ctx, model->value_count, sizeof *build->values, "a model", &build->values);
  if (!status) status = kohl_graph_create(build->ctx, "onnx", &build->graph);
  if (status) return status;
  status = find_output(build);
  if (!status) status = walk(build);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(build->ctx, "%s", model->path);
  return status;
}

void kohl_onnx_build_free(kohl_onnx_build *build) {
  kohl_free(build->ctx, build->values);
  kohl_free(build->ctx, build->weights);
  kohl_free(build->ctx, build->checks);
  kohl_graph_destroy(build->ctx, build->graph);
}
