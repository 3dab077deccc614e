/* What a run leaves behind: lists, curves, the best model, the checkpoint. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/run.h"

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
  kohl_status status = kohl_recipe_print(run->ctx, &run->recipe, &recipe);
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
  size_t count;
  float *params = kohl_session_params(run->session, &count);
  kohl_update_swap(run->update, params);
  kohl_status status = kohl_session_store_params(run->session, run->head);
  kohl_update_swap(run->update, params);
  return status;
}

static kohl_status save_best(kohl_run *run, int64_t epoch, const kohl_epoch *what) {
  char path[KOHL_RUN_PATH];
  kohl_model *model = NULL;
  kohl_status status = kohl_run_path(run->ctx, run->options->run, "best.safetensors", path);
  if (status == KOHL_OK) status = kohl_run_store(run);
  if (status == KOHL_OK) {
    status = kohl_head_join(run->ctx, run->base, run->head, run->samples.classes, run->samples.class_count, &run->pre,
                            &model);
  }
  if (status == KOHL_OK) status = describe(run, epoch, what, model);
  if (status == KOHL_OK) status = kohl_model_save(run->ctx, model, path);
  kohl_model_destroy(run->ctx, model);
  return status;
}

/* The figure that decides, larger is better.  Without validation pictures the last epoch is the best. */
static double figure(const kohl_run *run, int64_t epoch, const kohl_epoch *what) {
  if (!run->validation_count) return (double)epoch;
  if (run->recipe.best == KOHL_BEST_LOSS) return -what->val_loss;
  if (run->recipe.best == KOHL_BEST_BALANCED_ACCURACY) return what->metrics.balanced_accuracy;
  return what->metrics.accuracy;
}

static void add_history(kohl_run *run, int64_t epoch, const kohl_epoch *what) {
  if (!run->history.length) {
    kohl_text_add(&run->history, "epoch,step,lr,loss,accuracy,val_loss,val_accuracy,val_balanced_accuracy,seconds\n");
  }
  kohl_text_add(&run->history, "%lld,%lld,%.9g,%.9g,%.9g,", (long long)epoch, (long long)run->step, what->lr,
                what->loss, what->accuracy);
  if (run->validation_count) {
    kohl_text_add(&run->history, "%.9g,%.9g,%.9g,%.3f\n", what->val_loss, what->metrics.accuracy,
                  what->metrics.balanced_accuracy, what->seconds);
  } else {
    kohl_text_add(&run->history, ",,,%.3f\n", what->seconds);
  }
}

kohl_status kohl_run_keep(kohl_run *run, int64_t epoch, const kohl_epoch *what) {
  double now = figure(run, epoch, what);
  kohl_status status = KOHL_OK;
  if (!run->best_epoch || now > run->best) {
    status = save_best(run, epoch, what);
    run->best = now;
    run->best_epoch = epoch;
    run->result.val_loss = what->val_loss;
    run->result.val_accuracy = what->metrics.accuracy;
    run->result.val_balanced_accuracy = what->metrics.balanced_accuracy;
  }
  run->epoch = epoch;
  run->result.loss = what->loss;
  run->result.accuracy = what->accuracy;
  add_history(run, epoch, what);
  if (status == KOHL_OK) status = kohl_run_write(run->ctx, run->options->run, "metrics.csv", &run->history);
  if (status == KOHL_OK) status = kohl_run_save(run);
  kohl_run_log(run->ctx, run->options->run,
               "epoch %lld: loss %.4f accuracy %.4f, validation loss %.4f accuracy %.4f balanced %.4f%s, %.1f s",
               (long long)epoch, what->loss, what->accuracy, what->val_loss, what->metrics.accuracy,
               what->metrics.balanced_accuracy, run->best_epoch == epoch ? " (best)" : "", what->seconds);
  return status;
}

static kohl_checkpoint state_of(kohl_run *run) {
  uint64_t plan = run->session->plan->digest;
  kohl_checkpoint state = {.epoch = run->epoch,
                           .step = run->step,
                           .best_epoch = run->best_epoch,
                           .best = run->best,
                           .recipe = run->recipe_digest,
                           .data = run->data_digest,
                           .features = run->features_digest,
                           .plan = (uint32_t)(plan ^ plan >> 32),
                           .history = run->history.text ? run->history.text : (char *)""};
  size_t count;
  float *values = kohl_session_params(run->session, &count);
  state.arrays[0] = (kohl_checkpoint_array){"params", values, count};
  state.array_count = 1 + kohl_update_arrays(run->update, state.arrays + 1);
  values = kohl_session_state(run->session, &count);
  if (count) state.arrays[state.array_count++] = (kohl_checkpoint_array){"statistics", values, count};
  return state;
}

kohl_status kohl_run_save(kohl_run *run) {
  kohl_checkpoint state = state_of(run);
  return run->history.status == KOHL_OK ? kohl_checkpoint_save(run->ctx, run->options->run, &state)
                                        : run->history.status;
}

/* The figures of the best epoch, for the result: they stand in its line of metrics.csv. */
static void read_best(kohl_run *run) {
  for (const char *line = run->history.text; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    long long epoch;
    double figures[3];
    if (sscanf(line, "%lld,%*[^,],%*[^,],%*[^,],%*[^,],%lf,%lf,%lf", &epoch, &figures[0], &figures[1], &figures[2]) ==
            4 &&
        epoch == run->best_epoch) {
      run->result.val_loss = figures[0];
      run->result.val_accuracy = figures[1];
      run->result.val_balanced_accuracy = figures[2];
    }
  }
}

kohl_status kohl_run_load(kohl_run *run) {
  kohl_checkpoint state = state_of(run), own = state;
  state.history = NULL;
  const char *folder = run->options->run;
  kohl_status status = kohl_checkpoint_load(run->ctx, folder, &state);
  if (status != KOHL_OK) return status;
  if (state.data != run->data_digest) {
    status =
        kohl_fail(run->ctx, KOHL_BAD_INPUT,
                  "%s: the checkpoint is of other pictures (CRC32C of the list %08" PRIx32 ", expected %08" PRIx32 ")",
                  folder, state.data, run->data_digest);
  }
  if (status == KOHL_OK && (state.features != own.features || state.plan != own.plan)) {
    kohl_run_log(run->ctx, folder,
                 "the base's outputs or the kernels are not those of the first call (another machine "
                 "or --cpu): the result will be close to an uninterrupted run's, not equal");
  }
  if (status == KOHL_OK) {
    run->epoch = state.epoch;
    run->step = state.step;
    run->best_epoch = state.best_epoch;
    run->best = state.best;
    kohl_text_add(&run->history, "%s", state.history);
    status = run->history.status;
    read_best(run);
  }
  kohl_free(run->ctx, state.history);
  return status;
}
