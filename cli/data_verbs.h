/* Verbs of `kohl data` that divide, balance and label, and what they share.  Operand 0 is the verb. */
#ifndef KOHL_CLI_DATA_VERBS_H
#define KOHL_CLI_DATA_VERBS_H

#include "cli/cli.h"
#include "datasets/source.h"

int data_split(cli *c);   /* kohl data split SOURCE OUT.csv */
int data_label(cli *c);   /* kohl data label RULES IN.csv OUT.csv */
int data_balance(cli *c); /* kohl data balance SOURCE OUT --to N */

/* Whether there are `count` operands behind the verb; 0, or the code of the printed usage. */
int data_operands(cli *c, int count, const char *usage);

/* Opens a source and gives every sample a split as --validation, --test, --seed and --group-by ask; with --folds as
 * --fold does.  *out is the caller's until kohl_samples_free, also on failure. */
int data_open_split(cli *c, const char *source, kohl_samples *out);

#endif
