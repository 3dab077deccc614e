/* One update: the gradients of one or several batches, looked at, then taken.
 *
 * A bad picture keeps its place in the order, so that the draws of the others do not move; its batch is smaller. */
#include <math.h>
#include "kernels/core/alloc.h"
#include "train/bound.h"
#include "train/run.h"
#include "train/targets.h"

enum { BAD_STEPS = 3, FILES_NAMED = 8 };

/* What a step found, before it counts. */
typedef struct found {
  kohl_train_head head[KOHL_TRAIN_HEADS]; /* losses, divisors, answers */
  int pictures;                           /* good ones */
  const char *wrong;                      /* why it must not be taken, or NULL */
  const char *layer;                      /* where */
} found;

static size_t group_size(const kohl_run *run) { return (size_t)(run->recipe.batch * run->recipe.accumulate); }

size_t kohl_run_steps(const kohl_run *run) { return (run->draws.count + group_size(run) - 1) / group_size(run); }

static bool finite_array(const float *x, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; i++) finite &= x[i] - x[i] == 0.0f;
  return finite;
}

/* The largest size of n gradients; infinite when one is not finite. */
static float largest(const float *gradients, size_t n) {
  float size = 0.0f;
  for (size_t i = 0; i < n; i++) {
    float one = fabsf(gradients[i]);
    if (!(one <= size)) size = one - one == 0.0f ? one : INFINITY; /* NaN too */
  }
  return size;
}

/* The output of a head. */
static const char *head_layer(const kohl_run *run, size_t h) {
  const kohl_graph *graph = run->session->model->graph;
  return graph->nodes[run->session->plan->heads[h].options.node].name;
}

/* The layer whose gradient made the optimizer refuse: the one with the largest, of equal ones the nearest to the loss.
 */
static const char *guilty_layer(const kohl_run *run, const float *gradients) {
  const kohl_graph *graph = run->session->model->graph;
  const char *name = head_layer(run, 0);
  float most = 0.0f;
  for (size_t i = graph->count; i-- > 0;) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    for (int w = kohl_node_weights(graph, &graph->nodes[i], specs); w-- > 0;) {
      size_t from = kohl_plan_param(run->session->plan, (int)i, specs[w].suffix);
      float size = from == SIZE_MAX ? 0.0f : largest(gradients + from, specs[w].count);
      if (size > most) most = size, name = graph->nodes[i].name;
    }
  }
  return name;
}

/* A step that must not be taken.  The third in a row ends the run. */
static kohl_status refuse(kohl_run *run, size_t first, size_t end, const found *f) {
  const long long step = (long long)run->place.step, epoch = (long long)run->place.epoch + 1;
  run->place.bad_steps++;
  kohl_status status = kohl_session_restore_state(run->session);
  if (status != KOHL_OK) return status;
  kohl_run_log(run->ctx, run->options->run, "epoch %lld, step %lld: the %s at layer '%s'; no update", epoch, step,
               f->wrong, f->layer);
  if (run->place.bad_steps < BAD_STEPS) return KOHL_OK;
  kohl_text names = {.ctx = run->ctx};
  int named = 0;
  for (size_t p = first; p < end && named <= FILES_NAMED; p++) {
    size_t at = run->draws.sample[run->order[p]];
    char path[KOHL_SAMPLE_PATH];
    if (run->samples.sample[at].bad) continue;
    if (named == FILES_NAMED) kohl_text_add(&names, ", ...");
    if (named++ < FILES_NAMED)
      kohl_text_add(&names, "%s%s", named > 1 ? ", " : "", kohl_sample_path(&run->samples, at, path));
  }
  status = kohl_fail(run->ctx, KOHL_NOT_FINITE,
                     "step %lld (epoch %lld): the %s at layer '%s', %d times in a row; "
                     "expected numbers: lower optimizer.lr; pictures: %s",
                     step, epoch, f->wrong, f->layer, BAD_STEPS, names.text ? names.text : "");
  kohl_text_free(&names);
  return status;
}

