/* The list of kernels that resize pictures, the check of a desc, and the weights that all of them use. */
#include "kernels/resize/resize.h"

#include "kernels/resize/side.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(resize, __VA_ARGS__)
#include "kernels/resize/resize.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(resize, __VA_ARGS__)
#include "kernels/resize/resize.def"
#undef KERNEL
};
KOHL_DEFINE_OP(resize, table)

/* Where the whole result may end: trunc(resize * long / short) of a picture of one row. */
enum { FULL_SIDE = 1 << 30 };

kohl_resize_desc kohl_resize_whole(int h, int w, int c, int p, int q, kohl_filter filter) {
  return (kohl_resize_desc){1, h, w, c, p, q, p, q, 0, 0, w * c, q * c, filter};
}

const char *kohl_resize_check(const kohl_resize_desc *d) {
  if (d->n < 0 || d->h < 1 || d->w < 1 || d->p < 1 || d->q < 1) return "a size is below 1";
  if (d->h > KOHL_RESIZE_SIDE || d->w > KOHL_RESIZE_SIDE || d->p > KOHL_RESIZE_SIDE || d->q > KOHL_RESIZE_SIDE) {
    return "a side is above 32768";
  }
  if (d->c < 1 || d->c > 4) return "channels are not 1 to 4";
  if (d->p_full > FULL_SIDE || d->q_full > FULL_SIDE) return "a side of the whole result is above 2^30";
  if (d->top < 0 || d->left < 0 || d->top > d->p_full - d->p || d->left > d->q_full - d->q) {
    return "the window is not inside the whole result";
  }
  if (d->src_row < d->w * d->c || d->dst_row < d->q * d->c) return "a row's distance is below its bytes";
  if ((int)d->filter < 0 || d->filter >= (kohl_filter)KOHL_FILTERS) return "no such filter";
  return NULL;
}

typedef kohl_resize_side side;

/* A kohl_resize_axis that is being filled in. */
typedef struct {
  int taps;
  int32_t *from, *count, *weight;
} filling;

static void table_weights(const side *s, filling *to, double *row) {
  for (int x = 0; x < s->out; x++) {
    double sum = 0.0;
    int from, count;
    kohl_resize_bounds(s, x + s->start, &from, &count);
    kohl_resize_weights weights = kohl_resize_weights_of(s, x + s->start, from);
    for (int t = 0; t < count; t++) row[t] = kohl_resize_next(&weights, t);
    for (int t = 0; t < count; t++) sum += row[t];
    if (sum == 0.0) sum = 1.0;
    int32_t *weight = to->weight + (size_t)x * (size_t)to->taps;
    for (int t = 0; t < count; t++) weight[t] = kohl_resize_fixed(row[t] / sum);
    for (int t = count; t < to->taps; t++) weight[t] = 0;
    to->from[x] = from;
    to->count[x] = count;
  }
}

static void table_fill(const side *s, filling *to, double *row) {
  if (!kohl_resize_copies(s)) {
    table_weights(s, to, row);
    return;
  }
  for (int x = 0; x < s->out; x++) {
    to->from[x] = x + s->start;
    to->count[x] = 1;
    to->weight[x] = 1 << KOHL_RESIZE_BITS;
  }
  if (s->filter == KOHL_FILTER_NEAREST) kohl_resize_nearest(s, to->from);
}

/* The rows of src that the window reads; the bounds grow with the output row. */
static void rows_needed(const side *s, int *first, int *rows) {
  if (kohl_resize_copies(s)) {
    *first = 0;
    *rows = s->in;
    return;
  }
  int last, count, ignored;
  kohl_resize_bounds(s, s->start, first, &ignored);
  kohl_resize_bounds(s, s->start + s->out - 1, &last, &count);
  *rows = last + count - *first;
}

/* An axis's memory, in parts that are rounded up to 64 bytes: a row of doubles to work on, from, count, weight. */
static size_t part(size_t bytes) { return (bytes + 63) / 64 * 64; }

static size_t row_bytes(const side *s) { return part((size_t)kohl_resize_taps(s) * sizeof(double)); }

static size_t axis_bytes(const side *s) {
  size_t out = (size_t)s->out;
  return row_bytes(s) + 2 * part(out * sizeof(int32_t)) + part(out * (size_t)kohl_resize_taps(s) * sizeof(int32_t));
}

