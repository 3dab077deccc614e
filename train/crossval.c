/* The loop over folds, and folds.csv, from which it goes on.
 *
 * A fold is done when its row stands in folds.csv, which is replaced as a whole after each; everything before that is
 * the resume of one run.  Folds after the first are trained by the first one's settled recipe, so that all are the same
 * recipe even where the base or the caller's options had the last word in it. */
#include "train/crossval.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/folds.h"
#include "kernels/core/alloc.h"
#include "train/evaluate.h"
#include "train/recipe.h"
#include "train/runfolder.h"

enum { FIXED_COLUMNS = 4 };

const char *const kohl_crossval_names[KOHL_CROSSVAL_FIGURES] = {
#define KOHL_FIGURE(name) #name,
    KOHL_CROSSVAL_FIGURE_LIST(KOHL_FIGURE)
#undef KOHL_FIGURE
};
static const char *const columns[FIXED_COLUMNS] = {"fold", "pictures", "bad", "best_epoch"};

typedef struct crossval {
  kohl_context *ctx;
  const kohl_train_options *options;
  kohl_crossval_result *out;
  char first_recipe[KOHL_RUN_PATH]; /* RUN/fold-1/recipe.yaml: every default and override settled */
  const char **overrides;           /* owned: the caller's and two of our own */
  char own[2][32];
} crossval;

/* In two passes: the sum of squares less the square of the sum loses all digits where the folds agree. */
void kohl_crossval_mean(const kohl_crossval_result *result, int figure, double *mean, double *sd) {
  double sum = 0, squares = 0;
  for (int i = 0; i < result->done; i++) sum += result->fold[i].figure[figure];
  *mean = sum / (double)result->done;
  for (int i = 0; i < result->done; i++) {
    double d = result->fold[i].figure[figure] - *mean;
    squares += d * d;
  }
  *sd = result->done > 1 ? sqrt(squares / (double)(result->done - 1)) : NAN;
}

/* The shortest decimal that reads back as the same number, so that a resume changes no mean. */
static void add_number(kohl_text *text, double value) {
  char digits[40];
  for (int precision = 9; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (strtod(digits, NULL) == value) break;
  }
  kohl_text_add(text, ",%s", digits);
}

/* A row of means or of standard deviations. */
static void add_summary(kohl_text *text, const kohl_crossval_result *r, bool spread) {
  kohl_text_add(text, "%s,,,", spread ? "sd" : "mean");
  for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) {
    double mean, sd;
    kohl_crossval_mean(r, f, &mean, &sd);
    add_number(text, spread ? sd : mean);
  }
  kohl_text_add(text, "\n");
}

/* The whole file, by a rename: a stop leaves the rows of the folds before. */
static kohl_status write_folds(const crossval *v) {
  const kohl_crossval_result *r = v->out;
  kohl_text text = {.ctx = v->ctx};
  for (int i = 0; i < FIXED_COLUMNS; i++) kohl_text_add(&text, "%s%s", i ? "," : "", columns[i]);
  for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) kohl_text_add(&text, ",%s", kohl_crossval_names[f]);
  kohl_text_add(&text, "\n");
  for (int i = 0; i < r->done; i++) {
    const kohl_fold_result *fold = &r->fold[i];
    kohl_text_add(&text, "%d,%zu,%zu,%d", i + 1, fold->pictures, fold->bad, fold->best_epoch);
    for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) add_number(&text, fold->figure[f]);
    kohl_text_add(&text, "\n");
  }
  if (r->done == r->folds) {
    add_summary(&text, r, false);
    add_summary(&text, r, true);
  }
  kohl_status status = kohl_run_write(v->ctx, v->options->run, "folds.csv", &text);
  kohl_text_free(&text);
  return status;
}

/* A later version may have more figures, whose folds cannot be averaged with these. */
static kohl_status check_header(kohl_context *ctx, const kohl_csv *csv) {
  bool good = kohl_csv_fields(csv) == FIXED_COLUMNS + KOHL_CROSSVAL_FIGURES;
  for (size_t i = 0; good && i < FIXED_COLUMNS + KOHL_CROSSVAL_FIGURES; i++) {
    const char *name = i < FIXED_COLUMNS ? columns[i] : kohl_crossval_names[i - FIXED_COLUMNS];
    good = !strcmp(kohl_csv_field(csv, i), name);
  }
  if (good) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s:%zu: other columns than this version writes, expected fold,pictures,...",
                   kohl_csv_name(csv), kohl_csv_line(csv));
}

