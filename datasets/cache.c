/* One block of pictures and, per sample, the number of its picture in it. */
#include "datasets/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "datasets/fit.h"
#include "kernels/core/alloc.h"

struct kohl_cache {
  pthread_mutex_t lock; /* of those who put; readers take none */
  size_t count, rows, row_bytes;
  int w, h;
  size_t used;
  uint8_t *pictures;
  _Atomic uint32_t *place; /* [count]: number of the picture + 1, stored after its bytes; 0: not here */
  atomic_uint_fast64_t hits, asked;
};

kohl_status kohl_cache_create(kohl_context *ctx, size_t count, const kohl_fit *fit, size_t limit, kohl_cache **out) {
  *out = NULL;
  const char *wrong = kohl_fit_check(fit);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "cache of pictures of %d x %d: %s", fit->w, fit->h, wrong);
  kohl_cache *cache;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *cache, "the cache of pictures", &cache);
  if (status != KOHL_OK) return status;
  cache->row_bytes = (size_t)fit->w * (size_t)fit->h * 3;
  cache->count = count;
  cache->w = fit->w;
  cache->h = fit->h;
  cache->rows = limit / cache->row_bytes < count ? limit / cache->row_bytes : count;
  if (cache->rows >= UINT32_MAX) cache->rows = UINT32_MAX - 1;
  status = kohl_alloc(ctx, count, sizeof *cache->place, "the cache of pictures", &cache->place);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, cache->rows, cache->row_bytes, "the cache of pictures", &cache->pictures);
  }
  if (status == KOHL_OK && pthread_mutex_init(&cache->lock, NULL) != 0) {
    status = kohl_fail(ctx, KOHL_NO_RESOURCE, "the cache of pictures: the system refused a lock");
  }
  if (status != KOHL_OK) {
    kohl_free(ctx, cache->pictures);
    kohl_free(ctx, cache->place);
    kohl_free(ctx, cache);
    return status;
  }
  *out = cache;
  return KOHL_OK;
}

void kohl_cache_destroy(kohl_context *ctx, kohl_cache *cache) {
  if (!cache) return;
  pthread_mutex_destroy(&cache->lock);
  kohl_free(ctx, cache->pictures);
  kohl_free(ctx, cache->place);
  kohl_free(ctx, cache);
}

const uint8_t *kohl_cache_get(kohl_cache *cache, size_t sample) {
  uint32_t place = atomic_load_explicit(&cache->place[sample], memory_order_acquire);
  atomic_fetch_add_explicit(&cache->asked, 1, memory_order_relaxed);
  if (!place) return NULL;
  atomic_fetch_add_explicit(&cache->hits, 1, memory_order_relaxed);
  return cache->pictures + (size_t)(place - 1) * cache->row_bytes;
}

void kohl_cache_put(kohl_cache *cache, size_t sample, const uint8_t *rgb) {
  pthread_mutex_lock(&cache->lock);
  if (cache->used < cache->rows && !atomic_load_explicit(&cache->place[sample], memory_order_relaxed)) {
    memcpy(cache->pictures + cache->used * cache->row_bytes, rgb, cache->row_bytes);
    atomic_store_explicit(&cache->place[sample], (uint32_t)++cache->used, memory_order_release);
  }
  pthread_mutex_unlock(&cache->lock);
}

bool kohl_cache_fits(const kohl_cache *cache, size_t count, const kohl_fit *fit) {
  return cache->count == count && cache->w == fit->w && cache->h == fit->h;
}

kohl_cache_stats kohl_cache_read_stats(kohl_cache *cache) {
  pthread_mutex_lock(&cache->lock);
  kohl_cache_stats stats = {cache->rows, cache->used, cache->rows * cache->row_bytes,
                            atomic_load_explicit(&cache->hits, memory_order_relaxed),
                            atomic_load_explicit(&cache->asked, memory_order_relaxed)};
  pthread_mutex_unlock(&cache->lock);
  return stats;
}
