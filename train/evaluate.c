/* Predictions of a model, and the figures of them.  predict.c runs it; evaluate_json.c writes the figures. */
#include "train/evaluate.h"

#include <string.h>

#include "train/pictures.h"

kohl_evaluate_options kohl_evaluate_options_default(void) {
  return (kohl_evaluate_options){.batch = KOHL_PICTURES_BATCH, .topk = 5};
}

static kohl_status measure_one(kohl_context *ctx, const kohl_evaluate_options *options, kohl_evaluation *e) {
  const kohl_predictions *p = &e->predictions;
  const kohl_metrics_options how = {.beta = options->beta == 0 ? 1 : options->beta, .ranks = true};
  kohl_status status = kohl_metrics_measure(ctx, p->probabilities, p->truth, p->count, p->classes, &how, &e->metrics);
  if (status == KOHL_OK && options->bootstrap) {
    status = kohl_bootstrap_run(ctx, p->probabilities, p->truth, p->count, p->classes, options->bootstrap,
                                options->seed, &e->bootstrap);
  }
  if (status == KOHL_OK && !e->many && p->count) {
    e->accuracy = kohl_interval_wilson(e->metrics.places[0], (int64_t)p->count);
  }
  return status;
}

/* Whether every picture has exactly one label. */
static bool one_each(const kohl_predictions *p) {
  for (size_t i = 0; i < p->count; i++) {
    int labels = 0;
    for (int c = 0; c < p->classes; c++) labels += p->marks[i * (size_t)p->classes + (size_t)c];
    if (labels != 1) return false;
  }
  return true;
}

static kohl_status measure_many(kohl_context *ctx, const kohl_model *model, const kohl_evaluate_options *options,
                                kohl_evaluation *e) {
  kohl_predictions *p = &e->predictions;
  const kohl_metrics_options how = {.beta = options->beta == 0 ? 2 : options->beta, .ranks = true};
  kohl_status status = kohl_predictions_choose(ctx, p, model->thresholds);
  if (status == KOHL_OK) {
    status = kohl_metrics_many_measure(ctx, p->probabilities, p->marks, p->count, p->classes, model->thresholds, &how,
                                       &e->many_metrics);
  }
  if (status == KOHL_OK && p->count) {
    e->accuracy = kohl_interval_wilson(e->many_metrics.exact, (int64_t)p->count);
  }
  return status == KOHL_OK && one_each(p) ? measure_one(ctx, options, e) : status;
}

kohl_status kohl_evaluate(kohl_context *ctx, const char *model_path, const char *data_path,
                          const kohl_evaluate_options *options, kohl_evaluation *out) {
  kohl_model *model = NULL;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_model_open(ctx, model_path, &model);
  if (status != KOHL_OK) return status;
  out->topk = options->topk;
  out->many = model->task == KOHL_TASK_MANY_LABELS;
  status = kohl_predict(ctx, model, data_path, options, &out->predictions, &out->bad);
  if (status == KOHL_OK) status = out->many ? measure_many(ctx, model, options, out) : measure_one(ctx, options, out);
  kohl_model_destroy(ctx, model);
  if (status != KOHL_OK) kohl_evaluation_free(ctx, out);
  return status;
}

void kohl_evaluation_free(kohl_context *ctx, kohl_evaluation *evaluation) {
  kohl_predictions_free(ctx, &evaluation->predictions);
  kohl_metrics_free(ctx, &evaluation->metrics);
  kohl_metrics_many_free(ctx, &evaluation->many_metrics);
  memset(evaluation, 0, sizeof *evaluation);
}
