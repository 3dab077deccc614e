/* The plan: whatever it fuses, places and merges, the numbers stay the same.
 *
 * Random networks are run twice: as planned, and with every layer asked for as a tap, which forbids every fusion, every
 * merge and every reuse of memory.  Without batch-norm both must agree bit for bit (the epilogue does the same
 * roundings as the separate layers); with batch-norm, folding rounds each weight once more, so a bound is derived
 * below. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"
#include "nn/session.h"

static kohl_context *ctx;

static void setup(void) { ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK); }
static void teardown(void) { kohl_context_destroy(ctx); }

typedef struct {
  uint64_t seed;
  uint32_t at;
} dice;

static int roll(dice *d, int sides) { return (int)(kohl_random_u32(d->seed, 0, d->at++, 0, 0) % (uint32_t)sides); }
static float value(dice *d) { return (float)kohl_random_uniform(d->seed, 0, d->at++, 0, 0) * 2.0f - 1.0f; }

static int add(kohl_graph *graph, kohl_layer layer, const kohl_params *params, int a, int b, int count) {
  char name[32];
  int inputs[2] = {a, b}, index;
  snprintf(name, sizeof name, "%s_%zu", kohl_layer_name(layer), graph->count);
  ck_assert_msg(kohl_graph_add(ctx, graph, layer, name, params, inputs, count, &index) == KOHL_OK, "%s", ctx->error);
  ck_assert_msg(kohl_graph_infer(ctx, graph) == KOHL_OK, "%s", ctx->error);
  return index;
}

static int random_conv(kohl_graph *graph, dice *d, int from) {
  kohl_params params = kohl_params_default();
  params.filters = 1 + roll(d, 40);
  params.kernel[0] = params.kernel[1] = roll(d, 2) ? 1 : 3;
  params.padding = KOHL_PADDING_SAME_UPPER;
  params.bias = roll(d, 2);
  params.activation = roll(d, 3) ? KOHL_ACTIVATION_NONE : KOHL_ACTIVATION_RELU;
  return add(graph, KOHL_LAYER_conv2d, &params, from, 0, 1);
}

/* Two branches of one shape, joined by add or concat. */
static int random_join(kohl_graph *graph, dice *d, int from) {
  kohl_params params = kohl_params_default();
  int a = random_conv(graph, d, from), b = random_conv(graph, d, from);
  if (roll(d, 2)) b = add(graph, KOHL_LAYER_relu, &params, b, 0, 1);
  if (roll(d, 2)) return add(graph, KOHL_LAYER_concat, &params, a, b, 2);
  params.filters = graph->nodes[a].shape.c;
  params.padding = KOHL_PADDING_SAME_UPPER;
  int c = add(graph, KOHL_LAYER_conv2d, &params, roll(d, 2) ? b : from, 0, 1);
  return add(graph, KOHL_LAYER_add, &params, roll(d, 2) ? a : c, a == c ? b : (roll(d, 2) ? a : c), 2);
}

