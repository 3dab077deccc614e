/* A model as a safetensors file with a publisher's names, shapes and orders.  PyTorch's batch-norm always has weight,
 * bias and num_batches_tracked: what the model lacks is written as ones, zeros and 0. */
#include <stdio.h>
#include <string.h>

#include "convert/export/about.h"
#include "convert/export/export.h"
#include "convert/export/order.h"
#include "convert/export/permute.h"
#include "convert/export/publisher.h"
#include "convert/naming.h"

/* One tensor of the file. */
typedef struct entry {
  const kohl_weight *weight; /* NULL: all its numbers are `value`, or an I64 of 0 */
  kohl_shape picture;
  float value;
  size_t count; /* of value; 0: the I64 */
} entry;

typedef struct job {
  kohl_context *ctx;
  const kohl_model *model;
  kohl_naming naming;
  kohl_safetensors_writer *writer;
  kohl_export_order *orders;
  entry *entries;
  size_t count, capacity;
  bool theirs; /* the publisher has one of the layers */
} job;

static bool is_keras(const job *j) { return j->naming == KOHL_NAMING_KERAS; }

/* PyTorch's word for a weight. */
static const char *torch_word(const char *suffix) {
  static const char *const words[][2] = {
      {"gamma", "weight"}, {"beta", "bias"}, {"mean", "running_mean"}, {"variance", "running_var"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!strcmp(words[i][0], suffix)) return words[i][1];
  }
  return suffix;
}

/* text: KOHL_SAFETENSORS_NAME + 1 bytes, more than a layer's name and a word have.  Keras has every name. */
static void name_of(job *j, const kohl_node *node, const char *suffix, char *text) {
  bool theirs = kohl_naming_name(j->naming, j->model->graph->arch, node->name, suffix, text);
  if (!theirs) snprintf(text, KOHL_SAFETENSORS_NAME + 1, "%s.%s", node->name, torch_word(suffix));
  j->theirs |= theirs;
}

static kohl_status add(job *j, const char *name, kohl_safetensors_dtype dtype, int dims, const int64_t *shape,
                       entry made) {
  kohl_status status =
      kohl_grow(j->ctx, &j->entries, &j->capacity, j->count + 1, sizeof *j->entries, "a list of tensors");
  if (status == KOHL_OK) status = kohl_safetensors_writer_tensor(j->writer, name, dtype, dims, shape);
  if (status == KOHL_OK) j->entries[j->count++] = made;
  return status;
}

static kohl_status add_weight(job *j, const kohl_node *node, const kohl_weight *weight) {
  char name[KOHL_SAFETENSORS_NAME + 1];
  entry made = {.weight = weight, .picture = kohl_export_picture(j->orders, node)};
  kohl_export_view view = kohl_export_view_of(weight, kohl_naming_layout(j->naming), made.picture);
  name_of(j, node, weight->spec.suffix, name);
  return add(j, name, KOHL_SAFETENSORS_F32, view.shape_dims, view.shape, made);
}

static kohl_status add_value(job *j, const kohl_node *node, const char *suffix, float value) {
  char name[KOHL_SAFETENSORS_NAME + 1];
  int64_t count = node->shape.c;
  name_of(j, node, suffix, name);
  return add(j, name, KOHL_SAFETENSORS_F32, 1, &count, (entry){.value = value, .count = (size_t)count});
}

/* The number of batches that a PyTorch batch-norm has seen stands beside its running mean. */
static kohl_status add_batches(job *j, const kohl_node *node) {
  static const char mean[] = "running_mean", batches[] = "num_batches_tracked";
  char name[KOHL_SAFETENSORS_NAME + sizeof batches];
  name_of(j, node, "mean", name);
  size_t length = strlen(name), tail = sizeof mean - 1;
  if (length < tail || strcmp(name + length - tail, mean)) return KOHL_OK;
  memcpy(name + length - tail, batches, sizeof batches);
  return add(j, name, KOHL_SAFETENSORS_I64, 0, NULL, (entry){.count = 0});
}

