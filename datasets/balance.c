/* Lists of draws: from a split, cut, repeated. */
#include "datasets/balance.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"

/* Who draws: no other part of kohl uses these numbers. */
enum { RANDOM_CAP = 0x63617020, RANDOM_REPEAT = 0x72657074 };

void kohl_shuffle(size_t *order, size_t count, uint64_t seed, uint64_t draw, uint32_t op) {
  kohl_random_key key = kohl_random_key_make(seed, 0, op);
  for (size_t i = count; i > 1; i--) {
    uint64_t random = kohl_random_at(key, draw, i);
    size_t j = (size_t)(random * i >> 32); /* a list has less than 2^32 draws */
    size_t other = order[j];
    order[j] = order[i - 1];
    order[i - 1] = other;
  }
}

void kohl_list_free(kohl_context *ctx, kohl_list *list) {
  kohl_free(ctx, list->sample);
  memset(list, 0, sizeof *list);
}

kohl_status kohl_list_of_split(kohl_context *ctx, const kohl_samples *samples, kohl_split split, kohl_list *list) {
  size_t count = kohl_samples_count(samples, split);
  kohl_status status = kohl_grow(ctx, &list->sample, &list->capacity, count, sizeof *list->sample, "a list of samples");
  if (status != KOHL_OK) return status;
  list->count = 0;
  for (size_t i = 0; i < samples->count; i++) {
    if (samples->sample[i].split == split) list->sample[list->count++] = i;
  }
  return KOHL_OK;
}

void kohl_list_drop_copies(kohl_list *list, const uint32_t *copy_of) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (copy_of[list->sample[i]] == list->sample[i]) list->sample[kept++] = list->sample[i];
  }
  list->count = kept;
}

void kohl_list_count(const kohl_list *list, const kohl_samples *samples, bool only_good, size_t *count) {
  memset(count, 0, samples->class_count * sizeof *count);
  for (size_t i = 0; i < list->count; i++) {
    const kohl_sample *s = &samples->sample[list->sample[i]];
    if (!(only_good && s->bad)) count[s->label]++;
  }
}

/* A list's positions by class: those of class c are at[begin[c]] to at[begin[c + 1] - 1], ascending. */
typedef struct {
  size_t *at, *begin;
} strata;

static void free_strata(kohl_context *ctx, strata *s) {
  kohl_free(ctx, s->at);
  kohl_free(ctx, s->begin);
}

static kohl_status gather(kohl_context *ctx, const kohl_samples *samples, const kohl_list *list, strata *s) {
  *s = (strata){NULL, NULL};
  kohl_status status = kohl_alloc(ctx, list->count, sizeof *s->at, "a list of samples", &s->at);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, samples->class_count + 2, sizeof *s->begin, "a list of classes", &s->begin);
  }
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < list->count; i++) s->begin[samples->sample[list->sample[i]].label + 2]++;
  for (size_t c = 2; c < samples->class_count + 2; c++) s->begin[c] += s->begin[c - 1];
  for (size_t i = 0; i < list->count; i++) s->at[s->begin[samples->sample[list->sample[i]].label + 1]++] = i;
  return KOHL_OK;
}

static int by_position(const void *a, const void *b) {
  size_t x = *(const size_t *)a, y = *(const size_t *)b;
  return (x > y) - (x < y);
}

kohl_status kohl_list_cap(kohl_context *ctx, const kohl_samples *samples, size_t most, uint64_t seed, kohl_list *list) {
  if (most == 0) return kohl_fail(ctx, KOHL_USAGE, "cap: 0 draws of a class, expected at least 1");
  strata s;
  kohl_status status = gather(ctx, samples, list, &s);
  const size_t gone = SIZE_MAX;
  for (size_t c = 0; status == KOHL_OK && c < samples->class_count; c++) {
    size_t *at = s.at + s.begin[c], n = s.begin[c + 1] - s.begin[c];
    if (n <= most) continue;
    kohl_shuffle(at, n, seed, c, RANDOM_CAP);
    for (size_t i = most; i < n; i++) list->sample[at[i]] = gone;
  }
  if (status == KOHL_OK) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
      if (list->sample[i] != gone) list->sample[kept++] = list->sample[i];
    }
    list->count = kept;
  }
  free_strata(ctx, &s);
  return status;
}

/* Appends least - n draws for a class whose n draws stand at list->sample[at[0 .. n - 1]]; there is room. */
static void repeat(kohl_list *list, size_t *at, size_t n, size_t least, uint64_t seed, size_t label) {
  for (size_t copy = 1; copy < least / n; copy++) {
    for (size_t i = 0; i < n; i++) list->sample[list->count++] = list->sample[at[i]];
  }
  size_t rest = least % n;
  kohl_shuffle(at, n, seed, label, RANDOM_REPEAT);
  qsort(at, rest, sizeof *at, by_position);
  for (size_t i = 0; i < rest; i++) list->sample[list->count++] = list->sample[at[i]];
}

kohl_status kohl_list_oversample(kohl_context *ctx, const kohl_samples *samples, size_t least, uint64_t seed,
                                 kohl_list *list) {
  strata s;
  kohl_status status = gather(ctx, samples, list, &s);
  size_t need = list->count;
  for (size_t c = 0; status == KOHL_OK && c < samples->class_count; c++) {
    size_t n = s.begin[c + 1] - s.begin[c];
    if (n > 0 && n < least && (!kohl_add_size(need, least - n, &need) || need > UINT32_MAX)) {
      status = kohl_fail(ctx, KOHL_NO_RESOURCE, "oversampling: %zu draws of every class are too many", least);
    }
  }
  if (status == KOHL_OK) {
    status = kohl_grow(ctx, &list->sample, &list->capacity, need, sizeof *list->sample, "a list of samples");
  }
  for (size_t c = 0; status == KOHL_OK && c < samples->class_count; c++) {
    size_t n = s.begin[c + 1] - s.begin[c];
    if (n > 0 && n < least) repeat(list, s.at + s.begin[c], n, least, seed, c);
  }
  free_strata(ctx, &s);
  return status;
}