static kohl_graph *random_graph(dice *d, bool norms) {
  kohl_graph *graph;
  kohl_params params = kohl_params_default();
  ck_assert_int_eq(kohl_graph_create(ctx, "random", &graph), KOHL_OK);
  params.size[0] = 5 + roll(d, 9);
  params.size[1] = 5 + roll(d, 9);
  params.size[2] = 1 + roll(d, 5);
  int at = add(graph, KOHL_LAYER_input, &params, 0, 0, 0);
  for (int i = 0, layers = 4 + roll(d, 8); i < layers; i++) {
    params = kohl_params_default();
    kohl_shape shape = graph->nodes[at].shape;
    switch (roll(d, norms ? 7 : 6)) {
      case 0: at = random_conv(graph, d, at); break;
      case 1: at = random_join(graph, d, at); break;
      case 2: at = add(graph, KOHL_LAYER_relu, &params, at, 0, 1); break;
      case 3:
        params.kernel[0] = params.kernel[1] = params.stride[0] = params.stride[1] = 2;
        if (shape.h >= 2 && shape.w >= 2)
          at = add(graph, KOHL_LAYER_max_pool, &params, random_conv(graph, d, at), 0, 1);
        break;
      case 4:
        params.kernel[0] = params.kernel[1] = 3;
        params.padding = KOHL_PADDING_SAME_UPPER;
        at = add(graph, KOHL_LAYER_avg_pool, &params, at, 0, 1);
        break;
      case 5: at = add(graph, KOHL_LAYER_concat, &params, at, random_conv(graph, d, at), 2); break;
      default: at = add(graph, KOHL_LAYER_batch_norm, &params, random_conv(graph, d, at), 0, 1); break;
    }
  }
  params = kohl_params_default();
  at = add(graph, roll(d, 2) ? KOHL_LAYER_flatten : KOHL_LAYER_global_avg_pool, &params, at, 0, 1);
  at = add(graph, KOHL_LAYER_dropout, &params, at, 0, 1);
  params.filters = 1 + roll(d, 20);
  at = add(graph, KOHL_LAYER_dense, &params, at, 0, 1);
  add(graph, KOHL_LAYER_softmax, &params, at, 0, 1);
  return graph;
}

