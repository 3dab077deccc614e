/* What a run leaves behind: lists, curves, the best model. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/predictions.h"
#include "train/run.h"
#include "train/targets.h"

static kohl_status write_split(kohl_run *run, kohl_split split, const char *name) {
  char path[KOHL_RUN_PATH];
  kohl_status status = kohl_run_path(run->ctx, run->options->run, name, path);
  /* under the heads' names, by which an evaluation finds them */
  const char *columns[KOHL_RECIPE_HEADS];
  for (size_t h = 1; h < run->head_count; h++) columns[h - 1] = run->head[h].name;
  return status == KOHL_OK ? kohl_samples_write_csv(run->ctx, &run->samples, split, columns, path) : status;
}

kohl_status kohl_run_write_lists(kohl_run *run) {
  const char *folder = run->options->run;
  char path[KOHL_RUN_PATH];
  kohl_status status = write_split(run, KOHL_SPLIT_TRAIN, "train.csv");
  if (status == KOHL_OK) status = write_split(run, KOHL_SPLIT_VALIDATION, "validation.csv");
  if (status == KOHL_OK) status = write_split(run, KOHL_SPLIT_TEST, "test.csv");
  kohl_text labels = {.ctx = run->ctx};
  for (size_t i = 0; i < run->samples.class_count; i++) kohl_text_add(&labels, "%s\n", run->samples.classes[i]);
  if (status == KOHL_OK) status = kohl_run_write(run->ctx, folder, "labels.txt", &labels);
  kohl_text_free(&labels);
  if (status == KOHL_OK) status = kohl_run_path(run->ctx, folder, "recipe.yaml", path);
  return status == KOHL_OK ? kohl_recipe_write(run->ctx, &run->recipe, path) : status;
}

static void write_number(kohl_json_writer *json, const char *key, double value) {
  kohl_json_write_key(json, key);
  kohl_json_write_double(json, value);
}

static void write_count(kohl_json_writer *json, const char *key, size_t value) {
  kohl_json_write_key(json, key);
  kohl_json_write_uint64(json, value);
}

static void write_data(const kohl_run *run, kohl_json_writer *json) {
  char digest[16];
  snprintf(digest, sizeof digest, "%08" PRIx32, run->data_digest);
  kohl_json_write_key(json, "data");
  kohl_json_write_object_begin(json);
  kohl_json_write_key(json, "path");
  kohl_json_write_string(json, run->options->data);
  kohl_json_write_key(json, "crc32c");
  kohl_json_write_string(json, digest);
  write_count(json, "train", run->train_count);
  write_count(json, "draws", run->draws.count);
  write_count(json, "copies_dropped", run->copies);
  write_count(json, "validation", run->validation_count);
  write_count(json, "test", kohl_samples_count(&run->samples, KOHL_SPLIT_TEST));
  write_count(json, "bad", run->samples.bad);
  kohl_json_write_object_end(json);
}

/* Where the model comes from.  No times and no thread counts: the same run gives the same bytes. */
static kohl_status describe(const kohl_run *run, int64_t epoch, const kohl_epoch *what, kohl_model *model) {
  char *recipe;
  kohl_recipe same = run->recipe; /* borrowed: its texts stay the run's */
  same.data.workers = -1;
  kohl_status status = kohl_recipe_print(run->ctx, &same, &recipe);
  if (status != KOHL_OK) return status;
  kohl_json_writer json;
  kohl_json_write_begin(&json, run->ctx);
  kohl_json_write_object_begin(&json);
  kohl_json_write_key(&json, "kohl");
  kohl_json_write_string(&json, kohl_version());
  kohl_json_write_key(&json, "recipe");
  kohl_json_write_string(&json, recipe);
  write_data(run, &json);
  kohl_json_write_key(&json, "seed");
  kohl_json_write_int64(&json, run->recipe.seed);
  kohl_json_write_key(&json, "metrics");
  kohl_json_write_object_begin(&json);
  kohl_json_write_key(&json, "epoch");
  kohl_json_write_int64(&json, epoch);
  write_number(&json, "loss", what->loss);
  write_number(&json, "accuracy", what->head[0].accuracy);
  if (run->validation_count) {
    write_number(&json, "val_loss", what->val_loss);
    write_number(&json, "val_accuracy", what->head[0].metrics.accuracy);
    write_number(&json, "val_balanced_accuracy", what->head[0].metrics.balanced_accuracy);
  }
  kohl_run_write_heads(run, &json);
  kohl_json_write_object_end(&json);
  kohl_json_write_object_end(&json);
  status = kohl_json_write_end(&json);
  if (status == KOHL_OK) status = kohl_model_set_provenance(run->ctx, model, json.text);
  kohl_json_write_free(&json);
  kohl_free(run->ctx, recipe);
  return status;
}

