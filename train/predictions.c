/* Predictions written as CSV.  predictions_read.c reads them. */
#include "train/predictions.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "kernels/core/place.h"
#include "train/runfolder.h"

int kohl_predictions_best(const kohl_predictions *p, size_t i) {
  const float *row = p->probabilities + i * (size_t)p->classes;
  int best = 0;
  for (int c = 1; c < p->classes; c++) {
    if (row[c] > row[best]) best = c;
  }
  return best;
}

void kohl_predictions_free(kohl_context *ctx, kohl_predictions *p) {
  for (int c = 0; p->labels && c < p->classes; c++) kohl_free(ctx, p->labels[c]);
  for (size_t i = 0; p->file && i < p->count; i++) kohl_free(ctx, p->file[i]);
  kohl_free(ctx, p->labels);
  kohl_free(ctx, p->file);
  kohl_free(ctx, p->truth);
  kohl_free(ctx, p->marks);
  kohl_free(ctx, p->chosen);
  kohl_free(ctx, p->probabilities);
  memset(p, 0, sizeof *p);
}

kohl_status kohl_predictions_choose(kohl_context *ctx, kohl_predictions *p, const float *thresholds) {
  const size_t classes = (size_t)p->classes, cells = p->count * classes;
  kohl_status status = p->chosen ? KOHL_OK : kohl_alloc(ctx, cells, 1, "chosen labels", &p->chosen);
  for (size_t i = 0; i < cells && status == KOHL_OK; i++) {
    p->chosen[i] = p->probabilities[i] >= (thresholds ? thresholds[i % classes] : 0.5f);
  }
  return status;
}

/* Nine digits, with a point whatever the locale says. */
static void add_probability(kohl_text *row, float p) {
  char text[48];
  snprintf(text, sizeof text, "%.9g", (double)p);
  const char *point = localeconv()->decimal_point;
  char *at = *point == '.' ? NULL : strstr(text, point);
  if (at) {
    size_t length = strlen(point);
    *at = '.';
    memmove(at + 1, at + length, strlen(at + length) + 1);
  }
  kohl_text_add(row, ",%s", text);
}

/* The labels that are marked, with ; between them, as one field. */
static void add_marked(kohl_context *ctx, kohl_text *row, const kohl_predictions *p, const uint8_t *marks) {
  kohl_text names = {.ctx = ctx};
  bool first = true;
  for (int c = 0; c < p->classes; c++) {
    if (!marks[c]) continue;
    kohl_text_add(&names, first ? "%s" : ";%s", p->labels[c]);
    first = false;
  }
  kohl_text_add_csv(row, names.text ? names.text : "");
  if (row->status == KOHL_OK) row->status = names.status;
  kohl_text_free(&names);
}

static kohl_status add_row(kohl_context *ctx, kohl_text *row, const kohl_predictions *p, size_t i) {
  const size_t classes = (size_t)p->classes, at = i * classes;
  int labels = 0;
  kohl_text_add_csv(row, p->file[i]);
  kohl_text_add(row, ",");
  if (p->marks) {
    for (size_t c = 0; c < classes; c++) labels += p->marks[at + c];
    add_marked(ctx, row, p, p->marks + at);
    kohl_text_add(row, ",");
    add_marked(ctx, row, p, p->chosen + at);
    kohl_text_add(row, ",%d", labels);
  } else {
    if (p->truth[i] < 0 || p->truth[i] >= p->classes) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: label %d, expected 0 to %d", p->file[i], (int)p->truth[i],
                       p->classes - 1);
    }
    kohl_text_add_csv(row, p->labels[p->truth[i]]);
    kohl_text_add(row, ",");
    kohl_text_add_csv(row, p->labels[kohl_predictions_best(p, i)]);
  }
  for (size_t c = 0; c < classes; c++) {
    float value = p->probabilities[at + c];
    if (!(value >= 0.0f && value <= 1.0f)) {
      return kohl_fail(ctx, KOHL_NOT_FINITE, "%s: probability of label '%s' is %g, expected 0 to 1", p->file[i],
                       p->labels[c], (double)value);
    }
    add_probability(row, value);
  }
  kohl_text_add(row, "\n");
  return row->status;
}

static void add_header(kohl_text *row, const kohl_predictions *p) {
  kohl_text_add(row, "file,true,predicted%s", p->marks ? ",labels" : "");
  for (int c = 0; c < p->classes && row->status == KOHL_OK; c++) {
    kohl_text name = {.ctx = row->ctx};
    kohl_text_add(&name, "p_%s", p->labels[c]);
    kohl_text_add(row, ",");
    if (name.status == KOHL_OK) kohl_text_add_csv(row, name.text);
    if (row->status == KOHL_OK) row->status = name.status;
    kohl_text_free(&name);
  }
  kohl_text_add(row, "\n");
}

static kohl_status check_labels(kohl_context *ctx, const kohl_predictions *p, const char *path) {
  if (!p->marks != !p->chosen) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: labels that pictures have and labels that they were given, expected both",
                     path);
  }
  for (int c = 0; c < p->classes; c++) {
    const char *label = p->labels[c];
    if (*label && !(p->marks && strchr(label, ';'))) continue;
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: label %d: value '%s', expected %s", path, c, label,
                     *label ? "a name without ';'" : "a name");
  }
  return KOHL_OK;
}

/* Writes a row and empties it. */
static kohl_status put_row(kohl_context *ctx, kohl_text *row, const char *path, FILE *file) {
  if (row->status != KOHL_OK) return row->status;
  if (row->length > KOHL_CSV_RECORD) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a row of %zu bytes, expected at most %d: too many labels", path,
                     row->length, KOHL_CSV_RECORD);
  }
  if (!kohl_utf8_valid(row->text, row->length)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a name is not UTF-8: %.400s", path, row->text);
  }
  fwrite(row->text, 1, row->length, file);
  row->length = 0;
  return KOHL_OK;
}

static kohl_status write_rows(kohl_context *ctx, const kohl_predictions *p, const char *path, FILE *file) {
  kohl_text row = {.ctx = ctx};
  add_header(&row, p);
  kohl_status status = put_row(ctx, &row, path, file);
  for (size_t i = 0; i < p->count && status == KOHL_OK && !ferror(file); i++) {
    status = add_row(ctx, &row, p, i);
    if (status == KOHL_OK) status = put_row(ctx, &row, path, file);
  }
  kohl_text_free(&row);
  return status;
}

kohl_status kohl_predictions_write(kohl_context *ctx, const kohl_predictions *p, const char *path) {
  struct stat st;
  kohl_status status = check_labels(ctx, p, path);
  if (status != KOHL_OK) return status;
  FILE *file = fopen(path, "we");
  if (!file) return kohl_fail(ctx, kohl_write_status(errno), "%s: cannot be written: %s", path, strerror(errno));
  bool regular = fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode); /* a device is not removed */
  status = write_rows(ctx, p, path, file);
  int error = errno;
  bool failed = ferror(file) != 0;
  if (fclose(file) != 0 && !failed) {
    failed = true;
    error = errno;
  }
  if (status == KOHL_OK && failed) {
    status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: cannot be written: %s", path, strerror(error));
  }
  if (status != KOHL_OK && regular) unlink(path);
  return status;
}
