/* Sessions: packing weights into the arena, resolving arguments, running steps. */
#include "nn/session.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "kernels/core/alloc.h"

static void *at(const kohl_session *session, int buffer) {
  return buffer < 0 ? NULL : session->arena + kohl_buffer_offset(session->plan, buffer);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* scale and shift of a batch-norm node, c floats each. */
static kohl_status norm_vectors(kohl_session *session, int node, int c, float *scale, float *shift) {
  kohl_context *ctx = session->ctx;
  const kohl_model *model = session->model;
  const float *data[4] = {NULL, NULL, NULL, NULL};
  static const char *const suffixes[4] = {"gamma", "beta", "mean", "variance"};
  for (int i = 0; i < 4; i++) {
    const kohl_weight *weight = kohl_model_weight(model, node, suffixes[i]);
    if (!weight) continue;
    kohl_status status = kohl_weight_verify(ctx, model, weight);
    if (status != KOHL_OK) return status;
    data[i] = weight->data;
  }
  kohl_batchnorm_fixed(c, data[0], data[1], data[2], data[3], model->graph->nodes[node].params.epsilon, scale, shift);
  for (int i = 0; i < c; i++) {
    if (isfinite(scale[i]) && isfinite(shift[i])) continue;
    return kohl_fail(
        ctx, KOHL_BAD_INPUT,
        "%s: layer '%s' (batch_norm): channel %d has variance %g and epsilon %g, which give no finite scale",
        model->path, model->graph->nodes[node].name, i, (double)data[3][i],
        (double)model->graph->nodes[node].params.epsilon);
  }
  return KOHL_OK;
}

/* The stored weights of a node, checked: the model's, or in training the session's own. */
static kohl_status stored(kohl_session *session, int node, const char *suffix, const float **out) {
  const kohl_plan *plan = session->plan;
  const kohl_weight *weight = kohl_model_weight(session->model, node, suffix);
  *out = NULL;
  if (!weight) return KOHL_OK; /* the layer has none of this name */
  size_t param = kohl_plan_param(plan, node, suffix);
  if (param != SIZE_MAX) {
    *out = (const float *)at(session, plan->params) + param;
    return KOHL_OK;
  }
  kohl_status status = kohl_weight_verify(session->ctx, session->model, weight);
  if (status == KOHL_OK) *out = weight->data;
  return status;
}

/* Weights and bias of one source (k rows of `row` floats) with its batch-norm folded in, in double, rounded once. */
static kohl_status fold(kohl_session *session, int node, int norm, int k, size_t row, float *weights, float *bias) {
  const float *wei, *bia;
  kohl_status status = stored(session, node, "weight", &wei);
  if (status == KOHL_OK) status = stored(session, node, "bias", &bia);
  if (status != KOHL_OK) return status;
  memcpy(weights, wei, (size_t)k * row * sizeof *weights);
  for (int i = 0; bias && i < k; i++) bias[i] = bia ? bia[i] : 0.0f;
  if (norm < 0) return KOHL_OK;
  float *scale;
  status = kohl_alloc(session->ctx, 2 * (size_t)k, sizeof *scale, "a folded batch-norm", &scale);
  if (status == KOHL_OK) status = norm_vectors(session, norm, k, scale, scale + k);
  for (int i = 0; i < k && status == KOHL_OK; i++) {
    for (size_t j = 0; j < row; j++) weights[i * row + j] *= scale[i];
    bias[i] = (float)((double)bias[i] * (double)scale[i] + (double)scale[k + i]);
  }
  kohl_free(session->ctx, scale);
  return status;
}

static kohl_status pack_step(kohl_session *session, const kohl_step *step) {
  const kohl_desc *desc = &step->desc;
  float *bias = at(session, step->in[2]);
  void *packed = at(session, step->in[1]);
  if (step->op == &kohl_batchnorm_op) return norm_vectors(session, step->sources[0], desc->batchnorm.c, packed, bias);
  bool conv = step->op == &kohl_conv2d_op;
  size_t row = conv ? (size_t)desc->conv2d.r * desc->conv2d.s * (size_t)(desc->conv2d.c / desc->conv2d.groups)
                    : (size_t)desc->dense.c;
  int sources = conv ? desc->conv2d.dsts : 1;
  size_t k = (size_t)(conv ? desc->conv2d.k : desc->dense.k);
  if (sources == 1 && step->norms[0] < 0) { /* nothing to rework: straight from where they are stored */
    const float *wei, *bia;
    kohl_status status = stored(session, step->sources[0], "weight", &wei);
    if (status == KOHL_OK) status = stored(session, step->sources[0], "bias", &bia);
    if (status != KOHL_OK) return status;
    if (bias && bia) memcpy(bias, bia, k * sizeof *bias);
    if (step->kernel->code->pack)
      step->kernel->code->pack(desc, wei, packed);
    else
      memcpy(packed, wei, k * row * sizeof *wei);
    return KOHL_OK;
  }
  float *weights;
  kohl_status status = kohl_alloc(session->ctx, k * row, sizeof *weights, "weights to be packed", &weights);
  for (int i = 0, done = 0; i < sources && status == KOHL_OK; i++) {
    int own = conv ? desc->conv2d.dst_k[i] : (int)k;
    status = fold(session, step->sources[i], step->norms[i], own, row, weights + (size_t)done * row,
                  bias ? bias + done : NULL);
    done += own;
  }
  if (status == KOHL_OK) {
    if (step->kernel->code->pack)
      step->kernel->code->pack(desc, weights, packed);
    else
      memcpy(packed, weights, k * row * sizeof *weights);
  }
  kohl_free(session->ctx, weights);
  return status;
}

/* Steps whose weights have memory of their own in the arena; an input gradient may read params instead. */
static bool has_weights(const kohl_plan *plan, const kohl_step *step) {
  bool weighted = step->op == &kohl_conv2d_op || step->op == &kohl_dense_op;
  if (step->absorbed_by >= 0 || step->repeats >= 0) return false;
  if (step->direction == KOHL_DGRAD) return weighted && plan->buffers[step->in[1]].home < 0;
  return step->direction == KOHL_FWD && (weighted || step->op == &kohl_batchnorm_op);
}

static kohl_status pack_all(kohl_session *session, bool again) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < session->plan->step_count && status == KOHL_OK; i++) {
    const kohl_step *step = &session->plan->steps[i];
    if (has_weights(session->plan, step) && (!again || step->repack)) status = pack_step(session, step);
  }
  return status;
}

