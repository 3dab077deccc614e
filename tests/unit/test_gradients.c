/* Gradients of whole networks do not depend on the machine: the same bits at every CPU level and for any number of
 * threads.  (Whether they are right is tests/oracle/gradients.py's matter, and kernelcheck's for each kernel.)
 *
 * A network is trained for one step with the references and one thread; probabilities, losses, every gradient and every
 * running statistic must be found again, bit for bit, at the levels that this machine has with 1, 2 and 3 threads. That
 * holds with --exact, which takes kernels of class CHAIN alone, and without it, as every level then chooses the same
 * Winograd convolutions. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/crc32c.h"
#include "nn/session.h"
#include "tests/unit/subject.h"

enum { MOST_THREADS = 3, CLASSES = SUBJECT_CLASSES };

/* Everything that a step gives: the checksum of each array's bits (kernels/core/crc32c.h: one difference in 2^32 would
 * be missed), since a large network in 8 copies would take gigabytes. */
enum { MOST_ARRAYS = 1024 };
typedef struct result {
  char name[MOST_ARRAYS][48];
  uint32_t sum[MOST_ARRAYS];
  int count;
} result;

static void append(result *r, const char *what, const char *name, const float *values, size_t count) {
  ck_assert_int_lt(r->count, MOST_ARRAYS);
  snprintf(r->name[r->count], sizeof r->name[0], "%s%s", what, name);
  r->sum[r->count++] = kohl_crc32c(0, values, count * sizeof *values);
}

/* Gradients that are all 0, or not numbers, would say nothing.  (Check writes down every assertion, so there is none
 * for each number.) */
static void check_gradient(const char *name, const float *gradient, size_t count) {
  bool finite = true, something = false;
  for (size_t i = 0; i < count; i++) {
    finite &= isfinite(gradient[i]) != 0;
    something |= gradient[i] != 0.0f;
  }
  ck_assert_msg(finite && something, "%s: its gradients are %s", name, finite ? "all 0" : "not all numbers");
}

