/* softmax_xent forward: softmax's threads per sample (softmax.cuh), one of which walks over the targets first, since
 * the probabilities may overwrite the logits. */
#include "kernels/softmax/softmax.cuh"

extern "C" {
#include "kernels/softmax_xent/softmax_xent.h"
}

/* sum_j t_j (x_j - max) over the classes with a target. */
static __device__ float dot(const kohl_softmax_xent_desc &d, const float *x, int32_t label, float max) {
  const float low = d.label_smoothing / (float)d.k, high = (1.0f - d.label_smoothing) + low;
  if (low == 0.0f) return label >= 0 && label < d.k ? fmaf(high, x[label] - max, 0.0f) : 0.0f;
  float acc = 0.0f;
  KOHL_UNROLL(8)
  for (int j = 0; j < d.k; j++) acc = fmaf(j == label ? high : low, x[j] - max, acc);
  return acc;
}

static __global__ void __launch_bounds__(KOHL_SOFTMAX_THREADS)
    cross_entropy(kohl_softmax_xent_desc d, const float *logits, const int32_t *labels, const float *class_weights,
                  float *probabilities, float *loss) {
  for (size_t first = (size_t)blockIdx.x * blockDim.z; first < (size_t)d.n; first += (size_t)gridDim.x * blockDim.z) {
    const size_t sample = first + threadIdx.z;
    const bool there = sample < (size_t)d.n, leads = there && kohl_softmax_thread() == 0;
    const float *x = logits + sample * d.k;
    float *p = probabilities + sample * d.k, target = 0.0f;
    const float max = kohl_softmax_max(x, there ? (unsigned)d.k : 0);
    if (leads) target = dot(d, x, labels[sample], max);
    __syncthreads();
    const float sum = kohl_softmax_exponentials(x, (unsigned)d.k, there, max, p);
    kohl_softmax_divide(p, there ? (unsigned)d.k : 0, sum);
    if (leads) loss[sample] = kohl_softmax_xent_weight(&d, labels[sample], class_weights) * (kohl_logf(sum) - target);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_softmax_xent_desc *d = static_cast<const kohl_softmax_xent_desc *>(desc);
  const dim3 block = kohl_softmax_threads(d->k);
  KOHL_LAUNCH(stream, cross_entropy, kohl_softmax_grid((size_t)d->n, block), block, *d,
              static_cast<const float *>(args->in[SOFTMAX_XENT_LOGITS]),
              static_cast<const int32_t *>(args->in[SOFTMAX_XENT_LABELS]),
              static_cast<const float *>(args->in[SOFTMAX_XENT_CLASS_WEIGHTS]),
              static_cast<float *>(args->out[SOFTMAX_XENT_PROBABILITIES]),
              static_cast<float *>(args->out[SOFTMAX_XENT_LOSS]));
}

static const char *accepts(const void *desc) {
  return kohl_softmax_xent_check(static_cast<const kohl_softmax_xent_desc *>(desc));
}

KOHL_CUDA_KERNEL(softmax_xent, fwd, cuda, accepts, NULL, launch)
