/* kohl train: a recipe on labelled pictures, once or fold by fold. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/train_view.h"
#include "train/crossval.h"
#include "train/runfolder.h"

enum { WORDS = 1024 }; /* bytes of a command line that is proposed */

static bool save_now(void *user) {
  (void)user;
  return cli_take_hangup();
}

/* Adds a word as a shell reads it. */
static void add_word(char line[WORDS], const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";
  size_t used = strlen(line);
  bool quote = !*word || word[strspn(word, plain)];
  if (used + 8 + 4 * strlen(word) > WORDS) return; /* longer than anyone would copy: the words before it say enough */
  char *at = line + used;
  *at++ = ' ';
  if (quote) *at++ = '\'';
  for (; *word; word++) {
    if (*word == '\'') at = stpcpy(at, "'\\'");
    *at++ = *word;
  }
  if (quote) *at++ = '\'';
  *at = 0;
}

static int print_interrupted(cli *c, const kohl_train_options *o, int folds) {
  char recipe[KOHL_RUN_PATH], line[WORDS] = "kohl train --resume --data", number[16];
  kohl_status status = kohl_run_path(c->ctx, o->run, folds ? "fold-1/recipe.yaml" : "recipe.yaml", recipe);
  if (status != KOHL_OK || access(recipe, F_OK) != 0) {
    return cli_fail(c, KOHL_INTERRUPTED, "interrupted before there was anything to save");
  }
  add_word(line, o->data);
  add_word(line, "--out");
  add_word(line, o->run);
  if (folds) {
    snprintf(number, sizeof number, "%d", folds);
    add_word(line, "--folds");
    add_word(line, number);
  }
  return cli_fail(c, KOHL_INTERRUPTED, "interrupted and saved; go on with: %s", line);
}

static void print_folds_json(kohl_json_writer *w, const kohl_crossval_result *r) {
  kohl_json_write_key(w, "results");
  kohl_json_write_array_begin(w);
  for (int i = 0; i < r->done; i++) {
    kohl_json_write_object_begin(w);
    cli_json_count(w, "fold", (uint64_t)i + 1);
    cli_json_count(w, "pictures", r->fold[i].pictures);
    cli_json_count(w, "bad", r->fold[i].bad);
    cli_json_count(w, "best_epoch", (uint64_t)r->fold[i].best_epoch);
    for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) {
      cli_json_number(w, kohl_crossval_names[f], r->fold[i].figure[f]);
    }
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
  for (int spread = 0; spread < 2 && r->done == r->folds; spread++) {
    kohl_json_write_key(w, spread ? "sd" : "mean");
    kohl_json_write_object_begin(w);
    for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) {
      double mean, sd;
      kohl_crossval_mean(r, f, &mean, &sd);
      cli_json_number(w, kohl_crossval_names[f], spread ? sd : mean);
    }
    kohl_json_write_object_end(w);
  }
}

/* The last line of --json, whatever the end: folds is NULL without --folds. */
static int print_end_json(cli *c, const char *run, kohl_status status, const kohl_train_result *r,
                          const kohl_crossval_result *folds) {
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "event", "end");
  cli_json_text(&w, "status", status == KOHL_OK ? "done" : status == KOHL_INTERRUPTED ? "interrupted" : "failed");
  if (status != KOHL_OK && status != KOHL_INTERRUPTED) cli_json_text(&w, "error", kohl_context_error(c->ctx));
  cli_json_text(&w, "run", run);
  if (folds) {
    cli_json_count(&w, "folds", (uint64_t)folds->folds);
    print_folds_json(&w, folds);
  } else {
    train_view_result_json(&w, r);
  }
  kohl_json_write_object_end(&w);
  return cli_print_json(c, &w);
}

