/* Dealing groups of samples into parts: the largest first, each to where the classes lack most.
 *
 * The bound on X in the header is the method of conditional expectations: a random part, drawn by the shares, raises X
 * by what the sum says, and the part that is taken raises it least. */
#include <stdlib.h>

#include "datasets/folds.h"
#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"

/* Who draws: no other part of kohl uses these numbers. */
enum { RANDOM_DEAL = 0x6465616c, RANDOM_ROTATION = 0x726f7461 };

/* The samples of one class in one unit. */
typedef struct {
  uint32_t unit, label, count;
} cell;

/* A unit's place in the order. */
typedef struct {
  uint32_t size, key, unit, label; /* label: of its first sample */
} turn;

typedef struct {
  const kohl_deal *deal;
  cell *cells; /* sorted by unit and label; those of unit u begin at begin[u] and end at begin[u + 1] */
  size_t *begin;
  turn *turns;
  size_t turn_count;
  double *have;     /* as want */
  double *load;     /* of each part: its samples divided by those it wants */
  size_t *left;     /* samples of each class that are not dealt yet */
  uint8_t *kept;    /* whether the keeper has one of a class */
  uint32_t *spread; /* over how many units each class is */
} table;

static int by_unit_and_label(const void *a, const void *b) {
  const cell *x = a, *y = b;
  if (x->unit != y->unit) return x->unit < y->unit ? -1 : 1;
  return (x->label > y->label) - (x->label < y->label);
}

static int by_turn(const void *a, const void *b) {
  const turn *x = a, *y = b;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return (x->unit > y->unit) - (x->unit < y->unit);
}

/* Counts the samples of every unit by class. */
static void fill_cells(table *t) {
  const kohl_deal *d = t->deal;
  size_t n = d->samples->count, used = 0;
  for (size_t i = 0; i < n; i++) t->cells[i] = (cell){d->unit[i], (uint32_t)d->samples->sample[i].label, 1};
  qsort(t->cells, n, sizeof *t->cells, by_unit_and_label);
  for (size_t i = 0; i < n; i++) {
    if (used && by_unit_and_label(&t->cells[used - 1], &t->cells[i]) == 0) {
      t->cells[used - 1].count++;
    } else {
      t->cells[used++] = t->cells[i];
    }
  }
  for (size_t i = 0; i < used; i++) t->begin[t->cells[i].unit + 1] = i + 1;
}

/* Lists the units to be dealt in their order.  A unit's key is that of its number among the units whose first samples
 * are of the same class; left serves for counting these, before it gets its own numbers. */
static void fill_turns(table *t) {
  const kohl_deal *d = t->deal;
  const kohl_samples *s = d->samples;
  size_t next = 0;
  for (size_t i = 0; i < s->count; i++) {
    uint32_t unit = d->unit[i];
    if (unit < next) continue;
    uint32_t label = (uint32_t)s->sample[i].label;
    uint32_t key = kohl_random_u32(d->seed, 0, label, RANDOM_DEAL, t->left[label]++), size = 0;
    for (size_t at = t->begin[unit]; at < t->begin[unit + 1]; at++) size += t->cells[at].count;
    if (d->part[unit] == KOHL_UNDEALT) t->turns[t->turn_count++] = (turn){size, key, unit, label};
    next++;
  }
  qsort(t->turns, t->turn_count, sizeof *t->turns, by_turn);
  for (size_t c = 0; c < s->class_count; c++) t->left[c] = 0;
  for (size_t u = 0; u < d->units; u++) {
    for (size_t at = t->begin[u]; at < t->begin[u + 1]; at++) {
      t->spread[t->cells[at].label]++;
      if (d->part[u] == KOHL_UNDEALT) t->left[t->cells[at].label] += t->cells[at].count;
      if (d->keeper >= 0 && d->part[u] == d->keeper) t->kept[t->cells[at].label] = 1;
    }
  }
}

/* By how much X rises when the unit goes to part p; negative where it falls, false where p wants none of a class. */
static bool rise(const table *t, uint32_t unit, size_t p, double *out) {
  size_t classes = t->deal->samples->class_count;
  double sum = 0;
  for (size_t at = t->begin[unit]; at < t->begin[unit + 1]; at++) {
    size_t i = p * classes + t->cells[at].label;
    double count = (double)t->cells[at].count, want = t->deal->want[i];
    if (!(want > 0)) return false;
    sum += count * (2 * (t->have[i] - want) + count) / want;
  }
  *out = sum;
  return true;
}

