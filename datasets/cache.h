/* Fitted pictures kept in memory, so that an epoch after the first decodes nothing.
 *
 * First come, first kept, within a number of bytes that is taken at once; nothing is ever thrown out.  What is kept
 * are the bytes before augmentation, which are those that decoding would give again: a cache changes times, never
 * results.  One cache serves one list of samples and one way of fitting. */
#ifndef KOHL_DATASETS_CACHE_H
#define KOHL_DATASETS_CACHE_H

#include "kernels/core/context.h"
#include "kernels/picture/preprocessing.h"

typedef struct kohl_cache kohl_cache;

typedef struct kohl_cache_stats {
  size_t rows, used;    /* pictures that fit in, pictures that are in */
  size_t bytes;         /* of the pictures' memory */
  uint64_t hits, asked; /* kohl_cache_get that found its picture, all of them */
} kohl_cache_stats;

/* A cache for pictures [fit->h][fit->w][3] of a list of count samples, in at most limit bytes (and 4 per sample); less
 * is taken where the list needs less.  A limit below one picture gives a cache that keeps nothing.  *out is the
 * caller's until kohl_cache_destroy and must outlive the loaders that use it. */
kohl_status kohl_cache_create(kohl_context *ctx, size_t count, const kohl_fit *fit, size_t limit, kohl_cache **out);
void kohl_cache_destroy(kohl_context *ctx, kohl_cache *cache);

/* The picture of a sample, or NULL.  The bytes stay as long as the cache.  Any thread. */
const uint8_t *kohl_cache_get(kohl_cache *cache, size_t sample);

/* Copies a picture in, unless it is there or there is no room.  Any thread. */
void kohl_cache_put(kohl_cache *cache, size_t sample, const uint8_t *rgb);

/* Whether a cache was made for this many samples and this size. */
bool kohl_cache_fits(const kohl_cache *cache, size_t count, const kohl_fit *fit);

kohl_cache_stats kohl_cache_read_stats(kohl_cache *cache);

#endif
