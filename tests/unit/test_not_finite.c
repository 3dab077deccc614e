/* NaN and infinity, 1,000 times in whole trainings and 1,000 times in single steps: none reaches weights, moments, the
 * average, running statistics or a file, and a step that was refused leaves no trace at all.
 *
 * In whole trainings the hooks spoil inputs and gradients; in single steps it is also weights of the loss, which no
 * hook reaches.  When to spoil, what and where is drawn from seeds. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/model.h"
#include "nn/session.h"
#include "tests/unit/fit_pictures.h"
#include "train/update.h"

enum { SETS = 8, PATHS = 4, WANTED = 1000, BATCH = 6, CLASSES = 3, SIDE = 8 };

/* A training, one line each: the base, whether its input reaches weights that learn only through frozen layers, how
 * many batches make an update, and the recipe's changes. */
typedef struct training {
  const char *base;
  bool through; /* an infinity may then end in a ReLU, so that only NaN is sure to arrive */
  int accumulate;
  const char *sets[SETS];
} training;

#define LONG "data.oversample=80", "epochs=7"
/* directly behind the input it could drop the very number */
#define NO_DROPOUT "head.dropout=0"
#define NORM "norm.safetensors"
#define TINY "base.safetensors"
static const training trainings[] = {
    {TINY, false, 1, {LONG, "optimizer.momentum=0.5", "optimizer.ema=0.8"}},
    {TINY, false, 1, {LONG, "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"}},
    {TINY, false, 1, {LONG, "optimizer.name=adam", "optimizer.epsilon_place=hat", "optimizer.ema=0.9"}},
    {TINY, false, 1, {LONG, "optimizer.name=adamw", "optimizer.epsilon_place=plain", "optimizer.clip_norm=1"}},
    {TINY, false, 1, {LONG, "loss.name=sigmoid", "loss.positive_weights=balanced", "head.dense=[]", NO_DROPOUT}},
    {TINY, false, 2, {LONG, "accumulate=2", "batch=8"}},
    {TINY, true, 1, {LONG, "augment.rotation=20", "features.variants=0"}},
    {NORM, false, 1, {LONG, "train=all", "batch_norm=trained", "optimizer.momentum=0.5"}},
    {NORM, false, 2, {LONG, "train=all", "batch_norm=trained", "accumulate=2", "batch=8", "optimizer.ema=0.8"}},
};
enum { TRAININGS = sizeof trainings / sizeof *trainings };

/* What is put where. */
typedef enum place { ONE_INPUT, ALL_INPUTS, GRADIENT } place;
typedef struct poison {
  place at;
  float value;
} poison;
static const poison poisons[] = {
    {ONE_INPUT, NAN}, {ALL_INPUTS, INFINITY}, {ALL_INPUTS, FLT_MAX}, /* the loss overflows */
    {GRADIENT, NAN},  {GRADIENT, INFINITY},   {GRADIENT, -INFINITY}, {ONE_INPUT, INFINITY}, {ONE_INPUT, -INFINITY},
};
enum { POISONS = sizeof poisons / sizeof *poisons };

/* The hooks' state. */
typedef struct injector {
  const training *what;
  const char *run;
  uint64_t seed;
  long begin;           /* spoil every update from this on (from 0); below 0: drawn ones, never three in a row */
  int only;             /* this poison, or below 0: drawn ones */
  long passes, spoiled; /* backward passes begun, updates spoiled */
  int row;              /* spoiled updates in a row */
  poison now;           /* of the update at hand, */
  uint32_t batch;       /* and in which of its batches; */
  bool here;            /* in this one */
} injector;

static uint32_t draw(const injector *in, uint32_t what) {
  return kohl_random_u32(in->seed, what, (uint64_t)in->passes, 0, 0);
}

