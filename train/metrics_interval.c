/* Intervals by formula and by drawing again. */
#include "train/metrics_interval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"

enum { MOST = 1000000, FIGURES = 3, DRAWS_BOOTSTRAP = 0x626f6f74 /* op of the random numbers */ };

kohl_interval kohl_interval_wilson(int64_t right, int64_t n) {
  const double z = 1.959963984540054; /* the normal distribution leaves 2.5 % above it */
  if (n <= 0) return (kohl_interval){0, 1};
  double count = (double)n, p = (double)right / count, over = 1 + z * z / count;
  double middle = (p + z * z / (2 * count)) / over;
  double half = z / over * sqrt(p * (1 - p) / count + z * z / (4 * count * count));
  /* at the ends the formula gives 0 and 1 but for roundings */
  return (kohl_interval){right <= 0 ? 0.0 : middle - half, right >= n ? 1.0 : middle + half};
}

/* What a resample counts, and its figures. */
typedef struct drawing {
  const int32_t *truth, *predicted;
  size_t n;
  int classes;
  int64_t *support, *chosen, *right; /* [classes] */
  double *figure[FIGURES];           /* [resamples] each */
} drawing;

static void draw(const drawing *d, kohl_random_key key, size_t resample) {
  size_t bytes = (size_t)d->classes * sizeof *d->support;
  kohl_philox_block block = {{0}};
  memset(d->support, 0, bytes);
  memset(d->chosen, 0, bytes);
  memset(d->right, 0, bytes);
  for (size_t i = 0; i < d->n; i++) {
    if (i % 4 == 0) block = kohl_random_block_at(key, resample, i / 4);
    size_t at = (size_t)(((uint64_t)block.word[i % 4] * d->n) >> 32);
    int32_t truth = d->truth[at], predicted = d->predicted[at];
    d->support[truth]++;
    d->chosen[predicted]++;
    d->right[truth] += truth == predicted;
  }
  int64_t right = 0;
  int supported = 0, seen = 0;
  double recalls = 0, f1s = 0;
  for (int c = 0; c < d->classes; c++) {
    if (!d->support[c] && !d->chosen[c]) continue;
    right += d->right[c];
    seen++;
    f1s += 2.0 * (double)d->right[c] / (double)(d->support[c] + d->chosen[c]);
    if (d->support[c]) supported++, recalls += (double)d->right[c] / (double)d->support[c];
  }
  d->figure[0][resample] = (double)right / (double)d->n;
  d->figure[1][resample] = recalls / supported;
  d->figure[2][resample] = f1s / seen;
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(const double *sorted, int count, double share) {
  double place = share * (count - 1);
  int below = (int)place, above = below + 1 < count ? below + 1 : below;
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

static kohl_interval interval(double *figure, int count) {
  qsort(figure, (size_t)count, sizeof *figure, rising);
  return (kohl_interval){percentile(figure, count, 0.025), percentile(figure, count, 0.975)};
}

static void take_best(const float *probabilities, size_t n, int classes, int32_t *predicted) {
  for (size_t i = 0; i < n; i++) {
    const float *row = probabilities + i * (size_t)classes;
    int best = 0;
    for (int c = 1; c < classes; c++) best = row[c] > row[best] ? c : best;
    predicted[i] = best;
  }
}

kohl_status kohl_bootstrap_run(kohl_context *ctx, const float *probabilities, const int32_t *truth, size_t n,
                               int classes, int resamples, uint64_t seed, kohl_bootstrap *out) {
  memset(out, 0, sizeof *out);
  if (resamples < 1 || resamples > MOST) {
    return kohl_fail(ctx, KOHL_USAGE, "bootstrap: %d resamples, expected 1 to %d", resamples, MOST);
  }
  size_t k = (size_t)classes, m = (size_t)resamples;
  int32_t *predicted = NULL;
  int64_t *counts = NULL;
  double *figures = NULL;
  kohl_status status = kohl_alloc(ctx, n, sizeof *predicted, "predicted classes", &predicted);
  if (status == KOHL_OK) status = kohl_alloc(ctx, 3 * k, sizeof *counts, "counts of a resample", &counts);
  if (status == KOHL_OK) status = kohl_alloc(ctx, FIGURES * m, sizeof *figures, "figures of resamples", &figures);
  if (status == KOHL_OK && n) {
    const drawing d = {
        truth, predicted, n, classes, counts, counts + k, counts + 2 * k, {figures, figures + m, figures + 2 * m}};
    kohl_random_key key = kohl_random_key_make(seed, 0, DRAWS_BOOTSTRAP);
    take_best(probabilities, n, classes, predicted);
    for (size_t r = 0; r < m && status == KOHL_OK; r++) {
      draw(&d, key, r);
      status = kohl_check_cancel(ctx);
    }
    out->accuracy = interval(d.figure[0], resamples);
    out->balanced_accuracy = interval(d.figure[1], resamples);
    out->macro_f1 = interval(d.figure[2], resamples);
    out->resamples = resamples;
  }
  kohl_free(ctx, predicted);
  kohl_free(ctx, counts);
  kohl_free(ctx, figures);
  return status;
}