/* The row of the next fold; rows in another order or with anything but numbers were not written by write_folds. */
static kohl_status read_row(const crossval *v, const kohl_csv *csv) {
  kohl_crossval_result *r = v->out;
  double value[FIXED_COLUMNS + KOHL_CROSSVAL_FIGURES];
  for (size_t i = 0; i < FIXED_COLUMNS + KOHL_CROSSVAL_FIGURES; i++) {
    const char *field = kohl_csv_field(csv, i);
    char *end;
    value[i] = strtod(field, &end);
    bool count = i < FIXED_COLUMNS, good = *field && !*end && isfinite(value[i]);
    if (good && count) good = value[i] >= 0 && value[i] <= 1e9 && value[i] == floor(value[i]);
    if (good && i == 0) good = r->done < r->folds && value[i] == r->done + 1;
    if (good) continue;
    return kohl_fail(v->ctx, KOHL_BAD_INPUT, "%s:%zu: column '%s': value '%.40s', expected %s", kohl_csv_name(csv),
                     kohl_csv_line(csv), count ? columns[i] : kohl_crossval_names[i - FIXED_COLUMNS], field,
                     i == 0  ? "the folds from 1 on"
                     : count ? "a count"
                             : "a number");
  }
  kohl_fold_result *fold = &r->fold[r->done++];
  *fold = (kohl_fold_result){(size_t)value[1], (size_t)value[2], (int)value[3], {0}};
  memcpy(fold->figure, value + FIXED_COLUMNS, sizeof fold->figure);
  return KOHL_OK;
}

/* What is done already.  No file: nothing. */
static kohl_status read_folds(const crossval *v) {
  char path[KOHL_RUN_PATH];
  kohl_csv *csv;
  bool more;
  kohl_status status = kohl_run_path(v->ctx, v->options->run, "folds.csv", path);
  if (status != KOHL_OK || access(path, F_OK) != 0) return status;
  status = kohl_csv_open(v->ctx, path, &csv);
  if (status != KOHL_OK) return status;
  status = kohl_csv_next(v->ctx, csv, &more);
  if (status == KOHL_OK && more) status = check_header(v->ctx, csv);
  while (status == KOHL_OK && more) {
    status = kohl_csv_next(v->ctx, csv, &more);
    if (status != KOHL_OK || !more || !strcmp(kohl_csv_field(csv, 0), "mean")) break;
    status = read_row(v, csv);
  }
  kohl_csv_close(v->ctx, csv);
  return status;
}

/* The recipe's text with what the options say, without what may differ between two calls. */
static kohl_status recipe_text(const crossval *v, const char *path, bool with_options, int64_t *folds, char **text) {
  const kohl_train_options *o = v->options;
  kohl_recipe recipe;
  kohl_status status = kohl_recipe_read(v->ctx, path, &recipe);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; with_options && i < o->override_count && status == KOHL_OK; i++) {
    status = kohl_recipe_set(v->ctx, &recipe, o->overrides[i]);
  }
  if (with_options && o->init_from && status == KOHL_OK) {
    kohl_text model = {.ctx = v->ctx};
    kohl_text_add(&model, "base.model=%s", o->init_from);
    status = model.status;
    if (status == KOHL_OK) status = kohl_recipe_set(v->ctx, &recipe, model.text);
    kohl_text_free(&model);
  }
  *folds = recipe.data.folds;
  recipe.data.workers = recipe.data.folds = recipe.data.fold = 0;
  if (status == KOHL_OK) status = kohl_recipe_print(v->ctx, &recipe, text);
  kohl_recipe_free(v->ctx, &recipe);
  return status;
}

