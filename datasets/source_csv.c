/* Samples out of a CSV file. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "datasets/decimal.h"
#include "datasets/samples.h"
#include "kernels/core/alloc.h"

enum { NONE = -1, LABELS = 64 /* label columns, and labels of a picture, at most */ };

typedef struct {
  int path, split, weight, group; /* positions, NONE where there is no such column */
  int label[LABELS], labels;
  int *value; /* of the columns asked for, owned */
} columns;

/* The first of the names that a column has, in any case; NONE when none has, an error when two columns have it. */
static kohl_status find_column(kohl_context *ctx, const kohl_csv *csv, const char *const *names, size_t count,
                               int *out) {
  *out = NONE;
  for (size_t n = 0; n < count && *out == NONE; n++) {
    for (size_t i = 0; i < kohl_csv_fields(csv); i++) {
      if (strcasecmp(kohl_csv_field(csv, i), names[n]) != 0) continue;
      if (*out != NONE) {
        return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: two columns named '%s'", kohl_csv_name(csv),
                         kohl_csv_line(csv), names[n]);
      }
      *out = (int)i;
    }
  }
  return KOHL_OK;
}

static kohl_status find_split_column(kohl_context *ctx, const kohl_csv *csv, const char *wanted, int *out) {
  static const char *const usual = "split";
  kohl_status status = find_column(ctx, csv, wanted ? &wanted : &usual, 1, out);
  if (status != KOHL_OK || *out != NONE) return status;
  if (wanted) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named '%s'", kohl_csv_name(csv), kohl_csv_line(csv),
                     wanted);
  }
  static const char ending[] = "_split";
  for (size_t i = 0; i < kohl_csv_fields(csv); i++) {
    const char *name = kohl_csv_field(csv, i);
    size_t length = strlen(name);
    if (length < sizeof ending || strcasecmp(name + length - (sizeof ending - 1), ending) != 0) continue;
    if (*out != NONE) {
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s: line %zu: columns '%.100s' and '%.100s' both end in _split, expected "
                       "one to be asked for",
                       kohl_csv_name(csv), kohl_csv_line(csv), kohl_csv_field(csv, (size_t)*out), name);
    }
    *out = (int)i;
  }
  return KOHL_OK;
}

/* The label column, or all of its name. */
static kohl_status find_labels(kohl_context *ctx, const kohl_csv *csv, const kohl_source_options *o, columns *c) {
  const char *names[] = {"label", "class", "category", o && o->label_or ? o->label_or : "label"};
  const bool several = o && o->several_labels;
  const int count = o && o->label_column ? 1 : 4;
  if (count == 1) names[0] = o->label_column;
  c->labels = 0;
  if (!several) {
    kohl_status status = find_column(ctx, csv, names, (size_t)count, &c->label[0]);
    c->labels = c->label[0] != NONE;
    return status;
  }
  for (int n = 0; n < count && !c->labels; n++) {
    for (size_t i = 0; i < kohl_csv_fields(csv); i++) {
      if (strcasecmp(kohl_csv_field(csv, i), names[n]) != 0) continue;
      if (c->labels == LABELS) {
        return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: more than %d columns named '%s'", kohl_csv_name(csv),
                         kohl_csv_line(csv), LABELS, names[n]);
      }
      c->label[c->labels++] = (int)i;
    }
  }
  return KOHL_OK;
}

static kohl_status find_values(kohl_samples_builder *b, const kohl_csv *csv, columns *c) {
  const kohl_source_options *o = b->options;
  if (!o || !o->column_count) return KOHL_OK;
  kohl_status status = kohl_alloc(b->ctx, o->column_count, sizeof *c->value, "the columns of a list", &c->value);
  for (size_t i = 0; status == KOHL_OK && i < o->column_count; i++) {
    status = find_column(b->ctx, csv, &o->columns[i], 1, &c->value[i]);
    if (status == KOHL_OK && c->value[i] == NONE) {
      status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named '%s'", kohl_csv_name(csv),
                         kohl_csv_line(csv), o->columns[i]);
    }
  }
  return status;
}

static kohl_status read_header(kohl_samples_builder *b, kohl_csv *csv, columns *c) {
  static const char *const paths[] = {"path", "file", "filename", "image"};
  static const char *const weights[] = {"weight", "sample_weight"}, *const group = "group";
  kohl_context *ctx = b->ctx;
  const kohl_source_options *options = b->options;
  bool more;
  kohl_status status = kohl_csv_next(ctx, csv, &more);
  if (status != KOHL_OK) return status;
  if (!more) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: empty file, expected a header row", kohl_csv_name(csv));
  status = find_column(ctx, csv, paths, 4, &c->path);
  if (status == KOHL_OK) status = find_labels(ctx, csv, options, c);
  if (status == KOHL_OK) status = find_split_column(ctx, csv, options ? options->split_column : NULL, &c->split);
  if (status == KOHL_OK) status = find_column(ctx, csv, weights, 2, &c->weight);
  if (status == KOHL_OK) status = find_column(ctx, csv, &group, 1, &c->group);
  if (status == KOHL_OK) status = find_values(b, csv, c);
  if (status != KOHL_OK) return status;
  if (c->path == NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named path, file, filename or image",
                     kohl_csv_name(csv), kohl_csv_line(csv));
  }
  if (c->labels == 0 && options && options->label_column) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named '%s'", kohl_csv_name(csv), kohl_csv_line(csv),
                     options->label_column);
  }
  if (c->labels == 0) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named label, class or category", kohl_csv_name(csv),
                     kohl_csv_line(csv));
  }
  return KOHL_OK;
}

