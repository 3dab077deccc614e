/* Pictures through a whole model, and the figures of what comes out. */
#include "train/evaluate.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/model.h"
#include "train/pictures.h"

kohl_evaluate_options kohl_evaluate_options_default(void) {
  return (kohl_evaluate_options){.batch = KOHL_PICTURES_BATCH};
}

/* Probabilities and truths of the good pictures, in the order of the list. */
typedef struct collector {
  const kohl_samples *samples;
  const size_t *list;
  float *rows;
  int32_t *truth;
  size_t count;
} collector;

static kohl_status collect(void *user, size_t at, const float *row, size_t floats) {
  collector *c = user;
  memcpy(c->rows + c->count * floats, row, floats * sizeof *row);
  c->truth[c->count++] = c->samples->sample[c->list[at]].label;
  return KOHL_OK;
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

static kohl_status copy_labels(kohl_context *ctx, const kohl_model *model, kohl_evaluation *out) {
  kohl_status status = kohl_alloc(ctx, model->label_count, sizeof *out->labels, "labels", &out->labels);
  for (size_t i = 0; i < model->label_count && status == KOHL_OK; i++) {
    status = kohl_strdup(ctx, model->labels[i], &out->labels[i]);
  }
  return status;
}

static kohl_status run(kohl_context *ctx, const kohl_model *model, kohl_samples *samples, const char *data_path,
                       const kohl_evaluate_options *options, kohl_evaluation *out) {
  size_t *list, count = 0, classes = model->label_count;
  collector c = {samples, NULL, NULL, NULL, 0};
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *list, "a list", &list);
  if (status != KOHL_OK) return status;
  c.list = list;
  status = choose(ctx, data_path, samples, options->split, list, &count);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count * classes, sizeof *c.rows, "probabilities", &c.rows);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *c.truth, "labels", &c.truth);
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
  if (status == KOHL_OK) status = kohl_metrics_compute(ctx, c.rows, c.truth, c.count, (int)classes, &out->metrics);
  if (status == KOHL_OK) status = copy_labels(ctx, model, out);
  out->bad = samples->bad;
  kohl_free(ctx, list);
  kohl_free(ctx, c.rows);
  kohl_free(ctx, c.truth);
  return status;
}

kohl_status kohl_evaluate(kohl_context *ctx, const char *model_path, const char *data_path,
                          const kohl_evaluate_options *options, kohl_evaluation *out) {
  kohl_model *model = NULL;
  kohl_samples samples;
  memset(out, 0, sizeof *out);
  memset(&samples, 0, sizeof samples);
  if (options->batch < 1 || options->batch > 4096) {
    return kohl_fail(ctx, KOHL_USAGE, "batch: value %d, expected 1 to 4096", options->batch);
  }
  kohl_status status = kohl_model_open(ctx, model_path, &model);
  if (status != KOHL_OK) return status;
  if (model->label_count == 0) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: has no labels, expected a model with a head", model_path);
  } else {
    kohl_source_options source = {.classes = (const char *const *)model->labels,
                                  .class_count = model->label_count,
                                  .split_column = options->split_column};
    status = kohl_samples_open(ctx, data_path, &source, &samples);
  }
  if (status == KOHL_OK) status = run(ctx, model, &samples, data_path, options, out);
  kohl_samples_free(ctx, &samples);
  kohl_model_destroy(ctx, model);
  if (status != KOHL_OK) kohl_evaluation_free(ctx, out);
  return status;
}

void kohl_evaluation_free(kohl_context *ctx, kohl_evaluation *evaluation) {
  for (int i = 0; evaluation->labels && i < evaluation->metrics.classes; i++) kohl_free(ctx, evaluation->labels[i]);
  kohl_free(ctx, evaluation->labels);
  kohl_metrics_free(ctx, &evaluation->metrics);
  memset(evaluation, 0, sizeof *evaluation);
}

static void write_number(kohl_json_writer *json, const char *key, double value) {
  kohl_json_write_key(json, key);
  kohl_json_write_double(json, value);
}

void kohl_evaluation_write_json(const kohl_evaluation *evaluation, kohl_json_writer *writer) {
  const kohl_metrics *m = &evaluation->metrics;
  kohl_json_write_object_begin(writer);
  kohl_json_write_key(writer, "n");
  kohl_json_write_uint64(writer, m->n);
  write_number(writer, "accuracy", m->accuracy);
  write_number(writer, "top3", m->top3);
  write_number(writer, "top5", m->top5);
  write_number(writer, "balanced_accuracy", m->balanced_accuracy);
  write_number(writer, "macro_f1", m->macro_f1);
  kohl_json_write_key(writer, "per_class");
  kohl_json_write_object_begin(writer);
  for (int c = 0; c < m->classes; c++) {
    kohl_json_write_key(writer, evaluation->labels[c]);
    kohl_json_write_object_begin(writer);
    write_number(writer, "precision", m->per_class[c].precision);
    write_number(writer, "recall", m->per_class[c].recall);
    write_number(writer, "f1", m->per_class[c].f1);
    kohl_json_write_key(writer, "support");
    kohl_json_write_int64(writer, m->per_class[c].support);
    kohl_json_write_object_end(writer);
  }
  kohl_json_write_object_end(writer);
  kohl_json_write_key(writer, "confusion");
  kohl_json_write_array_begin(writer);
  for (int t = 0; t < m->classes; t++) {
    kohl_json_write_array_begin(writer);
    for (int p = 0; p < m->classes; p++) {
      kohl_json_write_int64(writer, m->confusion[(size_t)t * (size_t)m->classes + (size_t)p]);
    }
    kohl_json_write_array_end(writer);
  }
  kohl_json_write_array_end(writer);
  kohl_json_write_key(writer, "bad");
  kohl_json_write_uint64(writer, evaluation->bad);
  kohl_json_write_object_end(writer);
}