/* Where a tensor of the model is trained or kept up to date in the session; NULL when it is neither. */
static float *trained(const kohl_session *session, const kohl_weight *weight) {
  const kohl_plan *plan = session->plan;
  size_t param = kohl_plan_param(plan, weight->node, weight->spec.suffix);
  size_t state = kohl_plan_state(plan, weight->node, weight->spec.suffix);
  if (param != SIZE_MAX) return (float *)at(session, plan->params) + param;
  return state != SIZE_MAX ? (float *)at(session, plan->state) + state : NULL;
}

static void fill_ones(const kohl_session *session, int buffer) {
  float *ones = at(session, buffer);
  size_t count = ones ? session->plan->buffers[buffer].bytes / sizeof *ones : 0;
  for (size_t i = 0; i < count; i++) ones[i] = 1.0f;
}

/* Training starts from the model's weights, and with weights of 1 for classes and samples. */
static kohl_status begin_training(kohl_session *session) {
  const kohl_plan *plan = session->plan;
  for (size_t i = 0; i < plan->head_count; i++) {
    fill_ones(session, plan->heads[i].class_weights);
    fill_ones(session, plan->heads[i].positive_weights);
    fill_ones(session, plan->heads[i].sample_weights);
  }
  for (size_t i = 0; i < session->model->weight_count; i++) {
    const kohl_weight *weight = &session->model->weights[i];
    float *target = trained(session, weight);
    if (!target) continue;
    kohl_status status = kohl_weight_verify(session->ctx, session->model, weight);
    if (status != KOHL_OK) return status;
    memcpy(target, weight->data, weight->spec.count * sizeof *target);
  }
  if (!plan->state_count) return KOHL_OK;
  return kohl_alloc(session->ctx, plan->state_count, sizeof(float), "running statistics", &session->state_before);
}

