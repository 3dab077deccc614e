/* How far a probability can be believed: of the pictures that were given 80 %, are 80 % right? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/report/sections.h"

enum { TICKS = 6 };

/* Points: the diagram is a square, below it is a histogram of the same bins. */
static const double left = 56, top = 24, side = 300, gap = 34, low = 76, width = 530;

/* Counts are whole: ticks between them are left out. */
static void draw_axes(kohl_canvas *c, const kohl_calibration *x, double most) {
  char text[32];
  double ticks[TICKS];
  kohl_canvas_colour(c, KOHL_INK);
  for (int i = 0; i <= 4; i++) {
    double at = i / 4.0 * side;
    kohl_canvas_colour(c, KOHL_GRID);
    kohl_canvas_line(c, left, top + side - at, left + side, top + side - at, 0.7, KOHL_SOLID);
    kohl_canvas_colour(c, KOHL_INK);
    snprintf(text, sizeof text, "%d %%", 25 * i);
    kohl_canvas_text(c, left - 6, top + side - at + 3.5, 10, 1, text);
    kohl_canvas_line(c, left + at, top + side + gap + low, left + at, top + side + gap + low + 4, 0.8, KOHL_SOLID);
    kohl_canvas_text(c, left + at, top + side + gap + low + 15, 10, 0.5, text);
  }
  int count = kohl_ticks(0, most, 4, ticks);
  for (int i = 0; i < count; i++) {
    double y = top + side + gap + low * (1 - ticks[i] / most);
    if (ticks[i] != floor(ticks[i])) continue;
    snprintf(text, sizeof text, "%g", ticks[i]);
    kohl_canvas_colour(c, KOHL_GRID);
    kohl_canvas_line(c, left, y, left + side, y, 0.7, KOHL_SOLID);
    kohl_canvas_colour(c, KOHL_INK);
    kohl_canvas_text(c, left - 6, y + 3.5, 10, 1, text);
  }
  kohl_canvas_text(c, left, top - 6, 10, 0, "share that is right");
  kohl_canvas_text(c, left, top + side + gap - 8, 10, 0, "pictures");
  kohl_canvas_text(c, left + side / 2, top + side + gap + low + 31, 10, 0.5, "probability of the answer");
  snprintf(text, sizeof text, "ECE %.3f", x->ece);
  kohl_canvas_bold(c, left + side + 16, top + 12, 11, 0, text);
}

static void draw_key(kohl_canvas *c) {
  const double x = left + side + 16;
  kohl_canvas_colour(c, KOHL_BLUE);
  kohl_canvas_box(c, x, top + 34, 14, 10);
  kohl_canvas_colour(c, KOHL_VERMILLION);
  kohl_canvas_hatch(c, x, top + 54, 14, 10);
  kohl_canvas_frame(c, x, top + 54, 14, 10, 0.8);
  kohl_canvas_colour(c, KOHL_INK);
  kohl_canvas_line(c, x, top + 79, x + 14, top + 79, 1.2, KOHL_DASHED);
  kohl_canvas_text(c, x + 20, top + 43, 9.5, 0, "right");
  kohl_canvas_text(c, x + 20, top + 63, 9.5, 0, "gap");
  kohl_canvas_text(c, x + 20, top + 82, 9.5, 0, "as good as it says");
}

