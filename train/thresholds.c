/* The decision thresholds of labels: where F-beta on the given samples is highest. */
#include "kernels/core/alloc.h"
#include "train/metrics_many.h"
#include "train/metrics_rank.h"

/* Of count sorted keys, of which positives are marked.  With t samples of the label among k at or above a score,
 * F-beta is (1 + beta^2) t / (beta^2 positives + k); falling scores, and only a larger value replaces the best.
 * The threshold lies half way to the next lower score, so that another batch size or machine, whose roundings move
 * scores a little, decides alike. */
static float best_threshold(const uint32_t *sorted, size_t count, size_t positives, double beta) {
  double best = 0;
  float threshold = 0.5f;
  size_t hits = 0;
  for (size_t i = count; i > 0;) {
    uint32_t score = sorted[i - 1] >> 1;
    for (; i > 0 && sorted[i - 1] >> 1 == score; i--) hits += sorted[i - 1] & 1;
    double f = (double)hits / (beta * beta * (double)positives + (double)(count - i));
    if (f > best) {
      best = f;
      float here = kohl_rank_score(score << 1), lower = i > 0 ? kohl_rank_score(sorted[i - 1]) : 0.0f;
      float middle = lower + (here - lower) / 2;
      threshold = middle > lower ? middle : here;
    }
  }
  return threshold;
}

kohl_status kohl_thresholds_choose(kohl_context *ctx, const float *probabilities, const uint8_t *marks, size_t n,
                                   int classes, double beta, float *thresholds) {
  const kohl_metrics_options options = {.beta = beta};
  const size_t k = (size_t)classes;
  uint32_t *keys = NULL, *sorted = NULL;
  kohl_status status = kohl_metrics_check(ctx, classes, &options);
  for (size_t i = 0; i < n * k && status == KOHL_OK; i++) {
    if (probabilities[i] >= 0.0f && probabilities[i] <= 1.0f) continue;
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: probability %g of class %zu, expected 0 to 1", i / k,
                       (double)probabilities[i], i % k);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, n, sizeof *keys, "a sort of the probabilities", &keys);
  if (status == KOHL_OK) status = kohl_alloc(ctx, n, sizeof *sorted, "a sort of the probabilities", &sorted);
  for (size_t c = 0; c < k && status == KOHL_OK; c++) {
    size_t positives = 0;
    for (size_t i = 0; i < n; i++) {
      const bool has = marks[i * k + c] != 0;
      keys[i] = kohl_rank_key(probabilities[i * k + c], has);
      positives += has;
    }
    kohl_rank_sort(keys, sorted, n);
    thresholds[c] = best_threshold(sorted, n, positives, beta);
    status = kohl_check_cancel(ctx);
  }
  kohl_free(ctx, keys);
  kohl_free(ctx, sorted);
  return status;
}
