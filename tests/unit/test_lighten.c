/* A memory limit that kernels exceed which need much: the plan takes lighter ones for as few layers as it must, and
 * where nothing fits it says what it said before. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/session.h"

enum { SIDE = 12, LAYERS = 5 };

static kohl_context *ctx;
static kohl_model *model;

static int add(kohl_graph *graph, kohl_layer layer, const char *name, const kohl_params *params, int from) {
  int index;
  ck_assert_msg(kohl_graph_add(ctx, graph, layer, name, params, &from, from >= 0, &index) == KOHL_OK, "%s", ctx->error);
  ck_assert_msg(kohl_graph_infer(ctx, graph) == KOHL_OK, "%s", ctx->error);
  return index;
}

/* 3x3 convolutions of different sizes. */
static void setup(void) {
  static const int filters[LAYERS] = {64, 96, 64, 128, 32};
  kohl_graph *graph;
  kohl_params params = kohl_params_default();
  ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK);
  ck_assert_int_eq(kohl_graph_create(ctx, "lighten", &graph), KOHL_OK);
  params.size[0] = params.size[1] = SIDE;
  params.size[2] = 48;
  int at = add(graph, KOHL_LAYER_input, "input", &params, -1);
  for (int i = 0; i < LAYERS; i++) {
    char name[16];
    snprintf(name, sizeof name, "conv%d", i);
    params = kohl_params_default();
    params.filters = filters[i];
    params.kernel[0] = params.kernel[1] = 3;
    params.padding = KOHL_PADDING_SAME_UPPER;
    at = add(graph, KOHL_LAYER_conv2d, name, &params, at);
  }
  ck_assert_int_eq(kohl_model_create(ctx, graph, &model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_random_key key = kohl_random_key_make(3, 0, (uint32_t)i);
    ck_assert_int_eq(kohl_weight_own(ctx, &model->weights[i]), KOHL_OK);
    for (size_t j = 0; j < model->weights[i].spec.count; j++)
      model->weights[i].owned[j] = 0.1f * kohl_random_to_unit(kohl_random_at(key, 0, j)) - 0.05f;
  }
}

static void teardown(void) {
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}

static kohl_plan *make_plan(size_t limit) {
  kohl_plan_options options = kohl_plan_options_default();
  kohl_plan *plan;
  options.memory_limit = limit;
  ck_assert_msg(kohl_plan_create(ctx, model->graph, &options, &plan) == KOHL_OK, "%s", ctx->error);
  return plan;
}

/* How many steps have not the kernel that they have without a limit. */
static int changed(const kohl_plan *plan, const kohl_plan *whole) {
  int count = 0;
  for (size_t i = 0; i < plan->step_count; i++) count += plan->steps[i].kernel != whole->steps[i].kernel;
  return count;
}

/* The plan of the kernels of class CHAIN, which are the lightest of their level; NULL where there are no others. */
static kohl_plan *make_lightest(const kohl_plan *whole) {
  ctx->exact = true;
  kohl_plan *plan = make_plan(0);
  ctx->exact = false;
  if (plan->arena_bytes < whole->arena_bytes) return plan;
  puts("skipped: this CPU has no kernel that needs more memory than the next");
  kohl_plan_destroy(ctx, plan);
  return NULL;
}

START_TEST(few_layers_become_lighter) {
  kohl_plan *whole = make_plan(0), *lightest = make_lightest(whole);
  if (lightest) {
    const size_t most = whole->arena_bytes, least = lightest->arena_bytes;
    for (int i = 0; i <= 16; i++) {
      const size_t limit = i == 0 ? most : least + (most - least) / 16 * (size_t)(16 - i);
      kohl_plan *plan = make_plan(limit);
      const int layers = changed(plan, whole);
      ck_assert_uint_le(plan->arena_bytes, limit);
      ck_assert_int_eq(layers == 0, i == 0);
      ck_assert(i != 16 || layers == LAYERS);
      for (size_t s = 0; s < plan->step_count; s++)
        ck_assert_uint_eq(plan->steps[s].kernel->needs, whole->steps[s].kernel->needs);
      kohl_plan_destroy(ctx, plan);
    }
    kohl_plan *plan = make_plan(most - 1);
    ck_assert_int_eq(changed(plan, whole), 1); /* any layer's filters are more than a byte */
    kohl_plan_destroy(ctx, plan);
  }
  kohl_plan_destroy(ctx, lightest);
  kohl_plan_destroy(ctx, whole);
}
END_TEST

