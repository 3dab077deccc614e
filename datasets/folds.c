/* Groups and folds. */
#include "datasets/folds.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/balance.h"
#include "kernels/core/alloc.h"

/* Who draws: no other part of kohl uses these numbers. */
enum { RANDOM_FOLD = 0x666f6c64, RANDOM_FIRST_FOLD = 0x66697273 };

/* Numbers in the order of the samples from "the first sample that is like this one". */
static size_t number(uint32_t *first, size_t count) {
  size_t next = 0;
  for (size_t i = 0; i < count; i++) first[i] = first[i] == i ? (uint32_t)next++ : first[first[i]];
  return next;
}

/* The texts between the parentheses, numbered in the order of their coming. */
static kohl_status number_texts(kohl_context *ctx, const kohl_samples *samples, const char *pattern,
                                const regex_t *expression, uint32_t *group) {
  kohl_text_store store = {0};
  kohl_text_table texts = {0};
  kohl_status status = KOHL_OK;
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) {
    char name[KOHL_SAMPLE_PATH];
    regmatch_t match[2];
    kohl_sample_name(samples, i, name);
    if (regexec(expression, name, 2, match, 0) == 0 && match[1].rm_so >= 0) {
      size_t length = (size_t)(match[1].rm_eo - match[1].rm_so);
      status = kohl_text_table_add(ctx, &texts, &store, name + match[1].rm_so, length, &group[i]);
    } else {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%.400s: the name has no group by the pattern '%.200s'",
                         kohl_sample_path(samples, i, name), pattern);
    }
  }
  kohl_text_table_free(ctx, &texts);
  kohl_text_store_free(ctx, &store);
  return status;
}

kohl_status kohl_groups_from_names(kohl_context *ctx, const kohl_samples *samples, const char *pattern,
                                   uint32_t *group) {
  regex_t expression;
  char why[128];
  int error = regcomp(&expression, pattern, REG_EXTENDED);
  if (error != 0) {
    regerror(error, &expression, why, sizeof why);
    return kohl_fail(ctx, KOHL_USAGE, "group pattern '%.200s': %s", pattern, why);
  }
  kohl_status status = KOHL_OK;
  if (expression.re_nsub != 1) {
    status = kohl_fail(ctx, KOHL_USAGE, "group pattern '%.200s': %zu pairs of parentheses, expected 1", pattern,
                       expression.re_nsub);
  }
  if (status == KOHL_OK) status = number_texts(ctx, samples, pattern, &expression, group);
  regfree(&expression);
  return status;
}

kohl_status kohl_groups_gather(kohl_context *ctx, const kohl_samples *samples, const char *pattern, uint32_t **group) {
  static const char what[] = "groups of samples";
  uint32_t *first = NULL, *named = NULL, *like = NULL;
  size_t units;
  *group = NULL;
  if (!pattern && !samples->group) return KOHL_OK;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof **group, what, group);
  if (status == KOHL_OK && pattern && !samples->group) status = kohl_groups_from_names(ctx, samples, pattern, *group);
  if (status == KOHL_OK && !pattern) memcpy(*group, samples->group, samples->count * sizeof **group);
  if (status == KOHL_OK && pattern && samples->group) {
    status = kohl_alloc(ctx, samples->count, sizeof *named, what, &named);
    if (status == KOHL_OK) status = kohl_alloc(ctx, samples->groups.count, sizeof *first, what, &first);
    if (status == KOHL_OK) status = kohl_groups_from_names(ctx, samples, pattern, named);
    for (size_t i = samples->count; status == KOHL_OK && i-- > 0;) first[samples->group[i]] = (uint32_t)i;
    /* a sample "is a copy of" the first one of its column's group: that joins these */
    if (status == KOHL_OK) status = kohl_alloc(ctx, samples->count, sizeof *like, what, &like);
    for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) like[i] = first[samples->group[i]];
    if (status == KOHL_OK) status = kohl_units_join(ctx, samples->count, named, like, *group, &units);
  }
  kohl_free(ctx, first);
  kohl_free(ctx, like);
  kohl_free(ctx, named);
  if (status != KOHL_OK) {
    kohl_free(ctx, *group);
    *group = NULL;
  }
  return status;
}

