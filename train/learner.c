/* What learns: class weights, the session of what a step runs, and the optimizer that the phase names. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/run.h"

/* How often an epoch's good draws have each label; returns how many such draws there are. */
static size_t count_labels(const kohl_run *run, size_t *count) {
  size_t n = 0;
  for (size_t d = 0; d < run->draws.count; d++) {
    size_t labels, sample = run->draws.sample[d];
    if (run->samples.sample[sample].bad) continue;
    const int *label = kohl_sample_labels(&run->samples, sample, &labels);
    for (size_t i = 0; i < labels; i++) count[label[i]]++;
    n++;
  }
  return n;
}

/* In double, rounded once. */
static kohl_status fill_weights(kohl_run *run, size_t *count, double *weight) {
  static const kohl_weighting kinds[] = {KOHL_WEIGHTING_NONE, KOHL_WEIGHTING_BALANCED, KOHL_WEIGHTING_INVERSE,
                                         KOHL_WEIGHTING_EFFECTIVE};
  const kohl_recipe *r = &run->recipe;
  const char *const *names = run->samples.classes;
  size_t classes = run->samples.class_count, n = count_labels(run, count);
  for (size_t c = 0; c < classes; c++) {
    if (count[c]) continue;
    return kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: class '%s' has no good training picture, expected at least 1",
                     run->options->data, names[c]);
  }
  kohl_status status = kohl_class_weights(run->ctx, kinds[r->loss.class_weights], r->loss.class_weights_beta, count,
                                          names, classes, weight);
  if (status != KOHL_OK) return status;
  for (size_t c = 0; c < classes; c++) run->class_weights[c] = (float)weight[c];
  kohl_positive_weights(count, n, classes, weight);
  const bool positive = r->loss.positive_weights == KOHL_WEIGHTS_BALANCED;
  for (size_t c = 0; c < classes; c++) run->positive_weights[c] = positive ? (float)weight[c] : 1.0f;
  return KOHL_OK;
}

static kohl_status make_weights(kohl_run *run) {
  size_t classes = run->samples.class_count, *count = NULL;
  double *weight = NULL;
  kohl_status status = kohl_alloc(run->ctx, classes, sizeof *run->class_weights, "class weights", &run->class_weights);
  if (status == KOHL_OK) {
    status = kohl_alloc(run->ctx, classes, sizeof *run->positive_weights, "label weights", &run->positive_weights);
  }
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, classes, sizeof *count, "class counts", &count);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, classes, sizeof *weight, "class weights", &weight);
  if (status == KOHL_OK) status = fill_weights(run, count, weight);
  kohl_free(run->ctx, count);
  kohl_free(run->ctx, weight);
  return status;
}

static kohl_status make_session(kohl_run *run) {
  kohl_context *ctx = run->ctx;
  const kohl_recipe *r = &run->recipe;
  size_t classes = run->samples.class_count;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = (int)r->batch;
  options.train = true;
  options.label_smoothing = (float)r->loss.label_smoothing;
  options.divide_by_weights = r->loss.weights_divide_by == KOHL_DIVIDE_BY_WEIGHTS;
  options.seed = (uint64_t)r->seed;
  kohl_status status = kohl_session_create(ctx, kohl_feed_model(run), &options, &run->session);
  if (status != KOHL_OK) return status;
  /* with sigmoid a class weight is that of its pictures, which the epoch writes for every sample, as Keras does */
  const kohl_session_head head = kohl_session_head_at(run->session, 0);
  const bool sigmoid = r->loss.name == KOHL_LOSS_SIGMOID;
  memcpy(sigmoid ? head.positive_weights : head.class_weights, sigmoid ? run->positive_weights : run->class_weights,
         classes * sizeof(float));
  status = kohl_alloc(ctx, run->draws.count, sizeof *run->order, "order", &run->order);
  if (status != KOHL_OK) return status;
  return kohl_alloc(ctx, (size_t)r->batch * classes, sizeof(float), "probabilities", &run->probabilities);
}

static kohl_status make_update(kohl_run *run) {
  static const kohl_update_rule rules[] = {KOHL_UPDATE_SGD, KOHL_UPDATE_RMSPROP, KOHL_UPDATE_ADAM, KOHL_UPDATE_ADAMW};
  const kohl_recipe_phase *r = run->phase;
  size_t count;
  const float *params = kohl_session_params(run->session, &count);
  const kohl_update_options options = {.rule = rules[r->optimizer.name],
                                       .momentum = r->optimizer.momentum,
                                       .nesterov = r->optimizer.nesterov,
                                       .lr_inside = r->optimizer.lr_place == KOHL_PLACE_INSIDE,
                                       .rho = r->optimizer.rho,
                                       .epsilon_inside = r->optimizer.epsilon_place == KOHL_PLACE_INSIDE,
                                       .beta1 = r->optimizer.beta1,
                                       .beta2 = r->optimizer.beta2,
                                       .epsilon_plain = r->optimizer.epsilon_place == KOHL_PLACE_PLAIN,
                                       .epsilon = r->optimizer.epsilon,
                                       .weight_decay = r->optimizer.weight_decay,
                                       .clip_norm = r->optimizer.clip_norm,
                                       .ema = r->optimizer.ema};
  kohl_status status = kohl_update_create(run->ctx, &options, params, count, &run->update);
  if (status == KOHL_OK && run->recipe.accumulate > 1) status = kohl_accumulate_create(run->ctx, count, &run->sum);
  if (status == KOHL_OK) {
    kohl_run_log(run->ctx, run->options->run, "%zu trained weights, %zu bytes of optimizer state", count,
                 kohl_update_bytes(&options, count));
  }
  return status;
}

/* The optimizer's step, behind the gradients of n samples. */
static kohl_status put_update(void *user, int n) {
  kohl_run *run = user;
  return kohl_run_put_update(run, n);
}

/* On a device a whole step is one graph, unless somebody looks at the gradients in between. */
static void join(kohl_run *run) {
  const kohl_train_hooks *hooks = run->options->hooks;
  if (!kohl_update_on_device(run->update) || run->sum || (hooks && hooks->on_gradients)) return;
  run->session->tail = put_update;
  run->session->tail_user = run;
}

kohl_status kohl_run_learner(kohl_run *run) {
  kohl_status status = make_weights(run);
  if (status == KOHL_OK) status = make_session(run);
  if (status == KOHL_OK) status = make_update(run);
  if (status == KOHL_OK) join(run);
  return status;
}
