/* Precision, recall and F1 of every class: bars beside each other, largest class first. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/alloc.h"
#include "train/report/sections.h"

enum { ROWS = 45 /* of one figure: a printed page */, FIGURES = 4, COLUMNS = 3 };

typedef struct bars {
  const kohl_metrics *metrics;
  char **labels;
  const int *order; /* classes */
  int first, count;
} bars;

typedef struct ranked {
  int64_t support;
  int c;
} ranked;

static int compare(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->support != y->support) return x->support < y->support ? 1 : -1;
  return (x->c > y->c) - (x->c < y->c);
}

/* Points.  The three columns stand apart, so that no colour has to tell them from each other. */
static const double row_height = 17, head = 30, name_width = 170, bar_width = 112, column_width = 162;

static void draw(kohl_canvas *c, const kohl_figure *figure) {
  static const char *const names[COLUMNS] = {"precision", "recall", "F1"};
  static const unsigned colours[COLUMNS] = {KOHL_BLUE, KOHL_VERMILLION, KOHL_GREEN};
  const bars *b = figure->what;
  char text[KOHL_SHORT];
  double end = head + b->count * row_height;
  kohl_canvas_colour(c, KOHL_INK);
  for (int k = 0; k < COLUMNS; k++) kohl_canvas_bold(c, name_width + k * column_width, 16, 10.5, 0, names[k]);
  kohl_canvas_bold(c, figure->w - 6, 16, 10.5, 1, "pictures");
  for (int k = 0; k < COLUMNS; k++) { /* halves, to read lengths by */
    for (int half = 0; half <= 2; half++) {
      double x = name_width + k * column_width + half * bar_width / 2;
      kohl_canvas_colour(c, half ? KOHL_GRID : KOHL_FAINT);
      kohl_canvas_line(c, x, head - 6, x, end, half ? 0.7 : 1, KOHL_SOLID);
    }
  }
  for (int i = 0; i < b->count; i++) {
    int class = b->order[b->first + i];
    const kohl_class_metrics *m = &b->metrics->per_class[class];
    const double value[COLUMNS] = {m->precision, m->recall, m->f1};
    double y = head + i * row_height, base = y + row_height * 0.72 - 1;
    kohl_canvas_colour(c, KOHL_INK);
    kohl_canvas_shorten(c, 10, name_width - 12, b->labels[class], text);
    kohl_canvas_text(c, name_width - 8, base, 10, 1, text);
    for (int k = 0; k < COLUMNS; k++) {
      double x = name_width + k * column_width;
      kohl_canvas_colour(c, colours[k]);
      kohl_canvas_box(c, x, y + 2, value[k] * bar_width, row_height - 6);
      kohl_canvas_colour(c, KOHL_INK);
      snprintf(text, sizeof text, "%.2f", value[k]);
      kohl_canvas_text(c, x + bar_width + 5, base, 9.5, 0, text);
    }
    snprintf(text, sizeof text, "%lld", (long long)m->support);
    kohl_canvas_text(c, figure->w - 6, base, 10, 1, text);
  }
}

/* Every class, also where figures show only the largest. */
static void add_table(kohl_report *r, const int *order) {
  const kohl_metrics *m = &r->input->metrics;
  kohl_report_numbers(r, "The numbers of every class");
  kohl_page_table(&r->html, "Classes by their number of pictures",
                  "class|>precision|>recall|>F1|>pictures|>taken for this class");
  for (int i = 0; i < m->classes; i++) {
    const kohl_class_metrics *k = &m->per_class[order[i]];
    kohl_page_row_head(&r->html, r->labels[order[i]]);
    kohl_text_add(&r->html, "<td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%lld</td><td>%lld</td></tr>\n", k->precision,
                  k->recall, k->f1, (long long)k->support, (long long)k->predicted);
  }
  kohl_page_table_end(&r->html);
  if (r->cairo) kohl_page_fold_end(&r->html);
}

/* Several figures where there are many classes: one that is longer than a page would be cut in print. */
static kohl_status add_figures(kohl_report *r, const int *order) {
  const kohl_metrics *m = &r->input->metrics;
  kohl_status status = KOHL_OK;
  int most = ROWS * FIGURES < m->classes ? ROWS * FIGURES : m->classes;
  if (r->cairo && most < m->classes) {
    kohl_text_add(&r->html, "<p>The %d largest of %d classes are drawn; the table has all.</p>\n", most, m->classes);
  }
  for (int first = 0, page = 1; first < most && status == KOHL_OK; first += ROWS, page++) {
    char name[32];
    int count = most - first < ROWS ? most - first : ROWS;
    bars b = {m, r->labels, order, first, count};
    kohl_text alt = {.ctx = r->ctx};
    snprintf(name, sizeof name, page == 1 ? "classes" : "classes_%d", page);
    kohl_text_add(&alt,
                  "Bars of precision, recall and F1 for %d classes, from %s with %lld pictures, F1 %.2f, to %s with "
                  "%lld, F1 %.2f.",
                  count, r->labels[order[first]], (long long)m->per_class[order[first]].support,
                  m->per_class[order[first]].f1, r->labels[order[first + count - 1]],
                  (long long)m->per_class[order[first + count - 1]].support, m->per_class[order[first + count - 1]].f1);
    kohl_figure figure = {name, alt.text, 720, head + count * row_height + 6, draw, &b};
    status = alt.status;
    if (status == KOHL_OK && r->cairo) {
      status = kohl_report_figure(r, &figure,
                                  first ? ""
                                        : "Largest classes first. A bar of full length is 1; the line "
                                          "in its middle is 0.5.");
      if (status == KOHL_OK) kohl_report_figure_end(r);
    }
    kohl_text_free(&alt);
  }
  return status;
}

kohl_status kohl_report_classes(kohl_report *r) {
  const kohl_metrics *m = &r->input->metrics;
  kohl_page_section(&r->html, "classes", "Classes");
  if (!r->input->has_predictions) {
    kohl_page_missing(&r->html, "There are no predictions, hence no figures of single classes.");
    kohl_text_add(&r->html, "</section>\n");
    return r->html.status;
  }
  ranked *rank = NULL;
  int *order = NULL;
  kohl_status status = kohl_alloc(r->ctx, (size_t)m->classes, sizeof *rank, "classes", &rank);
  if (status == KOHL_OK) status = kohl_alloc(r->ctx, (size_t)m->classes, sizeof *order, "classes", &order);
  if (status == KOHL_OK) {
    for (int c = 0; c < m->classes; c++) rank[c] = (ranked){m->per_class[c].support, c};
    qsort(rank, (size_t)m->classes, sizeof *rank, compare);
    for (int c = 0; c < m->classes; c++) order[c] = rank[c].c;
    status = add_figures(r, order);
  }
  if (status == KOHL_OK) add_table(r, order);
  kohl_text_add(&r->html, "</section>\n");
  kohl_free(r->ctx, rank);
  kohl_free(r->ctx, order);
  return status == KOHL_OK ? r->html.status : status;
}