/* Decides at the first pass of an update whether it is spoiled, and in which of its passes. */
static void decide(injector *in) {
  long update = in->passes / in->what->accumulate;
  uint32_t batch = (uint32_t)(in->passes % in->what->accumulate);
  if (batch == 0) {
    bool spoil =
        in->begin >= 0 ? update >= in->begin : in->row < 2 && kohl_random_u32(1, 9, (uint64_t)update, 0, 0) % 8 < 6;
    in->row = spoil ? in->row + 1 : 0;
    in->spoiled += spoil;
    int sure = in->what->through ? 2 : POISONS; /* the first and the fourth alone are NaN */
    int which = in->only >= 0 ? in->only : (int)(draw(in, 1) % (uint32_t)sure) * (in->what->through ? 3 : 1);
    in->now = poisons[which];
    in->batch = draw(in, 2) % (uint32_t)in->what->accumulate;
  }
  in->here = in->row > 0 && in->batch == batch;
  in->passes++;
}

static void on_input(void *user, int64_t step, float *input, size_t floats) {
  injector *in = user;
  const bool within = in->passes % in->what->accumulate != 0; /* an update that is not over, and may be spoiled */
  ck_assert_msg(step == in->passes / in->what->accumulate - in->spoiled + (within && in->row > 0),
                "%s: %lld updates behind %ld passes of which %ld are spoiled; the last: %g at %d", in->run,
                (long long)step, in->passes, in->spoiled, (double)in->now.value, (int)in->now.at);
  decide(in);
  if (!in->here || in->now.at == GRADIENT) return;
  if (in->now.at == ONE_INPUT) {
    input[draw(in, 3) % floats] = in->now.value;
    return;
  }
  for (size_t i = 0; i < floats; i++) input[i] = in->now.value;
}

/* An element near where that is not 0: between two tensors lie elements that belong to no weight, always 0, which
 * nothing would write again. */
static size_t some_weight(const float *values, size_t count, uint32_t where) {
  size_t at = where % count;
  for (size_t i = 0; i < count && values[at] == 0.0f; i++) at = (at + 1) % count;
  return at;
}

static void on_gradients(void *user, int64_t step, float *gradients, size_t count) {
  injector *in = user;
  (void)step;
  if (in->here && in->now.at == GRADIENT) gradients[some_weight(gradients, count, draw(in, 4))] = in->now.value;
}

/* Every tensor of a checkpoint or model in the run's folder. */
static void all_finite(const char *run, const char *name) {
  kohl_context *ctx = fit_context(1);
  kohl_safetensors *file;
  char path[96];
  snprintf(path, sizeof path, "%s/%s", run, name);
  fit_ok(ctx, kohl_safetensors_open(ctx, fit_path(path), &file));
  for (size_t i = 0; i < kohl_safetensors_count(file); i++) {
    const kohl_tensor_info *info = kohl_safetensors_tensor(file, i);
    for (size_t k = 0; k < info->bytes / sizeof(float); k++) {
      ck_assert_msg(isfinite(((const float *)info->data)[k]), "%s: tensor %s, element %zu", path, info->name, k);
    }
  }
  kohl_safetensors_close(ctx, file);
  kohl_context_destroy(ctx);
}

static void on_progress(const kohl_train_progress *p, void *user) {
  const injector *in = user;
  ck_assert(isfinite(p->loss) && isfinite(p->val_loss));
  if (!strcmp(p->what, "epoch")) all_finite(in->run, "last.ckpt");
}

static kohl_status train(kohl_context *ctx, injector *in, kohl_train_result *result) {
  size_t count = 0;
  while (count < SETS && in->what->sets[count]) count++;
  const kohl_train_hooks hooks = {on_input, on_gradients, in};
  const char *names[PATHS] = {"r.yaml", "data", in->run, in->what->base};
  char path[PATHS][512]; /* fit_path's are too few: on_progress needs more of them during the run */
  for (int i = 0; i < PATHS; i++) snprintf(path[i], sizeof path[i], "%s", fit_path(names[i]));
  kohl_train_options options = {.recipe = path[0],
                                .data = path[1],
                                .run = path[2],
                                .init_from = path[3],
                                .overrides = in->what->sets,
                                .override_count = count,
                                .progress = on_progress,
                                .progress_user = in,
                                .hooks = &hooks};
  return kohl_train(ctx, &options, result);
}

