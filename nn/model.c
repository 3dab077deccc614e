/* Models in memory: weights of a graph, labels, provenance; making one from parts of others.  model_file.c reads and
 * writes the file. */
#include "nn/model.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/model_heads.h"

static kohl_status add_weights(kohl_context *ctx, kohl_model *model) {
  const kohl_graph *graph = model->graph;
  size_t count = 0, at = 0;
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  for (size_t i = 0; i < graph->count; i++) count += (size_t)kohl_node_weights(graph, &graph->nodes[i], specs);
  kohl_status status = kohl_alloc(ctx, count, sizeof *model->weights, "the model's weights", &model->weights);
  for (size_t i = 0; i < graph->count && status == KOHL_OK; i++) {
    int own = kohl_node_weights(graph, &graph->nodes[i], specs);
    for (int j = 0; j < own && status == KOHL_OK; j++) {
      char name[KOHL_NAME_TEXT + 16];
      snprintf(name, sizeof name, "%s.%s", graph->nodes[i].name, specs[j].suffix);
      kohl_weight *weight = &model->weights[at++];
      weight->node = (int)i;
      weight->spec = specs[j];
      weight->file_index = -1;
      status = kohl_strdup(ctx, name, &weight->name);
    }
  }
  model->weight_count = at;
  return status;
}

kohl_status kohl_model_create(kohl_context *ctx, kohl_graph *graph, kohl_model **out) {
  kohl_model *model;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *model, "a model", &model);
  if (status != KOHL_OK) {
    kohl_graph_destroy(ctx, graph);
    return status;
  }
  model->graph = graph;
  model->preprocessing = kohl_preprocessing_default();
  status = kohl_strdup(ctx, "", &model->path);
  if (status == KOHL_OK) status = kohl_strdup(ctx, "{}", &model->provenance);
  if (status == KOHL_OK) status = add_weights(ctx, model);
  if (status == KOHL_OK)
    *out = model;
  else
    kohl_model_destroy(ctx, model);
  return status;
}

void kohl_model_destroy(kohl_context *ctx, kohl_model *model) {
  if (!model) return;
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_free(ctx, model->weights[i].name);
    kohl_free(ctx, model->weights[i].owned);
  }
  for (size_t i = 0; i < model->label_count; i++) kohl_free(ctx, model->labels[i]);
  kohl_free(ctx, model->weights);
  kohl_free(ctx, model->labels);
  kohl_free(ctx, model->thresholds);
  kohl_model_heads_free(ctx, model->more_heads, model->more_count);
  kohl_free(ctx, model->provenance);
  kohl_free(ctx, model->path);
  kohl_graph_destroy(ctx, model->graph);
  kohl_safetensors_close(ctx, model->file);
  kohl_free(ctx, model);
}

kohl_weight *kohl_model_weight(const kohl_model *model, int node, const char *suffix) {
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    if (weight->node == node && !strcmp(weight->spec.suffix, suffix)) return weight;
  }
  return NULL;
}

static kohl_weight *weight_named(const kohl_model *model, const char *name) {
  for (size_t i = 0; model && i < model->weight_count; i++) {
    if (!strcmp(model->weights[i].name, name)) return &model->weights[i];
  }
  return NULL;
}

kohl_status kohl_weight_own(kohl_context *ctx, kohl_weight *weight) {
  if (weight->owned) return KOHL_OK;
  kohl_status status = kohl_alloc(ctx, weight->spec.count, sizeof(float), weight->name, &weight->owned);
  if (status != KOHL_OK) return status;
  weight->data = weight->owned;
  weight->file_index = -1;
  return KOHL_OK;
}

kohl_status kohl_weight_verify(kohl_context *ctx, const kohl_model *model, const kohl_weight *weight) {
  if (!weight->data) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' has no data", model->path, weight->name);
  return weight->file_index < 0 ? KOHL_OK : kohl_safetensors_verify(ctx, model->file, (size_t)weight->file_index);
}

void kohl_model_release(const kohl_model *model, const void *data, size_t bytes) {
  if (model->file && data) kohl_safetensors_release(model->file, data, bytes);
  if (model->file && !data) kohl_safetensors_release_all(model->file);
}

/* The first value that is NaN or infinite, or count. */
static size_t first_not_finite(const float *data, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!(data[i] - data[i] == 0.0f)) return i;
  }
  return count;
}

kohl_status kohl_model_verify(kohl_context *ctx, const kohl_model *model) {
  for (size_t i = 0; i < model->weight_count; i++) {
    const kohl_weight *weight = &model->weights[i];
    kohl_status status = kohl_weight_verify(ctx, model, weight);
    if (status == KOHL_OK) status = kohl_check_cancel(ctx);
    if (status != KOHL_OK) return status;
    size_t bad = first_not_finite(weight->data, weight->spec.count);
    if (bad < weight->spec.count) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %g, expected a finite number", model->path,
                       weight->name, bad, (double)weight->data[bad]);
    }
  }
  return KOHL_OK;
}

