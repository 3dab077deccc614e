/* Cross-validation: what is tested where, the figures' mean and spread, and going on after a stop. */
#include "train/crossval.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/source.h"
#include "tests/unit/fit_pictures.h"

enum { PICTURES = 54, TEXT = 512 };

static const char *const quick = "epochs=2";

/* Texts that stay until the next call; fit_path's do not outlive eight others. */
static kohl_train_options options_of(const char *run) {
  static char text[4][TEXT];
  const char *const names[4] = {"r.yaml", "data", run, "base.safetensors"};
  for (int i = 0; i < 4; i++) snprintf(text[i], TEXT, "%s", fit_path(names[i]));
  return (kohl_train_options){.recipe = text[0],
                              .data = text[1],
                              .run = text[2],
                              .init_from = text[3],
                              .overrides = &quick,
                              .override_count = 1};
}

/* The part `name` of a fold, and how often each picture's path (of `all`) is in it. */
static size_t count_part(kohl_context *ctx, const char *run, int fold, const char *name, const kohl_samples *all,
                         int *times) {
  char file[64], path[KOHL_SAMPLE_PATH], other[KOHL_SAMPLE_PATH];
  kohl_samples part;
  snprintf(file, sizeof file, "%s/fold-%d/%s.csv", run, fold, name);
  fit_ok(ctx, kohl_samples_open(ctx, fit_path(file), NULL, &part));
  size_t count = part.count;
  for (size_t i = 0; i < count; i++) {
    kohl_sample_path(&part, i, path);
    size_t at = 0;
    while (at < all->count && strcmp(kohl_sample_path(all, at, other), path) != 0) at++;
    ck_assert_msg(at < all->count, "%s is not in the data", path);
    times[at]++;
  }
  kohl_samples_free(ctx, &part);
  return count;
}

START_TEST(every_picture_is_tested_once) {
  kohl_context *ctx = fit_context(1);
  kohl_crossval_result r;
  kohl_samples all;
  kohl_train_options options = options_of("k5");
  int tested[PICTURES] = {0}, validated[PICTURES] = {0};
  fit_ok(ctx, kohl_crossval(ctx, &options, 5, &r));
  ck_assert_int_eq(r.done, 5);
  fit_ok(ctx, kohl_samples_open(ctx, fit_path("data"), NULL, &all));
  ck_assert_uint_eq(all.count, PICTURES);
  for (int f = 1; f <= 5; f++) {
    int here[PICTURES] = {0}, next[PICTURES] = {0};
    size_t test = count_part(ctx, "k5", f, "test", &all, tested);
    size_t validation = count_part(ctx, "k5", f, "validation", &all, validated);
    ck_assert_uint_eq(r.fold[f - 1].pictures, test);
    ck_assert(test == 10 || test == 11 ||
              test == 12); /* 12, 18 and 24 in five parts: 2.4 + 3.6 + 4.8, each up or down */
    count_part(ctx, "k5", f, "train", &all, here);
    count_part(ctx, "k5", f, "test", &all, here);
    count_part(ctx, "k5", f, "validation", &all, here);
    for (size_t i = 0; i < PICTURES; i++) ck_assert_int_eq(here[i], 1);
    /* the next fold's test part validates */
    memset(here, 0, sizeof here);
    ck_assert_uint_eq(count_part(ctx, "k5", f % 5 + 1, "test", &all, next), validation);
    count_part(ctx, "k5", f, "validation", &all, here);
    ck_assert_int_eq(memcmp(here, next, sizeof here), 0);
  }
  for (size_t i = 0; i < PICTURES; i++) ck_assert(tested[i] == 1 && validated[i] == 1);
  kohl_samples_free(ctx, &all);
  kohl_crossval_free(ctx, &r);
  kohl_context_destroy(ctx);
}
END_TEST

