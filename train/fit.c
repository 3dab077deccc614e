/* The course of a run: recipe, base, lists, features, epochs. */
#include "train/fit.h"

#include <string.h>

#include "datasets/split.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "train/run.h"

/* CRC32C of the recipe without the number of epochs, which a resume may change, and of the lists. */
static kohl_status digest_recipe(kohl_run *run) {
  char *text;
  int64_t epochs = run->recipe.epochs;
  run->recipe.epochs = 0;
  kohl_status status = kohl_recipe_print(run->ctx, &run->recipe, &text);
  run->recipe.epochs = epochs;
  if (status != KOHL_OK) return status;
  run->recipe_digest = kohl_crc32c(0, text, strlen(text));
  kohl_free(run->ctx, text);
  return KOHL_OK;
}

/* Class, part and file name of every sample: a folder that was moved is the same data. */
static void digest_data(kohl_run *run) {
  uint32_t crc = 0;
  for (size_t i = 0; i < run->samples.count; i++) {
    const kohl_sample *s = &run->samples.sample[i];
    char file[KOHL_SAMPLE_PATH];
    kohl_sample_name(&run->samples, i, file);
    const char *label = run->samples.classes[s->label];
    crc = kohl_crc32c(crc, label, strlen(label) + 1);
    crc = kohl_crc32c(crc, file, strlen(file) + 1);
    crc = kohl_crc32c(crc, &s->split, 1);
  }
  run->data_digest = crc;
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
  if (status == KOHL_OK && r->pictures.size == 0) r->pictures.size = source->preprocessing.fit.h;
  if (status == KOHL_OK) status = kohl_base_create(run->ctx, r, source, &run->base);
  if (status == KOHL_OK) status = settle(run, "base.name", source->graph->arch);
  if (status == KOHL_OK) {
    status = settle(run, "base.at", run->base->graph->nodes[run->base->graph->base_output].name);
  }
  kohl_model_destroy(run->ctx, source);
  return status;
}

static size_t list_split(const kohl_run *run, kohl_split split, size_t *list) {
  size_t n = 0;
  for (size_t i = 0; i < run->samples.count; i++) {
    if (run->samples.sample[i].split == split) list[n++] = i;
  }
  return n;
}

static kohl_status read_data(kohl_run *run) {
  const kohl_recipe *r = &run->recipe;
  kohl_source_options options = {.split_column = r->data.split_column[0] ? r->data.split_column : NULL};
  kohl_status status = kohl_samples_open(run->ctx, run->options->data, &options, &run->samples);
  if (status == KOHL_OK) {
    status = kohl_samples_split(run->ctx, &run->samples, (uint64_t)r->data.seed, r->data.validation, r->data.test);
  }
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, run->samples.count, sizeof *run->list, "lists", &run->list);
  if (status != KOHL_OK) return status;
  run->train_count = list_split(run, KOHL_SPLIT_TRAIN, run->list);
  run->validation_count = list_split(run, KOHL_SPLIT_VALIDATION, run->list + run->train_count);
  if (run->samples.class_count < 2) {
    return kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: 1 class, expected at least 2", run->options->data);
  }
  digest_data(run);
  return KOHL_OK;
}

static void pass_progress(void *user, const char *what, size_t done, size_t count) {
  kohl_run *run = user;
  if (!run->options->progress) return;
  double seconds = kohl_run_clock() - run->begun, share = (double)done / (double)count;
  kohl_train_progress p = {.what = what, .done = done, .count = count, .epochs = (int)run->recipe.epochs};
  p.rate = seconds > 0 ? (double)done / seconds : 0;
  p.seconds_left = seconds * (1 - share) / share;
  run->options->progress(&p, run->options->progress_user);
}

static kohl_status make_features(kohl_run *run, const kohl_preprocessing *own) {
  kohl_features_progress progress = {pass_progress, run};
  int64_t room = run->recipe.limits.cache_bytes;
  const size_t *validation = run->list + run->train_count;
  run->begun = kohl_run_clock();
  kohl_status status = kohl_recipe_preprocessing(run->ctx, &run->recipe, own, &run->samples, run->list,
                                                 run->train_count, &progress, &run->pre);
  run->begun = kohl_run_clock();
  if (status == KOHL_OK) {
    status = kohl_features_compute(run->ctx, run->base, &run->pre, &run->samples, run->list, run->train_count, &room,
                                   &progress, &run->train);
  }
  run->begun = kohl_run_clock();
  if (status == KOHL_OK) {
    status = kohl_features_compute(run->ctx, run->base, &run->pre, &run->samples, validation, run->validation_count,
                                   &room, &progress, &run->validation);
  }
  if (status != KOHL_OK) return status;
  run->features_digest =
      kohl_crc32c(0, run->train.rows, run->train.count * run->train.floats * sizeof *run->train.rows);
  size_t looked = run->train_count + run->validation_count;
  run->result.pictures = looked;
  run->result.bad = run->samples.bad;
  return kohl_pictures_check(run->ctx, &run->samples, looked, run->recipe.limits.bad_pictures);
}

