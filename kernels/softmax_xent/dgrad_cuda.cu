/* softmax_xent gradient: one block adds the weights where they are the divisor, then a thread per logit. */
#include "kernels/core/chain.cuh"
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/softmax_xent/softmax_xent.h"
}

namespace {

struct weight_of {
  kohl_softmax_xent_desc d;
  const int32_t *labels;
  const float *class_weights;
  __device__ float operator()(size_t sample) const {
    return kohl_softmax_xent_weight(&d, labels[sample], class_weights);
  }
};

struct gradient {
  weight_of weight;
  const float *divisor; /* NULL: the number of samples */
  const float *probabilities;
  float *dlogits;

  template <int V>
  __device__ void at(size_t sample, size_t j) const {
    const kohl_softmax_xent_desc &d = weight.d;
    const float w = weight(sample), over = divisor ? *divisor : (float)d.n, low = d.label_smoothing / (float)d.k;
    const int label = weight.labels[sample];
    kohl_floats<V> p = kohl_load<V>(probabilities + sample * d.k + j);
    for (int i = 0; i < V; i++) {
      const float t = (int)j + i == label ? (1.0f - d.label_smoothing) + low : low;
      p.v[i] = w * (p.v[i] - t) / over * d.loss_weight;
    }
    kohl_store(dlogits + sample * d.k + j, p);
  }
};

}  // namespace

static __global__ void __launch_bounds__(KOHL_CHAIN_THREADS) divide_by(weight_of weight, float *divisor) {
  const float sum = kohl_chain_sum(weight, (size_t)weight.d.n);
  if (threadIdx.x == 0) *divisor = sum == 0.0f ? 1.0f : sum;
}

static size_t workspace_size(const void *desc) {
  const kohl_softmax_xent_desc *d = static_cast<const kohl_softmax_xent_desc *>(desc);
  return d->divide_by == KOHL_SOFTMAX_XENT_BY_WEIGHTS ? sizeof(float) : 0;
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_softmax_xent_desc *d = static_cast<const kohl_softmax_xent_desc *>(desc);
  const weight_of weight = {*d, static_cast<const int32_t *>(args->in[SOFTMAX_XENT_LABELS]),
                            static_cast<const float *>(args->in[SOFTMAX_XENT_CLASS_WEIGHTS])};
  float *divisor = d->divide_by == KOHL_SOFTMAX_XENT_BY_WEIGHTS ? static_cast<float *>(args->workspace) : NULL;
  const gradient op = {weight, divisor, static_cast<const float *>(args->in[SOFTMAX_XENT_DGRAD_PROBABILITIES]),
                       static_cast<float *>(args->out[SOFTMAX_XENT_DGRAD_DLOGITS])};
  if (divisor) KOHL_LAUNCH(stream, divide_by, dim3(1), dim3(KOHL_CHAIN_THREADS), weight, divisor);
  kohl_pixels_launch(stream, op, (size_t)d->n, d->k, kohl_fours(d->k, op.probabilities, op.dlogits));
}

static const char *accepts(const void *desc) {
  return kohl_softmax_xent_check(static_cast<const kohl_softmax_xent_desc *>(desc));
}

KOHL_CUDA_KERNEL(softmax_xent, dgrad, cuda, accepts, workspace_size, launch)
