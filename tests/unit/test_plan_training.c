/* Plans of training: batch-norm with the batch's statistics, several heads, recompute, and the frozen part as
 * inference.
 *
 * Gradients are compared with central differences along random directions: along d the loss changes by h * <g, d> up to
 * h^3/6 times the third derivative and eps * loss / h of rounding.  With smooth layers (no relu), h = 1/512 and losses
 * near 1 the second is below 1e-7 * 512 = 5e-5; directions are scaled so that <g, d> is of order 1, and 1 % is asked.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/session.h"
#include "tests/unit/graph_checks.h"

#define NEED(call) ck_assert_msg((call) == KOHL_OK, "%s", graph_ctx->error)

static float value(uint64_t seed, uint32_t stream, size_t i) {
  return kohl_random_uniform(seed, 0, stream, 1, (uint32_t)i) * 2.0f - 1.0f;
}

static int add(kohl_graph *graph, kohl_layer layer, const char *name, const kohl_params *params, int a, int b) {
  int inputs[2] = {a, b}, index;
  NEED(kohl_graph_add(graph_ctx, graph, layer, name, params, inputs, layer == KOHL_LAYER_input ? 0 : 1 + (b >= 0),
                      &index));
  NEED(kohl_graph_infer(graph_ctx, graph));
  return index;
}

/* Random weights of He's scale; variances and gammas near 1. */
static kohl_model *model_of(kohl_graph *graph, uint64_t seed) {
  kohl_model *model;
  NEED(kohl_model_create(graph_ctx, graph, &model));
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    NEED(kohl_weight_own(graph_ctx, weight));
    bool one = !strcmp(weight->spec.suffix, "gamma") || !strcmp(weight->spec.suffix, "variance");
    size_t fan = weight->spec.count / (size_t)weight->spec.shape[0];
    float scale = weight->spec.dims > 1 ? sqrtf(6.0f / (float)fan) : 0.1f;
    for (size_t j = 0; j < weight->spec.count; j++)
      weight->owned[j] = (one ? 1.0f : 0.0f) + scale * value(seed, (uint32_t)i, j);
  }
  return model;
}

static kohl_session *session_of(const kohl_model *model, const kohl_plan_options *options) {
  kohl_session *session;
  NEED(kohl_session_create(graph_ctx, model, options, &session));
  const kohl_shape in = model->graph->nodes[0].shape;
  size_t floats = (size_t)options->batch * (size_t)(in.h * in.w * in.c);
  for (size_t i = 0; i < floats; i++) kohl_session_input(session)[i] = value(9, 9999, i);
  for (int i = 0; i < options->batch; i++) kohl_session_draws(session)[i] = (uint64_t)i;
  for (size_t h = 0; h < session->plan->head_count; h++) {
    kohl_session_head head = kohl_session_head_at(session, h);
    for (int i = 0; head.labels && i < options->batch; i++) head.labels[i] = i % head.k;
    for (int i = 0; head.targets && i < options->batch * head.k; i++) head.targets[i] = (float)(i % 3 == 0);
  }
  return session;
}

static kohl_plan_options training(int batch) {
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = batch;
  options.train = true;
  options.seed = 4;
  return options;
}