/* balanced: n / (classes * n_class) over the good training pictures, as in scikit-learn; in double, rounded once. */
static kohl_status make_weights(kohl_run *run) {
  size_t classes = run->samples.class_count, n = 0, *count;
  kohl_status status = kohl_alloc(run->ctx, classes, sizeof *run->class_weights, "class weights", &run->class_weights);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, classes, sizeof *count, "class counts", &count);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < run->train_count; i++) {
    const kohl_sample *s = &run->samples.sample[run->list[i]];
    if (!s->bad) count[s->label]++, n++;
  }
  for (size_t c = 0; c < classes && status == KOHL_OK; c++) {
    if (count[c] == 0) {
      status = kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: class '%s' has no good training picture, expected at least 1",
                         run->options->data, run->samples.classes[c]);
    } else if (run->recipe.loss.class_weights == KOHL_WEIGHTS_BALANCED) {
      run->class_weights[c] = (float)((double)n / ((double)classes * (double)count[c]));
    } else {
      run->class_weights[c] = 1.0f;
    }
  }
  kohl_free(run->ctx, count);
  return status;
}

static kohl_status make_session(kohl_run *run) {
  kohl_context *ctx = run->ctx;
  const kohl_recipe *r = &run->recipe;
  size_t classes = run->samples.class_count, params;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = (int)r->batch;
  options.train = true;
  options.label_smoothing = (float)r->loss.label_smoothing;
  options.divide_by_weights = r->loss.weights_divide_by == KOHL_DIVIDE_BY_WEIGHTS;
  options.seed = (uint64_t)r->seed;
  kohl_status status = kohl_head_create(ctx, r, run->base->graph, (int)classes, &run->head);
  if (status == KOHL_OK) status = kohl_session_create(ctx, run->head, &options, &run->session);
  if (status != KOHL_OK) return status;
  memcpy(kohl_session_class_weights(run->session), run->class_weights, classes * sizeof *run->class_weights);
  kohl_session_params(run->session, &params);
  status = kohl_alloc(ctx, params, sizeof(float), "optimizer state", &run->square);
  if (status == KOHL_OK && r->optimizer.momentum > 0) {
    status = kohl_alloc(ctx, params, sizeof(float), "optimizer state", &run->momentum);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, run->train_count, sizeof *run->order, "order", &run->order);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, (size_t)r->batch * classes, sizeof(float), "probabilities", &run->probabilities);
  }
  if (status != KOHL_OK) return status;
  kohl_rmsprop_desc desc = {.n = 1, .count = (int64_t)params, .lr = 1, .rho = 0.5f, .epsilon = 1};
  run->update = kohl_kernel_choose(ctx, &kohl_rmsprop_op, KOHL_FWD, &desc);
  return run->update ? KOHL_OK : KOHL_USAGE; /* the text says why each kernel refused */
}

static void report_epoch(const kohl_run *run, const kohl_epoch *what, double seconds_left) {
  if (!run->options->progress) return;
  kohl_train_progress p = {.what = "epoch",
                           .done = (size_t)run->epoch,
                           .count = (size_t)run->recipe.epochs,
                           .epoch = (int)run->epoch,
                           .epochs = (int)run->recipe.epochs,
                           .step = run->step,
                           .loss = what->loss,
                           .accuracy = what->accuracy,
                           .val_loss = what->val_loss,
                           .val_accuracy = what->metrics.accuracy,
                           .val_balanced_accuracy = what->metrics.balanced_accuracy,
                           .seconds_left = seconds_left};
  p.rate = what->seconds > 0 ? (double)run->train_count / what->seconds : 0;
  run->options->progress(&p, run->options->progress_user);
}

static kohl_status run_epochs(kohl_run *run) {
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK && run->epoch < run->recipe.epochs) {
    kohl_epoch what;
    int64_t epoch = run->epoch + 1;
    status = kohl_run_epoch(run, epoch, &what);
    if (status == KOHL_OK) status = kohl_run_keep(run, epoch, &what);
    if (status == KOHL_OK) report_epoch(run, &what, what.seconds * (double)(run->recipe.epochs - epoch));
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
  if (status == KOHL_OK) status = read_data(run);
  if (status == KOHL_OK) status = kohl_run_open(run->ctx, o->run, o->resume);
  bool goes_on = status == KOHL_OK && o->resume && kohl_checkpoint_exists(o->run);
  if (status == KOHL_OK && !goes_on) status = kohl_run_write_lists(run);
  if (status != KOHL_OK) return status;
  kohl_run_log(run->ctx, o->run, "%zu classes, %zu training, %zu validation, %zu test pictures; base %s at %s",
               run->samples.class_count, run->train_count, run->validation_count,
               kohl_samples_count(&run->samples, KOHL_SPLIT_TEST), run->recipe.base.model, run->recipe.base.at);
  status = make_features(run, &own);
  if (status == KOHL_OK) status = make_weights(run);
  if (status == KOHL_OK) status = make_session(run);
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
  kohl_session_destroy(run->session);
  kohl_model_destroy(ctx, run->head);
  kohl_model_destroy(ctx, run->base);
  kohl_features_free(ctx, &run->train);
  kohl_features_free(ctx, &run->validation);
  kohl_samples_free(ctx, &run->samples);
  kohl_text_free(&run->history);
  kohl_free(ctx, run->list);
  kohl_free(ctx, run->order);
  kohl_free(ctx, run->class_weights);
  kohl_free(ctx, run->square);
  kohl_free(ctx, run->momentum);
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
