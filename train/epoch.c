/* One epoch: every training sample once, in the epoch's order, then the validation part.
 *
 * A bad picture keeps its place in the order, so that the draws of the others do not move; its batch is smaller. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "kernels/core/alloc.h"
#include "kernels/core/math.h"
#include "kernels/core/philox.h"
#include "train/run.h"

enum { VALIDATION_BATCH = 256, BAD_STEPS = 3, FILES_NAMED = 8 };

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

/* Copies the good samples of positions first .. end-1 into the session; returns how many. */
static int gather(kohl_run *run, size_t first, size_t end) {
  int n = 0;
  float *input = kohl_session_input(run->session);
  for (size_t p = first; p < end; p++) {
    size_t at = run->order[p];
    const kohl_sample *sample = &run->samples.sample[run->train.list[at]];
    if (sample->bad) continue;
    memcpy(input + (size_t)n * run->train.floats, run->train.rows + at * run->train.floats,
           run->train.floats * sizeof *input);
    kohl_session_labels(run->session)[n] = sample->label;
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

/* The largest gradient whose square and whose product with the rate are numbers, so that the update cannot make an
 * infinity out of finite gradients. */
static bool usable(const float *gradients, size_t n, float lr) {
  float limit = 1e18f < 1e38f / lr ? 1e18f : 1e38f / lr;
  bool good = true;
  for (size_t i = 0; i < n; i++) good &= fabsf(gradients[i]) <= limit; /* false for NaN */
  return good;
}

/* The layer nearest to the loss whose gradient is not usable, or the last layer. */
static const char *guilty_layer(const kohl_run *run, const float *gradients, float lr) {
  const kohl_graph *graph = run->head->graph;
  const kohl_plan *plan = run->session->plan;
  for (size_t i = graph->count; i-- > 0;) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    if (plan->param_offset[i] == SIZE_MAX) continue;
    size_t floats = 0;
    for (int w = kohl_node_weights(graph, &graph->nodes[i], specs); w-- > 0;) floats += specs[w].count;
    if (!usable(gradients + plan->param_offset[i], floats, lr)) return graph->nodes[i].name;
  }
  return graph->nodes[graph->count - 1].name;
}

/* A step that must not be taken.  The third in a row ends the run. */
static kohl_status refuse_step(kohl_run *run, int64_t epoch, size_t first, size_t end, const char *what,
                               const char *layer) {
  run->bad_steps++;
  kohl_run_log(run->ctx, run->options->run, "epoch %lld, step %lld: the %s is not finite at layer '%s'; no update",
               (long long)epoch, (long long)run->step, what, layer);
  if (run->bad_steps < BAD_STEPS) return KOHL_OK;
  kohl_text names = {.ctx = run->ctx};
  int named = 0;
  for (size_t p = first; p < end; p++) {
    const kohl_sample *sample = &run->samples.sample[run->train.list[run->order[p]]];
    if (sample->bad) continue;
    if (named == FILES_NAMED) kohl_text_add(&names, ", ...");
    if (named++ < FILES_NAMED) kohl_text_add(&names, "%s%s", named > 1 ? ", " : "", sample->path);
  }
  kohl_status status =
      kohl_fail(run->ctx, KOHL_NOT_FINITE,
                "step %lld (epoch %lld): the %s is not finite at layer '%s', %d times in a row; "
                "expected numbers: lower optimizer.lr; pictures: %s",
                (long long)run->step, (long long)epoch, what, layer, BAD_STEPS, names.text ? names.text : "");
  kohl_text_free(&names);
  return status;
}

static void update(kohl_run *run, float *params, const float *gradients, size_t count, float lr) {
  kohl_rmsprop_desc desc = {.n = 1,
                            .count = (int64_t)count,
                            .lr = lr,
                            .rho = (float)run->recipe.optimizer.rho,
                            .epsilon = (float)run->recipe.optimizer.epsilon,
                            .momentum = (float)run->recipe.optimizer.momentum,
                            .epsilon_inside = run->recipe.optimizer.epsilon_place == KOHL_PLACE_INSIDE};
  kohl_args args;
  memset(&args, 0, sizeof args);
  args.in[RMSPROP_GRAD] = gradients;
  args.out[RMSPROP_WEIGHTS] = params;
  args.out[RMSPROP_V] = run->square;
  args.out[RMSPROP_M] = run->momentum;
  run->update->code->run(&desc, &args, run->ctx->threads);
  run->step++;
  run->bad_steps = 0;
}

/* Adds the step's losses and right answers. */
static kohl_status count_step(kohl_run *run, int n, tally *t) {
  int classes = (int)run->samples.class_count, last = (int)run->head->graph->count - 1;
  const int32_t *labels = kohl_session_labels(run->session);
  const float *losses = kohl_session_losses(run->session);
  kohl_softmax_xent_desc desc = {n, classes, 0.0f,
                                 run->recipe.loss.weights_divide_by == KOHL_DIVIDE_BY_WEIGHTS
                                     ? KOHL_SOFTMAX_XENT_BY_WEIGHTS
                                     : KOHL_SOFTMAX_XENT_BY_BATCH,
                                 1.0f};
  kohl_status status = kohl_session_output(run->session, last, n, run->probabilities);
  for (int i = 0; i < n && status == KOHL_OK; i++) {
    const float *row = run->probabilities + (size_t)i * (size_t)classes;
    int best = 0;
    for (int c = 1; c < classes; c++) best = row[c] > row[best] ? c : best;
    t->right += best == labels[i];
    t->loss += (double)losses[i];
  }
  t->divisor += (double)kohl_softmax_xent_divisor(&desc, labels, run->class_weights);
  t->seen += (size_t)n;
  return status;
}

static kohl_status take_step(kohl_run *run, int64_t epoch, size_t first, size_t end, tally *t, double *lr) {
  size_t count;
  int n = gather(run, first, end);
  if (n == 0) return KOHL_OK;
  kohl_status status = kohl_session_backward(run->session, n, (uint32_t)epoch);
  if (status != KOHL_OK) return status;
  float *params = kohl_session_params(run->session, &count);
  const float *gradients = kohl_session_gradients(run->session, &count);
  *lr = run->recipe.optimizer.lr / (1.0 + run->recipe.optimizer.decay * (double)run->step);
  if (!finite_array(kohl_session_losses(run->session), (size_t)n)) {
    const char *layer = run->head->graph->nodes[run->head->graph->count - 1].name;
    return refuse_step(run, epoch, first, end, "loss", layer);
  }
  if (!usable(gradients, count, (float)*lr)) {
    return refuse_step(run, epoch, first, end, "gradient", guilty_layer(run, gradients, (float)*lr));
  }
  status = count_step(run, n, t);
  if (status == KOHL_OK) update(run, params, gradients, count, (float)*lr);
  return status;
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

/* Probabilities of the validation part's good pictures, row by row, and their labels. */
static kohl_status validate_rows(kohl_run *run, kohl_session *session, float *rows, int32_t *truth, size_t *count) {
  int classes = (int)run->samples.class_count, last = (int)run->head->graph->count - 1;
  size_t floats = run->validation.floats;
  float *input = kohl_session_input(session);
  kohl_status status = KOHL_OK;
  *count = 0;
  for (size_t first = 0; first < run->validation.count && status == KOHL_OK;) {
    int n = 0;
    for (; first < run->validation.count && n < VALIDATION_BATCH; first++) {
      const kohl_sample *sample = &run->samples.sample[run->validation.list[first]];
      if (sample->bad) continue;
      memcpy(input + (size_t)n * floats, run->validation.rows + first * floats, floats * sizeof *input);
      truth[*count + (size_t)n++] = sample->label;
    }
    status = kohl_session_run(session, n);
    if (status == KOHL_OK) status = kohl_session_output(session, last, n, rows + *count * (size_t)classes);
    *count += (size_t)n;
  }
  return status;
}

/* The mean of -ln p of the truth, without class weights; p below 1e-7 counts as 1e-7, as in Keras. */
static double validation_loss(const float *rows, const int32_t *truth, size_t count, size_t classes) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    float p = rows[i * classes + (size_t)truth[i]];
    sum -= (double)kohl_logf(p < 1e-7f ? 1e-7f : p);
  }
  return count ? sum / (double)count : 0;
}

