/* The report of a training run: one HTML page with everything in it, and its figures as files.
 *
 * Not a measurement: nothing is trained, run or evaluated here.  Every number comes from the files of the run's folder
 * (fit.h) or is worked out of them, and what a run does not have is named in the page instead of shown.  The page needs
 * no network, no scripts and no other file; the same files give the same bytes. */
#ifndef KOHL_TRAIN_REPORT_REPORT_H
#define KOHL_TRAIN_REPORT_REPORT_H

#include "kernels/core/context.h"

typedef struct kohl_report_options {
  const char *run;         /* the folder of the run */
  const char *predictions; /* file,true,predicted,p_LABEL...; NULL: RUN/predictions.csv, where there is one */
  const char *output;      /* the page; NULL: RUN/report.html */
  const char *title;       /* NULL: the name of the run's folder */
  const char *cairo;       /* what is opened to draw; NULL: libcairo.so.2 */
} kohl_report_options;

/* Writes the page and RUN/figures/NAME.svg and NAME.png.  options and its strings are only read during the call.
 * Without Cairo the page has tables instead of figures and says so.  A picture that cannot be read becomes a box with
 * its name. KOHL_USAGE: no such folder, or one without recipe.yaml and metrics.csv.  KOHL_BAD_INPUT: a file of the run
 * is damaged, or `predictions` was asked for and is not there.  KOHL_NO_RESOURCE: memory or disk.  KOHL_INTERRUPTED:
 * the context's cancel callback said stop; no page is written then. */
kohl_status kohl_report_write(kohl_context *ctx, const kohl_report_options *options);

#endif