static kohl_status add_node(job *j, int index) {
  const kohl_node *node = &j->model->graph->nodes[index];
  const bool norm = node->layer == KOHL_LAYER_batch_norm;
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  int count = kohl_node_weights(j->model->graph, node, specs);
  kohl_status status = KOHL_OK;
  if (count && !is_keras(j) && j->orders[node->inputs[0]].unclear) {
    return kohl_fail(j->ctx, KOHL_BAD_INPUT,
                     "%s: layer '%s' (%s): it reads a flattened picture by way of other layers, whose numbers have no "
                     "order in PyTorch; expected one flatten before it",
                     j->model->path, node->name, kohl_layer_name(node->layer));
  }
  if (norm && !is_keras(j) && !node->params.gamma) status = add_value(j, node, "gamma", 1.0f);
  for (int i = 0; i < count && status == KOHL_OK; i++) {
    /* beta's place, behind gamma */
    bool due = norm && !is_keras(j) && !node->params.beta && !strcmp(specs[i].suffix, "mean");
    if (due) status = add_value(j, node, "beta", 0.0f);
    if (status == KOHL_OK) status = add_weight(j, node, kohl_model_weight(j->model, index, specs[i].suffix));
  }
  return status == KOHL_OK && norm && !is_keras(j) ? add_batches(j, node) : status;
}

static kohl_status add_texts(job *j) {
  kohl_export_about about = {.count = 0};
  char differences[KOHL_EXPORT_DIFFERENCES];
  kohl_status status = kohl_export_compare(j->ctx, j->model->graph, j->naming, differences);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(j->ctx, "%s", j->model->path);
  if (status == KOHL_OK) status = kohl_export_about_make(j->ctx, j->model, &about);
  if (status == KOHL_OK && *differences) {
    kohl_log(j->ctx, KOHL_LOG_WARNING, "%s", differences);
    status = kohl_export_about_add(j->ctx, &about, "differences", differences);
  }
  if (status == KOHL_OK) status = kohl_export_about_add(j->ctx, &about, "names", kohl_naming_word(j->naming));
  for (int i = 0; i < about.count && status == KOHL_OK; i++) {
    status = kohl_safetensors_writer_metadata(j->writer, about.key[i], about.text[i], strlen(about.text[i]));
  }
  kohl_export_about_free(j->ctx, &about);
  return status;
}

static kohl_status declare(job *j) {
  const kohl_graph *graph = j->model->graph;
  kohl_status status = kohl_export_orders(j->ctx, graph, &j->orders);
  for (size_t i = 0; i < graph->count && status == KOHL_OK; i++) status = add_node(j, (int)i);
  if (status != KOHL_OK) return status;
  if (!j->count)
    return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: no layer has weights, expected some to export", j->model->path);
  if (!j->theirs && !is_keras(j)) {
    return kohl_fail(j->ctx, KOHL_BAD_INPUT,
                     "%s: %s has no network '%s'; expected one of its own, or --to keras or onnx, which take any",
                     j->model->path, kohl_naming_word(j->naming), kohl_quote(graph->arch, strlen(graph->arch)).text);
  }
  return add_texts(j);
}

static kohl_status sink(void *user, const void *bytes, size_t n) { return kohl_safetensors_write(user, bytes, n); }

static kohl_status write_entry(job *j, const entry *e) {
  if (e->weight) {
    kohl_export_view view = kohl_export_view_of(e->weight, kohl_naming_layout(j->naming), e->picture);
    return kohl_export_stream(j->ctx, &view, sink, j->writer);
  }
  const int64_t zero = 0;
  if (!e->count) return kohl_safetensors_write(j->writer, &zero, sizeof zero);
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < e->count && status == KOHL_OK; i++)
    status = kohl_safetensors_write(j->writer, &e->value, sizeof e->value);
  return status;
}

kohl_status kohl_export_safetensors(kohl_context *ctx, const kohl_model *model, kohl_export_format format,
                                    const char *path) {
  job j = {.ctx = ctx,
           .model = model,
           .naming = format == KOHL_EXPORT_TORCHVISION ? KOHL_NAMING_TORCHVISION : KOHL_NAMING_KERAS};
  kohl_status status = kohl_safetensors_writer_begin(ctx, path, &j.writer);
  if (status != KOHL_OK) return status;
  status = declare(&j);
  if (status == KOHL_OK) status = kohl_safetensors_writer_lay(j.writer);
  for (size_t i = 0; i < j.count && status == KOHL_OK; i++)
    status = write_entry(&j, &j.entries[kohl_safetensors_writer_order(j.writer, i)]);
  if (status == KOHL_OK)
    status = kohl_safetensors_writer_finish(j.writer);
  else
    kohl_safetensors_writer_abandon(j.writer);
  kohl_free(ctx, j.orders);
  kohl_free(ctx, j.entries);
  return status;
}
