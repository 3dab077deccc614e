/* The list of samples: its texts, its classes, its making and freeing. */
#include "datasets/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/pack.h"
#include "kernels/core/alloc.h"

enum { BLOCK = 1 << 16 };

const char *kohl_split_name(kohl_split split) {
  static const char *const names[KOHL_SPLITS] = {"unset", "train", "validation", "test"};
  return names[split];
}

size_t kohl_samples_count(const kohl_samples *samples, kohl_split split) {
  size_t count = 0;
  for (size_t i = 0; i < samples->count; i++) count += samples->sample[i].split == split;
  return count;
}

void kohl_samples_free(kohl_context *ctx, kohl_samples *samples) {
  kohl_pack_close(ctx, samples->pack);
  for (size_t i = 0; i < samples->blocks; i++) kohl_free(ctx, samples->block[i]);
  kohl_free(ctx, samples->block);
  kohl_free(ctx, samples->sample);
  kohl_free(ctx, samples->classes);
  memset(samples, 0, sizeof *samples);
}

/* Memory for a text of the list: the rest of the last block, or a new one.  block_room is what is left of it. */
static kohl_status text_room(kohl_samples_builder *b, size_t bytes, char **out) {
  kohl_samples *s = b->samples;
  if (bytes > s->block_room) {
    size_t size = bytes > BLOCK ? bytes : BLOCK;
    kohl_status status =
        kohl_grow(b->ctx, &s->block, &s->block_capacity, s->blocks + 1, sizeof *s->block, "the list of samples");
    if (status == KOHL_OK) status = kohl_alloc(b->ctx, size, 1, "the list of samples", &s->block[s->blocks]);
    if (status != KOHL_OK) return status;
    s->blocks++;
    s->block_room = size;
  }
  /* Blocks are filled from their ends, so that the room left says where the next text goes. */
  s->block_room -= bytes;
  *out = s->block[s->blocks - 1] + s->block_room;
  return KOHL_OK;
}

/* FNV-1a. */
static size_t hash(const char *text) {
  uint64_t h = UINT64_C(14695981039346656037);
  for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
  return (size_t)(h ^ h >> 32);
}

static size_t find_slot(const kohl_samples_builder *b, const char *name) {
  size_t at = hash(name) & (b->slots - 1);
  while (b->slot[at] && strcmp(b->samples->classes[b->slot[at] - 1], name) != 0) at = (at + 1) & (b->slots - 1);
  return at;
}

static kohl_status grow_slots(kohl_samples_builder *b) {
  if (b->slots > 2 * (b->samples->class_count + 1)) return KOHL_OK;
  size_t slots = b->slots ? 2 * b->slots : 64;
  uint32_t *slot;
  kohl_status status = kohl_alloc(b->ctx, slots, sizeof *slot, "the list of classes", &slot);
  if (status != KOHL_OK) return status;
  kohl_free(b->ctx, b->slot);
  b->slot = slot;
  b->slots = slots;
  for (size_t i = 0; i < b->samples->class_count; i++) b->slot[find_slot(b, b->samples->classes[i])] = (uint32_t)i + 1;
  return KOHL_OK;
}

static kohl_status add_class(kohl_samples_builder *b, const char *name, int *label) {
  kohl_samples *s = b->samples;
  kohl_status status = grow_slots(b);
  if (status != KOHL_OK) return status;
  size_t at = find_slot(b, name), bytes = strlen(name) + 1;
  if (b->slot[at]) {
    *label = (int)b->slot[at] - 1;
    return KOHL_OK;
  }
  if (s->class_count == KOHL_CLASSES) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "class '%.200s': expected at most %d classes", name, KOHL_CLASSES);
  }
  char *text;
  status =
      kohl_grow(b->ctx, &s->classes, &s->class_capacity, s->class_count + 1, sizeof *s->classes, "the list of classes");
  if (status == KOHL_OK) status = text_room(b, bytes, &text);
  if (status != KOHL_OK) return status;
  memcpy(text, name, bytes);
  s->classes[s->class_count++] = text;
  b->slot[at] = (uint32_t)s->class_count;
  *label = (int)s->class_count - 1;
  return KOHL_OK;
}

