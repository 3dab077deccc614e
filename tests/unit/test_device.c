/* Networks on a CUDA device give the bits of the CPU's references: forward, gradients, optimizer, refused steps.  Where
 * a build has no device (all but CUDA=host, or a machine with a GPU) this says so and checks what is said of devices.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/device.h"
#include "nn/session.h"
#include "tests/unit/subject.h"
#include "train/update.h"

enum { STEPS = 3, CLASSES = SUBJECT_CLASSES };

static kohl_context *context(const char *device) {
  kohl_context_options how = kohl_context_options_default();
  kohl_context *ctx;
  how.cpu = "ref";
  how.threads = 1;
  how.exact = true;
  ck_assert_int_eq(kohl_context_create(&how, &ctx), KOHL_OK);
  if (kohl_context_use_device(ctx, device) == KOHL_OK) return ctx;
  printf("skipped: %s\n", kohl_context_error(ctx));
  kohl_context_destroy(ctx);
  return NULL;
}

/* A network under training, on the CPU or on a device. */
typedef struct trainee {
  kohl_context *ctx;
  kohl_model *model;
  kohl_session *session;
  kohl_update *update;
} trainee;

static kohl_status tail(void *user, int n) {
  const trainee *t = user;
  const kohl_plan *plan = t->session->plan;
  return kohl_update_put(t->update, kohl_session_at(t->session, plan->params),
                         kohl_session_at(t->session, plan->gradients),
                         kohl_session_at(t->session, plan->heads[0].losses), n);
}

static bool trainee_make(const char *device, const subject *s, bool train, const kohl_update_options *how,
                         trainee *out) {
  kohl_random_key key = kohl_random_key_make(s->seed, 0, 1);
  memset(out, 0, sizeof *out);
  out->ctx = context(device);
  if (!out->ctx) return false;
  out->model = subject_model(out->ctx, s, key);
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = s->batch;
  options.train = train;
  options.seed = s->seed;
  ck_assert_msg(kohl_session_create(out->ctx, out->model, &options, &out->session) == KOHL_OK, "%s", out->ctx->error);
  if (!train) return true;
  size_t count;
  const float *params = kohl_session_params(out->session, &count);
  ck_assert_msg(kohl_update_create(out->ctx, how, params, count, &out->update) == KOHL_OK, "%s", out->ctx->error);
  ck_assert_int_eq(kohl_update_on_device(out->update), out->session->device != NULL);
  return true;
}

static void trainee_free(trainee *t) {
  kohl_update_destroy(t->update);
  kohl_session_destroy(t->session);
  kohl_model_destroy(t->ctx, t->model);
  kohl_context_destroy(t->ctx);
}

static void write_input(trainee *t, const subject *s, int n, int step) {
  kohl_random_key key = kohl_random_key_make(s->seed, (uint32_t)step, 2);
  kohl_shape in = t->model->graph->nodes[0].shape;
  for (size_t i = 0; i < (size_t)n * (size_t)(in.h * in.w * in.c); i++)
    kohl_session_input(t->session)[i] = subject_draw(key, 0, i);
}

static void write_labels(trainee *t, int n, int step) {
  for (int i = 0; i < n; i++) {
    kohl_session_labels(t->session)[i] = (i + step) % CLASSES;
    kohl_session_draws(t->session)[i] = (uint64_t)(i + 10 * step);
  }
  for (int i = 0; i < CLASSES; i++) kohl_session_class_weights(t->session)[i] = 0.5f + 0.25f * (float)i;
}

/* A whole step, as train/step.c makes it; false: refused. */
static bool take(trainee *t, int n, int step, double lr) {
  const kohl_plan *plan = t->session->plan;
  bool device = t->session->device != NULL;
  if (device) {
    t->session->tail = tail;
    t->session->tail_user = t;
    kohl_update_set(t->update, step, lr);
  }
  ck_assert_msg(kohl_session_backward(t->session, n, (uint32_t)step) == KOHL_OK, "%s", t->ctx->error);
  if (device) return kohl_update_taken(t->update);
  bool finite = true;
  for (int i = 0; i < n; i++) finite &= isfinite(kohl_session_losses(t->session)[i]) != 0;
  return finite && kohl_update_step(t->update, step, lr, kohl_session_at(t->session, plan->params),
                                    kohl_session_at(t->session, plan->gradients));
}

