/* Temperatures and thresholds: found, put into models, read back. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fit_pictures.h"
#include "tests/unit/meter.h"
#include "train/calibrate.h"

/* Logits of five samples in three classes, two of them mistaken. */
static const float logits[15] = {3, 1, 0, /**/ 0, 4, 2, /**/ 5, 1, 2, /**/ 1, 0, 2, /**/ 0, 3, 1};
static const int32_t truth[5] = {0, 1, 2, 2, 0};
static const uint8_t marks[15] = {1, 0, 0, /**/ 0, 1, 1, /**/ 0, 0, 1, /**/ 0, 1, 1, /**/ 1, 0, 0};

static double softmax_loss(double t) {
  double sum = 0;
  for (int i = 0; i < 5; i++) {
    double all = 0;
    for (int c = 0; c < 3; c++) all += exp((double)logits[3 * i + c] / t);
    sum += log(all) - (double)logits[3 * i + truth[i]] / t;
  }
  return sum;
}

static double sigmoid_loss(double t) {
  double sum = 0;
  for (int i = 0; i < 15; i++) sum += log1p(exp((marks[i] ? -1 : 1) * (double)logits[i] / t));
  return sum;
}

/* At the minimum the loss rises on both sides; a millionth away by 1e-12 of it, which doubles still see at 1e-4. */
START_TEST(temperature_is_a_minimum) {
  kohl_context *ctx = fit_context(1);
  double t;
  fit_ok(ctx, kohl_temperature_find(ctx, logits, truth, NULL, 5, 3, &t));
  ck_assert(t > 1.5 && t < 100);
  ck_assert(softmax_loss(t) < softmax_loss(t * 1.0001) && softmax_loss(t) < softmax_loss(t / 1.0001));
  fit_ok(ctx, kohl_temperature_find(ctx, logits, NULL, marks, 5, 3, &t));
  ck_assert(sigmoid_loss(t) < sigmoid_loss(t * 1.0001) && sigmoid_loss(t) < sigmoid_loss(t / 1.0001));
  /* twice the logits, twice the temperature */
  float twice[15];
  double other;
  for (int i = 0; i < 15; i++) twice[i] = 2 * logits[i];
  fit_ok(ctx, kohl_temperature_find(ctx, twice, NULL, marks, 5, 3, &other));
  ck_assert_double_eq_tol(other, 2 * t, 1e-9 * t);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(data_without_a_temperature) {
  kohl_context *ctx = fit_context(1);
  const float equal[4] = {1, 1, 2, 2};
  const int32_t right[2] = {0, 1}, wrong[2] = {2, 0};
  double t = 0;
  fit_ok(ctx, kohl_temperature_find(ctx, equal, right, NULL, 2, 2, &t));
  ck_assert_double_eq(t, 1);
  ck_assert_int_eq(kohl_temperature_find(ctx, logits, right, NULL, 2, 3, &t), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "every one is right"));
  ck_assert_int_eq(kohl_temperature_find(ctx, logits, wrong, NULL, 2, 3, &t), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "nothing to do with the logits"));
  ck_assert_int_eq(kohl_temperature_find(ctx, logits, right, NULL, 0, 3, &t), KOHL_BAD_INPUT);
  kohl_context_destroy(ctx);
}
END_TEST

/* The pictures with every fifth label wrong: noise.csv. */
static void write_noise(void) {
  static const char *const names[] = {"red", "green", "blue"};
  char text[8192];
  size_t used = (size_t)sprintf(text, "path,label\n");
  for (int c = 0; c < 3; c++) {
    for (int i = 0; i < 12; i++) {
      used += (size_t)sprintf(text + used, "data/%s/%02d.png,%s\n", names[c], i, names[i % 5 ? c : (c + 1) % 3]);
    }
  }
  fit_write_text("noise.csv", text);
}

