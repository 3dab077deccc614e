/* The course of a run: recipe, base, lists, features, epochs. */
#include "train/fit.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "train/run.h"

/* CRC32C of the recipe without what a resume may change: the number of epochs, and of threads. */
static kohl_status digest_recipe(kohl_run *run) {
  char *text;
  int64_t epochs = run->recipe.phase.epochs, workers = run->recipe.data.workers;
  run->recipe.phase.epochs = run->recipe.data.workers = 0;
  kohl_status status = kohl_recipe_print(run->ctx, &run->recipe, &text);
  run->recipe.phase.epochs = epochs;
  run->recipe.data.workers = workers;
  if (status != KOHL_OK) return status;
  run->recipe_digest = kohl_crc32c(0, text, strlen(text));
  kohl_free(run->ctx, text);
  return KOHL_OK;
}

/* A text field of the recipe takes a value that was found out; checked like one that was given. */
static kohl_status settle(kohl_run *run, const char *key, const char *value) {
  kohl_text assignment = {.ctx = run->ctx};
  kohl_text_add(&assignment, "%s=%s", key, value);
  kohl_status status = assignment.status;
  if (status == KOHL_OK) status = kohl_recipe_set(run->ctx, &run->recipe, assignment.text);
  kohl_text_free(&assignment);
  return status;
}

static kohl_status apply_overrides(kohl_run *run) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < run->options->override_count && status == KOHL_OK; i++) {
    status = kohl_recipe_set(run->ctx, &run->recipe, run->options->overrides[i]);
  }
  return status;
}

static kohl_status read_recipe(kohl_run *run) {
  const kohl_train_options *o = run->options;
  char path[KOHL_RUN_PATH];
  const char *file = o->recipe;
  if (!file) {
    if (!o->resume) return kohl_fail(run->ctx, KOHL_USAGE, "no recipe given");
    kohl_status status = kohl_run_path(run->ctx, o->run, "recipe.yaml", path);
    if (status != KOHL_OK) return status;
    file = path;
  }
  kohl_status status = kohl_recipe_read(run->ctx, file, &run->recipe);
  if (status == KOHL_OK) status = apply_overrides(run);
  if (status == KOHL_OK) status = kohl_recipe_check(run->ctx, &run->recipe, file);
  if (status == KOHL_OK && o->init_from) status = settle(run, "base.model", o->init_from);
  if (status == KOHL_OK && !run->recipe.base.model[0]) {
    return kohl_fail(run->ctx, KOHL_USAGE,
                     "%s: field 'base.model': no weights for the base '%s'; give --init-from MODEL", file,
                     run->recipe.base.name);
  }
  return status;
}

/* Opens the model, cuts the base, and writes what was left open into the recipe.  *own is the model's preprocessing. */
static kohl_status make_base(kohl_run *run, kohl_preprocessing *own) {
  kohl_model *source;
  kohl_recipe *r = &run->recipe;
  kohl_status status = kohl_model_open(run->ctx, r->base.model, &source);
  if (status != KOHL_OK) return status;
  if (!run->options->init_from && r->base.name[0] && strcmp(r->base.name, source->graph->arch) != 0) {
    status = kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: architecture '%s', expected base.name '%s'", r->base.model,
                       source->graph->arch, r->base.name);
  }
  *own = source->preprocessing;
  if (status == KOHL_OK) status = kohl_recipe_adjust(run->ctx, r, source->graph->arch);
  if (status == KOHL_OK) status = apply_overrides(run); /* the command line has the last word */
  if (status == KOHL_OK) status = kohl_recipe_check(run->ctx, r, "the recipe for this base");
  if (status == KOHL_OK && r->pictures.size == 0) r->pictures.size = source->preprocessing.fit.h;
  if (status == KOHL_OK) status = kohl_base_create(run->ctx, r, source, &run->base);
  if (status == KOHL_OK) status = settle(run, "base.name", source->graph->arch);
  if (status == KOHL_OK) {
    status = settle(run, "base.at", run->base->graph->nodes[run->base->graph->base_output].name);
  }
  kohl_model_destroy(run->ctx, source);
  return status;
}

static void pass_progress(void *user, const char *what, size_t done, size_t count) {
  kohl_run *run = user;
  if (!run->options->progress) return;
  double seconds = kohl_run_clock() - run->begun, share = (double)done / (double)count;
  kohl_train_progress p = {.what = what, .done = done, .count = count, .epochs = (int)run->recipe.phases[0].epochs};
  p.rate = seconds > 0 ? (double)done / seconds : 0;
  p.seconds_left = seconds * (1 - share) / share;
  run->options->progress(&p, run->options->progress_user);
}

