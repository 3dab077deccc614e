/* Runs on a device: what the caller sees of the arena, and whole runs recorded as graphs.
 *
 * A run is one graph: inputs to the device (or what the caller has put in their place), the steps, what the caller has
 * hung behind them, outputs back.  It is recorded for the number of samples, the epoch (the key of dropout) and how far
 * it goes, and replayed while these stay. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/session_parts.h"

enum { GRAPHS = 3 }; /* a whole batch, the last one of an epoch, and a forward pass */

typedef struct recorded {
  kohl_device_graph *graph;
  size_t end;
  int n;
  uint32_t epoch;
  int64_t used; /* by the count of runs */
} recorded;

struct kohl_session_mirror {
  char *pinned;          /* copies are fast from here */
  size_t bytes, *at;     /* per buffer that owns memory: its place in pinned, SIZE_MAX for none */
  float *params, *state; /* training */
  float *gradients;      /* made when they are asked for */
  recorded graphs[GRAPHS];
  int64_t runs;
};

/* Buffers that the caller writes, -1 for those that there are not; returns how many. */
static int inputs_of(const kohl_plan *plan, int out[2 + 5 * KOHL_HEADS]) {
  int count = 0;
  out[count++] = plan->input;
  out[count++] = plan->draws;
  for (size_t h = 0; h < plan->head_count; h++) {
    const kohl_plan_head *head = &plan->heads[h];
    const int own[] = {head->labels, head->targets, head->class_weights, head->positive_weights, head->sample_weights};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) out[count++] = own[i];
  }
  return count;
}

/* Whether a buffer is one that the caller reads: a kept output. */
static bool is_output(const kohl_plan *plan, int buffer) {
  for (size_t h = 0; h < plan->head_count; h++)
    if (plan->heads[h].losses == buffer) return true;
  for (size_t i = 0; i < plan->graph->count; i++) {
    int b = plan->node_buffer[i];
    if (b >= 0 && b != plan->input && plan->buffers[b].keep && kohl_buffer_root(plan, b) == buffer) return true;
  }
  return false;
}

static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

static void give_place(const kohl_plan *plan, struct kohl_session_mirror *mirror, int buffer) {
  if (buffer < 0 || mirror->at[kohl_buffer_root(plan, buffer)] != SIZE_MAX) return;
  int root = kohl_buffer_root(plan, buffer);
  mirror->at[root] = mirror->bytes;
  mirror->bytes += rounded(plan->buffers[root].bytes);
}

kohl_status kohl_session_mirror_create(kohl_session *session) {
  kohl_context *ctx = session->ctx;
  const kohl_plan *plan = session->plan;
  struct kohl_session_mirror *mirror;
  int inputs[2 + 5 * KOHL_HEADS], count = inputs_of(plan, inputs);
  kohl_status status = kohl_alloc(ctx, 1, sizeof *mirror, "a session", &mirror);
  if (status != KOHL_OK) return status;
  session->mirror = mirror;
  status = kohl_alloc(ctx, plan->buffer_count, sizeof *mirror->at, "a session", &mirror->at);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < plan->buffer_count; i++) mirror->at[i] = SIZE_MAX;
  for (int i = 0; i < count; i++) give_place(plan, mirror, inputs[i]);
  for (size_t i = 0; i < plan->buffer_count; i++)
    if (is_output(plan, (int)i)) give_place(plan, mirror, (int)i);
  status = kohl_device_alloc_host(ctx, session->device, mirror->bytes, "inputs and outputs", (void **)&mirror->pinned);
  if (status == KOHL_OK && plan->param_count)
    status = kohl_alloc(ctx, plan->param_count, sizeof(float), "trained weights", &mirror->params);
  if (status == KOHL_OK && plan->state_count)
    status = kohl_alloc(ctx, plan->state_count, sizeof(float), "running statistics", &mirror->state);
  return status;
}

void kohl_session_mirror_destroy(kohl_session *session) {
  struct kohl_session_mirror *mirror = session->mirror;
  if (!mirror) return;
  for (int i = 0; i < GRAPHS; i++) kohl_device_graph_destroy(mirror->graphs[i].graph);
  kohl_device_free_host(session->device, mirror->pinned);
  kohl_free(session->ctx, mirror->at);
  kohl_free(session->ctx, mirror->params);
  kohl_free(session->ctx, mirror->state);
  kohl_free(session->ctx, mirror->gradients);
  kohl_free(session->ctx, mirror);
  session->mirror = NULL;
}