static void resolve(kohl_session *session) {
  for (size_t i = 0; i < session->plan->step_count; i++) {
    const kohl_step *step = &session->plan->steps[i];
    kohl_args *args = &session->args[i];
    if (step->absorbed_by >= 0) continue;
    for (int j = 0; j < KOHL_ARGS_IN; j++) args->in[j] = at(session, step->in[j]);
    for (int j = 0; j < KOHL_ARGS_OUT; j++) args->out[j] = at(session, step->out[j]);
    args->workspace = at(session, step->scratch);
  }
}

kohl_status kohl_session_create(kohl_context *ctx, const kohl_model *model, const kohl_plan_options *options,
                                kohl_session **out) {
  kohl_session *session;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *session, "a session", &session);
  if (status != KOHL_OK) return status;
  session->ctx = ctx;
  session->model = model;
  status = kohl_plan_create(ctx, model->graph, options, &session->plan);
  if (status == KOHL_OK)
    status = kohl_alloc(ctx, session->plan->arena_bytes, 1, "the network's arena", &session->arena);
  if (status == KOHL_OK)
    status = kohl_alloc(ctx, session->plan->step_count, sizeof *session->args, "a session", &session->args);
  if (status == KOHL_OK) {
    resolve(session);
    if (options->train) status = begin_training(session);
  }
  if (status == KOHL_OK) status = pack_all(session, false);
  if (status == KOHL_OK)
    *out = session;
  else
    kohl_session_destroy(session);
  return status;
}

void kohl_session_destroy(kohl_session *session) {
  if (!session) return;
  kohl_context *ctx = session->ctx;
  kohl_plan_destroy(ctx, session->plan);
  kohl_free(ctx, session->arena);
  kohl_free(ctx, session->args);
  kohl_free(ctx, session->state_before);
  kohl_free(ctx, session->seconds);
  kohl_free(ctx, session);
}

float *kohl_session_input(kohl_session *session) { return at(session, session->plan->input); }

kohl_status kohl_session_time_steps(kohl_session *session) {
  if (session->seconds) return KOHL_OK;
  return kohl_alloc(session->ctx, session->plan->step_count, sizeof *session->seconds, "step times", &session->seconds);
}

static kohl_status run_steps(kohl_session *session, size_t first, size_t end, int n, uint32_t epoch) {
  if (n < 0 || n > session->plan->options.batch) {
    return kohl_fail(session->ctx, KOHL_USAGE, "batch: %d pictures, the plan is for at most %d", n,
                     session->plan->options.batch);
  }
  for (size_t i = first; i < end; i++) {
    const kohl_step *step = &session->plan->steps[i];
    if (step->absorbed_by >= 0) continue;
    kohl_status status = kohl_check_cancel(session->ctx);
    if (status != KOHL_OK) return status;
    kohl_desc desc = step->desc;
    desc.n = n;
    if (step->op == &kohl_dropout_op) desc.dropout.epoch = epoch;
    double begin = session->seconds ? now() : 0;
    step->kernel->code->run(&desc, &session->args[i], session->ctx->threads);
    if (session->seconds) session->seconds[i] = now() - begin;
  }
  return KOHL_OK;
}

kohl_status kohl_session_run(kohl_session *session, int n) {
  return run_steps(session, 0, session->plan->forward_steps, n, 0);
}

kohl_status kohl_session_output(const kohl_session *session, int node, int n, float *out) {
  const kohl_plan *plan = session->plan;
  int buffer = node >= 0 && (size_t)node < plan->graph->count ? plan->node_buffer[node] : -1;
  if (buffer < 0 || !plan->buffers[buffer].keep) {
    return kohl_fail(session->ctx, KOHL_USAGE, "layer number %d is neither the last one nor one that was asked for",
                     node);
  }
  kohl_shape shape = plan->graph->nodes[node].shape;
  const float *src = at(session, buffer);
  size_t c = (size_t)plan->buffers[buffer].shape.c, stride = (size_t)kohl_buffer_stride(plan, buffer);
  size_t pixels = (size_t)n * (size_t)shape.h * (size_t)shape.w * (size_t)shape.c / c;
  for (size_t i = 0; i < pixels; i++) memcpy(out + i * c, src + i * stride, c * sizeof *out);
  return KOHL_OK;
}

