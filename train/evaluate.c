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

static kohl_status measure_many(kohl_context *ctx, const float *thresholds, const kohl_evaluate_options *options,
                                kohl_evaluation *e) {
  kohl_predictions *p = &e->predictions;
  const kohl_metrics_options how = {.beta = options->beta == 0 ? 2 : options->beta, .ranks = true};
  kohl_status status = kohl_predictions_choose(ctx, p, thresholds);
  if (status == KOHL_OK) {
    status = kohl_metrics_many_measure(ctx, p->probabilities, p->marks, p->count, p->classes, thresholds, &how,
                                       &e->many_metrics);
  }
  if (status == KOHL_OK && p->count) {
    e->accuracy = kohl_interval_wilson(e->many_metrics.exact, (int64_t)p->count);
  }
  return status == KOHL_OK && one_each(p) ? measure_one(ctx, options, e) : status;
}

/* Which heads are wanted.  A model without any is left to kohl_predict. */
static kohl_status find_heads(kohl_context *ctx, const kohl_model *model, const kohl_evaluate_options *options,
                              size_t *first, size_t *count) {
  const size_t all = kohl_model_heads(model);
  *count = all ? all : 1;
  if (!options->head) return KOHL_OK;
  *count = 1;
  for (*first = 0; *first < all; ++*first) {
    if (strcmp(kohl_model_head_at(model, *first).layer, options->head) == 0) return KOHL_OK;
  }
  return kohl_fail(ctx, KOHL_USAGE, "%s: no head '%s', expected one that kohl inspect shows", model->path,
                   options->head);
}

static kohl_status evaluate_heads(kohl_context *ctx, const kohl_model *model, const char *data_path,
                                  const kohl_evaluate_options *options, size_t first, size_t count,
                                  kohl_evaluation *out) {
  kohl_predictions predictions[KOHL_MODEL_HEADS];
  size_t bad;
  kohl_status status = kohl_predict(ctx, model, data_path, options, first, count, predictions, &bad);
  if (status != KOHL_OK) return status;
  if (count > 1) status = kohl_alloc(ctx, count - 1, sizeof *out->more, "evaluations", &out->more);
  if (status == KOHL_OK) out->more_count = count - 1;
  for (size_t h = 0; h < count; h++) {
    if (status != KOHL_OK) { /* of those that have no evaluation to be freed with */
      kohl_predictions_free(ctx, &predictions[h]);
      continue;
    }
    const kohl_model_head head = kohl_model_head_at(model, first + h);
    kohl_evaluation *e = h ? &out->more[h - 1] : out;
    e->predictions = predictions[h];
    e->bad = bad;
    e->topk = options->topk;
    e->many = head.task == KOHL_TASK_MANY_LABELS;
    if (model->more_count) status = kohl_strdup(ctx, head.layer, &e->head);
    if (status == KOHL_OK) {
      status = e->many ? measure_many(ctx, head.thresholds, options, e) : measure_one(ctx, options, e);
    }
  }
  return status;
}

kohl_status kohl_evaluate(kohl_context *ctx, const char *model_path, const char *data_path,
                          const kohl_evaluate_options *options, kohl_evaluation *out) {
  kohl_model *model = NULL;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_model_open(ctx, model_path, &model);
  if (status != KOHL_OK) return status;
  size_t first = 0, count = 0;
  status = find_heads(ctx, model, options, &first, &count);
  if (status == KOHL_OK) status = evaluate_heads(ctx, model, data_path, options, first, count, out);
  kohl_model_destroy(ctx, model);
  if (status != KOHL_OK) kohl_evaluation_free(ctx, out);
  return status;
}

void kohl_evaluation_free(kohl_context *ctx, kohl_evaluation *evaluation) {
  kohl_predictions_free(ctx, &evaluation->predictions);
  kohl_metrics_free(ctx, &evaluation->metrics);
  kohl_metrics_many_free(ctx, &evaluation->many_metrics);
  for (size_t h = 0; h < evaluation->more_count; h++) kohl_evaluation_free(ctx, &evaluation->more[h]);
  kohl_free(ctx, evaluation->more);
  kohl_free(ctx, evaluation->head);
  memset(evaluation, 0, sizeof *evaluation);
}