static uint32_t root(uint32_t *parent, uint32_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

/* The smaller index becomes the root, so that a root is its set's first sample. */
static void join(uint32_t *parent, uint32_t a, uint32_t b) {
  a = root(parent, a);
  b = root(parent, b);
  parent[a > b ? a : b] = a > b ? b : a;
}

typedef struct {
  uint32_t group, sample;
} member;

static int by_group(const void *a, const void *b) {
  const member *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return (x->sample > y->sample) - (x->sample < y->sample);
}

kohl_status kohl_units_join(kohl_context *ctx, size_t count, const uint32_t *group, const uint32_t *copy_of,
                            uint32_t *unit, size_t *units) {
  for (size_t i = 0; i < count; i++) unit[i] = (uint32_t)i;
  if (group) {
    member *members;
    kohl_status status = kohl_alloc(ctx, count, sizeof *members, "groups of samples", &members);
    if (status != KOHL_OK) return status;
    for (size_t i = 0; i < count; i++) members[i] = (member){group[i], (uint32_t)i};
    qsort(members, count, sizeof *members, by_group);
    for (size_t i = 1; i < count; i++) {
      if (members[i].group == members[i - 1].group) join(unit, members[i - 1].sample, members[i].sample);
    }
    kohl_free(ctx, members);
  }
  for (size_t i = 0; copy_of && i < count; i++) {
    if (copy_of[i] >= count) {
      return kohl_fail(ctx, KOHL_USAGE, "sample %zu is a copy of %u, expected less than %zu", i, copy_of[i], count);
    }
    join(unit, copy_of[i], (uint32_t)i);
  }
  for (size_t i = 0; i < count; i++) unit[i] = root(unit, (uint32_t)i);
  *units = number(unit, count);
  return KOHL_OK;
}

/* Positions by class as in a counting sort; begin has class_count + 2 zeros. */
static void gather(const kohl_samples *samples, size_t *order, size_t *begin) {
  for (size_t i = 0; i < samples->count; i++) begin[samples->sample[i].label + 2]++;
  for (size_t c = 2; c < samples->class_count + 2; c++) begin[c] += begin[c - 1];
  for (size_t i = 0; i < samples->count; i++) order[begin[samples->sample[i].label + 1]++] = i;
}

static kohl_status fold_singly(kohl_context *ctx, const kohl_samples *samples, uint64_t seed, size_t folds,
                               uint32_t *fold) {
  size_t *order = NULL, *begin = NULL;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *order, "folds", &order);
  if (status == KOHL_OK) status = kohl_alloc(ctx, samples->class_count + 2, sizeof *begin, "folds", &begin);
  if (status == KOHL_OK) gather(samples, order, begin);
  for (size_t c = 0; status == KOHL_OK && c < samples->class_count; c++) {
    size_t n = begin[c + 1] - begin[c];
    uint64_t random = kohl_random_u32(seed, 0, c, RANDOM_FIRST_FOLD, 0);
    size_t first = (size_t)(random * folds >> 32);
    kohl_shuffle(order + begin[c], n, seed, c, RANDOM_FOLD);
    for (size_t i = 0; i < n; i++) fold[order[begin[c] + i]] = (uint32_t)((first + i) % folds);
  }
  kohl_free(ctx, order);
  kohl_free(ctx, begin);
  return status;
}

static kohl_status fold_units(kohl_context *ctx, const kohl_samples *samples, const uint32_t *unit, size_t units,
                              uint64_t seed, size_t folds, uint32_t *fold) {
  size_t classes = samples->class_count;
  double *want = NULL;
  uint16_t *part = NULL;
  kohl_status status = kohl_alloc(ctx, folds * classes, sizeof *want, "folds", &want);
  if (status == KOHL_OK) status = kohl_alloc(ctx, units, sizeof *part, "folds", &part);
  if (status == KOHL_OK) {
    for (size_t i = 0; i < samples->count; i++) want[samples->sample[i].label] += 1;
    for (size_t c = 0; c < classes; c++) want[c] /= (double)folds;
    for (size_t p = 1; p < folds; p++) memcpy(want + p * classes, want, classes * sizeof *want);
    for (size_t u = 0; u < units; u++) part[u] = KOHL_UNDEALT;
    kohl_deal deal = {samples, unit, units, folds, want, part, seed, -1};
    status = kohl_units_deal(ctx, &deal);
  }
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) fold[i] = part[unit[i]];
  kohl_free(ctx, want);
  kohl_free(ctx, part);
  return status;
}

kohl_status kohl_folds_make(kohl_context *ctx, const kohl_samples *samples, const uint32_t *group,
                            const uint32_t *copy_of, uint64_t seed, size_t folds, uint32_t *fold) {
  if (folds < 2 || folds > KOHL_FOLDS) {
    return kohl_fail(ctx, KOHL_USAGE, "%zu folds, expected 2 to %d", folds, KOHL_FOLDS);
  }
  if (!group && !copy_of) return fold_singly(ctx, samples, seed, folds, fold);
  uint32_t *unit;
  size_t units;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *unit, "folds", &unit);
  if (status == KOHL_OK) status = kohl_units_join(ctx, samples->count, group, copy_of, unit, &units);
  if (status == KOHL_OK && units < folds) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%zu groups of samples, expected at least as many as there are folds, %zu",
                       units, folds);
  }
  if (status == KOHL_OK) status = fold_units(ctx, samples, unit, units, seed, folds, fold);
  kohl_free(ctx, unit);
  return status;
}

kohl_status kohl_folds_apply(kohl_context *ctx, kohl_samples *samples, const uint32_t *fold, size_t folds, size_t which,
                             bool validation) {
  if (which >= folds || folds < (validation ? 3 : 2)) {
    return kohl_fail(ctx, KOHL_USAGE, "fold %zu of %zu, expected one from 0 and at least %d folds", which, folds,
                     validation ? 3 : 2);
  }
  size_t next = validation ? (which + 1) % folds : folds;
  for (size_t i = 0; i < samples->count; i++) {
    samples->sample[i].split = fold[i] == which  ? KOHL_SPLIT_TEST
                               : fold[i] == next ? KOHL_SPLIT_VALIDATION
                                                 : KOHL_SPLIT_TRAIN;
  }
  return KOHL_OK;
}
