/* ROC AUC and average precision in one pass over sorted keys.  Counts are whole numbers up to the last division, the
 * area in halves of a pair: at most count^2 / 2 of them, which 64 bits hold. */
#include "train/metrics_rank.h"

#include "kernels/core/alloc.h"

enum { DIGIT = 11, BUCKETS = 1 << DIGIT, PASSES = 3 };

/* The result of the last pass is not in keys, since the number of passes is odd. */
void kohl_rank_sort(uint32_t *keys, uint32_t *sorted, size_t count) {
  uint32_t *from = keys, *to = sorted;
  for (int pass = 0; pass < PASSES; pass++) {
    size_t begin[BUCKETS] = {0}, sum = 0;
    int shift = pass * DIGIT;
    for (size_t i = 0; i < count; i++) begin[from[i] >> shift & (BUCKETS - 1)]++;
    for (int b = 0; b < BUCKETS; b++) {
      size_t here = begin[b];
      begin[b] = sum;
      sum += here;
    }
    for (size_t i = 0; i < count; i++) to[begin[from[i] >> shift & (BUCKETS - 1)]++] = from[i];
    uint32_t *swap = from;
    from = to;
    to = swap;
  }
}

kohl_rank kohl_rank_measure(uint32_t *keys, uint32_t *scratch, size_t count) {
  uint64_t positives = 0, hits = 0, misses = 0, halves = 0;
  double precisions = 0;
  kohl_rank_sort(keys, scratch, count);
  for (size_t i = 0; i < count; i++) positives += scratch[i] & 1;
  uint64_t negatives = count - positives;
  if (!positives || !negatives) return (kohl_rank){0, 0, false};
  for (size_t i = count; i > 0;) {
    uint32_t score = scratch[i - 1] >> 1;
    uint64_t own = 0, others = 0;
    for (; i > 0 && scratch[i - 1] >> 1 == score; i--) {
      own += scratch[i - 1] & 1;
      others += 1 - (scratch[i - 1] & 1);
    }
    halves += others * (2 * hits + own);
    hits += own;
    misses += others;
    precisions += (double)own * ((double)hits / (double)(hits + misses));
  }
  return (kohl_rank){(double)halves / (2.0 * (double)positives * (double)negatives), precisions / (double)positives,
                     true};
}

typedef struct table {
  const float *probabilities;
  const int32_t *truth;
  const uint8_t *marks;
  size_t n, classes;
} table;

static uint32_t key_at(const table *t, size_t i, size_t c) {
  size_t at = i * t->classes + c;
  return kohl_rank_key(t->probabilities[at], t->marks ? t->marks[at] != 0 : (size_t)t->truth[i] == c);
}

static kohl_status rank_all(kohl_context *ctx, const table *t, uint32_t *keys, uint32_t *scratch,
                            kohl_class_metrics *per_class, kohl_rank_averages *out) {
  for (size_t c = 0; c < t->classes; c++) {
    for (size_t i = 0; i < t->n; i++) keys[i] = key_at(t, i, c);
    kohl_rank r = kohl_rank_measure(keys, scratch, t->n);
    per_class[c].roc_auc = r.roc_auc;
    per_class[c].average_precision = r.average_precision;
    per_class[c].ranked = r.known;
    out->classes_used += r.known;
    out->roc_auc_macro += r.roc_auc;
    out->average_precision_macro += r.average_precision;
    kohl_status status = kohl_check_cancel(ctx);
    if (status != KOHL_OK) return status;
  }
  double used = out->classes_used ? out->classes_used : 1.0;
  out->roc_auc_macro /= used;
  out->average_precision_macro /= used;
  for (size_t i = 0; i < t->n; i++) {
    for (size_t c = 0; c < t->classes; c++) keys[i * t->classes + c] = key_at(t, i, c);
  }
  kohl_rank r = kohl_rank_measure(keys, scratch, t->n * t->classes);
  out->micro_ranked = r.known;
  out->roc_auc_micro = r.roc_auc;
  out->average_precision_micro = r.average_precision;
  return KOHL_OK;
}

kohl_status kohl_rank_classes(kohl_context *ctx, const float *probabilities, const int32_t *truth, const uint8_t *marks,
                              size_t n, int classes, kohl_class_metrics *per_class, kohl_rank_averages *out) {
  const table t = {probabilities, truth, marks, n, (size_t)classes};
  uint32_t *keys = NULL, *scratch = NULL;
  size_t all = n * (size_t)classes;
  memset(out, 0, sizeof *out);
  if (all > UINT32_MAX) {
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "metrics: %zu probabilities to be sorted, expected less than 2^32", all);
  }
  kohl_status status = kohl_alloc(ctx, all, sizeof *keys, "a sort of the probabilities", &keys);
  if (status == KOHL_OK) status = kohl_alloc(ctx, all, sizeof *scratch, "a sort of the probabilities", &scratch);
  if (status == KOHL_OK) status = rank_all(ctx, &t, keys, scratch, per_class, out);
  kohl_free(ctx, keys);
  kohl_free(ctx, scratch);
  return status;
}
