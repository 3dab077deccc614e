/* kohl data split: a source divided into training, validation and test parts, as a CSV file. */
#include <stdlib.h>
#include <string.h>

#include "cli/data_verbs.h"
#include "cli/json.h"
#include "datasets/duplicates.h"
#include "datasets/folds.h"
#include "datasets/split.h"
#include "kernels/core/alloc.h"

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

static kohl_status make_folds(cli *c, kohl_samples *s, const uint32_t *group, const uint32_t *copy_of, uint64_t seed,
                              double validation) {
  size_t folds = (size_t)cli_get(c, CLI_OPTION_folds)->number, fold = (size_t)cli_get(c, CLI_OPTION_fold)->number;
  bool share = cli_get(c, CLI_OPTION_validation)->set; /* else the next fold validates */
  uint32_t *numbers;
  kohl_status status = kohl_alloc(c->ctx, s->count, sizeof *numbers, "folds", &numbers);
  if (status == KOHL_OK) status = kohl_folds_make(c->ctx, s, group, copy_of, seed, folds, numbers);
  if (status == KOHL_OK) status = kohl_folds_apply(c->ctx, s, numbers, folds, fold, !share);
  if (status == KOHL_OK && share) status = kohl_samples_split_groups(c->ctx, s, group, copy_of, seed, validation, 0);
  kohl_free(c->ctx, numbers);
  return status;
}

static kohl_status keep_good(cli *c, const char *source, const kohl_scan *scan, kohl_samples *s) {
  bool *keep;
  for (size_t i = 0; i < scan->bad_count; i++) {
    kohl_log(c->ctx, KOHL_LOG_WARNING, "bad picture, left out: %s: %s", scan->bad[i].path, scan->bad[i].reason);
  }
  if (s->bad == s->count) return kohl_fail(c->ctx, KOHL_BAD_INPUT, "%s: all %zu pictures are bad", source, s->count);
  kohl_status status = kohl_alloc(c->ctx, s->count, sizeof *keep, "good pictures", &keep);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < s->count; i++) keep[i] = !s->sample[i].bad;
  status = kohl_samples_keep(c->ctx, s, keep);
  kohl_free(c->ctx, keep);
  return status;
}

/* Looks at every picture: the bad ones are left out, *copy_of says which of the others are copies. */
static kohl_status look(cli *c, const char *source, data_division *out, uint32_t **copy_of) {
  kohl_scan scan = {0}, good = {0};
  kohl_duplicates exact = {0};
  kohl_source_options options = data_source_options(c);
  kohl_status status = kohl_samples_open(c->ctx, source, &options, &out->samples);
  if (status == KOHL_OK) status = kohl_scan_run(c->ctx, &out->samples, data_progress(c), c, &scan);
  cli_clear_line(c);
  if (status == KOHL_OK) out->bad = scan.bad_count;
  if (status == KOHL_OK) status = keep_good(c, source, &scan, &out->samples);
  if (status == KOHL_OK) status = kohl_scan_files(c->ctx, &out->samples, &good); /* numbered as what was kept */
  if (status == KOHL_OK) status = kohl_duplicates_exact(c->ctx, &out->samples, &good, &exact);
  if (status == KOHL_OK) status = kohl_duplicates_copies(c->ctx, &out->samples, &exact, copy_of);
  for (size_t g = 0; status == KOHL_OK && g < exact.count; g++) out->copies += exact.group[g].count - 1;
  kohl_duplicates_free(c->ctx, &exact);
  kohl_scan_free(c->ctx, &good);
  kohl_scan_free(c->ctx, &scan);
  return status;
}

int data_open_split(cli *c, const char *source, data_division *out) {
  double validation, test;
  uint32_t *group = NULL, *copy_of = NULL;
  uint64_t seed = (uint64_t)cli_get(c, CLI_OPTION_seed)->number;
  memset(out, 0, sizeof *out);
  int code = parse_share(c, "validation", cli_get(c, CLI_OPTION_validation)->text, &validation);
  if (code == 0) code = parse_share(c, "test", cli_get(c, CLI_OPTION_test)->text, &test);
  if (code) return code;
  if (cli_get(c, CLI_OPTION_folds)->set && cli_get(c, CLI_OPTION_test)->set) {
    return cli_fail(c, KOHL_USAGE, "--test: not with --folds, of which one is the test part");
  }
  kohl_status status = look(c, source, out, &copy_of);
  if (status == KOHL_OK) {
    status = kohl_groups_gather(c->ctx, &out->samples, cli_get(c, CLI_OPTION_group_by)->text, &group);
  }
  if (status == KOHL_OK && !out->copies) { /* without copies and groups the classes are independent of each other */
    kohl_free(c->ctx, copy_of);
    copy_of = NULL;
  }
  if (status == KOHL_OK && cli_get(c, CLI_OPTION_folds)->set) {
    status = make_folds(c, &out->samples, group, copy_of, seed, validation);
  } else if (status == KOHL_OK) {
    status = kohl_samples_split_groups(c->ctx, &out->samples, group, copy_of, seed, validation, test);
  }
  kohl_free(c->ctx, group);
  kohl_free(c->ctx, copy_of);
  return status == KOHL_OK ? 0 : cli_fail_library(c, status);
}

int data_end_division(cli *c, const char *source, const data_division *division, int code) {
  if (code || !division->bad) return code;
  return cli_fail(c, KOHL_BAD_INPUT, "%s: %zu of %zu pictures are bad and left out", source, division->bad,
                  division->samples.count + division->bad);
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
static int print_counts(cli *c, const data_division *d, const size_t *n) {
  const kohl_samples *s = &d->samples;
  if (cli_format_is(c, "json")) {
    kohl_json_writer w;
    kohl_json_write_begin(&w, c->ctx);
    kohl_json_write_object_begin(&w);
    add_object(&w, n + KOHL_SPLITS * s->class_count);
    cli_json_count(&w, "copies", d->copies);
    cli_json_count(&w, "bad", d->bad);
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

/* n as for print_counts; a picture with several labels counts in each of their classes. */
static void count_parts(const kohl_samples *s, size_t *n) {
  for (size_t i = 0; i < s->count; i++) {
    size_t labels;
    const int *label = kohl_sample_labels(s, i, &labels);
    for (size_t k = 0; k < labels; k++) n[KOHL_SPLITS * (size_t)label[k] + s->sample[i].split]++;
    n[KOHL_SPLITS * s->class_count + s->sample[i].split]++;
  }
}

int data_split(cli *c, char **operands, int count) {
  (void)count; /* two: the caller looks */
  data_division division;
  size_t *n = NULL;
  int code = data_open_split(c, operands[0], &division);
  const kohl_samples *samples = &division.samples;
  if (code == 0) {
    kohl_status status = kohl_samples_write_csv(c->ctx, samples, KOHL_SPLIT_UNSET, NULL, operands[1]);
    if (status == KOHL_OK) {
      status = kohl_alloc(c->ctx, KOHL_SPLITS * (samples->class_count + 1), sizeof *n, "counts", &n);
    }
    if (status != KOHL_OK) code = cli_fail_library(c, status);
  }
  if (code == 0) {
    count_parts(samples, n);
    code = print_counts(c, &division, n);
    cli_say(c, "%zu pictures are copies of others, and in their parts", division.copies);
  }
  code = data_end_division(c, operands[0], &division, code);
  kohl_free(c->ctx, n);
  kohl_samples_free(c->ctx, &division.samples);
  return code;
}