void *kohl_session_seen(const kohl_session *session, int buffer) {
  const struct kohl_session_mirror *mirror = session->mirror;
  if (!mirror || buffer < 0) return kohl_session_at(session, buffer);
  if (buffer == session->plan->params) return mirror->params;
  if (buffer == session->plan->state) return mirror->state;
  int root = kohl_buffer_root(session->plan, buffer);
  if (mirror->at[root] == SIZE_MAX) return NULL;
  return mirror->pinned + mirror->at[root] + kohl_buffer_offset(session->plan, buffer) -
         kohl_buffer_offset(session->plan, root);
}

/* The part of a buffer that n samples use: activations begin with the batch, others go as a whole. */
static size_t used_bytes(const kohl_plan *plan, int root, int n) {
  const kohl_buffer *buffer = &plan->buffers[root];
  if (buffer->kind != KOHL_BUFFER_ACTIVATION) return buffer->bytes;
  return buffer->bytes / (size_t)plan->options.batch * (size_t)n;
}

static kohl_status send_inputs(kohl_session *session, int n) {
  const kohl_plan *plan = session->plan;
  int inputs[2 + 5 * KOHL_HEADS], count = inputs_of(plan, inputs);
  kohl_status status = session->fill ? session->fill(session->fill_user, n) : KOHL_OK;
  for (int i = 0; i < count && status == KOHL_OK; i++) {
    if (inputs[i] < 0 || (inputs[i] == plan->input && session->fill)) continue;
    int root = kohl_buffer_root(plan, inputs[i]);
    status = kohl_device_upload(session->ctx, session->device, kohl_session_at(session, root),
                                session->mirror->pinned + session->mirror->at[root], used_bytes(plan, root, n));
  }
  return status;
}

static kohl_status bring_outputs(kohl_session *session, int n) {
  const kohl_plan *plan = session->plan;
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < plan->buffer_count && status == KOHL_OK; i++) {
    if (session->mirror->at[i] == SIZE_MAX || !is_output(plan, (int)i)) continue;
    status = kohl_device_download(session->ctx, session->device, session->mirror->pinned + session->mirror->at[i],
                                  kohl_session_at(session, (int)i), used_bytes(plan, (int)i, n));
  }
  return status;
}

static kohl_status launch(kohl_session *session, size_t index, int n, uint32_t epoch) {
  const kohl_step *step = &session->plan->steps[index];
  const kohl_desc desc = kohl_session_desc(step, n, epoch);
  step->kernel->cuda->launch(&desc, &session->args[index], kohl_device_stream(session->device));
  kohl_status status = kohl_device_launched(session->ctx, session->device, step->op->name);
  if (status != KOHL_OK)
    kohl_fail_prefix(session->ctx, "layer '%s', %d pictures", session->plan->graph->nodes[step->node].name, n);
  return status;
}

/* A whole run, put on the stream; timed: each step for itself. */
static kohl_status put_run(kohl_session *session, size_t end, int n, uint32_t epoch, bool backward, bool timed) {
  kohl_context *ctx = session->ctx;
  const size_t state = session->plan->state_count * sizeof(float);
  kohl_status status = send_inputs(session, n);
  if (status == KOHL_OK && backward && state)
    status = kohl_session_copy(session, session->state_before, kohl_session_at(session, session->plan->state), state);
  for (size_t i = 0; i < end && status == KOHL_OK; i++) {
    if (session->plan->steps[i].absorbed_by >= 0) continue;
    if (timed) status = kohl_device_time_begin(ctx, session->device);
    if (status == KOHL_OK) status = launch(session, i, n, epoch);
    if (status == KOHL_OK && timed) status = kohl_device_time_end(ctx, session->device, &session->seconds[i]);
  }
  if (status == KOHL_OK && backward && session->tail) status = session->tail(session->tail_user, n);
  return status == KOHL_OK ? bring_outputs(session, n) : status;
}

