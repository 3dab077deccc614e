/* Labels out of the texts of a column. */
#include "train/head_labels.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"

enum { MOST = 64 /* labels of a picture */ };

kohl_head_labels kohl_head_labels_own(const kohl_samples *samples) {
  return (kohl_head_labels){
      .samples = samples, .classes = (const char *const *)samples->classes, .class_count = samples->class_count};
}

void kohl_head_labels_free(kohl_context *ctx, kohl_head_labels *labels) {
  kohl_free(ctx, labels->begin);
  kohl_free(ctx, labels->label);
  kohl_text_table_free(ctx, &labels->names);
  kohl_text_store_free(ctx, &labels->texts);
  memset(labels, 0, sizeof *labels);
}

const int *kohl_head_labels_at(const kohl_head_labels *labels, size_t i, size_t *count) {
  if (!labels->begin) return kohl_sample_labels(labels->samples, i, count);
  *count = labels->begin[i + 1] - labels->begin[i];
  return labels->label + labels->begin[i];
}

/* The next label of a cell, with its length; *text moves behind it.  NULL: there is none left. */
static const char *next_label(const char **text, bool several, size_t *length) {
  const char *at = *text;
  while (several && *at == ';') at++;
  *length = several ? strcspn(at, ";") : strlen(at);
  *text = at + *length;
  return *length ? at : NULL;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The classes: those that are given, or all of the listed samples, sorted; names then numbers them in their order. */
static kohl_status make_classes(kohl_context *ctx, size_t column, bool several, const char *const *classes,
                                size_t class_count, const size_t *list, size_t count, kohl_head_labels *l) {
  kohl_text_table found = {0};
  uint32_t number;
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < count && !classes && status == KOHL_OK; i++) {
    const char *text = kohl_sample_value(l->samples, list[i], column), *name;
    size_t length;
    while (status == KOHL_OK && (name = next_label(&text, several, &length))) {
      status = kohl_text_table_add(ctx, &found, &l->texts, name, length, &number);
    }
  }
  if (status == KOHL_OK && found.count > KOHL_CLASSES) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%zu classes, expected at most %d", found.count, KOHL_CLASSES);
  }
  if (found.count) qsort(found.text, found.count, sizeof *found.text, by_name);
  const char *const *names = classes ? classes : found.text;
  const size_t all = classes ? class_count : found.count;
  for (size_t i = 0; i < all && status == KOHL_OK; i++) {
    status = kohl_text_table_add(ctx, &l->names, &l->texts, names[i], strlen(names[i]), &number);
  }
  kohl_text_table_free(ctx, &found);
  l->classes = l->names.text;
  l->class_count = l->names.count;
  return status;
}

/* The labels of one sample, without repeats, behind those of the samples before it. */
static kohl_status add_sample(kohl_context *ctx, kohl_head_labels *l, size_t i, const char *cell, bool several) {
  const char *text = cell, *name;
  const size_t begin = l->begin[i];
  size_t length, end = begin;
  while ((name = next_label(&text, several, &length))) {
    const long found = kohl_text_table_find(&l->names, name, length);
    size_t known = begin;
    if (found < 0) {
      l->unknown++;
      if (!l->first_unknown) l->first_unknown = cell;
      continue;
    }
    while (known < end && l->label[known] != (int)found) known++;
    if (known < end) continue;
    if (end - begin == MOST || end == UINT32_MAX) {
      char path[KOHL_SAMPLE_PATH];
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%.600s: more than %d labels", kohl_sample_path(l->samples, i, path), MOST);
    }
    kohl_status status = kohl_grow(ctx, &l->label, &l->room, end + 1, sizeof *l->label, "labels");
    if (status != KOHL_OK) return status;
    l->label[end++] = (int)found;
  }
  l->without += end == begin;
  l->begin[i + 1] = (uint32_t)end;
  return KOHL_OK;
}

kohl_status kohl_head_labels_of_column(kohl_context *ctx, const kohl_samples *samples, size_t column, bool several,
                                       const char *const *classes, size_t class_count, const size_t *list, size_t count,
                                       kohl_head_labels *out) {
  *out = (kohl_head_labels){.samples = samples};
  kohl_status status = make_classes(ctx, column, several, classes, class_count, list, count, out);
  if (status == KOHL_OK) status = kohl_alloc(ctx, samples->count + 1, sizeof *out->begin, "labels", &out->begin);
  for (size_t i = 0; i < samples->count && status == KOHL_OK; i++) {
    status = add_sample(ctx, out, i, kohl_sample_value(samples, i, column), several);
  }
  return status;
}
