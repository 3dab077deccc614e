/* The course of a run: setup, phases, epochs. */
#include "train/fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/recipe_field.h"
#include "train/run.h"

kohl_train_progress kohl_run_progress(const kohl_run *run, const char *what, size_t done, size_t count) {
  const kohl_train_place *place = &run->place;
  kohl_train_progress p = {.what = what, .done = done, .count = count, .phases = run->recipe.phase_count};
  p.phase = (int)place->phase + 1;
  p.phase_name = run->phase ? run->phase->name : "";
  p.epoch = (int)place->epoch + 1;
  for (int i = 0; i < run->recipe.phase_count; i++) p.epochs += (int)run->recipe.phases[i].epochs;
  p.step = place->step;
  p.val_loss = run->result.val_loss;
  p.val_accuracy = run->result.val_accuracy;
  p.val_balanced_accuracy = run->result.val_balanced_accuracy;
  p.watched = run->watched;
  p.watched_value = run->watched_value;
  return p;
}

static void report_epoch(const kohl_run *run, const kohl_epoch *what) {
  if (!run->options->progress) return;
  kohl_train_progress p = kohl_run_progress(run, "epoch", (size_t)run->place.epoch, 0);
  p.count = (size_t)p.epochs;
  p.epoch = (int)run->place.epoch;
  p.loss = what->loss;
  p.accuracy = what->head[0].accuracy;
  p.val_loss = what->val_loss;
  p.val_accuracy = what->head[0].metrics.accuracy;
  p.val_balanced_accuracy = what->head[0].metrics.balanced_accuracy;
  p.seconds_left = what->seconds * (double)(run->phase->epochs - run->place.phase_epoch);
  p.rate = what->seconds > 0 ? (double)run->draws.count / what->seconds : 0;
  run->options->progress(&p, run->options->progress_user);
}

static void announce_end(const kohl_run *run) {
  if (!run->options->progress) return;
  kohl_train_progress p =
      kohl_run_progress(run, "stopped early", (size_t)run->place.phase_epoch, (size_t)run->phase->epochs);
  p.epoch = (int)run->place.epoch;
  run->options->progress(&p, run->options->progress_user);
}

/* What an epoch leaves: the best model, a line, the place from which the next one begins, the checkpoint. */
static kohl_status end_epoch(kohl_run *run, const kohl_epoch *what) {
  kohl_train_place *place = &run->place;
  const kohl_recipe_figure *best = &run->recipe.best;
  kohl_recipe_figure stop = run->phase->stop.metric;
  if (stop.word == KOHL_STOP_BEST) {
    stop = *best;
  } else {
    stop.word -= KOHL_STOP_FIRST;
  }
  place->epoch++;
  place->phase_epoch++;
  place->at = 0;
  for (size_t h = 0; h < run->head_count; h++) {
    place->head[h].right = place->head[h].seen = 0;
    place->head[h].loss = place->head[h].divisor = 0;
  }
  kohl_status status = kohl_run_keep(run, what);
  if (status != KOHL_OK) return status;
  run->watched_value = run->validation_count ? kohl_run_figure(run, best, what) : NAN;
  if (best->word == KOHL_BEST_LOSS) run->watched_value = -run->watched_value;
  bool ended = kohl_schedule_epoch(run->phase, &place->schedule, kohl_run_figure(run, best, what),
                                   kohl_run_figure(run, &stop, what));
  place->ended = ended;
  status = kohl_run_save(run);
  if (status == KOHL_OK) report_epoch(run, what);
  if (ended && place->phase_epoch < run->phase->epochs) {
    kohl_run_log(run->ctx, run->options->run, "phase %d ends after epoch %lld of %lld: no longer better",
                 (int)place->phase + 1, (long long)place->phase_epoch, (long long)run->phase->epochs);
    announce_end(run);
  }
  return status;
}

static kohl_status run_phase(kohl_run *run) {
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK && !run->place.ended && run->place.phase_epoch < run->phase->epochs) {
    kohl_epoch what;
    status = kohl_run_epoch(run, &what);
    if (status == KOHL_OK) {
      status = end_epoch(run, &what);
    } else if (status == KOHL_INTERRUPTED) { /* everything is as it was after the last update */
      kohl_status saved = kohl_run_save(run);
      if (saved != KOHL_OK) status = saved;
    }
    for (size_t h = 0; h < run->head_count; h++) kohl_metrics_free(run->ctx, &what.head[h].metrics);
  }
  return status;
}

static kohl_status run_phases(kohl_run *run) {
  kohl_status status = run_phase(run);
  while (status == KOHL_OK && run->place.phase + 1 < run->recipe.phase_count) {
    status = kohl_phase_advance(run);
    if (status == KOHL_OK) status = run_phase(run);
  }
  return status;
}

