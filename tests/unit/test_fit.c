/* Training, end to end on pictures made here: coloured squares with noise, and a base of one random convolution. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "nn/model.h"
#include "tests/unit/fit_pictures.h"
#include "train/evaluate.h"
#include "train/run.h"

START_TEST(learns_and_leaves_its_folder) {
  kohl_context *ctx = fit_context(2);
  kohl_train_result result;
  fit_ok(ctx, fit_train(ctx, "learn", false, NULL, &result));
  ck_assert_int_eq(result.epochs, 8);
  ck_assert_int_eq((int)result.pictures, 54);
  ck_assert_int_eq((int)result.bad, 0);
  ck_assert_double_eq(result.val_accuracy, 1.0);
  /* 12, 18 and 24 pictures, of which floor(n / 6 + 1/2) = 2, 3, 4 are held out: 45 in batches of 7, 8 epochs */
  ck_assert_int_eq((int)result.steps, 8 * 7);
  const char *files[] = {"recipe.yaml", "labels.txt",       "train.csv", "validation.csv", "test.csv",
                         "metrics.csv", "best.safetensors", "last.ckpt", "log.txt"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[64];
    snprintf(name, sizeof name, "learn/%s", files[i]);
    ck_assert_msg(access(fit_path(name), F_OK) == 0, "%s is missing", name);
  }
  size_t bytes;
  char *labels = fit_load("learn/labels.txt", &bytes);
  ck_assert_str_eq(labels, "blue\ngreen\nred\n");
  free(labels);
  kohl_evaluation e;
  kohl_evaluate_options options = kohl_evaluate_options_default();
  fit_ok(ctx, kohl_evaluate(ctx, fit_path("learn/best.safetensors"), fit_path("data"), &options, &e));
  ck_assert_uint_eq(e.metrics.n, 54);
  ck_assert_double_eq(e.metrics.accuracy, 1.0);
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_evaluation_write_json(&e, &json);
  fit_ok(ctx, kohl_json_write_end(&json));
  ck_assert_ptr_nonnull(strstr(json.text, "\"confusion\":[[24,0,0],[0,18,0],[0,0,12]]"));
  ck_assert_ptr_nonnull(strstr(json.text, "\"red\":{\"precision\":1"));
  kohl_json_write_free(&json);
  kohl_evaluation_free(ctx, &e);
  /* the recipe of the run is a recipe, with everything settled */
  kohl_recipe recipe;
  fit_ok(ctx, kohl_recipe_read(ctx, fit_path("learn/recipe.yaml"), &recipe));
  ck_assert_str_eq(recipe.base.at, "conv");
  ck_assert_str_eq(recipe.base.name, "tiny");
  ck_assert_int_eq((int)recipe.pictures.size, 8);
  kohl_recipe_free(ctx, &recipe);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(not_finite_stops_and_is_not_kept) {
  kohl_context *ctx = fit_context(2);
  ck_assert_int_eq(fit_train(ctx, "nan", false, "optimizer.lr=1e30", NULL), KOHL_NOT_FINITE);
  const char *text = kohl_context_error(ctx);
  ck_assert_msg(strstr(text, "step ") && strstr(text, "layer 'head") && strstr(text, ".png"), "%s", text);
  kohl_safetensors *file;
  fit_ok(ctx, kohl_safetensors_open(ctx, fit_path("nan/last.ckpt"), &file));
  for (size_t i = 0; i < kohl_safetensors_count(file); i++) {
    const kohl_tensor_info *info = kohl_safetensors_tensor(file, i);
    for (size_t k = 0; k < info->bytes / 4; k++) ck_assert(isfinite(((const float *)info->data)[k]));
  }
  kohl_safetensors_close(ctx, file);
  kohl_context_destroy(ctx);
}
END_TEST

/* Grey pictures are of class a 8 times and of b 4 times, red ones of class a 8 times.  Unweighted, grey is a. Balanced,
 * a weighs 20 / (2 * 16) and b 20 / (2 * 4), so that grey is b: 4 * 2.5 against 8 * 0.625.  With balanced positives b's
 * yes weighs 16 / 4 and a's 4 / 16: grey's odds of b are 4 * 4 to 8, of a 8 / 4 to 4. */
