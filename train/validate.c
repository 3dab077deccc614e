/* The validation part after an epoch: the weights that would be kept, run over kept rows or over its pictures. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/math.h"
#include "train/metrics_many.h"
#include "train/run.h"
#include "train/targets.h"

enum { VALIDATION_BATCH = 256 };

static kohl_status answer_rows(kohl_run *run, kohl_session *session, const int *nodes, float *room, kohl_answers *a) {
  const kohl_features *kept = &run->feed.validation;
  const size_t *list = run->list + run->train_count;
  float *input = kohl_session_input(session);
  kohl_status status = KOHL_OK;
  for (size_t first = 0; first < kept->count && status == KOHL_OK;) {
    int n = 0;
    for (; first < kept->count && n < VALIDATION_BATCH; first++) {
      if (run->samples.sample[list[first]].bad) continue;
      memcpy(input + (size_t)n * kept->floats, kept->rows + first * kept->floats, kept->floats * sizeof *input);
      a->sample[a->count + (size_t)n++] = list[first];
    }
    status = kohl_session_run(session, n);
    if (status == KOHL_OK) {
      status = kohl_pictures_rows(session, nodes, run->head_count, n, room, a->rows + a->count * a->classes);
    }
    a->count += (size_t)n;
  }
  return status;
}

static kohl_status answer_kept(kohl_run *run, kohl_answers *a) {
  kohl_session *session = NULL;
  float *room = NULL;
  int nodes[KOHL_RECIPE_HEADS];
  kohl_plan_options options = kohl_plan_options_default();
  kohl_run_nodes(run, run->feed.above->graph, nodes);
  options.batch = VALIDATION_BATCH;
  options.taps = nodes;
  options.tap_count = run->head_count;
  kohl_status status = kohl_alloc(run->ctx, VALIDATION_BATCH * a->classes, sizeof *room, "probabilities", &room);
  if (status == KOHL_OK) status = kohl_session_create(run->ctx, run->feed.above, &options, &session);
  if (status == KOHL_OK) status = answer_rows(run, session, nodes, room, a);
  kohl_session_destroy(session);
  kohl_free(run->ctx, room);
  return status;
}

static kohl_status take_answer(void *user, size_t at, const float *row, size_t floats) {
  kohl_run *run = user;
  kohl_answers *a = &run->answers;
  memcpy(a->rows + a->count * a->classes, row, floats * sizeof *row);
  a->sample[a->count++] = run->list[run->train_count + at];
  return KOHL_OK;
}

static kohl_status answer_pictures(kohl_run *run) {
  int nodes[KOHL_RECIPE_HEADS];
  kohl_run_nodes(run, run->model->graph, nodes);
  const kohl_pictures_job job = {.model = run->model,
                                 .nodes = nodes,
                                 .node_count = run->head_count,
                                 .pre = &run->pre,
                                 .samples = &run->samples,
                                 .list = run->list + run->train_count,
                                 .count = run->validation_count,
                                 .batch = KOHL_PICTURES_BATCH,
                                 .workers = (int)run->recipe.data.workers,
                                 .cache = run->pictures,
                                 .sink = take_answer,
                                 .user = run};
  return kohl_pictures_run(run->ctx, &job);
}

/* -ln p; p below 1e-7 counts as 1e-7, as in Keras. */
static double surprise(float p) { return -(double)kohl_logf(p < 1e-7f ? 1e-7f : p); }

/* The mean over the pictures, without weights and smoothing: of -ln p of the truth, or with sigmoid of the mean over
 * all labels of -ln p of this one being so, or not. */
static double validation_loss(const kohl_run_head *head, const kohl_answers *a) {
  double sum = 0;
  for (size_t i = 0; i < a->count; i++) {
    const float *row = a->rows + i * a->classes;
    size_t count, k = 0;
    const int *labels = kohl_head_labels_at(&head->labels, a->sample[i], &count);
    if (!head->sigmoid) {
      sum += surprise(row[labels[0]]);
      continue;
    }
    double own = 0;
    for (size_t c = 0; c < a->classes; c++) {
      for (k = 0; k < count && labels[k] != (int)c;) k++;
      own += surprise(k < count ? row[c] : 1.0f - row[c]);
    }
    sum += own / (double)a->classes;
  }
  return a->count ? sum / (double)a->count : 0;
}

