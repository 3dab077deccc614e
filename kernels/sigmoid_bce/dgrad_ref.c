/* sigmoid_bce gradient, the reference: strict C, one sample after the other.  A batch is small beside the network
 * before it, so one thread does it and the divisor is found once. */
#include <math.h>

#include "kernels/sigmoid_bce/sigmoid_bce.h"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  (void)threads;
  const kohl_sigmoid_bce_desc *d = desc;
  const float *p = args->in[SIGMOID_BCE_DGRAD_PROBABILITIES], *t = args->in[SIGMOID_BCE_TARGETS];
  const float *positives = args->in[SIGMOID_BCE_POSITIVE_WEIGHTS], *classes = args->in[SIGMOID_BCE_CLASS_WEIGHTS];
  const float *samples = args->in[SIGMOID_BCE_SAMPLE_WEIGHTS];
  float *dlogits = args->out[SIGMOID_BCE_DGRAD_DLOGITS];
  const float divisor = kohl_sigmoid_bce_divisor(d, samples);
  const float high = 1.0f - d->label_smoothing, low = d->label_smoothing / 2.0f;
  for (int i = 0; i < d->n; i++, p += d->k, t += d->k, dlogits += d->k) {
    float weight = (samples ? samples[i] : 1.0f) / (float)d->k / divisor * d->loss_weight;
    for (int j = 0; j < d->k; j++) {
      float target = fmaf(t[j], high, low), positive = positives ? positives[j] * target : target;
      float difference = fmaf(1.0f - target, p[j], -(positive * (1.0f - p[j])));
      dlogits[j] = (classes ? weight * classes[j] : weight) * difference;
    }
  }
}

const kohl_kernel_code kohl_sigmoid_bce_dgrad_ref = {kohl_sigmoid_bce_check, NULL, NULL, NULL, run};
