/* Names and shapes compared; see match.h.  The work here is in the messages: an import that fails says what is wrong
 * with which layer and what to try. */
#include "convert/match.h"

#include <stdio.h>
#include <string.h>

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

kohl_dims_text kohl_dims_write(const int64_t *shape, int dims) {
  kohl_dims_text out = {"["};
  size_t length = 1;
  for (int i = 0; i < dims; i++)
    length +=
        (size_t)snprintf(out.text + length, sizeof out.text - length, "%s%lld", i ? "," : "", (long long)shape[i]);
  snprintf(out.text + length, sizeof out.text - length, "]");
  return out;
}

bool kohl_match_is_classes(const kohl_match *match, const kohl_graph *graph, int node) {
  int head = kohl_preset_head_count(match->preset);
  return strcmp(graph->nodes[node].name, match->preset->head[head - 1]) == 0;
}

/* The picture that was flattened on the way to a dense layer; of none, one pixel. */
static kohl_shape flattened(const kohl_graph *graph, const kohl_node *node) {
  while (node->input_count == 1) {
    const kohl_node *before = &graph->nodes[node->inputs[0]];
    if (before->layer == KOHL_LAYER_flatten) return graph->nodes[before->inputs[0]].shape;
    if (before->layer != KOHL_LAYER_dropout && before->layer != KOHL_LAYER_relu && before->layer != KOHL_LAYER_sigmoid)
      return before->shape;
    node = before;
  }
  return graph->nodes[node->inputs[0]].shape;
}

static kohl_shape inputs_of(const kohl_graph *graph, const kohl_weight *weight) {
  const kohl_node *node = &graph->nodes[weight->node];
  const int64_t *shape = weight->spec.shape;
  if (weight->spec.dims == 4) return (kohl_shape){(int)shape[1], (int)shape[2], (int)shape[3]};
  if (weight->spec.dims == 2) return flattened(graph, node);
  return (kohl_shape){1, 1, 1};
}

/* The publisher's word for what is missing: that of the file's own names. */
static const char *word_of(const kohl_match *match, const kohl_names *names, const char *layer, const char *suffix,
                           char text[KOHL_SAFETENSORS_NAME + 1]) {
  if (!kohl_naming_name(names->naming, match->arch, layer, suffix, text))
    kohl_naming_name(KOHL_NAMING_KERAS, match->arch, layer, suffix, text);
  return text;
}

static kohl_status missing(kohl_context *ctx, const kohl_match *match, const kohl_model *model, const kohl_names *names,
                           const kohl_weight *weight) {
  const kohl_graph *graph = model->graph;
  const char *layer = graph->nodes[weight->node].name;
  char advice[512] = "", text[KOHL_SAFETENSORS_NAME + 1];
  if (graph->base_output >= 0 && weight->node > graph->base_output) {
    snprintf(advice, sizeof advice, "; --no-top converts without the head");
  } else if (weight->node > model->weights[0].node) {
    snprintf(advice, sizeof advice, "; --until %s converts what comes before", graph->nodes[weight->node - 1].name);
  } else if (weight == model->weights && names->count > 0) {
    snprintf(advice, sizeof advice, "; the file has '%s', expected names of %s as Keras, torchvision, timm or TF-Slim",
             QUOTE(names->names[0].tensor->info.name), match->arch);
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': tensor '%s' is missing%s", match->path, layer,
                   word_of(match, names, layer, weight->spec.suffix, text), advice);
}

/* The shape that a weight has in a file of a layout; returns its dimensions. */
static int expected_shape(const kohl_weight_spec *spec, kohl_layout layout, kohl_shape in, int drop, int64_t shape[4]) {
  int64_t outputs = spec->shape[0] + drop;
  if (spec->dims == 1) return shape[0] = outputs, 1;
  int64_t *rest = layout.output_first ? shape + 1 : shape;
  shape[layout.output_first ? 0 : spec->dims - 1] = outputs;
  if (spec->dims == 2) return rest[0] = spec->shape[1], 2;
  rest[layout.channels_first ? 1 : 0] = in.h;
  rest[layout.channels_first ? 2 : 1] = in.w;
  rest[layout.channels_first ? 0 : 2] = in.c;
  return 4;
}

int kohl_match_shape(const kohl_graph *graph, const kohl_weight *weight, kohl_layout layout, int64_t shape[4],
                     kohl_shape *inputs) {
  *inputs = inputs_of(graph, weight);
  return expected_shape(&weight->spec, layout, *inputs, 0, shape);
}

/* Dense layers that are stored as convolutions over the whole picture: slim's fc6, timm's pre_logits.fc1. */
static bool is_dense_filter(const kohl_weight_spec *spec, const kohl_tensor_info *info, kohl_layout layout,
                            kohl_shape in, int drop) {
  int64_t shape[4];
  kohl_weight_spec filter = *spec;
  if (spec->dims != 2 || info->dims != 4) return false;
  filter.dims = 4;
  expected_shape(&filter, layout, in, drop, shape);
  return memcmp(info->shape, shape, sizeof shape) == 0;
}