kohl_status kohl_run_store(kohl_run *run) {
  float *params = kohl_session_at(run->session, run->session->plan->params);
  kohl_status status = kohl_update_swap(run->update, params);
  if (status != KOHL_OK) return status;
  status = kohl_session_store_params(run->session, run->model);
  if (status == KOHL_OK && run->feed.above) status = kohl_session_store_params(run->session, run->feed.above);
  kohl_status back = kohl_update_swap(run->update, params);
  return status == KOHL_OK ? back : status;
}

/* Truth and choice of answer i. */
static void fill_answer(const kohl_run_head *head, const kohl_answers *a, size_t i, kohl_predictions *p) {
  size_t count;
  p->truth[i] = kohl_head_labels_at(&head->labels, a->sample[i], &count)[0];
  if (!head->several) return;
  kohl_targets_truth(&head->labels, a->sample[i], p->marks + i * a->classes);
  for (size_t c = 0; c < a->classes; c++) {
    p->chosen[i * a->classes + c] = a->rows[i * a->classes + c] >= 0.5f;
  }
}

/* What the best model says to one head's question about the validation part. */
static kohl_status fill_predictions(kohl_run *run, const kohl_run_head *head, const kohl_answers *a,
                                    kohl_predictions *p) {
  kohl_context *ctx = run->ctx;
  p->count = a->count;
  p->classes = (int)a->classes;
  kohl_status status = kohl_alloc(ctx, a->classes, sizeof *p->labels, "predictions", &p->labels);
  for (size_t c = 0; c < a->classes && status == KOHL_OK; c++) {
    status = kohl_strdup(ctx, head->labels.classes[c], &p->labels[c]);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, a->count, sizeof *p->file, "predictions", &p->file);
  if (status == KOHL_OK) status = kohl_alloc(ctx, a->count, sizeof *p->truth, "predictions", &p->truth);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, a->count * a->classes, sizeof *p->probabilities, "predictions", &p->probabilities);
  }
  if (status == KOHL_OK && head->several) {
    status = kohl_alloc(ctx, a->count * a->classes, 1, "predictions", &p->marks);
    if (status == KOHL_OK) status = kohl_alloc(ctx, a->count * a->classes, 1, "predictions", &p->chosen);
  }
  if (status != KOHL_OK) return status;
  memcpy(p->probabilities, a->rows, a->count * a->classes * sizeof *a->rows);
  for (size_t i = 0; i < a->count && status == KOHL_OK; i++) {
    char path[KOHL_SAMPLE_PATH];
    status = kohl_strdup(ctx, kohl_sample_path(&run->samples, a->sample[i], path), &p->file[i]);
    fill_answer(head, a, i, p);
  }
  return status;
}

/* A file name that is not UTF-8 cannot stand in the table, which is said and no failure. */
static kohl_status write_predictions(kohl_run *run, size_t h) {
  char path[KOHL_RUN_PATH], name[KOHL_RECIPE_NAME + 32] = "predictions.csv";
  kohl_predictions p = {0};
  kohl_answers own;
  if (h > 0) snprintf(name, sizeof name, "predictions-%s.csv", run->head[h].name);
  kohl_status status = kohl_run_answers(run, h, &own);
  if (status == KOHL_OK) status = kohl_run_path(run->ctx, run->options->run, name, path);
  if (status == KOHL_OK) status = fill_predictions(run, &run->head[h], &own, &p);
  if (status == KOHL_OK && kohl_predictions_write(run->ctx, &p, path) != KOHL_OK) {
    kohl_run_log(run->ctx, run->options->run, "no %s: %s", name, kohl_context_error(run->ctx));
  }
  kohl_predictions_free(run->ctx, &p);
  kohl_free(run->ctx, own.rows);
  kohl_free(run->ctx, own.sample);
  return status;
}

