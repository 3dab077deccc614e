/* A session whose packed weights are kept in a file: taken from it when it fits, else written to it.
 *
 * Whatever is wrong with the file, the session packs for itself and says so in a line of the log: nothing here fails
 * but for want of memory, or for a model that is itself damaged. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/session_parts.h"

struct kohl_session_packed {
  char *path;
  uint64_t digest;
  kohl_packed *file; /* NULL: the weights are the session's own memory */
  bool write;        /* they are to be written when they are packed */
  bool checked;      /* the file's weights have been compared with their checksums */
};

bool kohl_session_packed_mapped(const kohl_session *session) { return session->packed && session->packed->file; }

void kohl_session_packed_close(kohl_session *session) {
  if (!session->packed) return;
  kohl_packed_close(session->ctx, session->packed->file);
  kohl_free(session->ctx, session->packed->path);
  kohl_free(session->ctx, session->packed);
  session->packed = NULL;
}

static kohl_status make_path(kohl_session *session, char **out) {
  static const char ending[] = ".packed";
  kohl_context *ctx = session->ctx;
  const char *model = session->model->path;
  if (strcmp(ctx->packed, "auto") != 0) return kohl_strdup(ctx, ctx->packed, out);
  kohl_status status = kohl_alloc(ctx, strlen(model) + sizeof ending, 1, "a file name", out);
  if (status == KOHL_OK) strcat(strcpy(*out, model), ending);
  return status;
}

/* Packs a step's weights anew and compares them with the file's. */
static kohl_status compare_step(kohl_session *session, const kohl_step *step, bool *same) {
  const kohl_plan *plan = session->plan;
  const size_t wei = plan->buffers[step->in[1]].bytes, bia = step->in[2] < 0 ? 0 : plan->buffers[step->in[2]].bytes;
  const size_t second = (wei + 63) / 64 * 64;
  char *own;
  kohl_status status = kohl_alloc(session->ctx, second + bia, 1, "weights to compare", &own);
  if (status != KOHL_OK) return status;
  status = kohl_session_pack_step(session, step, own, bia ? own + second : NULL);
  *same = status == KOHL_OK && !memcmp(own, kohl_session_at(session, step->in[1]), wei) &&
          (!bia || !memcmp(own + second, kohl_session_at(session, step->in[2]), bia));
  kohl_free(session->ctx, own);
  return status;
}

/* The smallest layer of each kernel is packed and compared.  The digest knows a kernel by its name; one whose order of
 * the weights has changed since the file was written, in another build of the same version, shows here. */
static kohl_status probe(kohl_session *session, bool *same) {
  const kohl_plan *plan = session->plan;
  kohl_status status = KOHL_OK;
  *same = true;
  for (size_t i = 0; i < plan->step_count && status == KOHL_OK && *same; i++) {
    const kohl_step *step = &plan->steps[i];
    bool smallest = kohl_session_has_weights(plan, step);
    for (size_t j = 0; j < plan->step_count && smallest; j++) {
      const kohl_step *other = &plan->steps[j];
      if (j == i || other->kernel != step->kernel || !kohl_session_has_weights(plan, other)) continue;
      const size_t own = plan->buffers[step->in[1]].bytes, its = plan->buffers[other->in[1]].bytes;
      smallest = own < its || (own == its && i < j);
    }
    if (smallest) status = compare_step(session, step, same);
  }
  kohl_model_release(session->model, NULL, 0);
  return status;
}