static kohl_evaluation evaluate(kohl_context *ctx, const char *model) {
  kohl_evaluate_options options = kohl_evaluate_options_default();
  kohl_evaluation e;
  fit_ok(ctx, kohl_evaluate(ctx, fit_path(model), fit_path("noise.csv"), &options, &e));
  ck_assert_uint_eq(e.predictions.count, 36);
  return e;
}

static kohl_status calibrate(kohl_context *ctx, const char *model, const char *output, bool thresholds,
                             kohl_calibrated *out) {
  kohl_calibrate_options options = kohl_calibrate_options_default();
  options.thresholds = thresholds;
  return kohl_calibrate(ctx, fit_path(model), fit_path("noise.csv"), fit_path(output), &options, out);
}

/* A run that is sure of itself, for labels that are not always right. */
static void train(kohl_context *ctx, const char *run, const char *set) {
  const char *sets[] = {"epochs=30", "optimizer.lr=0.03", "head.dropout=0", set};
  kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                .data = fit_path("data"),
                                .run = fit_path(run),
                                .init_from = fit_path("base.safetensors"),
                                .overrides = sets,
                                .override_count = 4};
  fit_ok(ctx, kohl_train(ctx, &options, NULL));
}

START_TEST(one_label_is_calibrated) {
  kohl_context *ctx = fit_context(2);
  write_noise();
  train(ctx, "one", "seed=1");
  kohl_evaluation before = evaluate(ctx, "one/best.safetensors");
  kohl_calibrated r, again;
  fit_ok(ctx, calibrate(ctx, "one/best.safetensors", "one.safetensors", false, &r));
  kohl_evaluation after = evaluate(ctx, "one.safetensors");
  ck_assert_uint_eq(r.n, 36);
  ck_assert(r.temperature > 1.05);
  /* single-precision logits and weights: 1e-5 is a hundred of their roundings */
  ck_assert_double_eq_tol(r.log_loss[0], before.metrics.log_loss, 1e-5);
  ck_assert_double_eq_tol(r.log_loss[1], after.metrics.log_loss, 1e-5);
  ck_assert_double_eq_tol(r.ece[1], after.metrics.ece, 1e-5);
  ck_assert(after.metrics.log_loss < before.metrics.log_loss - 0.01);
  ck_assert_double_eq(after.metrics.accuracy, before.metrics.accuracy);
  /* what is calibrated has nothing left to be done, onto itself too */
  fit_ok(ctx, calibrate(ctx, "one.safetensors", "one.safetensors", false, &again));
  ck_assert_double_eq_tol(again.temperature, 1, 1e-3);
  kohl_model *model;
  fit_ok(ctx, kohl_model_open(ctx, fit_path("one.safetensors"), &model));
  const char *note = strstr(model->provenance, "\"calibration\":{\"data\":");
  ck_assert_ptr_nonnull(note);
  ck_assert_ptr_null(strstr(note + 1, "\"calibration\"")); /* of the second time alone */
  ck_assert_ptr_nonnull(strstr(model->provenance, "\"recipe\""));
  kohl_model_destroy(ctx, model);
  ck_assert_int_eq(calibrate(ctx, "one.safetensors", "no.safetensors", true, &r), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "task 'one_label', expected 'many_labels'"));
  ck_assert_int_eq(calibrate(ctx, "base.safetensors", "no.safetensors", false, &r), KOHL_BAD_INPUT);
  ck_assert_int_ne(access(fit_path("no.safetensors"), F_OK), 0);
  kohl_evaluation_free(ctx, &before);
  kohl_evaluation_free(ctx, &after);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(thresholds_of_many_labels) {
  kohl_context *ctx = fit_context(2);
  write_noise();
  train(ctx, "many", "loss.name=sigmoid");
  kohl_evaluation plain = evaluate(ctx, "many/best.safetensors");
  kohl_calibrated r, scaled;
  ck_assert(plain.many && plain.metrics.n == 36); /* one label each: accuracy too */
  ck_assert(plain.many_metrics.thresholds[0] == 0.5f && plain.many_metrics.beta == 2);
  fit_ok(ctx, calibrate(ctx, "many/best.safetensors", "many.safetensors", true, &r));
  kohl_evaluation chosen = evaluate(ctx, "many.safetensors");
  ck_assert_double_eq_tol(r.macro_fbeta[0], plain.many_metrics.macro_fbeta, 1e-12);
  ck_assert_double_eq_tol(r.macro_fbeta[1], chosen.many_metrics.macro_fbeta, 1e-12);
  ck_assert(chosen.many_metrics.macro_fbeta >= plain.many_metrics.macro_fbeta);
  ck_assert_mem_eq(chosen.many_metrics.thresholds, r.thresholds[1], 3 * sizeof(float));
  /* a temperature moves the thresholds with the probabilities: no decision changes */
  fit_ok(ctx, calibrate(ctx, "many.safetensors", "scaled.safetensors", false, &scaled));
  kohl_evaluation moved = evaluate(ctx, "scaled.safetensors");
  ck_assert(fabs(scaled.temperature - 1) > 0.01);
  ck_assert_mem_eq(moved.predictions.chosen, chosen.predictions.chosen, 36 * 3);
  ck_assert(memcmp(moved.many_metrics.thresholds, chosen.many_metrics.thresholds, 3 * sizeof(float)) != 0);
  ck_assert(moved.many_metrics.log_loss < chosen.many_metrics.log_loss);
  kohl_calibrated_free(ctx, &r);
  kohl_calibrated_free(ctx, &scaled);
  kohl_evaluation_free(ctx, &plain);
  kohl_evaluation_free(ctx, &chosen);
  kohl_evaluation_free(ctx, &moved);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(thresholds_in_the_model_file) {
  kohl_context *ctx = fit_context(1);
  train(ctx, "file", "loss.name=sigmoid");
  kohl_model *model;
  const float values[] = {0.1f, 1, 0}, bad[] = {0.1f, 1.5f, 0}, none[] = {NAN, 0, 0};
  fit_ok(ctx, kohl_model_open(ctx, fit_path("file/best.safetensors"), &model));
  ck_assert_ptr_null(model->thresholds);
  ck_assert(kohl_model_threshold(model, 2) == 0.5f);
  fit_ok(ctx, kohl_model_set_thresholds(ctx, model, values, 3));
  ck_assert_int_eq(kohl_model_set_thresholds(ctx, model, bad, 3), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "thresholds: value 1.5 of label 'green', expected 0 to 1"));
  ck_assert_int_eq(kohl_model_set_thresholds(ctx, model, none, 3), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_model_set_thresholds(ctx, model, values, 2), KOHL_BAD_INPUT);
  fit_ok(ctx, kohl_model_save(ctx, model, fit_path("t.safetensors")));
  kohl_model_destroy(ctx, model);
  fit_ok(ctx, kohl_model_open(ctx, fit_path("t.safetensors"), &model));
  ck_assert_mem_eq(model->thresholds, values, sizeof values);
  fit_ok(ctx, kohl_model_set_thresholds(ctx, model, NULL, 0));
  ck_assert(kohl_model_threshold(model, 0) == 0.5f);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

/* input -> conv -> gap -> batch_norm -> softmax: nothing before the softmax can be divided. */
START_TEST(a_network_that_cannot_be_scaled) {
  kohl_context *ctx = fit_context(1);
  kohl_model *old, *model;
  kohl_graph *graph;
  kohl_calibrated r;
  int at = 0;
  static const kohl_layer layers[] = {KOHL_LAYER_conv2d, KOHL_LAYER_global_avg_pool, KOHL_LAYER_batch_norm,
                                      KOHL_LAYER_softmax};
  static const char *const names[] = {"conv", "gap", "norm", "prob"}, *const labels[] = {"blue", "green", "red"};
  write_noise();
  fit_ok(ctx, kohl_model_open(ctx, fit_path("base.safetensors"), &old));
  fit_ok(ctx, kohl_graph_create(ctx, "", &graph));
  kohl_params params = old->graph->nodes[0].params;
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_input, "input", &params, NULL, 0, &at));
  params = kohl_params_default();
  params.filters = 3;
  params.kernel[0] = params.kernel[1] = 1;
  for (int i = 0; i < 4; i++) {
    int input = at;
    fit_ok(ctx, kohl_graph_add(ctx, graph, layers[i], names[i], &params, &input, 1, &at));
  }
  fit_ok(ctx, kohl_graph_infer(ctx, graph));
  fit_ok(ctx, kohl_model_create(ctx, graph, &model));
  for (size_t i = 0; i < model->weight_count; i++) fit_ok(ctx, kohl_weight_own(ctx, &model->weights[i]));
  model->task = KOHL_TASK_ONE_LABEL;
  model->preprocessing = old->preprocessing;
  fit_ok(ctx, kohl_model_set_labels(ctx, model, labels, 3));
  fit_ok(ctx, kohl_model_save(ctx, model, fit_path("norm.safetensors")));
  kohl_model_destroy(ctx, model);
  kohl_model_destroy(ctx, old);
  ck_assert_int_eq(calibrate(ctx, "norm.safetensors", "no.safetensors", false, &r), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx),
                               "layer 'norm' (batch_norm) cannot be scaled by its weights, expected a dense or "
                               "convolution layer before 'prob'"));
  kohl_context_destroy(ctx);
}
END_TEST

