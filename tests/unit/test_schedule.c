/* Learning rates against formulas written out and values that Keras's and PyTorch's documentations print; the plateau
 * of experiment B, other plateaus and early stopping as tables of figures. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/recipe.h"
#include "train/schedule.h"

/* A handful of roundings of 2^-53, with pow and cos off by one unit at most; 1 + cos of 165 degrees makes 30 times as
 * much of them. */
static void near(double a, double b) { ck_assert_msg(fabs(a - b) <= 1e-14 * fabs(b), "%.17g, expected %.17g", a, b); }

static kohl_recipe_phase phase_of(kohl_recipe_schedule name) {
  kohl_recipe_phase phase;
  memset(&phase, 0, sizeof phase);
  phase.epochs = 90;
  phase.optimizer.lr = 0.05;
  phase.schedule.name = name;
  phase.schedule.factor = 0.1;
  return phase;
}

static double rate(const kohl_recipe_phase *phase, int64_t step, int64_t per_epoch) {
  const kohl_schedule_state state = kohl_schedule_begin();
  return kohl_schedule_rate(phase, &state, step, per_epoch);
}

/* Experiment A: lr 1e-4, decay 1e-6; 30 epochs of 500 steps end at 1e-4 / 1.014999. */
START_TEST(decay_of_keras) {
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_CONSTANT);
  ck_assert_double_eq(rate(&p, 0, 7), 0.05);
  ck_assert_double_eq(rate(&p, 1000000, 7), 0.05);
  p.optimizer.lr = 1e-4;
  p.optimizer.decay = 1e-6;
  ck_assert_double_eq(rate(&p, 0, 500), 1e-4);
  near(rate(&p, 14999, 500), 1e-4 / 1.014999);
  near(rate(&p, 1000000, 500), 5e-5);
  p.schedule.name = KOHL_SCHEDULE_STEP; /* and it multiplies with any other */
  p.schedule.every = 1;
  near(rate(&p, 1000000, 1000000), 5e-6);
}
END_TEST

/* The example of PyTorch's StepLR: .05 below epoch 30, .005 below 60, .0005 below 90. */
START_TEST(step) {
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_STEP);
  p.schedule.every = 30;
  const double expected[] = {.05, .005, .0005};
  for (int epoch = 0; epoch < 90; epoch++) {
    for (int s = 0; s < 3; s++) near(rate(&p, 3 * epoch + s, 3), expected[epoch / 30]);
  }
}
END_TEST

/* Keras's ExponentialDecay: lr * rate ^ (step / decay_steps); at whole epochs ExponentialLR: lr * gamma ^ epoch. */
START_TEST(exponential) {
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_EXPONENTIAL);
  p.schedule.factor = 0.25;
  near(rate(&p, 0, 4), .05);
  near(rate(&p, 2, 4), .025);
  near(rate(&p, 4, 4), .0125);
  near(rate(&p, 8, 4), .003125);
  near(rate(&p, 9, 4), .05 * pow(0.25, 2.25));
}
END_TEST

/* Cosines of 0, 60, 90, 120 and 180 degrees; the last step is the one before the floor. */
START_TEST(cosine) {
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_COSINE);
  p.epochs = 6;
  near(rate(&p, 0, 2), .05);
  near(rate(&p, 4, 2), .05 * .75);
  near(rate(&p, 6, 2), .025);
  near(rate(&p, 8, 2), .05 * .25);
  near(rate(&p, 11, 2), .05 * (1 - cos(acos(-1.0) / 12)) / 2);
  ck_assert_double_eq(rate(&p, 12, 2), 0);
  p.schedule.floor = 0.2;
  near(rate(&p, 4, 2), .05 * (.2 + .8 * .75));
  near(rate(&p, 8, 2), .05 * (.2 + .8 * .25));
  near(rate(&p, 100, 2), .01);
}
END_TEST

/* The example of PyTorch's LinearLR: from a half, over four. */
START_TEST(warm_up) {
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_CONSTANT);
  p.schedule.warmup = 2;
  p.schedule.warmup_from = 0.5;
  const double expected[] = {.025, .03125, .0375, .04375, .05, .05};
  for (int s = 0; s < 6; s++) near(rate(&p, s, 2), expected[s]);
  p.schedule.warmup = 0.5; /* of an epoch of five steps: two and a half */
  p.schedule.warmup_from = 0;
  ck_assert_double_eq(rate(&p, 0, 5), 0);
  near(rate(&p, 1, 5), .05 * .4);
  near(rate(&p, 2, 5), .05 * .8);
  near(rate(&p, 3, 5), .05);
  p = phase_of(KOHL_SCHEDULE_COSINE); /* the cosine has what is left */
  p.epochs = 5;
  p.schedule.warmup = 1;
  near(rate(&p, 2, 4), .025);
  near(rate(&p, 4, 4), .05);
  near(rate(&p, 12, 4), .025);
  ck_assert_double_eq(rate(&p, 20, 4), 0);
  p.schedule.warmup = 5; /* nothing is left */
  near(rate(&p, 19, 4), .05 * .95);
  ck_assert_double_eq(rate(&p, 20, 4), 0);
  p = phase_of(KOHL_SCHEDULE_STEP); /* as are whole epochs of the others */
  p.schedule.every = 2;
  p.schedule.warmup = 1;
  near(rate(&p, 11, 4), .05);
  near(rate(&p, 12, 4), .005);
}
END_TEST

/* Figures of epochs, and the factor that the epoch after each has; ends: the last one is the phase's last. */
typedef struct story {
  const char *what;
  kohl_recipe_compare compare;
  int patience, stop;
  double floor, figure[12], factor[12];
  int count;
  bool ends;
} story;

