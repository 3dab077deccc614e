/* The heads of a model: the one of the last node, and further ones.  Reading and writing what the file says of them. */
#include "nn/model_heads.h"

#include <string.h>

#include "kernels/core/alloc.h"

enum { LABELS_MOST = 1 << 20 };

static const char *const task_words[] = {"none", "one_label", "many_labels"};

const char *kohl_model_task_name(kohl_model_task task) { return task_words[task]; }

void kohl_model_head_free(kohl_context *ctx, kohl_model_head *head) {
  for (size_t i = 0; i < head->label_count; i++) kohl_free(ctx, head->labels[i]);
  kohl_free(ctx, head->labels);
  kohl_free(ctx, head->thresholds);
  kohl_free(ctx, head->layer);
  memset(head, 0, sizeof *head);
}

void kohl_model_heads_free(kohl_context *ctx, kohl_model_head *heads, size_t count) {
  for (size_t i = 0; i < count; i++) kohl_model_head_free(ctx, &heads[i]);
  kohl_free(ctx, heads);
}

size_t kohl_model_heads(const kohl_model *model) { return model->task == KOHL_TASK_NONE ? 0 : 1 + model->more_count; }

kohl_model_head kohl_model_head_at(const kohl_model *model, size_t h) {
  if (h > 0) return model->more_heads[h - 1];
  const int last = (int)model->graph->count - 1;
  return (kohl_model_head){.layer = model->graph->nodes[last].name,
                           .node = last,
                           .task = model->task,
                           .labels = model->labels,
                           .label_count = model->label_count,
                           .thresholds = model->thresholds};
}

kohl_status kohl_model_head_check_thresholds(kohl_context *ctx, const kohl_model_head *head) {
  const size_t count = head->threshold_count;
  if (!count || (count == head->label_count && head->task == KOHL_TASK_MANY_LABELS)) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%zu thresholds, %zu labels, task '%s', expected one for each label of 'many_labels'", count,
                   head->label_count, task_words[head->task]);
}

static kohl_status check_head(kohl_context *ctx, const kohl_graph *graph, kohl_model_head *head) {
  if (!head->layer) return kohl_fail(ctx, KOHL_BAD_INPUT, "a head without 'layer'");
  head->node = kohl_graph_find(graph, head->layer);
  if (head->node < 0 || head->node == (int)graph->count - 1) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "head '%s': %s, expected a layer that is not the last one",
                     kohl_quote(head->layer, strlen(head->layer)).text,
                     head->node < 0 ? "no such layer" : "the last layer");
  }
  const kohl_node *node = &graph->nodes[head->node];
  const kohl_layer layer = head->task == KOHL_TASK_MANY_LABELS ? KOHL_LAYER_sigmoid : KOHL_LAYER_softmax;
  if (head->task == KOHL_TASK_NONE || node->layer != layer) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "head '%s': task '%s' of a %s layer, expected one_label of a softmax or "
                     "many_labels of a sigmoid",
                     head->layer, task_words[head->task], kohl_layer_name(node->layer));
  }
  if (node->shape.h * node->shape.w != 1 || head->label_count != (size_t)node->shape.c) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "head '%s': %zu labels, but the layer gives %dx%dx%d values", head->layer,
                     head->label_count, node->shape.h, node->shape.w, node->shape.c);
  }
  return kohl_model_head_check_thresholds(ctx, head);
}

kohl_status kohl_model_heads_check(kohl_context *ctx, const kohl_graph *graph, kohl_model_head *heads, size_t count) {
  for (size_t i = 0; i < count; i++) {
    kohl_status status = check_head(ctx, graph, &heads[i]);
    if (status != KOHL_OK) return status;
    for (size_t j = 0; j < i; j++) {
      if (heads[j].node != heads[i].node) continue;
      return kohl_fail(ctx, KOHL_BAD_INPUT, "head '%s' is given twice", heads[i].layer);
    }
  }
  return KOHL_OK;
}

