/* Samples out of a CSV file, and back into one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/samples.h"
#include "kernels/core/alloc.h"

enum { NONE = -1 };

typedef struct {
  int path, label, split; /* positions, NONE where there is no such column */
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

static kohl_status read_header(kohl_context *ctx, kohl_csv *csv, const kohl_source_options *options, columns *c) {
  static const char *const paths[] = {"path", "file", "filename", "image"};
  static const char *const labels[] = {"label", "class", "category"};
  bool more;
  kohl_status status = kohl_csv_next(ctx, csv, &more);
  if (status != KOHL_OK) return status;
  if (!more) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: empty file, expected a header row", kohl_csv_name(csv));
  status = find_column(ctx, csv, paths, 4, &c->path);
  if (status == KOHL_OK) status = find_column(ctx, csv, labels, 3, &c->label);
  if (status == KOHL_OK) status = find_split_column(ctx, csv, options ? options->split_column : NULL, &c->split);
  if (status != KOHL_OK) return status;
  if (c->path == NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: no column named path, file, filename or image",
                     kohl_csv_name(csv), kohl_csv_line(csv));
  }
  if (c->label == NONE) {
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

static kohl_status read_row(kohl_samples_builder *b, const kohl_csv *csv, const columns *c, const char *folder) {
  const char *file = kohl_csv_field(csv, (size_t)c->path), *name = kohl_csv_field(csv, (size_t)c->label);
  if (!*file || !*name) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: line %zu: the %s is empty", kohl_csv_name(csv), kohl_csv_line(csv),
                     *file ? "label" : "path");
  }
  kohl_split split;
  int label;
  kohl_status status = read_split(b->ctx, csv, c->split, &split);
  if (status == KOHL_OK) status = kohl_samples_label(b, name, &label);
  if (status != KOHL_OK) return status;
  if (label < 0) {
    char known[512];
    kohl_samples_class_text(b->samples, known, sizeof known);
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: line %zu: class '%.100s', expected one of: %s", kohl_csv_name(csv),
                     kohl_csv_line(csv), name, known);
  }
  return kohl_samples_add(b, folder, file, label, split);
}

kohl_status kohl_samples_from_csv(kohl_context *ctx, kohl_csv *csv, const char *folder,
                                  const kohl_source_options *options, kohl_samples *out) {
  kohl_samples_builder b = {.ctx = ctx, .samples = out, .options = options};
  columns c = {NONE, NONE, NONE};
  kohl_status status = kohl_samples_begin(&b);
  if (status == KOHL_OK) status = read_header(ctx, csv, options, &c);
  bool more = true;
  while (status == KOHL_OK) {
    status = kohl_csv_next(ctx, csv, &more);
    if (status != KOHL_OK || !more) break;
    status = read_row(&b, csv, &c, folder);
  }
  return kohl_samples_end(&b, kohl_csv_name(csv), status);
}

static void write_field(FILE *file, const char *text, char after) {
  bool quote = strpbrk(text, ",\"\r\n") != NULL || !*text;
  if (quote) putc('"', file);
  for (; *text; text++) {
    if (*text == '"') putc('"', file);
    putc(*text, file);
  }
  if (quote) putc('"', file);
  putc(after, file);
}

static kohl_status write_sample(kohl_context *ctx, const kohl_samples *samples, const kohl_sample *s, bool splits,
                                const char *path, FILE *file) {
  /* A picture that has gone since keeps the path it was found by. */
  char *real = realpath(s->path, NULL);
  const char *text = real ? real : s->path;
  kohl_status status = KOHL_OK;
  if (kohl_utf8_valid(text, strlen(text))) {
    write_field(file, text, ',');
    write_field(file, samples->classes[s->label], splits ? ',' : '\n');
    if (splits) write_field(file, kohl_split_name((kohl_split)s->split), '\n');
  } else {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the path of a picture is not UTF-8: %.400s", path, text);
  }
  free(real);
  return status;
}

kohl_status kohl_samples_write_csv(kohl_context *ctx, const kohl_samples *samples, kohl_split split, const char *path) {
  FILE *file = fopen(path, "we");
  if (!file) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be written: %s", path, strerror(errno));
  bool splits = split == KOHL_SPLIT_UNSET && samples->count && !kohl_samples_count(samples, KOHL_SPLIT_UNSET);
  fputs(splits ? "path,label,split\n" : "path,label\n", file);
  kohl_status status = KOHL_OK;
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) {
    const kohl_sample *s = &samples->sample[i];
    if (split != KOHL_SPLIT_UNSET && s->split != split) continue;
    status = write_sample(ctx, samples, s, splits, path, file);
  }
  struct stat st;
  bool regular = fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode); /* a device is not removed */
  bool failed = ferror(file) != 0;
  int error = errno;
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