/* The graph of such a run, or the place for it: the one that was not used for the longest time. */
static recorded *find_graph(struct kohl_session_mirror *mirror, size_t end, int n, uint32_t epoch) {
  recorded *oldest = &mirror->graphs[0];
  for (int i = 0; i < GRAPHS; i++) {
    recorded *r = &mirror->graphs[i];
    if (r->graph && r->end == end && r->n == n && r->epoch == epoch) return r;
    if (r->used < oldest->used) oldest = r;
  }
  kohl_device_graph_destroy(oldest->graph);
  *oldest = (recorded){NULL, end, n, epoch, 0};
  return oldest;
}

kohl_status kohl_session_device_run(kohl_session *session, size_t end, int n, uint32_t epoch, bool backward) {
  kohl_context *ctx = session->ctx;
  kohl_device *device = session->device;
  kohl_status status = kohl_check_cancel(ctx);
  if (status != KOHL_OK) return status;
  if (session->seconds) {
    status = put_run(session, end, n, epoch, backward, true);
  } else {
    recorded *run = find_graph(session->mirror, end, n, epoch);
    run->used = ++session->mirror->runs;
    if (!run->graph) {
      status = kohl_device_record(ctx, device);
      if (status != KOHL_OK) return status;
      kohl_status put = put_run(session, end, n, epoch, backward, false);
      char error[KOHL_ERROR_TEXT];
      memcpy(error, ctx->error, sizeof error);
      status = kohl_device_recorded(ctx, device, &run->graph);
      if (put != KOHL_OK) memcpy(ctx->error, error, sizeof error), status = put;
    }
    if (status == KOHL_OK) status = kohl_device_replay(ctx, device, run->graph);
  }
  kohl_status waited = status == KOHL_OK ? kohl_device_wait(ctx, device) : status;
  return waited;
}

static kohl_status move(kohl_session *session, bool down) {
  const kohl_plan *plan = session->plan;
  struct kohl_session_mirror *mirror = session->mirror;
  if (!session->device) return KOHL_OK;
  const struct {
    void *host;
    int buffer;
    size_t count;
  } all[] = {{mirror->params, plan->params, plan->param_count}, {mirror->state, plan->state, plan->state_count}};
  kohl_status status = KOHL_OK;
  for (int i = 0; i < 2 && status == KOHL_OK; i++) {
    void *there = kohl_session_at(session, all[i].buffer);
    const size_t bytes = all[i].count * sizeof(float);
    status = down ? kohl_device_download(session->ctx, session->device, all[i].host, there, bytes)
                  : kohl_device_upload(session->ctx, session->device, there, all[i].host, bytes);
  }
  return status == KOHL_OK ? kohl_device_wait(session->ctx, session->device) : status;
}

kohl_status kohl_session_fetch(kohl_session *session) { return move(session, true); }
kohl_status kohl_session_put(kohl_session *session) { return move(session, false); }

kohl_status kohl_session_fetch_gradients(kohl_session *session, float **out, size_t *count) {
  const kohl_plan *plan = session->plan;
  struct kohl_session_mirror *mirror = session->mirror;
  void *there = kohl_session_at(session, plan->gradients);
  kohl_status status = KOHL_OK;
  *count = plan->param_count;
  *out = there;
  if (!session->device) return KOHL_OK;
  if (!mirror->gradients)
    status = kohl_alloc(session->ctx, plan->param_count, sizeof(float), "gradients", &mirror->gradients);
  if (status == KOHL_OK)
    status = kohl_device_download(session->ctx, session->device, mirror->gradients, there, *count * sizeof(float));
  *out = mirror->gradients;
  return status == KOHL_OK ? kohl_device_wait(session->ctx, session->device) : status;
}

kohl_status kohl_session_put_gradients(kohl_session *session) {
  const struct kohl_session_mirror *mirror = session->mirror;
  if (!session->device || !mirror->gradients) return KOHL_OK;
  kohl_status status =
      kohl_device_upload(session->ctx, session->device, kohl_session_at(session, session->plan->gradients),
                         mirror->gradients, session->plan->param_count * sizeof(float));
  return status == KOHL_OK ? kohl_device_wait(session->ctx, session->device) : status;
}
