/* The weights of a session: as the model stores them or training changes them, packed for the kernels into the arena.
 */
#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/session_parts.h"

/* Of a large layer's weights, what is packed at a time; and the weights that wait to be packed together, at most. */
enum { PIECE_BYTES = 8 << 20, WAITING_BYTES = 32 << 20 };

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
    *out = (const float *)kohl_session_seen(session, plan->params) + param;
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
  kohl_model_release(session->model, wei, (size_t)k * row * sizeof *weights);
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

static void pack_whole(const kohl_session *session, const struct kohl_pack_job *job) {
  if (kohl_kernel_packs(job->step->kernel))
    job->step->kernel->code->pack(&job->step->desc, job->wei, job->packed);
  else
    memcpy(job->packed, job->wei, job->bytes);
  kohl_model_release(session->model, job->wei, job->bytes);
}

static void pack_unit(void *state, size_t index, size_t worker) {
  const kohl_session *session = state;
  (void)worker;
  pack_whole(session, &session->jobs[index]);
}

/* A dense layer of which every worker packs some outputs at a time. */
typedef struct large_job {
  const kohl_session *session;
  struct kohl_pack_job whole;
  int outputs; /* of a piece */
} large_job;

static void pack_piece(void *state, size_t index, size_t worker) {
  const large_job *large = state;
  kohl_step part = *large->whole.step;
  kohl_dense_desc *d = &part.desc.dense;
  const int first = (int)index * large->outputs, left = d->k - first;
  const size_t row = (size_t)d->c * sizeof(float);
  (void)worker;
  d->k = first;
  size_t before = (size_t)first * row;
  if (first && kohl_kernel_packs(part.kernel)) before = part.kernel->code->packed_size(d);
  d->k = left < large->outputs ? left : large->outputs;
  const struct kohl_pack_job job = {&part, (const float *)((const char *)large->whole.wei + (size_t)first * row),
                                    (char *)large->whole.packed + before, (size_t)d->k * row};
  pack_whole(large->session, &job);
}

static void pack_large(const kohl_session *session, const struct kohl_pack_job *job) {
  const kohl_dense_desc *d = &job->step->desc.dense;
  const size_t block = (size_t)KOHL_DENSE_PACK_BLOCK * (size_t)d->c * sizeof(float);
  large_job large = {session, *job, KOHL_DENSE_PACK_BLOCK * (int)(block < PIECE_BYTES ? PIECE_BYTES / block : 1)};
  kohl_parallel(session->ctx->threads, pack_piece, &large, (size_t)((d->k + large.outputs - 1) / large.outputs));
}

/* Jobs that wait for the others. */
typedef struct waiting {
  size_t count, bytes;
} waiting;

/* Where a step's weights and bias go, as its second and third argument. */
typedef struct target {
  void *wei, *bia;
} target;

static void pack_waiting(kohl_session *session, waiting *jobs) {
  kohl_parallel(session->ctx->threads, pack_unit, session, jobs->count);
  *jobs = (waiting){0, 0};
}

/* Numbers into the arena.  On a device, `from` must stay until the next wait. */
static kohl_status place(kohl_session *session, void *to, const void *from, size_t bytes) {
  if (session->device) return kohl_device_upload(session->ctx, session->device, to, from, bytes);
  memcpy(to, from, bytes);
  return KOHL_OK;
}

/* Weights of one step, into the arena at once, or on the CPU by a job.  The originals in a mapped file do not stay in
 * memory: jobs wait only until they have some bytes together, and large ones do not wait. */
static kohl_status place_weights(kohl_session *session, const struct kohl_pack_job *job, waiting *jobs) {
  if (session->device) return place(session, job->packed, job->wei, job->bytes);
  if (job->step->op == &kohl_dense_op && job->step->direction == KOHL_FWD && job->bytes > 2 * PIECE_BYTES) {
    pack_large(session, job);
    return KOHL_OK;
  }
  session->jobs[jobs->count++] = *job;
  jobs->bytes += job->bytes;
  if (jobs->bytes > WAITING_BYTES) pack_waiting(session, jobs);
  return KOHL_OK;
}

/* Weights that go as they are stored. */
static kohl_status pack_plain(kohl_session *session, const kohl_step *step, target to, size_t k, size_t row,
                              waiting *jobs) {
  const float *wei, *bia;
  kohl_status status = stored(session, step->sources[0], "weight", &wei);
  if (status == KOHL_OK) status = stored(session, step->sources[0], "bias", &bia);
  if (status == KOHL_OK && to.bia && bia) status = place(session, to.bia, bia, k * sizeof *bia);
  const struct kohl_pack_job job = {step, wei, to.wei, k * row * sizeof *wei};
  return status == KOHL_OK ? place_weights(session, &job, jobs) : status;
}

