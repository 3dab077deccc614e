/* The list of dropouts, checking a desc, and the mask, which both directions apply. */
#include "kernels/dropout/dropout.h"

#include "kernels/core/philox.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(dropout, __VA_ARGS__)
#include "kernels/dropout/dropout.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(dropout, __VA_ARGS__)
#include "kernels/dropout/dropout.def"
#undef KERNEL
};
KOHL_DEFINE_OP(dropout, table)

const char *kohl_dropout_check(const kohl_dropout_desc *d) {
  if (d->n < 0 || d->features < 1) return "a size is below 1";
  if (!(d->rate >= 0.0f && d->rate < 1.0f)) return "the rate is not in [0, 1)";
  return NULL;
}

void kohl_dropout_mask(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_dropout_desc *d = desc;
  const uint64_t *draws = (const uint64_t *)args->in[DROPOUT_DRAWS] + first;
  const float *src = (const float *)args->in[DROPOUT_SRC] + first * d->features;
  float *dst = (float *)args->out[DROPOUT_DST] + first * d->features;
  const float scale = 1.0f / (1.0f - d->rate);
  const kohl_random_key key = kohl_random_key_make(d->seed, d->epoch, d->op);
  for (; count; count--, draws++, src += d->features, dst += d->features) {
    for (int f = 0; f < d->features; f += 4) {
      kohl_philox_block block = kohl_random_block_at(key, *draws, (uint64_t)f / 4);
      for (int i = 0; i < 4 && f + i < d->features; i++) {
        dst[f + i] = kohl_random_to_unit(block.word[i]) >= d->rate ? src[f + i] * scale : 0.0f;
      }
    }
  }
}
