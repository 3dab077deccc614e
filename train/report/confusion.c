/* The confusion matrix: rows are true classes, columns what they were taken for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/report/sections.h"

enum { SHOWN = 40, PAIRS = 20 };

typedef struct matrix {
  const kohl_metrics *metrics;
  char **labels;
  const int *shown; /* [count] classes, rising */
  int count;
  double cell, size, left, top; /* points */
} matrix;

static int64_t cell_of(const kohl_metrics *m, int truth, int said) {
  return m->confusion[(size_t)truth * (size_t)m->classes + (size_t)said];
}

/* White to blue. */
static unsigned shade(double share) {
  const int blue[3] = {0x00, 0x72, 0xb2};
  unsigned rgb = 0;
  for (int i = 0; i < 3; i++) rgb = rgb << 8 | (unsigned)(255 + (blue[i] - 255) * share + 0.5);
  return rgb;
}

/* The text shrinks where a count is wider than its cell.  At a share of 0.86 white begins to stand out more than ink;
 * the contrast is about 4 there, the least of all cells. */
static void draw_cell(kohl_canvas *c, const matrix *x, int i, int j) {
  const kohl_metrics *m = x->metrics;
  int64_t count = cell_of(m, x->shown[i], x->shown[j]), support = m->per_class[x->shown[i]].support;
  double share = support ? (double)count / (double)support : 0, size = x->size;
  double at_x = x->left + j * x->cell, at_y = x->top + i * x->cell;
  char text[32];
  kohl_canvas_colour(c, shade(share));
  kohl_canvas_box(c, at_x, at_y, x->cell, x->cell);
  if (count == 0) return;
  snprintf(text, sizeof text, "%lld", (long long)count);
  double width = kohl_canvas_width(c, size, text);
  if (width > x->cell - 2) size *= (x->cell - 2) / width;
  kohl_canvas_colour(c, share > 0.86 ? 0xffffff : KOHL_INK);
  kohl_canvas_text(c, at_x + x->cell / 2, at_y + x->cell / 2 + size * 0.36, size, 0.5, text);
}

static void draw_scale(kohl_canvas *c, double x, double y, double h) {
  enum { STEPS = 50 };
  for (int i = 0; i < STEPS; i++) {
    kohl_canvas_colour(c, shade((i + 0.5) / STEPS));
    kohl_canvas_box(c, x, y + h - (i + 1) * h / STEPS, 10, h / STEPS + 0.3);
  }
  kohl_canvas_colour(c, KOHL_INK);
  kohl_canvas_frame(c, x, y, 10, h, 0.6);
  kohl_canvas_text(c, x + 14, y + 7, 9, 0, "100 %");
  kohl_canvas_text(c, x + 14, y + h, 9, 0, "0 %");
  kohl_canvas_upright(c, x + 25, y + h / 2, 9, 0.5, "of the true class");
}

/* Frames come after all cells, or the neighbours would cover half of them. */
static void draw(kohl_canvas *c, const kohl_figure *figure) {
  const matrix *x = figure->what;
  double side = x->cell * x->count, name = x->cell < 13 ? x->cell * 0.72 : 10;
  char text[KOHL_SHORT];
  for (int i = 0; i < x->count; i++) {
    for (int j = 0; j < x->count; j++) draw_cell(c, x, i, j);
  }
  kohl_canvas_colour(c, KOHL_GRID);
  for (int i = 0; i <= x->count; i++) {
    kohl_canvas_line(c, x->left, x->top + i * x->cell, x->left + side, x->top + i * x->cell, 0.5, KOHL_SOLID);
    kohl_canvas_line(c, x->left + i * x->cell, x->top, x->left + i * x->cell, x->top + side, 0.5, KOHL_SOLID);
  }
  kohl_canvas_colour(c, KOHL_INK);
  for (int i = 0; i < x->count; i++) {
    double at = (i + 0.5) * x->cell + name * 0.36;
    kohl_canvas_frame(c, x->left + i * x->cell, x->top + i * x->cell, x->cell, x->cell, x->cell < 20 ? 0.9 : 1.4);
    kohl_canvas_shorten(c, name, x->left - 32, x->labels[x->shown[i]], text);
    kohl_canvas_text(c, x->left - 5, x->top + at, name, 1, text);
    kohl_canvas_shorten(c, name, x->top - 26, x->labels[x->shown[i]], text);
    kohl_canvas_upright(c, x->left + at, x->top - 5, name, 0, text);
  }
  kohl_canvas_colour(c, KOHL_FAINT);
  kohl_canvas_text(c, x->left + side / 2, 14, 10, 0.5, "taken for");
  kohl_canvas_upright(c, 14, x->top + side / 2, 10, 0.5, "true class");
  kohl_canvas_colour(c, KOHL_INK);
  draw_scale(c, x->left + side + 16, x->top, side < 160 ? side : 160);
}

