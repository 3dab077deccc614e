/* Phases of a run: what a step reads changes no bit of what is learned, and what is frozen stays as it was. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/model.h"
#include "tests/unit/fit_pictures.h"

enum { SETS = 12 };

static const char *const augmented[] = {"augment.rotation=20", "augment.width_shift=0.2",
                                        "augment.horizontal_flip=true"};

/* Trains with the recipe's file and the assignments up to the first NULL. */
static kohl_status train(kohl_context *ctx, const char *recipe, const char *run, bool resume, const char *const *sets,
                         kohl_train_result *out) {
  size_t count = 0;
  while (count < SETS && sets[count]) count++;
  kohl_train_options options = {.recipe = fit_path(recipe),
                                .data = fit_path("data"),
                                .run = fit_path(run),
                                .resume = resume,
                                .init_from = fit_path("base.safetensors"),
                                .overrides = sets,
                                .override_count = count};
  return kohl_train(ctx, &options, out);
}

static void same_run(const char *a, const char *b) {
  char one[64], other[64];
  snprintf(one, sizeof one, "%s/last.ckpt", a);
  snprintf(other, sizeof other, "%s/last.ckpt", b);
  fit_same_state(one, other);
}

/* The base's outputs may be kept, be too large to be kept, or be worked out in every step. */
START_TEST(kept_outputs_change_nothing) {
  kohl_context *ctx = fit_context(2);
  fit_ok(ctx, train(ctx, "r.yaml", "kept", false, (const char *const[SETS]){NULL}, NULL));
  fit_ok(ctx, train(ctx, "r.yaml", "stepwise", false, (const char *const[SETS]){"features.cache=false"}, NULL));
  fit_ok(ctx, train(ctx, "r.yaml", "no_room", false, (const char *const[SETS]){"limits.cache_bytes=1000"}, NULL));
  same_run("kept", "stepwise");
  same_run("kept", "no_room");
  size_t bytes;
  char *log = fit_load("no_room/log.txt", &bytes);
  ck_assert_msg(strstr(log, "limits.cache_bytes: 1000; the frozen part runs in every step"), "%s", log);
  free(log);
  kohl_context_destroy(ctx);
}
END_TEST

/* As many variants as epochs are what a step would have worked out; fewer are another training. */
START_TEST(variants_are_augmented_epochs) {
  kohl_context *ctx = fit_context(2), *one = fit_context(1);
  const char *sets[SETS] = {augmented[0], augmented[1], augmented[2], "data.oversample=25"};
  fit_ok(ctx, train(ctx, "r.yaml", "augmented", false, sets, NULL));
  fit_ok(one, train(one, "r.yaml", "augmented1", false, sets, NULL));
  same_run("augmented", "augmented1");
  sets[4] = "features.variants=8";
  fit_ok(ctx, train(ctx, "r.yaml", "variants8", false, sets, NULL));
  same_run("augmented", "variants8");
  sets[4] = "data.workers=0";
  sets[5] = "limits.picture_bytes=0";
  fit_ok(ctx, train(ctx, "r.yaml", "no_workers", false, sets, NULL));
  same_run("augmented", "no_workers");
  kohl_context_destroy(ctx);
  kohl_context_destroy(one);
}
END_TEST

static const float *tensor(kohl_model *model, const char *node, size_t *count) {
  const kohl_weight *weight = kohl_model_weight(model, kohl_graph_find(model->graph, node), "weight");
  ck_assert_ptr_nonnull(weight);
  *count = weight->spec.count;
  return weight->data;
}

static bool same_tensor(kohl_context *ctx, const char *a, const char *b, const char *node) {
  kohl_model *one, *other;
  size_t n, m;
  fit_ok(ctx, kohl_model_open(ctx, fit_path(a), &one));
  fit_ok(ctx, kohl_model_open(ctx, fit_path(b), &other));
  const float *x = tensor(one, node, &n), *y = tensor(other, node, &m);
  ck_assert_uint_eq(n, m);
  bool same = !memcmp(x, y, n * sizeof *x);
  kohl_model_destroy(ctx, one);
  kohl_model_destroy(ctx, other);
  return same;
}

/* Phase 1 trains the head, phase 2 the convolution too: it moves in phase 2 only, from where it was. */
START_TEST(a_phase_trains_what_it_names) {
  kohl_context *ctx = fit_context(2);
  kohl_train_result result;
  fit_ok(ctx, train(ctx, "two.yaml", "two", false, (const char *const[SETS]){NULL}, &result));
  ck_assert_int_eq(result.epochs, 5);
  ck_assert(same_tensor(ctx, "base.safetensors", "two/phase-2.safetensors", "conv"));
  ck_assert(!same_tensor(ctx, "base.safetensors", "two/best.safetensors", "conv"));
  size_t bytes;
  char *metrics = fit_load("two/metrics.csv", &bytes);
  ck_assert_msg(strstr(metrics, "\n1,3,21,") && strstr(metrics, "\n2,4,28,"), "%s", metrics);
  free(metrics);
  fit_ok(ctx, train(ctx, "two.yaml", "two_slow", false, (const char *const[SETS]){"features.cache=false"}, NULL));
  same_run("two", "two_slow");
  /* the last layer of the base as Keras counts is the convolution with its activation */
  fit_ok(ctx, train(ctx, "two.yaml", "two_last", false, (const char *const[SETS]){"phases.2.train=last 1"}, NULL));
  same_run("two", "two_last");
  kohl_context_destroy(ctx);
}
END_TEST

