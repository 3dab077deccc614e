/* Counting right and wrong answers.  All counts are whole numbers, so that no order of summation matters before the
 * last divisions. */
#include "train/metrics.h"

#include <string.h>

#include "kernels/core/alloc.h"

/* How many classes stand before `truth` in the order of falling probability, equal ones by index; -1 for a NaN.
 * *best becomes the first class of that order. */
static int rank_of(const float *row, int classes, int truth, int *best) {
  int before = 0;
  *best = 0;
  for (int c = 0; c < classes; c++) {
    if (row[c] != row[c]) return -1;
    if (row[c] > row[*best]) *best = c;
    if (row[c] > row[truth] || (row[c] == row[truth] && c < truth)) before++;
  }
  return before;
}

static double share(int64_t part, int64_t whole) { return whole > 0 ? (double)part / (double)whole : 0.0; }

static void summarise(kohl_metrics *m) {
  int64_t right = 0;
  int supported = 0, seen = 0;
  double recalls = 0, f1s = 0;
  for (int c = 0; c < m->classes; c++) {
    kohl_class_metrics *one = &m->per_class[c];
    int64_t hit = m->confusion[(size_t)c * (size_t)m->classes + (size_t)c];
    right += hit;
    one->precision = share(hit, one->predicted);
    one->recall = share(hit, one->support);
    one->f1 = share(2 * hit, one->support + one->predicted);
    if (one->support) supported++, recalls += one->recall;
    if (one->support || one->predicted) seen++, f1s += one->f1;
  }
  m->accuracy = share(right, (int64_t)m->n);
  m->balanced_accuracy = supported ? recalls / supported : 0.0;
  m->macro_f1 = seen ? f1s / seen : 0.0;
}

static kohl_status count(kohl_context *ctx, const float *probabilities, const int32_t *truth, kohl_metrics *m) {
  int64_t top3 = 0, top5 = 0;
  for (size_t i = 0; i < m->n; i++) {
    if (truth[i] < 0 || truth[i] >= m->classes) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: class %d, expected 0 to %d", i, (int)truth[i], m->classes - 1);
    }
    int best, before = rank_of(probabilities + i * (size_t)m->classes, m->classes, truth[i], &best);
    if (before < 0) return kohl_fail(ctx, KOHL_NOT_FINITE, "sample %zu: a probability is NaN", i);
    top3 += before < 3;
    top5 += before < 5;
    m->per_class[truth[i]].support++;
    m->per_class[best].predicted++;
    m->confusion[(size_t)truth[i] * (size_t)m->classes + (size_t)best]++;
  }
  m->top3 = share(top3, (int64_t)m->n);
  m->top5 = share(top5, (int64_t)m->n);
  return KOHL_OK;
}

kohl_status kohl_metrics_compute(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                                 int classes, kohl_metrics *out) {
  memset(out, 0, sizeof *out);
  if (classes < 1) return kohl_fail(ctx, KOHL_USAGE, "metrics: %d classes, expected at least 1", classes);
  out->n = n;
  out->classes = classes;
  size_t k = (size_t)classes;
  kohl_status status = kohl_alloc(ctx, k, sizeof *out->per_class, "class metrics", &out->per_class);
  if (status == KOHL_OK) status = kohl_alloc(ctx, k * k, sizeof *out->confusion, "confusion matrix", &out->confusion);
  if (status == KOHL_OK) status = count(ctx, probabilities, truth, out);
  if (status == KOHL_OK) {
    summarise(out);
  } else {
    kohl_metrics_free(ctx, out);
  }
  return status;
}

void kohl_metrics_free(kohl_context *ctx, kohl_metrics *metrics) {
  kohl_free(ctx, metrics->per_class);
  kohl_free(ctx, metrics->confusion);
  memset(metrics, 0, sizeof *metrics);
}