/* How often a class takes part in a mistake, either way. */
static int64_t confused(const kohl_metrics *m, int c) {
  int64_t hit = cell_of(m, c, c);
  return m->per_class[c].support + m->per_class[c].predicted - 2 * hit;
}

/* Something with a number, largest first; of equal ones the order of the classes, so that pages do not change. */
typedef struct ranked {
  int64_t value;
  int i, j;
} ranked;

static int compare_ranked(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->value != y->value) return x->value < y->value ? 1 : -1;
  return x->i != y->i ? (x->i > y->i) - (x->i < y->i) : (x->j > y->j) - (x->j < y->j);
}

static int compare_int(const void *a, const void *b) {
  return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* The classes that are shown: all, or the most confused ones, in the order of the outputs. */
static kohl_status choose(kohl_report *r, int shown[SHOWN], int *count) {
  const kohl_metrics *m = &r->input->metrics;
  ranked *order;
  kohl_status status = kohl_alloc(r->ctx, (size_t)m->classes, sizeof *order, "classes", &order);
  if (status != KOHL_OK) return status;
  for (int c = 0; c < m->classes; c++) order[c] = (ranked){confused(m, c), c, 0};
  qsort(order, (size_t)m->classes, sizeof *order, compare_ranked);
  *count = m->classes < SHOWN ? m->classes : SHOWN;
  for (int i = 0; i < *count; i++) shown[i] = order[i].i;
  qsort(shown, (size_t)*count, sizeof *shown, compare_int);
  kohl_free(r->ctx, order);
  return KOHL_OK;
}

/* The pairs that are taken for each other most often, and the whole matrix. */
static kohl_status add_pairs(kohl_report *r, kohl_text *alt) {
  const kohl_metrics *m = &r->input->metrics;
  ranked *pair = NULL;
  size_t room = 0, count = 0;
  kohl_status status = KOHL_OK;
  for (int i = 0; i < m->classes && status == KOHL_OK; i++) {
    for (int j = 0; j < m->classes && status == KOHL_OK; j++) {
      if (i == j || !cell_of(m, i, j)) continue;
      status = kohl_grow(r->ctx, &pair, &room, count + 1, sizeof *pair, "pairs of classes");
      if (status == KOHL_OK) pair[count++] = (ranked){cell_of(m, i, j), i, j};
    }
  }
  if (count) qsort(pair, count, sizeof *pair, compare_ranked);
  if (status == KOHL_OK && count) {
    kohl_text_add(alt, " Most often %s was taken for %s: %lld times.", r->labels[pair[0].i], r->labels[pair[0].j],
                  (long long)pair[0].value);
  }
  kohl_page_table(&r->html, count > PAIRS ? "The 20 most frequent mistakes" : "All mistakes",
                  "true class|taken for|>pictures|>of the class");
  for (size_t k = 0; k < count && k < PAIRS && status == KOHL_OK; k++) {
    kohl_page_row_head(&r->html, r->labels[pair[k].i]);
    kohl_text_add(&r->html, "<td class=\"word\">");
    kohl_page_text(&r->html, r->labels[pair[k].j]);
    kohl_text_add(&r->html, "</td><td>%lld</td>", (long long)pair[k].value);
    kohl_page_cell(&r->html, "%.1f %%", 100.0 * (double)pair[k].value / (double)m->per_class[pair[k].i].support);
    kohl_text_add(&r->html, "</tr>\n");
  }
  kohl_page_table_end(&r->html);
  kohl_free(r->ctx, pair);
  return status;
}

/* What the figure shows, for who cannot see it; of many classes the same ones. */
static void add_counts(kohl_report *r, const int *shown, int count) {
  const kohl_metrics *m = &r->input->metrics;
  kohl_report_numbers(r, "The matrix as a table");
  kohl_text_add(&r->html,
                "<div class=\"wide\"><table><caption>Rows are true classes, columns what their pictures were "
                "taken for.</caption>\n<thead><tr><th scope=\"col\" class=\"word\">true class</th>");
  for (int j = 0; j < count; j++) {
    kohl_text_add(&r->html, "<th scope=\"col\">");
    kohl_page_text(&r->html, r->labels[shown[j]]);
    kohl_text_add(&r->html, "</th>");
  }
  kohl_text_add(&r->html, "</tr></thead>\n<tbody>\n");
  for (int i = 0; i < count; i++) {
    kohl_page_row_head(&r->html, r->labels[shown[i]]);
    for (int j = 0; j < count; j++) {
      kohl_text_add(&r->html, "<td>%lld</td>", (long long)cell_of(m, shown[i], shown[j]));
    }
    kohl_text_add(&r->html, "</tr>\n");
  }
  kohl_page_table_end(&r->html);
  if (r->cairo) kohl_page_fold_end(&r->html);
}

/* The size of everything follows from the number of classes and the longest name: few classes get cells of 52 points,
 * 40 get 14, and the whole keeps to the width of a page. */
static kohl_status add_matrix(kohl_report *r, const int *shown, int count, const char *alt) {
  matrix x = {.metrics = &r->input->metrics, .labels = r->labels, .shown = shown, .count = count};
  size_t longest = 4;
  for (int i = 0; i < count; i++) {
    size_t length = strlen(r->labels[shown[i]]);
    if (length > longest) longest = length;
  }
  x.cell = 560.0 / count;
  if (x.cell > 52) x.cell = 52;
  x.size = x.cell > 26 ? 11 : x.cell * 0.46;
  double name = x.cell < 13 ? x.cell * 0.72 : 10, width = name * 0.78 * (double)longest;
  x.left = 38 + (width > 150 ? 150 : width); /* an estimate: what is longer is shortened */
  x.top = 30 + (width > 120 ? 120 : width);
  const double side = x.cell * count;
  kohl_figure figure = {"confusion", alt, x.left + side + 68, x.top + (side < 110 ? 110 : side) + 10, draw, &x};
  kohl_status status = kohl_report_figure(
      r, &figure,
      "Numbers are pictures; the darker a cell, the larger its share of the row, which is the true class. "
      "Framed cells are right answers. Empty cells are zero.");
  if (status != KOHL_OK) return status;
  add_counts(r, shown, count);
  kohl_report_figure_end(r);
  return r->html.status;
}

kohl_status kohl_report_confusion(kohl_report *r) {
  const kohl_metrics *m = &r->input->metrics;
  int shown[SHOWN], count = 0;
  kohl_text alt = {.ctx = r->ctx}, pairs = {.ctx = r->ctx};
  kohl_page_section(&r->html, "confusion", "Confusion matrix");
  if (!m->confusion) {
    kohl_page_missing(&r->html, r->input->has_predictions
                                    ? "Pictures have several labels here: there is no confusion matrix."
                                    : "There are no predictions, hence no confusion matrix.");
    kohl_text_add(&r->html, "</section>\n");
    return r->html.status;
  }
  kohl_status status = choose(r, shown, &count);
  if (m->classes > SHOWN) {
    kohl_text_add(&r->html, "<p>Of %d classes the %d that take part in most mistakes are shown.</p>\n", m->classes,
                  SHOWN);
  }
  kohl_text_add(&alt, "Confusion matrix of %d classes, %zu pictures, %.1f %% right.", m->classes, m->n,
                100.0 * m->accuracy);
  /* the pairs stand below the figure, whose alternative text names the first */
  kohl_text html = r->html;
  r->html = pairs;
  if (status == KOHL_OK) status = add_pairs(r, &alt);
  pairs = r->html;
  r->html = html;
  if (status == KOHL_OK) status = alt.status != KOHL_OK ? alt.status : pairs.status;
  if (status == KOHL_OK) status = add_matrix(r, shown, count, alt.text);
  if (status == KOHL_OK) kohl_page_raw(&r->html, pairs.text, pairs.length);
  kohl_text_add(&r->html, "</section>\n");
  kohl_text_free(&alt);
  kohl_text_free(&pairs);
  return status == KOHL_OK ? r->html.status : status;
}