static kohl_status validate(kohl_run *run, kohl_epoch *out) {
  kohl_context *ctx = run->ctx;
  size_t classes = run->samples.class_count, count = 0;
  kohl_session *session = NULL;
  float *rows = NULL;
  int32_t *truth = NULL;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = VALIDATION_BATCH;
  kohl_status status = kohl_session_store_params(run->session, run->head);
  if (status == KOHL_OK) status = kohl_session_create(ctx, run->head, &options, &session);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, run->validation.count * classes, sizeof *rows, "validation probabilities", &rows);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, run->validation.count, sizeof *truth, "validation labels", &truth);
  if (status == KOHL_OK) status = validate_rows(run, session, rows, truth, &count);
  if (status == KOHL_OK) status = kohl_metrics_compute(ctx, rows, truth, count, (int)classes, &out->metrics);
  if (status == KOHL_OK) out->val_loss = validation_loss(rows, truth, count, classes);
  kohl_free(ctx, rows);
  kohl_free(ctx, truth);
  kohl_session_destroy(session);
  return status;
}

kohl_status kohl_run_epoch(kohl_run *run, int64_t epoch, kohl_epoch *out) {
  memset(out, 0, sizeof *out);
  tally t = {0, 0, 0, 0};
  run->begun = kohl_run_clock();
  size_t batch = (size_t)run->recipe.batch, steps = (run->train.count + batch - 1) / batch;
  kohl_epoch_order((uint64_t)run->recipe.seed, (uint32_t)epoch, run->order, run->train.count);
  kohl_status status = KOHL_OK;
  for (size_t s = 0; s < steps && status == KOHL_OK; s++) {
    size_t first = s * batch, end = first + batch < run->train.count ? first + batch : run->train.count;
    status = kohl_check_cancel(run->ctx);
    if (status == KOHL_OK) status = take_step(run, epoch, first, end, &t, &out->lr);
    if (status == KOHL_OK) report(run, epoch, s + 1, steps, &t);
  }
  out->loss = t.divisor > 0 ? t.loss / t.divisor : 0;
  out->accuracy = t.seen ? (double)t.right / (double)t.seen : 0;
  if (status == KOHL_OK && run->validation.count) status = validate(run, out);
  out->seconds = kohl_run_clock() - run->begun;
  return status;
}