/* Counts a batch's losses and right answers of one head; *divisor is what its gradients were divided by. */
static kohl_status count_head(kohl_run *run, size_t h, int n, kohl_train_head *f, float *divisor) {
  const kohl_run_head *own = &run->head[h];
  const size_t classes = own->labels.class_count;
  const kohl_session_head head = kohl_session_head_at(run->session, h);
  const uint64_t *draws = kohl_session_draws(run->session);
  kohl_desc desc = kohl_plan_head_desc(run->session->plan, &run->session->plan->heads[h]);
  kohl_status status = kohl_session_output(run->session, head.node, n, run->probabilities);
  for (int i = 0; i < n && status == KOHL_OK; i++) {
    const float *row = run->probabilities + (size_t)i * classes;
    size_t best = 0, count;
    const int *labels = kohl_head_labels_at(&own->labels, run->draws.sample[run->order[draws[i]]], &count);
    for (size_t c = 1; c < classes && count; c++) best = row[c] > row[best] ? c : best;
    for (size_t k = 0; k < count; k++) f->right += (size_t)labels[k] == best;
    f->loss += (double)head.losses[i];
    f->seen += count > 0;
  }
  desc.n = n;
  *divisor = head.labels ? kohl_softmax_xent_divisor(&desc.softmax_xent, head.labels, head.class_weights)
                         : kohl_sigmoid_bce_divisor(&desc.sigmoid_bce, head.sample_weights);
  f->divisor += (double)*divisor;
  return status;
}

/* *divisor is the first head's; where several batches make an update, all have the same (train/recipe_check_heads.c).
 */
static kohl_status count_batch(kohl_run *run, int n, found *f, float *divisor) {
  kohl_status status = KOHL_OK;
  for (size_t h = run->head_count; h-- > 0 && status == KOHL_OK;) {
    status = count_head(run, h, n, &f->head[h], divisor);
    if (finite_array(kohl_session_head_at(run->session, h).losses, (size_t)n)) continue;
    f->wrong = "loss is not finite";
    f->layer = head_layer(run, h);
  }
  f->pictures += n;
  return status;
}

/* Tells the heads about the n samples whose positions are in the session's draws. */
static void tell(kohl_run *run, int n) {
  const uint64_t *draws = kohl_session_draws(run->session);
  for (size_t h = 0; h < run->head_count; h++) {
    const kohl_session_head head = kohl_session_head_at(run->session, h);
    for (int i = 0; i < n; i++) {
      size_t sample = run->draws.sample[run->order[draws[i]]];
      kohl_targets_tell(&head, i, &run->head[h].labels, sample, run->head[h].class_weights);
    }
  }
}

/* Between gradients and update: hooks, and batches that are added up. */
static kohl_status look_at_gradients(kohl_run *run, float divisor) {
  const kohl_train_hooks *hooks = run->options->hooks;
  float *gradients;
  size_t count;
  if (!run->sum && !(hooks && hooks->on_gradients)) return KOHL_OK;
  kohl_status status = kohl_session_fetch_gradients(run->session, &gradients, &count);
  if (status != KOHL_OK) return status;
  if (hooks && hooks->on_gradients) hooks->on_gradients(hooks->user, run->place.step, gradients, count);
  if (run->sum) kohl_accumulate_add(run->sum, gradients, divisor);
  return kohl_session_put_gradients(run->session);
}

/* Forward and backward on positions first to end - 1. */
static kohl_status run_batch(kohl_run *run, size_t first, size_t end, found *f) {
  const kohl_train_hooks *hooks = run->options->hooks;
  const kohl_shape in = run->session->model->graph->nodes[0].shape;
  int n;
  kohl_status status = kohl_feed_next(run, first, end, &n);
  if (status != KOHL_OK || n == 0) return status;
  tell(run, n);
  if (hooks && hooks->on_input) {
    hooks->on_input(hooks->user, run->place.step, kohl_session_input(run->session),
                    (size_t)n * (size_t)in.h * (size_t)in.w * (size_t)in.c);
  }
  status = kohl_session_backward(run->session, n, (uint32_t)run->place.epoch + 1);
  if (status != KOHL_OK) return status;
  float divisor = 1.0f;
  status = count_batch(run, n, f, &divisor);
  return status == KOHL_OK ? look_at_gradients(run, divisor) : status;
}