/* The pictures of a list in groups of three: no fold tests a part of one. */
START_TEST(groups_stay_together) {
  kohl_context *ctx = fit_context(1);
  kohl_train_options options = options_of("grouped");
  kohl_crossval_result r;
  char *csv = calloc(1, 1 << 14);
  strcpy(csv, "path,label,group\n");
  for (int i = 0; i < 12; i++) {
    for (int c = 0; c < 2; c++) {
      char row[TEXT];
      snprintf(row, sizeof row, "data/%s/%02d.png,%s,g%d\n", c ? "green" : "red", i, c ? "green" : "red", i / 3);
      strcat(csv, row);
    }
  }
  fit_write_text("grouped.csv", csv);
  free(csv);
  char list[TEXT];
  snprintf(list, sizeof list, "%s", fit_path("grouped.csv"));
  options.data = list;
  fit_ok(ctx, kohl_crossval(ctx, &options, 4, &r));
  int group_of_fold[4];
  for (int f = 0; f < 4; f++) {
    char file[64];
    kohl_samples part;
    snprintf(file, sizeof file, "grouped/fold-%d/test.csv", f + 1);
    fit_ok(ctx, kohl_samples_open(ctx, fit_path(file), NULL, &part));
    ck_assert_uint_eq(part.count, 6); /* one group: three of either class */
    group_of_fold[f] = kohl_sample_group(&part, 0)[1];
    for (size_t i = 1; i < 6; i++) ck_assert_int_eq(kohl_sample_group(&part, i)[1], group_of_fold[f]);
    for (int g = 0; g < f; g++) ck_assert_int_ne(group_of_fold[g], group_of_fold[f]);
    kohl_samples_free(ctx, &part);
  }
  kohl_crossval_free(ctx, &r);
  options = options_of("too_many");
  options.data = list;
  ck_assert_int_eq(kohl_crossval(ctx, &options, 5, &r), KOHL_BAD_INPUT);
  ck_assert_msg(strstr(kohl_context_error(ctx), "4 groups") && strstr(kohl_context_error(ctx), "data.folds"), "%s",
                kohl_context_error(ctx));
  ck_assert_int_ne(access(options.run, F_OK), 0); /* nothing was made */
  kohl_crossval_free(ctx, &r);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(mean_and_spread_by_definition) {
  kohl_fold_result fold[4] = {
      {.figure = {0.5, 1, 0}}, {.figure = {0.7, 1, 0}}, {.figure = {0.9, 1, 0}}, {.figure = {1, 1, 0.5}}};
  kohl_crossval_result r = {.folds = 4, .done = 3, .fold = fold};
  double mean, sd;
  kohl_crossval_mean(&r, KOHL_CROSSVAL_accuracy, &mean, &sd);
  ck_assert_double_eq_tol(mean, 0.7, 1e-15);
  ck_assert_double_eq_tol(sd, 0.2, 1e-15); /* sqrt((.04 + 0 + .04) / 2); with the divisor n it would be .163 */
  kohl_crossval_mean(&r, KOHL_CROSSVAL_balanced_accuracy, &mean, &sd);
  ck_assert(mean == 1 && sd == 0);
  r.done = 4;
  kohl_crossval_mean(&r, KOHL_CROSSVAL_macro_f1, &mean, &sd);
  ck_assert_double_eq_tol(mean, 0.125, 1e-15);
  ck_assert_double_eq_tol(sd, 0.25, 1e-15); /* sqrt((3 / 64 + 9 / 64) / 3) */
  r.done = 1;
  kohl_crossval_mean(&r, KOHL_CROSSVAL_accuracy, &mean, &sd);
  ck_assert(mean == 0.5 && isnan(sd));
  ck_assert_str_eq(kohl_crossval_names[KOHL_CROSSVAL_macro_f1], "macro_f1");
}
END_TEST

static void same_text(const char *a, const char *b) {
  size_t na, nb;
  char *ta = fit_load(a, &na), *tb = fit_load(b, &nb);
  ck_assert_msg(na > 100 && strcmp(ta, tb) == 0, "%s\n%s", ta, tb);
  free(ta);
  free(tb);
}

/* Stopped at any poll of the cancel callback: the same figures and models as without. */
START_TEST(goes_on_with_the_fold_at_hand) {
  static const long polls[] = {1, 20, 40, 60, 80};
  kohl_context *ctx = fit_context(2);
  kohl_crossval_result whole, r;
  kohl_train_options options = options_of("all");
  fit_ok(ctx, kohl_crossval(ctx, &options, 3, &whole));
  int stopped = 0;
  for (size_t i = 0; i < sizeof polls / sizeof *polls; i++) {
    char run[24], a[64], b[64];
    snprintf(run, sizeof run, "part%zu", i);
    options = options_of(run);
    fit_polls_left = polls[i];
    kohl_status status = kohl_crossval(ctx, &options, 3, &r);
    fit_polls_left = -1;
    ck_assert_msg(status == KOHL_OK || status == KOHL_INTERRUPTED, "%s", kohl_context_error(ctx));
    if (status == KOHL_INTERRUPTED) {
      stopped++;
      kohl_crossval_free(ctx, &r);
      options.resume = true;
      /* a stop before the first fold was laid out leaves no folder */
      if (access(options.run, F_OK) != 0) options.resume = false;
      fit_ok(ctx, kohl_crossval(ctx, &options, 3, &r));
    }
    ck_assert_int_eq(r.done, 3);
    ck_assert_int_eq(memcmp(r.fold, whole.fold, 3 * sizeof *r.fold), 0);
    snprintf(a, sizeof a, "%s/folds.csv", run);
    same_text("all/folds.csv", a);
    for (int f = 1; f <= 3; f++) {
      snprintf(a, sizeof a, "all/fold-%d/best.safetensors", f);
      snprintf(b, sizeof b, "%s/fold-%d/best.safetensors", run, f);
      fit_same_file(a, b);
    }
    kohl_crossval_free(ctx, &r);
  }
  ck_assert_int_ge(stopped, 3); /* else the polls are too late to test anything */
  kohl_crossval_free(ctx, &whole);
  kohl_context_destroy(ctx);
}
END_TEST

static void refused(kohl_context *ctx, const kohl_train_options *options, int folds, kohl_status status,
                    const char *text) {
  kohl_crossval_result r;
  ck_assert_int_eq(kohl_crossval(ctx, options, folds, &r), status);
  ck_assert_msg(strstr(kohl_context_error(ctx), text) != NULL, "%s: %s", text, kohl_context_error(ctx));
  kohl_crossval_free(ctx, &r);
}

START_TEST(what_cannot_be_is_named) {
  kohl_context *ctx = fit_context(1);
  kohl_train_options options = options_of("wrong");
  refused(ctx, &options, 2, KOHL_USAGE, "2 folds, expected 3 to 1000");
  refused(ctx, &options, 1001, KOHL_USAGE, "1001 folds");
  options.data = "-";
  refused(ctx, &options, 3, KOHL_USAGE, "standard input");
  options = options_of("wrong");
  options.resume = true;
  refused(ctx, &options, 3, KOHL_USAGE, "no folds to go on with");
  ck_assert_int_ne(access(options.run, F_OK), 0);
  options = options_of("plain");
  fit_ok(ctx, kohl_train(ctx, &options, NULL));
  options.resume = true;
  refused(ctx, &options, 3, KOHL_USAGE, "a run without folds");
  /* batches of pixels */
  uint8_t *records = calloc(30, 3073);
  fit_make_folder("cifar");
  FILE *file = fopen(fit_path("cifar/data_batch_1.bin"), "w");
  for (int i = 0; i < 30; i++) records[i * 3073] = (uint8_t)(i % 10);
  ck_assert_uint_eq(fwrite(records, 3073, 30, file), 30);
  fclose(file);
  free(records);
  fit_write_text("cifar/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
  options = options_of("wrong");
  options.data = fit_path("cifar");
  refused(ctx, &options, 3, KOHL_USAGE, "batches");
  /* fields of a recipe that trains one fold */
  ck_assert_int_eq(fit_train(ctx, "wrong", false, "data.folds=2", NULL), KOHL_BAD_INPUT);
  ck_assert_msg(strstr(kohl_context_error(ctx), "data.folds") != NULL, "%s", kohl_context_error(ctx));
  ck_assert_int_ne(access(fit_path("wrong"), F_OK), 0);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(spoiled_figures_are_named) {
  static const char *const spoiled[][2] = {
      {"fold,pictures\n1,2\n", "other columns"},
      {"fold,pictures,bad,best_epoch,accuracy,balanced_accuracy,macro_f1\n2,18,0,1,1,1,1\n", "folds from 1 on"},
      {"fold,pictures,bad,best_epoch,accuracy,balanced_accuracy,macro_f1\n1,18,0,1,nan,1,1\n", "'nan'"},
      {"fold,pictures,bad,best_epoch,accuracy,balanced_accuracy,macro_f1\n1,-18,0,1,1,1,1\n", "'-18'"},
      {"fold,pictures,bad,best_epoch,accuracy,balanced_accuracy,macro_f1\n1,18,0,1,1,1,\n", "''"},
  };
  kohl_context *ctx = fit_context(1);
  kohl_train_options options = options_of("spoiled");
  kohl_crossval_result r;
  fit_ok(ctx, kohl_crossval(ctx, &options, 3, &r));
  kohl_crossval_free(ctx, &r);
  refused(ctx, &options, 3, KOHL_USAGE, "is not empty");
  options.resume = true;
  refused(ctx, &options, 4, KOHL_USAGE, "3 folds, expected 4");
  static const char *const other[] = {"epochs=2", "seed=9"};
  options.overrides = other;
  options.override_count = 2;
  refused(ctx, &options, 3, KOHL_USAGE, "overrides");
  options.override_count = 1;
  for (size_t i = 0; i < sizeof spoiled / sizeof *spoiled; i++) {
    fit_write_text("spoiled/folds.csv", spoiled[i][0]);
    refused(ctx, &options, 3, KOHL_BAD_INPUT, spoiled[i][1]);
  }
  /* lists of a fold without its recipe are what a kill may leave */
  ck_assert_int_eq(unlink(fit_path("spoiled/folds.csv")), 0);
  ck_assert_int_eq(unlink(fit_path("spoiled/fold-2/recipe.yaml")), 0);
  char command[768];
  const char *fold = fit_path("spoiled/fold-2");
  snprintf(command, sizeof command,
           "cd '%s' && rm -r metrics.csv best.safetensors last.ckpt previous.ckpt predictions.csv run.json report.html "
           "tensorboard && rm -rf figures",
           fold);
  ck_assert_int_eq(system(command), 0);
  fit_ok(ctx, kohl_crossval(ctx, &options, 3, &r));
  ck_assert_int_eq(r.done, 3);
  kohl_crossval_free(ctx, &r);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("crossval");
  TCase *tests = tcase_create("crossval");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fit_set_up, fit_tear_down);
  tcase_add_test(tests, every_picture_is_tested_once);
  tcase_add_test(tests, groups_stay_together);
  tcase_add_test(tests, mean_and_spread_by_definition);
  tcase_add_test(tests, goes_on_with_the_fold_at_hand);
  tcase_add_test(tests, what_cannot_be_is_named);
  tcase_add_test(tests, spoiled_figures_are_named);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
