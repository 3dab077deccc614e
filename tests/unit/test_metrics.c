/* Metrics against cases counted by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/meter.h"
#include "train/metrics_interval.h"
#include "train/metrics_many.h"

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
  const float large[] = {.5f, 1.5f}, negative[] = {-.5f, .5f};
  ck_assert_int_eq(kohl_metrics_compute(ctx, large, truth, 1, 2, &m), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(ctx), "sample 0: probability 1.5 of class 1, expected 0 to 1");
  ck_assert_int_eq(kohl_metrics_compute(ctx, negative, truth, 1, 2, &m), KOHL_BAD_INPUT);
  const kohl_metrics_options no_beta = {.beta = 0}, nan_beta = {.beta = NAN};
  ck_assert_int_eq(kohl_metrics_measure(ctx, p, truth, 1, 2, &no_beta, &m), KOHL_USAGE);
  ck_assert_str_eq(kohl_context_error(ctx), "metrics: beta 0, expected a number above 0, at most 1e6");
  ck_assert_int_eq(kohl_metrics_measure(ctx, p, truth, 1, 2, &nan_beta, &m), KOHL_USAGE);
  const uint8_t marks[] = {1, 0, 0, 1};
  kohl_metrics_many many;
  float thresholds[2];
  ck_assert_int_eq(kohl_metrics_many_compute(ctx, p, marks, 2, 2, NULL, 1, &many), KOHL_NOT_FINITE);
  ck_assert_ptr_null(many.per_class);
  ck_assert_int_eq(kohl_metrics_many_compute(ctx, large, marks, 1, 2, NULL, 1, &many), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_thresholds_choose(ctx, large, marks, 1, 2, 1, thresholds), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_thresholds_choose(ctx, p, marks, 2, 2, 1, thresholds), KOHL_BAD_INPUT);
}
END_TEST

/* Class 1 against class 0 at scores .8 .6 .6 .4 .2 with truths 1 1 0 0 1.  Of the 6 pairs of a one and a zero, .8 wins
 * 2, .6 wins 1 and draws 1, .2 none: 3.5 of 6.  Average precision: 1 * 1/3 + 2/3 * 1/3 + 3/5 * 1/3. */
START_TEST(ranks_with_a_tie) {
  const float p[] = {.2f, .8f, .4f, .6f, .4f, .6f, .6f, .4f, .8f, .2f};
  const int32_t truth[] = {1, 1, 0, 0, 1};
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 5, 2, &m), KOHL_OK);
  ck_near(m.per_class[1].roc_auc, 3.5 / 6);
  ck_near(m.per_class[0].roc_auc, 3.5 / 6); /* the order turned round */
  ck_near(m.per_class[1].average_precision, (1 + 2.0 / 3 + 3.0 / 5) / 3);
  ck_assert_int_eq(m.classes_used, 2);
  ck_assert(m.micro_ranked);
  ck_near(m.kappa, (5 * 3 - (2 * 2 + 3 * 3)) / (25.0 - 13));
  const kohl_metrics_options quick = {.beta = 2};
  kohl_metrics_free(ctx, &m);
  ck_assert_int_eq(kohl_metrics_measure(ctx, p, truth, 5, 2, &quick, &m), KOHL_OK);
  ck_near(m.roc_auc_macro, 0);
  ck_assert_int_eq(m.classes_used, 0);
  /* class 1: 2 right, 3 true, 3 predicted */
  ck_near(m.per_class[1].fbeta, 5.0 * 2 / (4 * 3 + 3));
  ck_near(kohl_metrics_top(&m, 1), 0.6);
  ck_near(kohl_metrics_top(&m, 9), 1);
  kohl_metrics_free(ctx, &m);
}
END_TEST

/* All of one class: no rank for any class, one for all probabilities together, and no figure that is not finite. */
START_TEST(a_fold_of_one_class) {
  const float p[] = {.5f, .5f, 0, 1, 0, 0};
  const int32_t truth[] = {0, 0};
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 2, 3, &m), KOHL_OK);
  ck_assert(!m.per_class[0].ranked && m.classes_used == 0 && m.micro_ranked);
  ck_near(m.roc_auc_macro, 0);
  ck_near(m.roc_auc_micro, 7.5 / 8); /* .5 .5 0 0 0 1 with truths 1 0 0 1 0 0: 3.5 of 4 and 4 of 4 */
  ck_near(m.kappa, 0);
  ck_near(m.log_loss, -log(0.5) / 2 + 0);
  kohl_metrics_free(ctx, &m);
}
END_TEST

