/* Both kinds are found as pairs, joined by union-find, and gathered into groups. */
#include "datasets/duplicates.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"

enum { FLAT = 6, GREY = 8 * KOHL_LOOK_W * KOHL_LOOK_H };

/* A picture, or a hash, with what it is sorted by. */
typedef struct {
  uint64_t key, second;
  uint32_t sample;
} entry;

static int by_key(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  if (x->second != y->second) return x->second < y->second ? -1 : 1;
  return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* The first sample of i's group; halves the path on its way. */
static uint32_t root_of(uint32_t *parent, uint32_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

/* The smaller number becomes the root, so that a group is named by its first sample. */
static void join(uint32_t *parent, uint32_t a, uint32_t b) {
  a = root_of(parent, a);
  b = root_of(parent, b);
  if (a < b) parent[b] = a;
  if (b < a) parent[a] = b;
}

static kohl_status start(kohl_context *ctx, size_t count, uint32_t **parent, entry **entries) {
  *entries = NULL;
  kohl_status status = kohl_alloc(ctx, count, sizeof **parent, "looking for copies", parent);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof **entries, "looking for copies", entries);
  for (size_t i = 0; status == KOHL_OK && i < count; i++) (*parent)[i] = (uint32_t)i;
  return status;
}

static bool labels_equal(const kohl_samples *samples, size_t a, size_t b) {
  size_t n[2];
  const int *x = kohl_sample_labels(samples, a, &n[0]), *y = kohl_sample_labels(samples, b, &n[1]);
  if (n[0] != n[1]) return false;
  for (size_t i = 0; i < n[0]; i++) {
    size_t k = 0;
    while (k < n[1] && y[k] != x[i]) k++;
    if (k == n[1]) return false;
  }
  return true;
}

static void enter(const kohl_samples *samples, kohl_duplicates *out, kohl_duplicate_group *g, size_t sample) {
  out->member[g->begin + g->count++] = sample;
  size_t first = out->member[g->begin];
  uint8_t a = samples->sample[first].split, b = samples->sample[sample].split;
  g->labels_differ |= !labels_equal(samples, first, sample);
  g->splits_differ |= a != b;
}

/* Gathers the groups of two or more out of the union-find.  size and group are by root. */
static kohl_status gather(kohl_context *ctx, const kohl_samples *samples, uint32_t *parent, kohl_duplicates *out) {
  size_t members = 0, groups = 0, n = samples->count;
  uint32_t *size = NULL;
  kohl_status status = kohl_alloc(ctx, n, sizeof *size, "looking for copies", &size);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < n; i++) size[root_of(parent, (uint32_t)i)]++;
  for (size_t i = 0; i < n; i++) {
    groups += size[i] > 1;
    members += size[i] > 1 ? size[i] : 0;
  }
  status = kohl_alloc(ctx, members, sizeof *out->member, "looking for copies", &out->member);
  if (status == KOHL_OK) status = kohl_alloc(ctx, groups, sizeof *out->group, "looking for copies", &out->group);
  for (size_t i = 0, next = 0; status == KOHL_OK && i < n; i++) {
    uint32_t root = parent[i] == i ? (uint32_t)i : root_of(parent, (uint32_t)i);
    if (root == i && size[i] < 2) continue;
    if (root == i) {
      out->group[out->count].begin = next;
      next += size[i];
      size[i] = (uint32_t)out->count++; /* from here on the group's number */
    }
    enter(samples, out, &out->group[size[root]], i);
  }
  kohl_free(ctx, size);
  if (status != KOHL_OK) kohl_duplicates_free(ctx, out);
  return status;
}

static kohl_status same_bytes(kohl_context *ctx, const kohl_samples *samples, const uint8_t *bytes, size_t length,
                              size_t other, bool *out) {
  uint8_t *others;
  size_t n;
  *out = false;
  kohl_status status = kohl_sample_load(ctx, samples, other, &others, &n);
  if (status == KOHL_OK) *out = n == length && memcmp(bytes, others, n) == 0;
  if (status == KOHL_OK) kohl_free(ctx, others);
  return status == KOHL_BAD_INPUT ? KOHL_OK : status;
}

/* Compares pictures of one length and checksum: each that is not placed yet with those behind it. */
static kohl_status compare_run(kohl_context *ctx, const kohl_samples *samples, const entry *run, size_t count,
                               uint32_t *parent) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; status == KOHL_OK && i + 1 < count; i++) {
    uint8_t *bytes;
    size_t length;
    if (parent[run[i].sample] != run[i].sample) continue;
    status = kohl_check_cancel(ctx);
    if (status == KOHL_OK) status = kohl_sample_load(ctx, samples, run[i].sample, &bytes, &length);
    if (status == KOHL_BAD_INPUT) {
      status = KOHL_OK;
      continue;
    }
    if (status != KOHL_OK) return status;
    for (size_t k = i + 1; status == KOHL_OK && k < count; k++) {
      bool same;
      if (parent[run[k].sample] != run[k].sample) continue;
      status = same_bytes(ctx, samples, bytes, length, run[k].sample, &same);
      if (status == KOHL_OK && same) join(parent, run[i].sample, run[k].sample);
    }
    kohl_free(ctx, bytes);
  }
  return status;
}

