/* A model's outputs for labelled pictures. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/evaluate.h"
#include "train/head_labels.h"
#include "train/pictures.h"

/* One head: its labels of the pictures, and what becomes of the rows of those that have some. */
typedef struct asked {
  kohl_model_head head;
  kohl_head_labels labels;
  size_t first; /* place in a row */
  kohl_predictions *out;
} asked;

/* Rows, truths and paths of the good pictures, in the order of the list. */
typedef struct collector {
  kohl_context *ctx;
  const kohl_samples *samples;
  const size_t *list;
  asked head[KOHL_MODEL_HEADS];
  size_t head_count;
} collector;

static kohl_status collect_head(collector *c, asked *a, size_t sample, const float *row) {
  kohl_predictions *p = a->out;
  const size_t i = p->count, floats = (size_t)p->classes;
  size_t count;
  char path[KOHL_SAMPLE_PATH];
  const int *labels = kohl_head_labels_at(&a->labels, sample, &count);
  if (!count) return KOHL_OK;
  memcpy(p->probabilities + i * floats, row + a->first, floats * sizeof *row);
  p->truth[i] = *labels;
  for (size_t k = 0; p->marks && k < count; k++) {
    p->marks[i * floats + (size_t)labels[k]] = 1;
    if (labels[k] < p->truth[i]) p->truth[i] = labels[k];
  }
  kohl_status status = kohl_strdup(c->ctx, kohl_sample_path(c->samples, sample, path), &p->file[i]);
  if (status == KOHL_OK) p->count++;
  return status;
}

static kohl_status collect(void *user, size_t at, const float *row, size_t floats) {
  collector *c = user;
  kohl_status status = KOHL_OK;
  (void)floats;
  for (size_t h = 0; h < c->head_count && status == KOHL_OK; h++) {
    status = collect_head(c, &c->head[h], c->list[at], row);
  }
  return status;
}

static kohl_status choose(kohl_context *ctx, const char *data_path, const kohl_samples *samples, const char *split,
                          size_t *list, size_t *count) {
  *count = 0;
  for (size_t i = 0; i < samples->count; i++) {
    const char *own = kohl_split_name((kohl_split)samples->sample[i].split);
    if (!split || strcmp(own, split) == 0) list[(*count)++] = i;
  }
  if (*count) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: no picture in the part '%s', expected train, validation or test",
                   data_path, split ? split : "all");
}

/* Labels, and room for count pictures. */
static kohl_status make_room(kohl_context *ctx, const kohl_model_head *head, size_t count, kohl_predictions *p) {
  size_t classes = head->label_count;
  kohl_status status = kohl_alloc(ctx, classes, sizeof *p->labels, "labels", &p->labels);
  if (status == KOHL_OK) p->classes = (int)classes;
  for (size_t c = 0; c < classes && status == KOHL_OK; c++) {
    status = kohl_strdup(ctx, head->labels[c], &p->labels[c]);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *p->file, "paths", &p->file);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *p->truth, "labels", &p->truth);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, count * classes, sizeof *p->probabilities, "probabilities", &p->probabilities);
  }
  if (status == KOHL_OK && head->task == KOHL_TASK_MANY_LABELS) {
    status = kohl_alloc(ctx, count * classes, 1, "labels", &p->marks);
  }
  return status;
}

/* Labels of a head: the list's own, or those of the column that is named like it, which is number `column`. */
static kohl_status read_labels(collector *c, size_t h, size_t column, const char *data_path) {
  asked *a = &c->head[h];
  a->labels = kohl_head_labels_own(c->samples);
  if (column == SIZE_MAX) return KOHL_OK;
  if (!kohl_sample_value(c->samples, 0, column)) {
    return kohl_fail(c->ctx, KOHL_BAD_INPUT, "%s: no column '%s' for the head of that name, expected a CSV that has it",
                     data_path, a->head.layer);
  }
  kohl_status status =
      kohl_head_labels_of_column(c->ctx, c->samples, column, a->head.task == KOHL_TASK_MANY_LABELS,
                                 (const char *const *)a->head.labels, a->head.label_count, NULL, 0, &a->labels);
  if (status == KOHL_OK && a->labels.unknown) {
    kohl_log(c->ctx, KOHL_LOG_WARNING, "head '%s': %zu labels, as '%.100s', are unknown to the model and do not count",
             a->head.layer, a->labels.unknown, a->labels.first_unknown);
  }
  return status;
}

