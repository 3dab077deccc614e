/* The validation part after an epoch: the weights that would be kept, run over its features. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/math.h"
#include "train/run.h"

enum { VALIDATION_BATCH = 256 };

/* Probabilities of the validation part's good pictures, row by row, and their labels. */
static kohl_status validate_rows(kohl_run *run, kohl_session *session, float *rows, int32_t *truth, size_t *count) {
  int classes = (int)run->samples.class_count, last = (int)run->head->graph->count - 1;
  size_t floats = run->validation.floats;
  float *input = kohl_session_input(session);
  kohl_status status = KOHL_OK;
  *count = 0;
  for (size_t first = 0; first < run->validation.count && status == KOHL_OK;) {
    int n = 0;
    for (; first < run->validation.count && n < VALIDATION_BATCH; first++) {
      const kohl_sample *sample = &run->samples.sample[run->validation.list[first]];
      if (sample->bad) continue;
      memcpy(input + (size_t)n * floats, run->validation.rows + first * floats, floats * sizeof *input);
      truth[*count + (size_t)n++] = sample->label;
    }
    status = kohl_session_run(session, n);
    if (status == KOHL_OK) status = kohl_session_output(session, last, n, rows + *count * (size_t)classes);
    *count += (size_t)n;
  }
  return status;
}

/* -ln p; p below 1e-7 counts as 1e-7, as in Keras. */
static double surprise(float p) { return -(double)kohl_logf(p < 1e-7f ? 1e-7f : p); }

/* The mean over the pictures, without weights and smoothing: of -ln p of the truth, or with sigmoid of the mean over
 * all labels of -ln p of this one being so, or not. */
static double validation_loss(const kohl_run *run, const float *rows, const int32_t *truth, size_t count) {
  const size_t classes = run->samples.class_count;
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const float *row = rows + i * classes;
    if (run->recipe.loss.name != KOHL_LOSS_SIGMOID) {
      sum += surprise(row[truth[i]]);
      continue;
    }
    double own = 0;
    for (size_t c = 0; c < classes; c++) own += surprise(c == (size_t)truth[i] ? row[c] : 1.0f - row[c]);
    sum += own / (double)classes;
  }
  return count ? sum / (double)count : 0;
}

kohl_status kohl_run_validate(kohl_run *run, kohl_epoch *out) {
  kohl_context *ctx = run->ctx;
  size_t classes = run->samples.class_count, count = 0;
  kohl_session *session = NULL;
  float *rows = NULL;
  int32_t *truth = NULL;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = VALIDATION_BATCH;
  kohl_status status = kohl_run_store(run);
  if (status == KOHL_OK) status = kohl_session_create(ctx, run->head, &options, &session);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, run->validation.count * classes, sizeof *rows, "validation probabilities", &rows);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, run->validation.count, sizeof *truth, "validation labels", &truth);
  if (status == KOHL_OK) status = validate_rows(run, session, rows, truth, &count);
  if (status == KOHL_OK) status = kohl_metrics_compute(ctx, rows, truth, count, (int)classes, &out->metrics);
  if (status == KOHL_OK) out->val_loss = validation_loss(run, rows, truth, count);
  kohl_free(ctx, rows);
  kohl_free(ctx, truth);
  kohl_session_destroy(session);
  return status;
}
