/* Phases: each trains other layers, with an optimizer and a schedule that begin anew.
 *
 * The network that a later phase begins with is kept as RUN/phase-N.safetensors, so that a checkpoint need only hold
 * what that phase changes. */
#include <stdio.h>
#include <string.h>

#include "train/run.h"
#include "train/trainable.h"

static kohl_status mark(kohl_run *run) {
  const kohl_recipe_phase *phase = run->phase;
  char where[KOHL_RUN_PATH + 64];
  snprintf(where, sizeof where, "%s: field 'phases.%d.train'", run->options->recipe ? run->options->recipe : "recipe",
           (int)run->place.phase + 1);
  return kohl_trainable_mark(run->ctx, run->model->graph, phase->train, phase->freeze, phase->batch_norm != 0, where);
}

static void announce(const kohl_run *run) {
  if (!run->options->progress) return;
  kohl_train_progress p =
      kohl_run_progress(run, "phase", (size_t)run->place.phase + 1, (size_t)run->recipe.phase_count);
  p.epochs = (int)run->phase->epochs;
  run->options->progress(&p, run->options->progress_user);
}

kohl_status kohl_phase_begin(kohl_run *run) {
  run->phase = &run->recipe.phases[run->place.phase];
  kohl_status status = mark(run);
  if (status != KOHL_OK) return status;
  kohl_run_log(run->ctx, run->options->run, "phase %d of %d: training '%s', %lld epochs", (int)run->place.phase + 1,
               run->recipe.phase_count, run->phase->train, (long long)run->phase->epochs);
  announce(run);
  status = kohl_feed_open(run);
  return status == KOHL_OK ? kohl_run_learner(run) : status;
}

void kohl_phase_free(kohl_run *run) {
  kohl_update_destroy(run->update);
  kohl_accumulate_destroy(run->sum);
  kohl_session_destroy(run->session); /* before the feed: it borrows a model of it */
  kohl_feed_close(run);               /* before the order: its loader's workers read that */
  for (size_t h = 0; h < run->head_count; h++) {
    kohl_free(run->ctx, run->head[h].class_weights);
    kohl_free(run->ctx, run->head[h].positive_weights);
    run->head[h].class_weights = run->head[h].positive_weights = NULL;
  }
  kohl_free(run->ctx, run->probabilities);
  kohl_free(run->ctx, run->order);
  run->update = NULL;
  run->sum = NULL;
  run->session = NULL;
  run->probabilities = NULL;
  run->order = NULL;
}

static kohl_status phase_path(kohl_run *run, char path[KOHL_RUN_PATH]) {
  char name[64];
  snprintf(name, sizeof name, "phase-%d.safetensors", (int)run->place.phase + 1);
  return kohl_run_path(run->ctx, run->options->run, name, path);
}

/* run->model = the model of a file. */
static kohl_status take_model(kohl_run *run, const char *path) {
  kohl_model *model;
  kohl_status status = kohl_model_open(run->ctx, path, &model);
  if (status != KOHL_OK) return status;
  status = kohl_model_verify(run->ctx, model);
  if (status == KOHL_OK && model->weight_count != run->model->weight_count) {
    status = kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: %zu tensors, expected %zu as the recipe's network has", path,
                       model->weight_count, run->model->weight_count);
  }
  kohl_model_destroy(run->ctx, status == KOHL_OK ? run->model : model);
  if (status == KOHL_OK) run->model = model;
  return status;
}

kohl_status kohl_phase_reopen(kohl_run *run) {
  char path[KOHL_RUN_PATH];
  if (run->place.phase == 0) return KOHL_OK; /* base and initial weights, as kohl_run_setup made them */
  kohl_status status = phase_path(run, path);
  return status == KOHL_OK ? take_model(run, path) : status;
}

kohl_status kohl_phase_advance(kohl_run *run) {
  char path[KOHL_RUN_PATH];
  kohl_train_place *place = &run->place;
  kohl_status status = kohl_run_store(run);
  if (status == KOHL_OK && run->recipe.phases[place->phase + 1].begin == KOHL_BEGIN_BEST) {
    status = kohl_run_path(run->ctx, run->options->run, "best.safetensors", path);
    if (status == KOHL_OK) status = take_model(run, path);
  }
  if (status != KOHL_OK) return status;
  kohl_phase_free(run);
  place->phase++;
  place->phase_epoch = place->phase_step = place->bad_steps = place->ended = 0;
  place->schedule = kohl_schedule_begin();
  status = phase_path(run, path);
  if (status == KOHL_OK) status = kohl_model_save(run->ctx, run->model, path);
  if (status == KOHL_OK) status = kohl_phase_begin(run);
  return status == KOHL_OK ? kohl_run_save(run) : status;
}
