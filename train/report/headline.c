/* The head of the page: what was measured on what, in a few large numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/decimal.h"
#include "train/metrics_interval.h"
#include "train/report/sections.h"

void kohl_report_duration(double seconds, char *out, size_t bytes) {
  long s = seconds >= 0 && seconds < 1e12 ? (long)(seconds + 0.5) : 0;
  if (s >= 3600) {
    snprintf(out, bytes, "%ld h %02ld min", s / 3600, s / 60 % 60);
  } else if (s >= 60) {
    snprintf(out, bytes, "%ld min %02ld s", s / 60, s % 60);
  } else {
    snprintf(out, bytes, seconds < 0.0995 ? "%.3f s" : seconds < 9.95 ? "%.1f s" : "%.0f s", seconds);
  }
}

/* All three are ours, no foreign text. */
static void add_card(kohl_report *r, const char *name, const char *value, const char *small) {
  kohl_text_add(&r->html, "<div><dt>%s</dt><dd>%s", name, value);
  if (*small) kohl_text_add(&r->html, "<small>%s</small>", small);
  kohl_text_add(&r->html, "</dd></div>\n");
}

static void add_accuracy(kohl_report *r, const char *name, int64_t right, int64_t n) {
  char value[32], small[96];
  kohl_interval interval = kohl_interval_wilson(right, n);
  snprintf(value, sizeof value, "%.1f %%", 100.0 * (double)right / (double)n);
  snprintf(small, sizeof small, "95 %% interval %.1f to %.1f %%", 100 * interval.low, 100 * interval.high);
  add_card(r, name, value, small);
}

static void add_share(kohl_report *r, const char *name, double share, const char *small) {
  char value[32];
  snprintf(value, sizeof value, "%.1f %%", 100 * share);
  add_card(r, name, value, small);
}

/* Wilson's interval of the accuracy; of the means over classes, which are no shares, one by drawing again. */
static kohl_status add_measured(kohl_report *r) {
  enum { SEED = 0 };
  const kohl_metrics *m = &r->input->metrics;
  const kohl_predictions *p = &r->input->predictions;
  kohl_bootstrap drawn = {0};
  char value[32], small[96] = "mean F1 of the labels";
  add_accuracy(r, p->marks ? "all labels right" : "accuracy", (int64_t)floor(m->accuracy * (double)m->n + 0.5),
               (int64_t)m->n);
  if (!p->marks) {
    kohl_status status = kohl_bootstrap_run(r->ctx, p->probabilities, p->truth, p->count, p->classes,
                                            KOHL_BOOTSTRAP_RESAMPLES, SEED, &drawn);
    if (status != KOHL_OK) return status;
    snprintf(small, sizeof small, "95 %% interval %.1f to %.1f %%; the mean recall of the classes",
             100 * drawn.balanced_accuracy.low, 100 * drawn.balanced_accuracy.high);
    add_share(r, "balanced accuracy", m->balanced_accuracy, small);
    snprintf(small, sizeof small, "95 %% interval %.3f to %.3f; the mean F1 of the classes", drawn.macro_f1.low,
             drawn.macro_f1.high);
  }
  snprintf(value, sizeof value, "%.3f", m->macro_f1);
  add_card(r, "macro F1", value, small);
  return KOHL_OK;
}

/* The validation part's figures of the kept epoch, where there are no predictions. */
static void add_validation(kohl_report *r) {
  const kohl_report_epochs *e = &r->input->epochs;
  long best = kohl_report_best(r->input);
  if (best < 0) return;
  double accuracy = kohl_report_cell(e, (size_t)best, kohl_report_column(e, "val_accuracy"));
  double balanced = kohl_report_cell(e, (size_t)best, kohl_report_column(e, "val_balanced_accuracy"));
  double training = kohl_report_cell(e, (size_t)best, kohl_report_column(e, "accuracy"));
  /* metrics.csv has shares: how many were right is the nearest whole number */
  double n = (double)r->input->lists.count[KOHL_REPORT_VALIDATION];
  if (accuracy >= 0 && accuracy <= 1 && n > 0) {
    add_accuracy(r, "validation accuracy", (int64_t)floor(accuracy * n + 0.5), (int64_t)n);
  }
  if (accuracy == accuracy && !(n > 0)) add_share(r, "validation accuracy", accuracy, "");
  if (balanced == balanced) add_share(r, "balanced accuracy", balanced, "mean recall of the classes");
  if (accuracy != accuracy && training == training) {
    add_share(r, "training accuracy", training, "on the pictures it learned from");
  }
}

