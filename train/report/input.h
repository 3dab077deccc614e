/* What a report is made of: the files of a run's folder, read once.
 *
 * Every file may be absent; the member then is empty.  A file that is there and damaged is an error.  Nothing is
 * computed here but counts. */
#ifndef KOHL_TRAIN_REPORT_INPUT_H
#define KOHL_TRAIN_REPORT_INPUT_H

#include "train/metrics.h"
#include "train/predictions.h"
#include "train/report/report.h"

enum { KOHL_REPORT_TEXT = 16 << 20 /* bytes of recipe.yaml, labels.txt or run.json, at most */ };

/* metrics.csv: one row an epoch.  Columns are found by name, so that more of them do no harm. */
typedef struct kohl_report_epochs {
  size_t rows, columns;
  char **name;   /* [columns], owned */
  double *value; /* [rows][columns], owned; NaN where the cell is empty or no finite number */
  char **phase;  /* [rows], fit to be drawn, owned; NULL: no column `phase` */
  size_t capacity, phase_capacity;
} kohl_report_epochs;

enum { KOHL_REPORT_TRAIN, KOHL_REPORT_VALIDATION, KOHL_REPORT_TEST, KOHL_REPORT_PARTS };

/* labels.txt and the three lists. */
typedef struct kohl_report_class {
  char *name;                      /* owned */
  size_t count[KOHL_REPORT_PARTS]; /* pictures; one of several labels counts for each of them */
} kohl_report_class;

typedef struct kohl_report_lists {
  kohl_report_class *classes; /* in the order of labels.txt, then those that only lists name; owned */
  size_t class_count, class_capacity;
  bool there[KOHL_REPORT_PARTS];
  size_t count[KOHL_REPORT_PARTS]; /* pictures */
  char **path[KOHL_REPORT_PARTS];  /* [count], sorted bytewise; owned */
  size_t path_capacity[KOHL_REPORT_PARTS];
} kohl_report_lists;

/* One value of run.json: "data.train" and "837". */
typedef struct kohl_report_fact {
  char *key, *value; /* owned */
} kohl_report_fact;

typedef struct kohl_report_input {
  kohl_context *ctx;
  const char *run;
  char *recipe; /* recipe.yaml with a zero at its end, owned; NULL: not there */
  kohl_report_epochs epochs;
  kohl_report_lists lists;
  kohl_report_fact *facts; /* in the file's order, owned */
  size_t fact_count, fact_capacity;
  bool has_facts; /* run.json is there */
  bool has_predictions;
  kohl_predictions predictions;
  kohl_metrics metrics; /* of the predictions */
} kohl_report_input;

/* Reads everything; options as for kohl_report_write, with its errors.  *input is freed by kohl_report_input_free, also
 * after a failure. */
kohl_status kohl_report_input_read(kohl_context *ctx, const kohl_report_options *options, kohl_report_input *input);
void kohl_report_input_free(kohl_report_input *input);

/* The parts of it.  path is absent: KOHL_OK, and *out stays as it was. */
kohl_status kohl_report_epochs_read(kohl_context *ctx, const char *path, kohl_report_epochs *out);
kohl_status kohl_report_labels_read(kohl_context *ctx, const char *path, kohl_report_lists *out);
kohl_status kohl_report_list_read(kohl_context *ctx, const char *path, int part, kohl_report_lists *out);
kohl_status kohl_report_facts_read(kohl_context *ctx, const char *path, kohl_report_input *out);
void kohl_report_epochs_free(kohl_context *ctx, kohl_report_epochs *epochs);
void kohl_report_lists_free(kohl_context *ctx, kohl_report_lists *lists);

/* The column of that name, or -1; a cell of it, NaN for column -1. */
int kohl_report_column(const kohl_report_epochs *epochs, const char *name);
double kohl_report_cell(const kohl_report_epochs *epochs, size_t row, int column);

/* The value of a key of run.json, or NULL. */
const char *kohl_report_fact_find(const kohl_report_input *input, const char *key);

/* Whether the list of that part has this path. */
bool kohl_report_list_has(const kohl_report_lists *lists, int part, const char *path);

/* The row of the epoch that was kept: run.json's best_epoch; else where recipe.yaml's `best` names a column of
 * metrics.csv its first largest value (smallest for a loss), else that of val_accuracy, else the last row; -1 without
 * rows. */
long kohl_report_best(const kohl_report_input *input);

#endif