/* Confidences .9 .9 .2 of which two are right: bin 13 holds two, bin 3 (from .2) one. */
START_TEST(calibration_by_hand) {
  kohl_calibration c = {0};
  kohl_calibration_add(&c, 0.9, true);
  kohl_calibration_add(&c, 0.9, false);
  kohl_calibration_add(&c, 0.2, true);
  kohl_calibration_finish(&c);
  ck_assert_int_eq(c.bin[13].count, 2);
  ck_assert_int_eq(c.bin[13].right, 1);
  ck_assert_int_eq(c.bin[3].count, 1);
  ck_near(c.bin[13].confidence, 0.9);
  ck_near(c.ece, (0.8 + 0.8) / 3);
  kohl_calibration edge = {0};
  kohl_calibration_add(&edge, 1.0, true);
  kohl_calibration_finish(&edge);
  ck_assert_int_eq(edge.bin[14].count, 1);
}
END_TEST

START_TEST(intervals) {
  kohl_interval w = kohl_interval_wilson(8, 10);
  ck_assert_double_eq_tol(w.low, 0.4901625, 1e-6); /* Brown, Cai, DasGupta 2001 have .490 and .943 */
  ck_assert_double_eq_tol(w.high, 0.9433178, 1e-6);
  w = kohl_interval_wilson(0, 0);
  ck_assert(w.low == 0 && w.high == 1);
  ck_assert(kohl_interval_wilson(10, 10).high == 1 && kohl_interval_wilson(0, 10).low == 0);
  float p[200];
  int32_t truth[100];
  for (int i = 0; i < 100; i++) {
    p[2 * i] = i % 4 ? .9f : .2f;
    p[2 * i + 1] = 1 - p[2 * i];
    truth[i] = i % 3 == 0;
  }
  kohl_bootstrap a, b, other;
  ck_assert_int_eq(kohl_bootstrap_run(ctx, p, truth, 100, 2, 500, 7, &a), KOHL_OK);
  ck_assert_int_eq(kohl_bootstrap_run(ctx, p, truth, 100, 2, 500, 7, &b), KOHL_OK);
  ck_assert_int_eq(kohl_bootstrap_run(ctx, p, truth, 100, 2, 500, 8, &other), KOHL_OK);
  ck_assert_mem_eq(&a, &b, sizeof a);
  ck_assert(memcmp(&a, &other, sizeof a) != 0);
  kohl_metrics m;
  ck_assert_int_eq(kohl_metrics_compute(ctx, p, truth, 100, 2, &m), KOHL_OK);
  ck_assert(a.accuracy.low < m.accuracy && m.accuracy < a.accuracy.high);
  ck_assert(a.macro_f1.low < m.macro_f1 && m.macro_f1 < a.macro_f1.high);
  ck_assert(a.balanced_accuracy.low < m.balanced_accuracy && m.balanced_accuracy < a.balanced_accuracy.high);
  kohl_metrics_free(ctx, &m);
  ck_assert_int_eq(kohl_bootstrap_run(ctx, p, truth, 0, 2, 5, 7, &a), KOHL_OK);
  ck_assert_int_eq(a.resamples, 0);
  ck_assert_int_eq(kohl_bootstrap_run(ctx, p, truth, 100, 2, 0, 7, &a), KOHL_USAGE);
}
END_TEST

/* Three pictures, three labels, thresholds .5 .25 .5:
 *   has 0 1, given 0 1;  has 2, given 1 2;  has none, given none */
