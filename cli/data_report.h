/* What `kohl data` found out about a set of pictures, and its three forms on standard output. */
#ifndef KOHL_CLI_DATA_REPORT_H
#define KOHL_CLI_DATA_REPORT_H

#include "cli/cli.h"
#include "datasets/duplicates.h"

typedef struct data_class {
  size_t count, part[KOHL_SPLITS]; /* good pictures of it, and of each part */
  double weight;                   /* `balanced`; NaN: no picture to learn from */
} data_class;

typedef struct data_report {
  const char *source;
  kohl_samples samples;
  kohl_scan scan;
  kohl_duplicates exact, similar;
  size_t good;       /* pictures */
  data_class *class; /* one for each of the list's */
  size_t labels;     /* of all good pictures; their number, where each has one */
  bool splits;       /* some picture belongs to a part */
  int w[3], h[3];    /* smallest, median, largest; 0 without pictures */
  size_t *mode;      /* pictures of each of the scan's modes */
} data_report;

/* Prints it as --format says.  Returns an exit code. */
int data_report_print(cli *c, const data_report *r);

#endif
