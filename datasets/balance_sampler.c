/* Drawing by weights: a search in the running sums. */
#include <math.h>
#include <string.h>

#include "datasets/balance.h"
#include "kernels/core/alloc.h"

/* Who draws: no other part of kohl uses this number. */
enum { RANDOM_SAMPLER = 0x73616d70 };

/* Far from the subnormal numbers, among which kohl_sampler_draw's product could round up to the whole. */
static const double LEAST_SUM = 1e-300;

struct kohl_sampler {
  size_t count;
  double sum[]; /* of the weights up to this one; sum[count - 1] is the whole */
};

kohl_status kohl_sampler_create(kohl_context *ctx, const double *weight, size_t count, kohl_sampler **out) {
  kohl_sampler *s;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, count + 1, sizeof(double), "a sampler", &s);
  if (status != KOHL_OK) return status;
  double sum = 0;
  s->count = count;
  for (size_t i = 0; i < count; i++) {
    if (!(weight[i] >= 0 && isfinite(weight[i]))) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "sampler: weight %g of draw %zu, expected a number of 0 or more",
                         weight[i], i);
      break;
    }
    sum += weight[i];
    s->sum[i] = sum;
  }
  if (status == KOHL_OK && !(sum >= LEAST_SUM && isfinite(sum))) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "sampler: the weights add up to %g, expected %g or more, and finite", sum,
                       LEAST_SUM);
  }
  if (status == KOHL_OK) {
    *out = s;
  } else {
    kohl_free(ctx, s);
  }
  return status;
}

kohl_status kohl_sampler_balanced(kohl_context *ctx, const kohl_samples *samples, const kohl_list *list,
                                  kohl_sampler **out) {
  size_t *count = NULL;
  double *weight = NULL;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, samples->class_count, sizeof *count, "a sampler", &count);
  if (status == KOHL_OK) status = kohl_alloc(ctx, list->count, sizeof *weight, "a sampler", &weight);
  if (status == KOHL_OK) {
    kohl_list_count(list, samples, false, count);
    for (size_t i = 0; i < list->count; i++) {
      weight[i] = 1.0 / (double)count[samples->sample[list->sample[i]].label];
    }
    status = kohl_sampler_create(ctx, weight, list->count, out);
  }
  kohl_free(ctx, count);
  kohl_free(ctx, weight);
  return status;
}

void kohl_sampler_destroy(kohl_context *ctx, kohl_sampler *sampler) { kohl_free(ctx, sampler); }

kohl_random_key kohl_sampler_key(uint64_t seed, uint32_t epoch) {
  return kohl_random_key_make(seed, epoch, RANDOM_SAMPLER);
}

/* The first running sum above u * whole, u being 53 random bits in [0, 1).  The product stays below the whole (its
 * distance is at least half of the whole's last digit), and a weight of 0 leaves the sum as it was, so that it is
 * never the first above. */
size_t kohl_sampler_draw(const kohl_sampler *sampler, kohl_random_key key, uint64_t draw) {
  kohl_philox_block random = kohl_random_block_at(key, draw, 0);
  uint64_t bits = ((uint64_t)random.word[0] << 32 | random.word[1]) >> 11;
  double wanted = (double)bits * 0x1p-53 * sampler->sum[sampler->count - 1];
  size_t low = 0, high = sampler->count - 1;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (sampler->sum[middle] > wanted) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