static kohl_status judge_one_label(kohl_context *ctx, const kohl_run_head *head, const kohl_answers *a,
                                   kohl_metrics *out) {
  int32_t *truth;
  size_t count;
  kohl_status status = kohl_alloc(ctx, a->count, sizeof *truth, "validation labels", &truth);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < a->count; i++) truth[i] = kohl_head_labels_at(&head->labels, a->sample[i], &count)[0];
  status = kohl_metrics_compute(ctx, a->rows, truth, a->count, (int)a->classes, out);
  kohl_free(ctx, truth);
  return status;
}

/* The share of pictures whose most probable label is one of theirs. */
static double share_right(const kohl_answers *a, const uint8_t *marks) {
  size_t right = 0;
  for (size_t i = 0; i < a->count; i++) {
    const float *row = a->rows + i * a->classes;
    size_t best = 0;
    for (size_t c = 1; c < a->classes; c++) best = row[c] > row[best] ? c : best;
    right += marks[i * a->classes + best];
  }
  return a->count ? (double)right / (double)a->count : 0;
}

static kohl_status judge_many_labels(kohl_context *ctx, const kohl_run_head *head, const kohl_answers *a,
                                     kohl_metrics *out) {
  kohl_metrics_many many = {0};
  uint8_t *marks;
  kohl_status status = kohl_alloc(ctx, a->count * a->classes, 1, "validation labels", &marks);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < a->count; i++) kohl_targets_truth(&head->labels, a->sample[i], marks + i * a->classes);
  status = kohl_metrics_many_compute(ctx, a->rows, marks, a->count, (int)a->classes, NULL, 2.0, &many);
  if (status == KOHL_OK) {
    out->n = a->count;
    out->accuracy = share_right(a, marks);
    out->balanced_accuracy = many.macro_recall;
    out->macro_f1 = many.macro_f1;
    out->roc_auc_macro = many.roc_auc_macro;
    out->average_precision_macro = many.average_precision_macro;
  }
  kohl_metrics_many_free(ctx, &many);
  kohl_free(ctx, marks);
  return status;
}

/* One head by the pictures that have a label for it. */
static kohl_status judge(kohl_run *run, size_t h, kohl_epoch_head *out) {
  const kohl_run_head *head = &run->head[h];
  kohl_answers own;
  kohl_status status = kohl_run_answers(run, h, &own);
  if (status == KOHL_OK) {
    status = head->several ? judge_many_labels(run->ctx, head, &own, &out->metrics)
                           : judge_one_label(run->ctx, head, &own, &out->metrics);
  }
  if (status == KOHL_OK) out->val_loss = validation_loss(head, &own);
  kohl_free(run->ctx, own.rows);
  kohl_free(run->ctx, own.sample);
  return status;
}

static kohl_status make_room(kohl_run *run) {
  kohl_answers *a = &run->answers;
  a->count = 0;
  a->classes = run->outputs;
  if (a->rows) return KOHL_OK;
  kohl_status status =
      kohl_alloc(run->ctx, run->validation_count * a->classes, sizeof *a->rows, "validation probabilities", &a->rows);
  if (status != KOHL_OK) return status;
  return kohl_alloc(run->ctx, run->validation_count, sizeof *a->sample, "validation samples", &a->sample);
}

kohl_status kohl_run_validate(kohl_run *run, kohl_epoch *out) {
  kohl_status status = kohl_run_store(run);
  if (status == KOHL_OK) status = make_room(run);
  if (status == KOHL_OK) status = run->feed.rows ? answer_kept(run, &run->answers) : answer_pictures(run);
  for (size_t h = 0; h < run->head_count && status == KOHL_OK; h++) {
    status = judge(run, h, &out->head[h]);
    out->val_loss += run->head[h].recipe->head.weight * out->head[h].val_loss;
  }
  return status;
}