static kohl_status read_split(kohl_context *ctx, const kohl_csv *csv, int column, kohl_split *out) {
  static const struct {
    const char *name;
    kohl_split split;
  } words[] = {{"train", KOHL_SPLIT_TRAIN},
               {"val", KOHL_SPLIT_VALIDATION},
               {"valid", KOHL_SPLIT_VALIDATION},
               {"validation", KOHL_SPLIT_VALIDATION},
               {"test", KOHL_SPLIT_TEST}};
  *out = KOHL_SPLIT_UNSET;
  if (column == NONE) return KOHL_OK;
  const char *value = kohl_csv_field(csv, (size_t)column);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcasecmp(value, words[i].name) == 0) {
      *out = words[i].split;
      return KOHL_OK;
    }
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: split '%.100s', expected train, val, valid, validation or test",
                   kohl_csv_name(csv), kohl_csv_line(csv), value);
}

static kohl_status read_weight(kohl_samples_builder *b, const kohl_csv *csv, int column) {
  const char *text = kohl_csv_field(csv, (size_t)column);
  double value = kohl_decimal_read(text, strlen(text));
  if (!(value >= 0.0) || !isfinite((float)value)) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: line %zu: weight '%.100s', expected a finite number of 0 or more",
                     kohl_csv_name(csv), kohl_csv_line(csv), text);
  }
  return kohl_samples_set_weight(b, (float)value);
}

/* The labels of a row, without repeats; an empty field has none. */
static kohl_status read_labels(kohl_samples_builder *b, const kohl_csv *csv, const columns *c, int *label, size_t *n) {
  char where[KOHL_ERROR_TEXT / 2], separators[2] = {';', 0};
  bool several = b->options && b->options->several_labels;
  if (several && b->options->separator) separators[0] = b->options->separator;
  snprintf(where, sizeof where, "%s: line %zu", kohl_csv_name(csv), kohl_csv_line(csv));
  *n = 0;
  for (int i = 0; i < c->labels; i++) {
    const char *text = kohl_csv_field(csv, (size_t)c->label[i]);
    while (*text) {
      size_t length = several ? strcspn(text, separators) : strlen(text), known = 0;
      int found = 0;
      if (length == 0) {
        text++;
        continue;
      }
      kohl_status status = kohl_samples_known_label(b, where, text, length, &found);
      if (status != KOHL_OK) return status;
      while (known < *n && label[known] != found) known++;
      if (known == LABELS) {
        return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: more than %d labels", where, LABELS);
      }
      label[known] = found;
      *n += known == *n;
      text += length + (text[length] != 0);
    }
  }
  return *n ? KOHL_OK : kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: the label is empty", where);
}

static kohl_status read_row(kohl_samples_builder *b, const kohl_csv *csv, const columns *c, const char *folder) {
  const char *file = kohl_csv_field(csv, (size_t)c->path);
  if (!*file) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: line %zu: the path is empty", kohl_csv_name(csv), kohl_csv_line(csv));
  }
  kohl_split split;
  int label[LABELS];
  size_t labels;
  kohl_status status = read_split(b->ctx, csv, c->split, &split);
  if (status == KOHL_OK) status = read_labels(b, csv, c, label, &labels);
  if (status == KOHL_OK) {
    status = kohl_samples_add(b, folder, file, label[0], split);
    if (status == KOHL_BAD_INPUT) kohl_fail_prefix(b->ctx, "%s: line %zu", kohl_csv_name(csv), kohl_csv_line(csv));
  }
  if (status == KOHL_OK && b->options && b->options->several_labels) status = kohl_samples_set_labels(b, label, labels);
  if (status == KOHL_OK && c->weight != NONE) status = read_weight(b, csv, c->weight);
  if (status == KOHL_OK && c->group != NONE) {
    status = kohl_samples_set_group(b, kohl_csv_field(csv, (size_t)c->group));
  }
  for (size_t i = 0; status == KOHL_OK && c->value && i < b->options->column_count; i++) {
    status = kohl_samples_set_value(b, i, kohl_csv_field(csv, (size_t)c->value[i]));
  }
  return status;
}

kohl_status kohl_samples_from_csv(kohl_context *ctx, kohl_csv *csv, const char *folder,
                                  const kohl_source_options *options, kohl_samples *out) {
  kohl_samples_builder b = {ctx, out, options};
  columns c = {NONE, NONE, NONE, NONE, {NONE}, 0, NULL};
  kohl_status status = kohl_samples_begin(&b);
  if (status == KOHL_OK) status = read_header(&b, csv, &c);
  bool more = true;
  while (status == KOHL_OK) {
    status = kohl_csv_next(ctx, csv, &more);
    if (status != KOHL_OK || !more) break;
    status = read_row(&b, csv, &c, folder);
  }
  kohl_free(ctx, c.value);
  return kohl_samples_end(&b, kohl_csv_name(csv), status);
}