static void log_data(kohl_run *run) {
  kohl_run_log(run->ctx, run->options->run,
               "%zu classes, %zu training, %zu validation, %zu test pictures, %zu copies dropped, %zu draws an epoch; "
               "base %s at %s",
               run->samples.class_count, run->train_count, run->validation_count,
               kohl_samples_count(&run->samples, KOHL_SPLIT_TEST), run->copies, run->draws.count,
               run->recipe.base.model, run->recipe.base.at);
}

/* A run that goes on: the place, then the phase as it was when it began, then what its steps have made of it. */
static kohl_status go_on(kohl_run *run) {
  kohl_safetensors *file;
  kohl_status status = kohl_run_peek(run, &file);
  if (status != KOHL_OK) return status;
  status = kohl_run_write_lists(run); /* the number of epochs may be another */
  if (status == KOHL_OK) status = kohl_phase_reopen(run);
  if (status == KOHL_OK) status = kohl_phase_begin(run);
  if (status == KOHL_OK) status = kohl_run_load(run, file);
  kohl_safetensors_close(run->ctx, file);
  if (status != KOHL_OK) return status;
  kohl_events_resume(run->events, run->place.step);
  run->result.val_loss = run->place.best_loss;
  run->result.val_accuracy = run->place.best_accuracy;
  run->result.val_balanced_accuracy = run->place.best_balanced;
  kohl_run_log(run->ctx, run->options->run, "going on after epoch %lld and %lld draws of the next",
               (long long)run->place.epoch, (long long)run->place.at);
  return KOHL_OK;
}

/* The recipe's word for the figure that decides. */
static void name_watched(kohl_run *run) {
  int length;
  const kohl_recipe_field *field = &kohl_recipe_fields[kohl_recipe_field_find("best", 4)];
  const kohl_recipe_figure *best = &run->recipe.best;
  const char *word = kohl_recipe_word_text(field, best->word, &length);
  snprintf(run->watched, sizeof run->watched, "%s%s%.*s", best->head, best->head[0] ? "." : "", length, word);
  run->watched_value = NAN;
}

static kohl_status prepare(kohl_run *run) {
  const kohl_train_options *o = run->options;
  kohl_status status = kohl_run_setup(run);
  if (status == KOHL_OK) status = kohl_run_open(run->ctx, o->run, o->resume, o->recipe != NULL);
  if (status == KOHL_OK && o->resume) kohl_run_sweep(run->ctx, o->run);
  bool goes_on = status == KOHL_OK && o->resume && kohl_checkpoint_exists(o->run);
  if (status == KOHL_OK && !goes_on) status = kohl_run_write_lists(run);
  if (status != KOHL_OK) return status;
  log_data(run);
  status = kohl_run_preprocessing(run);
  if (status == KOHL_OK) run->model->preprocessing = run->pre;
  name_watched(run);
  run->place.head_count = (int64_t)run->head_count;
  kohl_events_open(run->ctx, o->run, &run->events); /* training goes on without them */
  if (status == KOHL_OK && goes_on) return go_on(run);
  if (status == KOHL_OK) status = kohl_phase_begin(run);
  return status == KOHL_OK ? kohl_run_save(run)
                           : status; /* before the first step too there is something to go on from */
}

static void free_run(kohl_run *run) {
  kohl_context *ctx = run->ctx;
  kohl_phase_free(run);
  kohl_model_destroy(ctx, run->model);
  kohl_cache_destroy(ctx, run->pictures);
  kohl_run_heads_free(run);
  kohl_samples_free(ctx, &run->samples);
  kohl_text_free(&run->history);
  kohl_events_close(run->events);
  kohl_free(ctx, run->answers.rows);
  kohl_free(ctx, run->answers.sample);
  kohl_free(ctx, run->list);
  kohl_list_free(ctx, &run->draws);
  kohl_free(ctx, run->row);
  kohl_recipe_free(ctx, &run->recipe);
}

kohl_status kohl_train(kohl_context *ctx, const kohl_train_options *options, kohl_train_result *out) {
  kohl_run run;
  memset(&run, 0, sizeof run);
  run.ctx = ctx;
  run.options = options;
  run.history.ctx = ctx;
  run.place = kohl_train_place_begin();
  ctx->chosen = &run.chosen;
  run.started = kohl_run_clock();
  kohl_status status = prepare(&run);
  if (status == KOHL_OK) status = run_phases(&run);
  if (status == KOHL_OK) kohl_run_finish(&run);
  ctx->chosen = ctx->again = NULL;
  run.result.epochs = (int)run.place.epoch;
  run.result.steps = run.place.step;
  run.result.best_epoch = (int)run.place.best_epoch;
  if (out) *out = run.result;
  char error[KOHL_ERROR_TEXT]; /* what closes the run may fail too, for the same reason */
  memcpy(error, ctx->error, sizeof error);
  free_run(&run);
  memcpy(ctx->error, error, sizeof error);
  return status;
}