/* The gap is hatched in white where it lies inside the bar (more right than said), else outside of it in vermillion. */
static void draw(kohl_canvas *c, const kohl_figure *figure) {
  const kohl_calibration *x = figure->what;
  const double bin = side / KOHL_CALIBRATION_BINS;
  double most = 1;
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) most = fmax(most, (double)x->bin[b].count);
  draw_axes(c, x, most);
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) {
    if (!x->bin[b].count) continue;
    double right = (double)x->bin[b].right / (double)x->bin[b].count, said = x->bin[b].confidence;
    double at = left + b * bin + 1, upper = fmax(right, said), lower = fmin(right, said);
    kohl_canvas_colour(c, KOHL_BLUE);
    kohl_canvas_box(c, at, top + side * (1 - right), bin - 2, side * right);
    kohl_canvas_colour(c, right > said ? 0xffffff : KOHL_VERMILLION);
    kohl_canvas_hatch(c, at, top + side * (1 - upper), bin - 2, side * (upper - lower));
    kohl_canvas_colour(c, KOHL_VERMILLION);
    kohl_canvas_frame(c, at, top + side * (1 - upper), bin - 2, side * (upper - lower), 0.9);
    kohl_canvas_colour(c, KOHL_FAINT);
    kohl_canvas_box(c, at, top + side + gap + low * (1 - (double)x->bin[b].count / most), bin - 2,
                    low * (double)x->bin[b].count / most);
  }
  kohl_canvas_colour(c, KOHL_INK);
  kohl_canvas_line(c, left, top + side, left + side, top, 1.2, KOHL_DASHED);
  kohl_canvas_line(c, left, top + side, left + side, top + side, 1, KOHL_SOLID);
  kohl_canvas_line(c, left, top + side + gap + low, left + side, top + side + gap + low, 1, KOHL_SOLID);
  draw_key(c);
}

static void add_table(kohl_report *r, const kohl_calibration *x) {
  kohl_report_numbers(r, "The numbers of every bin");
  kohl_page_table(&r->html, "Pictures by the probability of their answer",
                  "probability|>pictures|>mean probability|>right|>share right");
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) {
    char head[32];
    snprintf(head, sizeof head, "%.1f to %.1f %%", 100.0 * b / KOHL_CALIBRATION_BINS,
             100.0 * (b + 1) / KOHL_CALIBRATION_BINS);
    kohl_page_row_head(&r->html, head);
    kohl_text_add(&r->html, "<td>%lld</td>", (long long)x->bin[b].count);
    if (x->bin[b].count) {
      kohl_text_add(&r->html, "<td>%.4f</td><td>%lld</td><td>%.4f</td></tr>\n", x->bin[b].confidence,
                    (long long)x->bin[b].right, (double)x->bin[b].right / (double)x->bin[b].count);
    } else {
      kohl_text_add(&r->html, "<td>-</td><td>-</td><td>-</td></tr>\n");
    }
  }
  kohl_page_table_end(&r->html);
  if (r->cairo) kohl_page_fold_end(&r->html);
}

kohl_status kohl_report_reliability(kohl_report *r) {
  const kohl_calibration *x = &r->input->metrics.calibration;
  kohl_page_section(&r->html, "reliability", "How far probabilities can be believed");
  if (!r->input->has_predictions || r->input->predictions.marks) {
    kohl_page_missing(&r->html, r->input->has_predictions
                                    ? "Pictures have several labels here: there is no one probability of the answer."
                                    : "There are no predictions, hence no reliability diagram.");
    kohl_text_add(&r->html, "</section>\n");
    return r->html.status;
  }
  char alt[200];
  double sum = 0, right = 0;
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) {
    sum += x->bin[b].confidence * (double)x->bin[b].count;
    right += (double)x->bin[b].right;
  }
  double n = (double)r->input->predictions.count;
  const char *side_of = sum > right ? "more" : "less";
  snprintf(alt, sizeof alt,
           "Reliability diagram. The mean probability of the answers is %.3f, and %.3f of them are right; expected "
           "calibration error %.3f.",
           sum / n, right / n, x->ece);
  kohl_text_add(&r->html,
                "<p>The answers have a mean probability of %.1f %%, and %.1f %% of them are right: the network is "
                "%s sure than it should be. Expected calibration error (ECE, %d bins): %.4f.</p>\n",
                100 * sum / n, 100 * right / n, side_of, KOHL_CALIBRATION_BINS, x->ece);
  kohl_figure figure = {"reliability", alt, width, top + side + gap + low + 40, draw, x};
  kohl_status status = kohl_report_figure(r, &figure,
                                          "A bar is the share of right answers among those of about that "
                                          "probability; the hatched gap is what is missing to the mean "
                                          "probability, or beyond it. Bars on the dashed line are just "
                                          "as good as they say.");
  if (status != KOHL_OK) return status;
  add_table(r, x);
  kohl_report_figure_end(r);
  kohl_text_add(&r->html, "</section>\n");
  return r->html.status;
}
