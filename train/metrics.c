/* One label a picture.  Right and wrong answers are counted in whole numbers, so that no order of summation matters
 * before the last divisions. */
#include "train/metrics.h"

#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/metrics_rank.h"

kohl_metrics_options kohl_metrics_options_default(void) { return (kohl_metrics_options){.beta = 1, .ranks = true}; }

kohl_status kohl_metrics_check(kohl_context *ctx, int classes, const kohl_metrics_options *options) {
  if (classes < 1) return kohl_fail(ctx, KOHL_USAGE, "metrics: %d classes, expected at least 1", classes);
  if (options->beta > 0 && options->beta <= 1e6) return KOHL_OK;
  return kohl_fail(ctx, KOHL_USAGE, "metrics: beta %g, expected a number above 0, at most 1e6", options->beta);
}

static double share(int64_t part, int64_t whole) { return whole > 0 ? (double)part / (double)whole : 0.0; }

void kohl_class_metrics_finish(kohl_class_metrics *one, int64_t n, double beta) {
  const double squared = beta * beta;
  int64_t others = n - one->support, mistaken = one->predicted - one->right;
  one->precision = share(one->right, one->predicted);
  one->recall = share(one->right, one->support);
  one->f1 = share(2 * one->right, one->support + one->predicted);
  one->fbeta =
      one->right ? (1 + squared) * (double)one->right / (squared * (double)one->support + (double)one->predicted) : 0.0;
  one->specificity = share(others - mistaken, others);
}

/* The place of `truth` in the order of falling probability, from 0; *best becomes the class at place 0. */
static int place_of(const float *row, int classes, int truth, int *best) {
  int before = 0;
  *best = 0;
  for (int c = 0; c < classes; c++) {
    if (row[c] > row[*best]) *best = c;
    if (row[c] > row[truth] || (row[c] == row[truth] && c < truth)) before++;
  }
  return before;
}

static kohl_status check_sample(kohl_context *ctx, const float *row, int classes, size_t i, int32_t truth) {
  if (truth < 0 || truth >= classes) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: class %d, expected 0 to %d", i, (int)truth, classes - 1);
  }
  for (int c = 0; c < classes; c++) {
    if (row[c] >= 0.0f && row[c] <= 1.0f) continue;
    if (row[c] != row[c]) return kohl_fail(ctx, KOHL_NOT_FINITE, "sample %zu: a probability is NaN", i);
    return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: probability %g of class %d, expected 0 to 1", i, (double)row[c],
                     c);
  }
  return KOHL_OK;
}

/* Adds the sample's part of Brier scores and log loss, which become means in the end. */
static void add_scores(const float *row, int32_t truth, kohl_metrics *m) {
  double sum = 0;
  for (int c = 0; c < m->classes; c++) {
    double p = (double)row[c], off = p - (c == truth);
    sum += kohl_probability_clip(p);
    m->per_class[c].brier += off * off;
  }
  m->log_loss -= log(kohl_probability_clip((double)row[truth]) / sum);
}

static kohl_status count(kohl_context *ctx, const float *probabilities, const int32_t *truth, kohl_metrics *m) {
  for (size_t i = 0; i < m->n; i++) {
    const float *row = probabilities + i * (size_t)m->classes;
    kohl_status status = check_sample(ctx, row, m->classes, i, truth[i]);
    if (status != KOHL_OK) return status;
    int best, place = place_of(row, m->classes, truth[i], &best);
    m->places[place]++;
    m->per_class[truth[i]].support++;
    m->per_class[best].predicted++;
    m->per_class[best].right += best == truth[i];
    m->confusion[(size_t)truth[i] * (size_t)m->classes + (size_t)best]++;
    kohl_calibration_add(&m->calibration, (double)row[best], best == truth[i]);
    add_scores(row, truth[i], m);
  }
  kohl_calibration_finish(&m->calibration);
  m->ece = m->calibration.ece;
  return KOHL_OK;
}

static void add_class(kohl_class_sums *s, const kohl_class_metrics *one) {
  const double support = (double)one->support;
  s->brier += one->brier;
  if (!one->support && !one->predicted) return;
  s->seen++;
  s->supported += one->support > 0;
  s->support += one->support;
  s->predicted += one->predicted;
  s->right += one->right;
  s->precision += one->precision;
  s->recall += one->recall; /* 0 without support */
  s->f1 += one->f1;
  s->fbeta += one->fbeta;
  s->specificity += one->specificity;
  s->weighted_precision += support * one->precision;
  s->weighted_recall += support * one->recall;
  s->weighted_f1 += support * one->f1;
  s->weighted_fbeta += support * one->fbeta;
}

