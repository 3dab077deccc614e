/* The files of a run's folder, all of them. */
#include "train/report/input.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/decimal.h"
#include "datasets/file.h"
#include "kernels/core/alloc.h"
#include "train/runfolder.h"

/* As text: it is shown, not run. */
static kohl_status read_recipe(kohl_report_input *input, const char *path) {
  uint8_t *bytes;
  size_t length;
  if (access(path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_file_load(input->ctx, path, KOHL_REPORT_TEXT, &bytes, &length);
  if (status != KOHL_OK) return status;
  status = kohl_alloc(input->ctx, length + 1, 1, path, &input->recipe);
  if (status == KOHL_OK) memcpy(input->recipe, bytes, length);
  kohl_free(input->ctx, bytes);
  return status;
}

/* With several labels a picture there is no one true class, hence no confusion matrix: each label is a question of its
 * own.  accuracy is the share of pictures with every label right. */
static kohl_status count_marks(kohl_report_input *input) {
  const kohl_predictions *p = &input->predictions;
  kohl_metrics *m = &input->metrics;
  size_t classes = (size_t)p->classes, right = 0;
  kohl_status status = kohl_alloc(input->ctx, classes, sizeof *m->per_class, "label metrics", &m->per_class);
  if (status != KOHL_OK) return status;
  m->n = p->count;
  m->classes = p->classes;
  for (size_t i = 0; i < p->count; i++) right += !memcmp(p->marks + i * classes, p->chosen + i * classes, classes);
  for (size_t c = 0; c < classes; c++) {
    kohl_class_metrics *one = &m->per_class[c];
    for (size_t i = c; i < p->count * classes; i += classes) {
      one->support += p->marks[i];
      one->predicted += p->chosen[i];
      one->right += p->marks[i] & p->chosen[i];
    }
  }
  m->macro_f1 = kohl_class_sums_make(m->per_class, p->classes, p->count, 1).f1 / (double)classes;
  m->accuracy = (double)right / (double)p->count; /* the reader refuses a file without rows */
  return KOHL_OK;
}

static kohl_status read_predictions(kohl_report_input *input, const char *path, bool asked) {
  if (!asked && access(path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_predictions_read(input->ctx, path, &input->predictions);
  if (status != KOHL_OK) return status;
  input->has_predictions = true;
  const kohl_predictions *p = &input->predictions;
  if (p->marks) return count_marks(input);
  status = kohl_metrics_compute(input->ctx, p->probabilities, p->truth, p->count, p->classes, &input->metrics);
  if (status != KOHL_OK) kohl_fail_prefix(input->ctx, "%s", path);
  return status;
}

static kohl_status check_folder(kohl_context *ctx, const char *run) {
  struct stat info;
  if (stat(run, &info) != 0 || !S_ISDIR(info.st_mode)) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: is no folder, expected the folder of a run", run);
  }
  return KOHL_OK;
}

kohl_status kohl_report_input_read(kohl_context *ctx, const kohl_report_options *options, kohl_report_input *input) {
  static const char *const lists[KOHL_REPORT_PARTS] = {"train.csv", "validation.csv", "test.csv"};
  char path[KOHL_RUN_PATH];
  memset(input, 0, sizeof *input);
  input->ctx = ctx;
  input->run = options->run;
  kohl_status status = check_folder(ctx, input->run);
  if (status == KOHL_OK) status = kohl_run_path(ctx, input->run, "recipe.yaml", path);
  if (status == KOHL_OK) status = read_recipe(input, path);
  if (status == KOHL_OK) status = kohl_run_path(ctx, input->run, "metrics.csv", path);
  if (status == KOHL_OK && !input->recipe && access(path, F_OK) != 0) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: holds neither recipe.yaml nor metrics.csv, expected the folder of a run",
                     input->run);
  }
  if (status == KOHL_OK) status = kohl_report_epochs_read(ctx, path, &input->epochs);
  if (status == KOHL_OK) status = kohl_run_path(ctx, input->run, "labels.txt", path);
  if (status == KOHL_OK) status = kohl_report_labels_read(ctx, path, &input->lists);
  for (int part = 0; part < KOHL_REPORT_PARTS && status == KOHL_OK; part++) {
    status = kohl_run_path(ctx, input->run, lists[part], path);
    if (status == KOHL_OK) status = kohl_report_list_read(ctx, path, part, &input->lists);
  }
  if (status == KOHL_OK) status = kohl_run_path(ctx, input->run, "run.json", path);
  if (status == KOHL_OK) status = kohl_report_facts_read(ctx, path, input);
  if (status == KOHL_OK) status = kohl_run_path(ctx, input->run, "predictions.csv", path);
  if (status == KOHL_OK) {
    status = read_predictions(input, options->predictions ? options->predictions : path, options->predictions != NULL);
  }
  return status;
}

void kohl_report_input_free(kohl_report_input *input) {
  kohl_context *ctx = input->ctx;
  kohl_free(ctx, input->recipe);
  kohl_report_epochs_free(ctx, &input->epochs);
  kohl_report_lists_free(ctx, &input->lists);
  for (size_t i = 0; i < input->fact_count; i++) {
    kohl_free(ctx, input->facts[i].key);
    kohl_free(ctx, input->facts[i].value);
  }
  kohl_free(ctx, input->facts);
  kohl_metrics_free(ctx, &input->metrics);
  kohl_predictions_free(ctx, &input->predictions);
  memset(input, 0, sizeof *input);
}

/* Not by the recipe's reader: a report must still read the recipes of other versions.  The word after "best:" at the
 * begin of a line, without its quotes, as a column; -1: no such line or column. */
static int best_column(const kohl_report_input *input) {
  char word[64];
  for (const char *line = input->recipe, *end; line && *line; line = *end ? end + 1 : end) {
    end = line + strcspn(line, "\n");
    if (strncmp(line, "best:", 5) != 0) continue;
    const char *begin = line + 5 + strspn(line + 5, " \"'");
    size_t length = strcspn(begin, " \"'#\r\n");
    if (length >= sizeof word) return -1;
    memcpy(word, begin, length);
    word[length] = 0;
    char column[80];
    const char *dot = strchr(word, '.'); /* "HEAD.val_loss" is the column val_HEAD_loss */
    if (!dot || strncmp(dot, ".val_", 5) != 0) return kohl_report_column(&input->epochs, word);
    snprintf(column, sizeof column, "val_%.*s_%s", (int)(dot - word), word, dot + 5);
    return kohl_report_column(&input->epochs, column);
  }
  return -1;
}

/* The epoch that run.json names; -1: none. */
static long named_best(const kohl_report_input *input) {
  const char *fact = kohl_report_fact_find(input, "best_epoch");
  double named = fact ? kohl_decimal_read(fact, strlen(fact)) : (double)NAN;
  int column = kohl_report_column(&input->epochs, "epoch");
  for (size_t row = 0; row < input->epochs.rows; row++) {
    if (kohl_report_cell(&input->epochs, row, column) == named) return (long)row;
  }
  return -1;
}

long kohl_report_best(const kohl_report_input *input) {
  const kohl_report_epochs *e = &input->epochs;
  int column = best_column(input);
  long named = named_best(input);
  if (named >= 0) return named;
  if (column < 0) column = kohl_report_column(e, "val_accuracy");
  bool loss = column >= 0 && strstr(e->name[column], "loss") != NULL;
  long best = -1;
  for (size_t row = 0; row < e->rows && column >= 0; row++) {
    double value = kohl_report_cell(e, row, column), top = best < 0 ? 0 : kohl_report_cell(e, (size_t)best, column);
    if (value != value) continue;
    if (best < 0 || (loss ? value < top : value > top)) best = (long)row;
  }
  return best >= 0 ? best : (long)e->rows - 1;
}
