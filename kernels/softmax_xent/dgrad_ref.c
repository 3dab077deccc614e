/* softmax_xent gradient, the reference: strict C, one sample after the other.  A batch is small beside the network
 * before it, so one thread does it and the divisor is found once. */
#include "kernels/softmax_xent/softmax_xent.h"

static const char *accepts(const void *desc) { return kohl_softmax_xent_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  (void)threads;
  const kohl_softmax_xent_desc *d = desc;
  const float *p = args->in[SOFTMAX_XENT_DGRAD_PROBABILITIES], *weights = args->in[SOFTMAX_XENT_CLASS_WEIGHTS];
  const int32_t *labels = args->in[SOFTMAX_XENT_LABELS];
  float *dlogits = args->out[SOFTMAX_XENT_DGRAD_DLOGITS];
  const float divisor = kohl_softmax_xent_divisor(d, labels, weights), low = d->label_smoothing / (float)d->k;
  for (int i = 0; i < d->n; i++, p += d->k, dlogits += d->k) {
    float w = kohl_softmax_xent_weight(d, labels[i], weights);
    for (int j = 0; j < d->k; j++) {
      float t = j == labels[i] ? (1.0f - d->label_smoothing) + low : low;
      dlogits[j] = w * (p[j] - t) / divisor * d->loss_weight;
    }
  }
}

const kohl_kernel_code kohl_softmax_xent_dgrad_ref = {accepts, NULL, NULL, NULL, run};