kohl_status kohl_run_put_update(kohl_run *run, int n) {
  const kohl_session *session = run->session;
  const kohl_plan *plan = session->plan;
  return kohl_update_put(run->update, kohl_session_at(session, plan->params), kohl_session_at(session, plan->gradients),
                         n ? kohl_session_at(session, plan->heads[0].losses) : NULL, n);
}

/* Batches that were added up become one gradient. */
static kohl_status finish_sum(kohl_run *run) {
  float *gradients;
  size_t count;
  if (!run->sum) return KOHL_OK;
  kohl_status status = kohl_session_fetch_gradients(run->session, &gradients, &count);
  if (status != KOHL_OK) return status;
  kohl_accumulate_finish(run->sum, gradients);
  return kohl_session_put_gradients(run->session);
}

/* The device's part: done already in the step's graph, or now. */
static kohl_status update_on_device(kohl_run *run, bool *taken) {
  kohl_status status = KOHL_OK;
  if (!run->session->tail) {
    status = kohl_run_put_update(run, 0);
    if (status == KOHL_OK) status = kohl_device_wait(run->ctx, run->ctx->device);
  }
  *taken = kohl_update_taken(run->update);
  return status;
}

/* Takes the step unless its numbers are wrong, which f then says. */
static kohl_status update(kohl_run *run, double lr, found *f) {
  const kohl_plan *plan = run->session->plan;
  bool taken;
  kohl_status status = finish_sum(run);
  if (status == KOHL_OK && kohl_update_on_device(run->update)) {
    status = update_on_device(run, &taken);
  } else if (status == KOHL_OK) {
    const kohl_train_hooks *hooks = run->options->hooks;
    if (!run->sum && !(hooks && hooks->on_gradients)) /* they are as the backward pass left them */
      kohl_update_bound(run->update, kohl_gradient_bound(run->session, f->pictures, run->update));
    /* gradients: the session's memory, which nothing reads after the step: clipping may change it */
    taken = kohl_update_step(run->update, run->place.phase_step + 1, lr, kohl_session_at(run->session, plan->params),
                             kohl_session_at(run->session, plan->gradients));
  }
  if (status != KOHL_OK || taken) return status;
  float *gradients;
  size_t count;
  status = kohl_session_fetch_gradients(run->session, &gradients, &count);
  f->wrong = "gradient is not finite or too large for the rate";
  f->layer = status == KOHL_OK ? guilty_layer(run, gradients) : "";
  return status;
}

kohl_status kohl_run_step(kohl_run *run, double *lr) {
  const size_t batch = (size_t)run->recipe.batch, first = (size_t)run->place.at;
  size_t end = first + group_size(run);
  if (end > run->draws.count) end = run->draws.count;
  found f = {.layer = ""};
  kohl_status status = KOHL_OK;
  *lr = kohl_schedule_rate(run->phase, &run->place.schedule, run->place.phase_step, (int64_t)kohl_run_steps(run));
  if (run->sum) kohl_accumulate_reset(run->sum);
  if (kohl_update_on_device(run->update)) kohl_update_set(run->update, run->place.phase_step + 1, *lr);
  for (size_t p = first; p < end && status == KOHL_OK; p += batch) {
    status = run_batch(run, p, p + batch < end ? p + batch : end, &f);
  }
  if (status != KOHL_OK) {
    kohl_session_restore_state(run->session);
    return status;
  }
  run->place.at = (int64_t)end;
  if (!f.wrong && !f.pictures) return KOHL_OK; /* nothing but bad pictures */
  if (!f.wrong) status = update(run, *lr, &f);
  if (status == KOHL_OK && f.wrong) return refuse(run, first, end, &f);
  if (status == KOHL_OK) status = kohl_session_keep_state(run->session);
  if (status != KOHL_OK) return status;
  run->place.step++;
  run->place.phase_step++;
  run->place.bad_steps = 0;
  for (size_t h = 0; h < run->head_count; h++) {
    kohl_train_head *sum = &run->place.head[h];
    sum->loss += f.head[h].loss;
    sum->divisor += f.head[h].divisor;
    sum->right += f.head[h].right;
    sum->seen += f.head[h].seen;
  }
  return KOHL_OK;
}