kohl_status kohl_samples_begin(kohl_samples_builder *b) {
  memset(b->samples, 0, sizeof *b->samples);
  kohl_status status = grow_slots(b);
  for (size_t i = 0; status == KOHL_OK && b->options && b->options->classes && i < b->options->class_count; i++) {
    int label;
    status = add_class(b, b->options->classes[i], &label);
    if (status == KOHL_OK && label != (int)i) {
      status = kohl_fail(b->ctx, KOHL_USAGE, "class '%.200s' is given twice", b->options->classes[i]);
    }
  }
  return status;
}

kohl_status kohl_samples_label(kohl_samples_builder *b, const char *name, int *label) {
  if (!b->options || !b->options->classes) return add_class(b, name, label);
  *label = (int)b->slot[find_slot(b, name)] - 1;
  return KOHL_OK;
}

kohl_status kohl_samples_add(kohl_samples_builder *b, const char *folder, const char *file, int label,
                             kohl_split split) {
  kohl_samples *s = b->samples;
  if (s->count == KOHL_SAMPLES) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%.200s: expected at most %d pictures", file, KOHL_SAMPLES);
  }
  size_t before = folder && file[0] != '/' ? strlen(folder) : 0, after = strlen(file) + 1;
  char *text;
  kohl_status status =
      kohl_grow(b->ctx, &s->sample, &s->capacity, s->count + 1, sizeof *s->sample, "the list of samples");
  if (status == KOHL_OK) status = text_room(b, before + (before > 0) + after, &text);
  if (status != KOHL_OK) return status;
  if (before) {
    memcpy(text, folder, before);
    text[before] = '/';
  }
  memcpy(text + before + (before > 0), file, after);
  s->sample[s->count++] = (kohl_sample){text, label, (uint8_t)split, false};
  return KOHL_OK;
}

typedef struct {
  const char *name;
  int old;
} named;

static int by_name(const void *a, const void *b) { return strcmp(((const named *)a)->name, ((const named *)b)->name); }

static kohl_status sort_classes(kohl_samples_builder *b) {
  kohl_samples *s = b->samples;
  named *order = NULL;
  int *label = NULL;
  kohl_status status = kohl_alloc(b->ctx, s->class_count, sizeof *order, "sorting classes", &order);
  if (status == KOHL_OK) status = kohl_alloc(b->ctx, s->class_count, sizeof *label, "sorting classes", &label);
  if (status == KOHL_OK) {
    for (size_t i = 0; i < s->class_count; i++) order[i] = (named){s->classes[i], (int)i};
    qsort(order, s->class_count, sizeof *order, by_name);
    for (size_t i = 0; i < s->class_count; i++) {
      s->classes[i] = order[i].name;
      label[order[i].old] = (int)i;
    }
    for (size_t i = 0; i < s->count; i++) s->sample[i].label = label[s->sample[i].label];
  }
  kohl_free(b->ctx, order);
  kohl_free(b->ctx, label);
  return status;
}

kohl_status kohl_samples_end(kohl_samples_builder *b, const char *name, kohl_status status) {
  if (status == KOHL_OK && b->samples->count == 0) {
    status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: no pictures in it", name);
  }
  if (status == KOHL_OK && !(b->options && b->options->classes)) status = sort_classes(b);
  kohl_free(b->ctx, b->slot);
  b->slot = NULL;
  if (status != KOHL_OK) kohl_samples_free(b->ctx, b->samples);
  return status;
}

void kohl_samples_class_text(const kohl_samples *samples, char *text, size_t room) {
  size_t used = 0;
  text[0] = 0;
  for (size_t i = 0; i < samples->class_count; i++) {
    size_t need = strlen(samples->classes[i]) + 2;
    if (used + need + sizeof ", ..." > room) {
      snprintf(text + used, room - used, "%s...", used ? ", " : "");
      return;
    }
    used += (size_t)snprintf(text + used, room - used, "%s%s", used ? ", " : "", samples->classes[i]);
  }
}
