/* Verbs of `kohl data` that divide, balance and label, and what all verbs share.  A verb gets the operands behind its
 * name, as many as the table in cmd_data.c says, with c->ctx made, and returns the exit code. */
#ifndef KOHL_CLI_DATA_VERBS_H
#define KOHL_CLI_DATA_VERBS_H

#include "cli/cli.h"
#include "datasets/source.h"

int data_split(cli *c, char **operands, int count);   /* SOURCE OUT.csv */
int data_label(cli *c, char **operands, int count);   /* RULES IN.csv OUT.csv */
int data_balance(cli *c, char **operands, int count); /* SOURCE OUT, with --to N */

/* How a source is opened: --several-labels and --coarse. */
kohl_source_options data_source_options(const cli *c);

/* A line that counts pictures, where standard output is a terminal and --quiet is not given.  data_progress is NULL
 * otherwise; its user is the cli. */
typedef void (*data_progress_function)(void *user, size_t done, size_t count);
data_progress_function data_progress(const cli *c);

/* A source of which every sample has a split. */
typedef struct data_division {
  kohl_samples samples; /* the good ones */
  size_t bad;           /* pictures that were left out, each named by a warning */
  size_t copies;        /* pictures that are byte for byte an earlier one, and in its part */
} data_division;

/* Opens a source, leaves out bad pictures and divides the rest as --validation, --test and --seed ask; with --folds as
 * --fold does.  What must stay together: identical copies, groups of the CSV's column, and those of --group-by. Returns
 * an exit code, the error being printed; *out is the caller's until kohl_samples_free, also then. */
int data_open_split(cli *c, const char *source, data_division *out);

/* The exit code of a verb that has left out pictures: `code` where it is not 0 or none are bad, else the printed
 * line's. */
int data_end_division(cli *c, const char *source, const data_division *division, int code);

#endif