kohl_status kohl_duplicates_exact(kohl_context *ctx, const kohl_samples *samples, const kohl_scan *scan,
                                  kohl_duplicates *out) {
  uint32_t *parent;
  entry *entries;
  size_t count = 0;
  memset(out, 0, sizeof *out);
  kohl_status status = start(ctx, samples->count, &parent, &entries);
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) {
    const kohl_scan_picture *p = &scan->picture[i];
    if (scan->files_only ? p->bytes > 0 : p->w > 0) entries[count++] = (entry){p->bytes, p->crc, (uint32_t)i};
  }
  if (count > 1) qsort(entries, count, sizeof *entries, by_key);
  for (size_t i = 0, end; status == KOHL_OK && i < count; i = end) {
    for (end = i + 1; end < count && entries[end].key == entries[i].key && entries[end].second == entries[i].second;) {
      end++;
    }
    status = compare_run(ctx, samples, entries + i, end - i, parent);
  }
  if (status == KOHL_OK) status = gather(ctx, samples, parent, out);
  kohl_free(ctx, parent);
  kohl_free(ctx, entries);
  return status;
}

static bool is_flat(uint64_t hash) {
  int bits = __builtin_popcountll(hash);
  return bits < FLAT || bits > 64 - FLAT;
}

static bool looks_like(const kohl_look *a, const kohl_look *b, int distance) {
  if (__builtin_popcountll(a->difference ^ b->difference) > distance) return false;
  int sum = 0;
  for (int y = 0; y < KOHL_LOOK_H; y++) {
    for (int x = 0; x < KOHL_LOOK_W; x++) sum += abs(a->grey[y][x] - b->grey[y][x]);
  }
  return sum <= GREY;
}

/* Joins what is similar, band by band: an entry's key becomes the band's bits. */
static kohl_status join_similar(kohl_context *ctx, const kohl_scan *scan, entry *entries, size_t count, int distance,
                                uint32_t *parent) {
  kohl_status status = KOHL_OK;
  for (int band = 0, bands = distance + 1; status == KOHL_OK && band < bands; band++) {
    int low = 64 * band / bands, high = 64 * (band + 1) / bands;
    uint64_t mask = high - low == 64 ? ~UINT64_C(0) : (UINT64_C(1) << (high - low)) - 1;
    for (size_t i = 0; i < count; i++) entries[i].key = entries[i].second >> low & mask;
    if (count > 1) qsort(entries, count, sizeof *entries, by_key);
    for (size_t i = 0; status == KOHL_OK && i < count; i++) {
      const kohl_look *own = &scan->picture[entries[i].sample].look;
      if (i % 1024 == 0) status = kohl_check_cancel(ctx);
      for (size_t k = i + 1; k < count && entries[k].key == entries[i].key; k++) {
        if (!looks_like(own, &scan->picture[entries[k].sample].look, distance)) continue;
        join(parent, entries[i].sample, entries[k].sample);
      }
    }
  }
  return status;
}

kohl_status kohl_duplicates_similar(kohl_context *ctx, const kohl_samples *samples, const kohl_scan *scan,
                                    const kohl_duplicates *exact, int distance, kohl_duplicates *out) {
  uint32_t *parent;
  entry *entries;
  size_t count = 0;
  memset(out, 0, sizeof *out);
  if (distance < 0 || distance > KOHL_DISTANCE_MOST) {
    return kohl_fail(ctx, KOHL_USAGE, "distance %d, expected 0 to %d bits", distance, KOHL_DISTANCE_MOST);
  }
  kohl_status status = start(ctx, samples->count, &parent, &entries);
  uint8_t *copy = NULL;
  if (status == KOHL_OK) status = kohl_alloc(ctx, samples->count, 1, "looking for copies", &copy);
  for (size_t g = 0; status == KOHL_OK && g < exact->count; g++) {
    for (size_t k = 1; k < exact->group[g].count; k++) copy[exact->member[exact->group[g].begin + k]] = 1;
  }
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) {
    const kohl_scan_picture *p = &scan->picture[i];
    if (p->w && !copy[i] && !is_flat(p->look.difference))
      entries[count++] = (entry){0, p->look.difference, (uint32_t)i};
  }
  if (status == KOHL_OK) status = join_similar(ctx, scan, entries, count, distance, parent);
  if (status == KOHL_OK) status = gather(ctx, samples, parent, out);
  kohl_free(ctx, copy);
  kohl_free(ctx, parent);
  kohl_free(ctx, entries);
  return status;
}

void kohl_duplicates_free(kohl_context *ctx, kohl_duplicates *duplicates) {
  kohl_free(ctx, duplicates->member);
  kohl_free(ctx, duplicates->group);
  memset(duplicates, 0, sizeof *duplicates);
}

kohl_status kohl_duplicates_copies(kohl_context *ctx, const kohl_samples *samples, const kohl_duplicates *exact,
                                   uint32_t **copy_of) {
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof **copy_of, "identical copies", copy_of);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < samples->count; i++) (*copy_of)[i] = (uint32_t)i;
  for (size_t g = 0; g < exact->count; g++) {
    const size_t *member = exact->member + exact->group[g].begin;
    for (size_t i = 1; i < exact->group[g].count; i++) (*copy_of)[member[i]] = (uint32_t)member[0];
  }
  return KOHL_OK;
}

kohl_status kohl_duplicates_drop(kohl_context *ctx, kohl_samples *samples, const kohl_duplicates *exact) {
  bool *keep;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *keep, "identical copies", &keep);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < samples->count; i++) keep[i] = true;
  for (size_t g = 0; g < exact->count; g++) {
    const size_t *member = exact->member + exact->group[g].begin;
    for (size_t i = 1; i < exact->group[g].count; i++) keep[member[i]] = false;
  }
  status = kohl_samples_keep(ctx, samples, keep);
  kohl_free(ctx, keep);
  return status;
}