/* Opens the file, and says what is wrong with it. */
static kohl_status open_file(kohl_session *session) {
  struct kohl_session_packed *p = session->packed;
  kohl_context *ctx = session->ctx;
  const kohl_packed_state state = kohl_packed_open(ctx, p->path, session->plan, p->digest, &p->file);
  p->write = state == KOHL_PACKED_ABSENT || state == KOHL_PACKED_OTHER || state == KOHL_PACKED_DAMAGED;
  if (state == KOHL_PACKED_FAILED) return KOHL_NO_RESOURCE;
  if (state == KOHL_PACKED_OTHER) kohl_log(ctx, KOHL_LOG_INFO, "%s: packed anew", ctx->error);
  if (state == KOHL_PACKED_DAMAGED) kohl_log(ctx, KOHL_LOG_WARNING, "%s: packed anew", ctx->error);
  if (state == KOHL_PACKED_FOREIGN) kohl_log(ctx, KOHL_LOG_WARNING, "%s: left as it is", ctx->error);
  if (state != KOHL_PACKED_FITS) return KOHL_OK;
  bool same;
  session->weights = (char *)(uintptr_t)kohl_packed_weights(p->file); /* only read: a plan to infer writes no weights */
  kohl_status status = probe(session, &same);
  if (status != KOHL_OK || same) return status;
  status = kohl_packed_check(ctx, p->file, session->plan);
  if (status != KOHL_OK && status != KOHL_BAD_INPUT) return status;
  if (status == KOHL_OK)
    kohl_log(ctx, KOHL_LOG_INFO, "%s: its kernels order weights differently: packed anew", p->path);
  else
    kohl_log(ctx, KOHL_LOG_WARNING, "%s: packed anew", ctx->error);
  kohl_packed_close(ctx, p->file);
  p->file = NULL;
  p->write = true;
  session->weights = NULL;
  return KOHL_OK;
}

kohl_status kohl_session_packed_open(kohl_session *session) {
  kohl_context *ctx = session->ctx;
  if (!ctx->packed || session->device || session->plan->options.train) return KOHL_OK;
  uint64_t digest;
  kohl_status status = kohl_packed_digest(ctx, session->model, session->plan, &digest);
  if (status == KOHL_BAD_INPUT) kohl_log(ctx, KOHL_LOG_WARNING, "packed weights are not kept: %s", ctx->error);
  if (status != KOHL_OK) return status == KOHL_BAD_INPUT ? KOHL_OK : status;
  status = kohl_alloc(ctx, 1, sizeof *session->packed, "a session", &session->packed);
  if (status != KOHL_OK) return status;
  session->packed->digest = digest;
  status = make_path(session, &session->packed->path);
  return status == KOHL_OK ? open_file(session) : status;
}

kohl_status kohl_session_packed_fill(kohl_session *session) {
  struct kohl_session_packed *p = session->packed;
  kohl_context *ctx = session->ctx;
  if (p && p->file) return KOHL_OK;
  kohl_status status = kohl_session_pack(session, false);
  if (status != KOHL_OK || !p || !p->write) return status;
  if (kohl_packed_write(ctx, p->path, session->plan, p->digest, session->weights) == KOHL_OK)
    kohl_log(ctx, KOHL_LOG_INFO, "%s: %zu bytes of packed weights written", p->path, session->plan->weights_bytes);
  else
    kohl_log(ctx, KOHL_LOG_WARNING, "packed weights are not kept: %s", ctx->error);
  return KOHL_OK;
}

kohl_status kohl_session_packed_check(kohl_session *session) {
  struct kohl_session_packed *p = session->packed;
  kohl_context *ctx = session->ctx;
  if (!p || !p->file || p->checked) return KOHL_OK;
  kohl_status status = kohl_packed_check(ctx, p->file, session->plan);
  p->checked = status == KOHL_OK;
  if (status != KOHL_BAD_INPUT) return status;
  kohl_log(ctx, KOHL_LOG_WARNING, "%s: packed anew", ctx->error);
  char *own;
  status = kohl_session_memory(session, session->plan->weights_bytes, "the network's weights", &own);
  if (status != KOHL_OK) return status;
  kohl_packed_close(ctx, p->file);
  p->file = NULL;
  p->write = true;
  session->weights = own;
  kohl_session_resolve(session);
  return kohl_session_packed_fill(session);
}
