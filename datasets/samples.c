/* Making a list of samples: its classes, its columns, its order. */
#include "datasets/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"

static const char what[] = "the list of samples";

static kohl_status add_class(kohl_samples_builder *b, const char *name, size_t length, int *label) {
  kohl_samples *s = b->samples;
  if (s->class_count == KOHL_CLASSES && kohl_text_table_find(&s->class_table, name, length) < 0) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "class '%.*s': expected at most %d classes",
                     (int)(length < 200 ? length : 200), name, KOHL_CLASSES);
  }
  uint32_t number;
  kohl_status status = kohl_text_table_add(b->ctx, &s->class_table, &s->texts, name, length, &number);
  s->classes = s->class_table.text;
  s->class_count = s->class_table.count;
  if (status == KOHL_OK) *label = (int)number;
  return status;
}

static bool classes_given(const kohl_samples_builder *b) { return b->options && b->options->classes; }

kohl_status kohl_samples_begin(kohl_samples_builder *b) {
  kohl_samples *s = b->samples;
  memset(s, 0, sizeof *s);
  kohl_status status = KOHL_OK;
  for (size_t i = 0; status == KOHL_OK && classes_given(b) && i < b->options->class_count; i++) {
    int label;
    status = add_class(b, b->options->classes[i], strlen(b->options->classes[i]), &label);
    if (status == KOHL_OK && label != (int)i) {
      status = kohl_fail(b->ctx, KOHL_USAGE, "class '%.200s' is given twice", b->options->classes[i]);
    }
  }
  size_t columns = b->options ? b->options->column_count : 0;
  if (status != KOHL_OK || columns == 0) return status;
  status = kohl_alloc(b->ctx, columns, sizeof *s->value, what, &s->value);
  if (status == KOHL_OK) status = kohl_alloc(b->ctx, columns, sizeof *s->value_capacity, what, &s->value_capacity);
  if (status == KOHL_OK) s->column_count = columns;
  return status;
}

kohl_status kohl_samples_label(kohl_samples_builder *b, const char *name, size_t length, int *label) {
  if (!classes_given(b)) return add_class(b, name, length, label);
  *label = (int)kohl_text_table_find(&b->samples->class_table, name, length);
  return KOHL_OK;
}

kohl_status kohl_samples_known_label(kohl_samples_builder *b, const char *where, const char *name, size_t length,
                                     int *label) {
  kohl_status status = kohl_samples_label(b, name, length, label);
  if (status != KOHL_OK || *label >= 0) return status;
  char known[512];
  kohl_samples_class_text(b->samples, known, sizeof known);
  return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: class '%.*s', expected one of: %s", where,
                   (int)(length < 100 ? length : 100), name, known);
}

/* Room for one sample more.  Grows by a quarter, not by doubling: while it is copied, a list of samples costs twice
 * its size, and 64 bytes a picture are promised. */
static kohl_status grow(kohl_samples_builder *b) {
  kohl_samples *s = b->samples;
  if (s->count < s->capacity) return KOHL_OK;
  size_t capacity = s->capacity + s->capacity / 4 + 64;
  kohl_sample *larger;
  kohl_status status = kohl_alloc(b->ctx, capacity, sizeof *larger, what, &larger);
  if (status != KOHL_OK) return status;
  if (s->count) memcpy(larger, s->sample, s->count * sizeof *larger);
  kohl_free(b->ctx, s->sample);
  s->sample = larger;
  s->capacity = capacity;
  return KOHL_OK;
}

static kohl_status append(kohl_samples_builder *b, kohl_sample sample) {
  kohl_status status = grow(b);
  if (status == KOHL_OK) b->samples->sample[b->samples->count++] = sample;
  return status;
}

kohl_status kohl_samples_add(kohl_samples_builder *b, const char *folder, const char *file, int label,
                             kohl_split split) {
  kohl_samples *s = b->samples;
  char path[KOHL_SAMPLE_PATH];
  if (s->count == KOHL_SAMPLES) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%.200s: expected at most %d pictures", file, KOHL_SAMPLES);
  }
  size_t before = folder && file[0] != '/' ? strlen(folder) : 0, after = strlen(file);
  if (before + 1 + after >= sizeof path) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%.200s...: a path of %zu bytes, expected at most %d", file,
                     before + (before > 0) + after, KOHL_SAMPLE_PATH - 2);
  }
  if (before) memcpy(path, folder, before);
  if (before && folder[before - 1] != '/') path[before++] = '/';
  memcpy(path + before, file, after + 1);
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  kohl_sample sample = {0, 0, label, (uint8_t)split, false};
  kohl_status status = kohl_text_table_add(b->ctx, &s->folders, &s->texts, path, (size_t)(name - path), &sample.folder);
  if (status == KOHL_OK) status = kohl_text_store_add(b->ctx, &s->texts, name, strlen(name), &sample.name);
  return status == KOHL_OK ? append(b, sample) : status;
}