/* The same sizes in another order. */
static bool is_permuted(const int64_t *a, const int64_t *b, int dims) {
  bool taken[4] = {false};
  for (int i = 0; i < dims; i++) {
    int k = 0;
    while (k < dims && (taken[k] || a[i] != b[k])) k++;
    if (k == dims) return false;
    taken[k] = true;
  }
  return true;
}

static kohl_status check_shape(kohl_context *ctx, const kohl_match *match, const kohl_model *model,
                               const kohl_weight *weight, const kohl_origin *origin) {
  int64_t expected[4] = {0};
  const kohl_tensor_info *info = &origin->name->tensor->info;
  kohl_layout layout = origin->name->layout;
  bool classes = kohl_match_is_classes(match, model->graph, weight->node);
  int drop = classes ? match->drop : 0, dims = expected_shape(&weight->spec, layout, origin->inputs, drop, expected);
  if (info->dims == dims && memcmp(info->shape, expected, sizeof expected[0] * (size_t)dims) == 0) return KOHL_OK;
  if (is_dense_filter(&weight->spec, info, layout, origin->inputs, drop)) return KOHL_OK;
  const char *layer = model->graph->nodes[weight->node].name;
  if (classes && info->dims == 1 && dims == 1)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': the bias is of %lld classes, the kernel of %lld",
                     match->path, layer, (long long)info->shape[0], (long long)expected[0]);
  bool permuted = info->dims == dims && is_permuted(info->shape, expected, dims);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': tensor '%s' has shape %s, expected %s%s", match->path, layer,
                   QUOTE(info->name), kohl_dims_write(info->shape, info->dims).text,
                   kohl_dims_write(expected, dims).text, permuted ? "; it seems to be transposed" : "");
}

static kohl_status extra(kohl_context *ctx, const kohl_match *match, const kohl_graph *graph, const kohl_names *names,
                         const kohl_name *name) {
  const char *text = name->tensor->info.name;
  if (!name->suffix && names->naming == KOHL_NAMING_KERAS)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: tensor '%s' is extra: its name does not end in kernel, bias, gamma, beta, moving_mean or "
                     "moving_variance",
                     match->path, QUOTE(text));
  if (!name->suffix)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is extra: %s of %s has no such name", match->path,
                     QUOTE(text), match->arch, kohl_naming_word(names->naming));
  if (kohl_graph_find(graph, name->layer) >= 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is extra: layer '%s' has no %s in preset '%s' of %s",
                     match->path, QUOTE(text), name->layer, name->suffix, match->preset->name, match->arch);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is extra: %s has no layer '%s'", match->path, QUOTE(text),
                   match->arch, QUOTE(name->layer));
}

/* What is left over must belong to the rest of the network, to a head of the user's own, or mean nothing here. */
static kohl_status check_extra(kohl_context *ctx, const kohl_match *match, const kohl_model *model,
                               const kohl_names *names) {
  size_t left = 0, ignored = 0;
  for (size_t i = 0; i < names->count; i++) {
    const kohl_name *name = &names->names[i];
    if (name->used) continue;
    bool known = name->suffix && kohl_graph_find(model->graph, name->layer) < 0 &&
                 (kohl_graph_find(match->whole, name->layer) >= 0 || kohl_keras_number(name->layer, "dense") >= 0);
    if (!name->ignored && !(match->cut && known)) return extra(ctx, match, model->graph, names, name);
    left += !name->ignored;
    ignored += name->ignored;
  }
  if (ignored > 0)
    kohl_log(ctx, KOHL_LOG_INFO, "%s: %zu tensors that are no weights of the network are left out", match->path,
             ignored);
  if (left > 0) kohl_log(ctx, KOHL_LOG_INFO, "%s: %zu tensors behind the cut are left out", match->path, left);
  return KOHL_OK;
}

kohl_status kohl_match_weights(kohl_context *ctx, const kohl_match *match, const kohl_model *model, kohl_names *names,
                               kohl_origin *origins) {
  for (size_t i = 0; i < names->count; i++) names->names[i].used = false;
  for (size_t i = 0; i < model->weight_count; i++) {
    const kohl_weight *weight = &model->weights[i];
    kohl_name *name = kohl_names_find(names, model->graph->nodes[weight->node].name, weight->spec.suffix);
    if (!name) return missing(ctx, match, model, names, weight);
    origins[i] = (kohl_origin){name, inputs_of(model->graph, weight)};
    kohl_status status = check_shape(ctx, match, model, weight, &origins[i]);
    if (status) return status;
    name->used = true;
  }
  return check_extra(ctx, match, model, names);
}

void kohl_match_count(const kohl_graph *graph, const kohl_names *names, size_t *needed, size_t *found, size_t *all) {
  *needed = *found = *all = 0;
  for (size_t i = 0; i < graph->count; i++) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    int count = kohl_node_weights(graph, &graph->nodes[i], specs);
    bool base = graph->base_output < 0 || i <= (size_t)graph->base_output;
    for (int k = 0; k < count; k++) {
      const kohl_name *name = kohl_names_find(names, graph->nodes[i].name, specs[k].suffix);
      const kohl_tensor_info *info = name ? &name->tensor->info : NULL;
      bool fits = info && info->bytes / kohl_safetensors_dtype_bytes(info->dtype) == specs[k].count;
      *needed += base;
      *found += base && fits;
      *all += fits;
    }
  }
}
