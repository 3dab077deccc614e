/* A stratified, seeded split. */
#include "datasets/split.h"

#include <math.h>

#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"

/* Who draws: no other part of kohl uses this number. */
enum { RANDOM_SPLIT = 0x73706c74 };

/* Samples of one class that may be moved, as positions in the list: order[0 .. count - 1]. */
typedef struct {
  kohl_samples *samples;
  uint32_t *order;
  size_t count;
} stratum;

static void shuffle(stratum *s, uint64_t seed, int label) {
  for (size_t i = s->count; i > 1; i--) {
    uint64_t random = kohl_random_u32(seed, 0, (uint64_t)label, RANDOM_SPLIT, i);
    size_t j = (size_t)(random * i >> 32);
    uint32_t other = s->order[j];
    s->order[j] = s->order[i - 1];
    s->order[i - 1] = other;
  }
}

static size_t share(size_t n, double fraction) { return (size_t)floor((double)n * fraction + 0.5); }

/* Hands out a shuffled stratum: first test, to samples without a split only, then validation, then training. */
static void hand_out(stratum *s, double validation_fraction, double test_fraction) {
  size_t unset = 0;
  for (size_t i = 0; i < s->count; i++) unset += s->samples->sample[s->order[i]].split == KOHL_SPLIT_UNSET;
  size_t test = share(unset, test_fraction), validation = share(s->count, validation_fraction);
  while (test + validation >= s->count && test) test--;
  while (test + validation >= s->count && validation) validation--;
  for (size_t i = 0; i < s->count; i++) {
    uint8_t *split = &s->samples->sample[s->order[i]].split;
    if (*split == KOHL_SPLIT_UNSET && test) {
      *split = KOHL_SPLIT_TEST;
      test--;
    } else if (validation) {
      *split = KOHL_SPLIT_VALIDATION;
      validation--;
    } else {
      *split = KOHL_SPLIT_TRAIN;
    }
  }
}

/* Sorts positions by class into order; begin[label] to begin[label + 1] are a class's, in the list's order. */
static void gather(const kohl_samples *samples, bool from_training, uint32_t *order, size_t *begin) {
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < samples->count; i++) {
      const kohl_sample *s = &samples->sample[i];
      if (s->split != KOHL_SPLIT_UNSET && !(from_training && s->split == KOHL_SPLIT_TRAIN)) continue;
      if (pass == 0) {
        begin[s->label + 2]++;
      } else {
        order[begin[s->label + 1]++] = (uint32_t)i;
      }
    }
    for (size_t c = 0; pass == 0 && c < samples->class_count; c++) begin[c + 2] += begin[c + 1];
  }
}

kohl_status kohl_samples_split(kohl_context *ctx, kohl_samples *samples, uint64_t seed, double validation_fraction,
                               double test_fraction) {
  if (!(validation_fraction >= 0.0 && test_fraction >= 0.0 && validation_fraction + test_fraction < 1.0)) {
    return kohl_fail(ctx, KOHL_USAGE,
                     "split: validation %g and test %g, expected fractions of 0 or more that add up to "
                     "less than 1",
                     validation_fraction, test_fraction);
  }
  bool given = kohl_samples_count(samples, KOHL_SPLIT_UNSET) < samples->count;
  bool from_training = given && kohl_samples_count(samples, KOHL_SPLIT_VALIDATION) == 0;
  uint32_t *order = NULL;
  size_t *begin = NULL;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *order, "splitting samples", &order);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, samples->class_count + 2, sizeof *begin, "splitting samples", &begin);
  }
  if (status == KOHL_OK) {
    gather(samples, from_training, order, begin);
    for (size_t c = 0; c < samples->class_count; c++) {
      stratum s = {samples, order + begin[c], begin[c + 1] - begin[c]};
      shuffle(&s, seed, (int)c);
      hand_out(&s, validation_fraction, test_fraction);
    }
  }
  kohl_free(ctx, order);
  kohl_free(ctx, begin);
  return status;
}
