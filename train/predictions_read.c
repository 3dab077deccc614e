/* Predictions read from CSV.  The header says which labels there are; every row is checked against it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/decimal.h"
#include "datasets/source.h"
#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "train/predictions.h"

enum { VALUE = 128 }; /* bytes of a value in an error text, which kohl_quote shortens further */

typedef struct reader {
  kohl_context *ctx;
  kohl_csv *csv;
  kohl_predictions *p;
  char ***sorted; /* the places of p->labels in the order of their names */
  bool many;
  size_t first; /* the field of the first probability */
  size_t file_room, truth_room, marks_room, chosen_room, float_room;
} reader;

static kohl_status refuse(const reader *r, const char *field, const char *value, const char *expected) {
  return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: line %zu: field '%s': value '%s', expected %s", kohl_csv_name(r->csv),
                   kohl_csv_line(r->csv), kohl_quote(field, strlen(field)).text, kohl_quote(value, strlen(value)).text,
                   expected);
}

static int compare(const void *a, const void *b) { return strcmp(**(char **const *)a, **(char **const *)b); }

/* The label of length bytes, or -1. */
static int find(const reader *r, const char *name, size_t length) {
  int low = 0, high = r->p->classes - 1;
  while (low <= high) {
    int middle = low + (high - low) / 2;
    const char *label = *r->sorted[middle];
    int order = strncmp(label, name, length);
    if (order == 0 && label[length]) order = 1;
    if (order == 0) return (int)(r->sorted[middle] - r->p->labels);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle - 1;
    }
  }
  return -1;
}

static kohl_status sort_labels(reader *r) {
  int classes = r->p->classes;
  kohl_status status = kohl_alloc(r->ctx, (size_t)classes, sizeof *r->sorted, "labels", &r->sorted);
  if (status != KOHL_OK) return status;
  for (int c = 0; c < classes; c++) r->sorted[c] = &r->p->labels[c];
  qsort(r->sorted, (size_t)classes, sizeof *r->sorted, compare);
  for (int c = 1; c < classes; c++) {
    if (strcmp(*r->sorted[c - 1], *r->sorted[c]) == 0) {
      return refuse(r, "p_", *r->sorted[c], "every label once");
    }
  }
  return KOHL_OK;
}

static kohl_status read_header(reader *r) {
  static const char *const names[] = {"file", "true", "predicted"};
  bool more;
  kohl_status status = kohl_csv_next(r->ctx, r->csv, &more);
  if (status != KOHL_OK) return status;
  if (!more) return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: is empty, expected predictions", kohl_csv_name(r->csv));
  size_t fields = kohl_csv_fields(r->csv);
  for (size_t i = 0; i < 3; i++) {
    const char *name = i < fields ? kohl_csv_field(r->csv, i) : "";
    if (strcmp(name, names[i]) != 0) return refuse(r, names[i], name, "the columns file,true,predicted,p_LABEL,...");
  }
  r->many = fields > 3 && strcmp(kohl_csv_field(r->csv, 3), "labels") == 0;
  r->first = r->many ? 4 : 3;
  if (fields == r->first || fields - r->first > KOHL_CLASSES) {
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: line %zu: %zu columns p_LABEL, expected 1 to %d",
                     kohl_csv_name(r->csv), kohl_csv_line(r->csv), fields - r->first, KOHL_CLASSES);
  }
  status = kohl_alloc(r->ctx, fields - r->first, sizeof *r->p->labels, "labels", &r->p->labels);
  if (status == KOHL_OK) r->p->classes = (int)(fields - r->first);
  for (size_t i = r->first; i < fields && status == KOHL_OK; i++) {
    const char *name = kohl_csv_field(r->csv, i);
    if (strncmp(name, "p_", 2) != 0 || !name[2]) return refuse(r, "p_", name, "a column p_LABEL");
    if (r->many && strchr(name, ';')) return refuse(r, "p_", name, "a label without ';'");
    status = kohl_strdup(r->ctx, name + 2, &r->p->labels[i - r->first]);
  }
  return status == KOHL_OK ? sort_labels(r) : status;
}

/* The labels of one field into marks; *count = how many, *first = the one with the lowest index, or -1. */
static kohl_status read_marks(const reader *r, size_t field, const char *name, uint8_t *marks, int *count, int *first) {
  const char *text = kohl_csv_field(r->csv, field);
  *count = 0;
  *first = -1;
  while (*text) {
    size_t length = strcspn(text, ";");
    int label = find(r, text, length);
    if (label < 0 || marks[label]) {
      char value[VALUE];
      snprintf(value, sizeof value, "%.*s", length < sizeof value ? (int)length : (int)sizeof value - 1, text);
      return refuse(r, name, value, label < 0 ? "labels of the header with ';' between them" : "every label once");
    }
    marks[label] = 1;
    ++*count;
    if (*first < 0 || label < *first) *first = label;
    if (text[length] && !text[length + 1]) return refuse(r, name, text, "a label behind ';'");
    text += length + (text[length] == ';');
  }
  return KOHL_OK;
}