static void same(const char *what, const float *a, const float *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!memcmp(&a[i], &b[i], sizeof *a) || (isnan(a[i]) && isnan(b[i]))) continue;
    ck_abort_msg("%s: number %zu of %zu is %.9g on the CPU and %.9g on the device", what, i, count, (double)a[i],
                 (double)b[i]);
  }
}

/* Everything that a training step leaves, both sides; the gradients where the step was taken are clipped ones. */
static void compare(trainee *cpu, trainee *gpu, int n) {
  size_t count, other;
  float *a, *b;
  kohl_checkpoint_array left[KOHL_UPDATE_ARRAYS], right[KOHL_UPDATE_ARRAYS];
  ck_assert_int_eq(kohl_session_fetch(gpu->session), KOHL_OK);
  ck_assert_int_eq(kohl_update_fetch(gpu->update), KOHL_OK);
  same("losses", kohl_session_losses(cpu->session), kohl_session_losses(gpu->session), (size_t)n);
  ck_assert_int_eq(kohl_session_fetch_gradients(cpu->session, &a, &count), KOHL_OK);
  ck_assert_int_eq(kohl_session_fetch_gradients(gpu->session, &b, &other), KOHL_OK);
  ck_assert_uint_eq(count, other);
  same("gradients", a, b, count);
  same("weights", kohl_session_params(cpu->session, &count), kohl_session_params(gpu->session, &other), count);
  a = kohl_session_state(cpu->session, &count);
  same("running statistics", a, kohl_session_state(gpu->session, &other), count);
  size_t arrays = kohl_update_arrays(cpu->update, left);
  ck_assert_uint_eq(arrays, kohl_update_arrays(gpu->update, right));
  for (size_t i = 0; i < arrays; i++) same(left[i].name, left[i].values, right[i].values, left[i].count);
}

static const kohl_update_options rules[] = {
    {.rule = KOHL_UPDATE_SGD, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4},
    {.rule = KOHL_UPDATE_RMSPROP, .rho = 0.9, .epsilon = 1e-7, .clip_norm = 0.5, .ema = 0.9},
    {.rule = KOHL_UPDATE_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7},
    {.rule = KOHL_UPDATE_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .ema = 0.5},
};

/* Steps with whole and smaller batches; each graph is used again. */
START_TEST(steps_are_bit_equal) {
  subject s = {NULL, 11, 13, 4, _i % 2 == 0, (uint64_t)_i + 1};
  trainee cpu, gpu;
  if (!trainee_make("cuda", &s, true, &rules[_i], &gpu)) return;
  trainee_make("cpu", &s, true, &rules[_i], &cpu);
  for (int step = 1; step <= STEPS + 2; step++) {
    const int n = step % 2 ? s.batch : s.batch - 1;
    write_input(&cpu, &s, n, step), write_input(&gpu, &s, n, step);
    write_labels(&cpu, n, step), write_labels(&gpu, n, step);
    ck_assert(take(&cpu, n, step, 0.01 / step) && take(&gpu, n, step, 0.01 / step));
    compare(&cpu, &gpu, n);
    if (!rules[_i].ema || step != STEPS) continue;
    ck_assert_int_eq(kohl_update_swap(cpu.update, kohl_session_at(cpu.session, cpu.session->plan->params)), KOHL_OK);
    ck_assert_int_eq(kohl_update_swap(gpu.update, kohl_session_at(gpu.session, gpu.session->plan->params)), KOHL_OK);
    compare(&cpu, &gpu, n);
  }
  trainee_free(&cpu), trainee_free(&gpu);
}
END_TEST

/* A NaN among the pixels: neither side moves a weight, and both go on afterwards as if nothing had been. */
START_TEST(not_finite_is_refused) {
  subject s = {NULL, 11, 13, 3, true, 5};
  trainee cpu, gpu;
  if (!trainee_make("cuda", &s, true, &rules[1], &gpu)) return;
  trainee_make("cpu", &s, true, &rules[1], &cpu);
  for (int step = 1; step <= STEPS; step++) {
    write_input(&cpu, &s, s.batch, step), write_input(&gpu, &s, s.batch, step);
    write_labels(&cpu, s.batch, step), write_labels(&gpu, s.batch, step);
    if (step == 2) kohl_session_input(cpu.session)[7] = kohl_session_input(gpu.session)[7] = NAN;
    ck_assert_int_eq(take(&cpu, s.batch, step, 0.01), step != 2);
    ck_assert_int_eq(take(&gpu, s.batch, step, 0.01), step != 2);
    if (step == 2) {
      ck_assert_int_eq(kohl_session_undo_state(cpu.session), KOHL_OK);
      ck_assert_int_eq(kohl_session_undo_state(gpu.session), KOHL_OK);
    } else {
      compare(&cpu, &gpu, s.batch);
    }
  }
  trainee_free(&cpu), trainee_free(&gpu);
}
END_TEST