static kohl_status save_best(kohl_run *run, const kohl_epoch *what) {
  char path[KOHL_RUN_PATH];
  kohl_status status = kohl_run_path(run->ctx, run->options->run, "best.safetensors", path);
  if (status == KOHL_OK) status = kohl_run_store(run);
  if (status == KOHL_OK) status = describe(run, run->place.epoch, what, run->model);
  if (status == KOHL_OK) status = kohl_model_save(run->ctx, run->model, path);
  for (size_t h = 0; h < run->head_count && status == KOHL_OK && run->validation_count; h++) {
    status = write_predictions(run, h);
  }
  return status;
}

double kohl_run_figure(const kohl_run *run, const kohl_recipe_figure *which, const kohl_epoch *what) {
  if (!run->validation_count) return (double)run->place.epoch;
  const kohl_epoch_head *head = &what->head[kohl_recipe_head_of(&run->recipe, which)];
  const kohl_metrics *m = &head->metrics;
  switch ((kohl_recipe_best)which->word) {
    case KOHL_BEST_LOSS: return which->head[0] ? -head->val_loss : -what->val_loss;
    case KOHL_BEST_BALANCED_ACCURACY: return m->balanced_accuracy;
    case KOHL_BEST_MACRO_F1: return m->macro_f1;
    case KOHL_BEST_TOP5: return m->top5;
    case KOHL_BEST_KAPPA: return m->kappa;
    case KOHL_BEST_ROC_AUC: return m->roc_auc_macro;
    case KOHL_BEST_AVERAGE_PRECISION: return m->average_precision_macro;
    default: return m->accuracy;
  }
}

/* The columns of one head. */
static void add_head_history(kohl_run *run, const kohl_epoch_head *head) {
  kohl_text_add(&run->history, "%.9g,%.9g,", head->loss, head->accuracy);
  if (run->validation_count) {
    kohl_text_add(&run->history, "%.9g,%.9g,%.9g,%.9g,", head->val_loss, head->metrics.accuracy,
                  head->metrics.balanced_accuracy, head->metrics.macro_f1);
  } else {
    kohl_text_add(&run->history, ",,,,");
  }
}

static void add_history(kohl_run *run, const kohl_epoch *what) {
  const kohl_train_place *place = &run->place;
  const size_t listed = run->recipe.heads_listed ? run->head_count : 0;
  if (!run->history.length) {
    kohl_text_add(&run->history,
                  "phase,epoch,step,lr,loss,accuracy,val_loss,val_accuracy,val_balanced_accuracy,val_macro_f1,");
    for (size_t h = 0; h < listed; h++) {
      const char *name = run->head[h].name;
      kohl_text_add(&run->history,
                    "%s_loss,%s_accuracy,val_%s_loss,val_%s_accuracy,val_%s_balanced_accuracy,val_%s_macro_f1,", name,
                    name, name, name, name, name);
    }
    kohl_text_add(&run->history, "seconds\n");
  }
  kohl_text_add(&run->history, "%lld,%lld,%lld,%.9g,%.9g,%.9g,", (long long)place->phase + 1, (long long)place->epoch,
                (long long)place->step, what->lr, what->loss, what->head[0].accuracy);
  if (run->validation_count) {
    const kohl_metrics *m = &what->head[0].metrics;
    kohl_text_add(&run->history, "%.9g,%.9g,%.9g,%.9g,", what->val_loss, m->accuracy, m->balanced_accuracy,
                  m->macro_f1);
  } else {
    kohl_text_add(&run->history, ",,,,");
  }
  for (size_t h = 0; h < listed; h++) add_head_history(run, &what->head[h]);
  kohl_text_add(&run->history, "%.3f\n", what->seconds);
}