START_TEST(many_labels_by_hand) {
  const float p[] = {.5f, .25f, .4f, /**/ .1f, .75f, .9f, /**/ 0, .2f, .4f}, thresholds[] = {.5f, .25f, .5f};
  const uint8_t marks[] = {1, 1, 0, /**/ 0, 0, 1, /**/ 0, 0, 0};
  kohl_metrics_many m;
  ck_assert_int_eq(kohl_metrics_many_compute(ctx, p, marks, 3, 3, thresholds, 2, &m), KOHL_OK);
  ck_near(m.subset_accuracy, 2.0 / 3);
  ck_near(m.hamming_loss, 1.0 / 9);
  ck_near(m.micro_precision, 3.0 / 4);
  ck_near(m.micro_recall, 1);
  ck_near(m.macro_precision, (1 + 0.5 + 1) / 3);
  ck_near(m.samples_precision, (1 + 0.5 + 0) / 3);
  ck_near(m.samples_fbeta, (1 + 5.0 / (4 + 2) + 0) / 3);
  ck_near(m.per_class[1].fbeta, 5.0 / 6);
  ck_near(m.per_class[1].roc_auc, 0.5);
  ck_assert_int_eq(m.marks, 3);
  ck_assert_int_eq(m.chosen, 4);
  kohl_metrics_many_free(ctx, &m);
  ck_assert_int_eq(kohl_metrics_many_compute(ctx, p, marks, 3, 3, NULL, 2, &m), KOHL_OK);
  ck_assert(m.thresholds[1] == 0.5f && m.per_class[1].right == 0);
  kohl_metrics_many_free(ctx, &m);
  ck_assert_int_eq(kohl_metrics_many_compute(ctx, p, marks, 0, 3, NULL, 2, &m), KOHL_OK);
  ck_near(m.subset_accuracy + m.hamming_loss + m.log_loss + m.brier + m.samples_f1 + m.macro_f1, 0);
  kohl_metrics_many_free(ctx, &m);
}
END_TEST

/* Label 0: .9 yes .7 no .5 yes .3 no: F1 is 2/3 from .9, 1/2, 4/5 from .5, 2/3: between .5 and .3.  Label 1: equally
 * good at .8 and at .4, so .8, half way to .6.  Label 2: nobody has it.  Label 3: all have it, half way to 0.
 */
START_TEST(thresholds_are_the_best) {
  const float p[] = {.9f, .8f, .9f, .5f, /**/ .7f, .6f, .9f, .5f, /**/ .5f, .6f, .9f, .5f, /**/ .3f, .4f, .9f, .5f};
  const uint8_t marks[] = {1, 1, 0, 1, /**/ 0, 0, 0, 1, /**/ 1, 0, 0, 1, /**/ 0, 1, 0, 1};
  float t[4];
  ck_assert_int_eq(kohl_thresholds_choose(ctx, p, marks, 4, 4, 1, t), KOHL_OK);
  ck_assert(t[0] > .39f && t[0] < .41f);
  ck_assert(t[1] > .69f && t[1] < .71f);
  ck_assert(t[2] == .5f);
  ck_assert(t[3] == .25f);
}
END_TEST

/* Whatever allocation is refused, the figures are empty and nothing is lost. */
START_TEST(refused_memory) {
  const float p[] = {.5f, .5f, .2f, .8f};
  const int32_t truth[] = {0, 1};
  const uint8_t marks[] = {1, 0, 1, 1};
  const long plenty = 1000;
  long done = 0;
  for (long refused = 0; done == 0; refused++) {
    meter m = {plenty, 0};
    kohl_context *metered;
    kohl_context_options options = kohl_context_options_default();
    options.threads = 1;
    options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
    ck_assert_int_eq(kohl_context_create(&options, &metered), KOHL_OK);
    long before = m.live;
    kohl_metrics one = {0};
    kohl_metrics_many many = {0};
    kohl_bootstrap drawn;
    float thresholds[2];
    m.left = refused;
    kohl_status status = kohl_metrics_compute(metered, p, truth, 2, 2, &one);
    if (status == KOHL_OK) status = kohl_bootstrap_run(metered, p, truth, 2, 2, 5, 1, &drawn);
    if (status == KOHL_OK) status = kohl_metrics_many_compute(metered, p, marks, 2, 2, NULL, 2, &many);
    if (status == KOHL_OK) status = kohl_thresholds_choose(metered, p, marks, 2, 2, 2, thresholds);
    kohl_metrics_free(metered, &one);
    kohl_metrics_many_free(metered, &many);
    ck_assert_int_eq(m.live, before);
    kohl_context_destroy(metered);
    ck_assert(status == KOHL_OK || status == KOHL_NO_RESOURCE);
    ck_assert_int_lt(refused, 100);
    done = status == KOHL_OK;
  }
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
  tcase_add_test(tests, ranks_with_a_tie);
  tcase_add_test(tests, a_fold_of_one_class);
  tcase_add_test(tests, calibration_by_hand);
  tcase_add_test(tests, intervals);
  tcase_add_test(tests, many_labels_by_hand);
  tcase_add_test(tests, thresholds_are_the_best);
  tcase_add_test(tests, refused_memory);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