static kohl_status run(const kohl_model *model, kohl_samples *samples, const char *data_path,
                       const kohl_evaluate_options *options, collector *c) {
  kohl_context *ctx = c->ctx;
  size_t *list, count = 0, first = 0, column = 0;
  int nodes[KOHL_MODEL_HEADS];
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *list, "a list", &list);
  if (status != KOHL_OK) return status;
  c->list = list;
  status = choose(ctx, data_path, samples, options->split, list, &count);
  for (size_t h = 0; h < c->head_count && status == KOHL_OK; h++) {
    asked *a = &c->head[h];
    const bool own = a->head.node == (int)model->graph->count - 1;
    status = read_labels(c, h, own ? SIZE_MAX : column++, data_path);
    if (status == KOHL_OK) status = make_room(ctx, &a->head, count, a->out);
    nodes[h] = a->head.node;
    a->first = first;
    first += a->head.label_count;
  }
  kohl_pictures_job job = {.model = model,
                           .nodes = nodes,
                           .node_count = c->head_count,
                           .workers = -1,
                           .pre = &model->preprocessing,
                           .samples = samples,
                           .list = list,
                           .count = count,
                           .batch = options->batch,
                           .sink = collect,
                           .user = c,
                           .progress = options->progress,
                           .progress_user = options->progress_user};
  if (status == KOHL_OK) status = kohl_pictures_run(ctx, &job);
  kohl_free(ctx, list);
  return status;
}

kohl_status kohl_predict(kohl_context *ctx, const kohl_model *model, const char *data_path,
                         const kohl_evaluate_options *options, size_t first, size_t count, kohl_predictions *out,
                         size_t *bad) {
  kohl_samples samples;
  collector c = {.ctx = ctx, .samples = &samples};
  const char *columns[KOHL_MODEL_HEADS];
  memset(out, 0, count * sizeof *out);
  memset(&samples, 0, sizeof samples);
  *bad = 0;
  if (options->batch < 1 || options->batch > 4096) {
    return kohl_fail(ctx, KOHL_USAGE, "batch: value %d, expected 1 to 4096", options->batch);
  }
  if (model->label_count == 0 || model->task == KOHL_TASK_NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: has no labels, expected a model with a head", model->path);
  }
  const kohl_model_head main = kohl_model_head_at(model, 0);
  kohl_source_options source = {.classes = (const char *const *)model->labels,
                                .class_count = model->label_count,
                                .split_column = options->split_column,
                                .label_or = model->more_count ? main.layer : NULL,
                                .columns = columns,
                                .several_labels = model->task == KOHL_TASK_MANY_LABELS};
  for (; c.head_count < count; c.head_count++) {
    c.head[c.head_count] = (asked){.head = kohl_model_head_at(model, first + c.head_count), .out = &out[c.head_count]};
    if (first + c.head_count > 0) columns[source.column_count++] = c.head[c.head_count].head.layer;
  }
  kohl_status status = kohl_samples_open(ctx, data_path, &source, &samples);
  if (status == KOHL_OK) status = run(model, &samples, data_path, options, &c);
  *bad = samples.bad;
  for (size_t h = 0; h < c.head_count; h++) kohl_head_labels_free(ctx, &c.head[h].labels);
  kohl_samples_free(ctx, &samples);
  for (size_t h = 0; h < count && status != KOHL_OK; h++) kohl_predictions_free(ctx, &out[h]);
  return status;
}
