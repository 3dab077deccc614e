/* Training stopped and taken up again, with any number of threads: the same bits, for every optimizer. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nn/model.h"
#include "tests/unit/fit_pictures.h"

START_TEST(threads_change_nothing) {
  kohl_context *one = fit_context(1), *four = fit_context(4);
  fit_ok(one, fit_train(one, "one", false, NULL, NULL));
  fit_ok(four, fit_train(four, "four", false, NULL, NULL));
  fit_same_file("one/best.safetensors", "four/best.safetensors");
  fit_same_state("one/last.ckpt", "four/last.ckpt");
  kohl_context_destroy(one);
  kohl_context_destroy(four);
}
END_TEST

/* Every optimizer with everything that it keeps; the first two are stopped at more places. */
static const char *const kinds[][8] = {
    {NULL},
    {"optimizer.momentum=0.5"},
    {"optimizer.name=sgd", "optimizer.lr=0.05"},
    {"optimizer.name=sgd", "optimizer.lr=0.05", "optimizer.momentum=0.5", "optimizer.nesterov=true",
     "optimizer.lr_place=inside", "optimizer.weight_decay=1e-3"},
    {"optimizer.name=adam", "optimizer.epsilon_place=hat", "optimizer.weight_decay=1e-3", "optimizer.clip_norm=0.5"},
    {"optimizer.name=adamw", "optimizer.epsilon_place=plain", "optimizer.weight_decay=0.01", "optimizer.ema=0.8"},
    {"optimizer.momentum=0.5", "optimizer.weight_decay=1e-3", "optimizer.clip_norm=1", "optimizer.ema=0.5"},
    {"loss.name=sigmoid", "loss.positive_weights=balanced", "loss.weights_divide_by=weights", "optimizer.lr=0.01"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static kohl_status train_kind(kohl_context *ctx, const char *run, bool resume, int kind, kohl_train_result *out) {
  size_t count = 0;
  while (kinds[kind][count]) count++;
  kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                .data = fit_path("data"),
                                .run = fit_path(run),
                                .resume = resume,
                                .init_from = fit_path("base.safetensors"),
                                .overrides = kinds[kind],
                                .override_count = count};
  return kohl_train(ctx, &options, out);
}

/* Stopped at any poll of the cancel callback, and resumed: the same bits. */
START_TEST(resume_is_bit_exact) {
  static const long polls[] = {300, 500, 4, 40, 200, 333};
  kohl_context *ctx = fit_context(2);
  char run[32], whole[32], best[64], last[64], whole_best[64], whole_last[64];
  snprintf(whole, sizeof whole, "whole%d", _i);
  snprintf(whole_best, sizeof whole_best, "%s/best.safetensors", whole);
  snprintf(whole_last, sizeof whole_last, "%s/last.ckpt", whole);
  fit_ok(ctx, train_kind(ctx, whole, false, _i, NULL));
  for (size_t i = 0; i < (_i < 2 ? sizeof polls / sizeof *polls : 2); i++) {
    snprintf(run, sizeof run, "stop%d_%zu", _i, i);
    snprintf(best, sizeof best, "%s/best.safetensors", run);
    snprintf(last, sizeof last, "%s/last.ckpt", run);
    fit_polls_left = polls[i];
    kohl_status status = train_kind(ctx, run, false, _i, NULL);
    fit_polls_left = -1;
    ck_assert_msg(status == KOHL_INTERRUPTED, "stop %zu: %s", i, kohl_status_text(status));
    kohl_train_result result;
    fit_ok(ctx, train_kind(ctx, run, true, _i, &result));
    ck_assert_int_eq(result.epochs, 8);
    ck_assert_double_eq(result.val_accuracy, 1.0);
    fit_same_file(whole_best, best);
    fit_same_state(whole_last, last);
  }
  kohl_context_destroy(ctx);
}
END_TEST

static kohl_context *context_of(const char *cpu, const char *impl) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.cpu = cpu;
  options.impl = impl;
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

/* The names of the kernels in the run's checkpoint; the caller's. */
static char *kernels_of(const char *run) {
  char name[64];
  size_t bytes;
  snprintf(name, sizeof name, "%s/last.ckpt", run);
  char *text = fit_load(name, &bytes), *out = NULL;
  static const char key[] = "kernels\\\":\\\""; /* JSON within a text of JSON */
  for (size_t i = 0; i + sizeof key < bytes && !out; i++) {
    if (memcmp(text + i, key, sizeof key - 1) != 0) continue;
    out = strndup(text + i + sizeof key - 1, strcspn(text + i + sizeof key - 1, "\\"));
  }
  free(text);
  ck_assert_ptr_nonnull(out);
  return out;
}

static void check_log(const char *run, const char *text, bool there) {
  char name[64];
  size_t bytes;
  snprintf(name, sizeof name, "%s/log.txt", run);
  char *log = fit_load(name, &bytes);
  ck_assert_msg((strstr(log, text) != NULL) == there, "%s", log);
  free(log);
}

/* A resume takes the kernels of the first call, whatever its own context would choose; where it cannot run them,
 * others, which the log names; all are of class CHAIN, so that the result is the same. */
START_TEST(the_recorded_kernels_are_used) {
  kohl_context *named = context_of(NULL, "dense_fwd=ref,rmsprop_fwd=ref"), *plain = context_of(NULL, NULL);
  kohl_context *least = context_of("ref", NULL), *other = context_of(NULL, "dense_wgrad=ref");
  fit_ok(plain, fit_train(plain, "whole_k", false, NULL, NULL));
  char *kernels = kernels_of("whole_k");
  const bool has_others = !strstr(kernels, "dense_fwd=ref"); /* a machine without AVX2 has one kernel of everything */
  free(kernels);
  fit_ok(named, fit_train(named, "named", false, "epochs=3", NULL));
  fit_ok(plain, fit_train(plain, "named", true, "epochs=5", NULL));
  kernels = kernels_of("named");
  ck_assert_msg(strstr(kernels, "dense_fwd=ref") && strstr(kernels, "rmsprop_fwd=ref"), "%s", kernels);
  ck_assert_ptr_null(strstr(kernels, "dense_fwd=i"));
  free(kernels);
  check_log("named", "in the place of those", false);
  fit_ok(other, fit_train(other, "named", true, "epochs=8", NULL)); /* --impl has the first word */
  check_log("named", "dense_wgrad=ref", has_others);
  fit_same_state("whole_k/last.ckpt", "named/last.ckpt");
  fit_ok(plain, fit_train(plain, "moved", false, "epochs=3", NULL));
  fit_ok(least, fit_train(least, "moved", true, NULL, NULL));
  check_log("moved", "all of class CHAIN and so with the same bits: ", has_others);
  check_log("moved", "not equal", false);
  fit_same_state("whole_k/last.ckpt", "moved/last.ckpt");
  kohl_context_destroy(named);
  kohl_context_destroy(plain);
  kohl_context_destroy(least);
  kohl_context_destroy(other);
}
END_TEST

/* Half files of a process that is gone are removed; those of one that runs, and what only looks like them, stay. */
START_TEST(stale_files_are_removed) {
  kohl_context *ctx = fit_context(1);
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ck_assert_int_eq(waitpid(gone, NULL, 0), gone);
  fit_ok(ctx, fit_train(ctx, "stale", false, "epochs=1", NULL));
  const struct {
    const char *format;
    pid_t pid;
    bool stays;
  } files[] = {{"stale/last.ckpt.tmp.%d.0", gone, false},        {"stale/best.safetensors.tmp.%d.12", gone, false},
               {"stale/figures/loss.svg.tmp.%d.0", gone, false}, {"stale/last.ckpt.tmp.%d.0", getpid(), true},
               {"stale/last.ckpt.tmp.%d.0", getppid(), true},    {"stale/mine.txt.tmp.%d.0", gone, true},
               {"stale/last.ckpt.tmp.%d.", gone, true},          {"stale/last.ckpt.tmp.%d.0.bak", gone, true},
               {"stale/last.ckpt.tmp.x%d.0", gone, true},        {"stale/.ckpt.tmp.%d.0", gone, true}};
  enum { FILES = sizeof files / sizeof *files };
  char name[FILES][96];
  if (access(fit_path("stale/figures"), F_OK) != 0) fit_make_folder("stale/figures"); /* without Cairo */
  for (size_t i = 0; i < FILES; i++) {
    snprintf(name[i], sizeof name[i], files[i].format, (int)files[i].pid); /* one of the texts above */
    fit_write_text(name[i], "half");
  }
  fit_ok(ctx, fit_train(ctx, "stale", true, "epochs=1", NULL));
  for (size_t i = 0; i < FILES; i++) {
    ck_assert_msg((access(fit_path(name[i]), F_OK) == 0) == files[i].stays, "%s", name[i]);
  }
  check_log("stale", "3 unfinished files of a killed run removed", true);
  kohl_context_destroy(ctx);
}
END_TEST

/* The floats of a checkpoint's tensor; its count in *count. */
static const float *tensor_of(kohl_safetensors *file, const char *name, size_t *count) {
  long place = kohl_safetensors_find(file, name);
  ck_assert_msg(place >= 0, "tensor %s is missing", name);
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)place);
  *count = info->bytes / sizeof(float);
  return (const float *)info->data;
}