/* The slope of the loss along random directions against the gradients. */
static void check_slopes(kohl_session *session, int n) {
  const float h = 1.0f / 512;
  size_t count;
  float *params = kohl_session_params(session, &count);
  NEED(kohl_session_backward(session, n, 1));
  float *gradients = malloc(2 * count * sizeof *gradients), *start = gradients + count;
  ck_assert_ptr_nonnull(gradients);
  memcpy(gradients, kohl_session_gradients(session, &count), count * sizeof *gradients);
  memcpy(start, params, count * sizeof *start);
  double norm = 0;
  for (size_t i = 0; i < count; i++) norm += (double)gradients[i] * (double)gradients[i];
  ck_assert(norm > 1e-6);
  for (uint32_t direction = 0; direction < 5; direction++) {
    double slope = 0, loss[2];
    for (int side = 0; side < 2; side++) {
      slope = 0;
      for (size_t i = 0; i < count; i++) { /* half along the gradient, half at random, of length 1 */
        float d = 0.7f * gradients[i] / (float)sqrt(norm) + value(77, direction, i) / sqrtf((float)count);
        params[i] = start[i] + (side ? h : -h) * d;
        slope += (double)d * (double)gradients[i];
      }
      NEED(kohl_session_backward(session, n, 1));
      loss[side] = kohl_session_loss(session, n);
    }
    double measured = (loss[1] - loss[0]) / (2 * (double)h);
    ck_assert_msg(fabs(measured - slope) <= 0.01 * fabs(slope) + 1e-3, "slope %g, gradient %g", measured, slope);
  }
  memcpy(params, start, count * sizeof *start);
  free(gradients);
}

/* conv, batch-norm, sigmoid, conv, batch-norm without gamma, average, dense, softmax. */
static kohl_graph *normed(bool unbiased, bool second_trained) {
  kohl_graph *graph;
  kohl_params p = kohl_params_default();
  NEED(kohl_graph_create(graph_ctx, "normed", &graph));
  p.size[0] = 5, p.size[1] = 4, p.size[2] = 3;
  int at = add(graph, KOHL_LAYER_input, "in", &p, 0, -1);
  p.filters = 6, p.kernel[0] = p.kernel[1] = 3, p.padding = KOHL_PADDING_SAME_UPPER;
  at = add(graph, KOHL_LAYER_conv2d, "c1", &p, at, -1);
  p.momentum = 0.75f, p.unbiased = unbiased;
  at = add(graph, KOHL_LAYER_batch_norm, "n1", &p, at, -1);
  at = add(graph, KOHL_LAYER_sigmoid, "s1", &p, at, -1);
  at = add(graph, KOHL_LAYER_conv2d, "c2", &p, at, -1);
  p.gamma = false;
  at = add(graph, KOHL_LAYER_batch_norm, "n2", &p, at, -1);
  graph->nodes[at].trainable = second_trained;
  at = add(graph, KOHL_LAYER_global_avg_pool, "gap", &p, at, -1);
  p.filters = 4;
  at = add(graph, KOHL_LAYER_dense, "d", &p, at, -1);
  add(graph, KOHL_LAYER_softmax, "out", &p, at, -1);
  return graph;
}

START_TEST(batch_norm_gradients) {
  kohl_model *model = model_of(normed(false, _i == 0), 1);
  kohl_plan_options options = training(6);
  kohl_session *session = session_of(model, &options);
  ck_assert_uint_eq(kohl_plan_param(session->plan, kohl_graph_find(model->graph, "n1"), "mean"), SIZE_MAX);
  ck_assert_uint_ne(kohl_plan_param(session->plan, kohl_graph_find(model->graph, "n1"), "beta"), SIZE_MAX);
  ck_assert_uint_eq(kohl_plan_param(session->plan, kohl_graph_find(model->graph, "n2"), "gamma"), SIZE_MAX);
  check_slopes(session, 6);
  check_slopes(session, 5);
  kohl_session_destroy(session);
  kohl_model_destroy(graph_ctx, model);
}
END_TEST