static kohl_status make_features(kohl_run *run, const kohl_preprocessing *own) {
  const kohl_features_pass pass = {(int)run->recipe.data.workers, pass_progress, run};
  int64_t room = run->recipe.limits.cache_bytes;
  const size_t *validation = run->list + run->train_count;
  run->begun = kohl_run_clock();
  kohl_status status = kohl_recipe_preprocessing(run->ctx, &run->recipe, own, &run->samples, run->list,
                                                 run->train_count, &pass, &run->pre);
  run->begun = kohl_run_clock();
  if (status == KOHL_OK) {
    status = kohl_features_compute(run->ctx, run->base, &run->pre, &run->samples, run->list, run->train_count, &room,
                                   &pass, &run->train);
  }
  run->begun = kohl_run_clock();
  if (status == KOHL_OK) {
    status = kohl_features_compute(run->ctx, run->base, &run->pre, &run->samples, validation, run->validation_count,
                                   &room, &pass, &run->validation);
  }
  if (status != KOHL_OK) return status;
  run->features_digest =
      kohl_crc32c(0, run->train.rows, run->train.count * run->train.floats * sizeof *run->train.rows);
  size_t looked = run->train_count + run->validation_count;
  run->result.pictures = looked;
  run->result.bad = run->samples.bad;
  return kohl_pictures_check(run->ctx, &run->samples, looked, run->recipe.limits.bad_pictures);
}

static void report_epoch(const kohl_run *run, const kohl_epoch *what, double seconds_left) {
  if (!run->options->progress) return;
  kohl_train_progress p = {.what = "epoch",
                           .done = (size_t)run->epoch,
                           .count = (size_t)run->recipe.phases[0].epochs,
                           .epoch = (int)run->epoch,
                           .epochs = (int)run->recipe.phases[0].epochs,
                           .step = run->step,
                           .loss = what->loss,
                           .accuracy = what->accuracy,
                           .val_loss = what->val_loss,
                           .val_accuracy = what->metrics.accuracy,
                           .val_balanced_accuracy = what->metrics.balanced_accuracy,
                           .seconds_left = seconds_left};
  p.rate = what->seconds > 0 ? (double)run->draws.count / what->seconds : 0;
  run->options->progress(&p, run->options->progress_user);
}

static kohl_status run_epochs(kohl_run *run) {
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK && run->epoch < run->recipe.phases[0].epochs) {
    kohl_epoch what;
    int64_t epoch = run->epoch + 1;
    status = kohl_run_epoch(run, epoch, &what);
    if (status == KOHL_OK) status = kohl_run_keep(run, epoch, &what);
    if (status == KOHL_OK) report_epoch(run, &what, what.seconds * (double)(run->recipe.phases[0].epochs - epoch));
    kohl_metrics_free(run->ctx, &what.metrics);
  }
  return status;
}

static kohl_status prepare(kohl_run *run) {
  const kohl_train_options *o = run->options;
  kohl_preprocessing own;
  kohl_status status = read_recipe(run);
  if (status == KOHL_OK) status = make_base(run, &own);
  if (status == KOHL_OK) status = digest_recipe(run);
  if (status == KOHL_OK) status = kohl_run_data(run);
  if (status == KOHL_OK) status = kohl_run_open(run->ctx, o->run, o->resume);
  bool goes_on = status == KOHL_OK && o->resume && kohl_checkpoint_exists(o->run);
  if (status == KOHL_OK && !goes_on) status = kohl_run_write_lists(run);
  if (status != KOHL_OK) return status;
  kohl_run_log(run->ctx, o->run,
               "%zu classes, %zu training, %zu validation, %zu test pictures, %zu copies dropped, %zu draws an epoch; "
               "base %s at %s",
               run->samples.class_count, run->train_count, run->validation_count,
               kohl_samples_count(&run->samples, KOHL_SPLIT_TEST), run->copies, run->draws.count,
               run->recipe.base.model, run->recipe.base.at);
  status = make_features(run, &own);
  if (status == KOHL_OK) status = kohl_run_learner(run);
  if (status == KOHL_OK && goes_on) {
    status = kohl_run_load(run);
    if (status == KOHL_OK) status = kohl_run_write_lists(run); /* the number of epochs may be another */
    if (status == KOHL_OK) kohl_run_log(run->ctx, o->run, "going on after epoch %lld", (long long)run->epoch);
  } else if (status == KOHL_OK) {
    status = kohl_run_save(run); /* before the first epoch too there is something to go on from */
  }
  return status;
}

static void free_run(kohl_run *run) {
  kohl_context *ctx = run->ctx;
  kohl_update_destroy(run->update);
  kohl_session_destroy(run->session);
  kohl_model_destroy(ctx, run->head);
  kohl_model_destroy(ctx, run->base);
  kohl_features_free(ctx, &run->train);
  kohl_features_free(ctx, &run->validation);
  kohl_samples_free(ctx, &run->samples);
  kohl_text_free(&run->history);
  kohl_free(ctx, run->list);
  kohl_list_free(ctx, &run->draws);
  kohl_free(ctx, run->row);
  kohl_free(ctx, run->order);
  kohl_free(ctx, run->class_weights);
  kohl_free(ctx, run->positive_weights);
  kohl_free(ctx, run->truth);
  kohl_free(ctx, run->probabilities);
  kohl_recipe_free(ctx, &run->recipe);
}

kohl_status kohl_train(kohl_context *ctx, const kohl_train_options *options, kohl_train_result *out) {
  kohl_run run;
  memset(&run, 0, sizeof run);
  run.ctx = ctx;
  run.options = options;
  run.history.ctx = ctx;
  kohl_status status = prepare(&run);
  if (status == KOHL_OK) status = run_epochs(&run);
  run.result.epochs = (int)run.epoch;
  run.result.steps = run.step;
  run.result.best_epoch = (int)run.best_epoch;
  if (out) *out = run.result;
  free_run(&run);
  return status;
}
