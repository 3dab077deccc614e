/* Groups and folds. */
#include "datasets/folds.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/balance.h"
#include "kernels/core/alloc.h"

/* Who draws: no other part of kohl uses these numbers. */
enum { RANDOM_FOLD = 0x666f6c64, RANDOM_FIRST_FOLD = 0x66697273 };

/* What a pattern found in the name of one sample. */
typedef struct {
  const char *text;
  size_t length;
  uint32_t sample;
} capture;

static int by_text(const void *a, const void *b) {
  const capture *x = a, *y = b;
  int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
  if (order != 0) return order;
  if (x->length != y->length) return x->length < y->length ? -1 : 1;
  return (x->sample > y->sample) - (x->sample < y->sample);
}

static kohl_status capture_all(kohl_context *ctx, const kohl_samples *samples, const char *pattern,
                               const regex_t *expression, capture *captures) {
  for (size_t i = 0; i < samples->count; i++) {
    const char *path = samples->sample[i].path, *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    regmatch_t match[2];
    if (regexec(expression, name, 2, match, 0) != 0 || match[1].rm_so < 0) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%.400s: the name has no group by the pattern '%.200s'", path, pattern);
    }
    captures[i] = (capture){name + match[1].rm_so, (size_t)(match[1].rm_eo - match[1].rm_so), (uint32_t)i};
  }
  return KOHL_OK;
}

/* Numbers in the order of the samples from "the first sample that is like this one". */
static size_t number(uint32_t *first, size_t count) {
  size_t next = 0;
  for (size_t i = 0; i < count; i++) first[i] = first[i] == i ? (uint32_t)next++ : first[first[i]];
  return next;
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
  capture *captures = NULL;
  kohl_status status = KOHL_OK;
  if (expression.re_nsub != 1) {
    status = kohl_fail(ctx, KOHL_USAGE, "group pattern '%.200s': %zu pairs of parentheses, expected 1", pattern,
                       expression.re_nsub);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, samples->count, sizeof *captures, "groups of samples", &captures);
  if (status == KOHL_OK) status = capture_all(ctx, samples, pattern, &expression, captures);
  if (status == KOHL_OK) {
    qsort(captures, samples->count, sizeof *captures, by_text);
    for (size_t i = 0; i < samples->count; i++) {
      const capture *c = &captures[i], *before = c - 1;
      bool same = i > 0 && c->length == before->length && memcmp(c->text, before->text, c->length) == 0;
      group[c->sample] = same ? group[before->sample] : c->sample;
    }
    number(group, samples->count);
  }
  kohl_free(ctx, captures);
  regfree(&expression);
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