static kohl_status grow(kohl_context *ctx, kohl_model_head **heads, size_t count) {
  size_t capacity = count;
  if (count + 1 >= KOHL_MODEL_HEADS) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "more than %d heads", KOHL_MODEL_HEADS);
  }
  return kohl_grow(ctx, heads, &capacity, count + 1, sizeof **heads, "heads");
}

kohl_status kohl_model_add_head(kohl_context *ctx, kohl_model *model, const char *layer, kohl_model_task task,
                                const char *const *labels, size_t count) {
  kohl_status status = grow(ctx, &model->more_heads, model->more_count);
  if (status != KOHL_OK) return status;
  kohl_model_head *head = &model->more_heads[model->more_count];
  *head = (kohl_model_head){.task = task};
  status = kohl_strdup(ctx, layer, &head->layer);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *head->labels, "labels", &head->labels);
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    status = kohl_strdup(ctx, labels[i], &head->labels[i]);
    if (status == KOHL_OK) head->label_count++;
  }
  if (status == KOHL_OK) status = kohl_model_heads_check(ctx, model->graph, model->more_heads, model->more_count + 1);
  if (status == KOHL_OK) {
    model->more_count++;
  } else {
    kohl_model_head_free(ctx, head);
  }
  return status;
}

static kohl_status copy_rest(kohl_context *ctx, const kohl_model *model, kohl_model *to) {
  kohl_status status = kohl_model_set_labels(ctx, to, (const char *const *)model->labels, model->label_count);
  to->task = model->task;
  to->preprocessing = model->preprocessing;
  if (status == KOHL_OK && model->thresholds) {
    status = kohl_model_set_thresholds(ctx, to, model->thresholds, model->label_count);
  }
  if (status == KOHL_OK) status = kohl_model_set_provenance(ctx, to, model->provenance);
  if (status != KOHL_OK) return status;
  kohl_free(ctx, to->path);
  return kohl_strdup(ctx, model->path, &to->path);
}

kohl_status kohl_model_first_head(kohl_context *ctx, const kohl_model *model, kohl_model **out) {
  kohl_graph *graph;
  *out = NULL;
  kohl_status status = kohl_graph_cut(ctx, model->graph, (int)model->graph->count - 1, NULL, &graph);
  if (status == KOHL_OK) status = kohl_model_assemble(ctx, graph, model, NULL, out);
  if (status == KOHL_OK) status = copy_rest(ctx, model, *out);
  if (status == KOHL_OK) return KOHL_OK;
  kohl_model_destroy(ctx, *out);
  *out = NULL;
  return status;
}

static kohl_status read_labels(kohl_context *ctx, kohl_json *json, kohl_model_head *head) {
  size_t capacity = 0;
  if (head->labels) return kohl_json_fail(json, "a second list of labels");
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_STRING) {
    if (head->label_count == LABELS_MOST) return kohl_json_fail(json, "more than %d labels", LABELS_MOST);
    status = kohl_grow(ctx, &head->labels, &capacity, head->label_count + 1, sizeof *head->labels, "labels");
    if (status == KOHL_OK) status = kohl_json_copy_text(json, &head->labels[head->label_count]);
    if (status == KOHL_OK) head->label_count++;
  }
  if (status == KOHL_OK) status = json->status;
  if (status == KOHL_OK && json->event != KOHL_JSON_ARRAY_END) status = kohl_json_fail(json, "expected a label");
  return status;
}

/* An empty array, as no array, is 0.5 for all. */
static kohl_status read_thresholds(kohl_context *ctx, kohl_json *json, kohl_model_head *head) {
  size_t capacity = 0, *count = &head->threshold_count;
  if (head->thresholds) return kohl_json_fail(json, "a second list of thresholds");
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_NUMBER_VALUE) {
    double value = 0;
    if (*count == LABELS_MOST) return kohl_json_fail(json, "more than %d thresholds", LABELS_MOST);
    status = kohl_json_get_double(json, &value);
    if (status == KOHL_OK && !(value >= 0 && value <= 1)) {
      return kohl_json_fail(json, "threshold %zu: value %g, expected 0 to 1", *count, value);
    }
    if (status == KOHL_OK) {
      status = kohl_grow(ctx, &head->thresholds, &capacity, *count + 1, sizeof *head->thresholds, "thresholds");
    }
    if (status == KOHL_OK) head->thresholds[(*count)++] = (float)value;
  }
  if (status == KOHL_OK) status = json->status;
  if (status == KOHL_OK && json->event != KOHL_JSON_ARRAY_END) status = kohl_json_fail(json, "expected a threshold");
  return status;
}