kohl_status kohl_samples_add_record(kohl_samples_builder *b, uint32_t folder, uint32_t record, int label,
                                    kohl_split split) {
  if (b->samples->count == KOHL_SAMPLES) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: expected at most %d pictures", b->samples->folders.text[folder],
                     KOHL_SAMPLES);
  }
  return append(b, (kohl_sample){folder, record, label, (uint8_t)split, false});
}

kohl_status kohl_samples_set_weight(kohl_samples_builder *b, float weight) {
  kohl_samples *s = b->samples;
  kohl_status status = kohl_grow(b->ctx, &s->weight, &s->weight_capacity, s->count, sizeof *s->weight, what);
  if (status == KOHL_OK) s->weight[s->count - 1] = weight;
  return status;
}

kohl_status kohl_samples_set_group(kohl_samples_builder *b, const char *group) {
  kohl_samples *s = b->samples;
  uint32_t number;
  kohl_status status = kohl_grow(b->ctx, &s->group, &s->group_capacity, s->count, sizeof *s->group, what);
  if (status == KOHL_OK) status = kohl_text_table_add(b->ctx, &s->groups, &s->texts, group, strlen(group), &number);
  if (status == KOHL_OK) s->group[s->count - 1] = number;
  return status;
}

kohl_status kohl_samples_set_labels(kohl_samples_builder *b, const int *labels, size_t count) {
  kohl_samples *s = b->samples;
  kohl_status status =
      kohl_grow(b->ctx, &s->label_begin, &s->begin_capacity, s->count + 1, sizeof *s->label_begin, what);
  size_t begin = status == KOHL_OK ? s->label_begin[s->count - 1] : 0;
  if (status == KOHL_OK && begin + count > UINT32_MAX) {
    status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: more than %u labels", what, UINT32_MAX);
  }
  if (status == KOHL_OK) {
    status = kohl_grow(b->ctx, &s->labels, &s->labels_capacity, begin + count, sizeof *s->labels, what);
  }
  if (status != KOHL_OK) return status;
  memcpy(s->labels + begin, labels, count * sizeof *labels);
  s->label_begin[s->count] = (uint32_t)(begin + count);
  return KOHL_OK;
}

kohl_status kohl_samples_set_value(kohl_samples_builder *b, size_t column, const char *text) {
  kohl_samples *s = b->samples;
  kohl_status status =
      kohl_grow(b->ctx, &s->value[column], &s->value_capacity[column], s->count, sizeof **s->value, what);
  if (status != KOHL_OK) return status;
  return kohl_text_store_add(b->ctx, &s->texts, text, strlen(text), &s->value[column][s->count - 1]);
}

void kohl_samples_leave_out(kohl_samples_builder *b, const char *path, const char *why) {
  b->samples->other_files++;
  if (b->options && b->options->left_out) {
    b->options->left_out(b->options->user, path, why);
  } else {
    kohl_log(b->ctx, KOHL_LOG_WARNING, "bad picture, skipped: %s: %s", path, why);
  }
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
    size_t labels = s->label_begin ? s->label_begin[s->count] : 0;
    for (size_t i = 0; i < labels; i++) s->labels[i] = label[s->labels[i]];
  }
  kohl_free(b->ctx, order);
  kohl_free(b->ctx, label);
  return status;
}

kohl_status kohl_samples_end_unsorted(kohl_samples_builder *b, const char *name, kohl_status status) {
  kohl_samples *s = b->samples;
  if (status == KOHL_OK && s->count == 0) {
    status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: no pictures in it", name);
  }
  kohl_text_table_close(b->ctx, &s->class_table);
  kohl_text_table_close(b->ctx, &s->folders);
  kohl_text_table_close(b->ctx, &s->groups);
  if (status != KOHL_OK) kohl_samples_free(b->ctx, s);
  return status;
}

kohl_status kohl_samples_end(kohl_samples_builder *b, const char *name, kohl_status status) {
  if (status == KOHL_OK && b->samples->count && !classes_given(b)) status = sort_classes(b);
  return kohl_samples_end_unsorted(b, name, status);
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
