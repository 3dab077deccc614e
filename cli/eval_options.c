/* Options that evaluations share. */
#include "cli/eval_options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "datasets/decimal.h"

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

int cli_eval_options(cli *c, kohl_evaluate_options *out) {
  const cli_value *batch = cli_get(c, CLI_OPTION_batch);
  const char *split = cli_get(c, CLI_OPTION_split)->text, *beta = cli_get(c, CLI_OPTION_beta)->text;
  *out = kohl_evaluate_options_default();
  out->batch = batch->set ? (int)batch->number : 8;
  out->split = split ? split_word(split) : NULL;
  if (split && !out->split) {
    return cli_fail(c, KOHL_USAGE, "--split: value '%s', expected train, validation or test", split);
  }
  if (beta) {
    out->beta = kohl_decimal_read(beta, strlen(beta));
    if (!(out->beta > 0 && out->beta <= 1e6)) {
      return cli_fail(c, KOHL_USAGE, "--beta: value '%s', expected a number above 0, at most 1000000", beta);
    }
  }
  if (isatty(STDOUT_FILENO) == 1 && !cli_get(c, CLI_OPTION_quiet)->set) {
    out->progress = on_progress;
    out->progress_user = c;
  }
  return 0;
}