static kohl_status read_task(kohl_json *json, kohl_model_head *head) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_STRING);
  for (int i = 0; i < 3 && status == KOHL_OK; i++) {
    if (kohl_json_is(json, task_words[i])) return head->task = (kohl_model_task)i, KOHL_OK;
  }
  return status == KOHL_OK
             ? kohl_json_fail(json, "task '%s' is not known", kohl_quote(json->text, json->text_length).text)
             : status;
}

kohl_status kohl_model_head_read(kohl_context *ctx, kohl_json *json, kohl_model_head *head, bool *known) {
  *known = true;
  if (kohl_json_is(json, "labels")) return read_labels(ctx, json, head);
  if (kohl_json_is(json, "thresholds")) return read_thresholds(ctx, json, head);
  if (kohl_json_is(json, "task")) return read_task(json, head);
  if (kohl_json_is(json, "layer") && !head->layer) {
    kohl_status status = kohl_json_expect(json, KOHL_JSON_STRING);
    return status == KOHL_OK ? kohl_json_copy_text(json, &head->layer) : status;
  }
  *known = false;
  return KOHL_OK;
}

static kohl_status read_head(kohl_context *ctx, kohl_json *json, kohl_model_head *head) {
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_KEY) {
    bool known;
    status = kohl_model_head_read(ctx, json, head, &known);
    if (!known) {
      status = kohl_json_fail(json, "unknown field '%s' of a head", kohl_quote(json->text, json->text_length).text);
    }
  }
  return status == KOHL_OK ? json->status : status;
}

kohl_status kohl_model_heads_read(kohl_context *ctx, kohl_json *json, kohl_model_head **heads, size_t *count) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_OBJECT_BEGIN) {
    status = grow(ctx, heads, *count);
    if (status != KOHL_OK) return status;
    kohl_model_head *head = &(*heads)[(*count)++];
    memset(head, 0, sizeof *head);
    status = read_head(ctx, json, head);
  }
  if (status == KOHL_OK) status = json->status;
  if (status == KOHL_OK && json->event != KOHL_JSON_ARRAY_END) status = kohl_json_fail(json, "expected a head");
  return status;
}

static void write_head(const kohl_model_head *head, kohl_json_writer *json) {
  kohl_json_write_key(json, "labels");
  kohl_json_write_array_begin(json);
  for (size_t i = 0; i < head->label_count; i++) kohl_json_write_string(json, head->labels[i]);
  kohl_json_write_array_end(json);
  if (head->thresholds) {
    kohl_json_write_key(json, "thresholds");
    kohl_json_write_array_begin(json);
    for (size_t i = 0; i < head->label_count; i++) kohl_json_write_float(json, head->thresholds[i]);
    kohl_json_write_array_end(json);
  }
  kohl_json_write_key(json, "task");
  kohl_json_write_string(json, kohl_model_task_name(head->task));
}

void kohl_model_heads_write(const kohl_model *model, kohl_json_writer *json) {
  const kohl_model_head first = kohl_model_head_at(model, 0);
  write_head(&first, json);
  if (!model->more_count) return;
  kohl_json_write_key(json, "heads");
  kohl_json_write_array_begin(json);
  for (size_t h = 0; h < model->more_count; h++) {
    kohl_json_write_object_begin(json);
    kohl_json_write_key(json, "layer");
    kohl_json_write_string(json, model->more_heads[h].layer);
    write_head(&model->more_heads[h], json);
    kohl_json_write_object_end(json);
  }
  kohl_json_write_array_end(json);
}
