/* metrics.csv, by the names of its columns. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "datasets/csv.h"
#include "datasets/decimal.h"
#include "kernels/core/alloc.h"
#include "train/report/input.h"
#include "train/report/page.h"

static kohl_status read_header(kohl_context *ctx, const kohl_csv *csv, kohl_report_epochs *out) {
  kohl_status status = kohl_alloc(ctx, kohl_csv_fields(csv), sizeof *out->name, "names of columns", &out->name);
  for (size_t i = 0; i < kohl_csv_fields(csv) && status == KOHL_OK; i++) {
    status = kohl_strdup(ctx, kohl_csv_field(csv, i), &out->name[i]);
    out->columns += status == KOHL_OK;
  }
  return status;
}

/* What is no number, not finite or empty becomes NaN: a gap in a curve, not an error. */
static kohl_status read_row(kohl_context *ctx, const kohl_csv *csv, int phase, kohl_report_epochs *out) {
  size_t need;
  if (!kohl_mul_size(out->rows + 1, out->columns, &need)) {
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: more cells than memory has bytes", kohl_csv_name(csv));
  }
  kohl_status status = kohl_grow(ctx, &out->value, &out->capacity, need, sizeof *out->value, "epochs");
  if (status == KOHL_OK && phase >= 0) {
    status = kohl_grow(ctx, &out->phase, &out->phase_capacity, out->rows + 1, sizeof *out->phase, "phases");
    const char *name = kohl_csv_field(csv, (size_t)phase);
    if (status == KOHL_OK) status = kohl_page_clean(ctx, name, strlen(name), &out->phase[out->rows]);
  }
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < out->columns; i++) {
    const char *text = kohl_csv_field(csv, i);
    double value = kohl_decimal_read(text, strlen(text));
    out->value[out->rows * out->columns + i] = isfinite(value) ? value : (double)NAN;
  }
  out->rows++;
  return KOHL_OK;
}

kohl_status kohl_report_epochs_read(kohl_context *ctx, const char *path, kohl_report_epochs *out) {
  kohl_csv *csv;
  bool more = false;
  if (access(path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_csv_open(ctx, path, &csv);
  if (status != KOHL_OK) return status;
  status = kohl_csv_next(ctx, csv, &more);
  if (status == KOHL_OK && more) status = read_header(ctx, csv, out);
  int phase = kohl_report_column(out, "phase");
  while (status == KOHL_OK && more) {
    status = kohl_csv_next(ctx, csv, &more);
    if (status == KOHL_OK && more) status = read_row(ctx, csv, phase, out);
  }
  kohl_csv_close(ctx, csv);
  return status;
}

void kohl_report_epochs_free(kohl_context *ctx, kohl_report_epochs *epochs) {
  for (size_t i = 0; i < epochs->columns; i++) kohl_free(ctx, epochs->name[i]);
  /* a row that failed half-way may have its phase already */
  for (size_t i = 0; i < epochs->phase_capacity; i++) kohl_free(ctx, epochs->phase[i]);
  kohl_free(ctx, epochs->name);
  kohl_free(ctx, epochs->phase);
  kohl_free(ctx, epochs->value);
  memset(epochs, 0, sizeof *epochs);
}

int kohl_report_column(const kohl_report_epochs *epochs, const char *name) {
  for (size_t i = 0; i < epochs->columns; i++) {
    if (strcmp(epochs->name[i], name) == 0) return (int)i;
  }
  return -1;
}

double kohl_report_cell(const kohl_report_epochs *epochs, size_t row, int column) {
  return column < 0 ? (double)NAN : epochs->value[row * epochs->columns + (size_t)column];
}
