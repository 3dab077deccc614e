/* The optimizer's step: clipping, rule and average in their order, what is left alone by a step that is refused, and
 * where memory is taken.  The rules' formulas are tested in test_optimizers.c. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/clip_norm/clip_norm.h"
#include "kernels/core/context.h"
#include "kernels/core/philox.h"
#include "train/update.h"
#include "tests/unit/meter.h"

enum { COUNT = 20011, RULES = 4 };

static kohl_context *context(int threads, const char *cpu, meter *m) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = threads;
  options.cpu = cpu;
  if (m) options.allocator = (kohl_allocator){meter_allocate, meter_release, m};
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

/* Everything that a rule may have. */
static kohl_update_options full(int rule) {
  return (kohl_update_options){.rule = (kohl_update_rule)rule,
                               .momentum = rule <= KOHL_UPDATE_RMSPROP ? 0.5 : 0.0,
                               .nesterov = true,
                               .rho = 0.9,
                               .beta1 = 0.9,
                               .beta2 = 0.99,
                               .epsilon = 1e-3,
                               .weight_decay = 0.01,
                               .clip_norm = 2.0,
                               .ema = 0.75};
}

static void draw(float *x, size_t count, uint32_t what) {
  for (size_t i = 0; i < count; i++) x[i] = 2.0f * kohl_random_uniform(7, what, i, 0, 0) - 1.0f;
}

/* Ten steps of drawn gradients from drawn weights; the weights and the average come back. */
static void walk(kohl_context *ctx, const kohl_update_options *options, float *params, float *average) {
  static float gradients[COUNT];
  kohl_update *update;
  draw(params, COUNT, 0);
  ck_assert_int_eq(kohl_update_create(ctx, options, params, COUNT, &update), KOHL_OK);
  for (uint32_t t = 1; t <= 10; t++) {
    draw(gradients, COUNT, t);
    ck_assert(kohl_update_step(update, t, 0.01, params, gradients));
  }
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  size_t n = kohl_update_arrays(update, arrays);
  ck_assert_str_eq(arrays[n - 1].name, "average");
  memcpy(average, arrays[n - 1].values, COUNT * sizeof *average);
  kohl_update_destroy(update);
}

START_TEST(threads_and_levels_change_nothing) {
  static float first[2][COUNT], other[2][COUNT];
  static const char *const levels[] = {"ref", "avx2", NULL};
  const kohl_update_options options = full(_i);
  for (int i = 0; i < 3; i++) {
    if (i == 1 && !(kohl_cpu_detect() & KOHL_CAP_AVX2)) continue;
    kohl_context *ctx = context(i == 2 ? 4 : 1, levels[i], NULL);
    walk(ctx, &options, i ? other[0] : first[0], i ? other[1] : first[1]);
    if (i) ck_assert_int_eq(memcmp(first, other, sizeof first), 0);
    kohl_context_destroy(ctx);
  }
}
END_TEST

/* One weight and one step, by hand: gradients (3, 4) have norm 5 and are clipped to (0.6, 0.8) by a largest norm of 1;
 * SGD with lr 1/2 then moves 1 to 0.7 and 0.6, and an average with share 3/4 of the old is 0.925 and 0.9. */
START_TEST(clips_then_moves_then_averages) {
  kohl_context *ctx = context(1, NULL, NULL);
  kohl_update_options options = {.rule = KOHL_UPDATE_SGD, .clip_norm = 1.0, .ema = 0.75};
  float params[2] = {1.0f, 1.0f}, gradients[2] = {3.0f, 4.0f};
  kohl_update *update;
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  ck_assert_int_eq(kohl_update_create(ctx, &options, params, 2, &update), KOHL_OK);
  ck_assert_uint_eq(kohl_update_arrays(update, arrays), 1);
  ck_assert_str_eq(arrays[0].name, "average");
  ck_assert(arrays[0].values[0] == 1.0f && arrays[0].values[1] == 1.0f); /* begins at the weights */
  ck_assert(kohl_update_step(update, 1, 0.5, params, gradients));
  const float *average = arrays[0].values;
  /* at most three roundings of numbers up to 1 */
  const double expected[2][2] = {{0.7, 0.6}, {0.925, 0.9}};
  for (int i = 0; i < 2; i++) {
    ck_assert_double_le(fabs((double)params[i] - expected[0][i]), 3 * 0x1p-24);
    ck_assert_double_le(fabs((double)average[i] - expected[1][i]), 3 * 0x1p-24);
  }
  float trained = params[0], mean = average[0];
  kohl_update_swap(update, params);
  ck_assert(params[0] == mean && average[0] == trained);
  kohl_update_swap(update, params);
  ck_assert(params[0] == trained && average[0] == mean);
  kohl_update_destroy(update);
  kohl_context_destroy(ctx);
}
END_TEST