/* The whole time where run.json has it; the sum of the epochs says that it is no more than that. */
static void add_run(kohl_report *r) {
  const kohl_report_epochs *e = &r->input->epochs;
  const char *fact = kohl_report_fact_find(r->input, "seconds");
  double seconds = fact ? kohl_decimal_read(fact, strlen(fact)) : (double)NAN, sum = 0;
  long best = kohl_report_best(r->input);
  int column = kohl_report_column(e, "seconds"), epoch = kohl_report_column(e, "epoch");
  char value[48], small[64];
  for (size_t row = 0; row < e->rows; row++) {
    double one = kohl_report_cell(e, row, column);
    if (one == one) sum += one;
  }
  if (e->rows) {
    double kept = kohl_report_cell(e, (size_t)best, epoch);
    snprintf(value, sizeof value, "%zu", e->rows);
    snprintf(small, sizeof small, "epoch %g was kept", kept == kept ? kept : (double)best + 1);
    add_card(r, "epochs", value, small);
  }
  if (seconds >= 0) {
    kohl_report_duration(seconds, value, sizeof value);
    add_card(r, "time", value, "the whole run");
  } else if (e->rows && column >= 0) {
    kohl_report_duration(sum, value, sizeof value);
    add_card(r, "time", value, "of the epochs");
  }
}

/* What the predictions are of, by the lists of the run. */
static void add_subject(kohl_report *r) {
  static const char *const names[KOHL_REPORT_PARTS] = {"training", "validation", "test"};
  const kohl_predictions *p = &r->input->predictions;
  size_t found[KOHL_REPORT_PARTS] = {0}, other = 0;
  for (size_t i = 0; i < p->count; i++) {
    int part = 0;
    while (part < KOHL_REPORT_PARTS && !kohl_report_list_has(&r->input->lists, part, p->file[i])) part++;
    if (part < KOHL_REPORT_PARTS) found[part]++;
    if (part == KOHL_REPORT_PARTS) other++;
  }
  kohl_text_add(&r->html, "<p class=\"of\">Measured on %zu pictures", p->count);
  bool first = true;
  for (int part = 0; part < KOHL_REPORT_PARTS; part++) {
    if (!found[part]) continue;
    if (found[part] == p->count) {
      kohl_text_add(&r->html, ": the run's %s part", names[part]);
    } else {
      kohl_text_add(&r->html, "%s%zu of the run's %s part", first ? ": " : ", ", found[part], names[part]);
    }
    first = false;
  }
  if (other) kohl_text_add(&r->html, "%s%zu that are in none of its lists", first ? ": " : ", ", other);
  kohl_text_add(&r->html, ".</p>\n");
  if (found[KOHL_REPORT_TRAIN]) {
    kohl_text_add(&r->html,
                  "<p class=\"missing\">%zu of these pictures were trained on: the figures are better than "
                  "those of new pictures will be.</p>\n",
                  found[KOHL_REPORT_TRAIN]);
  }
}

static void add_navigation(kohl_report *r) {
  static const char *const links[][2] = {
      {"curves", "Curves"},           {"confusion", "Confusion matrix"}, {"classes", "Classes"},
      {"reliability", "Reliability"}, {"pictures", "Pictures"},          {"data", "Data"},
      {"recipe", "Recipe"},           {"cost", "Time and memory"},       {"again", "How to reproduce"}};
  kohl_text_add(&r->html, "<nav aria-label=\"Contents\">");
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    kohl_text_add(&r->html, "<a href=\"#%s\">%s</a> ", links[i][0], links[i][1]);
  }
  kohl_text_add(&r->html, "</nav>\n");
}

kohl_status kohl_report_headline(kohl_report *r, const char *title) {
  kohl_text_add(&r->html, "<header>\n<h1>");
  kohl_page_text(&r->html, title);
  kohl_text_add(&r->html, "</h1>\n");
  if (r->input->has_predictions) {
    add_subject(r);
  } else {
    kohl_page_missing(&r->html,
                      "There is no predictions.csv: the figures below are those of metrics.csv, and confusion "
                      "matrix, classes, reliability and pictures are missing.");
  }
  kohl_text_add(&r->html, "<dl class=\"head\">\n");
  kohl_status status = KOHL_OK;
  if (r->input->has_predictions) {
    status = add_measured(r);
  } else {
    add_validation(r);
  }
  add_run(r);
  kohl_text_add(&r->html, "</dl>\n");
  add_navigation(r);
  kohl_text_add(&r->html, "</header>\n<main>\n");
  return status == KOHL_OK ? r->html.status : status;
}
