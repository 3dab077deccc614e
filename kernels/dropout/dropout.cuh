/* The mask and the scale on CUDA: both directions of dropout.  A thread takes the four features of one Philox block. */
#ifndef KOHL_KERNELS_DROPOUT_DROPOUT_CUH
#define KOHL_KERNELS_DROPOUT_DROPOUT_CUH

#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/core/philox.h"
#include "kernels/dropout/dropout.h"
}

struct kohl_dropout_block {
  kohl_random_key key;
  float rate, scale;
  size_t features;
  const uint64_t *draws;
  const float *src;
  float *dst;

  __device__ float of(float x, uint32_t bits) const { return kohl_random_to_unit(bits) >= rate ? x * scale : 0.0f; }

  /* The four features are loaded V at a time. */
  template <int V>
  __device__ void at(size_t sample, size_t group) const {
    const size_t block = group / V, f = 4 * block, i = sample * features + f;
    const kohl_philox_block random = kohl_random_block_at(key, draws[sample], block);
    for (int j = 0; j < 4; j += V) {
      if (f + j >= features) break;
      kohl_floats<V> x = kohl_load<V>(src + i + j);
      for (int k = 0; k < V; k++) x.v[k] = of(x.v[k], random.word[j + k]);
      kohl_store(dst + i + j, x);
    }
  }
};

static void kohl_dropout_launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_dropout_desc *d = static_cast<const kohl_dropout_desc *>(desc);
  const kohl_dropout_block op = {kohl_random_key_make(d->seed, d->epoch, d->op),
                                 d->rate,
                                 1.0f / (1.0f - d->rate),
                                 (size_t)d->features,
                                 static_cast<const uint64_t *>(args->in[DROPOUT_DRAWS]),
                                 static_cast<const float *>(args->in[DROPOUT_SRC]),
                                 static_cast<float *>(args->out[DROPOUT_DST])};
  const bool fours = kohl_fours(d->features, op.src, op.dst);
  kohl_pixels_launch(stream, op, (size_t)d->n, fours ? d->features : d->features / 4 + (d->features % 4 != 0), fours);
}

static const char *kohl_dropout_accepts(const void *desc) {
  return kohl_dropout_check(static_cast<const kohl_dropout_desc *>(desc));
}

#endif
