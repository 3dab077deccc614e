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
  return status == KOHL_OK ? kohl_samples_write_csv(run->ctx, &run->samples, split, path) : status;
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
  write_number(&json, "accuracy", what->accuracy);
  if (run->validation_count) {
    write_number(&json, "val_loss", what->val_loss);
    write_number(&json, "val_accuracy", what->metrics.accuracy);
    write_number(&json, "val_balanced_accuracy", what->metrics.balanced_accuracy);
  }
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

/* What the best model says about the validation part. */
static kohl_status fill_predictions(kohl_run *run, kohl_predictions *p) {
  const kohl_answers *a = &run->answers;
  kohl_context *ctx = run->ctx;
  const bool many = run->recipe.data.several_labels != 0;
  p->count = a->count;
  p->classes = (int)a->classes;
  kohl_status status = kohl_alloc(ctx, a->classes, sizeof *p->labels, "predictions", &p->labels);
  for (size_t c = 0; c < a->classes && status == KOHL_OK; c++) {
    status = kohl_strdup(ctx, run->samples.classes[c], &p->labels[c]);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, a->count, sizeof *p->file, "predictions", &p->file);
  if (status == KOHL_OK) status = kohl_alloc(ctx, a->count, sizeof *p->truth, "predictions", &p->truth);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, a->count * a->classes, sizeof *p->probabilities, "predictions", &p->probabilities);
  }
  if (status == KOHL_OK && many) status = kohl_alloc(ctx, a->count * a->classes, 1, "predictions", &p->marks);
  if (status == KOHL_OK && many) status = kohl_alloc(ctx, a->count * a->classes, 1, "predictions", &p->chosen);
  if (status != KOHL_OK) return status;
  memcpy(p->probabilities, a->rows, a->count * a->classes * sizeof *a->rows);
  for (size_t i = 0; i < a->count && status == KOHL_OK; i++) {
    char path[KOHL_SAMPLE_PATH];
    status = kohl_strdup(ctx, kohl_sample_path(&run->samples, a->sample[i], path), &p->file[i]);
    p->truth[i] = run->samples.sample[a->sample[i]].label;
    if (many) kohl_targets_truth(&run->samples, a->sample[i], p->marks + i * a->classes);
    for (size_t c = 0; many && c < a->classes; c++) {
      p->chosen[i * a->classes + c] = a->rows[i * a->classes + c] >= 0.5f;
    }
  }
  return status;
}

/* A file name that is not UTF-8 cannot stand in the table, which is said and no failure. */
static kohl_status write_predictions(kohl_run *run) {
  char path[KOHL_RUN_PATH];
  kohl_predictions p = {0};
  kohl_status status = kohl_run_path(run->ctx, run->options->run, "predictions.csv", path);
  if (status == KOHL_OK) status = fill_predictions(run, &p);
  if (status == KOHL_OK && kohl_predictions_write(run->ctx, &p, path) != KOHL_OK) {
    kohl_run_log(run->ctx, run->options->run, "no predictions.csv: %s", kohl_context_error(run->ctx));
  }
  kohl_predictions_free(run->ctx, &p);
  return status;
}

static kohl_status save_best(kohl_run *run, const kohl_epoch *what) {
  char path[KOHL_RUN_PATH];
  kohl_status status = kohl_run_path(run->ctx, run->options->run, "best.safetensors", path);
  if (status == KOHL_OK) status = kohl_run_store(run);
  if (status == KOHL_OK) status = describe(run, run->place.epoch, what, run->model);
  if (status == KOHL_OK) status = kohl_model_save(run->ctx, run->model, path);
  return status == KOHL_OK && run->validation_count ? write_predictions(run) : status;
}

double kohl_run_figure(const kohl_run *run, kohl_recipe_word which, const kohl_epoch *what) {
  if (!run->validation_count) return (double)run->place.epoch;
  const kohl_metrics *m = &what->metrics;
  switch ((kohl_recipe_best)which) {
    case KOHL_BEST_LOSS: return -what->val_loss;
    case KOHL_BEST_BALANCED_ACCURACY: return m->balanced_accuracy;
    case KOHL_BEST_MACRO_F1: return m->macro_f1;
    case KOHL_BEST_TOP5: return m->top5;
    case KOHL_BEST_KAPPA: return m->kappa;
    case KOHL_BEST_ROC_AUC: return m->roc_auc_macro;
    case KOHL_BEST_AVERAGE_PRECISION: return m->average_precision_macro;
    default: return m->accuracy;
  }
}

static void add_history(kohl_run *run, const kohl_epoch *what) {
  const kohl_train_place *place = &run->place;
  if (!run->history.length) {
    kohl_text_add(&run->history,
                  "phase,epoch,step,lr,loss,accuracy,val_loss,val_accuracy,val_balanced_accuracy,"
                  "val_macro_f1,seconds\n");
  }
  kohl_text_add(&run->history, "%lld,%lld,%lld,%.9g,%.9g,%.9g,", (long long)place->phase + 1, (long long)place->epoch,
                (long long)place->step, what->lr, what->loss, what->accuracy);
  if (run->validation_count) {
    kohl_text_add(&run->history, "%.9g,%.9g,%.9g,%.9g,%.3f\n", what->val_loss, what->metrics.accuracy,
                  what->metrics.balanced_accuracy, what->metrics.macro_f1, what->seconds);
  } else {
    kohl_text_add(&run->history, ",,,,%.3f\n", what->seconds);
  }
}

static void add_events(kohl_run *run, const kohl_epoch *what) {
  const int64_t step = run->place.step;
  kohl_events_scalar(run->events, step, "train/lr", what->lr);
  kohl_events_scalar(run->events, step, "train/loss", what->loss);
  kohl_events_scalar(run->events, step, "train/accuracy", what->accuracy);
  if (run->validation_count) {
    kohl_events_scalar(run->events, step, "validation/loss", what->val_loss);
    kohl_events_scalar(run->events, step, "validation/accuracy", what->metrics.accuracy);
    kohl_events_scalar(run->events, step, "validation/balanced_accuracy", what->metrics.balanced_accuracy);
    kohl_events_scalar(run->events, step, "validation/macro_f1", what->metrics.macro_f1);
  }
  kohl_events_flush(run->events);
}

kohl_status kohl_run_keep(kohl_run *run, const kohl_epoch *what) {
  kohl_train_place *place = &run->place;
  double now = kohl_run_figure(run, run->recipe.best, what);
  kohl_status status = KOHL_OK;
  if (!place->best_epoch || now > place->best) {
    status = save_best(run, what);
    place->best = now;
    place->best_epoch = place->epoch;
    run->result.val_loss = place->best_loss = what->val_loss;
    run->result.val_accuracy = place->best_accuracy = what->metrics.accuracy;
    run->result.val_balanced_accuracy = place->best_balanced = what->metrics.balanced_accuracy;
  }
  run->result.loss = what->loss;
  run->result.accuracy = what->accuracy;
  add_history(run, what);
  add_events(run, what);
  if (status == KOHL_OK) status = kohl_run_write(run->ctx, run->options->run, "metrics.csv", &run->history);
  kohl_run_log(run->ctx, run->options->run,
               "epoch %lld: loss %.4f accuracy %.4f, validation loss %.4f accuracy %.4f balanced %.4f%s, %.1f s",
               (long long)place->epoch, what->loss, what->accuracy, what->val_loss, what->metrics.accuracy,
               what->metrics.balanced_accuracy, place->best_epoch == place->epoch ? " (best)" : "", what->seconds);
  return status;
}
