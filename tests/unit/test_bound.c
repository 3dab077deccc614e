/* The bound of a head's gradients: never below their norm, near enough to be of use, none where a number is none; and a
 * step with it is the step without. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "train/bound.h"
#include "train/initial.h"

enum { IN = 512, BATCH = 24, WIDE = 256, CLASSES = 5 };

static kohl_context *ctx;

static void open_context(void) { ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK); }
static void close_context(void) { kohl_context_destroy(ctx); }

static void ok(kohl_status status) { ck_assert_msg(status == KOHL_OK, "%s", kohl_context_error(ctx)); }

/* input -> dense WIDE with ReLU -> dense CLASSES -> softmax. */
static kohl_model *make_model(void) {
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default();
  int last;
  ok(kohl_graph_create(ctx, "", &graph));
  params.size[0] = params.size[1] = 1;
  params.size[2] = IN;
  ok(kohl_graph_add(ctx, graph, KOHL_LAYER_input, "input", &params, NULL, 0, &last));
  params = kohl_params_default();
  params.filters = WIDE;
  params.activation = KOHL_ACTIVATION_RELU;
  ok(kohl_graph_add(ctx, graph, KOHL_LAYER_dense, "wide", &params, &last, 1, &last));
  params.filters = CLASSES;
  params.activation = KOHL_ACTIVATION_NONE;
  ok(kohl_graph_add(ctx, graph, KOHL_LAYER_dense, "logits", &params, &last, 1, &last));
  params = kohl_params_default();
  ok(kohl_graph_add(ctx, graph, KOHL_LAYER_softmax, "softmax", &params, &last, 1, &last));
  ok(kohl_graph_infer(ctx, graph));
  ok(kohl_model_create(ctx, graph, &model));
  ok(kohl_weights_draw(ctx, model, 7, KOHL_DRAWS_HEAD));
  return model;
}

static kohl_session *make_session(const kohl_model *model) {
  kohl_session *session;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = BATCH;
  options.train = true;
  ok(kohl_session_create(ctx, model, &options, &session));
  return session;
}

/* One backward pass on drawn numbers, of which one may be another. */
static void run(kohl_session *session, int n, uint32_t seed, float other) {
  float *input = kohl_session_input(session);
  for (int i = 0; i < n * IN; i++) input[i] = kohl_random_uniform(seed, 0, 0, 0, (uint64_t)i) - 0.5f;
  if (other != 0.0f) input[IN + 3] = other;
  for (int i = 0; i < n; i++) kohl_session_labels(session)[i] = (int32_t)(seed + (uint32_t)i) % CLASSES;
  ok(kohl_session_backward(session, n, 1));
}

static kohl_update *make_update(kohl_session *session) {
  const kohl_update_options options = {.rule = KOHL_UPDATE_RMSPROP, .rho = 0.9, .epsilon = 1e-7};
  kohl_update *update;
  size_t count;
  const float *params = kohl_session_params(session, &count);
  ok(kohl_update_create(ctx, &options, params, count, &update));
  return update;
}

START_TEST(bounds_the_norm) {
  kohl_model *model = make_model();
  kohl_session *session = make_session(model);
  kohl_update *update = make_update(session);
  for (uint32_t seed = 1; seed <= 100; seed++) {
    const int n = 1 + (int)seed % BATCH;
    run(session, n, seed, 0);
    size_t count;
    const float *gradients = kohl_session_gradients(session, &count);
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (double)gradients[i] * (double)gradients[i];
    const double bound = kohl_gradient_bound(session, n, update);
    ck_assert_msg(bound >= sqrt(squares), "seed %u: %g below %g", seed, bound, sqrt(squares));
    /* no law, but so of such matrices: a bound that is far too large would never be used */
    ck_assert_msg(bound < 100 * sqrt(squares), "seed %u: %g far above %g", seed, bound, sqrt(squares));
  }
  kohl_update_destroy(update);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
}
END_TEST

START_TEST(no_number_no_bound) {
  kohl_model *model = make_model();
  kohl_session *session = make_session(model);
  kohl_update *update = make_update(session);
  static const float wrong[] = {NAN, INFINITY, -INFINITY};
  size_t count;
  float *params = kohl_session_params(session, &count), *gradients = kohl_session_gradients(session, &count);
  float *before = malloc(count * sizeof *before);
  memcpy(before, params, count * sizeof *before);
  for (int i = 0; i < 3; i++) {
    run(session, BATCH, 3, wrong[i]);
    const double bound = kohl_gradient_bound(session, BATCH, update);
    ck_assert_msg(!(bound < INFINITY), "%g", bound);
    kohl_update_bound(update, bound);
    ck_assert(!kohl_update_step(update, 1, 1e-3, params, gradients));
    ck_assert_int_eq(memcmp(before, params, count * sizeof *before), 0);
  }
  free(before);
  kohl_update_destroy(update);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* The bound counts for one step only: a bad one behind it is still refused. */
START_TEST(the_same_steps) {
  kohl_model *model = make_model();
  kohl_session *with = make_session(model), *without = make_session(model);
  kohl_update *a = make_update(with), *b = make_update(without);
  size_t count;
  float *pa = kohl_session_params(with, &count), *pb = kohl_session_params(without, &count);
  float *ga = kohl_session_gradients(with, &count), *gb = kohl_session_gradients(without, &count);
  for (int step = 1; step <= 20; step++) {
    run(with, BATCH, (uint32_t)step, 0);
    run(without, BATCH, (uint32_t)step, 0);
    kohl_update_bound(a, kohl_gradient_bound(with, BATCH, a));
    ck_assert(kohl_update_step(a, step, 1e-3, pa, ga));
    ck_assert(kohl_update_step(b, step, 1e-3, pb, gb));
    ck_assert_int_eq(memcmp(pa, pb, count * sizeof *pa), 0);
  }
  ga[5] = NAN;
  ck_assert(!kohl_update_step(a, 21, 1e-3, pa, ga));
  ck_assert_int_eq(memcmp(pa, pb, count * sizeof *pa), 0);
  kohl_update_destroy(a);
  kohl_update_destroy(b);
  kohl_session_destroy(with);
  kohl_session_destroy(without);
  kohl_model_destroy(ctx, model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bound");
  TCase *tests = tcase_create("bound");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, bounds_the_norm);
  tcase_add_test(tests, no_number_no_bound);
  tcase_add_test(tests, the_same_steps);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