/* Inference: folded batch-norms, concat in place, merged siblings, and fewer pictures than were planned for. */
static const subject networks[] = {{NULL, 11, 13, 3, false, 1},
                                   {"cleo_small", 32, 35, 2, false, 1},
                                   {"squeezenet1_1", 63, 64, 2, false, 1},
                                   {"resnet18", 64, 33, 1, false, 1},
                                   {"inception_v3", 75, 75, 1, false, 1}};
START_TEST(networks_are_bit_equal) {
  const subject *s = &networks[_i];
  trainee cpu, gpu;
  if (!trainee_make("cuda", s, false, NULL, &gpu)) return;
  trainee_make("cpu", s, false, NULL, &cpu);
  const int last = (int)cpu.model->graph->count - 1;
  float *a = calloc((size_t)(s->batch * CLASSES), sizeof *a), *b = calloc((size_t)(s->batch * CLASSES), sizeof *b);
  ck_assert(a && b);
  for (int n = s->batch; n >= 0; n--) {
    write_input(&cpu, s, n, n), write_input(&gpu, s, n, n);
    ck_assert_msg(kohl_session_run(cpu.session, n) == KOHL_OK, "%s", cpu.ctx->error);
    ck_assert_msg(kohl_session_run(gpu.session, n) == KOHL_OK, "%s", gpu.ctx->error);
    ck_assert_int_eq(kohl_session_output(cpu.session, last, n, a), KOHL_OK);
    ck_assert_int_eq(kohl_session_output(gpu.session, last, n, b), KOHL_OK);
    same("probabilities", a, b, (size_t)(n * CLASSES));
  }
  ck_assert_int_eq(kohl_session_run(gpu.session, s->batch + 1), KOHL_USAGE);
  free(a), free(b);
  trainee_free(&cpu), trainee_free(&gpu);
}
END_TEST

/* What does not fit is known before anything runs, with a batch that does. */
START_TEST(memory_is_planned) {
  subject s = {"squeezenet1_1", 227, 227, 1, false, 1};
  kohl_context *ctx = context("cuda");
  if (!ctx) return;
  kohl_model *model = subject_model(ctx, &s, kohl_random_key_make(1, 0, 1));
  kohl_session *session;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = 65536;
  ck_assert_int_eq(kohl_session_create(ctx, model, &options, &session), KOHL_NO_RESOURCE);
  ck_assert_ptr_null(session);
  ck_assert_ptr_nonnull(strstr(ctx->error, "cuda:0: memory: batch 65536 needs"));
  ck_assert_ptr_nonnull(strstr(ctx->error, "it fits with batch"));
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(devices_by_name) {
  kohl_context *ctx;
  const char *why;
  ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK);
  const int count = kohl_device_count(&why);
  static const char *const bad[] = {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0x", "CUDA", "cuda:12345678901"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_int_eq(kohl_context_use_device(ctx, bad[i]), KOHL_USAGE);
    ck_assert_ptr_nonnull(strstr(ctx->error, "expected cpu, cuda or cuda:N"));
  }
  ck_assert_int_eq(kohl_context_use_device(ctx, "cuda:999"), KOHL_NO_RESOURCE);
  ck_assert_ptr_nonnull(strstr(ctx->error, "cuda"));
  ck_assert_ptr_null(ctx->device);
  ck_assert_int_eq(kohl_context_use_device(ctx, "cuda"), count ? KOHL_OK : KOHL_NO_RESOURCE);
  ck_assert_int_eq(kohl_context_use_device(ctx, "cpu"), KOHL_OK);
  ck_assert_ptr_null(ctx->device);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("device");
  TCase *tests = tcase_create("device");
  tcase_set_timeout(tests, 300); /* seconds: fibers on a busy machine */
  tcase_add_test(tests, devices_by_name);
  tcase_add_loop_test(tests, steps_are_bit_equal, 0, sizeof rules / sizeof rules[0]);
  tcase_add_test(tests, not_finite_is_refused);
  tcase_add_loop_test(tests, networks_are_bit_equal, 0, sizeof networks / sizeof networks[0]);
  tcase_add_test(tests, memory_is_planned);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
