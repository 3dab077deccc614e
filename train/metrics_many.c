/* Many labels a picture: counts, averages, and thresholds. */
#include "train/metrics_many.h"

#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/metrics_rank.h"

static kohl_status check_rows(kohl_context *ctx, const float *probabilities, size_t n, size_t classes) {
  for (size_t i = 0; i < n; i++) {
    for (size_t c = 0; c < classes; c++) {
      float p = probabilities[i * classes + c];
      if (p >= 0.0f && p <= 1.0f) continue;
      if (p != p) return kohl_fail(ctx, KOHL_NOT_FINITE, "sample %zu: a probability is NaN", i);
      return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: probability %g of class %zu, expected 0 to 1", i, (double)p,
                       c);
    }
  }
  return KOHL_OK;
}

/* One picture: its decisions into the classes, its own precision, recall and F into the sums of `samples`. */
static void count_row(const float *row, const uint8_t *marks, kohl_metrics_many *m) {
  kohl_class_metrics own = {0};
  for (int c = 0; c < m->classes; c++) {
    kohl_class_metrics *one = &m->per_class[c];
    const bool has = marks[c] != 0, given = row[c] >= m->thresholds[c];
    const double p = (double)row[c], off = p - has, clipped = kohl_probability_clip(p);
    one->support += has;
    one->predicted += given;
    one->right += has && given;
    one->brier += off * off;
    own.support += has;
    own.predicted += given;
    own.right += has && given;
    m->log_loss -= log(has ? clipped : 1 - clipped);
    kohl_calibration_add(&m->calibration, p, has);
  }
  kohl_class_metrics_finish(&own, m->classes, m->beta);
  m->exact += own.right == own.support && own.right == own.predicted;
  m->samples_precision += own.precision;
  m->samples_recall += own.recall;
  m->samples_f1 += own.f1;
  m->samples_fbeta += own.fbeta;
}

static void average(kohl_metrics_many *m) {
  const double n = m->n ? (double)m->n : 1.0, k = m->classes, decisions = n * k;
  const kohl_class_sums sums = kohl_class_sums_make(m->per_class, m->classes, m->n, m->beta);
  kohl_class_metrics all = {.support = sums.support, .predicted = sums.predicted, .right = sums.right};
  const double support = all.support ? (double)all.support : 1.0;
  kohl_class_metrics_finish(&all, (int64_t)m->n * m->classes, m->beta);
  m->marks = all.support;
  m->chosen = all.predicted;
  m->brier = sums.brier / k;
  m->macro_precision = sums.precision / k;
  m->macro_recall = sums.recall / k;
  m->macro_f1 = sums.f1 / k;
  m->macro_fbeta = sums.fbeta / k;
  m->weighted_precision = sums.weighted_precision / support;
  m->weighted_recall = sums.weighted_recall / support;
  m->weighted_f1 = sums.weighted_f1 / support;
  m->weighted_fbeta = sums.weighted_fbeta / support;
  m->micro_precision = all.precision;
  m->micro_recall = all.recall;
  m->micro_f1 = all.f1;
  m->micro_fbeta = all.fbeta;
  m->samples_precision /= n;
  m->samples_recall /= n;
  m->samples_f1 /= n;
  m->samples_fbeta /= n;
  m->subset_accuracy = (double)m->exact / n;
  m->hamming_loss = (double)(all.support + all.predicted - 2 * all.right) / decisions;
  m->log_loss /= decisions;
  kohl_calibration_finish(&m->calibration);
  m->ece = m->calibration.ece;
}

static kohl_status rank(kohl_context *ctx, const float *probabilities, const uint8_t *marks, kohl_metrics_many *m) {
  kohl_rank_averages r;
  kohl_status status = kohl_rank_classes(ctx, probabilities, NULL, marks, m->n, m->classes, m->per_class, &r);
  m->roc_auc_macro = r.roc_auc_macro;
  m->roc_auc_micro = r.roc_auc_micro;
  m->average_precision_macro = r.average_precision_macro;
  m->average_precision_micro = r.average_precision_micro;
  m->classes_used = r.classes_used;
  m->micro_ranked = r.micro_ranked;
  return status;
}

kohl_status kohl_metrics_many_measure(kohl_context *ctx, const float *probabilities, const uint8_t *marks, size_t n,
                                      int classes, const float *thresholds, const kohl_metrics_options *options,
                                      kohl_metrics_many *out) {
  memset(out, 0, sizeof *out);
  size_t k = (size_t)classes;
  kohl_status status = kohl_metrics_check(ctx, classes, options);
  if (status == KOHL_OK) status = check_rows(ctx, probabilities, n, k);
  if (status != KOHL_OK) return status;
  out->n = n;
  out->classes = classes;
  out->beta = options->beta;
  status = kohl_alloc(ctx, k, sizeof *out->per_class, "label metrics", &out->per_class);
  if (status == KOHL_OK) status = kohl_alloc(ctx, k, sizeof *out->thresholds, "thresholds", &out->thresholds);
  if (status == KOHL_OK) {
    for (size_t c = 0; c < k; c++) out->thresholds[c] = thresholds ? thresholds[c] : 0.5f;
    for (size_t i = 0; i < n; i++) count_row(probabilities + i * k, marks + i * k, out);
    average(out);
  }
  if (status == KOHL_OK && options->ranks) status = rank(ctx, probabilities, marks, out);
  if (status != KOHL_OK) kohl_metrics_many_free(ctx, out);
  return status;
}

kohl_status kohl_metrics_many_compute(kohl_context *ctx, const float *probabilities, const uint8_t *marks, size_t n,
                                      int classes, const float *thresholds, double beta, kohl_metrics_many *out) {
  const kohl_metrics_options options = {.beta = beta, .ranks = true};
  return kohl_metrics_many_measure(ctx, probabilities, marks, n, classes, thresholds, &options, out);
}

void kohl_metrics_many_free(kohl_context *ctx, kohl_metrics_many *metrics) {
  kohl_free(ctx, metrics->per_class);
  kohl_free(ctx, metrics->thresholds);
  memset(metrics, 0, sizeof *metrics);
}
