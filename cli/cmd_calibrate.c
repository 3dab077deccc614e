/* kohl calibrate: a model whose probabilities mean what they say, or whose labels have thresholds. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/eval_options.h"
#include "cli/json.h"
#include "train/calibrate.h"

static int print_json(cli *c, const kohl_calibrated *r, bool thresholds) {
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "output", cli_get(c, CLI_OPTION_output)->text);
  kohl_calibrated_write_json(r, thresholds, &w);
  if (r->many) {
    kohl_json_write_key(&w, "thresholds");
    kohl_json_write_object_begin(&w);
    for (int i = 0; i < r->classes; i++) {
      kohl_json_write_key(&w, r->labels[i]);
      kohl_json_write_float(&w, r->thresholds[1][i]);
    }
    kohl_json_write_object_end(&w);
  }
  kohl_json_write_object_end(&w);
  return cli_print_json(c, &w);
}

static void add_row(cli_table *t, bool table, const char *name, const double values[2]) {
  cli_table_cell(t, name);
  for (int i = 0; i < 2; i++) cli_table_cellf(t, table ? "%.4f" : "%.17g", values[i]);
}

static int print_figures(cli *c, const kohl_calibrated *r, bool thresholds) {
  const bool table = cli_format_is(c, "table");
  if (table) {
    printf("pictures     %zu", r->n);
    if (r->bad) printf(", and %zu that could not be read", r->bad);
    printf("\n");
    if (thresholds) {
      printf("thresholds   by F%g, one for each of %d labels\n\n", r->beta, r->classes);
    } else {
      printf("temperature  %.6g\n\n", r->temperature);
    }
  }
  cli_table *t = cli_table_new("figure|>before|>after");
  if (thresholds) {
    add_row(t, table, "samples_fbeta", r->samples_fbeta);
    add_row(t, table, "micro_fbeta", r->micro_fbeta);
    add_row(t, table, "macro_fbeta", r->macro_fbeta);
    for (int i = 0; i < r->classes; i++) {
      cli_table_cellf(t, "threshold of %s", r->labels[i]);
      for (int j = 0; j < 2; j++) cli_table_cellf(t, table ? "%.4f" : "%.9g", (double)r->thresholds[j][i]);
    }
  } else {
    const double temperature[2] = {1, r->temperature};
    add_row(t, table, "log_loss", r->log_loss);
    add_row(t, table, "calibration_error", r->ece);
    if (!table) add_row(t, table, "temperature", temperature);
  }
  return cli_flush(c, cli_print_table(c, t));
}

int cmd_calibrate(cli *c) {
  kohl_calibrate_options options = kohl_calibrate_options_default();
  kohl_calibrated result;
  const char *output = cli_get(c, CLI_OPTION_output)->text;
  if (!output) return cli_fail(c, KOHL_USAGE, "no --output: the model file to write is missing, as -o FILE");
  int code = cli_eval_options(c, &options.evaluate);
  if (code) return code;
  options.thresholds = cli_get(c, CLI_OPTION_thresholds)->set;
  if (options.evaluate.beta != 0 && !options.thresholds) {
    return cli_fail(c, KOHL_USAGE, "--beta: needs --thresholds");
  }
  code = cli_begin(c);
  if (code) return code;
  kohl_status status =
      kohl_calibrate(c->ctx, c->options.operands[0], c->options.operands[1], output, &options, &result);
  cli_clear_line(c);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  code = cli_format_is(c, "json") ? print_json(c, &result, options.thresholds)
                                  : print_figures(c, &result, options.thresholds);
  if (code == 0 && result.bad) code = (int)KOHL_BAD_INPUT;
  kohl_calibrated_free(c->ctx, &result);
  return code;
}