/* A group of diagrams: "train" or, of a listed head, "train/HEAD". */
static void add_point(kohl_run *run, const char *group, const char *head, const char *figure, double value) {
  char tag[KOHL_EVENTS_TAG];
  snprintf(tag, sizeof tag, "%s/%s%s%s", group, head, head[0] ? "/" : "", figure);
  kohl_events_scalar(run->events, run->place.step, tag, value);
}

static void add_head_events(kohl_run *run, const kohl_epoch_head *head, double loss, double val_loss,
                            const char *name) {
  add_point(run, "train", name, "loss", loss);
  add_point(run, "train", name, "accuracy", head->accuracy);
  if (!run->validation_count) return;
  add_point(run, "validation", name, "loss", val_loss);
  add_point(run, "validation", name, "accuracy", head->metrics.accuracy);
  add_point(run, "validation", name, "balanced_accuracy", head->metrics.balanced_accuracy);
  add_point(run, "validation", name, "macro_f1", head->metrics.macro_f1);
}

static void add_events(kohl_run *run, const kohl_epoch *what) {
  add_point(run, "train", "", "lr", what->lr);
  add_head_events(run, &what->head[0], what->loss, what->val_loss, "");
  for (size_t h = 0; h < run->head_count && run->recipe.heads_listed; h++) {
    const kohl_epoch_head *head = &what->head[h];
    add_head_events(run, head, head->loss, head->val_loss, run->head[h].name);
  }
  kohl_events_flush(run->events);
}

/* The figures of the best epoch so far. */
static void note_best(kohl_run *run, const kohl_epoch *what) {
  kohl_train_place *place = &run->place;
  const kohl_metrics *first = &what->head[0].metrics;
  place->best_epoch = place->epoch;
  run->result.val_loss = place->best_loss = what->val_loss;
  run->result.val_accuracy = place->best_accuracy = first->accuracy;
  run->result.val_balanced_accuracy = place->best_balanced = first->balanced_accuracy;
  for (size_t h = 0; h < run->head_count; h++) {
    place->head[h].best_loss = what->head[h].val_loss;
    place->head[h].best_accuracy = what->head[h].metrics.accuracy;
    place->head[h].best_balanced = what->head[h].metrics.balanced_accuracy;
    place->head[h].best_macro_f1 = what->head[h].metrics.macro_f1;
  }
}

kohl_status kohl_run_keep(kohl_run *run, const kohl_epoch *what) {
  kohl_train_place *place = &run->place;
  const kohl_metrics *first = &what->head[0].metrics;
  double now = kohl_run_figure(run, &run->recipe.best, what);
  kohl_status status = KOHL_OK;
  if (!place->best_epoch || now > place->best) {
    place->best = now;
    note_best(run, what);
    status = save_best(run, what);
  }
  run->result.loss = what->loss;
  run->result.accuracy = what->head[0].accuracy;
  add_history(run, what);
  add_events(run, what);
  if (status == KOHL_OK) status = kohl_run_write(run->ctx, run->options->run, "metrics.csv", &run->history);
  kohl_run_log(run->ctx, run->options->run,
               "epoch %lld: loss %.4f accuracy %.4f, validation loss %.4f accuracy %.4f balanced %.4f%s, %.1f s",
               (long long)place->epoch, what->loss, what->head[0].accuracy, what->val_loss, first->accuracy,
               first->balanced_accuracy, place->best_epoch == place->epoch ? " (best)" : "", what->seconds);
  for (size_t h = 1; h < run->head_count; h++) {
    const kohl_epoch_head *head = &what->head[h];
    kohl_run_log(run->ctx, run->options->run,
                 "head '%s': loss %.4f accuracy %.4f, validation loss %.4f accuracy %.4f balanced %.4f",
                 run->head[h].name, head->loss, head->accuracy, head->val_loss, head->metrics.accuracy,
                 head->metrics.balanced_accuracy);
  }
  return status;
}
