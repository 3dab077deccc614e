/* One epoch: every draw of the training part once, in the epoch's order, then the validation part (validate.c).
 *
 * A bad picture keeps its place in the order, so that the draws of the others do not move; its batch is smaller. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "kernels/core/philox.h"
#include "train/run.h"

enum { BAD_STEPS = 3, FILES_NAMED = 8 };

double kohl_run_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fisher and Yates; the multiply-shift favours no place by more than count * 2^-32. */
void kohl_epoch_order(uint64_t seed, uint32_t epoch, size_t *order, size_t count) {
  kohl_random_key key = kohl_random_key_make(seed, epoch, KOHL_DRAWS_ORDER);
  for (size_t i = 0; i < count; i++) order[i] = i;
  for (size_t i = count; i > 1; i--) {
    size_t j = (size_t)(((uint64_t)kohl_random_at(key, 0, i) * i) >> 32), t = order[i - 1];
    order[i - 1] = order[j];
    order[j] = t;
  }
}

/* Sums of an epoch so far, in the order of its steps. */
typedef struct tally {
  double loss, divisor;
  size_t right, seen;
} tally;

/* What the head is told about its sample i.  For sigmoid every label is a question: this one or not. */
static void tell(kohl_run *run, const kohl_session_head *head, int i, int32_t label) {
  run->truth[i] = label;
  if (head->labels) {
    head->labels[i] = label;
    return;
  }
  for (int k = 0; k < head->k; k++) head->targets[(size_t)i * (size_t)head->k + (size_t)k] = k == label ? 1.0f : 0.0f;
  head->sample_weights[i] = run->class_weights[label];
}

/* Copies the good samples of positions first .. end-1 into the session; returns how many. */
static int gather(kohl_run *run, size_t first, size_t end) {
  int n = 0;
  float *input = kohl_session_input(run->session);
  const kohl_session_head head = kohl_session_head_at(run->session, 0);
  for (size_t p = first; p < end; p++) {
    size_t at = run->row[run->order[p]];
    const kohl_sample *sample = &run->samples.sample[run->train.list[at]];
    if (sample->bad) continue;
    memcpy(input + (size_t)n * run->train.floats, run->train.rows + at * run->train.floats,
           run->train.floats * sizeof *input);
    tell(run, &head, n, sample->label);
    kohl_session_draws(run->session)[n] = p;
    n++;
  }
  return n;
}

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

/* The layer whose gradient made the optimizer refuse: the one with the largest, of equal ones the nearest to the loss.
 */
