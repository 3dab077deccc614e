/* Samples out of standard input: a CSV, or one path a line. */
#include <stdio.h>
#include <string.h>

#include "datasets/samples.h"

/* The class of a path is the folder that it lies in. */
static kohl_status add_line(kohl_samples_builder *b, const kohl_csv *csv) {
  const char *path = kohl_csv_field(csv, 0), *end = strrchr(path, '/'), *begin = end;
  while (begin && begin > path && begin[-1] != '/') begin--;
  size_t length = begin ? (size_t)(end - begin) : 0;
  if (length == 0 || (length <= 2 && strspn(begin, ".") == length)) {
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: line %zu: '%.200s', expected CLASS/FILE: the folder names the class",
                     kohl_csv_name(csv), kohl_csv_line(csv), path);
  }
  char where[KOHL_ERROR_TEXT / 2];
  int label = 0;
  snprintf(where, sizeof where, "%s: line %zu", kohl_csv_name(csv), kohl_csv_line(csv));
  kohl_status status = kohl_samples_known_label(b, where, begin, length, &label);
  return status == KOHL_OK ? kohl_samples_add(b, NULL, path, label, KOHL_SPLIT_UNSET) : status;
}

kohl_status kohl_samples_from_list(kohl_context *ctx, kohl_csv *csv, const kohl_source_options *options,
                                   kohl_samples *out) {
  static const char *const names[] = {"path", "file", "filename", "image"};
  bool header, more = true;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_csv_names(ctx, csv, names, 4, &header);
  if (status != KOHL_OK || header) {
    return status == KOHL_OK ? kohl_samples_from_csv(ctx, csv, NULL, options, out) : status;
  }
  kohl_csv_lines(csv);
  kohl_samples_builder b = {ctx, out, options};
  status = kohl_samples_begin(&b);
  while (status == KOHL_OK) {
    status = kohl_csv_next(ctx, csv, &more);
    if (status != KOHL_OK || !more) break;
    status = add_line(&b, csv);
  }
  return kohl_samples_end(&b, kohl_csv_name(csv), status);
}
