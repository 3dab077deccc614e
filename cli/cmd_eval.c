/* kohl eval: a model measured on labelled pictures. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "train/evaluate.h"

enum { CONFUSIONS_SHOWN = 5 };

static int print_classes(cli *c, const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  bool table = cli_format_is(c, "table");
  cli_table *t = cli_table_new("class|>precision|>recall|>f1|>support");
  for (int i = 0; i < m->classes; i++) {
    const kohl_class_metrics *k = &m->per_class[i];
    cli_table_cell(t, e->labels[i]);
    cli_table_cellf(t, table ? "%.4f" : "%.9g", k->precision);
    cli_table_cellf(t, table ? "%.4f" : "%.9g", k->recall);
    cli_table_cellf(t, table ? "%.4f" : "%.9g", k->f1);
    cli_table_cellf(t, "%lld", (long long)k->support);
  }
  return cli_print_table(c, t);
}

/* The pairs that are taken for each other most often. */
static void print_confusions(const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  int64_t below = INT64_MAX;
  size_t n = (size_t)m->classes, after = 0;
  for (int shown = 0; shown < CONFUSIONS_SHOWN; shown++) {
    size_t best = n * n;
    for (size_t i = 0; i < n * n; i++) {
      if (i / n == i % n || m->confusion[i] == 0 || m->confusion[i] > below) continue;
      if (m->confusion[i] == below && i <= after) continue;
      if (best == n * n || m->confusion[i] > m->confusion[best]) best = i;
    }
    if (best == n * n) return;
    printf("%s%6lld  %s taken for %s\n", shown ? "" : "\nmost frequent mistakes:\n", (long long)m->confusion[best],
           e->labels[best / n], e->labels[best % n]);
    below = m->confusion[best];
    after = best;
  }
}

static int print_text(cli *c, const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  bool table = cli_format_is(c, "table");
  if (table) {
    printf("pictures           %zu", m->n);
    if (e->bad) printf(", and %zu that could not be read", e->bad);
    printf("\naccuracy           %6.2f %%\ntop 3              %6.2f %%\ntop 5              %6.2f %%\n",
           100.0 * m->accuracy, 100.0 * m->top3, 100.0 * m->top5);
    printf("balanced accuracy  %6.2f %%\nmacro F1           %6.4f\n\n", 100.0 * m->balanced_accuracy, m->macro_f1);
  }
  int code = print_classes(c, e);
  if (code == 0 && table) print_confusions(e);
  return cli_flush(c, code);
}

static void on_progress(void *user, size_t done, size_t count) {
  cli *c = user;
  printf("\r%zu of %zu pictures\033[K", done, count);
  fflush(stdout);
  c->line_open = true;
}

/* The words that CSV files use for the parts, as the library calls them; NULL for any other. */
static const char *split_word(const char *word) {
  static const char *const words[][2] = {{"train", "train"},
                                         {"val", "validation"},
                                         {"valid", "validation"},
                                         {"validation", "validation"},
                                         {"test", "test"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!strcmp(word, words[i][0])) return words[i][1];
  }
  return NULL;
}

int cmd_eval(cli *c) {
  kohl_evaluate_options options = kohl_evaluate_options_default();
  const cli_value *batch = cli_get(c, CLI_OPTION_batch);
  const char *split = cli_get(c, CLI_OPTION_split)->text;
  options.split = split ? split_word(split) : NULL;
  if (split && !options.split) {
    return cli_fail(c, KOHL_USAGE, "--split: value '%s', expected train, validation or test", split);
  }
  options.batch = batch->set ? (int)batch->number : 8;
  int code = cli_begin(c);
  if (code) return code;
  if (isatty(STDOUT_FILENO) == 1 && !cli_get(c, CLI_OPTION_quiet)->set) {
    options.progress = on_progress;
    options.progress_user = c;
  }
  kohl_evaluation evaluation;
  kohl_status status = kohl_evaluate(c->ctx, c->options.operands[0], c->options.operands[1], &options, &evaluation);
  cli_clear_line(c);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  if (cli_format_is(c, "json")) {
    kohl_json_writer w;
    kohl_json_write_begin(&w, c->ctx);
    kohl_evaluation_write_json(&evaluation, &w);
    code = cli_print_json(c, &w);
  } else {
    code = print_text(c, &evaluation);
  }
  if (code == 0 && evaluation.bad) code = (int)KOHL_BAD_INPUT;
  kohl_evaluation_free(c->ctx, &evaluation);
  return code;
}
