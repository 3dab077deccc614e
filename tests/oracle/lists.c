/* lists: what the library makes of a source, as one JSON object, for tests/oracle/balance.py to compare.
 *
 *   lists SOURCE SEED FOLDS CAP LEAST PATTERN < COPIES
 *
 * COPIES: one number for each sample, the index of its first identical copy.  PATTERN: the group in a file name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/balance.h"
#include "datasets/folds.h"
#include "datasets/split.h"
#include "kernels/core/alloc.h"

typedef struct {
  kohl_context *ctx;
  kohl_samples samples;
  uint64_t seed;
  size_t folds, cap, least;
  uint32_t *group, *copy_of, *fold;
} lists;

static void print_numbers(const char *name, const uint32_t *numbers, size_t count) {
  printf(",\n\"%s\": [", name);
  for (size_t i = 0; i < count; i++) printf("%s%u", i ? "," : "", numbers[i]);
  printf("]");
}

static void print_splits(const char *name, const kohl_samples *samples) {
  printf(",\n\"%s\": [", name);
  for (size_t i = 0; i < samples->count; i++) printf("%s%d", i ? "," : "", samples->sample[i].split);
  printf("]");
}

static void print_list(const char *name, const kohl_list *list) {
  printf(",\n\"%s\": [", name);
  for (size_t i = 0; i < list->count; i++) printf("%s%zu", i ? "," : "", list->sample[i]);
  printf("]");
}

static void print_doubles(const char *name, const double *numbers, size_t count) {
  printf(",\n\"%s\": [", name);
  for (size_t i = 0; i < count; i++) printf("%s%.17g", i ? "," : "", numbers[i]);
  printf("]");
}

static void forget_splits(kohl_samples *samples) {
  for (size_t i = 0; i < samples->count; i++) samples->sample[i].split = KOHL_SPLIT_UNSET;
}

static kohl_status print_divisions(lists *l) {
  kohl_samples *s = &l->samples;
  kohl_status status = kohl_samples_split(l->ctx, s, l->seed, 1.0 / 6, 0.1);
  print_splits("split", s);
  forget_splits(s);
  if (status == KOHL_OK) status = kohl_samples_split_groups(l->ctx, s, l->group, NULL, l->seed, 1.0 / 6, 0.1);
  print_splits("group_split", s);
  if (status == KOHL_OK) status = kohl_folds_make(l->ctx, s, NULL, NULL, l->seed, l->folds, l->fold);
  print_numbers("fold", l->fold, s->count);
  if (status == KOHL_OK) status = kohl_folds_apply(l->ctx, s, l->fold, l->folds, l->folds - 1, true);
  print_splits("fold_split", s);
  if (status == KOHL_OK) status = kohl_folds_make(l->ctx, s, l->group, NULL, l->seed, l->folds, l->fold);
  print_numbers("group_fold", l->fold, s->count);
  forget_splits(s);
  return status;
}

/* The order of experiment A: without copies, a sixth for validation, capped, oversampled, weights. */
static kohl_status print_balance(lists *l) {
  kohl_samples *s = &l->samples;
  kohl_list list = {0};
  size_t *count = NULL;
  double *weight = NULL;
  kohl_status status = kohl_samples_split_groups(l->ctx, s, NULL, l->copy_of, l->seed, 1.0 / 6, 0);
  print_splits("copies_split", s);
  if (status == KOHL_OK) status = kohl_list_of_split(l->ctx, s, KOHL_SPLIT_TRAIN, &list);
  if (status == KOHL_OK) kohl_list_drop_copies(&list, l->copy_of);
  print_list("train", &list);
  if (status == KOHL_OK) status = kohl_list_cap(l->ctx, s, l->cap, l->seed, &list);
  print_list("capped", &list);
  if (status == KOHL_OK) status = kohl_list_oversample(l->ctx, s, l->least, l->seed, &list);
  print_list("oversampled", &list);
  if (status == KOHL_OK) status = kohl_alloc(l->ctx, s->class_count, sizeof *count, "counts", &count);
  if (status == KOHL_OK) status = kohl_alloc(l->ctx, s->class_count, sizeof *weight, "weights", &weight);
  if (status == KOHL_OK) {
    kohl_list_count(&list, s, true, count);
    status = kohl_class_weights(l->ctx, KOHL_WEIGHTING_BALANCED, 0, count, s->classes, s->class_count, weight);
    print_doubles("balanced", weight, s->class_count);
  }
  if (status == KOHL_OK) {
    status = kohl_class_weights(l->ctx, KOHL_WEIGHTING_EFFECTIVE, 0.999, count, s->classes, s->class_count, weight);
    print_doubles("effective", weight, s->class_count);
  }
  kohl_free(l->ctx, count);
  kohl_free(l->ctx, weight);
  kohl_list_free(l->ctx, &list);
  return status;
}

static kohl_status print_all(lists *l, const char *source, const char *pattern) {
  kohl_samples *s = &l->samples;
  kohl_status status = kohl_samples_open(l->ctx, source, NULL, s);
  if (status == KOHL_OK) status = kohl_alloc(l->ctx, s->count, sizeof *l->group, "groups", &l->group);
  if (status == KOHL_OK) status = kohl_alloc(l->ctx, s->count, sizeof *l->copy_of, "copies", &l->copy_of);
  if (status == KOHL_OK) status = kohl_alloc(l->ctx, s->count, sizeof *l->fold, "folds", &l->fold);
  if (status == KOHL_OK) status = kohl_groups_from_names(l->ctx, s, pattern, l->group);
  for (size_t i = 0; status == KOHL_OK && i < s->count; i++) {
    if (scanf("%u", &l->copy_of[i]) != 1) status = kohl_fail(l->ctx, KOHL_USAGE, "too few copies");
  }
  if (status != KOHL_OK) return status;
  printf("{\"classes\": %zu", s->class_count);
  print_numbers("group", l->group, s->count);
  printf(",\n\"label\": [");
  for (size_t i = 0; i < s->count; i++) printf("%s%d", i ? "," : "", s->sample[i].label);
  printf("]");
  forget_splits(s);
  status = print_divisions(l);
  if (status == KOHL_OK) status = print_balance(l);
  printf("}\n");
  return status;
}

int main(int argc, char **argv) {
  kohl_context_options options = kohl_context_options_default();
  lists l = {0};
  if (argc != 7 || kohl_context_create(&options, &l.ctx) != KOHL_OK) return EXIT_FAILURE;
  l.seed = strtoull(argv[2], NULL, 10);
  l.folds = strtoull(argv[3], NULL, 10);
  l.cap = strtoull(argv[4], NULL, 10);
  l.least = strtoull(argv[5], NULL, 10);
  kohl_status status = print_all(&l, argv[1], argv[6]);
  if (status != KOHL_OK) fprintf(stderr, "lists: %s\n", kohl_context_error(l.ctx));
  kohl_free(l.ctx, l.group);
  kohl_free(l.ctx, l.copy_of);
  kohl_free(l.ctx, l.fold);
  kohl_samples_free(l.ctx, &l.samples);
  kohl_context_destroy(l.ctx);
  return status == KOHL_OK && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