static int print_folds(cli *c, const char *run, const kohl_crossval_result *r) {
  cli_table *t = cli_table_new("fold|>pictures|>best epoch|>accuracy|>balanced|>macro F1");
  size_t pictures = 0, bad = 0;
  for (int i = 0; i < r->done; i++) {
    pictures += r->fold[i].pictures;
    bad += r->fold[i].bad;
    cli_table_cellf(t, "%d", i + 1);
    cli_table_cellf(t, "%zu", r->fold[i].pictures);
    cli_table_cellf(t, "%d", r->fold[i].best_epoch);
    for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) cli_table_cellf(t, "%.4f", r->fold[i].figure[f]);
  }
  for (int spread = 0; spread < 2; spread++) {
    cli_table_cell(t, spread ? "+- sd" : "mean");
    cli_table_cell(t, "");
    cli_table_cell(t, "");
    for (int f = 0; f < KOHL_CROSSVAL_FIGURES; f++) {
      double mean, sd;
      kohl_crossval_mean(r, f, &mean, &sd);
      cli_table_cellf(t, "%.4f", spread ? sd : mean);
    }
  }
  bool good = cli_table_print(t, "table", stdout);
  cli_table_free(t);
  if (!good) return cli_fail(c, KOHL_NO_RESOURCE, "memory for the table was refused");
  printf("%zu pictures, each tested once; models: %s/fold-*/best.safetensors, table: %s/folds.csv\n", pictures, run,
         run);
  if (bad) printf("%zu pictures could not be read\n", bad);
  return cli_flush(c, 0);
}

static int print_result(cli *c, const char *run, const kohl_train_result *r) {
  printf("best epoch %d of %d: validation loss %.4f, accuracy %.2f %%, balanced %.2f %%\n", r->best_epoch, r->epochs,
         r->val_loss, 100.0 * r->val_accuracy, 100.0 * r->val_balanced_accuracy);
  if (r->bad) printf("%zu of %zu pictures could not be read\n", r->bad, r->pictures);
  printf("model: %s/best.safetensors\n", run);
  return cli_flush(c, 0);
}

/* folds is NULL without --folds. */
static int finish(cli *c, const kohl_train_options *o, kohl_status status, const kohl_train_result *r,
                  const kohl_crossval_result *folds) {
  cli_clear_line(c);
  int code = 0;
  if (cli_get(c, CLI_OPTION_json)->set) code = print_end_json(c, o->run, status, r, folds);
  if (status == KOHL_INTERRUPTED) return print_interrupted(c, o, folds ? folds->folds : 0);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  if (cli_get(c, CLI_OPTION_quiet)->set || cli_get(c, CLI_OPTION_json)->set) return cli_flush(c, code);
  return folds ? print_folds(c, o->run, folds) : print_result(c, o->run, r);
}

int cmd_train(cli *c) {
  train_view view = train_view_begin(c);
  kohl_train_options options = {
      .recipe = c->options.operand_count ? c->options.operands[0] : NULL,
      .data = cli_get(c, CLI_OPTION_data)->text,
      .run = cli_get(c, CLI_OPTION_out)->text,
      .init_from = cli_get(c, CLI_OPTION_init_from)->text,
      .resume = cli_get(c, CLI_OPTION_resume)->set,
      .overrides = cli_get(c, CLI_OPTION_set)->list,
      .override_count = cli_get(c, CLI_OPTION_set)->list_count,
      .progress = train_view_progress,
      .progress_user = &view,
      .save_now = save_now,
  };
  const cli_value *folds = cli_get(c, CLI_OPTION_folds);
  if (!options.run) return cli_fail(c, KOHL_USAGE, "no --out RUN, expected the folder of the run");
  if (!options.data) return cli_fail(c, KOHL_USAGE, "no --data DIR|CSV, expected the labelled pictures");
  if (!options.recipe && !options.resume) {
    return cli_fail(c, KOHL_USAGE, "no RECIPE; usage: kohl train [options] RECIPE (only --resume goes without)");
  }
  int code = cli_begin(c);
  if (code) return code;
  cli_catch_hangup();
  kohl_train_result result;
  memset(&result, 0, sizeof result);
  if (!folds->set) return finish(c, &options, kohl_train(c->ctx, &options, &result), &result, NULL);
  kohl_crossval_result all;
  kohl_status status = kohl_crossval(c->ctx, &options, (int)folds->number, &all);
  code = finish(c, &options, status, &all.train, &all);
  kohl_crossval_free(c->ctx, &all);
  return code;
}