static kohl_model *random_model(dice *d, bool norms) {
  kohl_model *model;
  ck_assert_int_eq(kohl_model_create(ctx, random_graph(d, norms), &model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    ck_assert_int_eq(kohl_weight_own(ctx, weight), KOHL_OK);
    bool positive = !strcmp(weight->spec.suffix, "variance") || !strcmp(weight->spec.suffix, "gamma");
    for (size_t j = 0; j < weight->spec.count; j++)
      weight->owned[j] = positive ? 1.0f + 0.5f * value(d) : value(d) * 0.5f;
  }
  return model;
}

/* Runs n of `batch` random pictures; the caller frees what it gets: the last layer's and `extra`'s output. */
static float *run_model(const kohl_model *model, const int *taps, size_t tap_count, int batch, int n, int extra,
                        size_t *bytes, size_t *arena) {
  kohl_plan_options options = kohl_plan_options_default();
  kohl_session *session;
  options.batch = batch;
  options.taps = taps;
  options.tap_count = tap_count;
  ck_assert_msg(kohl_session_create(ctx, model, &options, &session) == KOHL_OK, "%s", ctx->error);
  const kohl_graph *graph = model->graph;
  kohl_shape in = graph->nodes[0].shape;
  dice d = {99, 0};
  float *input = kohl_session_input(session);
  for (int i = 0; i < n * in.h * in.w * in.c; i++) input[i] = value(&d);
  ck_assert_msg(kohl_session_run(session, n) == KOHL_OK, "%s", ctx->error);
  int last = (int)graph->count - 1;
  size_t a = (size_t)n * (size_t)graph->nodes[last].shape.c;
  kohl_shape e = graph->nodes[extra].shape;
  size_t b = (size_t)n * (size_t)(e.h * e.w * e.c);
  float *out = malloc((a + b) * sizeof *out);
  ck_assert_int_eq(kohl_session_output(session, last, n, out), KOHL_OK);
  ck_assert_int_eq(kohl_session_output(session, extra, n, out + a), KOHL_OK);
  *bytes = (a + b) * sizeof *out;
  if (arena) *arena = session->plan->arena_bytes;
  kohl_session_destroy(session);
  return out;
}

static int *all_nodes(const kohl_graph *graph) {
  int *taps = malloc(graph->count * sizeof *taps);
  for (size_t i = 0; i < graph->count; i++) taps[i] = (int)i;
  return taps;
}

START_TEST(fused_equals_unfused) {
  dice d = {(uint64_t)_i + 1, 0};
  kohl_model *model = random_model(&d, false);
  int *taps = all_nodes(model->graph), extra = roll(&d, (int)model->graph->count);
  size_t bytes, same_bytes, arena, tapped;
  float *fused = run_model(model, &extra, 1, 3, 2, extra, &bytes, &arena);
  float *plain = run_model(model, taps, model->graph->count, 3, 2, extra, &same_bytes, &tapped);
  ck_assert_uint_eq(bytes, same_bytes);
  ck_assert_msg(!memcmp(fused, plain, bytes), "network %d: the fused plan gives other bits", _i);
  ck_assert_uint_le(arena, tapped);
  free(fused);
  free(plain);
  free(taps);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* Folding multiplies each weight by a scale rounded once: a relative change of at most 2^-23 per weight and layer,
 * besides the roundings of the convolution itself, at most K*2^-24 of the sum of magnitudes.  With L <= 13 layers, K <=
 * 360 terms, and values kept within a few units by inputs and weights below 1, the probabilities (derivative at most
 * 1/4) move by far less than L*K*2^-23*max|x|; 2e-3 is that with max|x| about 4. */
START_TEST(folded_norms_stay_near) {
  dice d = {(uint64_t)_i + 1000, 0};
  kohl_model *model = random_model(&d, true);
  int *taps = all_nodes(model->graph), last = (int)model->graph->count - 1;
  size_t bytes, same_bytes;
  float *folded = run_model(model, NULL, 0, 2, 2, last, &bytes, NULL);
  float *plain = run_model(model, taps, model->graph->count, 2, 2, last, &same_bytes, NULL);
  for (size_t i = 0; i < bytes / sizeof *folded; i++) ck_assert(fabsf(folded[i] - plain[i]) <= 2e-3f);
  free(folded);
  free(plain);
  free(taps);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* The graph written as JSON and read again plans to the same digest and computes the same bits; the model file too. */
START_TEST(model_file_round_trip) {
  dice d = {(uint64_t)_i + 2000, 0};
  kohl_model *model = random_model(&d, true), *again;
  char path[] = "/tmp/kohl_test_plan_XXXXXX";
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_msg(kohl_model_save(ctx, model, path) == KOHL_OK, "%s", ctx->error);
  ck_assert_msg(kohl_model_open(ctx, path, &again) == KOHL_OK, "%s", ctx->error);
  ck_assert_msg(kohl_model_verify(ctx, again) == KOHL_OK, "%s", ctx->error);
  size_t bytes, same_bytes;
  int last = (int)model->graph->count - 1;
  float *before = run_model(model, NULL, 0, 1, 1, last, &bytes, NULL);
  float *after = run_model(again, NULL, 0, 1, 1, last, &same_bytes, NULL);
  ck_assert(bytes == same_bytes && !memcmp(before, after, bytes));
  free(before);
  free(after);
  kohl_model_destroy(ctx, model);
  kohl_model_destroy(ctx, again);
  unlink(path);
}
END_TEST

START_TEST(memory_limit_names_a_batch_that_fits) {
  dice d = {7, 0};
  kohl_model *model = random_model(&d, false);
  kohl_plan_options options = kohl_plan_options_default();
  kohl_plan *plan;
  options.batch = 1;
  ck_assert_int_eq(kohl_plan_create(ctx, model->graph, &options, &plan), KOHL_OK);
  options.memory_limit = plan->arena_bytes * 2;
  kohl_plan_destroy(ctx, plan);
  options.batch = 4096;
  ck_assert_int_eq(kohl_plan_create(ctx, model->graph, &options, &plan), KOHL_NO_RESOURCE);
  ck_assert_ptr_null(plan);
  ck_assert_msg(strstr(ctx->error, "it fits with batch"), "%s", ctx->error);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* Gradients of a head against central differences of the loss in the same arithmetic.  With step h the difference has
 * an error of about h^2 from curvature and eps*loss/h from rounding; at h = 1/64 and losses near 2 both are below 1e-3
 * for activations of order one, and 2e-2 absolute leaves room for relu's kinks being avoided by seed. */
START_TEST(head_gradients) {
  kohl_graph *graph;
  kohl_params params = kohl_params_default();
  ck_assert_int_eq(kohl_graph_create(ctx, "head", &graph), KOHL_OK);
  params.size[0] = 2, params.size[1] = 2, params.size[2] = 5;
  int at = add(graph, KOHL_LAYER_input, &params, 0, 0, 0);
  at = add(graph, KOHL_LAYER_flatten, &params, at, 0, 1);
  params.filters = 7;
  params.activation = KOHL_ACTIVATION_RELU;
  at = add(graph, KOHL_LAYER_dense, &params, at, 0, 1);
  params.rate = 0.25f;
  at = add(graph, KOHL_LAYER_dropout, &params, at, 0, 1);
  params.filters = 4;
  params.activation = KOHL_ACTIVATION_NONE;
  at = add(graph, KOHL_LAYER_dense, &params, at, 0, 1);
  add(graph, KOHL_LAYER_softmax, &params, at, 0, 1);
  kohl_model *model;
  ck_assert_int_eq(kohl_model_create(ctx, graph, &model), KOHL_OK);
  dice d = {5, 0};
  for (size_t i = 0; i < model->weight_count; i++) {
    ck_assert_int_eq(kohl_weight_own(ctx, &model->weights[i]), KOHL_OK);
    for (size_t j = 0; j < model->weights[i].spec.count; j++) model->weights[i].owned[j] = value(&d);
  }
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = 6;
  options.train = true;
  options.seed = 3;
  kohl_session *session;
  ck_assert_msg(kohl_session_create(ctx, model, &options, &session) == KOHL_OK, "%s", ctx->error);
  for (int i = 0; i < 6 * 20; i++) kohl_session_input(session)[i] = value(&d);
  for (int i = 0; i < 6; i++) kohl_session_labels(session)[i] = i % 4, kohl_session_draws(session)[i] = (uint64_t)i;
  for (int i = 0; i < 4; i++) kohl_session_class_weights(session)[i] = 0.5f + (float)i;
  ck_assert_msg(kohl_session_backward(session, 6, 1) == KOHL_OK, "%s", ctx->error);
  size_t count;
  float *weights = kohl_session_params(session, &count);
  float *gradients = malloc(count * sizeof *gradients);
  memcpy(gradients, kohl_session_gradients(session, &count), count * sizeof *gradients);
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    double loss[2];
    float old = weights[i];
    for (int side = 0; side < 2; side++) {
      weights[i] = old + (side ? 1.0f : -1.0f) / 64.0f;
      ck_assert_int_eq(kohl_session_backward(session, 6, 1), KOHL_OK);
      loss[side] = 0;
      for (int s = 0; s < 6; s++) loss[side] += (double)kohl_session_losses(session)[s] / 6;
    }
    weights[i] = old;
    double slope = (loss[1] - loss[0]) * 32;
    if (fabs(slope) > largest) largest = fabs(slope);
    ck_assert_msg(fabs(slope - (double)gradients[i]) <= 2e-2, "parameter %zu: slope %g, gradient %g", i, slope,
                  (double)gradients[i]);
  }
  ck_assert(largest > 0.1); /* the loss does depend on them */
  free(gradients);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* A small network of convolutions, joins and relus, all trainable but one frozen convolution in the middle, against
 * central differences.  Relu's kinks are the trouble: a difference over +-h sees a kink nearby with an error of about
 * half a slope, so a few of many may be off; what is wrong everywhere is not.  At least 90 % of the parameters
 * agree to 2e-2 (see head_gradients), and the sums of all products with a random direction agree to 5 %. */
START_TEST(convolution_gradients) {
  kohl_graph *graph;
  kohl_params params = kohl_params_default();
  ck_assert_int_eq(kohl_graph_create(ctx, "net", &graph), KOHL_OK);
  params.size[0] = 6, params.size[1] = 5, params.size[2] = 3;
  int in = add(graph, KOHL_LAYER_input, &params, 0, 0, 0);
  params.filters = 4;
  params.kernel[0] = params.kernel[1] = 3;
  params.padding = KOHL_PADDING_SAME_UPPER;
  params.activation = KOHL_ACTIVATION_RELU;
  int a = add(graph, KOHL_LAYER_conv2d, &params, in, 0, 1);
  params.activation = KOHL_ACTIVATION_NONE;
  int frozen = add(graph, KOHL_LAYER_conv2d, &params, a, 0, 1);
  graph->nodes[frozen].trainable = false;
  int b = add(graph, KOHL_LAYER_relu, &params, frozen, 0, 1);
  int sum = add(graph, KOHL_LAYER_add, &params, b, a, 2);
  params.kernel[0] = params.kernel[1] = 1;
  int one = add(graph, KOHL_LAYER_conv2d, &params, sum, 0, 1);
  int join = add(graph, KOHL_LAYER_concat, &params, one, a, 2);
  params.stride[0] = params.stride[1] = 2;
  params.kernel[0] = params.kernel[1] = 3;
  params.groups = 2;
  int strided = add(graph, KOHL_LAYER_conv2d, &params, join, 0, 1);
  int flat = add(graph, KOHL_LAYER_flatten, &params, strided, 0, 1);
  params.filters = 3;
  int logits = add(graph, KOHL_LAYER_dense, &params, flat, 0, 1);
  add(graph, KOHL_LAYER_softmax, &params, logits, 0, 1);
  kohl_model *model;
  ck_assert_int_eq(kohl_model_create(ctx, graph, &model), KOHL_OK);
  dice d = {(uint64_t)_i + 50, 0};
  for (size_t i = 0; i < model->weight_count; i++) {
    ck_assert_int_eq(kohl_weight_own(ctx, &model->weights[i]), KOHL_OK);
    for (size_t j = 0; j < model->weights[i].spec.count; j++) model->weights[i].owned[j] = value(&d) * 0.4f;
  }
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = 4;
  options.train = true;
  kohl_session *session;
  ck_assert_msg(kohl_session_create(ctx, model, &options, &session) == KOHL_OK, "%s", ctx->error);
  for (int i = 0; i < 4 * 90; i++) kohl_session_input(session)[i] = value(&d);
  for (int i = 0; i < 4; i++) kohl_session_labels(session)[i] = i % 3;
  for (int i = 0; i < 3; i++) kohl_session_class_weights(session)[i] = 1;
  ck_assert_msg(kohl_session_backward(session, 4, 1) == KOHL_OK, "%s", ctx->error);
  size_t count, off = 0, seen = 0;
  float *weights = kohl_session_params(session, &count);
  float *gradients = malloc(count * sizeof *gradients);
  memcpy(gradients, kohl_session_gradients(session, &count), count * sizeof *gradients);
  double along = 0, measured = 0;
  for (size_t i = 0; i < count; i += 3) {
    double loss[2];
    float old = weights[i];
    for (int side = 0; side < 2; side++) {
      weights[i] = old + (side ? 1.0f : -1.0f) / 128.0f;
      ck_assert_int_eq(kohl_session_backward(session, 4, 1), KOHL_OK);
      loss[side] = 0;
      for (int s = 0; s < 4; s++) loss[side] += (double)kohl_session_losses(session)[s] / 4;
    }
    weights[i] = old;
    double slope = (loss[1] - loss[0]) * 64;
    off += !(fabs(slope - (double)gradients[i]) <= 2e-2);
    seen++;
    along += (double)gradients[i] * slope;
    measured += slope * slope;
  }
  ck_assert_msg(off * 10 <= seen, "%zu of %zu parameters are off", off, seen);
  ck_assert_msg(measured > 1e-3 && fabs(along / measured - 1) <= 0.05, "%g against %g", along, measured);
  free(gradients);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("plan");
  TCase *cases = tcase_create("plan");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_set_timeout(cases, 120);
  tcase_add_loop_test(cases, fused_equals_unfused, 0, 60);
  tcase_add_loop_test(cases, folded_norms_stay_near, 0, 30);
  tcase_add_loop_test(cases, model_file_round_trip, 0, 5);
  tcase_add_test(cases, memory_limit_names_a_batch_that_fits);
  tcase_add_test(cases, head_gradients);
  tcase_add_loop_test(cases, convolution_gradients, 0, 5);
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
