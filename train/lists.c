/* What a run learns from and is judged by, in the order that makes the figures mean something: copies are dropped, the
 * rest is split, then large classes are cut and small ones repeated in the training part alone. */
#include <string.h>

#include "datasets/duplicates.h"
#include "datasets/folds.h"
#include "datasets/split.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "train/run.h"

/* Class, part and file name of every sample: a folder that was moved is the same data. */
static void digest_data(kohl_run *run) {
  uint32_t crc = 0;
  for (size_t i = 0; i < run->samples.count; i++) {
    const kohl_sample *s = &run->samples.sample[i];
    char file[KOHL_SAMPLE_PATH];
    kohl_sample_name(&run->samples, i, file);
    for (size_t h = 0; h < run->head_count; h++) {
      size_t count;
      const int *labels = kohl_head_labels_at(&run->head[h].labels, i, &count);
      for (size_t k = 0; k < count; k++) {
        const char *label = run->head[h].labels.classes[labels[k]];
        crc = kohl_crc32c(crc, label, strlen(label) + 1);
      }
      if (h > 0) crc = kohl_crc32c(crc, "", 1); /* where the next head's begin */
    }
    crc = kohl_crc32c(crc, file, strlen(file) + 1);
    crc = kohl_crc32c(crc, &s->split, 1);
  }
  run->data_digest = crc;
}

/* By their bytes alone: whether they are good pictures is found out when they are learned from. */
static kohl_status drop_copies(kohl_run *run) {
  kohl_scan scan = {0};
  kohl_duplicates exact = {0};
  size_t before = run->samples.count;
  kohl_status status = kohl_scan_files(run->ctx, &run->samples, &scan);
  if (status == KOHL_OK) status = kohl_duplicates_exact(run->ctx, &run->samples, &scan, &exact);
  if (status == KOHL_OK && exact.count) status = kohl_duplicates_drop(run->ctx, &run->samples, &exact);
  if (status == KOHL_OK) run->copies = before - run->samples.count;
  kohl_duplicates_free(run->ctx, &exact);
  kohl_scan_free(run->ctx, &scan);
  return status;
}

/* One fold of data.folds: the same division whatever data.fold is. */
static kohl_status split_folds(kohl_run *run, const uint32_t *group) {
  const kohl_recipe *r = &run->recipe;
  uint32_t *fold;
  kohl_status status = kohl_alloc(run->ctx, run->samples.count, sizeof *fold, "folds", &fold);
  if (status != KOHL_OK) return status;
  status = kohl_folds_make(run->ctx, &run->samples, group, NULL, (uint64_t)r->data.seed, (size_t)r->data.folds, fold);
  if (status == KOHL_OK) {
    status = kohl_folds_apply(run->ctx, &run->samples, fold, (size_t)r->data.folds, (size_t)r->data.fold, true);
  }
  kohl_free(run->ctx, fold);
  if (status != KOHL_USAGE && status != KOHL_BAD_INPUT) return status;
  kohl_fail_prefix(run->ctx, "fields 'data.folds' and 'data.fold'");
  return KOHL_BAD_INPUT;
}

static kohl_status split(kohl_run *run) {
  const kohl_recipe *r = &run->recipe;
  uint32_t *group;
  const char *pattern = r->data.group[0] ? r->data.group : NULL;
  kohl_status status = kohl_groups_gather(run->ctx, &run->samples, pattern, &group);
  if (status == KOHL_USAGE) { /* the recipe's fault, not the command line's */
    kohl_fail_prefix(run->ctx, "field 'data.group'");
    status = KOHL_BAD_INPUT;
  }
  if (status != KOHL_OK) return status;
  if (r->data.folds) {
    status = split_folds(run, group);
  } else {
    status = kohl_samples_split_groups(run->ctx, &run->samples, group, NULL, (uint64_t)r->data.seed, r->data.validation,
                                       r->data.test);
  }
  kohl_free(run->ctx, group);
  return status;
}

/* list and row: every picture once, and where those of the draws are. */
static kohl_status place(kohl_run *run, const kohl_list *train, const kohl_list *validation) {
  size_t *place_of = NULL;
  run->train_count = train->count;
  run->validation_count = validation->count;
  kohl_status status = kohl_alloc(run->ctx, train->count + validation->count, sizeof *run->list, "lists", &run->list);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, run->draws.count, sizeof *run->row, "lists", &run->row);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, run->samples.count, sizeof *place_of, "lists", &place_of);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < train->count; i++) place_of[run->list[i] = train->sample[i]] = i;
  for (size_t i = 0; i < validation->count; i++) run->list[train->count + i] = validation->sample[i];
  for (size_t i = 0; i < run->draws.count; i++) run->row[i] = place_of[run->draws.sample[i]];
  kohl_free(run->ctx, place_of);
  return KOHL_OK;
}

/* The capped training part, each picture once, and the draws, in which some are repeated. */
static kohl_status make_lists(kohl_run *run) {
  const kohl_recipe *r = &run->recipe;
  kohl_context *ctx = run->ctx;
  kohl_samples *samples = &run->samples;
  kohl_list train = {0}, validation = {0};
  uint64_t seed = (uint64_t)r->data.seed;
  kohl_status status = kohl_list_of_split(ctx, samples, KOHL_SPLIT_TRAIN, &train);
  if (status == KOHL_OK) status = kohl_list_of_split(ctx, samples, KOHL_SPLIT_VALIDATION, &validation);
  /* drawn twice with the same keys: what is repeated is what the cap has left */
  if (status == KOHL_OK) status = kohl_list_of_split(ctx, samples, KOHL_SPLIT_TRAIN, &run->draws);
  if (status == KOHL_OK && r->data.cap) status = kohl_list_cap(ctx, samples, (size_t)r->data.cap, seed, &train);
  if (status == KOHL_OK && r->data.cap) status = kohl_list_cap(ctx, samples, (size_t)r->data.cap, seed, &run->draws);
  if (status == KOHL_OK && r->data.oversample) {
    status = kohl_list_oversample(ctx, samples, (size_t)r->data.oversample, seed, &run->draws);
  }
  if (status == KOHL_OK) status = place(run, &train, &validation);
  kohl_list_free(ctx, &train);
  kohl_list_free(ctx, &validation);
  return status;
}

kohl_status kohl_run_data(kohl_run *run) {
  const kohl_recipe *r = &run->recipe;
  kohl_source_options options = {.split_column = r->data.split_column[0] ? r->data.split_column : NULL,
                                 .label_column = r->heads[0].head.column[0] ? r->heads[0].head.column : NULL,
                                 .label_or = r->heads_listed ? r->heads[0].head.name : NULL,
                                 .several_labels = kohl_recipe_several(r, 0)};
  const char *columns[KOHL_RECIPE_HEADS];
  options.columns = columns;
  options.column_count = kohl_run_columns(run, columns);
  kohl_status status = kohl_samples_open(run->ctx, run->options->data, &options, &run->samples);
  if (status == KOHL_OK && r->data.copies == KOHL_COPIES_DROP) status = drop_copies(run);
  if (status == KOHL_OK) status = split(run);
  if (status == KOHL_OK) status = make_lists(run);
  if (status == KOHL_OK) status = kohl_run_heads(run);
  if (status == KOHL_OK) digest_data(run);
  return status;
}