kohl_class_sums kohl_class_sums_make(kohl_class_metrics *per_class, int classes, size_t n, double beta) {
  kohl_class_sums sums = {0};
  for (int c = 0; c < classes; c++) {
    kohl_class_metrics_finish(&per_class[c], (int64_t)n, beta);
    per_class[c].brier /= n ? (double)n : 1.0;
    add_class(&sums, &per_class[c]);
  }
  return sums;
}

static void average(kohl_metrics *m) {
  const double n = m->n ? (double)m->n : 1.0;
  const int64_t total = (int64_t)m->n;
  const kohl_class_sums sums = kohl_class_sums_make(m->per_class, m->classes, m->n, m->beta);
  const double seen = sums.seen ? sums.seen : 1.0;
  int64_t chance = 0; /* pairs of a true and a predicted sample that agree */
  for (int c = 0; c < m->classes; c++) chance += m->per_class[c].support * m->per_class[c].predicted;
  m->classes_seen = sums.seen;
  m->brier = sums.brier;
  m->log_loss /= n;
  m->accuracy = share(m->places[0], total);
  m->top3 = kohl_metrics_top(m, 3);
  m->top5 = kohl_metrics_top(m, 5);
  m->balanced_accuracy = sums.supported ? sums.recall / sums.supported : 0.0;
  m->kappa = share(total * m->places[0] - chance, total * total - chance);
  m->macro_precision = sums.precision / seen;
  m->macro_recall = sums.recall / seen;
  m->macro_f1 = sums.f1 / seen;
  m->macro_fbeta = sums.fbeta / seen;
  m->macro_specificity = sums.specificity / seen;
  m->weighted_precision = sums.weighted_precision / n;
  m->weighted_recall = sums.weighted_recall / n;
  m->weighted_f1 = sums.weighted_f1 / n;
  m->weighted_fbeta = sums.weighted_fbeta / n;
}

static kohl_status rank(kohl_context *ctx, const float *probabilities, const int32_t *truth, kohl_metrics *m) {
  kohl_rank_averages r;
  kohl_status status = kohl_rank_classes(ctx, probabilities, truth, NULL, m->n, m->classes, m->per_class, &r);
  m->roc_auc_macro = r.roc_auc_macro;
  m->roc_auc_micro = r.roc_auc_micro;
  m->average_precision_macro = r.average_precision_macro;
  m->average_precision_micro = r.average_precision_micro;
  m->classes_used = r.classes_used;
  m->micro_ranked = r.micro_ranked;
  return status;
}

kohl_status kohl_metrics_measure(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                                 int classes, const kohl_metrics_options *options, kohl_metrics *out) {
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_metrics_check(ctx, classes, options);
  if (status != KOHL_OK) return status;
  out->n = n;
  out->classes = classes;
  out->beta = options->beta;
  size_t k = (size_t)classes;
  status = kohl_alloc(ctx, k, sizeof *out->per_class, "class metrics", &out->per_class);
  if (status == KOHL_OK) status = kohl_alloc(ctx, k * k, sizeof *out->confusion, "confusion matrix", &out->confusion);
  if (status == KOHL_OK) status = kohl_alloc(ctx, k, sizeof *out->places, "places", &out->places);
  if (status == KOHL_OK) status = count(ctx, probabilities, truth, out);
  if (status == KOHL_OK) average(out);
  if (status == KOHL_OK && options->ranks) status = rank(ctx, probabilities, truth, out);
  if (status != KOHL_OK) kohl_metrics_free(ctx, out);
  return status;
}

kohl_status kohl_metrics_compute(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                                 int classes, kohl_metrics *out) {
  const kohl_metrics_options options = kohl_metrics_options_default();
  return kohl_metrics_measure(ctx, probabilities, truth, n, classes, &options, out);
}

double kohl_metrics_top(const kohl_metrics *metrics, int k) {
  int64_t right = 0;
  for (int i = 0; i < k && i < metrics->classes; i++) right += metrics->places[i];
  return share(right, (int64_t)metrics->n);
}

void kohl_metrics_free(kohl_context *ctx, kohl_metrics *metrics) {
  kohl_free(ctx, metrics->per_class);
  kohl_free(ctx, metrics->confusion);
  kohl_free(ctx, metrics->places);
  memset(metrics, 0, sizeof *metrics);
}