static const story stories[] = {
    /* Experiment B: worse than before -> a tenth; lowered after the epoch before and still no better -> stop. */
    {"two misses in a row", KOHL_COMPARE_PREVIOUS, 0, 1, 0, {.5, .6, .55, .54}, {1, 1, .1, .1}, 4, true},
    {"and equal is no better", KOHL_COMPARE_PREVIOUS, 0, 1, 0, {.5, .6, .55, .55}, {1, 1, .1, .1}, 4, true},
    {"but equal is not worse", KOHL_COMPARE_PREVIOUS, 0, 1, 0, {.5, .6, .6, .6, .7}, {1, 1, 1, 1, 1}, 5, false},
    {"better than before is enough",
     KOHL_COMPARE_PREVIOUS,
     0,
     1,
     0,
     {.5, .6, .3, .4, .5, .45, .46, .44, .43},
     {1, 1, .1, .1, .1, .01, .01, .001, .001},
     9,
     true},
    {"a loss that is no number", KOHL_COMPARE_PREVIOUS, 0, 1, 0, {-1, -.5, NAN, -.5}, {1, 1, .1, .1}, 4, true},
    {"goes by the last number", KOHL_COMPARE_PREVIOUS, 0, 1, 0, {-1, NAN, -.9, -INFINITY}, {1, .1, .1, .01}, 4, false},
    /* ReduceLROnPlateau of PyTorch: with patience 2 the first two epochs without improvement are ignored. */
    {"patience 2",
     KOHL_COMPARE_BEST,
     2,
     0,
     0,
     {.5, .4, .4, .4, .4, .4, .5, .6, .5},
     {1, 1, 1, .1, .1, .1, .01, .01, .01},
     9,
     false},
    {"a better one between", KOHL_COMPARE_BEST, 1, 0, 0, {.5, .5, .6, .6, .6}, {1, 1, 1, 1, .1}, 5, false},
    {"the best is what counts", KOHL_COMPARE_BEST, 0, 0, 0, {.5, .3, .4, .45, .6}, {1, .1, .01, .001, .001}, 5, false},
    {"and stops", KOHL_COMPARE_BEST, 0, 1, 0, {.5, .3, .4}, {1, .1, .1}, 3, true},
    {"patience and stop",
     KOHL_COMPARE_BEST,
     1,
     1,
     0,
     {.5, .4, .3, .6, .5, .5, .5},
     {1, 1, .1, .1, .1, .01, .01},
     7,
     true},
    {"a floor", KOHL_COMPARE_BEST, 0, 0, .05, {.5, .4, .4, .4}, {1, .1, .05, .05}, 4, false},
};

START_TEST(plateau) {
  const story *s = &stories[_i];
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_PLATEAU);
  p.schedule.compare = (int)s->compare;
  p.schedule.patience = s->patience;
  p.schedule.stop = s->stop;
  p.schedule.floor = s->floor;
  kohl_schedule_state state = kohl_schedule_begin();
  near(kohl_schedule_rate(&p, &state, 0, 3), .05);
  for (int e = 0; e < s->count; e++) {
    bool ends = kohl_schedule_epoch(&p, &state, s->figure[e], 0);
    ck_assert_msg(ends == (s->ends && e == s->count - 1), "%s: epoch %d: ends %d", s->what, e + 1, ends);
    double now = kohl_schedule_rate(&p, &state, 3 * (e + 1), 3);
    ck_assert_msg(fabs(now - .05 * s->factor[e]) <= 1e-14 * now, "%s: after epoch %d: %g", s->what, e + 1, now);
    ck_assert(isfinite(state.best) && isfinite(state.before) && isfinite(state.factor));
  }
}
END_TEST

/* As Keras's EarlyStopping: figures, patience, min_delta, and the epoch that is the last; 0: none. */
static const struct {
  double figure[8];
  int count, patience;
  double min_delta;
  int last;
} stops[] = {
    {{.5, .6, .6, .6, .7}, 5, 2, 0, 4},
    {{.5, .6, .6, .7, .7, .7}, 6, 2, 0, 6},
    {{.5, .4}, 2, 1, 0, 2},
    {{.5, .6, .5, .5, .5}, 5, 0, 0, 0},
    {{.5, .55, .6, .65}, 4, 1, .1, 2},
    {{.5, .55, .625, .65, .7, .75}, 6, 2, .1, 5},
    {{-2, -INFINITY, -1, NAN, -2}, 5, 2, 0, 5},
    {{NAN, NAN}, 2, 2, 0, 2},
    {{-INFINITY, -1e300, -1e299}, 3, 2, 0, 0},
};

START_TEST(early_stopping) {
  kohl_recipe_phase p = phase_of(KOHL_SCHEDULE_CONSTANT);
  p.stop.patience = stops[_i].patience;
  p.stop.min_delta = stops[_i].min_delta;
  kohl_schedule_state state = kohl_schedule_begin();
  int last = 0;
  for (int e = 0; e < stops[_i].count && !last; e++) {
    if (kohl_schedule_epoch(&p, &state, NAN, stops[_i].figure[e])) last = e + 1; /* only plateau asks for the other */
    ck_assert(isfinite(state.stop_best));
  }
  ck_assert_int_eq(last, stops[_i].last);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("schedule");
  TCase *tests = tcase_create("schedule");
  tcase_add_test(tests, decay_of_keras);
  tcase_add_test(tests, step);
  tcase_add_test(tests, exponential);
  tcase_add_test(tests, cosine);
  tcase_add_test(tests, warm_up);
  tcase_add_loop_test(tests, plateau, 0, (int)(sizeof stories / sizeof *stories));
  tcase_add_loop_test(tests, early_stopping, 0, (int)(sizeof stops / sizeof *stops));
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