/* Probabilities, losses, gradients; and the model's weights, among them the running statistics after the step. */
static void collect(kohl_session *session, kohl_model *model, int n, result *r) {
  float *probabilities = calloc((size_t)(n * CLASSES), sizeof *probabilities);
  int last = (int)model->graph->count - 1;
  ck_assert_ptr_nonnull(probabilities);
  ck_assert_int_eq(kohl_session_output(session, last, n, probabilities), KOHL_OK);
  append(r, "", "probabilities", probabilities, (size_t)(n * CLASSES));
  free(probabilities);
  append(r, "", "losses", kohl_session_losses(session), (size_t)n);
  ck_assert_int_eq(kohl_session_store_params(session, model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    const kohl_weight *weight = &model->weights[i];
    size_t count, at = kohl_plan_param(session->plan, weight->node, weight->spec.suffix);
    append(r, "", weight->name, weight->data, weight->spec.count);
    if (at == SIZE_MAX) continue;
    const float *gradient = kohl_session_gradients(session, &count) + at;
    check_gradient(weight->name, gradient, weight->spec.count);
    append(r, "gradient of ", weight->name, gradient, weight->spec.count);
  }
}

/* One step; false when this machine has not got the level. */
static bool step(const subject *s, bool exact, const char *level, int threads, uint32_t epoch, result *r) {
  kohl_context_options how = kohl_context_options_default();
  kohl_context *ctx;
  how.cpu = level;
  how.threads = threads;
  how.exact = exact;
  r->count = 0;
  if (kohl_context_create(&how, &ctx) != KOHL_OK) return false;
  kohl_random_key key = kohl_random_key_make(s->seed, 0, 1);
  kohl_model *model = subject_model(ctx, s, key);
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = s->batch;
  options.train = true;
  options.seed = s->seed;
  kohl_session *session;
  ck_assert_msg(kohl_session_create(ctx, model, &options, &session) == KOHL_OK, "%s", ctx->error);
  kohl_shape in = model->graph->nodes[0].shape;
  for (size_t i = 0; i < (size_t)s->batch * (size_t)(in.h * in.w * in.c); i++)
    kohl_session_input(session)[i] = subject_draw(key, 0, i);
  for (int i = 0; i < s->batch; i++) {
    kohl_session_labels(session)[i] = i % CLASSES;
    kohl_session_draws(session)[i] = (uint64_t)i;
  }
  for (int i = 0; i < CLASSES; i++) kohl_session_class_weights(session)[i] = 0.5f + 0.25f * (float)i;
  ck_assert_msg(kohl_session_backward(session, s->batch, epoch) == KOHL_OK, "%s", ctx->error);
  collect(session, model, s->batch, r);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
  return true;
}

/* The first array that differs, or -1. */
static int difference(const result *a, const result *b) {
  ck_assert_int_eq(a->count, b->count);
  for (int i = 0; i < a->count; i++) {
    if (a->sum[i] != b->sum[i]) return i;
  }
  return -1;
}

/* The references take most of the time, so an architecture runs with them once; the large one at the others once each,
 * with 2 and 3 threads. */
static void compare(const subject *s, bool exact, bool large) {
  static const char *const levels[] = {"ref", "avx2", "avx512"};
  static result expected, got;
  ck_assert(step(s, exact, "ref", 1, 1, &expected));
  for (int level = 0; level < 3; level++) {
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
      if (level == 0 && (s->arch || threads == 1)) continue;
      if (large && threads != level + 1) continue;
      if (!step(s, exact, levels[level], threads, 1, &got)) {
        if (threads == 2) printf("skipped: this machine has not got %s\n", levels[level]);
        continue;
      }
      int i = difference(&expected, &got);
      ck_assert_msg(i < 0, "%s%s, %s, %d threads: %s has other bits than the references give",
                    s->arch ? s->arch : "every layer", exact ? " --exact" : "", levels[level], threads,
                    i < 0 ? "" : expected.name[i]);
    }
  }
}

START_TEST(every_layer_is_bit_equal) {
  subject s = {NULL, 11 + _i, 13, 3 + _i % 3, _i % 2, (uint64_t)_i + 1};
  compare(&s, true, false);
}
END_TEST

/* That it can fail: other draws of dropout are other numbers. */
START_TEST(another_epoch_differs) {
  subject s = {NULL, 11, 13, 3, false, 1};
  static result one, two;
  ck_assert(step(&s, true, "ref", 1, 1, &one) && step(&s, true, "ref", 1, 2, &two));
  ck_assert_int_ge(difference(&one, &two), 0);
}
END_TEST

static const subject networks[] = {
    {"cleo_small", 32, 35, 3, false, 1}, {"squeezenet1_1", 63, 64, 2, false, 1}, {"inception_v3", 75, 75, 2, true, 1}};
START_TEST(architectures_are_bit_equal) { compare(&networks[_i / 2], _i % 2 == 0, _i / 2 == 2); }
END_TEST

/* That without --exact something else is compared: kernels of another class give other bits. */
START_TEST(another_class_differs) {
  static result exact, free_choice;
  ck_assert(step(&networks[0], true, "ref", 1, 1, &exact) && step(&networks[0], false, "ref", 1, 1, &free_choice));
  ck_assert_int_ge(difference(&exact, &free_choice), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("gradients");
  TCase *layers = tcase_create("layers"), *architectures = tcase_create("architectures");
  tcase_set_timeout(layers, 120); /* seconds, on a busy machine */
  tcase_set_timeout(architectures, 600);
  tcase_add_loop_test(layers, every_layer_is_bit_equal, 0, 6);
  tcase_add_test(layers, another_epoch_differs);
  tcase_add_loop_test(architectures, architectures_are_bit_equal, 0, 2 * sizeof networks / sizeof networks[0]);
  tcase_add_test(architectures, another_class_differs);
  suite_add_tcase(suite, layers);
  suite_add_tcase(suite, architectures);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
