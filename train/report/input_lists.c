/* labels.txt and the lists of pictures: how many of each class are in each part, and which files. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "datasets/csv.h"
#include "datasets/file.h"
#include "kernels/core/alloc.h"
#include "train/report/input.h"

/* The class of that name, or class_count.  `hint` is looked at first: lists are mostly sorted by class. */
static size_t find(const kohl_report_lists *lists, const char *name, size_t length, size_t hint) {
  for (size_t k = 0; k < lists->class_count; k++) {
    size_t i = (hint + k) % lists->class_count;
    if (strlen(lists->classes[i].name) == length && memcmp(lists->classes[i].name, name, length) == 0) return i;
  }
  return lists->class_count;
}

/* A class without pictures yet. */
static kohl_status add(kohl_context *ctx, kohl_report_lists *lists, const char *name, size_t length) {
  kohl_status status = kohl_grow(ctx, &lists->classes, &lists->class_capacity, lists->class_count + 1,
                                 sizeof *lists->classes, "classes");
  char **copy = status == KOHL_OK ? &lists->classes[lists->class_count].name : NULL;
  if (status == KOHL_OK) status = kohl_alloc(ctx, length + 1, 1, "name of a class", copy);
  if (status != KOHL_OK) return status;
  memcpy(*copy, name, length);
  lists->class_count++;
  return KOHL_OK;
}

kohl_status kohl_report_labels_read(kohl_context *ctx, const char *path, kohl_report_lists *out) {
  uint8_t *bytes;
  size_t length;
  if (access(path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_file_load(ctx, path, KOHL_REPORT_TEXT, &bytes, &length);
  if (status != KOHL_OK) return status;
  const char *text = (const char *)bytes;
  if (memchr(text, 0, length)) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: holds a zero byte, expected one name a line", path);
  }
  for (size_t at = 0, n; at < length && status == KOHL_OK; at += n + 1) {
    const char *end = memchr(text + at, '\n', length - at);
    n = end ? (size_t)(end - text) - at : length - at;
    size_t name = n && text[at + n - 1] == '\r' ? n - 1 : n;
    if (name) status = add(ctx, out, text + at, name);
  }
  kohl_free(ctx, bytes);
  return status;
}

/* Counts one picture: as its whole label where that is a class, else as each of the classes between ';'. */
static kohl_status count(kohl_context *ctx, kohl_report_lists *lists, int part, const char *label, size_t *hint) {
  size_t whole = find(lists, label, strlen(label), *hint);
  if (whole < lists->class_count || !strchr(label, ';')) {
    kohl_status status = whole < lists->class_count ? KOHL_OK : add(ctx, lists, label, strlen(label));
    if (status == KOHL_OK) lists->classes[ *hint = whole].count[part]++;
    return status;
  }
  for (const char *at = label; *at;) {
    size_t length = strcspn(at, ";"), i = find(lists, at, length, *hint);
    if (length && i == lists->class_count) {
      kohl_status status = add(ctx, lists, at, length);
      if (status != KOHL_OK) return status;
    }
    if (length) lists->classes[i].count[part]++;
    at += length + (at[length] == ';');
  }
  return KOHL_OK;
}

/* The first column with one of these names, or -1. */
static int column_of(const kohl_csv *csv, const char *const *names) {
  for (size_t i = 0; i < kohl_csv_fields(csv); i++) {
    for (const char *const *name = names; *name; name++) {
      if (strcasecmp(kohl_csv_field(csv, i), *name) == 0) return (int)i;
    }
  }
  return -1;
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Not by datasets/source.h, which refuses a list without pictures: a part may be empty.  Paths are sorted to be found.
 */
static kohl_status read_rows(kohl_context *ctx, kohl_csv *csv, int part, kohl_report_lists *out) {
  static const char *const paths[] = {"path", "file", "filename", "image", NULL};
  static const char *const labels[] = {"label", "class", "category", NULL};
  bool more = false;
  size_t hint = 0;
  kohl_status status = kohl_csv_next(ctx, csv, &more);
  if (status != KOHL_OK || !more) return status;
  int path = column_of(csv, paths), label = column_of(csv, labels);
  if (path < 0 || label < 0) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: no column '%s', expected path and label", kohl_csv_name(csv),
                     path < 0 ? "path" : "label");
  }
  while (status == KOHL_OK && (status = kohl_csv_next(ctx, csv, &more)) == KOHL_OK && more) {
    status = kohl_grow(ctx, &out->path[part], &out->path_capacity[part], out->count[part] + 1, sizeof *out->path[part],
                       "paths");
    if (status == KOHL_OK) {
      status = kohl_strdup(ctx, kohl_csv_field(csv, (size_t)path), &out->path[part][out->count[part]]);
    }
    if (status != KOHL_OK) break;
    out->count[part]++;
    status = count(ctx, out, part, kohl_csv_field(csv, (size_t)label), &hint);
  }
  if (out->count[part]) qsort(out->path[part], out->count[part], sizeof *out->path[part], compare);
  return status;
}

kohl_status kohl_report_list_read(kohl_context *ctx, const char *path, int part, kohl_report_lists *out) {
  kohl_csv *csv;
  if (access(path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_csv_open(ctx, path, &csv);
  if (status != KOHL_OK) return status;
  status = read_rows(ctx, csv, part, out);
  out->there[part] = status == KOHL_OK;
  kohl_csv_close(ctx, csv);
  return status;
}

bool kohl_report_list_has(const kohl_report_lists *lists, int part, const char *path) {
  return lists->count[part] &&
         bsearch(&path, lists->path[part], lists->count[part], sizeof *lists->path[part], compare) != NULL;
}

void kohl_report_lists_free(kohl_context *ctx, kohl_report_lists *lists) {
  for (size_t i = 0; i < lists->class_count; i++) kohl_free(ctx, lists->classes[i].name);
  for (int part = 0; part < KOHL_REPORT_PARTS; part++) {
    for (size_t i = 0; i < lists->count[part]; i++) kohl_free(ctx, lists->path[part][i]);
    kohl_free(ctx, lists->path[part]);
  }
  kohl_free(ctx, lists->classes);
  memset(lists, 0, sizeof *lists);
}
