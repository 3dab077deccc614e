/* sigmoid_bce gradient: one block adds the samples' weights where they are the divisor, then a thread per logit. */
#include "kernels/core/chain.cuh"
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/sigmoid_bce/sigmoid_bce.h"
}

namespace {

struct weight_of {
  const float *samples;
  __device__ float operator()(size_t sample) const { return samples[sample]; }
};

struct gradient {
  kohl_sigmoid_bce_desc d;
  const float *divisor; /* NULL: the number of samples */
  const float *probabilities, *targets;
  const float *positives, *classes, *samples; /* or NULL */
  float *dlogits;

  template <int V>
  __device__ void at(size_t sample, size_t j) const {
    const float high = 1.0f - d.label_smoothing, low = d.label_smoothing / 2.0f;
    const float over = divisor ? *divisor : (float)d.n;
    const float weight = (samples ? samples[sample] : 1.0f) / (float)d.k / over * d.loss_weight;
    kohl_floats<V> p = kohl_load<V>(probabilities + sample * d.k + j);
    const kohl_floats<V> t = kohl_load<V>(targets + sample * d.k + j);
    for (int i = 0; i < V; i++) {
      const float target = fmaf(t.v[i], high, low), positive = positives ? positives[j + i] * target : target;
      const float difference = fmaf(1.0f - target, p.v[i], -(positive * (1.0f - p.v[i])));
      p.v[i] = (classes ? weight * classes[j + i] : weight) * difference;
    }
    kohl_store(dlogits + sample * d.k + j, p);
  }
};

}  // namespace

static __global__ void __launch_bounds__(KOHL_CHAIN_THREADS) divide_by(weight_of weight, size_t n, float *divisor) {
  const float sum = kohl_chain_sum(weight, n);
  if (threadIdx.x == 0) *divisor = sum == 0.0f ? 1.0f : sum;
}

static size_t workspace_size(const void *desc) {
  const kohl_sigmoid_bce_desc *d = static_cast<const kohl_sigmoid_bce_desc *>(desc);
  return d->divide_by == KOHL_SIGMOID_BCE_BY_WEIGHTS ? sizeof(float) : 0;
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_sigmoid_bce_desc *d = static_cast<const kohl_sigmoid_bce_desc *>(desc);
  const weight_of weight = {static_cast<const float *>(args->in[SIGMOID_BCE_SAMPLE_WEIGHTS])};
  const bool by_weights = d->divide_by == KOHL_SIGMOID_BCE_BY_WEIGHTS && weight.samples;
  float *divisor = by_weights ? static_cast<float *>(args->workspace) : NULL;
  const gradient op = {*d,
                       divisor,
                       static_cast<const float *>(args->in[SIGMOID_BCE_DGRAD_PROBABILITIES]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_TARGETS]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_POSITIVE_WEIGHTS]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_CLASS_WEIGHTS]),
                       weight.samples,
                       static_cast<float *>(args->out[SIGMOID_BCE_DGRAD_DLOGITS])};
  if (divisor) KOHL_LAUNCH(stream, divide_by, dim3(1), dim3(KOHL_CHAIN_THREADS), weight, (size_t)d->n, divisor);
  kohl_pixels_launch(stream, op, (size_t)d->n, d->k, kohl_fours(d->k, op.probabilities, op.targets, op.dlogits));
}

KOHL_CUDA_KERNEL(sigmoid_bce, dgrad, cuda, kohl_sigmoid_bce_check, workspace_size, launch)