/* What was placed is where it belongs; what it came from may go. */
static kohl_status settle(kohl_session *session, kohl_status status) {
  if (!session->device) return status;
  kohl_status waited = kohl_device_wait(session->ctx, session->device);
  return status == KOHL_OK ? waited : status;
}

static kohl_status pack_norm(kohl_session *session, const kohl_step *step, target to) {
  float *vectors;
  const int c = step->desc.batchnorm.c;
  kohl_status status = kohl_alloc(session->ctx, 2 * (size_t)c, sizeof *vectors, "a batch-norm", &vectors);
  if (status != KOHL_OK) return status;
  status = norm_vectors(session, step->sources[0], c, vectors, vectors + c);
  if (status == KOHL_OK) status = place(session, to.wei, vectors, (size_t)c * sizeof *vectors);
  if (status == KOHL_OK) status = place(session, to.bia, vectors + c, (size_t)c * sizeof *vectors);
  status = settle(session, status);
  kohl_free(session->ctx, vectors);
  return status;
}

/* Weights of several sources, or with their batch-norms folded in. */
static kohl_status pack_folded(kohl_session *session, const kohl_step *step, target to, size_t k, size_t row) {
  const int sources = step->op == &kohl_conv2d_op ? step->desc.conv2d.dsts : 1;
  float *weights;
  kohl_status status = kohl_alloc(session->ctx, k * row + k, sizeof *weights, "weights to be packed", &weights);
  if (status != KOHL_OK) return status;
  float *bias = weights + k * row;
  for (int i = 0, done = 0; i < sources && status == KOHL_OK; i++) {
    int own = step->op == &kohl_conv2d_op ? step->desc.conv2d.dst_k[i] : (int)k;
    status = fold(session, step->sources[i], step->norms[i], own, row, weights + (size_t)done * row,
                  to.bia ? bias + done : NULL);
    done += own;
  }
  struct kohl_pack_job job = {step, weights, to.wei, k * row * sizeof *weights};
  if (status == KOHL_OK && to.bia) status = place(session, to.bia, bias, k * sizeof *bias);
  if (status == KOHL_OK && session->device) status = place(session, job.packed, weights, job.bytes);
  if (status == KOHL_OK && !session->device) pack_whole(session, &job);
  status = settle(session, status);
  kohl_free(session->ctx, weights);
  return status;
}

static kohl_status pack_step(kohl_session *session, const kohl_step *step, target to, waiting *jobs) {
  const kohl_desc *desc = &step->desc;
  if (step->op == &kohl_batchnorm_op) return pack_norm(session, step, to);
  bool conv = step->op == &kohl_conv2d_op;
  size_t row = conv ? (size_t)desc->conv2d.r * desc->conv2d.s * (size_t)(desc->conv2d.c / desc->conv2d.groups)
                    : (size_t)desc->dense.c;
  int sources = conv ? desc->conv2d.dsts : 1;
  size_t k = (size_t)(conv ? desc->conv2d.k : desc->dense.k);
  if (sources == 1 && step->norms[0] < 0) return pack_plain(session, step, to, k, row, jobs);
  return pack_folded(session, step, to, k, row);
}

bool kohl_session_has_weights(const kohl_plan *plan, const kohl_step *step) {
  bool weighted = step->op == &kohl_conv2d_op || step->op == &kohl_dense_op;
  if (step->absorbed_by >= 0 || step->repeats >= 0) return false;
  if (step->direction == KOHL_FWD && step->op == &kohl_batchnorm_op) return true;
  return step->direction != KOHL_WGRAD && weighted && plan->buffers[step->in[1]].home < 0;
}

kohl_status kohl_session_pack_step(kohl_session *session, const kohl_step *step, void *wei, void *bia) {
  waiting jobs = {0, 0};
  kohl_status status = pack_step(session, step, (target){wei, bia}, &jobs);
  if (status == KOHL_OK) pack_waiting(session, &jobs);
  return status;
}

kohl_status kohl_session_pack(kohl_session *session, bool again) {
  kohl_status status = KOHL_OK;
  waiting jobs = {0, 0};
  for (size_t i = 0; i < session->plan->step_count && status == KOHL_OK; i++) {
    const kohl_step *step = &session->plan->steps[i];
    if (!kohl_session_has_weights(session->plan, step) || (again && !step->repack)) continue;
    const target to = {kohl_session_at(session, step->in[1]), kohl_session_at(session, step->in[2])};
    status = pack_step(session, step, to, &jobs);
  }
  if (status == KOHL_OK) pack_waiting(session, &jobs);
  if (again) return status;
  status = settle(session, status);
  kohl_model_release(session->model, NULL, 0);
  return status;
}