/* A resume must go on with what the first folds were trained by. */
static kohl_status check_recipe(const crossval *v) {
  char *was = NULL, *is = NULL;
  int64_t folds, ignored;
  kohl_status status = recipe_text(v, v->first_recipe, false, &folds, &was);
  if (status == KOHL_OK && folds != v->out->folds) {
    status = kohl_fail(v->ctx, KOHL_USAGE, "%s: has %" PRId64 " folds, expected %d as asked for", v->options->run,
                       folds, v->out->folds);
  }
  if (status == KOHL_OK) status = recipe_text(v, v->first_recipe, true, &ignored, &is);
  if (status == KOHL_OK && strcmp(was, is) != 0) {
    status = kohl_fail(v->ctx, KOHL_USAGE,
                       "%s: the overrides change the recipe of the folds that have begun, expected the same ones",
                       v->options->run);
  }
  kohl_free(v->ctx, was);
  kohl_free(v->ctx, is);
  return status;
}

static void hush(void *user, const char *path, const char *why) { (void)user, (void)path, (void)why; }

/* The test part is given to the evaluation as a list, which not every source can be written as.  Found out before the
 * first fold is trained, not after. */
static kohl_status check_data(const crossval *v) {
  const char *data = v->options->data;
  const kohl_source_options quietly = {.left_out = hush};
  kohl_samples samples;
  if (!strcmp(data, "-")) {
    return kohl_fail(v->ctx, KOHL_USAGE, "standard input can be read once only, expected a folder or file for %d folds",
                     v->out->folds);
  }
  kohl_status status = kohl_samples_open(v->ctx, data, &quietly, &samples);
  if (status != KOHL_OK) return status;
  if (samples.records) {
    status = kohl_fail(v->ctx, KOHL_USAGE, "%s: pictures in batches, expected files of their own for folds", data);
  }
  kohl_samples_free(v->ctx, &samples);
  return status;
}

/* A fold whose first call ended before its recipe was written has nothing to go on from: its lists are in the way. */
static void remove_beginnings(const crossval *v, const char *folder) {
  static const char *const names[] = {"train.csv", "validation.csv", "test.csv", "labels.txt", "log.txt"};
  char path[KOHL_RUN_PATH + 8];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (kohl_run_path(v->ctx, folder, names[i], path) != KOHL_OK) continue;
    unlink(path);
    strcat(path, ".tmp");
    unlink(path);
  }
}

/* Our two overrides come last: nothing in the recipe or the caller's options can make two folds the same. */
static kohl_status train_fold(crossval *v, int fold, const char *folder) {
  kohl_train_options o = *v->options;
  char recipe[KOHL_RUN_PATH];
  kohl_status status = kohl_run_path(v->ctx, folder, "recipe.yaml", recipe);
  if (status != KOHL_OK) return status;
  o.run = folder;
  o.resume = v->options->resume && access(recipe, F_OK) == 0;
  if (v->options->resume && !o.resume) remove_beginnings(v, folder);
  if (fold > 0 || o.resume) o.recipe = v->first_recipe;
  snprintf(v->own[0], sizeof v->own[0], "data.folds=%d", v->out->folds);
  snprintf(v->own[1], sizeof v->own[1], "data.fold=%d", fold);
  for (size_t i = 0; i < o.override_count; i++) v->overrides[i] = o.overrides[i];
  v->overrides[o.override_count++] = v->own[0];
  v->overrides[o.override_count++] = v->own[1];
  o.overrides = v->overrides;
  return kohl_train(v->ctx, &o, &v->out->train);
}

static void on_test(void *user, size_t done, size_t count) {
  const crossval *v = user;
  kohl_train_progress p = {.what = "test", .done = done, .count = count, .watched_value = NAN};
  v->options->progress(&p, v->options->progress_user);
}

/* The best model on the pictures that neither trained nor chose it, prepared as its file says. */
static kohl_status test_fold(crossval *v, const char *folder) {
  char model[KOHL_RUN_PATH], list[KOHL_RUN_PATH];
  kohl_evaluate_options options = kohl_evaluate_options_default();
  kohl_evaluation e;
  kohl_status status = kohl_run_path(v->ctx, folder, "best.safetensors", model);
  if (status == KOHL_OK) status = kohl_run_path(v->ctx, folder, "test.csv", list);
  if (status != KOHL_OK) return status;
  options.progress = v->options->progress ? on_test : NULL;
  options.progress_user = v;
  status = kohl_evaluate(v->ctx, model, list, &options, &e);
  if (status != KOHL_OK) return status;
  if (e.metrics.n) {
    const kohl_metrics *m = &e.metrics;
    v->out->fold[v->out->done++] = (kohl_fold_result){m->n,
                                                      e.bad,
                                                      v->out->train.best_epoch,
                                                      {
#define KOHL_FIGURE(name) m->name,
                                                          KOHL_CROSSVAL_FIGURE_LIST(KOHL_FIGURE)
#undef KOHL_FIGURE
                                                      }};
  } else {
    status = kohl_fail(v->ctx, KOHL_BAD_INPUT, "%s: none of the %zu pictures can be read", list, e.bad);
  }
  kohl_evaluation_free(v->ctx, &e);
  return status;
}

