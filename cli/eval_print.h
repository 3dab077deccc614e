/* An evaluation as tables. */
#ifndef KOHL_CLI_EVAL_PRINT_H
#define KOHL_CLI_EVAL_PRINT_H

#include "cli/cli.h"
#include "train/evaluate.h"

/* Figures, classes and the most frequent mistakes; with --format csv or tsv the classes alone.  Returns an exit code.
 */
int cli_eval_print(cli *c, const kohl_evaluation *evaluation);

#endif
