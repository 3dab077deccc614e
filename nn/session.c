/* Sessions: memory, resolving arguments, running steps. */
#include <string.h>
#include <time.h>

#include "kernels/core/alloc.h"
#include "nn/session_parts.h"

void *kohl_session_at(const kohl_session *session, int buffer) {
  const kohl_plan *plan = session->plan;
  if (buffer < 0) return NULL;
  const size_t offset = kohl_buffer_offset(plan, buffer);
  const bool weights = plan->buffers[kohl_buffer_root(plan, buffer)].kind == KOHL_BUFFER_WEIGHTS;
  return weights ? session->weights + offset : session->arena + (offset - plan->weights_bytes);
}

kohl_status kohl_session_memory(kohl_session *session, size_t bytes, const char *what, void *out) {
  if (session->device) return kohl_device_alloc(session->ctx, session->device, bytes, what, out);
  return kohl_alloc(session->ctx, bytes, 1, what, out);
}

void kohl_session_release(kohl_session *session, void *memory) {
  if (session->device)
    kohl_device_free(session->device, memory);
  else
    kohl_free(session->ctx, memory);
}

kohl_status kohl_session_copy(kohl_session *session, void *to, const void *from, size_t bytes) {
  if (session->device) return kohl_device_copy(session->ctx, session->device, to, from, bytes);
  memcpy(to, from, bytes);
  return KOHL_OK;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

float *kohl_session_trained(const kohl_session *session, const kohl_weight *weight) {
  const kohl_plan *plan = session->plan;
  size_t param = kohl_plan_param(plan, weight->node, weight->spec.suffix);
  size_t state = kohl_plan_state(plan, weight->node, weight->spec.suffix);
  if (param != SIZE_MAX) return (float *)kohl_session_seen(session, plan->params) + param;
  return state != SIZE_MAX ? (float *)kohl_session_seen(session, plan->state) + state : NULL;
}

static void fill_ones(const kohl_session *session, int buffer) {
  float *ones = kohl_session_seen(session, buffer);
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
    float *target = kohl_session_trained(session, weight);
    if (!target) continue;
    kohl_status status = kohl_weight_verify(session->ctx, session->model, weight);
    if (status != KOHL_OK) return status;
    memcpy(target, weight->data, weight->spec.count * sizeof *target);
  }
  kohl_status status = kohl_session_put(session);
  if (status != KOHL_OK || !plan->state_count) return status;
  const size_t bytes = plan->state_count * sizeof(float);
  status = kohl_session_memory(session, bytes, "running statistics", &session->state_before);
  if (status == KOHL_OK) status = kohl_session_memory(session, bytes, "running statistics", &session->state_kept);
  return status == KOHL_OK ? kohl_session_keep_state(session) : status;
}

void kohl_session_resolve(kohl_session *session) {
  for (size_t i = 0; i < session->plan->step_count; i++) {
    const kohl_step *step = &session->plan->steps[i];
    kohl_args *args = &session->args[i];
    if (step->absorbed_by >= 0) continue;
    for (int j = 0; j < KOHL_ARGS_IN; j++) args->in[j] = kohl_session_at(session, step->in[j]);
    for (int j = 0; j < KOHL_ARGS_OUT; j++) args->out[j] = kohl_session_at(session, step->out[j]);
    args->workspace = kohl_session_at(session, step->scratch);
  }
}

/* Plans; on a device within what it has left, so that a batch that is too large is known before anything runs. */
static kohl_status make_plan(kohl_session *session, kohl_plan_options options) {
  enum { SPARE = 64 << 20 }; /* for recorded graphs, and what the driver takes with them */
  kohl_context *ctx = session->ctx;
  size_t available;
  if (!session->device) return kohl_plan_create(ctx, session->model->graph, &options, &session->plan);
  kohl_status status = kohl_device_available(ctx, session->device, &available);
  if (status != KOHL_OK) return status;
  available = available > SPARE ? available - SPARE : 1;
  if (!options.memory_limit || options.memory_limit > available) options.memory_limit = available;
  status = kohl_plan_create(ctx, session->model->graph, &options, &session->plan);
  if (status == KOHL_NO_RESOURCE) kohl_fail_prefix(ctx, "cuda:%d", kohl_device_number(session->device));
  return status;
}

