/* sigmoid_bce forward: 32 to 256 threads per sample work out the terms, the first of them adds them in their order. */
#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/core/math.h"
#include "kernels/sigmoid_bce/sigmoid_bce.h"
}

enum { THREADS = 256, TILE = 2048 };

namespace {

struct arguments {
  kohl_sigmoid_bce_desc d;
  const float *logits, *targets;
  const float *positives, *classes, *samples; /* or NULL */
  float *probabilities, *loss;
};

}  // namespace

/* ln(1 + e^-|x|); NaN goes through. */
static __device__ float tail_of(float x) {
  const float e = kohl_expf(-fabsf(x)), y = 1.0f + e;
  return kohl_logf(y) - ((y - 1.0f) - e) / y;
}

static __device__ float positive_part(float x) { return x < 0.0f ? 0.0f : x; }

static __device__ float term_of(const arguments &a, float x, float t, unsigned j) {
  const float high = 1.0f - a.d.label_smoothing, low = a.d.label_smoothing / 2.0f;
  const float target = fmaf(t, high, low), positive = a.positives ? a.positives[j] * target : target;
  const float tail = tail_of(x), above = positive_part(x) + tail, below = positive_part(-x) + tail;
  const float term = fmaf(positive, below, (1.0f - target) * above);
  return a.classes ? a.classes[j] * term : term;
}

static __global__ void __launch_bounds__(THREADS) cross_entropy(arguments a) {
  KOHL_SHARED(float, tile, [TILE]);
  const unsigned k = (unsigned)a.d.k, room = TILE / blockDim.y;
  float *part = tile + threadIdx.y * room;
  for (size_t first = (size_t)blockIdx.x * blockDim.y; first < (size_t)a.d.n; first += (size_t)gridDim.x * blockDim.y) {
    const size_t sample = first + threadIdx.y;
    const bool there = sample < (size_t)a.d.n, leads = there && threadIdx.x == 0;
    float sum = 0.0f;
    for (unsigned begin = 0; begin < k; begin += room) {
      const unsigned count = there ? min(k - begin, room) : 0;
      for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
        const size_t at = sample * k + begin + i;
        const float x = a.logits[at];
        part[i] = term_of(a, x, a.targets[at], begin + i);
        a.probabilities[at] = kohl_sigmoidf(x);
      }
      __syncthreads();
      KOHL_UNROLL(8)
      for (unsigned i = 0; leads && i < count; i++) sum = sum + part[i];
      __syncthreads();
    }
    if (leads) a.loss[sample] = (a.samples ? a.samples[sample] * sum : sum) / (float)a.d.k;
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_sigmoid_bce_desc *d = static_cast<const kohl_sigmoid_bce_desc *>(desc);
  const arguments a = {*d,
                       static_cast<const float *>(args->in[SIGMOID_BCE_LOGITS]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_TARGETS]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_POSITIVE_WEIGHTS]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_CLASS_WEIGHTS]),
                       static_cast<const float *>(args->in[SIGMOID_BCE_SAMPLE_WEIGHTS]),
                       static_cast<float *>(args->out[SIGMOID_BCE_PROBABILITIES]),
                       static_cast<float *>(args->out[SIGMOID_BCE_LOSS])};
  unsigned threads = 32;
  while (threads < THREADS && threads < (unsigned)d->k) threads *= 2;
  const dim3 block(threads, THREADS / threads);
  KOHL_LAUNCH(stream, cross_entropy, dim3(kohl_grid((size_t)d->n, block.y)), block, a);
}

KOHL_CUDA_KERNEL(sigmoid_bce, fwd, cuda, kohl_sigmoid_bce_check, NULL, launch)
