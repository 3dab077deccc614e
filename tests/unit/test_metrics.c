/* Metrics against cases counted by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "train/metrics.h"

static kohl_context *ctx;

static void open_context(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}

static void close_context(void) { kohl_context_destroy(ctx); }

/* Divisions of small whole numbers and sums of at most four of them: a few roundings of 2^-53. */
#define ck_near(a, b) ck_assert_double_eq_tol(a, b, 1e-15)

/* Four classes; class 3 is never true and never predicted, class 2 is true and never predicted.
 *   truth 0: predicted 0 0 1;  truth 1: predicted 1;  truth 2: predicted 0 */
START_TEST(counted_by_hand) {
  const float p[] = {.7f,      .1f, .1f, .1f, /**/ .4f, .3f, .2f, .1f, /**/ .2f, .6f, .1f, .1f,
                     /**/ .1f, .8f, .1f, 0,   /**/ .5f, .2f, .3f, 0};
  const int32_t truth[] = {0, 0, 0, 1, 2};
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 5, 4, &m), KOHL_OK);
  ck_near(m.accuracy, 3.0 / 5);
  ck_near(m.top3, 1.0);
  ck_near(m.top5, 1.0); /* more than there are classes */
  ck_near(m.per_class[0].precision, 2.0 / 3);
  ck_near(m.per_class[0].recall, 2.0 / 3);
  ck_near(m.per_class[0].f1, 2.0 / 3);
  ck_near(m.per_class[1].precision, 1.0 / 2);
  ck_near(m.per_class[1].recall, 1.0);
  ck_near(m.per_class[1].f1, 2.0 / 3);
  ck_near(m.per_class[2].precision, 0.0);
  ck_near(m.per_class[2].recall, 0.0);
  ck_near(m.per_class[2].f1, 0.0);
  ck_assert_int_eq(m.per_class[0].support, 3);
  ck_assert_int_eq(m.per_class[2].support, 1);
  ck_assert_int_eq(m.per_class[3].support, 0);
  ck_near(m.balanced_accuracy, (2.0 / 3 + 1 + 0) / 3);
  ck_near(m.macro_f1, (2.0 / 3 + 2.0 / 3 + 0) / 3); /* class 3 does not count */
  const int64_t confusion[16] = {2, 1, 0, 0, /**/ 0, 1, 0, 0, /**/ 1, 0, 0, 0, /**/ 0, 0, 0, 0};
  for (int i = 0; i < 16; i++) ck_assert_int_eq(m.confusion[i], confusion[i]);
  kohl_metrics_free(ctx, &m);
  ck_assert_ptr_null(m.confusion);
}
END_TEST

/* A class that is predicted but never true counts in macro F1 and not in balanced accuracy. */
START_TEST(predicted_but_never_true) {
  const float p[] = {.1f, .9f, /**/ .9f, .1f};
  const int32_t truth[] = {0, 0};
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 2, 2, &m), KOHL_OK);
  ck_near(m.balanced_accuracy, 0.5);
  ck_near(m.macro_f1, (2.0 / 3) / 2);
  ck_near(m.per_class[1].precision, 0.0);
  ck_assert_int_eq(m.per_class[1].predicted, 1);
  kohl_metrics_free(ctx, &m);
}
END_TEST

/* All equal: the order is 0 1 2 3 4 5 6, so top-1 holds class 0, top-3 classes 0-2, top-5 classes 0-4. */
START_TEST(ties_go_to_the_lower_index) {
  float p[7 * 7];
  int32_t truth[7];
  for (int i = 0; i < 49; i++) p[i] = 1.0f / 7;
  for (int i = 0; i < 7; i++) truth[i] = i;
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 7, 7, &m), KOHL_OK);
  ck_near(m.accuracy, 1.0 / 7);
  ck_near(m.top3, 3.0 / 7);
  ck_near(m.top5, 5.0 / 7);
  for (int i = 0; i < 7; i++) ck_assert_int_eq(m.confusion[7 * i], 1);
  kohl_metrics_free(ctx, &m);
}
END_TEST

START_TEST(single_class_and_nothing) {
  const float p[] = {1, 1};
  const int32_t truth[] = {0, 0};
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 2, 1, &m), KOHL_OK);
  ck_near(m.accuracy, 1.0);
  ck_near(m.balanced_accuracy, 1.0);
  ck_near(m.macro_f1, 1.0);
  kohl_metrics_free(ctx, &m);
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 0, 3, &m), KOHL_OK);
  ck_near(m.accuracy, 0.0);
  ck_near(m.macro_f1, 0.0);
  ck_near(m.balanced_accuracy, 0.0);
  ck_near(m.top5, 0.0);
  kohl_metrics_free(ctx, &m);
}
END_TEST

START_TEST(wrong_input_is_named) {
  const float p[] = {.5f, .5f, NAN, .5f};
  const int32_t truth[] = {0, 1}, above[] = {0, 2}, below[] = {-1, 0};
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 2, 2, &m), KOHL_NOT_FINITE);
  ck_assert_str_eq(kohl_context_error(ctx), "sample 1: a probability is NaN");
  ck_assert_ptr_null(m.per_class);
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, above, 2, 2, &m), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(ctx), "sample 1: class 2, expected 0 to 1");
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, below, 1, 2, &m), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 1, 0, &m), KOHL_USAGE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("metrics");
  TCase *tests = tcase_create("metrics");
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, counted_by_hand);
  tcase_add_test(tests, predicted_but_never_true);
  tcase_add_test(tests, ties_go_to_the_lower_index);
  tcase_add_test(tests, single_class_and_nothing);
  tcase_add_test(tests, wrong_input_is_named);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