kohl_status kohl_session_create(kohl_context *ctx, const kohl_model *model, const kohl_plan_options *options,
                                kohl_session **out) {
  kohl_session *session;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *session, "a session", &session);
  if (status != KOHL_OK) return status;
  session->ctx = ctx;
  session->model = model;
  session->device = ctx->device;
  status = make_plan(session, *options);
  if (status == KOHL_OK)
    status = kohl_alloc(ctx, session->plan->step_count, sizeof *session->jobs, "a session", &session->jobs);
  if (status == KOHL_OK) status = kohl_session_packed_open(session);
  if (status == KOHL_OK && !kohl_session_packed_mapped(session))
    status = kohl_session_memory(session, session->plan->weights_bytes, "the network's weights", &session->weights);
  if (status == KOHL_OK)
    status = kohl_session_memory(session, session->plan->arena_bytes - session->plan->weights_bytes,
                                 "the network's arena", &session->arena);
  if (status == KOHL_OK && session->device) status = kohl_session_mirror_create(session);
  if (status == KOHL_OK)
    status = kohl_alloc(ctx, session->plan->step_count, sizeof *session->args, "a session", &session->args);
  if (status == KOHL_OK) {
    kohl_session_resolve(session);
    if (options->train) status = begin_training(session);
  }
  if (status == KOHL_OK) status = kohl_session_packed_fill(session);
  if (status == KOHL_OK)
    *out = session;
  else
    kohl_session_destroy(session);
  return status;
}

void kohl_session_destroy(kohl_session *session) {
  if (!session) return;
  kohl_context *ctx = session->ctx;
  kohl_session_mirror_destroy(session);
  kohl_plan_destroy(ctx, session->plan);
  if (!kohl_session_packed_mapped(session)) kohl_session_release(session, session->weights);
  kohl_session_packed_close(session);
  kohl_session_release(session, session->arena);
  kohl_session_release(session, session->state_before);
  kohl_session_release(session, session->state_kept);
  kohl_free(ctx, session->args);
  kohl_free(ctx, session->jobs);
  kohl_free(ctx, session->seconds);
  kohl_free(ctx, session);
}

float *kohl_session_input(kohl_session *session) { return kohl_session_seen(session, session->plan->input); }

kohl_status kohl_session_time_steps(kohl_session *session) {
  if (session->seconds) return KOHL_OK;
  return kohl_alloc(session->ctx, session->plan->step_count, sizeof *session->seconds, "step times", &session->seconds);
}

kohl_desc kohl_session_desc(const kohl_step *step, int n, uint32_t epoch) {
  kohl_desc desc = step->desc;
  desc.n = n;
  if (step->op == &kohl_dropout_op) desc.dropout.epoch = epoch;
  return desc;
}

static kohl_status run_steps(kohl_session *session, size_t end, int n, uint32_t epoch) {
  for (size_t i = 0; i < end; i++) {
    const kohl_step *step = &session->plan->steps[i];
    if (step->absorbed_by >= 0) continue;
    kohl_status status = kohl_check_cancel(session->ctx);
    if (status != KOHL_OK) return status;
    const kohl_desc desc = kohl_session_desc(step, n, epoch);
    double begin = session->seconds ? now() : 0;
    step->kernel->code->run(&desc, &session->args[i], session->ctx->threads);
    if (session->seconds) session->seconds[i] = now() - begin;
  }
  return KOHL_OK;
}

static kohl_status check_batch(kohl_session *session, int n) {
  const int most = session->plan->options.batch;
  if (n >= 0 && n <= most) return KOHL_OK;
  return kohl_fail(session->ctx, KOHL_USAGE, "batch: %d pictures, the plan is for at most %d", n, most);
}

kohl_status kohl_session_run(kohl_session *session, int n) {
  kohl_status status = check_batch(session, n);
  if (status == KOHL_OK) status = kohl_session_packed_check(session);
  if (status != KOHL_OK) return status;
  return session->device ? kohl_session_device_run(session, session->plan->forward_steps, n, 0, false)
                         : run_steps(session, session->plan->forward_steps, n, 0);
}

