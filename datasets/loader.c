/* Making and freeing a loader: its options, its memory, its threads.  What they do is in loader_epoch.c and
 * loader_worker.c. */
#include "datasets/loader.h"

#include <unistd.h>

#include "datasets/loader_state.h"
#include "datasets/pack.h"
#include "kernels/core/alloc.h"

kohl_loader_options kohl_loader_options_default(void) {
  return (kohl_loader_options){
      .batch = 32, .workers = -1, .ahead = 2, .bad_limit = 0.01, .decode_bytes = (size_t)256 << 20};
}

static kohl_status check_options(kohl_context *ctx, const kohl_preprocessing *pre, const kohl_loader_options *o) {
  const char *wrong = kohl_preprocessing_check(pre);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "preprocessing: %s", wrong);
  if (o->batch < 1 || o->batch > KOHL_LOADER_BATCH) {
    return kohl_fail(ctx, KOHL_USAGE, "loader: batch %d, expected 1 to %d", o->batch, KOHL_LOADER_BATCH);
  }
  if (o->workers < -1 || o->workers > KOHL_LOADER_WORKERS) {
    return kohl_fail(ctx, KOHL_USAGE, "loader: %d workers, expected 0 to %d, or -1 for one per processor", o->workers,
                     KOHL_LOADER_WORKERS);
  }
  if (o->ahead < 1 || o->ahead > KOHL_LOADER_AHEAD) {
    return kohl_fail(ctx, KOHL_USAGE, "loader: %d batches ahead, expected 1 to %d", o->ahead, KOHL_LOADER_AHEAD);
  }
  if (!(o->bad_limit >= 0.0 && o->bad_limit <= 1.0)) {
    return kohl_fail(ctx, KOHL_USAGE, "loader: a share of %g bad pictures, expected 0 to 1", o->bad_limit);
  }
  if (o->bytes && o->augment) return kohl_fail(ctx, KOHL_USAGE, "loader: augmentation gives floats, asked for bytes");
  if (o->row_h == 0 && o->row_w == 0) return KOHL_OK;
  if (!o->augment || o->row_h < 1 || o->row_h > pre->fit.h || o->row_w < 1 || o->row_w > pre->fit.w) {
    return kohl_fail(ctx, KOHL_USAGE, "loader: rows of %d x %d pixels, expected 1 x 1 to %d x %d, by an augmentation",
                     o->row_w, o->row_h, pre->fit.w, pre->fit.h);
  }
  return KOHL_OK;
}

static size_t thread_count(const kohl_loader_options *o) {
  if (o->workers >= 0) return (size_t)o->workers;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (processors < 1) return 1;
  return processors > KOHL_LOADER_WORKERS ? KOHL_LOADER_WORKERS : (size_t)processors;
}

static size_t picture_bytes(const kohl_preprocessing *pre) { return kohl_prepare_floats(pre); }

static size_t row_bytes(const kohl_preprocessing *pre, const kohl_loader_options *o) {
  size_t values = o->row_h ? (size_t)o->row_h * (size_t)o->row_w * 3 : picture_bytes(pre);
  return values * (o->bytes ? 1 : sizeof(float));
}

static size_t ring_size(const kohl_loader_options *o) { return thread_count(o) ? (size_t)o->ahead + 1 : 1; }

kohl_status kohl_loader_bytes(kohl_context *ctx, size_t count, const kohl_preprocessing *pre,
                              const kohl_loader_options *options, size_t *bytes) {
  kohl_status status = check_options(ctx, pre, options);
  if (status != KOHL_OK) return status;
  const kohl_slot *slot = NULL;
  size_t picture = picture_bytes(pre), row = row_bytes(pre, options);
  size_t draw = row + sizeof *slot->results + sizeof *slot->ok + sizeof *slot->draw + sizeof *slot->sample +
                sizeof *slot->label; /* a row is at most 3 GiB: no sum of these overflows, the products may */
  size_t workers = thread_count(options) ? thread_count(options) : 1, worker, ring, lists;
  bool fits =
      kohl_mul_size(draw, (size_t)options->batch, &ring) && kohl_mul_size(ring, ring_size(options), &ring) &&
      kohl_add_size(options->decode_bytes, options->augment_bytes, &worker) &&
      kohl_add_size(worker, sizeof(kohl_load_worker) + KOHL_FIT_ROOM + (options->bytes ? 0 : picture), &worker) &&
      kohl_mul_size(worker, workers, &worker) && kohl_add_size(ring, worker, bytes) &&
      kohl_mul_size(count, 1 + sizeof(bool), &lists) && kohl_add_size(*bytes, lists, bytes) &&
      kohl_add_size(*bytes, sizeof(kohl_loader) + ring_size(options) * sizeof(kohl_slot), bytes);
  if (fits) return KOHL_OK;
  return kohl_fail(ctx, KOHL_USAGE, "loader: its memory would be more than this machine can address");
}

static kohl_status make_slot(kohl_loader *loader, kohl_slot *slot) {
  kohl_context *ctx = loader->ctx;
  static const char what[] = "the ring of batches";
  size_t batch = (size_t)loader->options.batch;
  kohl_status status = kohl_alloc(ctx, batch, loader->row_bytes, what, &slot->rows);
  if (status == KOHL_OK) status = kohl_alloc(ctx, batch, sizeof *slot->results, what, &slot->results);
  if (status == KOHL_OK) status = kohl_alloc(ctx, batch, sizeof *slot->ok, what, &slot->ok);
  if (status == KOHL_OK) status = kohl_alloc(ctx, batch, sizeof *slot->draw, what, &slot->draw);
  if (status == KOHL_OK) status = kohl_alloc(ctx, batch, sizeof *slot->sample, what, &slot->sample);
  if (status == KOHL_OK) status = kohl_alloc(ctx, batch, sizeof *slot->label, what, &slot->label);
  return status;
}

