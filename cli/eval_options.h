/* The options that `kohl eval` and `kohl calibrate` share. */
#ifndef KOHL_CLI_EVAL_OPTIONS_H
#define KOHL_CLI_EVAL_OPTIONS_H

#include "cli/cli.h"
#include "train/evaluate.h"

/* Defaults, with --batch, --split, --beta and a progress line on a terminal.  Returns an exit code. */
int cli_eval_options(cli *c, kohl_evaluate_options *out);

#endif
