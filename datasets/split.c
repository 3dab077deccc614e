/* A stratified, seeded split. */
#include "datasets/split.h"

#include <math.h>
#include <string.h>

#include "datasets/balance.h"
#include "datasets/folds.h"
#include "kernels/core/alloc.h"

/* Who draws: no other part of kohl uses this number. */
enum { RANDOM_SPLIT = 0x73706c74 };

/* Samples of one class that may be moved, as positions in the list: order[0 .. count - 1]. */
typedef struct {
  kohl_samples *samples;
  size_t *order;
  size_t count;
} stratum;

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
static void gather(const kohl_samples *samples, bool from_training, size_t *order, size_t *begin) {
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < samples->count; i++) {
      const kohl_sample *s = &samples->sample[i];
      if (s->split != KOHL_SPLIT_UNSET && !(from_training && s->split == KOHL_SPLIT_TRAIN)) continue;
      if (pass == 0) {
        begin[s->label + 2]++;
      } else {
        order[begin[s->label + 1]++] = i;
      }
    }
    for (size_t c = 0; pass == 0 && c < samples->class_count; c++) begin[c + 2] += begin[c + 1];
  }
}

static kohl_status check_fractions(kohl_context *ctx, double validation, double test) {
  if (validation >= 0.0 && test >= 0.0 && validation + test < 1.0) return KOHL_OK;
  return kohl_fail(ctx, KOHL_USAGE,
                   "split: validation %g and test %g, expected fractions of 0 or more that add up to less than 1",
                   validation, test);
}

kohl_status kohl_samples_split(kohl_context *ctx, kohl_samples *samples, uint64_t seed, double validation_fraction,
                               double test_fraction) {
  kohl_status status = check_fractions(ctx, validation_fraction, test_fraction);
  if (status != KOHL_OK) return status;
  bool given = kohl_samples_count(samples, KOHL_SPLIT_UNSET) < samples->count;
  bool from_training = given && kohl_samples_count(samples, KOHL_SPLIT_VALIDATION) == 0;
  size_t *order = NULL, *begin = NULL;
  status = kohl_alloc(ctx, samples->count, sizeof *order, "splitting samples", &order);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, samples->class_count + 2, sizeof *begin, "splitting samples", &begin);
  }
  if (status == KOHL_OK) {
    gather(samples, from_training, order, begin);
    for (size_t c = 0; c < samples->class_count; c++) {
      stratum s = {samples, order + begin[c], begin[c + 1] - begin[c]};
      kohl_shuffle(s.order, s.count, seed, c, RANDOM_SPLIT);
      hand_out(&s, validation_fraction, test_fraction);
    }
  }
  kohl_free(ctx, order);
  kohl_free(ctx, begin);
  return status;
}

/* Groups on their way into parts.  A group is one of: free (no sample has a split), given (the first that has one says
 * where it is), torn (its samples are given to several parts; it stays as it is). */
typedef struct {
  kohl_samples *samples;
  uint32_t *unit;
  size_t units;
  uint8_t *split; /* of each unit: a kohl_split */
  bool *torn;
  uint16_t *part; /* for the deal at hand */
  double *want;   /* the same, of what STAYS, then of what GOES; behind it two more rows for split_units */
  uint64_t seed;
} grouping;

enum { STAYS, GOES };

/* Reads where the groups are given to; *torn of them to several parts. */
static void read_given(grouping *g, size_t *torn) {
  *torn = 0;
  for (size_t i = 0; i < g->samples->count; i++) {
    uint8_t split = g->samples->sample[i].split;
    uint32_t u = g->unit[i];
    if (split == KOHL_SPLIT_UNSET) continue;
    if (g->split[u] == KOHL_SPLIT_UNSET) g->split[u] = split;
    if (g->split[u] == split || g->torn[u]) continue;
    g->torn[u] = true;
    ++*torn;
  }
}

/* Whether the deal of a part may move a group: free ones, and training ones where validation is taken from these. */
static bool movable(const grouping *g, size_t u, bool from_training) {
  if (g->torn[u]) return false;
  return g->split[u] == KOHL_SPLIT_UNSET || (from_training && g->split[u] == KOHL_SPLIT_TRAIN);
}

/* count[c] += samples of class c in groups that may be moved. */
static void count_movable(const grouping *g, bool from_training, double *count) {
  for (size_t i = 0; i < g->samples->count; i++) {
    if (movable(g, g->unit[i], from_training)) count[g->samples->sample[i].label] += 1;
  }
}