static kohl_status run_fold(crossval *v, int fold) {
  char name[32], folder[KOHL_RUN_PATH];
  snprintf(name, sizeof name, "fold-%d", fold + 1);
  kohl_status status = kohl_run_path(v->ctx, v->options->run, name, folder);
  if (status != KOHL_OK) return status;
  if (v->options->progress) {
    kohl_train_progress p = {
        .what = "fold", .done = (size_t)fold + 1, .count = (size_t)v->out->folds, .watched_value = NAN};
    v->options->progress(&p, v->options->progress_user);
  }
  status = train_fold(v, fold, folder);
  if (status == KOHL_OK) status = test_fold(v, folder);
  return status == KOHL_OK ? write_folds(v) : status;
}

/* A resume: reads what is done, or begins in a folder in which no fold had its recipe yet. */
static kohl_status go_on(const crossval *v) {
  const kohl_train_options *o = v->options;
  char path[KOHL_RUN_PATH];
  if (access(v->first_recipe, F_OK) == 0) {
    kohl_status status = check_recipe(v);
    return status == KOHL_OK ? read_folds(v) : status;
  }
  kohl_status status = kohl_run_path(v->ctx, o->run, "recipe.yaml", path);
  if (status != KOHL_OK) return status;
  if (access(path, F_OK) == 0) {
    return kohl_fail(v->ctx, KOHL_USAGE, "%s: is a run without folds, expected fold-1", o->run);
  }
  if (o->recipe && access(o->run, F_OK) == 0) return KOHL_OK;
  return kohl_fail(v->ctx, KOHL_USAGE, "%s: no folds to go on with: fold-1/recipe.yaml is missing", o->run);
}

static kohl_status begin(crossval *v) {
  const kohl_train_options *o = v->options;
  if (v->out->folds < KOHL_CROSSVAL_LEAST || v->out->folds > KOHL_FOLDS) {
    return kohl_fail(v->ctx, KOHL_USAGE, "%d folds, expected %d to %d", v->out->folds, KOHL_CROSSVAL_LEAST, KOHL_FOLDS);
  }
  kohl_status status = kohl_run_path(v->ctx, o->run, "fold-1/recipe.yaml", v->first_recipe);
  if (status == KOHL_OK) status = check_data(v);
  if (status == KOHL_OK) {
    status = kohl_alloc(v->ctx, (size_t)v->out->folds, sizeof *v->out->fold, "folds", &v->out->fold);
  }
  if (status == KOHL_OK) {
    status = kohl_alloc(v->ctx, o->override_count + 2, sizeof *v->overrides, "overrides", &v->overrides);
  }
  if (status != KOHL_OK) return status;
  return o->resume ? go_on(v) : kohl_run_open(v->ctx, o->run, false, false);
}

kohl_status kohl_crossval(kohl_context *ctx, const kohl_train_options *options, int folds, kohl_crossval_result *out) {
  crossval v = {.ctx = ctx, .options = options, .out = out};
  memset(out, 0, sizeof *out);
  out->folds = folds;
  bool made = access(options->run, F_OK) != 0;
  kohl_status status = begin(&v);
  while (status == KOHL_OK && out->done < folds) status = run_fold(&v, out->done);
  if (status != KOHL_OK && made) rmdir(options->run); /* it stays where a fold has begun */
  kohl_free(ctx, v.overrides);
  return status;
}

void kohl_crossval_free(kohl_context *ctx, kohl_crossval_result *result) {
  kohl_free(ctx, result->fold);
  result->fold = NULL;
  result->done = 0;
}