/* Wherever a run of two phases is stopped, augmented or not, it goes on as if it had not been. */
START_TEST(phases_resume) {
  static const char *const kinds[][SETS] = {
      {NULL},
      {"augment.rotation=20", "augment.zoom=[0.9, 1.1]", "features.variants=2", "accumulate=2"},
      {"augment.rotation=20", "augment.horizontal_flip=true", "phases.2.begin=best", "data.oversample=25",
       "optimizer.ema=0.5", "phases.1.stop.patience=1", "head.norm=batch"},
  };
  static const long polls[] = {100, 170, 290, 330, 400, 520};
  kohl_context *ctx = fit_context(2), *other = fit_context(3);
  char whole[32], run[32];
  snprintf(whole, sizeof whole, "whole%d", _i);
  fit_ok(ctx, train(ctx, "two.yaml", whole, false, kinds[_i], NULL));
  size_t stopped = 0;
  for (size_t i = 0; i < sizeof polls / sizeof *polls; i++) {
    snprintf(run, sizeof run, "stop%d_%zu", _i, i);
    fit_polls_left = polls[i];
    kohl_status status = train(ctx, "two.yaml", run, false, kinds[_i], NULL);
    fit_polls_left = -1;
    ck_assert_msg(status == KOHL_INTERRUPTED || status == KOHL_OK, "%s", kohl_context_error(ctx));
    stopped += status == KOHL_INTERRUPTED;
    fit_ok(other, train(other, "two.yaml", run, true, kinds[_i], NULL));
    same_run(whole, run);
  }
  ck_assert_uint_ge(stopped, 4);
  kohl_context_destroy(ctx);
  kohl_context_destroy(other);
}
END_TEST

/* Two batches of 7 in one update are what a batch of 14 is, but for the order of sums: nearly the same loss. */
START_TEST(accumulated_batches_are_a_large_one) {
  kohl_context *ctx = fit_context(2);
  kohl_train_result large, small;
  const char *sets[SETS] = {"batch=14", "head.dropout=0"};
  fit_ok(ctx, train(ctx, "r.yaml", "large", false, sets, &large));
  sets[0] = "batch=7";
  sets[2] = "accumulate=2";
  fit_ok(ctx, train(ctx, "r.yaml", "small", false, sets, &small));
  ck_assert_int_eq((int)large.steps, (int)small.steps);
  ck_assert_double_eq_tol(large.loss, small.loss, 1e-4 * large.loss); /* 32 steps of f32 at most 1e-6 apart each */
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(training_ends_early) {
  kohl_context *ctx = fit_context(2);
  kohl_train_result result;
  const char *sets[SETS] = {"stop.patience=1", "optimizer.lr=1e-30"}; /* nothing is learned: epoch 2 is no better */
  fit_ok(ctx, train(ctx, "r.yaml", "early", false, sets, &result));
  ck_assert_int_eq(result.epochs, 2);
  fit_ok(ctx, train(ctx, "r.yaml", "early", true, sets, &result)); /* and stays ended */
  ck_assert_int_eq(result.epochs, 2);
  kohl_context_destroy(ctx);
}
END_TEST

static void set_up(void) {
  fit_set_up();
  fit_write_text("two.yaml",
                 "pictures: {fit: stretch, filter: bilinear}\n"
                 "head: {dense: [16], dropout: 0.25}\n"
                 "optimizer: {lr: 3e-3}\n"
                 "batch: 7\nseed: 3\nbest: val_loss\n"
                 "phases:\n"
                 "  - train: head\n"
                 "    epochs: 3\n"
                 "  - train: from conv\n"
                 "    epochs: 2\n"
                 "    optimizer: {lr: 1e-3, decay: 1e-3}\n");
}

int main(void) {
  Suite *suite = suite_create("phases");
  TCase *tests = tcase_create("phases");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, set_up, fit_tear_down);
  tcase_add_test(tests, kept_outputs_change_nothing);
  tcase_add_test(tests, variants_are_augmented_epochs);
  tcase_add_test(tests, a_phase_trains_what_it_names);
  tcase_add_loop_test(tests, phases_resume, 0, 3);
  tcase_add_test(tests, accumulated_batches_are_a_large_one);
  tcase_add_test(tests, training_ends_early);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
