/* Gradients summed over small batches against double, and against one large batch of a real network. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/session.h"
#include "train/accumulate.h"

static kohl_context *context_of(int threads) {
  kohl_context_options options = kohl_context_options_default();
  kohl_context *ctx;
  options.threads = threads;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

/* Number `element` of sequence `draw`, from -1 to below 1. */
static float number(uint64_t draw, uint64_t element) {
  return 2.0f * kohl_random_uniform(17, 0, draw, 1, element) - 1.0f;
}

enum { LONG = 3 * 65536 + 5, RUNS = 4 };

START_TEST(against_double) {
  static float rows[RUNS][LONG], got[3][LONG];
  static const float divisors[RUNS] = {32.0f, 7.5f, 0.0f, 0.3f};
  for (size_t r = 0; r < RUNS; r++)
    for (size_t i = 0; i < LONG; i++) rows[r][i] = number(r, i) * (i % 7 == 0 ? 1e-6f : 1.0f);
  rows[1][5] = (float)NAN;
  rows[3][6] = INFINITY;
  for (int threads = 1; threads <= 3; threads++) {
    kohl_context *ctx = context_of(threads);
    kohl_accumulate *sum;
    ck_assert_int_eq(kohl_accumulate_create(ctx, LONG, &sum), KOHL_OK);
    float *out = got[threads - 1];
    for (int round = 0; round < 2; round++) {
      ck_assert_uint_eq(kohl_accumulate_finish(sum, out), 0);
      for (size_t r = 0; r < RUNS; r++) kohl_accumulate_add(sum, rows[r], divisors[r]);
      if (round == 0) kohl_accumulate_reset(sum); /* and the second is as if the first had not been */
    }
    ck_assert_uint_eq(kohl_accumulate_finish(sum, out), RUNS);
    kohl_accumulate_destroy(sum);
    kohl_context_destroy(ctx);
    ck_assert_mem_eq(out, got[0], sizeof got[0]);
  }
  ck_assert(isnan(got[0][5]) && isinf(got[0][6]));
  for (size_t i = 7; i < LONG; i++) {
    double want = 0, size = 0, divisor = 0;
    for (size_t r = 0; r < RUNS; r++) {
      want += (double)rows[r][i] * (double)divisors[r];
      size += fabs((double)rows[r][i] * (double)divisors[r]);
      divisor += (double)divisors[r];
    }
    /* Of each term: its product, at most RUNS - 1 sums, the divisor's own rounding, the quotient. */
    double bound = (RUNS + 3) * 0x1p-24 * size / divisor;
    ck_assert_msg(fabs((double)got[0][i] - want / divisor) <= bound, "%zu: %g, expected %g", i, (double)got[0][i],
                  want / divisor);
  }
}
END_TEST

/* One run comes out as it went in, a NaN's bits, -0 and all; and runs that weigh nothing are no division by 0. */
START_TEST(alone) {
  kohl_context *ctx = context_of(1);
  kohl_accumulate *sum;
  const uint32_t bits[6] = {0x80000000u, 0x7fc12345u, 0x00000001u, 0x7f7fffffu, 0x3f800001u, 0xff800000u};
  float in[6], out[6], zeros[6] = {0};
  memcpy(in, bits, sizeof in);
  ck_assert_int_eq(kohl_accumulate_create(ctx, 6, &sum), KOHL_OK);
  memset(out, 0x55, sizeof out);
  kohl_accumulate_add(sum, in, 3.0f);
  ck_assert_uint_eq(kohl_accumulate_finish(sum, out), 1);
  ck_assert_mem_eq(out, in, sizeof in);
  kohl_accumulate_add(sum, zeros, 0.0f);
  kohl_accumulate_add(sum, zeros, 0.0f);
  ck_assert_uint_eq(kohl_accumulate_finish(sum, out), 2);
  ck_assert_mem_eq(out, zeros, sizeof zeros);
  kohl_accumulate_destroy(sum);
  ck_assert_int_eq(kohl_accumulate_create(ctx, 0, &sum), KOHL_OK);
  kohl_accumulate_add(sum, in, 1.0f);
  kohl_accumulate_add(sum, in, 1.0f);
  ck_assert_uint_eq(kohl_accumulate_finish(sum, out), 2);
  kohl_accumulate_destroy(sum);
  kohl_accumulate_destroy(NULL);
  ck_assert_int_eq(kohl_accumulate_create(ctx, SIZE_MAX / 2, &sum), KOHL_NO_RESOURCE);
  ck_assert_ptr_null(sum);
  kohl_context_destroy(ctx);
}
END_TEST

enum { IN = 20, WIDE = 11, CLASSES = 5, BATCH = 16, PARAMS = 512 };