kohl_session_head kohl_session_head_at(kohl_session *session, size_t index) {
  const kohl_plan_head *head = &session->plan->heads[index];
  int node = head->options.node;
  return (kohl_session_head){.node = node,
                             .k = session->plan->graph->nodes[node].shape.c,
                             .weight = head->options.weight,
                             .labels = at(session, head->labels),
                             .targets = at(session, head->targets),
                             .class_weights = at(session, head->class_weights),
                             .positive_weights = at(session, head->positive_weights),
                             .sample_weights = at(session, head->sample_weights),
                             .losses = at(session, head->losses)};
}

double kohl_session_loss(kohl_session *session, int n) {
  double total = 0;
  for (size_t i = 0; i < session->plan->head_count; i++) {
    kohl_session_head head = kohl_session_head_at(session, i);
    kohl_desc desc = kohl_plan_head_desc(session->plan, &session->plan->heads[i]);
    double sum = 0;
    desc.n = n;
    for (int j = 0; j < n; j++) sum += (double)head.losses[j];
    float divisor = head.labels ? kohl_softmax_xent_divisor(&desc.softmax_xent, head.labels, head.class_weights)
                                : kohl_sigmoid_bce_divisor(&desc.sigmoid_bce, head.sample_weights);
    total += (double)head.weight * sum / (double)divisor;
  }
  return total;
}

int32_t *kohl_session_labels(kohl_session *session) { return at(session, session->plan->heads[0].labels); }
float *kohl_session_class_weights(kohl_session *session) { return at(session, session->plan->heads[0].class_weights); }
const float *kohl_session_losses(const kohl_session *session) { return at(session, session->plan->heads[0].losses); }
uint64_t *kohl_session_draws(kohl_session *session) { return at(session, session->plan->draws); }

float *kohl_session_params(kohl_session *session, size_t *count) {
  *count = session->plan->param_count;
  return at(session, session->plan->params);
}

const float *kohl_session_gradients(const kohl_session *session, size_t *count) {
  *count = session->plan->param_count;
  return at(session, session->plan->gradients);
}

float *kohl_session_state(kohl_session *session, size_t *count) {
  *count = session->plan->state_count;
  return at(session, session->plan->state);
}

void kohl_session_undo_state(kohl_session *session) {
  size_t count;
  float *state = kohl_session_state(session, &count);
  if (count) memcpy(state, session->state_before, count * sizeof *state);
}

kohl_status kohl_session_backward(kohl_session *session, int n, uint32_t epoch) {
  if (!session->plan->options.train)
    return kohl_fail(session->ctx, KOHL_USAGE, "the session was not planned for training");
  session->step_number++;
  size_t count;
  const float *state = kohl_session_state(session, &count);
  if (count) memcpy(session->state_before, state, count * sizeof *state);
  kohl_status status = pack_all(session, true);
  return status == KOHL_OK ? run_steps(session, 0, session->plan->step_count, n, epoch) : status;
}

kohl_status kohl_session_store_params(kohl_session *session, kohl_model *model) {
  for (size_t i = 0; i < session->model->weight_count; i++) {
    const kohl_weight *own = &session->model->weights[i];
    const float *source = trained(session, own);
    if (!source) continue;
    kohl_weight *target = NULL;
    for (size_t j = 0; j < model->weight_count && !target; j++) {
      if (!strcmp(model->weights[j].name, own->name) && model->weights[j].spec.count == own->spec.count)
        target = &model->weights[j];
    }
    if (!target)
      return kohl_fail(session->ctx, KOHL_USAGE, "tensor '%s' is not in the model that is to receive it", own->name);
    kohl_status status = kohl_weight_own(session->ctx, target);
    if (status != KOHL_OK) return status;
    memcpy(target->owned, source, own->spec.count * sizeof *source);
  }
  return KOHL_OK;
}