/* Adam's t is the caller's: the first step from rest moves by lr g / (|g| + epsilon) whatever g is. */
START_TEST(step_numbers_are_the_callers) {
  kohl_context *ctx = context(1, NULL, NULL);
  kohl_update_options options = {
      .rule = KOHL_UPDATE_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epsilon_plain = true};
  for (int64_t t = 1; t <= 2; t++) {
    float w = 0.0f, g = 0.25f;
    kohl_update *update;
    ck_assert_int_eq(kohl_update_create(ctx, &options, &w, 1, &update), KOHL_OK);
    ck_assert(kohl_update_step(update, t, 0.5, &w, &g));
    double first = t == 1 ? 0.1 : 0.19, second = t == 1 ? 0.001 : 1 - 0.999 * 0.999;
    double expected = -0.5 / first * 0.1 * 0.25 / (sqrt(0.001) * 0.25 / sqrt(second) + 1e-8);
    ck_assert_double_le(fabs((double)w - expected), 1e-6 * fabs(expected)); /* 8 roundings of 2^-24 and to spare */
    kohl_update_destroy(update);
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* The norm as clip_norm gives it, of an array that stays as it is. */
static float norm_of(float *x, size_t count) {
  const kohl_op *op = kohl_op_find("clip_norm");
  const kohl_clip_norm_desc d = {1, (int64_t)count, INFINITY};
  double sums[8];
  float norm;
  ck_assert_uint_le(kohl_clip_norm_workspace(&d, 1), sizeof sums);
  kohl_args args = {.out = {x, &norm}, .workspace = sums};
  op->kernels[op->count - 1].code->run(&d, &args, NULL);
  return norm;
}

/* Weights and state as they are, in one array. */
static void copy_all(const kohl_update *update, const float *params, size_t count, float *out) {
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  size_t n = kohl_update_arrays(update, arrays);
  memcpy(out, params, count * sizeof *out);
  for (size_t i = 0; i < n; i++) memcpy(out + (i + 1) * count, arrays[i].values, count * sizeof *out);
}

START_TEST(a_bad_step_changes_nothing) {
  enum { N = 21 };
  const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f, 1e30f};
  kohl_context *ctx = context(1, NULL, NULL);
  for (int clip = 0; clip < 2; clip++) {
    kohl_update_options options = full(_i);
    options.clip_norm = clip ? 2.0 : 0.0;
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
      float params[N], gradients[N], before[(KOHL_UPDATE_ARRAYS + 1) * N] = {0}, after[(KOHL_UPDATE_ARRAYS + 1) * N];
      kohl_update *update;
      memset(after, 0, sizeof after);
      draw(params, N, 0);
      draw(gradients, N, 1);
      ck_assert_int_eq(kohl_update_create(ctx, &options, params, N, &update), KOHL_OK);
      ck_assert(kohl_update_step(update, 1, 0.01, params, gradients));
      copy_all(update, params, N, before);
      draw(gradients, N, 2);
      gradients[_i * 5] = bad[b];
      /* the norm of a gradient of 1e30 is a number, so that clipping makes a step of it */
      bool taken = kohl_update_step(update, 2, 0.01, params, gradients);
      ck_assert_int_eq(taken, clip && isfinite(bad[b]));
      copy_all(update, params, N, after);
      if (!taken) ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
      for (size_t i = 0; i < sizeof after / sizeof *after; i++) ck_assert(isfinite(after[i]));
      kohl_update_destroy(update);
    }
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* A weight so large that its decay is no gradient any more; without decay the same step is taken. */
START_TEST(the_decay_counts) {
  kohl_context *ctx = context(1, NULL, NULL);
  for (int decays = 0; decays < 2; decays++) {
    kohl_update_options options = full(_i);
    options.weight_decay = decays ? 1.0 : 0.0;
    float params[2] = {1e30f, 1.0f}, gradients[2] = {0.5f, 0.5f};
    kohl_update *update;
    ck_assert_int_eq(kohl_update_create(ctx, &options, params, 2, &update), KOHL_OK);
    ck_assert_int_eq(kohl_update_step(update, 1, 1e8, params, gradients), !decays);
    ck_assert(params[0] == 1e30f);
    ck_assert_int_eq(params[1] == 1.0f, decays);
    kohl_update_destroy(update);
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* The op update, for devices, takes the steps that kohl_update_step takes, and leaves out the same ones. */
START_TEST(the_op_makes_the_same_steps) {
  enum { N = 1013 };
  const kohl_op *op = kohl_op_find("update");
  const kohl_kernel *ref = &op->kernels[op->count - 1];
  kohl_context *ctx = context(2, NULL, NULL);
  const kohl_update_options o = full(_i);
  const bool adam = _i >= KOHL_UPDATE_ADAM;
  kohl_update_desc d = kohl_update_desc_of(&o, N);
  d.losses = 2;
  float params[N], gradients[N], op_params[N], state[3][N] = {{0}};
  kohl_update *update;
  draw(params, N, 0);
  memcpy(op_params, params, sizeof params);
  memcpy(state[2], params, sizeof params);
  ck_assert_int_eq(kohl_update_create(ctx, &o, params, N, &update), KOHL_OK);
  for (int t = 1; t <= 6; t++) {
    float losses[] = {1.0f, t == 3 ? NAN : 2.0f}, norm, weights_norm;
    const kohl_update_now now = {0.01 * t, t};
    int32_t taken = -1;
    draw(gradients, N, (uint32_t)t);
    if (t == 4) gradients[N - 1] = INFINITY;
    norm = norm_of(gradients, N);
    weights_norm = norm_of(op_params, N);
    if (t != 3) ck_assert_int_eq(kohl_update_step(update, t, now.lr, params, gradients), t != 4); /* and clips */
    kohl_args args = {.in = {gradients, &now, &norm, &weights_norm, losses},
                      .out = {op_params, state[0], _i == KOHL_UPDATE_SGD ? NULL : state[1], state[2], &taken}};
    ck_assert_ptr_null(ref->code->accepts(&d));
    ref->code->run(&d, &args, NULL);
    ck_assert_int_eq(taken, t != 3 && t != 4);
  }
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  const size_t n = kohl_update_arrays(update, arrays);
  ck_assert_int_eq(memcmp(params, op_params, sizeof params), 0);
  ck_assert_uint_eq(n, _i == KOHL_UPDATE_SGD ? 2 : 3);
  ck_assert_int_eq(memcmp(arrays[0].values, state[0], sizeof params), 0);
  if (n == 3) ck_assert_int_eq(memcmp(arrays[1].values, state[1], sizeof params), 0);
  ck_assert_int_eq(memcmp(arrays[n - 1].values, state[2], sizeof params), 0);
  ck_assert_str_eq(arrays[0].name, adam ? "first_moment" : "momentum");
  kohl_update_destroy(update);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(memory_is_taken_before_the_first_step) {
  static const char *const names[RULES][KOHL_UPDATE_ARRAYS] = {{"momentum", "average"},
                                                               {"momentum", "square", "average"},
                                                               {"first_moment", "second_moment", "average"},
                                                               {"first_moment", "second_moment", "average"}};
  static float params[COUNT], gradients[COUNT];
  meter m = {1000, 0};
  kohl_context *ctx = context(1, NULL, &m);
  const kohl_update_options options = full(_i);
  const size_t arrays_expected = _i == KOHL_UPDATE_SGD ? 2 : 3;
  ck_assert_uint_eq(kohl_update_bytes(&options, COUNT), arrays_expected * COUNT * sizeof(float));
  long had = m.live, refused = 0;
  kohl_update *update = NULL;
  for (long fail = 0; !update; fail++) {
    m.left = fail;
    kohl_status status = kohl_update_create(ctx, &options, params, COUNT, &update);
    ck_assert_int_eq(status, update ? KOHL_OK : KOHL_NO_RESOURCE);
    if (!update) ck_assert_int_eq(m.live, had);
    refused += !update;
  }
  ck_assert_int_eq(refused, 2 + (long)arrays_expected); /* itself, the workspace, the arrays */
  m.left = 0;
  draw(gradients, COUNT, 1);
  ck_assert(kohl_update_step(update, 1, 0.01, params, gradients));
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  ck_assert_uint_eq(kohl_update_arrays(update, arrays), arrays_expected);
  for (size_t i = 0; i < arrays_expected; i++) ck_assert_str_eq(arrays[i].name, names[_i][i]);
  kohl_update_destroy(update);
  ck_assert_int_eq(m.live, had);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("update");
  TCase *tests = tcase_create("update");
  tcase_add_loop_test(tests, threads_and_levels_change_nothing, 0, RULES);
  tcase_add_test(tests, clips_then_moves_then_averages);
  tcase_add_test(tests, step_numbers_are_the_callers);
  tcase_add_loop_test(tests, a_bad_step_changes_nothing, 0, RULES);
  tcase_add_loop_test(tests, the_decay_counts, 0, RULES);
  tcase_add_loop_test(tests, the_op_makes_the_same_steps, 0, RULES);
  tcase_add_loop_test(tests, memory_is_taken_before_the_first_step, 0, RULES);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
