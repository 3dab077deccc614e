/* One draw: from the pack, the cache or the file to a fitted picture, and from there to its row.
 *
 * A worker's memory goes through an allocator that counts, so that its budget is kept and not only stated.  Every block
 * carries its size in the 64 bytes before it, which keeps the alignment. */
#include <string.h>

#include "datasets/fit.h"
#include "datasets/loader_state.h"
#include "datasets/pack.h"
#include "kernels/core/alloc.h"

enum { BEFORE = 64 };

static void *counted_allocate(size_t bytes, void *user) {
  kohl_load_worker *w = user;
  if (bytes > w->limit || w->limit - bytes < w->used) {
    w->refused = true;
    return NULL;
  }
  uint8_t *memory = w->allocator.allocate(bytes + BEFORE, w->allocator.user);
  if (!memory) return NULL;
  memcpy(memory, &bytes, sizeof bytes);
  w->used += bytes;
  if (w->used > w->peak) w->peak = w->used;
  return memory + BEFORE;
}

static void counted_release(void *memory, void *user) {
  kohl_load_worker *w = user;
  if (!memory) return;
  uint8_t *begin = (uint8_t *)memory - BEFORE;
  size_t bytes;
  memcpy(&bytes, begin, sizeof bytes);
  w->used -= bytes;
  w->allocator.release(begin, w->allocator.user);
}

kohl_status kohl_load_worker_make(kohl_context *ctx, kohl_loader *loader, kohl_load_worker *worker) {
  worker->loader = loader;
  worker->allocator = ctx->allocator;
  worker->limit = loader->options.decode_bytes;
  worker->ctx = kohl_context_worker(ctx);
  worker->ctx.allocator = (kohl_allocator){counted_allocate, counted_release, worker};
  worker->ctx.log = NULL; /* callbacks are called by the caller's thread only */
  worker->ctx.cancel = NULL;
  kohl_status status = kohl_fit_room_make(ctx, &worker->room);
  if (status == KOHL_OK && !loader->options.bytes) {
    status = kohl_alloc(ctx, loader->picture_bytes, 1, "a loader's worker", &worker->rgb);
  }
  if (status == KOHL_OK && loader->options.augment) {
    status = kohl_alloc(ctx, loader->options.augment_bytes, 1, "a loader's worker", &worker->workspace);
  }
  return status;
}

void kohl_load_worker_free(kohl_context *ctx, kohl_load_worker *worker) {
  kohl_fit_room_free(ctx, &worker->room);
  kohl_free(ctx, worker->rgb);
  kohl_free(ctx, worker->workspace);
}

/* A sample decoded and fitted into rgb. */
static kohl_status decode(kohl_load_worker *w, size_t sample, uint8_t *rgb) {
  const kohl_samples *samples = w->loader->samples;
  const kohl_preprocessing *pre = &w->loader->pre;
  kohl_decode_want want = kohl_fit_want(&pre->fit);
  kohl_picture picture;
  char path[KOHL_SAMPLE_PATH];
  kohl_sample_path(samples, sample, path);
  w->refused = false;
  kohl_status status = samples->records ? kohl_sample_picture(&w->ctx, samples, sample, &pre->decode, &picture)
                                        : kohl_picture_read_for(&w->ctx, path, &pre->decode, &want, &picture);
  if (status == KOHL_OK) status = kohl_picture_fit_to(&w->ctx, &picture, &pre->fit, &w->room, rgb);
  kohl_picture_free(&w->ctx, &picture);
  if (status == KOHL_NO_RESOURCE && w->refused) {
    return kohl_fail(&w->ctx, KOHL_BAD_INPUT, "%.800s: decoding takes more than the %zu bytes of a decode worker", path,
                     w->limit);
  }
  return status;
}

/* *rgb = the fitted picture of a sample: in the pack or the cache, or decoded to `room`. */
static kohl_status fetch(kohl_load_worker *w, size_t sample, uint8_t *room, const uint8_t **rgb,
                         kohl_load_result *result) {
  kohl_loader *loader = w->loader;
  kohl_samples *samples = loader->samples;
  kohl_cache *cache = loader->options.cache;
  if (samples->pack) return kohl_pack_picture(&w->ctx, samples->pack, kohl_sample_packed(samples, sample), rgb);
  *rgb = cache ? kohl_cache_get(cache, sample) : NULL;
  result->cached = *rgb != NULL;
  if (*rgb) return KOHL_OK;
  kohl_status status = decode(w, sample, room);
  if (status != KOHL_OK) return status;
  result->decoded = true;
  if (cache) kohl_cache_put(cache, sample, room);
  *rgb = room;
  return KOHL_OK;
}

void kohl_load_draw(kohl_load_worker *w, size_t draw, bool known_bad) {
  kohl_loader *loader = w->loader;
  const kohl_loader_options *o = &loader->options;
  size_t row;
  kohl_slot *slot = kohl_loader_slot(loader, draw, &row);
  kohl_load_result *result = &slot->results[row];
  uint8_t *dst = slot->rows + row * loader->row_bytes;
  const uint8_t *rgb = NULL;
  *result = (kohl_load_result){.status = KOHL_BAD_INPUT};
  if (!known_bad) {
    result->status = fetch(w, loader->list[draw], o->bytes ? dst : w->rgb, &rgb, result);
    if (result->status != KOHL_OK) memcpy(result->text, w->ctx.error, sizeof result->text);
  }
  if (result->status != KOHL_OK) {
    memset(dst, 0, loader->row_bytes);
  } else if (o->bytes) {
    if (rgb != dst) memcpy(dst, rgb, loader->row_bytes);
  } else if (o->augment) {
    o->augment(o->augment_user, draw, rgb, (float *)(void *)dst, w->workspace);
  } else {
    result->status = kohl_prepare_fitted(&w->ctx, &loader->pre, rgb, (float *)(void *)dst);
    if (result->status != KOHL_OK) memcpy(result->text, w->ctx.error, sizeof result->text);
  }
}
