/* The parts of the page, one function each, in the order in which they stand.  Each appends its section to r->html,
 * with a line that says what is missing where its files are not there; errors are those of kohl_report_write. */
#ifndef KOHL_TRAIN_REPORT_SECTIONS_H
#define KOHL_TRAIN_REPORT_SECTIONS_H

#include "train/report/canvas.h"
#include "train/report/input.h"
#include "train/report/page.h"

typedef struct kohl_report {
  kohl_context *ctx;
  const kohl_report_options *options;
  const kohl_report_input *input;
  const kohl_cairo_library *cairo; /* NULL: no figures */
  char **labels;                   /* [metrics.classes], names fit to be drawn; owned */
  kohl_text html;
} kohl_report;

kohl_status kohl_report_headline(kohl_report *r, const char *title);
kohl_status kohl_report_heads(kohl_report *r); /* nothing for a run with one head */
kohl_status kohl_report_curves(kohl_report *r);
kohl_status kohl_report_confusion(kohl_report *r);
kohl_status kohl_report_classes(kohl_report *r);
kohl_status kohl_report_reliability(kohl_report *r);
kohl_status kohl_report_pictures(kohl_report *r);
kohl_status kohl_report_data(kohl_report *r);
kohl_status kohl_report_recipe(kohl_report *r);
kohl_status kohl_report_cost(kohl_report *r); /* time and memory, and how to reproduce */

/* <figure> with the drawing, where Cairo is there, and its caption; kohl_report_figure_end closes it.  In between comes
 * the table of its numbers, which kohl_report_numbers begins: folded away under a drawing, open without one. */
kohl_status kohl_report_figure(kohl_report *r, const kohl_figure *figure, const char *caption);
void kohl_report_numbers(kohl_report *r, const char *summary);
void kohl_report_figure_end(kohl_report *r);

/* Seconds as "1 h 02 min", "3 min 05 s" or "4.2 s". */
void kohl_report_duration(double seconds, char *out, size_t bytes);

#endif
