/* Loss, accuracy and learning rate by epoch. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/report/sections.h"

enum { SERIES = 3, TICKS = 8, MARKS = 40 };

typedef struct series {
  const char *column, *label;
  unsigned colour;
  kohl_stroke stroke;
  kohl_marker marker;
} series;

static const series loss_series[] = {{"loss", "training", KOHL_BLUE, KOHL_SOLID, KOHL_DISC},
                                     {"val_loss", "validation", KOHL_VERMILLION, KOHL_DASHED, KOHL_SQUARE}};
static const series accuracy_series[] = {
    {"accuracy", "training", KOHL_BLUE, KOHL_SOLID, KOHL_DISC},
    {"val_accuracy", "validation", KOHL_VERMILLION, KOHL_DASHED, KOHL_SQUARE},
    {"val_balanced_accuracy", "val. balanced", KOHL_GREEN, KOHL_DOTTED, KOHL_TRIANGLE}};
static const series rate_series[] = {{"lr", "", KOHL_BLUE, KOHL_SOLID, KOHL_DISC}};

/* One diagram.  x and y are room for a point an epoch. */
typedef struct panel {
  const kohl_report_epochs *epochs;
  const char *heading;
  const series *series;
  int count;
  bool percent, log;
  long best; /* row, or -1 */
  double low, high;
  double *x, *y;
} panel;

/* What the axis says.  Epochs may count from 1 again in a new phase: places are rows, names are epochs. */
static double epoch_of(const kohl_report_epochs *e, size_t row) {
  double epoch = kohl_report_cell(e, row, kohl_report_column(e, "epoch"));
  return epoch == epoch ? epoch : (double)row + 1;
}

/* The axis: from 0 for what is a quantity, close to the values for shares, by powers of ten where they span more than
 * one.  False: there is no value to show. */