/* Running statistics against their definition in double; a float's rounding apart, hence 1e-5 of the value. */
START_TEST(running_statistics) {
  kohl_graph *graph = normed(_i == 1, true);
  kohl_model *model = model_of(graph, 2);
  kohl_plan_options options = training(3);
  int conv = kohl_graph_find(graph, "c1"), norm = kohl_graph_find(graph, "n1");
  options.taps = &conv, options.tap_count = 1;
  kohl_session *session = session_of(model, &options);
  size_t count, rows = 3 * 5 * 4;
  float *state = kohl_session_state(session, &count);
  ck_assert_uint_ge(count, 24);
  float *before = malloc(count * sizeof *before), *x = malloc(rows * 6 * sizeof *x);
  ck_assert(before && x);
  memcpy(before, state, count * sizeof *before);
  NEED(kohl_session_backward(session, 3, 1));
  NEED(kohl_session_output(session, conv, 3, x));
  size_t mean_at = kohl_plan_state(session->plan, norm, "mean"),
         var_at = kohl_plan_state(session->plan, norm, "variance");
  for (size_t c = 0; c < 6; c++) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < rows; i++) mean += (double)x[i * 6 + c] / (double)rows;
    for (size_t i = 0; i < rows; i++) squares += ((double)x[i * 6 + c] - mean) * ((double)x[i * 6 + c] - mean);
    double variance = squares / (double)(_i == 1 ? rows - 1 : rows);
    double m = 0.75 * (double)before[mean_at + c] + 0.25 * mean;
    double v = 0.75 * (double)before[var_at + c] + 0.25 * variance;
    ck_assert_msg(fabs((double)state[mean_at + c] - m) <= 1e-5 * (fabs(m) + 1), "mean");
    ck_assert_msg(fabs((double)state[var_at + c] - v) <= 1e-5 * v, "variance %g %g", (double)state[var_at + c], v);
  }
  NEED(kohl_session_store_params(session, model));
  const kohl_weight *stored = kohl_model_weight(model, norm, "variance");
  ck_assert_mem_eq(stored->data, state + var_at, 6 * sizeof(float));
  kohl_session_undo_state(session);
  ck_assert_mem_eq(state, before, count * sizeof *state);
  free(before), free(x);
  kohl_session_destroy(session);
  kohl_model_destroy(graph_ctx, model);
}
END_TEST

/* One trunk, a softmax and a sigmoid head. */
static kohl_graph *two_headed(void) {
  kohl_graph *graph;
  kohl_params p = kohl_params_default();
  NEED(kohl_graph_create(graph_ctx, "two", &graph));
  p.size[0] = p.size[1] = 4, p.size[2] = 3;
  int at = add(graph, KOHL_LAYER_input, "in", &p, 0, -1);
  p.filters = 5, p.kernel[0] = p.kernel[1] = 3;
  int conv = add(graph, KOHL_LAYER_conv2d, "c", &p, at, -1);
  int on = add(graph, KOHL_LAYER_sigmoid, "on", &p, conv, -1);
  int flat = add(graph, KOHL_LAYER_flatten, "f", &p, on, -1);
  p.filters = 3;
  int kind = add(graph, KOHL_LAYER_dense, "kind", &p, flat, -1);
  add(graph, KOHL_LAYER_softmax, "kind_out", &p, kind, -1);
  p.filters = 4;
  int material = add(graph, KOHL_LAYER_dense, "material", &p, flat, -1);
  add(graph, KOHL_LAYER_sigmoid, "material_out", &p, material, -1);
  return graph;
}

START_TEST(two_heads) {
  kohl_model *model = model_of(two_headed(), 3);
  kohl_plan_options options = training(6);
  kohl_head_options heads[2] = {{kohl_graph_find(model->graph, "kind_out"), 0.25f, 0.1f, true},
                                {kohl_graph_find(model->graph, "material_out"), 2.0f, 0, true}};
  options.heads = heads, options.head_count = 2;
  kohl_session *session = session_of(model, &options);
  kohl_session_head kind = kohl_session_head_at(session, 0), material = kohl_session_head_at(session, 1);
  for (int i = 0; i < 3; i++) kind.class_weights[i] = 0.5f + (float)i;
  for (int i = 0; i < 4; i++) material.positive_weights[i] = 1.0f + (float)i;
  for (int i = 0; i < 6; i++) material.sample_weights[i] = (float)(i % 3 + 1);
  check_slopes(session, 6);
  double sum = 0, weights = 0, other = 0, samples = 0;
  for (int i = 0; i < 6; i++) {
    sum += (double)kind.losses[i], weights += (double)kind.class_weights[kind.labels[i]];
    other += (double)material.losses[i], samples += (double)material.sample_weights[i];
  }
  double loss = 0.25 * sum / weights + 2 * other / samples;
  ck_assert(fabs(kohl_session_loss(session, 6) - loss) <= 1e-6 * loss);
  kohl_session_destroy(session);
  kohl_model_destroy(graph_ctx, model);
}
END_TEST