/* Lines of log.txt that tell of a refused step. */
static long refusals(const char *run) {
  char name[64];
  size_t bytes;
  snprintf(name, sizeof name, "%s/log.txt", run);
  char *log = fit_load(name, &bytes);
  long n = 0;
  for (const char *at = log; (at = strstr(at, "no update")); at++) n++;
  free(log);
  return n;
}

/* The same updates are spoiled once by everything, everywhere, and once by one gradient that is NaN: a step that is
 * refused leaves no trace, so that both runs end with the same bits. */
START_TEST(none_is_kept) {
  kohl_context *ctx = fit_context(1);
  long spoiled = 0;
  for (int t = 0; t < TRAININGS; t++) {
    char names[2][32], last[2][64], best[64];
    for (int other = 0; other < 2; other++) {
      snprintf(names[other], sizeof names[other], "spoiled%d_%d", t, other);
      snprintf(last[other], sizeof last[other], "%s/last.ckpt", names[other]);
      injector in = {
          .what = &trainings[t], .run = names[other], .seed = (uint64_t)t, .begin = -1, .only = other ? 3 : -1};
      kohl_train_result result;
      kohl_status status = train(ctx, &in, &result);
      ck_assert_msg(status == KOHL_OK, "training %d: %s", t, kohl_context_error(ctx));
      ck_assert_int_eq(result.steps, in.passes / in.what->accumulate - in.spoiled);
      ck_assert_int_eq(refusals(names[other]), in.spoiled);
      all_finite(names[other], "last.ckpt");
      all_finite(names[other], "best.safetensors");
      snprintf(best, sizeof best, "%s/best.safetensors", names[other]);
      if (other == 0) spoiled += in.spoiled;
      if (other == 1) fit_same_state(last[0], last[1]);
    }
  }
  ck_assert_msg(spoiled >= WANTED, "%ld updates were spoiled", spoiled);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(three_in_a_row_end_the_run) {
  kohl_context *ctx = fit_context(1);
  char run[32], expected[32];
  for (int p = 0; p < POISONS; p++) {
    snprintf(run, sizeof run, "three%d", p);
    injector in = {.what = &trainings[p % 5], .run = run, .seed = 77, .begin = 40 + p, .only = p};
    kohl_train_result result;
    ck_assert_int_eq(train(ctx, &in, &result), KOHL_NOT_FINITE);
    const char *text = kohl_context_error(ctx);
    snprintf(expected, sizeof expected, "step %d ", 40 + p);
    ck_assert_msg(strstr(text, expected) && strstr(text, "at layer 'head_") && strstr(text, "3 times in a row") &&
                      strstr(text, ".png") && !strchr(text, '\n'),
                  "%s", text);
    ck_assert_int_eq(in.passes, 43 + p);
    ck_assert_int_eq(result.steps, 40 + p);
    ck_assert_int_eq(refusals(run), 3);
    all_finite(run, "last.ckpt");
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* input -> convolution -> batch-norm -> ReLU, and for single steps -> dense -> softmax or sigmoid; drawn weights. */
static kohl_model *make_model(kohl_context *ctx, kohl_layer last) {
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default(), plain = params;
  int at;
  fit_ok(ctx, kohl_graph_create(ctx, "norm", &graph));
  params.size[0] = params.size[1] = SIDE;
  params.size[2] = 3;
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_input, "input", &params, NULL, 0, &at));
  params = plain;
  params.filters = 6;
  params.kernel[0] = params.kernel[1] = 3;
  params.bias = false;
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_conv2d, "conv", &params, &at, 1, &at));
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_batch_norm, "norm", &plain, &at, 1, &at));
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_relu, "relu", &plain, &at, 1, &at));
  if (last != KOHL_LAYER_relu) {
    params = plain;
    params.filters = CLASSES;
    fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_flatten, "flatten", &plain, &at, 1, &at));
    fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_dense, "dense", &params, &at, 1, &at));
    fit_ok(ctx, kohl_graph_add(ctx, graph, last, "last", &plain, &at, 1, &at));
  }
  for (size_t i = 0; i < graph->count; i++) graph->nodes[i].trainable = true;
  fit_ok(ctx, kohl_graph_infer(ctx, graph));
  fit_ok(ctx, kohl_model_create(ctx, graph, &model));
  for (size_t w = 0; w < model->weight_count; w++) {
    kohl_weight *weight = &model->weights[w];
    const bool around_1 = !strcmp(weight->spec.suffix, "gamma") || !strcmp(weight->spec.suffix, "variance");
    fit_ok(ctx, kohl_weight_own(ctx, weight));
    for (size_t i = 0; i < weight->spec.count; i++) {
      weight->owned[i] = kohl_random_uniform(6, 0, w, 0, i) - 0.5f + (around_1 ? 1.0f : 0.0f);
    }
  }
  return model;
}