/* Whether the unit is a class's last chance to be with the keeper.  A class that is in one mixed unit alone has no say:
 * where there is a long tail, every unit has such a class. */
static bool must_stay(const table *t, uint32_t unit) {
  if (t->deal->keeper < 0) return false;
  size_t begin = t->begin[unit], end = t->begin[unit + 1];
  for (size_t at = begin; at < end; at++) {
    const cell *c = &t->cells[at];
    bool has_say = end - begin == 1 || t->spread[c->label] > 1;
    if (has_say && t->left[c->label] == c->count && !t->kept[c->label]) return true;
  }
  return false;
}

static size_t choose(const table *t, const turn *now) {
  const kohl_deal *d = t->deal;
  if (must_stay(t, now->unit)) return (size_t)d->keeper;
  uint64_t random = kohl_random_u32(d->seed, 0, now->label, RANDOM_ROTATION, 0);
  size_t first = (size_t)(random * d->parts >> 32), best = d->parts;
  double least = 0, sum;
  for (size_t i = 0; i < d->parts; i++) {
    size_t p = (first + i) % d->parts;
    if (!rise(t, now->unit, p, &sum)) continue;
    if (best < d->parts && !(sum < least || (sum == least && t->load[p] < t->load[best]))) continue;
    best = p;
    least = sum;
  }
  return best < d->parts ? best : 0;
}

static void deal_all(table *t) {
  const kohl_deal *d = t->deal;
  size_t classes = d->samples->class_count;
  double *whole = t->load + d->parts; /* what each part wants in all */
  for (size_t i = 0; i < d->parts * classes; i++) whole[i / classes] += d->want[i];
  for (size_t i = 0; i < t->turn_count; i++) {
    uint32_t unit = t->turns[i].unit;
    size_t p = choose(t, &t->turns[i]);
    d->part[unit] = (uint16_t)p;
    if (whole[p] > 0) t->load[p] += (double)t->turns[i].size / whole[p];
    for (size_t at = t->begin[unit]; at < t->begin[unit + 1]; at++) {
      const cell *c = &t->cells[at];
      t->have[p * classes + c->label] += (double)c->count;
      t->left[c->label] -= c->count;
      if ((int)p == d->keeper) t->kept[c->label] = 1;
    }
  }
}

kohl_status kohl_units_deal(kohl_context *ctx, const kohl_deal *deal) {
  static const char what[] = "dealing groups";
  table t = {.deal = deal};
  size_t classes = deal->samples->class_count, cells;
  if (deal->parts < 1 || deal->parts > KOHL_PARTS || !kohl_mul_size(deal->parts, classes, &cells)) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: %zu parts, expected 1 to %d", what, deal->parts, KOHL_PARTS);
  }
  kohl_status status = kohl_alloc(ctx, deal->samples->count, sizeof *t.cells, what, &t.cells);
  if (status == KOHL_OK) status = kohl_alloc(ctx, deal->units + 1, sizeof *t.begin, what, &t.begin);
  if (status == KOHL_OK) status = kohl_alloc(ctx, deal->units, sizeof *t.turns, what, &t.turns);
  if (status == KOHL_OK) status = kohl_alloc(ctx, cells, sizeof *t.have, what, &t.have);
  if (status == KOHL_OK) status = kohl_alloc(ctx, 2 * deal->parts, sizeof *t.load, what, &t.load);
  if (status == KOHL_OK) status = kohl_alloc(ctx, classes, sizeof *t.left, what, &t.left);
  if (status == KOHL_OK) status = kohl_alloc(ctx, classes, sizeof *t.kept, what, &t.kept);
  if (status == KOHL_OK) status = kohl_alloc(ctx, classes, sizeof *t.spread, what, &t.spread);
  if (status == KOHL_OK) {
    fill_cells(&t);
    fill_turns(&t);
    deal_all(&t);
  }
  kohl_free(ctx, t.cells);
  kohl_free(ctx, t.begin);
  kohl_free(ctx, t.turns);
  kohl_free(ctx, t.have);
  kohl_free(ctx, t.load);
  kohl_free(ctx, t.left);
  kohl_free(ctx, t.kept);
  kohl_free(ctx, t.spread);
  return status;
}