static void run(size_t limit, float *out) {
  kohl_plan_options options = kohl_plan_options_default();
  kohl_session *session;
  options.memory_limit = limit;
  ck_assert_msg(kohl_session_create(ctx, model, &options, &session) == KOHL_OK, "%s", ctx->error);
  kohl_random_key key = kohl_random_key_make(4, 0, 0);
  for (size_t i = 0; i < SIDE * SIDE * 48; i++)
    kohl_session_input(session)[i] = kohl_random_to_unit(kohl_random_at(key, 0, i)) - 0.5f;
  ck_assert_msg(kohl_session_run(session, 1) == KOHL_OK, "%s", ctx->error);
  ck_assert_int_eq(kohl_session_output(session, LAYERS, 1, out), KOHL_OK);
  kohl_session_destroy(session);
}

/* With every layer made lighter the kernels are those of --exact, so the bits are. */
START_TEST(lightest_computes_the_same) {
  enum { FLOATS = SIDE * SIDE * 32 };
  float expected[FLOATS], got[FLOATS];
  kohl_plan *whole = make_plan(0), *lightest = make_lightest(whole);
  if (lightest) {
    run(lightest->arena_bytes, got);
    ctx->exact = true;
    run(0, expected);
    ck_assert(!memcmp(expected, got, sizeof got));
  }
  kohl_plan_destroy(ctx, lightest);
  kohl_plan_destroy(ctx, whole);
}
END_TEST

START_TEST(nothing_fits) {
  kohl_plan_options options = kohl_plan_options_default();
  kohl_plan *whole = make_plan(0), *lightest = make_lightest(whole), *plan;
  if (lightest) {
    char words[128];
    options.memory_limit = lightest->arena_bytes - 1;
    ck_assert_int_eq(kohl_plan_create(ctx, model->graph, &options, &plan), KOHL_NO_RESOURCE);
    snprintf(words, sizeof words, "batch 1 needs %zu bytes, the limit is %zu; no batch fits", lightest->arena_bytes,
             options.memory_limit);
    ck_assert_msg(strstr(ctx->error, words), "%s", ctx->error);
    options.batch = 64;
    options.memory_limit = lightest->arena_bytes + lightest->arena_bytes / 64;
    ck_assert_int_eq(kohl_plan_create(ctx, model->graph, &options, &plan), KOHL_NO_RESOURCE);
    ck_assert_msg(strstr(ctx->error, "it fits with batch 1"), "%s", ctx->error);
    /* kernels that are named stay */
    for (size_t i = 0; i < whole->step_count; i++) {
      if (whole->steps[i].op == &kohl_conv2d_op)
        snprintf(ctx->impl, sizeof ctx->impl, "conv2d_fwd=%s", whole->steps[i].kernel->id);
    }
    options.batch = 1;
    options.memory_limit = whole->arena_bytes - 1;
    ck_assert_int_eq(kohl_plan_create(ctx, model->graph, &options, &plan), KOHL_NO_RESOURCE);
  }
  kohl_plan_destroy(ctx, lightest);
  kohl_plan_destroy(ctx, whole);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("lighten");
  TCase *cases = tcase_create("lighten");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, few_layers_become_lighter);
  tcase_add_test(cases, lightest_computes_the_same);
  tcase_add_test(cases, nothing_fits);
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
