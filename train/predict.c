/* A model's outputs for labelled pictures. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/evaluate.h"
#include "train/pictures.h"

/* Rows, truths and paths of the good pictures, in the order of the list. */
typedef struct collector {
  kohl_context *ctx;
  const kohl_samples *samples;
  const size_t *list;
  kohl_predictions *out;
} collector;

static kohl_status collect(void *user, size_t at, const float *row, size_t floats) {
  collector *c = user;
  kohl_predictions *p = c->out;
  size_t i = p->count, count, sample = c->list[at];
  char path[KOHL_SAMPLE_PATH];
  const int *labels = kohl_sample_labels(c->samples, sample, &count);
  memcpy(p->probabilities + i * floats, row, floats * sizeof *row);
  p->truth[i] = *labels;
  for (size_t k = 0; p->marks && k < count; k++) {
    p->marks[i * floats + (size_t)labels[k]] = 1;
    if (labels[k] < p->truth[i]) p->truth[i] = labels[k];
  }
  kohl_status status = kohl_strdup(c->ctx, kohl_sample_path(c->samples, sample, path), &p->file[i]);
  if (status == KOHL_OK) p->count++;
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
static kohl_status make_room(kohl_context *ctx, const kohl_model *model, size_t count, kohl_predictions *p) {
  size_t classes = model->label_count;
  kohl_status status = kohl_alloc(ctx, classes, sizeof *p->labels, "labels", &p->labels);
  if (status == KOHL_OK) p->classes = (int)classes;
  for (size_t c = 0; c < classes && status == KOHL_OK; c++) {
    status = kohl_strdup(ctx, model->labels[c], &p->labels[c]);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *p->file, "paths", &p->file);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *p->truth, "labels", &p->truth);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, count * classes, sizeof *p->probabilities, "probabilities", &p->probabilities);
  }
  if (status == KOHL_OK && model->task == KOHL_TASK_MANY_LABELS) {
    status = kohl_alloc(ctx, count * classes, 1, "labels", &p->marks);
  }
  return status;
}

static kohl_status run(kohl_context *ctx, const kohl_model *model, kohl_samples *samples, const char *data_path,
                       const kohl_evaluate_options *options, kohl_predictions *out) {
  size_t *list, count = 0;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *list, "a list", &list);
  if (status != KOHL_OK) return status;
  collector c = {ctx, samples, list, out};
  status = choose(ctx, data_path, samples, options->split, list, &count);
  if (status == KOHL_OK) status = make_room(ctx, model, count, out);
  kohl_pictures_job job = {.model = model,
                           .workers = -1,
                           .pre = &model->preprocessing,
                           .samples = samples,
                           .list = list,
                           .count = count,
                           .batch = options->batch,
                           .sink = collect,
                           .user = &c,
                           .progress = options->progress,
                           .progress_user = options->progress_user};
  if (status == KOHL_OK) status = kohl_pictures_run(ctx, &job);
  kohl_free(ctx, list);
  return status;
}

kohl_status kohl_predict(kohl_context *ctx, const kohl_model *model, const char *data_path,
                         const kohl_evaluate_options *options, kohl_predictions *out, size_t *bad) {
  kohl_samples samples;
  memset(out, 0, sizeof *out);
  memset(&samples, 0, sizeof samples);
  *bad = 0;
  if (options->batch < 1 || options->batch > 4096) {
    return kohl_fail(ctx, KOHL_USAGE, "batch: value %d, expected 1 to 4096", options->batch);
  }
  if (model->label_count == 0 || model->task == KOHL_TASK_NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: has no labels, expected a model with a head", model->path);
  }
  kohl_source_options source = {.classes = (const char *const *)model->labels,
                                .class_count = model->label_count,
                                .split_column = options->split_column,
                                .several_labels = model->task == KOHL_TASK_MANY_LABELS};
  kohl_status status = kohl_samples_open(ctx, data_path, &source, &samples);
  if (status == KOHL_OK) status = run(ctx, model, &samples, data_path, options, out);
  *bad = samples.bad;
  kohl_samples_free(ctx, &samples);
  if (status != KOHL_OK) kohl_predictions_free(ctx, out);
  return status;
}
