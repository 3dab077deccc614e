/* kohl eval: a model measured on labelled pictures. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/eval_options.h"
#include "cli/eval_print.h"
#include "kernels/core/alloc.h"
#include "train/evaluate.h"

static int print(cli *c, const kohl_evaluation *evaluation) {
  if (!cli_format_is(c, "json")) return cli_eval_print(c, evaluation);
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_evaluation_write_json(evaluation, &w);
  return cli_print_json(c, &w);
}

/* FILE for the first head, and FILE with -HEAD before its ending for the others. */
static kohl_status write_predictions(cli *c, const kohl_evaluation *e, const char *path) {
  kohl_status status = kohl_predictions_write(c->ctx, &e->predictions, path);
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  const size_t stem = dot ? (size_t)(dot - path) : strlen(path);
  for (size_t h = 0; h < e->more_count && status == KOHL_OK; h++) {
    char *own;
    const size_t room = strlen(path) + strlen(e->more[h].head) + 2;
    status = kohl_alloc(c->ctx, room, 1, "a file name", &own);
    if (status != KOHL_OK) return status;
    snprintf(own, room, "%.*s-%s%s", (int)stem, path, e->more[h].head, path + stem);
    status = kohl_predictions_write(c->ctx, &e->more[h].predictions, own);
    kohl_free(c->ctx, own);
  }
  return status;
}

int cmd_eval(cli *c) {
  kohl_evaluate_options options;
  kohl_evaluation evaluation;
  int code = cli_eval_options(c, &options);
  if (code) return code;
  options.head = cli_get(c, CLI_OPTION_head)->text;
  options.topk = (int)cli_get(c, CLI_OPTION_topk)->number;
  options.bootstrap = (int)cli_get(c, CLI_OPTION_bootstrap)->number;
  options.seed = (uint64_t)cli_get(c, CLI_OPTION_seed)->number;
  code = cli_begin(c);
  if (code) return code;
  kohl_status status = kohl_evaluate(c->ctx, c->options.operands[0], c->options.operands[1], &options, &evaluation);
  cli_clear_line(c);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  const char *predictions = cli_get(c, CLI_OPTION_predictions)->text;
  if (predictions) status = write_predictions(c, &evaluation, predictions);
  code = status == KOHL_OK ? print(c, &evaluation) : cli_fail_library(c, status);
  if (code == 0 && evaluation.bad) code = (int)KOHL_BAD_INPUT;
  kohl_evaluation_free(c->ctx, &evaluation);
  return code;
}
