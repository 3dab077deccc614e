/* softmax_xent forward, the reference: strict C, one sample after the other. */
#include "kernels/core/math.h"
#include "kernels/softmax/softmax.h"
#include "kernels/softmax_xent/softmax_xent.h"

static const char *accepts(const void *desc) { return kohl_softmax_xent_check(desc); }

/* sum_j t_j (x_j - m) over the classes with a target; m comes from a pass of its own, since the logits may be
 * overwritten by the probabilities. */
static float dot(const kohl_softmax_xent_desc *d, const float *x, int32_t label) {
  float m = -INFINITY, acc = 0.0f, low = d->label_smoothing / (float)d->k;
  for (int j = 0; j < d->k; j++) m = x[j] > m || x[j] != x[j] ? x[j] : m;
  for (int j = 0; j < d->k; j++) {
    float t = j == label ? (1.0f - d->label_smoothing) + low : low;
    if (t != 0.0f) acc = fmaf(t, x[j] - m, acc);
  }
  return acc;
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_softmax_xent_desc *d = desc;
  const float *logits = (const float *)args->in[SOFTMAX_XENT_LOGITS] + first * d->k;
  const int32_t *labels = (const int32_t *)args->in[SOFTMAX_XENT_LABELS] + first;
  float *probabilities = (float *)args->out[SOFTMAX_XENT_PROBABILITIES] + first * d->k;
  float *loss = (float *)args->out[SOFTMAX_XENT_LOSS] + first;
  for (size_t i = 0; i < count; i++, logits += d->k, probabilities += d->k) {
    float w = kohl_softmax_xent_weight(d, labels[i], args->in[SOFTMAX_XENT_CLASS_WEIGHTS]), max, sum;
    float target = dot(d, logits, labels[i]);
    kohl_softmax_pixel(logits, d->k, probabilities, &max, &sum);
    loss[i] = w * (kohl_logf(sum) - target);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_softmax_xent_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n, (size_t)d->k);
}

const kohl_kernel_code kohl_softmax_xent_fwd_ref = {accepts, NULL, NULL, NULL, run};