static bool set_range(panel *p) {
  double low = INFINITY, high = -INFINITY;
  for (int s = 0; s < p->count; s++) {
    int column = kohl_report_column(p->epochs, p->series[s].column);
    for (size_t row = 0; row < p->epochs->rows; row++) {
      double value = kohl_report_cell(p->epochs, row, column);
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(low <= high)) return false;
  p->log = p->log && low > 0 && high > 10 * low;
  if (p->log) {
    p->low = floor(log10(low));
    p->high = ceil(log10(high));
    return true;
  }
  if (p->percent) {
    p->low = floor(low * 10 - 0.3) / 10;
    p->high = ceil(high * 10 + 0.1) / 10;
    if (p->high > 1 && high <= 1) p->high = 1;
    if (p->low < 0 && low >= 0) p->low = 0;
  } else {
    p->low = low < 0 ? low * 1.05 : 0;
    p->high = high > 0 ? high * 1.05 : 0;
  }
  if (!(p->high > p->low)) p->high = p->low + 1;
  return true;
}

static const double left = 54, top = 58, bottom = 42, phases = 36;

/* A single epoch stands in the middle. */
static double place_x(const panel *p, double right, size_t row) {
  size_t rows = p->epochs->rows;
  return rows == 1 ? (left + right) / 2 : left + (right - left) * (double)row / (double)(rows - 1);
}

/* NaN stays NaN, and parts the line. */
static double place_y(const panel *p, double h, double value) {
  if (p->log) value = value > 0 ? log10(value) : (double)NAN;
  return h - bottom - (h - bottom - top) * (value - p->low) / (p->high - p->low);
}

/* Epochs are marked at multiples of a round step, and the first one; what would stand too close to it is left out. */
static void draw_axes(kohl_canvas *c, const panel *p, double right, double h) {
  double ticks[TICKS];
  char text[32];
  int count = kohl_ticks(p->low, p->high, p->log ? TICKS - 1 : 6, ticks);
  for (int i = 0; i < count; i++) {
    double value = p->log ? pow(10, ticks[i]) : ticks[i], y = place_y(p, h, value);
    if (p->log && ticks[i] != floor(ticks[i])) continue;
    kohl_canvas_colour(c, KOHL_GRID);
    kohl_canvas_line(c, left, y, right, y, 0.7, KOHL_SOLID);
    kohl_canvas_colour(c, KOHL_INK);
    snprintf(text, sizeof text, p->percent ? "%.0f %%" : "%g",
             p->percent            ? 100 * value
             : fabs(value) < 1e-12 ? 0
                                   : value);
    kohl_canvas_text(c, left - 6, y + 3.5, 10, 1, text);
  }
  size_t step = 1;
  count = kohl_ticks(0, (double)p->epochs->rows, TICKS, ticks);
  if (count > 1 && ticks[1] - ticks[0] > 1) step = (size_t)(ticks[1] - ticks[0]);
  double past = -INFINITY;
  for (size_t row = 0; row < p->epochs->rows; row++) {
    double x = place_x(p, right, row);
    if ((row && (row + 1) % step) || (row && row * 4 < step * 3) || x - past < 20) continue;
    past = x;
    kohl_canvas_line(c, x, h - bottom, x, h - bottom + 4, 0.8, KOHL_SOLID);
    snprintf(text, sizeof text, "%g", epoch_of(p->epochs, row));
    kohl_canvas_text(c, x, h - bottom + 15, 10, 0.5, text);
  }
  kohl_canvas_line(c, left, h - bottom, right, h - bottom, 1, KOHL_SOLID);
  kohl_canvas_text(c, (left + right) / 2, h - 8, 10, 0.5, "epoch");
}

/* Where a phase begins: a line, with its name above the diagram; and where the kept epoch is. */
static void draw_events(kohl_canvas *c, const panel *p, double right, double h) {
  char text[KOHL_SHORT];
  const kohl_report_epochs *e = p->epochs;
  kohl_canvas_colour(c, KOHL_FAINT);
  for (size_t row = 0, next; row < e->rows && e->phase; row = next) {
    for (next = row + 1; next < e->rows && strcmp(e->phase[next], e->phase[row]) == 0; next++) {
    }
    double x = row ? (place_x(p, right, row) + place_x(p, right, row - 1)) / 2 : left;
    double end = next < e->rows ? (place_x(p, right, next) + place_x(p, right, next - 1)) / 2 : right;
    if (row) kohl_canvas_line(c, x, phases - 9, x, h - bottom, 1.1, KOHL_DASHED);
    kohl_canvas_shorten(c, 9, end - x - 8, e->phase[row], text);
    if (end - x > 20) kohl_canvas_text(c, x + 4, phases, 9, 0, text);
  }
  if (p->best < 0) return;
  double x = place_x(p, right, (size_t)p->best);
  kohl_canvas_line(c, x, top - 3, x, h - bottom, 0.9, KOHL_DOTTED);
  snprintf(text, sizeof text, "kept: epoch %g", epoch_of(p->epochs, (size_t)p->best));
  double half = kohl_canvas_width(c, 9, text) / 2;
  if (x - half < left) x = left + half;
  if (x + half > right) x = right - half;
  kohl_canvas_text(c, x, top - 7, 9, 0.5, text);
}

/* Names at the ends of the lines, moved apart where they would touch. */
static void draw_names(kohl_canvas *c, const panel *p, double right, double h, const double *end) {
  enum { APART = 13 };
  int order[SERIES], count = 0;
  double y[SERIES];
  for (int s = 0; s < p->count; s++) {
    if (!isfinite(end[s])) continue;
    int at = count++;
    for (; at > 0 && end[order[at - 1]] > end[s]; at--) order[at] = order[at - 1];
    order[at] = s;
  }
  for (int i = 0; i < count; i++) {
    y[i] = end[order[i]];
    if (i && y[i] < y[i - 1] + APART) y[i] = y[i - 1] + APART;
  }
  /* the last may now be below the diagram: push back upwards */
  double over = count ? y[count - 1] - (h - bottom - 2) : 0;
  for (int i = count - 1; i >= 0 && over > 0; i--) {
    double limit = i == count - 1 ? h - bottom - 2 : y[i + 1] - APART;
    if (y[i] > limit) y[i] = limit;
  }
  for (int i = 0; i < count; i++) {
    const series *s = &p->series[order[i]];
    if (!*s->label) continue;
    kohl_canvas_colour(c, s->colour);
    kohl_canvas_mark(c, right + 12, y[i], s->marker);
    kohl_canvas_colour(c, KOHL_INK);
    kohl_canvas_text(c, right + 20, y[i] + 3.5, 10, 0, s->label);
  }
}

/* Runs twice, for SVG and PNG, and measures each time: fonts are hinted differently. */
static void draw(kohl_canvas *c, const kohl_figure *figure) {
  const panel *p = figure->what;
  double widest = 0, end[SERIES], right, h = figure->h;
  for (int s = 0; s < p->count; s++) {
    double width = kohl_canvas_width(c, 10, p->series[s].label);
    if (width > widest) widest = width;
  }
  right = figure->w - (widest > 0 ? widest + 26 : 14);
  kohl_canvas_colour(c, KOHL_INK);
  kohl_canvas_bold(c, 8, 17, 12, 0, p->heading);
  draw_axes(c, p, right, h);
  draw_events(c, p, right, h);
  for (int s = 0; s < p->count; s++) {
    int column = kohl_report_column(p->epochs, p->series[s].column);
    size_t rows = p->epochs->rows, every = rows > MARKS ? rows / (MARKS / 2) : 1;
    end[s] = (double)NAN;
    for (size_t row = 0; row < rows; row++) {
      p->x[row] = place_x(p, right, row);
      p->y[row] = place_y(p, h, kohl_report_cell(p->epochs, row, column));
      if (isfinite(p->y[row])) end[s] = p->y[row];
    }
    kohl_canvas_colour(c, p->series[s].colour);
    kohl_canvas_path(c, p->x, p->y, rows, 1.8, p->series[s].stroke);
    for (size_t row = 0; row < rows; row += every) {
      if (isfinite(p->y[row])) kohl_canvas_mark(c, p->x[row], p->y[row], p->series[s].marker);
    }
  }
  draw_names(c, p, right, h, end);
}

/* "Loss over 12 epochs. training: from 1.74 to 0.05, between 0.05 and 1.74." */
static void describe(const panel *p, kohl_text *alt) {
  kohl_text_add(alt, "%s over %zu epochs.", p->heading, p->epochs->rows);
  for (int s = 0; s < p->count; s++) {
    int column = kohl_report_column(p->epochs, p->series[s].column);
    double first = (double)NAN, last = first, low = INFINITY, high = -INFINITY;
    for (size_t row = 0; row < p->epochs->rows; row++) {
      double value = kohl_report_cell(p->epochs, row, column);
      if (value != value) continue;
      if (first != first) first = value;
      last = value;
      low = fmin(low, value);
      high = fmax(high, value);
    }
    if (first != first) continue;
    kohl_text_add(alt, " %s: from %.4g to %.4g, between %.4g and %.4g.", p->series[s].column, first, last, low, high);
  }
}

/* Nothing, where no cell of the columns holds a number. */
static kohl_status add_panel(kohl_report *r, panel *p, const char *name) {
  kohl_text alt = {.ctx = r->ctx};
  if (!set_range(p)) return KOHL_OK;
  describe(p, &alt);
  kohl_status status = alt.status;
  bool wide = p->series == rate_series; /* it stands alone below the other two */
  kohl_figure figure = {name, alt.text, wide ? 964 : 470, wide ? 210 : 320, draw, p};
  if (status == KOHL_OK) status = kohl_report_figure(r, &figure, "");
  if (status == KOHL_OK) kohl_report_figure_end(r);
  kohl_text_free(&alt);
  return status;
}

/* All columns of the file, known or not, with its own names for them. */
static void add_table(kohl_report *r, long best) {
  const kohl_report_epochs *e = &r->input->epochs;
  int epoch = kohl_report_column(e, "epoch"), phase = kohl_report_column(e, "phase");
  kohl_report_numbers(r, "The numbers of every epoch");
  kohl_text_add(&r->html,
                "<div class=\"wide\"><table><caption>metrics.csv</caption>\n<thead><tr><th scope=\"col\" "
                "class=\"word\">epoch</th>");
  for (size_t i = 0; i < e->columns; i++) {
    if ((int)i == epoch) continue;
    kohl_text_add(&r->html, "<th scope=\"col\">");
    kohl_page_text(&r->html, e->name[i]);
    kohl_text_add(&r->html, "</th>");
  }
  kohl_text_add(&r->html, "</tr></thead>\n<tbody>\n");
  for (size_t row = 0; row < e->rows; row++) {
    char head[64];
    snprintf(head, sizeof head, "%g%s", epoch_of(e, row), (long)row == best ? " (kept)" : "");
    kohl_page_row_head(&r->html, head);
    for (size_t i = 0; i < e->columns; i++) {
      double value = kohl_report_cell(e, row, (int)i);
      if ((int)i == epoch) continue;
      if ((int)i == phase) {
        kohl_page_cell(&r->html, "%s", e->phase[row]);
      } else if (value == value) {
        kohl_page_cell(&r->html, "%.6g", value);
      } else {
        kohl_page_cell(&r->html, "-");
      }
    }
    kohl_text_add(&r->html, "</tr>\n");
  }
  kohl_page_table_end(&r->html);
  if (r->cairo) kohl_page_fold_end(&r->html);
}

kohl_status kohl_report_curves(kohl_report *r) {
  const kohl_report_epochs *e = &r->input->epochs;
  kohl_page_section(&r->html, "curves", "Curves");
  if (e->rows == 0) {
    kohl_page_missing(&r->html, "metrics.csv is missing or has no epoch yet: there are no curves.");
    kohl_text_add(&r->html, "</section>\n");
    return r->html.status;
  }
  panel panels[] = {{.heading = "Loss", .series = loss_series, .count = 2},
                    {.heading = "Accuracy", .series = accuracy_series, .count = 3, .percent = true},
                    {.heading = "Learning rate", .series = rate_series, .count = 1, .log = true}};
  static const char *const names[] = {"loss", "accuracy", "learning_rate"};
  double *points;
  long best = kohl_report_best(r->input);
  kohl_status status = kohl_alloc(r->ctx, e->rows, 2 * sizeof *points, "points of a figure", &points);
  if (status != KOHL_OK) return status;
  if (isnan(kohl_report_cell(e, (size_t)best, kohl_report_column(e, "val_loss")))) {
    kohl_page_missing(&r->html, "This run has no validation part: only the training's own figures are here.");
  }
  if (r->cairo) kohl_text_add(&r->html, "<div class=\"pair\">\n");
  for (int i = 0; i < 3 && status == KOHL_OK; i++) {
    panels[i].epochs = e;
    panels[i].best = best;
    panels[i].x = points;
    panels[i].y = points + e->rows;
    if (r->cairo) status = add_panel(r, &panels[i], names[i]);
  }
  if (r->cairo) kohl_text_add(&r->html, "</div>\n");
  add_table(r, best);
  kohl_text_add(&r->html, "</section>\n");
  kohl_free(r->ctx, points);
  return status == KOHL_OK ? r->html.status : status;
}
