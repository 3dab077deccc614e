/* A list of samples back into a CSV file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/source.h"
#include "kernels/core/alloc.h"
#include "kernels/core/place.h"

/* Which columns the file gets. */
typedef struct {
  const kohl_samples *samples;
  const char *path;
  FILE *file;
  bool splits;
  const char *const *columns; /* names of the list's further columns, or NULL */
} writer;

static void write_text(FILE *file, const char *text) {
  for (; *text; text++) {
    if (*text == '"') putc('"', file);
    putc(*text, file);
  }
}

static void write_field(FILE *file, const char *text) {
  bool quote = strpbrk(text, ",\"\r\n") != NULL || !*text;
  if (quote) putc('"', file);
  write_text(file, text);
  if (quote) putc('"', file);
}

/* Several labels are one quoted field. */
static void write_labels(const writer *w, size_t i) {
  size_t count;
  const int *labels = kohl_sample_labels(w->samples, i, &count);
  if (count == 1) {
    write_field(w->file, w->samples->classes[*labels]);
    return;
  }
  for (size_t k = 0; k < count; k++) {
    putc(k ? ';' : '"', w->file);
    write_text(w->file, w->samples->classes[labels[k]]);
  }
  putc('"', w->file);
}

/* The columns of sample i, under a path. */
static kohl_status write_row(kohl_context *ctx, const writer *w, size_t i, const char *path) {
  /* A picture that has gone since keeps the path it was found by. */
  char *real = realpath(path, NULL);
  const char *text = real ? real : path;
  kohl_status status = KOHL_OK;
  if (kohl_utf8_valid(text, strlen(text))) {
    write_field(w->file, text);
    putc(',', w->file);
    write_labels(w, i);
    if (w->samples->weight) fprintf(w->file, ",%.9g", (double)w->samples->weight[i]);
    if (w->samples->group) {
      putc(',', w->file);
      write_field(w->file, kohl_sample_group(w->samples, i));
    }
    for (size_t c = 0; w->columns && c < w->samples->column_count; c++) {
      const char *value = kohl_sample_value(w->samples, i, c);
      putc(',', w->file);
      write_field(w->file, value ? value : "");
    }
    if (w->splits) fprintf(w->file, ",%s", kohl_split_name((kohl_split)w->samples->sample[i].split));
    putc('\n', w->file);
  } else {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the path of a picture is not UTF-8: %.400s", w->path, text);
  }
  free(real);
  return status;
}

static kohl_status write_sample(kohl_context *ctx, const writer *w, size_t i) {
  char path[KOHL_SAMPLE_PATH];
  return write_row(ctx, w, i, kohl_sample_path(w->samples, i, path));
}

/* Opens the file and writes the header. */
static kohl_status begin(kohl_context *ctx, writer *w) {
  w->file = fopen(w->path, "we");
  if (!w->file) {
    return kohl_fail(ctx, kohl_write_status(errno), "%s: cannot be written: %s", w->path, strerror(errno));
  }
  fprintf(w->file, "path,label%s%s", w->samples->weight ? ",weight" : "", w->samples->group ? ",group" : "");
  for (size_t c = 0; w->columns && c < w->samples->column_count; c++) {
    putc(',', w->file);
    write_field(w->file, w->columns[c]);
  }
  fprintf(w->file, "%s\n", w->splits ? ",split" : "");
  return KOHL_OK;
}

/* Closes the file, and removes it where something went wrong. */
static kohl_status end(kohl_context *ctx, const writer *w, kohl_status status) {
  struct stat st;
  bool regular = fstat(fileno(w->file), &st) == 0 && S_ISREG(st.st_mode); /* a device is not removed */
  bool failed = ferror(w->file) != 0;
  int error = errno;
  if (fclose(w->file) != 0 && !failed) {
    failed = true;
    error = errno;
  }
  if (status == KOHL_OK && failed) {
    status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: cannot be written: %s", w->path, strerror(error));
  }
  if (status != KOHL_OK && regular) unlink(w->path);
  return status;
}

kohl_status kohl_samples_write_csv(kohl_context *ctx, const kohl_samples *samples, kohl_split split,
                                   const char *const *columns, const char *path) {
  bool splits = split == KOHL_SPLIT_UNSET && samples->count && !kohl_samples_count(samples, KOHL_SPLIT_UNSET);
  writer w = {samples, path, NULL, splits, columns};
  kohl_status status = begin(ctx, &w);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) {
    if (split == KOHL_SPLIT_UNSET || samples->sample[i].split == split) status = write_sample(ctx, &w, i);
  }
  return end(ctx, &w, status);
}

kohl_status kohl_samples_write_rows(kohl_context *ctx, const kohl_samples *samples, bool good_only,
                                    const kohl_sample_row *more, size_t count, const char *path) {
  writer w = {samples, path, NULL, samples->count && !kohl_samples_count(samples, KOHL_SPLIT_UNSET), NULL};
  kohl_status status = begin(ctx, &w);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; status == KOHL_OK && i < samples->count; i++) {
    if (!good_only || !samples->sample[i].bad) status = write_sample(ctx, &w, i);
  }
  for (size_t i = 0; status == KOHL_OK && i < count; i++) status = write_row(ctx, &w, more[i].like, more[i].path);
  return end(ctx, &w, status);
}
