/* What learns: class weights, the session of what a step runs, and the optimizer that the phase names. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/run.h"

/* How often an epoch's good draws have each label; returns how many such draws there are. */
static size_t count_labels(const kohl_run *run, const kohl_head_labels *own, size_t *count) {
  size_t n = 0;
  for (size_t d = 0; d < run->draws.count; d++) {
    size_t labels, sample = run->draws.sample[d];
    if (run->samples.sample[sample].bad) continue;
    const int *label = kohl_head_labels_at(own, sample, &labels);
    for (size_t i = 0; i < labels; i++) count[label[i]]++;
    n += labels > 0;
  }
  return n;
}

/* In double, rounded once. */
static kohl_status fill_weights(kohl_run *run, kohl_run_head *head, size_t *count, double *weight) {
  static const kohl_weighting kinds[] = {KOHL_WEIGHTING_NONE, KOHL_WEIGHTING_BALANCED, KOHL_WEIGHTING_INVERSE,
                                         KOHL_WEIGHTING_EFFECTIVE};
  const kohl_recipe_head *r = head->recipe;
  const char *const *names = head->labels.classes;
  size_t classes = head->labels.class_count, n = count_labels(run, &head->labels, count);
  for (size_t c = 0; c < classes; c++) {
    if (count[c]) continue;
    return kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: class '%s'%s%s has no good training picture, expected at least 1",
                     run->options->data, names[c], head->name[0] ? " of head " : "", head->name);
  }
  kohl_status status = kohl_class_weights(run->ctx, kinds[r->loss.class_weights], r->loss.class_weights_beta, count,
                                          names, classes, weight);
  if (status != KOHL_OK) return status;
  for (size_t c = 0; c < classes; c++) head->class_weights[c] = (float)weight[c];
  kohl_positive_weights(count, n, classes, weight);
  const bool positive = r->loss.positive_weights == KOHL_WEIGHTS_BALANCED;
  for (size_t c = 0; c < classes; c++) head->positive_weights[c] = positive ? (float)weight[c] : 1.0f;
  return KOHL_OK;
}

static kohl_status make_weights(kohl_run *run, kohl_run_head *head) {
  size_t classes = head->labels.class_count, *count = NULL;
  double *weight = NULL;
  kohl_status status = kohl_alloc(run->ctx, classes, sizeof(float), "class weights", &head->class_weights);
  if (status == KOHL_OK)
    status = kohl_alloc(run->ctx, classes, sizeof(float), "label weights", &head->positive_weights);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, classes, sizeof *count, "class counts", &count);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, classes, sizeof *weight, "class weights", &weight);
  if (status == KOHL_OK) status = fill_weights(run, head, count, weight);
  kohl_free(run->ctx, count);
  kohl_free(run->ctx, weight);
  return status;
}

static kohl_status make_session(kohl_run *run) {
  kohl_context *ctx = run->ctx;
  const kohl_recipe *r = &run->recipe;
  const kohl_model *model = kohl_feed_model(run);
  kohl_head_options heads[KOHL_RECIPE_HEADS];
  int nodes[KOHL_RECIPE_HEADS];
  size_t largest = 0;
  kohl_run_nodes(run, model->graph, nodes);
  for (size_t h = 0; h < run->head_count; h++) {
    const kohl_recipe_head *own = run->head[h].recipe;
    heads[h] = (kohl_head_options){.node = nodes[h],
                                   .weight = (float)own->head.weight,
                                   .label_smoothing = (float)own->loss.label_smoothing,
                                   .divide_by_weights = own->loss.weights_divide_by == KOHL_DIVIDE_BY_WEIGHTS};
    if (run->head[h].labels.class_count > largest) largest = run->head[h].labels.class_count;
  }
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = (int)r->batch;
  options.train = true;
  options.heads = heads;
  options.head_count = run->head_count;
  options.seed = (uint64_t)r->seed;
  kohl_status status = kohl_session_create(ctx, model, &options, &run->session);
  if (status != KOHL_OK) return status;
  for (size_t h = 0; h < run->head_count; h++) {
    /* with sigmoid a class weight is that of its pictures, which the epoch writes for every sample, as Keras does */
    const kohl_session_head told = kohl_session_head_at(run->session, h);
    const kohl_run_head *own = &run->head[h];
    memcpy(own->sigmoid ? told.positive_weights : told.class_weights,
           own->sigmoid ? own->positive_weights : own->class_weights, own->labels.class_count * sizeof(float));
  }
  status = kohl_alloc(ctx, run->draws.count, sizeof *run->order, "order", &run->order);
  if (status != KOHL_OK) return status;
  return kohl_alloc(ctx, (size_t)r->batch * largest, sizeof(float), "probabilities", &run->probabilities);
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
  if (run->head_count > 1) return; /* the losses of all heads are looked at before the step is taken */
  run->session->tail = put_update;
  run->session->tail_user = run;
}

kohl_status kohl_run_learner(kohl_run *run) {
  kohl_status status = KOHL_OK;
  for (size_t h = 0; h < run->head_count && status == KOHL_OK; h++) status = make_weights(run, &run->head[h]);
  if (status == KOHL_OK) status = make_session(run);
  if (status == KOHL_OK) status = make_update(run);
  if (status == KOHL_OK) join(run);
  return status;
}