static const char *guilty_layer(const kohl_run *run, const float *gradients) {
  const kohl_graph *graph = run->head->graph;
  const char *name = graph->nodes[graph->count - 1].name;
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
static kohl_status refuse_step(kohl_run *run, int64_t epoch, size_t first, size_t end, const char *what,
                               const char *layer) {
  run->bad_steps++;
  kohl_session_undo_state(run->session);
  kohl_run_log(run->ctx, run->options->run, "epoch %lld, step %lld: the %s at layer '%s'; no update", (long long)epoch,
               (long long)run->step, what, layer);
  if (run->bad_steps < BAD_STEPS) return KOHL_OK;
  kohl_text names = {.ctx = run->ctx};
  int named = 0;
  for (size_t p = first; p < end; p++) {
    size_t at = run->train.list[run->row[run->order[p]]];
    char path[KOHL_SAMPLE_PATH];
    if (run->samples.sample[at].bad) continue;
    if (named == FILES_NAMED) kohl_text_add(&names, ", ...");
    if (named++ < FILES_NAMED)
      kohl_text_add(&names, "%s%s", named > 1 ? ", " : "", kohl_sample_path(&run->samples, at, path));
  }
  kohl_status status =
      kohl_fail(run->ctx, KOHL_NOT_FINITE,
                "step %lld (epoch %lld): the %s at layer '%s', %d times in a row; "
                "expected numbers: lower optimizer.lr; pictures: %s",
                (long long)run->step, (long long)epoch, what, layer, BAD_STEPS, names.text ? names.text : "");
  kohl_text_free(&names);
  return status;
}

/* Adds the step's losses and right answers. */
static kohl_status count_step(kohl_run *run, int n, tally *t) {
  int classes = (int)run->samples.class_count, last = (int)run->head->graph->count - 1;
  const kohl_session_head head = kohl_session_head_at(run->session, 0);
  kohl_desc desc = kohl_plan_head_desc(run->session->plan, &run->session->plan->heads[0]);
  kohl_status status = kohl_session_output(run->session, last, n, run->probabilities);
  for (int i = 0; i < n && status == KOHL_OK; i++) {
    const float *row = run->probabilities + (size_t)i * (size_t)classes;
    int best = 0;
    for (int c = 1; c < classes; c++) best = row[c] > row[best] ? c : best;
    t->right += best == run->truth[i];
    t->loss += (double)head.losses[i];
  }
  desc.n = n;
  t->divisor += (double)(head.labels ? kohl_softmax_xent_divisor(&desc.softmax_xent, head.labels, head.class_weights)
                                     : kohl_sigmoid_bce_divisor(&desc.sigmoid_bce, head.sample_weights));
  t->seen += (size_t)n;
  return status;
}

static kohl_status take_step(kohl_run *run, int64_t epoch, size_t first, size_t end, tally *t, double *lr) {
  size_t count;
  int n = gather(run, first, end);
  if (n == 0) return KOHL_OK;
  const kohl_train_hooks *hooks = run->options->hooks;
  if (hooks && hooks->on_input) {
    hooks->on_input(hooks->user, run->step, kohl_session_input(run->session), (size_t)n * run->train.floats);
  }
  kohl_status status = kohl_session_backward(run->session, n, (uint32_t)epoch);
  if (status != KOHL_OK) return status;
  float *params = kohl_session_params(run->session, &count);
  /* the session's memory, which nothing reads after the step: clipping may change it */
  float *gradients = kohl_session_gradients(run->session, &count);
  if (hooks && hooks->on_gradients) hooks->on_gradients(hooks->user, run->step, gradients, count);
  *lr = run->recipe.optimizer.lr / (1.0 + run->recipe.optimizer.decay * (double)run->step);
  if (!finite_array(kohl_session_losses(run->session), (size_t)n)) {
    const char *layer = run->head->graph->nodes[run->head->graph->count - 1].name;
    return refuse_step(run, epoch, first, end, "loss is not finite", layer);
  }
  if (!kohl_update_step(run->update, run->step + 1, *lr, params, gradients)) {
    return refuse_step(run, epoch, first, end, "gradient is not finite or too large for the rate",
                       guilty_layer(run, gradients));
  }
  run->step++;
  run->bad_steps = 0;
  return count_step(run, n, t);
}

static void report(const kohl_run *run, int64_t epoch, size_t done, size_t count, const tally *t) {
  if (!run->options->progress) return;
  double seconds = kohl_run_clock() - run->begun, share = count ? (double)done / (double)count : 1;
  int epochs = (int)run->recipe.epochs;
  kohl_train_progress p = {.what = "training",
                           .done = done,
                           .count = count,
                           .epoch = (int)epoch,
                           .epochs = epochs,
                           .step = run->step,
                           .val_loss = run->result.val_loss,
                           .val_accuracy = run->result.val_accuracy,
                           .val_balanced_accuracy = run->result.val_balanced_accuracy};
  p.loss = t->divisor > 0 ? t->loss / t->divisor : 0;
  p.accuracy = t->seen ? (double)t->right / (double)t->seen : 0;
  p.rate = seconds > 0 ? (double)t->seen / seconds : 0;
  p.seconds_left = share > 0 ? seconds * (1 - share) / share + (epochs - (double)epoch) * seconds / share : 0;
  run->options->progress(&p, run->options->progress_user);
}

kohl_status kohl_run_epoch(kohl_run *run, int64_t epoch, kohl_epoch *out) {
  memset(out, 0, sizeof *out);
  tally t = {0, 0, 0, 0};
  run->begun = kohl_run_clock();
  size_t batch = (size_t)run->recipe.batch, count = run->draws.count, steps = (count + batch - 1) / batch;
  kohl_epoch_order((uint64_t)run->recipe.seed, (uint32_t)epoch, run->order, count);
  kohl_status status = KOHL_OK;
  for (size_t s = 0; s < steps && status == KOHL_OK; s++) {
    size_t first = s * batch, end = first + batch < count ? first + batch : count;
    status = kohl_check_cancel(run->ctx);
    if (status == KOHL_OK) status = take_step(run, epoch, first, end, &t, &out->lr);
    if (status == KOHL_OK) report(run, epoch, s + 1, steps, &t);
  }
  out->loss = t.divisor > 0 ? t.loss / t.divisor : 0;
  out->accuracy = t.seen ? (double)t.right / (double)t.seen : 0;
  if (status == KOHL_OK && run->validation.count) status = kohl_run_validate(run, out);
  out->seconds = kohl_run_clock() - run->begun;
  return status;
}