/* Evaluation and both calibrations with the first `allowed` allocations granted; whether all went well. */
static bool with_allocations(long allowed) {
  meter m = {1000000, 0};
  kohl_context *ctx;
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  const long before = m.live;
  kohl_evaluate_options how = kohl_evaluate_options_default();
  kohl_evaluation e = {0};
  kohl_calibrated r = {0}, t = {0};
  how.bootstrap = 3;
  m.left = allowed;
  kohl_status status = kohl_evaluate(ctx, fit_path("memory/best.safetensors"), fit_path("noise.csv"), &how, &e);
  if (status == KOHL_OK) status = calibrate(ctx, "memory/best.safetensors", "m1.safetensors", true, &t);
  if (status == KOHL_OK) status = calibrate(ctx, "m1.safetensors", "m2.safetensors", false, &r);
  kohl_evaluation_free(ctx, &e);
  kohl_calibrated_free(ctx, &r);
  kohl_calibrated_free(ctx, &t);
  ck_assert_msg(m.live == before, "%ld left with %ld allocations", m.live - before, allowed);
  ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "%s", kohl_context_error(ctx));
  kohl_context_destroy(ctx);
  return status == KOHL_OK;
}

/* A picture whose memory is refused is a failure too, not a bad picture.  Steps of 1 while models are opened and read,
 * of 17 later on. */
START_TEST(refused_memory) {
  kohl_context *ctx = fit_context(1);
  write_noise();
  train(ctx, "memory", "loss.name=sigmoid");
  kohl_context_destroy(ctx);
  long allowed = 0;
  while (!with_allocations(allowed)) {
    allowed += allowed < 200 ? 1 : 17;
    ck_assert_int_lt(allowed, 20000);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("calibrate");
  TCase *tests = tcase_create("calibrate");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fit_set_up, fit_tear_down);
  tcase_add_test(tests, temperature_is_a_minimum);
  tcase_add_test(tests, data_without_a_temperature);
  tcase_add_test(tests, one_label_is_calibrated);
  tcase_add_test(tests, thresholds_of_many_labels);
  tcase_add_test(tests, thresholds_in_the_model_file);
  tcase_add_test(tests, a_network_that_cannot_be_scaled);
  tcase_add_test(tests, refused_memory);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
