/* Names and shapes compared; see match.h.  The work here is in the messages: an import that fails says what is
 * wrong with which layer and what to try. */
#include "convert/match.h"

#include <stdio.h>
#include <string.h>

#include "nn/json.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

kohl_shape_text kohl_shape_write(const int64_t *shape, int dims) {
  kohl_shape_text out = {"["};
  size_t length = 1;
  for (int i = 0; i < dims; i++)
    length +=
        (size_t)snprintf(out.text + length, sizeof out.text - length, "%s%lld", i ? "," : "", (long long)shape[i]);
  snprintf(out.text + length, sizeof out.text - length, "]");
  return out;
}

bool kohl_keras_match_is_classes(const kohl_keras_match *match, const kohl_graph *graph, int node) {
  int head = kohl_preset_head_count(match->preset);
  return strcmp(graph->nodes[node].name, match->preset->head[head - 1]) == 0;
}

static kohl_status missing(kohl_context *ctx, const kohl_keras_match *match, const kohl_model *model,
                           const kohl_keras_names *names, const kohl_weight *weight, const char *kind) {
  const kohl_graph *graph = model->graph;
  const char *layer = graph->nodes[weight->node].name;
  char advice[512] = "";
  if (graph->base_output >= 0 && weight->node > graph->base_output) {
    snprintf(advice, sizeof advice, "; --no-top converts without the head");
  } else if (weight->node > model->weights[0].node) {
    snprintf(advice, sizeof advice, "; --until %s converts what comes before", graph->nodes[weight->node - 1].name);
  } else if (weight == model->weights && names->count > 0) {
    snprintf(advice, sizeof advice, "; the file has '%s', expected Keras names of %s",
             QUOTE(names->tensors[0].info->name), match->arch);
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': tensor '%s/%s' is missing%s", match->path, layer, layer, kind,
                   advice);
}

/* The shape that Keras gives a weight: filters r,s,c,k and dense in,out; everything else is a row of k. */
static int keras_shape(const kohl_weight_spec *spec, int drop, int64_t shape[4]) {
  for (int i = 0; i + 1 < spec->dims; i++) shape[i] = spec->shape[i + 1];
  shape[spec->dims - 1] = spec->shape[0] + drop;
  return spec->dims;
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

static kohl_status check_shape(kohl_context *ctx, const kohl_keras_match *match, const kohl_model *model,
                               const kohl_weight *weight, const kohl_tensor_info *info) {
  int64_t expected[4];
  bool classes = kohl_keras_match_is_classes(match, model->graph, weight->node);
  int dims = keras_shape(&weight->spec, classes ? match->drop : 0, expected);
  if (info->dims == dims && memcmp(info->shape, expected, sizeof expected[0] * (size_t)dims) == 0) return KOHL_OK;
  const char *layer = model->graph->nodes[weight->node].name;
  if (classes && info->dims == 1 && dims == 1)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': the bias is of %lld classes, the kernel of %lld",
                     match->path, layer, (long long)info->shape[0], (long long)expected[0]);
  bool permuted = info->dims == dims && is_permuted(info->shape, expected, dims);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': tensor '%s' has shape %s, expected %s%s", match->path, layer,
                   QUOTE(info->name), kohl_shape_write(info->shape, info->dims).text,
                   kohl_shape_write(expected, dims).text, permuted ? "; it seems to be transposed" : "");
}

static kohl_status extra(kohl_context *ctx, const kohl_keras_match *match, const kohl_graph *graph,
                         const kohl_keras_tensor *tensor) {
  const char *name = tensor->info->name;
  if (!tensor->kind)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is extra: its name does not end in %s", match->path,
                     QUOTE(name), KOHL_KERAS_KINDS);
  if (kohl_graph_find(graph, tensor->layer) >= 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is extra: layer '%s' has no %s in preset '%s' of %s",
                     match->path, QUOTE(name), tensor->layer, tensor->kind, match->preset->name, match->arch);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is extra: %s has no layer '%s'", match->path, QUOTE(name),
                   match->arch, QUOTE(tensor->layer));
}

kohl_status kohl_keras_match_weights(kohl_context *ctx, const kohl_keras_match *match, const kohl_model *model,
                                     kohl_keras_names *names, const kohl_tensor_info **sources) {
  for (size_t i = 0; i < names->count; i++) names->tensors[i].used = false;
  for (size_t i = 0; i < model->weight_count; i++) {
    const kohl_weight *weight = &model->weights[i];
    const char *kind = kohl_keras_kind(weight->spec.suffix);
    kohl_keras_tensor *tensor = kohl_keras_names_find(names, model->graph->nodes[weight->node].name, kind);
    if (!tensor) return missing(ctx, match, model, names, weight, kind);
    kohl_status status = check_shape(ctx, match, model, weight, tensor->info);
    if (status) return status;
    tensor->used = true;
    sources[i] = tensor->info;
  }
  size_t left = 0;
  for (size_t i = 0; i < names->count; i++) {
    const kohl_keras_tensor *tensor = &names->tensors[i];
    if (tensor->used) continue;
    /* What a part leaves over must belong to the rest of the network, or to a head of the user's own. */
    bool known = tensor->kind && kohl_graph_find(model->graph, tensor->layer) < 0 &&
                 (kohl_graph_find(match->whole, tensor->layer) >= 0 || kohl_keras_number(tensor->layer, "dense") >= 0);
    if (!match->cut || !known) return extra(ctx, match, model->graph, tensor);
    left++;
  }
  if (left > 0) kohl_log(ctx, KOHL_LOG_INFO, "%s: %zu tensors behind the cut are left out", match->path, left);
  return KOHL_OK;
}