START_TEST(wrong_heads) {
  kohl_model *model = model_of(two_headed(), 3);
  kohl_plan_options options = training(2);
  int kind = kohl_graph_find(model->graph, "kind_out"), trunk = kohl_graph_find(model->graph, "on");
  const struct {
    kohl_head_options heads[2];
    size_t count;
    const char *text;
  } cases[] = {{{{99, 1, 0, false}}, 1, "head: layer number 99, expected 0 to 7"},
               {{{trunk, 1, 0, false}}, 1, "layer 'on' (sigmoid): its output is 2x2x5, expected 1x1xN"},
               {{{kind, 0, 0, false}}, 1, "head 'kind_out': its loss's weight is 0, expected a number above 0"},
               {{{kind, 1, 0, false}, {kind, 1, 0, false}}, 2, "head 'kind_out' is given twice"},
               {{{kind - 1, 1, 0, false}}, 1, "layer 'kind' (dense): training needs a softmax or sigmoid"},
               {{{kind, 1, 0, false}}, 0, "training: 0 heads, expected 1 to 16"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kohl_session *session;
    options.heads = cases[i].heads, options.head_count = cases[i].count;
    ck_assert_int_eq(kohl_session_create(graph_ctx, model, &options, &session), KOHL_USAGE);
    ck_assert_msg(strstr(graph_ctx->error, cases[i].text) != NULL, "%s", graph_ctx->error);
  }
  kohl_model_destroy(graph_ctx, model);
}
END_TEST

typedef struct outcome {
  float *gradients, *state;
  size_t params, states, arena;
  double loss;
  int segments, absorbed, repeated;
  uint64_t kernels; /* a hash of those of steps that repeat no other */
} outcome;

static outcome train_once(const kohl_model *model, kohl_plan_options options) {
  outcome o;
  kohl_session *session = session_of(model, &options);
  NEED(kohl_session_backward(session, options.batch, 3));
  o.segments = session->plan->segments;
  o.arena = session->plan->arena_bytes;
  o.loss = kohl_session_loss(session, options.batch);
  o.absorbed = o.repeated = 0;
  o.kernels = 0;
  for (size_t i = 0; i < session->plan->step_count; i++) {
    if (session->plan->steps[i].repeats < 0) o.kernels = o.kernels * 31 + (uintptr_t)session->plan->steps[i].kernel;
    o.absorbed += session->plan->steps[i].absorbed_by >= 0;
    o.repeated += session->plan->steps[i].repeats >= 0 && session->plan->steps[i].absorbed_by < 0;
  }
  const float *gradients = kohl_session_gradients(session, &o.params), *state = kohl_session_state(session, &o.states);
  o.gradients = malloc(o.params * sizeof(float));
  o.state = malloc((o.states + 1) * sizeof(float));
  ck_assert(o.gradients && o.state);
  memcpy(o.gradients, gradients, o.params * sizeof(float));
  if (o.states) memcpy(o.state, state, o.states * sizeof(float));
  kohl_session_destroy(session);
  return o;
}

static void same(const outcome *a, const outcome *b) {
  ck_assert_uint_eq(a->params, b->params);
  ck_assert_uint_eq(a->states, b->states);
  ck_assert(a->loss == b->loss);
  ck_assert_mem_eq(a->gradients, b->gradients, a->params * sizeof(float));
  ck_assert_mem_eq(a->state, b->state, a->states * sizeof(float));
}

static void forget(outcome *o) { free(o->gradients), free(o->state); }

static kohl_model *network(const char *arch, int side) {
  kohl_arch_options options = kohl_arch_options_default(arch);
  options.height = options.width = side;
  options.classes = 5;
  return model_of(graph_build(arch, &options), 6);
}

/* Networks with dropout, residual sums, concats and batch statistics under limits of less and less memory: the same
 * bits every time, and steps repeated, until a limit takes other kernels.  Of inception_v3's pictures of 75 pixels
 * Winograd's filters take so much more memory than its activations that computing these again saves too little: it
 * takes the direct kernels. */
START_TEST(recompute_changes_no_bit) {
  static const struct {
    const char *arch;
    int side;
    bool exact;
  } nets[] = {
      {"cleo_small", 128, false}, {"resnet18", 112, false}, {"inception_v3", 75, true}, {"squeezenet1_1", 40, false}};
  kohl_model *model = network(nets[_i].arch, nets[_i].side);
  kohl_plan_options options = training(8);
  graph_ctx->exact = nets[_i].exact;
  outcome whole = train_once(model, options);
  ck_assert_int_eq(whole.segments, 1);
  ck_assert_int_eq(whole.repeated, 0);
  int tried = 0;
  for (int percent = 95; percent >= 30; percent -= 5) {
    kohl_session *session;
    options.memory_limit = whole.arena / 100 * (size_t)percent;
    if (kohl_session_create(graph_ctx, model, &options, &session) != KOHL_OK) {
      ck_assert_msg(strstr(graph_ctx->error, "it fits with batch") || strstr(graph_ctx->error, "no batch fits"), "%s",
                    graph_ctx->error);
      break;
    }
    kohl_session_destroy(session);
    outcome part = train_once(model, options);
    ck_assert_uint_le(part.arena, options.memory_limit);
    ck_assert_int_gt(part.segments, 1);
    ck_assert_int_gt(part.repeated, 0);
    if (part.kernels == whole.kernels) same(&whole, &part), tried++;
    forget(&part);
  }
  ck_assert_msg(tried > 0, "%s: no limit below %zu bytes could be kept with the same kernels", nets[_i].arch,
                whole.arena);
  forget(&whole);
  kohl_model_destroy(graph_ctx, model);
}
END_TEST

/* A frozen base is fused as in inference, and what is trained above it gets the same gradients as with every frozen
 * layer kept apart (by taps): bit for bit without batch-norm. */
START_TEST(frozen_prefix) {
  kohl_model *model = network("squeezenet1_1", 40);
  int taps[128], count = 0, cut = 0;
  for (int concats = 0; concats < 4; cut++) concats += model->graph->nodes[cut].layer == KOHL_LAYER_concat;
  for (int i = 0; i < cut; i++) {
    model->graph->nodes[i].trainable = false;
    taps[count++] = i;
  }
  kohl_plan_options options = training(4);
  outcome fused = train_once(model, options);
  options.taps = taps, options.tap_count = (size_t)count;
  outcome apart = train_once(model, options);
  same(&fused, &apart);
  ck_assert_int_gt(fused.absorbed, apart.absorbed);
  ck_assert_uint_lt(fused.arena, apart.arena);
  forget(&fused), forget(&apart);
  kohl_model_destroy(graph_ctx, model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("plan_training");
  TCase *cases = tcase_create("plan_training");
  tcase_add_checked_fixture(cases, graph_setup, graph_teardown);
  tcase_set_timeout(cases, 300);
  tcase_add_loop_test(cases, batch_norm_gradients, 0, 2);
  tcase_add_loop_test(cases, running_statistics, 0, 2);
  tcase_add_test(cases, two_heads);
  tcase_add_test(cases, wrong_heads);
  tcase_add_loop_test(cases, recompute_changes_no_bit, 0, 4);
  tcase_add_test(cases, frozen_prefix);
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