/* With an average, best.safetensors holds it and not the weights that are trained on.  Without validation pictures the
 * best epoch is the last, whose checkpoint has both. */
START_TEST(the_average_is_kept) {
  static const char *const sets[] = {"optimizer.ema=0.9", "data.validation=0", "head.dense=[]"};
  kohl_context *ctx = fit_context(2);
  kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                .data = fit_path("data"),
                                .run = fit_path("average"),
                                .init_from = fit_path("base.safetensors"),
                                .overrides = sets,
                                .override_count = 3};
  fit_ok(ctx, kohl_train(ctx, &options, NULL));
  kohl_safetensors *file;
  kohl_model *model;
  size_t count;
  fit_ok(ctx, kohl_safetensors_open(ctx, fit_path("average/last.ckpt"), &file));
  fit_ok(ctx, kohl_model_open(ctx, fit_path("average/best.safetensors"), &model));
  const float *params = tensor_of(file, "params", &count), *average = tensor_of(file, "average", &count);
  const kohl_weight *weight = kohl_model_weight(model, (int)model->graph->count - 2, "weight");
  if (!weight) weight = kohl_model_weight(model, (int)model->graph->count - 1, "weight");
  ck_assert_ptr_nonnull(weight);
  size_t n = weight->spec.count; /* the head's only layer: its matrix is the first tensor of params */
  ck_assert_uint_ge(count, n);
  ck_assert_int_eq(memcmp(weight->data, average, n * sizeof(float)), 0);
  ck_assert_int_ne(memcmp(weight->data, params, n * sizeof(float)), 0);
  kohl_model_destroy(ctx, model);
  kohl_safetensors_close(ctx, file);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(resume_checks_what_it_goes_on_from) {
  kohl_context *ctx = fit_context(1);
  fit_ok(ctx, fit_train(ctx, "short", false, "epochs=3", NULL));
  ck_assert_int_eq(fit_train(ctx, "short", false, "epochs=3", NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "is not empty"));
  ck_assert_int_eq(fit_train(ctx, "short", true, "seed=4", NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "another recipe"));
  ck_assert_int_eq(fit_train(ctx, "short", true, "optimizer.momentum=0.5", NULL), KOHL_USAGE); /* other arrays, too */
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "another recipe"));
  ck_assert_int_eq(fit_train(ctx, "absent", true, NULL, NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no run to resume"));
  fit_make_folder("killed"); /* before it had written its recipe */
  fit_write_text("killed/train.csv", "path,label\n");
  ck_assert_int_eq(fit_train(ctx, "killed", false, "epochs=1", NULL), KOHL_USAGE);
  fit_ok(ctx, fit_train(ctx, "killed", true, "epochs=1", NULL));
  /* a damaged last.ckpt: the one before it is taken; more epochs are allowed */
  size_t bytes;
  char *text = fit_load("short/last.ckpt", &bytes);
  text[bytes - 5] ^= 1;
  FILE *file = fopen(fit_path("short/last.ckpt"), "w");
  ck_assert_uint_eq(fwrite(text, 1, bytes, file), bytes);
  fclose(file);
  free(text);
  fit_ok(ctx, fit_train(ctx, "short", true, "epochs=8", NULL));
  fit_ok(ctx, fit_train(ctx, "long", false, NULL, NULL));
  fit_same_state("short/last.ckpt", "long/last.ckpt");
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("resume");
  TCase *tests = tcase_create("resume");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fit_set_up, fit_tear_down);
  tcase_add_test(tests, threads_change_nothing);
  tcase_add_loop_test(tests, resume_is_bit_exact, 0, KINDS);
  tcase_add_test(tests, the_recorded_kernels_are_used);
  tcase_add_test(tests, stale_files_are_removed);
  tcase_add_test(tests, the_average_is_kept);
  tcase_add_test(tests, resume_checks_what_it_goes_on_from);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
