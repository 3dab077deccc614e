/* Pictures through a network.  Decoding and running take turns; the network is much the longer part. */
#include "train/pictures.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/session.h"

/* Room for one batch. */
typedef struct room {
  kohl_session *session; /* NULL without a model */
  float *input;          /* the session's, or own */
  float *own, *output;
  bool *ok;
  size_t floats; /* of an output row */
} room;

static kohl_status make_room(kohl_context *ctx, const kohl_pictures_job *job, room *r) {
  size_t pixels = kohl_prepare_floats(job->pre), batch = (size_t)job->batch;
  kohl_status status = kohl_alloc(ctx, batch, sizeof *r->ok, "a batch of pictures", &r->ok);
  if (status != KOHL_OK) return status;
  if (!job->model) {
    r->floats = pixels;
    status = kohl_alloc(ctx, batch * pixels, sizeof(float), "a batch of pictures", &r->own);
    r->input = r->output = r->own;
    return status;
  }
  const kohl_graph *graph = job->model->graph;
  kohl_shape in = graph->nodes[0].shape, out = graph->nodes[graph->count - 1].shape;
  if (in.h != job->pre->fit.h || in.w != job->pre->fit.w || in.c != 3) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: layer '%s' (input): %dx%dx%d, expected %dx%dx3 as the preprocessing says", job->model->path,
                     graph->nodes[0].name, in.h, in.w, in.c, job->pre->fit.h, job->pre->fit.w);
  }
  r->floats = (size_t)out.h * (size_t)out.w * (size_t)out.c;
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = job->batch;
  status = kohl_session_create(ctx, job->model, &options, &r->session);
  if (status == KOHL_OK) status = kohl_alloc(ctx, batch * r->floats, sizeof(float), "a batch of outputs", &r->output);
  if (status == KOHL_OK) r->input = kohl_session_input(r->session);
  return status;
}

static void free_room(kohl_context *ctx, const kohl_pictures_job *job, room *r) {
  kohl_session_destroy(r->session);
  kohl_free(ctx, r->ok);
  kohl_free(ctx, r->own);
  if (job->model) kohl_free(ctx, r->output);
}

static bool all_finite(const float *row, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; i++) finite &= row[i] - row[i] == 0.0f;
  return finite;
}

static kohl_status hand_out(kohl_context *ctx, const kohl_pictures_job *job, const room *r, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!r->ok[i]) continue;
    const float *row = r->output + i * r->floats;
    if (!all_finite(row, r->floats)) {
      const char *layer = job->model ? job->model->graph->nodes[job->model->graph->count - 1].name : "input";
      char path[KOHL_SAMPLE_PATH];
      return kohl_fail(ctx, KOHL_NOT_FINITE, "%s: the output of layer '%s' is not finite",
                       kohl_sample_path(job->samples, job->list[first + i], path), layer);
    }
    kohl_status status = job->sink(job->user, first + i, row, r->floats);
    if (status != KOHL_OK) return status;
  }
  return KOHL_OK;
}

kohl_status kohl_pictures_run(kohl_context *ctx, const kohl_pictures_job *job) {
  room r;
  memset(&r, 0, sizeof r);
  kohl_status status = make_room(ctx, job, &r);
  for (size_t first = 0; first < job->count && status == KOHL_OK; first += (size_t)job->batch) {
    size_t n = job->count - first < (size_t)job->batch ? job->count - first : (size_t)job->batch;
    status = kohl_check_cancel(ctx);
    if (status == KOHL_OK) {
      status = kohl_batch_load(ctx, job->samples, job->pre, job->list + first, n, r.input, r.ok);
    }
    if (status == KOHL_OK && r.session) {
      status = kohl_session_run(r.session, (int)n);
      int last = (int)job->model->graph->count - 1;
      if (status == KOHL_OK) status = kohl_session_output(r.session, last, (int)n, r.output);
    }
    if (status == KOHL_OK) status = hand_out(ctx, job, &r, first, n);
    if (status == KOHL_OK && job->progress) job->progress(job->progress_user, first + n, job->count);
  }
  free_room(ctx, job, &r);
  return status;
}

kohl_status kohl_pictures_check(kohl_context *ctx, const kohl_samples *samples, size_t count, double share) {
  if ((double)samples->bad <= share * (double)count) return KOHL_OK;
  char first[KOHL_SAMPLE_PATH] = "";
  for (size_t i = samples->count; i-- > 0;) {
    if (samples->sample[i].bad) kohl_sample_path(samples, i, first);
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu of %zu pictures are bad, expected at most a share of %g; the first is %s",
                   samples->bad, count, share, first);
}
