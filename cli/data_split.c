/* kohl data split: a source divided into training, validation and test parts, as a CSV file. */
#include <stdlib.h>
#include <string.h>

#include "cli/data_verbs.h"
#include "cli/json.h"
#include "datasets/folds.h"
#include "datasets/split.h"
#include "kernels/core/alloc.h"

int data_operands(cli *c, int count, const char *usage) {
  if (c->options.operand_count == count + 1) return 0;
  return cli_fail(c, KOHL_USAGE, "%s arguments; usage: kohl data %s",
                  c->options.operand_count < count + 1 ? "too few" : "too many", usage);
}

/* A share from 0 to 1, as 0.15 or 1/6. */
static int parse_share(cli *c, const char *option, const char *text, double *out) {
  char *end;
  bool good = *text && strspn(text, "0123456789./eE-+") == strlen(text);
  *out = strtod(text, &end);
  if (*end == '/') *out /= strtod(end + 1, &end);
  if (good && *end == 0 && *out >= 0 && *out < 1) return 0;
  return cli_fail(c, KOHL_USAGE, "--%s: value '%s', expected a share of 0 or more and less than 1, as 0.15 or 1/6",
                  option, text);
}

static kohl_status make_folds(cli *c, kohl_samples *s, const uint32_t *group, uint64_t seed, double validation) {
  size_t folds = (size_t)cli_get(c, CLI_OPTION_folds)->number, fold = (size_t)cli_get(c, CLI_OPTION_fold)->number;
  bool share = cli_get(c, CLI_OPTION_validation)->set; /* else the next fold validates */
  uint32_t *numbers;
  kohl_status status = kohl_alloc(c->ctx, s->count, sizeof *numbers, "folds", &numbers);
  if (status == KOHL_OK) status = kohl_folds_make(c->ctx, s, group, NULL, seed, folds, numbers);
  if (status == KOHL_OK) status = kohl_folds_apply(c->ctx, s, numbers, folds, fold, !share);
  if (status == KOHL_OK && share) status = kohl_samples_split_groups(c->ctx, s, group, NULL, seed, validation, 0);
  kohl_free(c->ctx, numbers);
  return status;
}

int data_open_split(cli *c, const char *source, kohl_samples *out) {
  double validation, test;
  uint32_t *group = NULL;
  uint64_t seed = (uint64_t)cli_get(c, CLI_OPTION_seed)->number;
  const char *pattern = cli_get(c, CLI_OPTION_group_by)->text;
  memset(out, 0, sizeof *out);
  int code = parse_share(c, "validation", cli_get(c, CLI_OPTION_validation)->text, &validation);
  if (code == 0) code = parse_share(c, "test", cli_get(c, CLI_OPTION_test)->text, &test);
  if (code) return code;
  if (cli_get(c, CLI_OPTION_folds)->set && cli_get(c, CLI_OPTION_test)->set) {
    return cli_fail(c, KOHL_USAGE, "--test: not with --folds, of which one is the test part");
  }
  kohl_status status = kohl_samples_open(c->ctx, source, NULL, out);
  if (status == KOHL_OK && pattern) {
    status = kohl_alloc(c->ctx, out->count, sizeof *group, "groups", &group);
    if (status == KOHL_OK) status = kohl_groups_from_names(c->ctx, out, pattern, group);
  }
  if (status == KOHL_OK && cli_get(c, CLI_OPTION_folds)->set) {
    status = make_folds(c, out, group, seed, validation);
  } else if (status == KOHL_OK) {
    status = kohl_samples_split_groups(c->ctx, out, group, NULL, seed, validation, test);
  }
  kohl_free(c->ctx, group);
  return status == KOHL_OK ? 0 : cli_fail_library(c, status);
}

static void add_row(cli_table *t, const char *name, const size_t *n) {
  cli_table_cell(t, name);
  for (int split = KOHL_SPLIT_TRAIN; split < KOHL_SPLITS; split++) cli_table_cellf(t, "%zu", n[split]);
  cli_table_cellf(t, "%zu", n[KOHL_SPLIT_TRAIN] + n[KOHL_SPLIT_VALIDATION] + n[KOHL_SPLIT_TEST]);
}

static void add_object(kohl_json_writer *w, const size_t *n) {
  for (int split = KOHL_SPLIT_TRAIN; split < KOHL_SPLITS; split++) {
    cli_json_count(w, kohl_split_name((kohl_split)split), n[split]);
  }
}

/* n: KOHL_SPLITS numbers for each class, and behind them for all. */
static int print_counts(cli *c, const kohl_samples *s, const size_t *n) {
  if (cli_format_is(c, "json")) {
    kohl_json_writer w;
    kohl_json_write_begin(&w, c->ctx);
    kohl_json_write_object_begin(&w);
    add_object(&w, n + KOHL_SPLITS * s->class_count);
    kohl_json_write_key(&w, "classes");
    kohl_json_write_array_begin(&w);
    for (size_t i = 0; i < s->class_count; i++) {
      kohl_json_write_object_begin(&w);
      cli_json_text(&w, "class", s->classes[i]);
      add_object(&w, n + KOHL_SPLITS * i);
      kohl_json_write_object_end(&w);
    }
    kohl_json_write_array_end(&w);
    kohl_json_write_object_end(&w);
    return cli_print_json(c, &w);
  }
  cli_table *t = cli_table_new("class|>train|>validation|>test|>all");
  for (size_t i = 0; i < s->class_count; i++) add_row(t, s->classes[i], n + KOHL_SPLITS * i);
  if (cli_format_is(c, "table")) add_row(t, "(all)", n + KOHL_SPLITS * s->class_count);
  return cli_print_table(c, t);
}

int data_split(cli *c) {
  int code = data_operands(c, 2, "split [options] SOURCE OUT.csv");
  if (code == 0) code = cli_begin(c);
  if (code) return code;
  kohl_samples samples;
  size_t *n = NULL;
  code = data_open_split(c, c->options.operands[1], &samples);
  if (code == 0) {
    kohl_status status = kohl_samples_write_csv(c->ctx, &samples, KOHL_SPLIT_UNSET, c->options.operands[2]);
    if (status == KOHL_OK) {
      status = kohl_alloc(c->ctx, KOHL_SPLITS * (samples.class_count + 1), sizeof *n, "counts", &n);
    }
    if (status != KOHL_OK) code = cli_fail_library(c, status);
  }
  for (size_t i = 0; code == 0 && i < samples.count; i++) {
    const kohl_sample *s = &samples.sample[i];
    n[KOHL_SPLITS * (size_t)s->label + s->split]++;
    n[KOHL_SPLITS * samples.class_count + s->split]++;
  }
  if (code == 0) code = print_counts(c, &samples, n);
  kohl_free(c->ctx, n);
  kohl_samples_free(c->ctx, &samples);
  return code;
}