kohl_status kohl_session_output(const kohl_session *session, int node, int n, float *out) {
  const kohl_plan *plan = session->plan;
  int buffer = node >= 0 && (size_t)node < plan->graph->count ? plan->node_buffer[node] : -1;
  if (buffer < 0 || !plan->buffers[buffer].keep) {
    return kohl_fail(session->ctx, KOHL_USAGE, "layer number %d is neither the last one nor one that was asked for",
                     node);
  }
  kohl_shape shape = plan->graph->nodes[node].shape;
  const float *src = kohl_session_seen(session, buffer);
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
                             .labels = kohl_session_seen(session, head->labels),
                             .targets = kohl_session_seen(session, head->targets),
                             .class_weights = kohl_session_seen(session, head->class_weights),
                             .positive_weights = kohl_session_seen(session, head->positive_weights),
                             .sample_weights = kohl_session_seen(session, head->sample_weights),
                             .losses = kohl_session_seen(session, head->losses)};
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

int32_t *kohl_session_labels(kohl_session *session) {
  return kohl_session_seen(session, session->plan->heads[0].labels);
}
float *kohl_session_class_weights(kohl_session *session) {
  return kohl_session_seen(session, session->plan->heads[0].class_weights);
}
const float *kohl_session_losses(const kohl_session *session) {
  return kohl_session_seen(session, session->plan->heads[0].losses);
}
uint64_t *kohl_session_draws(kohl_session *session) { return kohl_session_seen(session, session->plan->draws); }

float *kohl_session_params(kohl_session *session, size_t *count) {
  *count = session->plan->param_count;
  return kohl_session_seen(session, session->plan->params);
}

float *kohl_session_gradients(kohl_session *session, size_t *count) {
  *count = session->plan->param_count;
  return kohl_session_seen(session, session->plan->gradients);
}

float *kohl_session_state(kohl_session *session, size_t *count) {
  *count = session->plan->state_count;
  return kohl_session_seen(session, session->plan->state);
}

/* Running statistics from one memory to the other; nothing without any. */
static kohl_status copy_state(kohl_session *session, void *to, const void *from) {
  return kohl_session_copy(session, to, from, session->plan->state_count * sizeof(float));
}

kohl_status kohl_session_undo_state(kohl_session *session) {
  if (!session->plan->state_count) return KOHL_OK;
  return copy_state(session, kohl_session_at(session, session->plan->state), session->state_before);
}

kohl_status kohl_session_keep_state(kohl_session *session) {
  if (!session->plan->state_count) return KOHL_OK;
  return copy_state(session, session->state_kept, kohl_session_at(session, session->plan->state));
}

kohl_status kohl_session_restore_state(kohl_session *session) {
  if (!session->plan->state_count) return KOHL_OK;
  return copy_state(session, kohl_session_at(session, session->plan->state), session->state_kept);
}

kohl_status kohl_session_backward(kohl_session *session, int n, uint32_t epoch) {
  if (!session->plan->options.train)
    return kohl_fail(session->ctx, KOHL_USAGE, "the session was not planned for training");
  kohl_status status = check_batch(session, n);
  if (status != KOHL_OK) return status;
  session->step_number++;
  if (session->device) return kohl_session_device_run(session, session->plan->step_count, n, epoch, true);
  if (session->plan->state_count)
    status = copy_state(session, session->state_before, kohl_session_at(session, session->plan->state));
  if (status == KOHL_OK) status = kohl_session_pack(session, true);
  return status == KOHL_OK ? run_steps(session, session->plan->step_count, n, epoch) : status;
}

kohl_status kohl_session_store_params(kohl_session *session, kohl_model *model) {
  kohl_status fetched = kohl_session_fetch(session);
  if (fetched != KOHL_OK) return fetched;
  for (size_t i = 0; i < session->model->weight_count; i++) {
    const kohl_weight *own = &session->model->weights[i];
    const float *source = kohl_session_trained(session, own);
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
