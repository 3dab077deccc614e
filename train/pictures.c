/* Pictures through a network, which runs on one batch while the loader decodes the next ones. */
#include "train/pictures.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/session.h"

/* What is made once for all batches. */
typedef struct room {
  kohl_loader *loader;
  kohl_session *session; /* NULL without a model: the loader's rows are the output */
  float *output, *apart; /* rows; outputs of one layer */
  int last;              /* the node that is read where none is named */
  const int *nodes;
  size_t node_count;
  size_t pixels, floats; /* of an input and an output row */
} room;

/* The caller looks at the bad pictures, so that none are too many. */
static kohl_status make_loader(kohl_context *ctx, const kohl_pictures_job *job, room *r) {
  kohl_loader_options options = kohl_loader_options_default();
  options.batch = job->batch;
  options.workers = job->workers < 0 ? (int)kohl_threads_count(ctx->threads) : job->workers;
  if (options.workers > KOHL_LOADER_WORKERS) options.workers = KOHL_LOADER_WORKERS;
  options.bad_limit = 1.0;
  kohl_preprocessing pre = *job->pre;
  if (job->augmenting) pre = kohl_augmenting_fitted(job->augmenting);
  if (job->augmenting) kohl_augmenting_hook(job->augmenting, &options);
  if (job->cache && kohl_cache_fits(job->cache, job->samples->count, &pre.fit)) options.cache = job->cache;
  kohl_status status = kohl_loader_create(ctx, job->samples, &pre, &options, &r->loader);
  return status == KOHL_OK ? kohl_loader_begin(r->loader, job->list, job->count, 0) : status;
}

static size_t floats_of(const kohl_graph *graph, int node) {
  const kohl_shape shape = graph->nodes[node].shape;
  return (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
}

static kohl_status make_session(kohl_context *ctx, const kohl_pictures_job *job, room *r) {
  const kohl_graph *graph = job->model->graph;
  kohl_shape in = graph->nodes[0].shape;
  if (in.h != job->pre->fit.h || in.w != job->pre->fit.w || in.c != 3) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: layer '%s' (input): %dx%dx%d, expected %dx%dx3 as the preprocessing says", job->model->path,
                     graph->nodes[0].name, in.h, in.w, in.c, job->pre->fit.h, job->pre->fit.w);
  }
  r->last = (int)graph->count - 1;
  r->nodes = job->nodes ? job->nodes : &r->last;
  r->node_count = job->nodes ? job->node_count : 1;
  r->floats = 0;
  for (size_t i = 0; i < r->node_count; i++) r->floats += floats_of(graph, r->nodes[i]);
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = job->batch;
  options.taps = job->nodes;
  options.tap_count = job->nodes ? job->node_count : 0;
  kohl_status status = kohl_session_create(ctx, job->model, &options, &r->session);
  if (status != KOHL_OK) return status;
  status = kohl_alloc(ctx, (size_t)job->batch * r->floats, sizeof(float), "a batch of outputs", &r->output);
  if (status != KOHL_OK || r->node_count == 1) return status;
  return kohl_alloc(ctx, (size_t)job->batch * r->floats, sizeof(float), "a batch of outputs", &r->apart);
}

kohl_status kohl_pictures_rows(const kohl_session *session, const int *nodes, size_t count, int n, float *apart,
                               float *rows) {
  const kohl_graph *graph = session->model->graph;
  size_t whole = 0, first = 0;
  if (count == 1) return kohl_session_output(session, nodes[0], n, rows);
  for (size_t i = 0; i < count; i++) whole += floats_of(graph, nodes[i]);
  for (size_t i = 0; i < count; i++) {
    const size_t floats = floats_of(graph, nodes[i]);
    kohl_status status = kohl_session_output(session, nodes[i], n, apart);
    if (status != KOHL_OK) return status;
    for (int p = 0; p < n; p++) {
      memcpy(rows + (size_t)p * whole + first, apart + (size_t)p * floats, floats * sizeof *rows);
    }
    first += floats;
  }
  return KOHL_OK;
}

static void free_room(kohl_context *ctx, room *r) {
  kohl_loader_destroy(r->loader);
  kohl_session_destroy(r->session);
  kohl_free(ctx, r->output);
  kohl_free(ctx, r->apart);
}

static bool all_finite(const float *row, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; i++) finite &= row[i] - row[i] == 0.0f;
  return finite;
}

static kohl_status hand_out(kohl_context *ctx, const kohl_pictures_job *job, const room *r, const kohl_batch *batch) {
  const float *rows = r->session ? r->output : batch->floats;
  for (size_t i = 0; i < batch->count; i++) {
    if (!batch->ok[i]) continue;
    const float *row = rows + i * r->floats;
    if (!all_finite(row, r->floats)) {
      const char *layer = job->model ? job->model->graph->nodes[job->model->graph->count - 1].name : "input";
      char path[KOHL_SAMPLE_PATH];
      return kohl_fail(ctx, KOHL_NOT_FINITE, "%s: the output of layer '%s' is not finite",
                       kohl_sample_path(job->samples, batch->sample[i], path), layer);
    }
    kohl_status status = job->sink(job->user, (size_t)batch->draw[i], row, r->floats);
    if (status != KOHL_OK) return status;
  }
  return KOHL_OK;
}

static kohl_status run_batch(const room *r, const kohl_batch *batch) {
  memcpy(kohl_session_input(r->session), batch->floats, batch->count * r->pixels * sizeof(float));
  kohl_status status = kohl_session_run(r->session, (int)batch->count);
  if (status != KOHL_OK) return status;
  return kohl_pictures_rows(r->session, r->nodes, r->node_count, (int)batch->count, r->apart, r->output);
}

static void report(kohl_context *ctx, const room *r) {
  kohl_loader_stats stats = kohl_loader_read_stats(r->loader);
  double share = stats.seconds > 0 ? 100.0 * stats.waited / stats.seconds : 0.0;
  kohl_log(ctx, KOHL_LOG_INFO, "%zu pictures in %.2f s, of them %.2f s (%.0f %%) waiting for pictures; %zu bad",
           stats.pictures, stats.seconds, stats.waited, share, stats.bad);
}

kohl_status kohl_pictures_run(kohl_context *ctx, const kohl_pictures_job *job) {
  room r = {.pixels = kohl_prepare_floats(job->pre), .floats = kohl_prepare_floats(job->pre)};
  kohl_status status = job->model ? make_session(ctx, job, &r) : KOHL_OK;
  if (status == KOHL_OK) status = make_loader(ctx, job, &r);
  while (status == KOHL_OK) {
    kohl_batch batch;
    status = kohl_loader_next(r.loader, &batch);
    if (status != KOHL_OK || batch.count == 0) break;
    if (r.session) status = run_batch(&r, &batch);
    if (status == KOHL_OK) status = hand_out(ctx, job, &r, &batch);
    size_t done = (size_t)batch.draw[0] + batch.count;
    if (status == KOHL_OK && job->progress) job->progress(job->progress_user, done, job->count);
  }
  if (status == KOHL_OK) report(ctx, &r);
  free_room(ctx, &r);
  return status;
}

kohl_status kohl_pictures_check(kohl_context *ctx, const kohl_samples *samples, size_t count, double share) {
  return kohl_bad_check(ctx, samples, samples->bad, count, share);
}