static kohl_status read_many(reader *r, size_t at) {
  int count, chosen, first;
  char number[24];
  kohl_predictions *p = r->p;
  kohl_status status = read_marks(r, 1, "true", p->marks + at, &count, &p->truth[p->count]);
  if (status == KOHL_OK) status = read_marks(r, 2, "predicted", p->chosen + at, &chosen, &first);
  if (status != KOHL_OK) return status;
  snprintf(number, sizeof number, "%d", count);
  if (strcmp(kohl_csv_field(r->csv, 3), number) == 0) return KOHL_OK;
  return refuse(r, "labels", kohl_csv_field(r->csv, 3), "the number of labels in the field 'true'");
}

static kohl_status read_one(reader *r) {
  const char *truth = kohl_csv_field(r->csv, 1), *predicted = kohl_csv_field(r->csv, 2);
  kohl_predictions *p = r->p;
  p->truth[p->count] = find(r, truth, strlen(truth));
  if (p->truth[p->count] < 0) return refuse(r, "true", truth, "a label of the header");
  const char *best = p->labels[kohl_predictions_best(p, p->count)];
  if (strcmp(predicted, best) == 0) return KOHL_OK;
  char expected[VALUE + 32];
  snprintf(expected, sizeof expected, "'%s', the most probable", kohl_quote(best, strlen(best)).text);
  return refuse(r, "predicted", predicted, expected);
}

static kohl_status make_room(reader *r) {
  kohl_predictions *p = r->p;
  size_t rows = p->count + 1, cells = rows * (size_t)p->classes;
  kohl_status status = kohl_grow(r->ctx, &p->file, &r->file_room, rows, sizeof *p->file, "predictions");
  if (status == KOHL_OK) {
    status = kohl_grow(r->ctx, &p->truth, &r->truth_room, rows, sizeof *p->truth, "predictions");
  }
  if (status == KOHL_OK) {
    status = kohl_grow(r->ctx, &p->probabilities, &r->float_room, cells, sizeof *p->probabilities, "predictions");
  }
  if (status == KOHL_OK && r->many) {
    status = kohl_grow(r->ctx, &p->marks, &r->marks_room, cells, 1, "predictions");
    if (status == KOHL_OK) status = kohl_grow(r->ctx, &p->chosen, &r->chosen_room, cells, 1, "predictions");
  }
  return status;
}

static kohl_status read_row(reader *r) {
  kohl_predictions *p = r->p;
  size_t at = p->count * (size_t)p->classes;
  const char *file = kohl_csv_field(r->csv, 0);
  if (!*file) return refuse(r, "file", file, "the path of a picture");
  kohl_status status = make_room(r);
  for (int c = 0; c < p->classes && status == KOHL_OK; c++) {
    const char *text = kohl_csv_field(r->csv, r->first + (size_t)c);
    double value = kohl_decimal_read(text, strlen(text));
    if (!(value >= 0 && value <= 1)) {
      char field[VALUE];
      snprintf(field, sizeof field, "p_%s", kohl_quote(p->labels[c], strlen(p->labels[c])).text);
      return refuse(r, field, text, "a number of 0 to 1");
    }
    /* nine digits leave a thirtieth of a float's step or more to the next rounding, so that two of them are as one */
    p->probabilities[at + (size_t)c] = (float)value;
  }
  if (status == KOHL_OK) status = r->many ? read_many(r, at) : read_one(r);
  if (status == KOHL_OK) status = kohl_strdup(r->ctx, file, &p->file[p->count]);
  if (status == KOHL_OK) p->count++;
  return status;
}

kohl_status kohl_predictions_from_csv(kohl_context *ctx, kohl_csv *csv, kohl_predictions *out) {
  reader r = {.ctx = ctx, .csv = csv, .p = out};
  bool more = true;
  memset(out, 0, sizeof *out);
  kohl_status status = read_header(&r);
  while (status == KOHL_OK && (status = kohl_csv_next(ctx, csv, &more)) == KOHL_OK && more) status = read_row(&r);
  if (status == KOHL_OK && out->count == 0) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a header and no rows, expected predictions", kohl_csv_name(csv));
  }
  kohl_free(ctx, r.sorted);
  if (status != KOHL_OK) kohl_predictions_free(ctx, out);
  return status;
}

kohl_status kohl_predictions_read(kohl_context *ctx, const char *path, kohl_predictions *out) {
  kohl_csv *csv;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_csv_open(ctx, path, &csv);
  if (status != KOHL_OK) return status;
  status = kohl_predictions_from_csv(ctx, csv, out);
  kohl_csv_close(ctx, csv);
  return status;
}