START_TEST(class_weights_count) {
  kohl_context *ctx = fit_context(1);
  char csv[8192] = "file,class\n";
  fit_make_folder("w");
  for (int i = 0; i < 20; i++) {
    char name[32], row[64];
    snprintf(name, sizeof name, "w/%02d.png", i);
    fit_write_picture(name, i < 8 ? 0xd01010 : 0x808080, (uint32_t)(1000 + i));
    snprintf(row, sizeof row, "%02d.png,%s\n", i, i < 16 ? "a" : "b");
    strcat(csv, row);
  }
  fit_write_text("w/list.csv", csv);
  static const char *const variants[][3] = {
      {"loss.name=softmax", "loss.class_weights=none", "loss.positive_weights=none"},
      {"loss.name=softmax", "loss.class_weights=balanced", "loss.positive_weights=none"},
      {"loss.name=sigmoid", "loss.class_weights=none", "loss.positive_weights=none"},
      {"loss.name=sigmoid", "loss.class_weights=balanced", "loss.positive_weights=none"},
      {"loss.name=sigmoid", "loss.class_weights=none", "loss.positive_weights=balanced"},
  };
  for (int v = 0; v < 5; v++) {
    const char *sets[] = {variants[v][0], variants[v][1],   variants[v][2],
                          "epochs=60",    "head.dropout=0", "data.validation=0"}; /* so the last epoch is kept */
    char run[32], best[64];
    snprintf(run, sizeof run, "w%d", v);
    snprintf(best, sizeof best, "w%d/best.safetensors", v);
    kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                  .data = fit_path("w/list.csv"),
                                  .run = fit_path(run),
                                  .init_from = fit_path("base.safetensors"),
                                  .overrides = sets,
                                  .override_count = 6};
    kohl_evaluate_options all = kohl_evaluate_options_default();
    kohl_evaluation e;
    fit_ok(ctx, kohl_train(ctx, &options, NULL));
    fit_ok(ctx, kohl_evaluate(ctx, fit_path(best), fit_path("w/list.csv"), &all, &e));
    ck_assert_uint_eq(e.metrics.n, 20);
    const bool weighted = strstr(variants[v][1], "balanced") || strstr(variants[v][2], "balanced");
    ck_assert_msg(e.metrics.per_class[1].recall == (weighted ? 1.0 : 0.0), "%s %s %s: recall %g", variants[v][0],
                  variants[v][1], variants[v][2], e.metrics.per_class[1].recall);
    kohl_evaluation_free(ctx, &e);
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* Red, green and blue are 12, 18, 24 and two copies of one more red: copies go first, of the rest 2, 3 and 4 validate,
 * then 11, 15 and 20 are capped at 14, and red is repeated to 13. */
START_TEST(classes_are_capped_and_repeated) {
  kohl_context *ctx = fit_context(2);
  static const char *const sets[] = {"data.cap=14", "data.oversample=13", "data.copies=drop"};
  fit_write_picture("data/red/zz1.png", 0xd01010, 9999);
  fit_write_picture("data/red/zz2.png", 0xd01010, 9999);
  kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                .data = fit_path("data"),
                                .run = fit_path("capped"),
                                .init_from = fit_path("base.safetensors"),
                                .overrides = sets,
                                .override_count = 3};
  kohl_run run = {.ctx = ctx, .options = &options};
  fit_ok(ctx, kohl_recipe_read(ctx, options.recipe, &run.recipe));
  for (int i = 0; i < 3; i++) fit_ok(ctx, kohl_recipe_set(ctx, &run.recipe, sets[i]));
  fit_ok(ctx, kohl_run_data(&run));
  ck_assert_uint_eq(run.copies, 1);
  ck_assert_uint_eq(run.train_count, 11 + 14 + 14);
  ck_assert_uint_eq(run.validation_count, 9);
  ck_assert_uint_eq(run.draws.count, 13 + 14 + 14);
  size_t count[3];
  kohl_list_count(&run.draws, &run.samples, true, count);
  ck_assert(count[0] == 14 && count[1] == 14 && count[2] == 13); /* blue, green, red */
  for (size_t i = 0; i < run.draws.count; i++) {
    ck_assert_uint_lt(run.row[i], run.train_count);
    ck_assert_uint_eq(run.list[run.row[i]], run.draws.sample[i]);
    ck_assert_int_eq(run.samples.sample[run.draws.sample[i]].split, KOHL_SPLIT_TRAIN);
  }
  kohl_free(ctx, run.list);
  kohl_free(ctx, run.row);
  kohl_list_free(ctx, &run.draws);
  kohl_samples_free(ctx, &run.samples);
  kohl_recipe_free(ctx, &run.recipe);
  kohl_train_result result;
  fit_ok(ctx, kohl_train(ctx, &options, &result));
  ck_assert_int_eq((int)result.steps, 8 * 6); /* 41 draws in batches of 7 */
  ck_assert_int_eq((int)result.pictures, 39 + 9);
  unlink(fit_path("data/red/zz1.png"));
  unlink(fit_path("data/red/zz2.png"));
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(bad_pictures_are_skipped_and_counted) {
  kohl_context *ctx = fit_context(2);
  kohl_train_result result;
  fit_write_text("data/red/broken.png", "no picture");
  ck_assert_int_eq(fit_train(ctx, "bad0", false, "limits.bad_pictures=0.001", NULL), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "1 of 55 pictures are bad"));
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "broken.png"));
  fit_ok(ctx, fit_train(ctx, "bad1", false, "limits.bad_pictures=0.1", &result));
  ck_assert_int_eq((int)result.bad, 1);
  ck_assert_double_eq(result.val_accuracy, 1.0);
  unlink(fit_path("data/red/broken.png"));
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(featurewise_is_the_mean_of_the_training_pictures) {
  kohl_context *ctx = fit_context(2);
  kohl_model *model;
  fit_ok(ctx, fit_train(ctx, "fw", false, "pictures.normalise=featurewise", NULL));
  fit_ok(ctx, kohl_model_open(ctx, fit_path("fw/best.safetensors"), &model));
  /* 10 red, 15 green and 20 blue train; a channel is 192 where it shines and 48 elsewhere, noise within 20 with mean 0
   * and variance (41^2 - 1) / 12 = 140 before resizing, which makes it smaller */
  static const double share[3] = {10.0 / 45, 15.0 / 45, 20.0 / 45};
  for (int c = 0; c < 3; c++) {
    double mean = (48 + 144 * share[c]) / 255, between = 144 * sqrt(share[c] * (1 - share[c])) / 255;
    ck_assert_double_eq_tol((double)model->preprocessing.mean[c], mean, 1.0 / 255);
    ck_assert_double_gt((double)model->preprocessing.std[c], between - 1.0 / 255);
    ck_assert_double_lt((double)model->preprocessing.std[c], sqrt(between * between + 140.0 / 255 / 255) + 1.0 / 255);
  }
  ck_assert_int_eq(model->graph->base_output, 1);
  ck_assert_int_eq((int)model->label_count, 3);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(what_cannot_be_is_named) {
  static const struct {
    const char *set;
    kohl_status status;
    const char *text;
  } cases[] = {
      {"base.at=block5", KOHL_USAGE, "block5"},
      {"epochs=0", KOHL_USAGE, "--set epochs=0"},
      {"data.validation=0.95", KOHL_USAGE, "data.validation"},
      {"optimizer.name=adam", KOHL_BAD_INPUT, "optimizer.epsilon_place"},
      {"base.adjust=tiny: optimizer.beta1=0.5", KOHL_BAD_INPUT, "field 'optimizer.beta1'"},
  };
  kohl_context *ctx = fit_context(1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char run[32];
    snprintf(run, sizeof run, "wrong%zu", i);
    ck_assert_int_eq(fit_train(ctx, run, false, cases[i].set, NULL), cases[i].status);
    ck_assert_msg(strstr(kohl_context_error(ctx), cases[i].text) != NULL, "%s", kohl_context_error(ctx));
  }
  kohl_train_options options = {.recipe = fit_path("r.yaml"), .data = fit_path("data"), .run = fit_path("wrong")};
  ck_assert_int_eq(kohl_train(ctx, &options, NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "--init-from"));
  ck_assert_int_ne(access(fit_path("wrong"), F_OK), 0); /* nothing was made */
  kohl_evaluate_options evaluate = kohl_evaluate_options_default();
  kohl_evaluation e;
  fit_ok(ctx, fit_train(ctx, "known", false, "epochs=1", NULL));
  fit_make_folder("data/violet");
  fit_write_picture("data/violet/0.png", 0x8000ff, 7);
  ck_assert_int_eq(kohl_evaluate(ctx, fit_path("known/best.safetensors"), fit_path("data"), &evaluate, &e),
                   KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "violet"));
  unlink(fit_path("data/violet/0.png"));
  rmdir(fit_path("data/violet"));
  evaluate.split = "test";
  ck_assert_int_eq(kohl_evaluate(ctx, fit_path("known/best.safetensors"), fit_path("data"), &evaluate, &e),
                   KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_evaluate(ctx, fit_path("base.safetensors"), fit_path("data"), &evaluate, &e), KOHL_BAD_INPUT);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(other_heads) {
  static const char *const sets[] = {
      "head.pool=global_avg",     "head.pool=global_max", "head.dense=[]",
      "head.dense=[8,8]",         "data.validation=0",    "loss.weights_divide_by=weights",
      "loss.label_smoothing=0.1", "loss.name=sigmoid",    "head.norm=batch"};
  kohl_context *ctx = fit_context(2);
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    char run[32], best[64];
    snprintf(run, sizeof run, "head%zu", i);
    snprintf(best, sizeof best, "%s/best.safetensors", run);
    kohl_train_result result;
    fit_ok(ctx, fit_train(ctx, run, false, sets[i], &result));
    kohl_model *model;
    fit_ok(ctx, kohl_model_open(ctx, fit_path(best), &model));
    ck_assert_int_eq(model->graph->base_output, 1);
    const bool sigmoid = !strcmp(sets[i], "loss.name=sigmoid");
    ck_assert_int_eq(model->task, sigmoid ? KOHL_TASK_MANY_LABELS : KOHL_TASK_ONE_LABEL);
    if (sigmoid) ck_assert_double_eq(result.val_accuracy, 1.0);
    kohl_model_destroy(ctx, model);
    if (!strcmp(sets[i], "data.validation=0")) ck_assert_int_eq(result.best_epoch, 8);
  }
  /* a model that was trained here is a base again */
  kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                .data = fit_path("data"),
                                .run = fit_path("again"),
                                .init_from = fit_path("head0/best.safetensors")};
  fit_ok(ctx, kohl_train(ctx, &options, NULL));
  static const char *const deeper = "base.at=head_dense1";
  options.run = fit_path("deeper");
  options.overrides = &deeper;
  options.override_count = 1;
  fit_ok(ctx, kohl_train(ctx, &options, NULL));
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(orders_are_permutations) {
  enum { N = 1000 };
  size_t a[N], b[N];
  char seen[N] = {0};
  kohl_epoch_order(1, 1, a, N);
  kohl_epoch_order(1, 2, b, N);
  size_t same = 0;
  for (size_t i = 0; i < N; i++) {
    ck_assert_uint_lt(a[i], N);
    ck_assert_int_eq(seen[a[i]]++, 0);
    same += a[i] == b[i];
  }
  ck_assert_uint_lt(same, 12); /* one is expected; 12 or more has a chance below 1e-9 (Poisson) */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fit");
  TCase *tests = tcase_create("fit");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fit_set_up, fit_tear_down);
  tcase_add_test(tests, learns_and_leaves_its_folder);
  tcase_add_test(tests, not_finite_stops_and_is_not_kept);
  tcase_add_test(tests, class_weights_count);
  tcase_add_test(tests, classes_are_capped_and_repeated);
  tcase_add_test(tests, bad_pictures_are_skipped_and_counted);
  tcase_add_test(tests, featurewise_is_the_mean_of_the_training_pictures);
  tcase_add_test(tests, what_cannot_be_is_named);
  tcase_add_test(tests, other_heads);
  tcase_add_test(tests, orders_are_permutations);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
