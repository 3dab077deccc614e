/* How `kohl train` shows where it is: a line that is rewritten on a terminal, plain lines elsewhere, lines of JSON, or
 * nothing. */
#ifndef KOHL_CLI_TRAIN_VIEW_H
#define KOHL_CLI_TRAIN_VIEW_H

#include "cli/cli.h"
#include "train/fit.h"

typedef struct train_view {
  cli *c;
  bool terminal, json, quiet;
  double shown;    /* seconds: when the line was last written */
  int fold, folds; /* of a cross-validation; 0: none */
} train_view;

/* What the options and standard output ask for. */
train_view train_view_begin(cli *c);

/* A kohl_train_progress callback; user is the view. */
void train_view_progress(const kohl_train_progress *p, void *user);

/* The members that all results have, into an open object. */
void train_view_result_json(kohl_json_writer *w, const kohl_train_result *r);

#endif