static kohl_model *dense_net(kohl_context *ctx) {
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default();
  int at;
  ck_assert_int_eq(kohl_graph_create(ctx, "", &graph), KOHL_OK);
  params.size[2] = IN;
  ck_assert_int_eq(kohl_graph_add(ctx, graph, KOHL_LAYER_input, "input", &params, NULL, 0, &at), KOHL_OK);
  params.filters = WIDE;
  params.activation = KOHL_ACTIVATION_RELU;
  ck_assert_int_eq(kohl_graph_add(ctx, graph, KOHL_LAYER_dense, "hidden", &params, &at, 1, &at), KOHL_OK);
  params.filters = CLASSES;
  params.activation = KOHL_ACTIVATION_NONE;
  ck_assert_int_eq(kohl_graph_add(ctx, graph, KOHL_LAYER_dense, "logits", &params, &at, 1, &at), KOHL_OK);
  ck_assert_int_eq(kohl_graph_add(ctx, graph, KOHL_LAYER_softmax, "softmax", &params, &at, 1, &at), KOHL_OK);
  ck_assert_int_eq(kohl_graph_infer(ctx, graph), KOHL_OK);
  ck_assert_int_eq(kohl_model_create(ctx, graph, &model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    ck_assert_int_eq(kohl_weight_own(ctx, &model->weights[i]), KOHL_OK);
    for (size_t e = 0; e < model->weights[i].spec.count; e++) model->weights[i].owned[e] = number(100 + i, e);
  }
  return model;
}

/* Gradients of samples first to first + n - 1 into out; returns their divisor. */
static float run(kohl_session *session, int first, int n, float *out) {
  size_t count;
  for (int i = 0; i < n; i++) {
    for (int c = 0; c < IN; c++)
      kohl_session_input(session)[i * IN + c] = number(200 + (uint64_t)(first + i), (uint64_t)c);
    kohl_session_labels(session)[i] = (first + i) * 7 % CLASSES;
    kohl_session_draws(session)[i] = (uint64_t)(first + i);
  }
  ck_assert_int_eq(kohl_session_backward(session, n, 1), KOHL_OK);
  const float *gradients = kohl_session_gradients(session, &count);
  ck_assert_uint_le(count, PARAMS);
  memcpy(out, gradients, count * sizeof *out);
  kohl_desc desc = kohl_plan_head_desc(session->plan, &session->plan->heads[0]);
  desc.n = n;
  return kohl_softmax_xent_divisor(&desc.softmax_xent, kohl_session_labels(session),
                                   kohl_session_class_weights(session));
}

/* The large batch against `sizes` (ending with 0) for the gradients from `from` on.  Both are sums over the samples'
 * own gradients, which alone give the size of the terms.  A term is rounded when it is divided and multiplied again
 * (5 times in all, with the products) and in at most BATCH sums, on each side. */
static void compare(kohl_session *session, const int *sizes, size_t from, size_t count) {
  float large[PARAMS], part[PARAMS], own[PARAMS], got[PARAMS];
  double size[PARAMS] = {0};
  float divisor = run(session, 0, BATCH, large);
  for (int i = 0; i < BATCH; i++) {
    float weight = run(session, i, 1, own);
    for (size_t p = 0; p < count; p++) size[p] += fabs((double)own[p] * (double)weight) / (double)divisor;
  }
  kohl_accumulate *sum;
  ck_assert_int_eq(kohl_accumulate_create(session->ctx, count, &sum), KOHL_OK);
  size_t runs = 0;
  for (int first = 0; sizes[runs]; first += sizes[runs++])
    kohl_accumulate_add(sum, part, run(session, first, sizes[runs], part));
  ck_assert_uint_eq(kohl_accumulate_finish(sum, got), runs);
  kohl_accumulate_destroy(sum);
  bool any = false;
  for (size_t p = from; p < count; p++) {
    double bound = 2 * (BATCH + 5) * 0x1p-24 * size[p];
    ck_assert_msg(fabs((double)got[p] - (double)large[p]) <= bound, "%zu: %g, expected %g", p, (double)got[p],
                  (double)large[p]);
    any |= large[p] != 0.0f;
  }
  ck_assert(any);
}

/* Divided by powers of two the samples' gradients are the same in all batches to the bit, and only the sums differ.
 * With weights those of the last layer are the products of one rounded number each; below it sums of such may cancel,
 * and have no such bound. */
START_TEST(against_a_large_batch) {
  static const int sizes[][9] = {{8, 8}, {4, 4, 4, 4}, {2, 2, 2, 2, 2, 2, 2, 2}, {8, 4, 2, 2}, {7, 1, 5, 3}};
  kohl_context *ctx = context_of(2);
  kohl_model *model = dense_net(ctx);
  for (int weighted = 0; weighted < 2; weighted++) {
    kohl_session *session;
    kohl_plan_options options = kohl_plan_options_default();
    options.batch = BATCH;
    options.train = true;
    options.divide_by_weights = weighted;
    options.label_smoothing = 0.1f;
    ck_assert_int_eq(kohl_session_create(ctx, model, &options, &session), KOHL_OK);
    for (int c = 0; c < CLASSES; c++) kohl_session_class_weights(session)[c] = weighted ? 0.3f + 0.7f * (float)c : 1.0f;
    size_t count, last = kohl_plan_param(session->plan, 2, "weight");
    kohl_session_params(session, &count);
    ck_assert(last > 0 && last < count);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
      compare(session, sizes[i], weighted || i == 4 ? last : 0, count);
    kohl_session_destroy(session);
  }
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("accumulate");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, against_double);
  tcase_add_test(tcase, alone);
  tcase_add_test(tcase, against_a_large_batch);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