/* Gives `to` to groups that may be moved, so many that it gets about goes[c] samples of class c. */
static kohl_status take(kohl_context *ctx, grouping *g, const double *goes, kohl_split to, bool from_training) {
  size_t classes = g->samples->class_count;
  memset(g->want, 0, classes * sizeof *g->want);
  count_movable(g, from_training, g->want);
  for (size_t c = 0; c < classes; c++) {
    g->want[classes + c] = goes[c];
    g->want[c] = fmax(g->want[c] - goes[c], 0);
  }
  for (size_t u = 0; u < g->units; u++) {
    bool train = g->split[u] == KOHL_SPLIT_TRAIN;
    g->part[u] = movable(g, u, from_training) ? KOHL_UNDEALT : train ? STAYS : KOHL_ELSEWHERE;
  }
  kohl_deal deal = {g->samples, g->unit, g->units, 2, g->want, g->part, g->seed, STAYS};
  kohl_status status = kohl_units_deal(ctx, &deal);
  for (size_t u = 0; status == KOHL_OK && u < g->units; u++) {
    if (g->part[u] == GOES) g->split[u] = (uint8_t)to;
  }
  return status;
}

/* Classes that have samples, but none in the training part.  count: two rows of numbers. */
static void warn_of_lost(kohl_context *ctx, const kohl_samples *samples, double *count) {
  size_t lost = 0, first = 0, classes = samples->class_count;
  memset(count, 0, 2 * classes * sizeof *count);
  for (size_t i = 0; i < samples->count; i++) {
    const kohl_sample *s = &samples->sample[i];
    count[(s->split == KOHL_SPLIT_TRAIN ? 0 : classes) + (size_t)s->label] += 1;
  }
  for (size_t c = classes; c-- > 0;) {
    if (count[c] > 0 || !(count[classes + c] > 0)) continue;
    first = c;
    lost++;
  }
  if (lost == 0) return;
  kohl_log(ctx, KOHL_LOG_WARNING, "%zu of %zu classes are in no group of the training part, the first is '%.100s'",
           lost, classes, samples->classes[first]);
}

static kohl_status split_units(kohl_context *ctx, grouping *g, double validation_fraction, double test_fraction) {
  size_t torn, classes = g->samples->class_count;
  bool given = kohl_samples_count(g->samples, KOHL_SPLIT_UNSET) < g->samples->count;
  bool from_training = given && kohl_samples_count(g->samples, KOHL_SPLIT_VALIDATION) == 0;
  double *test = g->want + 2 * classes, *validation = test + classes;
  read_given(g, &torn);
  if (torn) {
    kohl_log(ctx, KOHL_LOG_WARNING,
             "%zu groups of samples are given to more than one part of the data; they stay there", torn);
  }
  count_movable(g, false, test);
  count_movable(g, from_training, validation);
  for (size_t c = 0; c < classes; c++) {
    test[c] *= test_fraction;
    validation[c] *= validation_fraction;
  }
  kohl_status status = take(ctx, g, test, KOHL_SPLIT_TEST, false);
  if (status == KOHL_OK) status = take(ctx, g, validation, KOHL_SPLIT_VALIDATION, from_training);
  for (size_t i = 0; status == KOHL_OK && i < g->samples->count; i++) {
    kohl_sample *s = &g->samples->sample[i];
    uint8_t split = g->split[g->unit[i]] == KOHL_SPLIT_UNSET ? KOHL_SPLIT_TRAIN : g->split[g->unit[i]];
    if (s->split == KOHL_SPLIT_UNSET || !g->torn[g->unit[i]]) s->split = split;
  }
  if (status == KOHL_OK) warn_of_lost(ctx, g->samples, g->want);
  return status;
}

kohl_status kohl_samples_split_groups(kohl_context *ctx, kohl_samples *samples, const uint32_t *group,
                                      const uint32_t *copy_of, uint64_t seed, double validation_fraction,
                                      double test_fraction) {
  if (!group && !copy_of) return kohl_samples_split(ctx, samples, seed, validation_fraction, test_fraction);
  static const char what[] = "splitting samples";
  grouping g = {.samples = samples, .seed = seed};
  kohl_status status = check_fractions(ctx, validation_fraction, test_fraction);
  if (status == KOHL_OK) status = kohl_alloc(ctx, samples->count, sizeof *g.unit, what, &g.unit);
  if (status == KOHL_OK) status = kohl_units_join(ctx, samples->count, group, copy_of, g.unit, &g.units);
  if (status == KOHL_OK) status = kohl_alloc(ctx, g.units, sizeof *g.split, what, &g.split);
  if (status == KOHL_OK) status = kohl_alloc(ctx, g.units, sizeof *g.torn, what, &g.torn);
  if (status == KOHL_OK) status = kohl_alloc(ctx, g.units, sizeof *g.part, what, &g.part);
  if (status == KOHL_OK) status = kohl_alloc(ctx, 4 * samples->class_count, sizeof *g.want, what, &g.want);
  if (status == KOHL_OK) status = split_units(ctx, &g, validation_fraction, test_fraction);
  kohl_free(ctx, g.unit);
  kohl_free(ctx, g.split);
  kohl_free(ctx, g.torn);
  kohl_free(ctx, g.part);
  kohl_free(ctx, g.want);
  return status;
}