static void set_up(void) {
  fit_set_up();
  kohl_context *ctx = fit_context(1);
  kohl_model *model = make_model(ctx, KOHL_LAYER_relu);
  model->preprocessing.fit.w = model->preprocessing.fit.h = SIDE;
  fit_ok(ctx, kohl_model_save(ctx, model, fit_path(NORM)));
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}

/* All that a step may change. */
typedef struct state {
  float *values[2 + KOHL_UPDATE_ARRAYS], *kept[2 + KOHL_UPDATE_ARRAYS];
  size_t counts[2 + KOHL_UPDATE_ARRAYS], arrays;
} state;

static void state_open(state *s, kohl_session *session, kohl_update *update) {
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  s->values[0] = kohl_session_params(session, &s->counts[0]);
  s->values[1] = kohl_session_state(session, &s->counts[1]);
  ck_assert_uint_gt(s->counts[1], 0);
  s->arrays = 2 + kohl_update_arrays(update, arrays);
  for (size_t i = 2; i < s->arrays; i++) s->values[i] = arrays[i - 2].values, s->counts[i] = arrays[i - 2].count;
  for (size_t i = 0; i < s->arrays; i++) s->kept[i] = malloc(s->counts[i] * sizeof(float));
}

static void state_keep(state *s) {
  for (size_t i = 0; i < s->arrays; i++) memcpy(s->kept[i], s->values[i], s->counts[i] * sizeof(float));
}

static size_t state_changed(const state *s) {
  size_t changed = 0;
  for (size_t i = 0; i < s->arrays; i++) changed += memcmp(s->kept[i], s->values[i], s->counts[i] * sizeof(float)) != 0;
  return changed;
}

/* A drawn batch; softmax has labels, sigmoid targets and a weight for every sample. */
static void fill_batch(kohl_session *session, uint32_t number) {
  const kohl_session_head head = kohl_session_head_at(session, 0);
  float *input = kohl_session_input(session);
  for (uint32_t i = 0; i < BATCH * SIDE * SIDE * 3; i++) input[i] = kohl_random_uniform(8, number, 0, 0, i);
  for (uint32_t i = 0; i < BATCH; i++) {
    uint32_t label = kohl_random_u32(8, number, 1, 0, i) % CLASSES;
    if (head.labels) head.labels[i] = (int32_t)label;
    for (uint32_t k = 0; k < CLASSES && head.targets; k++) head.targets[i * CLASSES + k] = k == label ? 1.0f : 0.0f;
    kohl_session_draws(session)[i] = i;
  }
}

