/* The temperature that minimises the log loss of logits / T.
 *
 * In u = 1 / T the loss is convex: its derivative g is, over samples, the mean of (logit expected under the
 * probabilities - logit of the truth), its second derivative h the mean variance.  Newton's steps find the root of g,
 * and where one leaves the bracket the geometric middle is tried. */
#include <math.h>

#include "train/calibrate.h"

enum { STEPS = 200 };
static const double least = 0.01, most = 100; /* of u, and so of T */

typedef struct table {
  const float *logits;
  const int32_t *truth;
  const uint8_t *marks;
  size_t n, classes;
} table;

static void add_softmax(const table *t, size_t i, double u, double *g, double *h) {
  const float *row = t->logits + i * t->classes;
  double top = (double)row[0], sum = 0, first = 0, second = 0;
  for (size_t c = 1; c < t->classes; c++) top = (double)row[c] > top ? (double)row[c] : top;
  for (size_t c = 0; c < t->classes; c++) {
    double z = (double)row[c] - top, e = exp(u * z);
    sum += e;
    first += e * z;
    second += e * z * z;
  }
  first /= sum;
  *g += first - ((double)row[t->truth[i]] - top);
  *h += second / sum - first * first;
}

static void add_sigmoids(const table *t, size_t i, double u, double *g, double *h) {
  for (size_t c = 0; c < t->classes; c++) {
    double z = (double)t->logits[i * t->classes + c], p = 1 / (1 + exp(-u * z));
    *g += (p - (t->marks[i * t->classes + c] != 0)) * z;
    *h += p * (1 - p) * z * z;
  }
}

static double slope(const table *t, double u, double *h) {
  double g = 0;
  *h = 0;
  for (size_t i = 0; i < t->n; i++) {
    if (t->marks) {
      add_sigmoids(t, i, u, &g, h);
    } else {
      add_softmax(t, i, u, &g, h);
    }
  }
  return g;
}

kohl_status kohl_temperature_find(kohl_context *ctx, const float *logits, const int32_t *truth, const uint8_t *marks,
                                  size_t n, int classes, double *temperature) {
  const table t = {logits, truth, marks, n, (size_t)classes};
  double low = least, high = most, u = 1, h, g_low = slope(&t, low, &h), g_high = slope(&t, high, &h);
  *temperature = 1;
  if (n && g_low == 0 && g_high == 0 && h == 0) return KOHL_OK; /* all logits are equal: no T changes anything */
  if (!(g_low < 0) || !(g_high > 0)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu pictures hold no temperature of %g to %g: %s", n, least, most,
                     g_low < 0 ? "every one is right, expected some mistakes among them"
                               : "the labels have nothing to do with the logits, expected a trained model");
  }
  for (int step = 0; step < STEPS; step++) {
    double g = slope(&t, u, &h), next;
    kohl_status status = kohl_check_cancel(ctx);
    if (status != KOHL_OK) return status;
    if (g == 0) break;
    if (g > 0) {
      high = u;
    } else {
      low = u;
    }
    next = u - g / h;
    if (!(next > low && next < high)) next = sqrt(low * high);
    double moved = fabs(next - u);
    u = next;
    if (moved <= 1e-12 * u) break;
  }
  *temperature = 1 / u;
  return KOHL_OK;
}