static filling table_at(const side *s, uint8_t *memory) {
  size_t step = part((size_t)s->out * sizeof(int32_t));
  uint8_t *at = memory + row_bytes(s);
  return (filling){kohl_resize_taps(s), (int32_t *)at, (int32_t *)(at + step), (int32_t *)(at + 2 * step)};
}

static kohl_resize_axis axis_at(const side *s, const uint8_t *memory) {
  filling t = table_at(s, (uint8_t *)memory);
  return (kohl_resize_axis){t.taps, kohl_resize_copies(s), t.from, t.count, t.weight};
}

size_t kohl_resize_tables_size(const void *desc) {
  side across = kohl_resize_across(desc), down = kohl_resize_down(desc);
  return axis_bytes(&across) + axis_bytes(&down);
}

void kohl_resize_tables_pack(const void *desc, const void *weights, void *tables) {
  (void)weights;
  side sides[2] = {kohl_resize_across(desc), kohl_resize_down(desc)};
  uint8_t *at = tables;
  for (int i = 0; i < 2; at += axis_bytes(&sides[i++])) {
    filling t = table_at(&sides[i], at);
    table_fill(&sides[i], &t, (double *)at);
  }
}

static int strips_of(int rows) { return (rows + KOHL_RESIZE_STRIP - 1) / KOHL_RESIZE_STRIP; }
static size_t middle_row(const kohl_resize_desc *d) { return part((size_t)d->q * (size_t)d->c + 16); }

kohl_resize_plan kohl_resize_plan_of(const kohl_resize_desc *d, const void *tables) {
  side across = kohl_resize_across(d), down = kohl_resize_down(d);
  kohl_resize_plan plan = {
      axis_at(&across, tables), axis_at(&down, (const uint8_t *)tables + axis_bytes(&across)), 0, 0, 0, middle_row(d)};
  rows_needed(&down, &plan.first_row, &plan.rows);
  plan.strips = strips_of(plan.rows);
  return plan;
}

size_t kohl_resize_workspace(const void *desc, size_t workers) {
  (void)workers;
  const kohl_resize_desc *d = desc;
  side down = kohl_resize_down(d);
  int first, rows;
  rows_needed(&down, &first, &rows);
  size_t middle = (size_t)d->n * (size_t)strips_of(rows) * KOHL_RESIZE_STRIP * middle_row(d);
  return d->filter == KOHL_FILTER_NEAREST ? 0 : part(middle);
}

static int pairs_of(const kohl_resize_axis *axis, int x, bool even) {
  return ((even ? axis->from[x] % 2 : 0) + axis->count[x] + 1) / 2;
}

int kohl_resize_pairs(const kohl_resize_axis *axis, int out, bool even) {
  int most = 1;
  for (int x = 0; x < out; x++) most = pairs_of(axis, x, even) > most ? pairs_of(axis, x, even) : most;
  return most;
}

int kohl_resize_most_taps(const kohl_resize_desc *d, bool across) {
  side s = across ? kohl_resize_across(d) : kohl_resize_down(d);
  return kohl_resize_taps(&s);
}

int kohl_resize_most_pairs(const kohl_resize_desc *d, bool across) { return kohl_resize_most_taps(d, across) / 2 + 1; }

/* Two 16-bit numbers in one word. */
static int32_t join(int32_t first, int32_t second) { return (int32_t)((uint32_t)second << 16 | (first & 0xffff)); }

void kohl_resize_pack(const kohl_resize_axis *axis, int out, bool even, int pairs, int32_t *packed) {
  for (int x = 0; x < out; x++) {
    const int32_t *weight = axis->weight + (size_t)x * (size_t)axis->taps;
    int skip = even ? axis->from[x] % 2 : 0;
    for (int pair = 0; pair < pairs; pair++, packed += 2) {
      int32_t high[2], low[2];
      for (int i = 0; i < 2; i++) {
        int t = 2 * pair + i - skip;
        int32_t w = t >= 0 && t < axis->count[x] ? weight[t] : 0;
        high[i] = (w + 1024) >> 11;
        low[i] = w - high[i] * 2048;
      }
      packed[0] = join(low[0], low[1]);
      packed[1] = join(high[0], high[1]);
    }
  }
}