kohl_status kohl_model_set_labels(kohl_context *ctx, kohl_model *model, const char *const *labels, size_t count) {
  size_t classes = (size_t)model->graph->nodes[model->graph->count - 1].shape.c;
  if (count && count != classes) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "labels: %zu names, expected %zu as the last layer '%s' has outputs", count,
                     classes, model->graph->nodes[model->graph->count - 1].name);
  }
  char **copies = NULL;
  kohl_status status = kohl_alloc(ctx, count, sizeof *copies, "labels", &copies);
  for (size_t i = 0; i < count && status == KOHL_OK; i++) status = kohl_strdup(ctx, labels[i], &copies[i]);
  char **old = status == KOHL_OK ? model->labels : copies;
  size_t old_count = status == KOHL_OK ? model->label_count : (copies ? count : 0);
  if (status == KOHL_OK) {
    model->labels = copies;
    model->label_count = count;
    kohl_free(ctx, model->thresholds);
    model->thresholds = NULL;
  }
  for (size_t i = 0; i < old_count; i++) kohl_free(ctx, old[i]);
  kohl_free(ctx, old);
  return status;
}

float kohl_model_threshold(const kohl_model *model, size_t i) {
  return model->thresholds ? model->thresholds[i] : 0.5f;
}

kohl_status kohl_model_set_thresholds(kohl_context *ctx, kohl_model *model, const float *thresholds, size_t count) {
  float *copy = NULL;
  if (count && (model->task != KOHL_TASK_MANY_LABELS || count != model->label_count)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "thresholds: %zu numbers for %zu labels of task '%s', expected one for each %s", count,
                     model->label_count, kohl_model_task_name(model->task), "label of a 'many_labels' model");
  }
  for (size_t i = 0; i < count; i++) {
    if (thresholds[i] >= 0.0f && thresholds[i] <= 1.0f) continue;
    return kohl_fail(ctx, KOHL_BAD_INPUT, "thresholds: value %g of label '%s', expected 0 to 1", (double)thresholds[i],
                     model->labels[i]);
  }
  if (count) {
    kohl_status status = kohl_alloc(ctx, count, sizeof *copy, "thresholds", &copy);
    if (status != KOHL_OK) return status;
    memcpy(copy, thresholds, count * sizeof *copy);
  }
  kohl_free(ctx, model->thresholds);
  model->thresholds = copy;
  return KOHL_OK;
}

kohl_status kohl_model_set_provenance(kohl_context *ctx, kohl_model *model, const char *json) {
  kohl_json reader;
  kohl_json_open(&reader, ctx, json, strlen(json));
  kohl_status status = kohl_json_expect(&reader, KOHL_JSON_OBJECT_BEGIN);
  while (status == KOHL_OK && kohl_json_next(&reader) == KOHL_JSON_KEY) status = kohl_json_skip(&reader);
  if (status == KOHL_OK) status = reader.status;
  kohl_json_close(&reader);
  char *copy;
  if (status == KOHL_OK) status = kohl_strdup(ctx, json, &copy);
  if (status != KOHL_OK) return status;
  kohl_free(ctx, model->provenance);
  model->provenance = copy;
  return KOHL_OK;
}

static kohl_status copy_weight(kohl_context *ctx, kohl_weight *to, const kohl_model *model, const kohl_weight *from) {
  if (from->spec.count != to->spec.count || from->spec.dims != to->spec.dims ||
      memcmp(from->spec.shape, to->spec.shape, (size_t)to->spec.dims * sizeof *to->spec.shape)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "tensor '%s': %zu values of another shape, expected %zu; does the input size differ?", to->name,
                     from->spec.count, to->spec.count);
  }
  kohl_status status = kohl_weight_verify(ctx, model, from);
  if (status == KOHL_OK) status = kohl_weight_own(ctx, to);
  if (status == KOHL_OK) memcpy(to->owned, from->data, to->spec.count * sizeof(float));
  return status;
}

kohl_status kohl_model_assemble(kohl_context *ctx, kohl_graph *graph, const kohl_model *first, const kohl_model *second,
                                kohl_model **out) {
  kohl_model *model;
  kohl_status status = kohl_model_create(ctx, graph, &model);
  *out = NULL;
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < model->weight_count && status == KOHL_OK; i++) {
    kohl_weight *weight = &model->weights[i];
    const kohl_model *owner = first;
    const kohl_weight *from = weight_named(first, weight->name);
    if (!from) owner = second, from = weight_named(second, weight->name);
    status = from ? copy_weight(ctx, weight, owner, from)
                  : kohl_fail(ctx, KOHL_USAGE, "tensor '%s' is in none of the models to be joined", weight->name);
  }
  if (status == KOHL_OK)
    *out = model;
  else
    kohl_model_destroy(ctx, model);
  return status;
}
