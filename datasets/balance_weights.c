/* Weights of classes: by formulas and from a file. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "datasets/balance.h"
#include "datasets/decimal.h"
#include "kernels/core/alloc.h"

/* The sum of the weights is scaled to the number of classes.  expm1 and log1p keep the digits that 1 - beta^n loses
 * where beta is near 1. */
static void weigh_effective(double beta, const size_t *count, size_t classes, double *weight) {
  double sum = 0;
  for (size_t c = 0; c < classes; c++) {
    weight[c] = beta > 0 ? (1 - beta) / -expm1((double)count[c] * log1p(beta - 1)) : 1.0;
    sum += weight[c];
  }
  for (size_t c = 0; c < classes; c++) weight[c] = weight[c] * (double)classes / sum;
}

kohl_status kohl_class_weights(kohl_context *ctx, kohl_weighting kind, double beta, const size_t *count,
                               const char *const *names, size_t classes, double *weight) {
  size_t n = 0;
  for (size_t c = 0; c < classes; c++) {
    n += count[c];
    weight[c] = 1.0;
    if (count[c] == 0 && kind != KOHL_WEIGHTING_NONE) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "class '%.200s' has no picture to be weighted by, expected at least 1",
                       names[c]);
    }
  }
  if (kind == KOHL_WEIGHTING_EFFECTIVE) {
    if (!(beta >= 0 && beta < 1)) {
      return kohl_fail(ctx, KOHL_USAGE, "class weights: beta %g, expected 0 or more and less than 1", beta);
    }
    weigh_effective(beta, count, classes, weight);
  }
  for (size_t c = 0; c < classes; c++) {
    if (kind == KOHL_WEIGHTING_BALANCED) weight[c] = (double)n / ((double)classes * (double)count[c]);
    if (kind == KOHL_WEIGHTING_INVERSE) weight[c] = (double)n / (double)count[c];
  }
  return KOHL_OK;
}

void kohl_positive_weights(const size_t *positive, size_t n, size_t labels, double *weight) {
  for (size_t l = 0; l < labels; l++) {
    weight[l] = positive[l] ? (double)(n - positive[l]) / (double)positive[l] : 1.0;
  }
}

/* Which columns hold class and weight, from the header. */
static kohl_status find_columns(kohl_context *ctx, const kohl_csv *csv, size_t *name, size_t *value) {
  size_t fields = kohl_csv_fields(csv);
  *name = *value = fields;
  for (size_t i = 0; i < fields; i++) {
    const char *column = kohl_csv_field(csv, i);
    if (*name == fields && (!strcasecmp(column, "class") || !strcasecmp(column, "label"))) *name = i;
    if (*value == fields && !strcasecmp(column, "weight")) *value = i;
  }
  if (*name < fields && *value < fields) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named %s", kohl_csv_name(csv), kohl_csv_line(csv),
                   *name == fields ? "class or label" : "weight");
}

/* Sets weight[c], which is -1 as long as the class has not come. */
static kohl_status read_row(kohl_context *ctx, const kohl_csv *csv, size_t name, size_t value, const char *const *names,
                            size_t classes, double *weight) {
  const char *class = kohl_csv_field(csv, name), *text = kohl_csv_field(csv, value);
  size_t c = 0;
  while (c < classes && strcmp(names[c], class) != 0) c++;
  if (c == classes) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: class '%.200s', expected one of the %zu of the data",
                     kohl_csv_name(csv), kohl_csv_line(csv), class, classes);
  }
  if (weight[c] >= 0) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: class '%.200s' given again, expected once", kohl_csv_name(csv),
                     kohl_csv_line(csv), class);
  }
  weight[c] = kohl_decimal_read(text, strlen(text));
  if (!(weight[c] >= 0 && isfinite(weight[c]))) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: weight '%.100s', expected a number of 0 or more",
                     kohl_csv_name(csv), kohl_csv_line(csv), text);
  }
  return KOHL_OK;
}

static kohl_status read_rows(kohl_context *ctx, kohl_csv *csv, const char *const *names, size_t classes,
                             double *weight) {
  bool more;
  size_t name, value;
  kohl_status status = kohl_csv_next(ctx, csv, &more);
  if (status == KOHL_OK && !more) {
    status =
        kohl_fail(ctx, KOHL_BAD_INPUT, "%s: empty file, expected the columns class and weight", kohl_csv_name(csv));
  }
  if (status == KOHL_OK) status = find_columns(ctx, csv, &name, &value);
  while (status == KOHL_OK && (status = kohl_csv_next(ctx, csv, &more)) == KOHL_OK && more) {
    status = read_row(ctx, csv, name, value, names, classes, weight);
  }
  double sum = 0;
  for (size_t c = 0; status == KOHL_OK && c < classes; c++) {
    if (weight[c] < 0) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: no weight for class '%.200s'", kohl_csv_name(csv), names[c]);
    }
    sum += weight[c];
  }
  if (status == KOHL_OK && !(sum > 0 && isfinite(sum))) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the weights add up to %g, expected a finite number above 0",
                       kohl_csv_name(csv), sum);
  }
  return status;
}

kohl_status kohl_class_weights_read(kohl_context *ctx, const char *path, const char *const *names, size_t classes,
                                    double *weight) {
  kohl_csv *csv;
  kohl_status status = kohl_csv_open(ctx, path, &csv);
  if (status != KOHL_OK) return status;
  for (size_t c = 0; c < classes; c++) weight[c] = -1;
  status = read_rows(ctx, csv, names, classes, weight);
  kohl_csv_close(ctx, csv);
  return status;
}