/* What of batch `number` is spoiled: an input, a weight or target of the loss, or a gradient. */
static float *victim(kohl_session *session, uint32_t number) {
  const kohl_session_head head = kohl_session_head_at(session, 0);
  uint32_t where = kohl_random_u32(9, number, 1, 0, 0), sample = where % BATCH;
  size_t count;
  const float *params = kohl_session_params(session, &count);
  float *gradient = kohl_session_gradients(session, &count) + some_weight(params, count, where);
  switch (kohl_random_u32(9, number, 0, 0, 0) % 4) {
    case 0: return kohl_session_input(session) + where % (BATCH * SIDE * SIDE * 3);
    case 1: return head.labels ? head.class_weights + head.labels[sample] : head.sample_weights + sample;
    case 2: return head.labels ? gradient : head.targets + where % (BATCH * CLASSES);
    default: return gradient;
  }
}

/* What a training does in a step, with one number spoiled: a gradient behind the backward pass that makes it, others
 * before.  False: refused. */
static bool step(kohl_session *session, kohl_update *update, int64_t number, float *spoiled, float value) {
  size_t count;
  float *params = kohl_session_params(session, &count), *gradients = kohl_session_gradients(session, &count);
  const bool gradient = spoiled >= gradients && spoiled < gradients + count;
  const float before = spoiled ? *spoiled : 0.0f;
  if (spoiled && !gradient) *spoiled = value;
  ck_assert_int_eq(kohl_session_backward(session, BATCH, 1), KOHL_OK);
  if (spoiled) *spoiled = gradient ? value : before;
  bool good = true;
  for (int i = 0; i < BATCH; i++) good &= isfinite(kohl_session_losses(session)[i]) != 0;
  if (good && kohl_update_step(update, number, 0.01, params, gradients)) return true;
  kohl_session_undo_state(session);
  return false;
}

/* Half of the numbers for softmax, half for sigmoid, each a quarter with every rule; every fifth step is a good one. */
START_TEST(a_refused_step_leaves_no_trace) {
  static const float values[] = {NAN, INFINITY, -INFINITY};
  kohl_context *ctx = fit_context(1);
  kohl_model *model = make_model(ctx, _i % 2 ? KOHL_LAYER_sigmoid : KOHL_LAYER_softmax);
  kohl_plan_options plan = kohl_plan_options_default();
  const kohl_update_options rule = {.rule = (kohl_update_rule)(_i / 2),
                                    .momentum = _i / 2 <= KOHL_UPDATE_RMSPROP ? 0.5 : 0.0,
                                    .rho = 0.9,
                                    .beta1 = 0.9,
                                    .beta2 = 0.99,
                                    .epsilon = 1e-7,
                                    .ema = 0.9};
  kohl_session *session;
  kohl_update *update;
  state all;
  plan.batch = BATCH;
  plan.train = true;
  fit_ok(ctx, kohl_session_create(ctx, model, &plan, &session));
  size_t count;
  const float *params = kohl_session_params(session, &count);
  fit_ok(ctx, kohl_update_create(ctx, &rule, params, count, &update));
  state_open(&all, session, update);
  int64_t done = 0;
  for (uint32_t i = 0; i < WANTED / 8 * 5 / 4; i++) {
    const uint32_t number = 1000 * (uint32_t)_i + i;
    const bool good = i % 5 == 0;
    fill_batch(session, number);
    state_keep(&all);
    float *spoiled = good ? NULL : victim(session, number);
    bool taken = step(session, update, done + 1, spoiled, values[number % 3]);
    ck_assert_msg(taken == good, "batch %u: %s", number, good ? "refused" : "taken");
    ck_assert_uint_eq(state_changed(&all), good ? all.arrays : 0);
    done += good;
  }
  for (size_t i = 0; i < all.arrays; i++) free(all.kept[i]);
  kohl_update_destroy(update);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("not_finite");
  TCase *tests = tcase_create("not_finite");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, set_up, fit_tear_down);
  tcase_add_test(tests, none_is_kept);
  tcase_add_test(tests, three_in_a_row_end_the_run);
  tcase_add_loop_test(tests, a_refused_step_leaves_no_trace, 0, 8);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
