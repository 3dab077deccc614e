/* sigmoid_bce forward, the reference: strict C, one sample after the other. */
#include "kernels/core/math.h"
#include "kernels/sigmoid_bce/sigmoid_bce.h"

/* ln(1 + e^-|x|); NaN goes through. */
static float tail_of(float x) {
  float e = kohl_expf(-fabsf(x)), y = 1.0f + e;
  return kohl_logf(y) - ((y - 1.0f) - e) / y;
}

static float positive_part(float x) { return x < 0.0f ? 0.0f : x; }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_sigmoid_bce_desc *d = desc;
  const float *x = (const float *)args->in[SIGMOID_BCE_LOGITS] + first * d->k;
  const float *t = (const float *)args->in[SIGMOID_BCE_TARGETS] + first * d->k;
  const float *positives = args->in[SIGMOID_BCE_POSITIVE_WEIGHTS], *classes = args->in[SIGMOID_BCE_CLASS_WEIGHTS];
  const float *samples = args->in[SIGMOID_BCE_SAMPLE_WEIGHTS];
  float *probabilities = (float *)args->out[SIGMOID_BCE_PROBABILITIES] + first * d->k;
  float *loss = args->out[SIGMOID_BCE_LOSS];
  const float high = 1.0f - d->label_smoothing, low = d->label_smoothing / 2.0f;
  for (size_t i = first; i < first + count; i++, x += d->k, t += d->k, probabilities += d->k) {
    float sum = 0.0f;
    for (int j = 0; j < d->k; j++) {
      float target = fmaf(t[j], high, low), positive = positives ? positives[j] * target : target;
      float tail = tail_of(x[j]), above = positive_part(x[j]) + tail, below = positive_part(-x[j]) + tail;
      float term = fmaf(positive, below, (1.0f - target) * above);
      sum += classes ? classes[j] * term : term;
      probabilities[j] = kohl_sigmoidf(x[j]);
    }
    loss[i] = (samples ? samples[i] * sum : sum) / (float)d->k;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_sigmoid_bce_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n, (size_t)d->k);
}

const kohl_kernel_code kohl_sigmoid_bce_fwd_ref = {kohl_sigmoid_bce_check, NULL, NULL, NULL, run};