static kohl_status make_memory(kohl_loader *loader) {
  kohl_context *ctx = loader->ctx;
  loader->ring = ring_size(&loader->options);
  loader->worker_count = loader->options.workers ? (size_t)loader->options.workers : 1;
  kohl_status status = kohl_alloc(ctx, loader->samples->count, 1, "a loader", &loader->flags);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, loader->samples->count, sizeof *loader->counted, "a loader", &loader->counted);
  }
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, loader->ring, sizeof *loader->slots, "the ring of batches", &loader->slots);
  }
  for (size_t i = 0; i < loader->ring && status == KOHL_OK; i++) status = make_slot(loader, &loader->slots[i]);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, loader->worker_count, sizeof *loader->workers, "a loader's workers", &loader->workers);
  }
  for (size_t i = 0; i < loader->worker_count && status == KOHL_OK; i++) {
    status = kohl_load_worker_make(ctx, loader, &loader->workers[i]);
  }
  return status;
}

static void free_memory(kohl_loader *loader) {
  kohl_context *ctx = loader->ctx;
  for (size_t i = 0; loader->slots && i < loader->ring; i++) {
    kohl_slot *slot = &loader->slots[i];
    kohl_free(ctx, slot->rows);
    kohl_free(ctx, slot->results);
    kohl_free(ctx, slot->ok);
    kohl_free(ctx, slot->draw);
    kohl_free(ctx, slot->sample);
    kohl_free(ctx, slot->label);
  }
  for (size_t i = 0; loader->workers && i < loader->worker_count; i++) kohl_load_worker_free(ctx, &loader->workers[i]);
  kohl_free(ctx, loader->slots);
  kohl_free(ctx, loader->workers);
  kohl_free(ctx, loader->flags);
  kohl_free(ctx, loader->counted);
  kohl_free(ctx, loader);
}

static void *work(void *argument) {
  kohl_load_worker *worker = argument;
  kohl_loader *loader = worker->loader;
  pthread_mutex_lock(&loader->lock);
  while (!loader->stop) {
    if (kohl_loader_claimable(loader)) {
      kohl_load_claimed(worker);
    } else {
      pthread_cond_wait(&loader->work, &loader->lock);
    }
  }
  pthread_mutex_unlock(&loader->lock);
  return NULL;
}

/* Lock, conditions (waits are timed by a clock that nobody sets) and threads; what was made is undone on failure. */
static kohl_status start(kohl_loader *loader) {
  pthread_condattr_t attributes;
  bool made = pthread_condattr_init(&attributes) == 0;
  if (made) {
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    made = pthread_mutex_init(&loader->lock, NULL) == 0;
    if (made && pthread_cond_init(&loader->work, NULL) != 0) {
      pthread_mutex_destroy(&loader->lock);
      made = false;
    }
    if (made && pthread_cond_init(&loader->ready, &attributes) != 0) {
      pthread_cond_destroy(&loader->work);
      pthread_mutex_destroy(&loader->lock);
      made = false;
    }
    pthread_condattr_destroy(&attributes);
  }
  if (!made) {
    free_memory(loader);
    return KOHL_NO_RESOURCE;
  }
  while (loader->started < (size_t)loader->options.workers) {
    kohl_load_worker *worker = &loader->workers[loader->started];
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
      kohl_loader_destroy(loader);
      return KOHL_NO_RESOURCE;
    }
    loader->started++;
  }
  return KOHL_OK;
}

kohl_status kohl_loader_create(kohl_context *ctx, kohl_samples *samples, const kohl_preprocessing *pre,
                               const kohl_loader_options *options, kohl_loader **out) {
  size_t bytes;
  kohl_loader *loader;
  *out = NULL;
  kohl_status status = kohl_loader_bytes(ctx, samples->count, pre, options, &bytes);
  if (status == KOHL_OK && samples->pack) status = kohl_pack_check_fit(ctx, samples->pack, pre);
  if (status == KOHL_OK && options->cache && !kohl_cache_fits(options->cache, samples->count, &pre->fit)) {
    status = kohl_fail(ctx, KOHL_USAGE, "loader: its cache was made for another list or size of pictures");
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, 1, sizeof *loader, "a loader", &loader);
  if (status != KOHL_OK) return status;
  loader->ctx = ctx;
  loader->samples = samples;
  loader->pre = *pre;
  loader->options = *options;
  loader->options.workers = (int)thread_count(options); /* the number of processors may change meanwhile */
  loader->picture_bytes = picture_bytes(pre);
  loader->row_bytes = row_bytes(pre, options);
  status = make_memory(loader);
  if (status != KOHL_OK) {
    free_memory(loader);
    return status;
  }
  status = start(loader);
  if (status != KOHL_OK) {
    return kohl_fail(ctx, status, "loader: the system refused %zu threads", thread_count(options));
  }
  *out = loader;
  return KOHL_OK;
}

void kohl_loader_destroy(kohl_loader *loader) {
  if (!loader) return;
  pthread_mutex_lock(&loader->lock);
  loader->stop = true;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  for (size_t i = 0; i < loader->started; i++) pthread_join(loader->workers[i].thread, NULL);
  pthread_cond_destroy(&loader->ready);
  pthread_cond_destroy(&loader->work);
  pthread_mutex_destroy(&loader->lock);
  free_memory(loader);
}
