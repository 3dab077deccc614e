/* CSV records, one at a time, in bounded memory: RFC 4180 with LF or CRLF and an optional UTF-8 mark at the start.
 *
 * Not a guesser: the separator is the comma, the encoding UTF-8.  Refused with the number of the line: NUL, invalid
 * UTF-8, records over 1 MiB, a quote inside an unquoted field, text behind a closing quote, a quote never closed, a
 * carriage return outside quotes that no line feed follows, another number of fields than the header has.  Empty
 * lines are passed over. */
#ifndef KOHL_DATASETS_CSV_H
#define KOHL_DATASETS_CSV_H

#include "kernels/core/context.h"

enum { KOHL_CSV_RECORD = 1 << 20 }; /* bytes of a record, at most */

typedef struct kohl_csv kohl_csv;

/* A reader of a regular file; *out is the caller's until kohl_csv_close.  path is only read during the call. */
kohl_status kohl_csv_open(kohl_context *ctx, const char *path, kohl_csv **out);

/* The same over memory, which must outlive the reader; name begins the error texts. */
kohl_status kohl_csv_open_memory(kohl_context *ctx, const char *name, const char *bytes, size_t length, kohl_csv **out);

/* The same over an open file, pipe or terminal, which stays the caller's and must outlive the reader. */
kohl_status kohl_csv_open_fd(kohl_context *ctx, const char *name, int fd, kohl_csv **out);

/* Whether the first record has a field that is one of count names, in any case.  Nothing is taken from the reader; of
 * a first line over 64 KiB only its beginning is looked at, and quotes are not looked into. */
kohl_status kohl_csv_names(kohl_context *ctx, kohl_csv *csv, const char *const *names, size_t count, bool *out);

/* From now on every line is one field: commas and quotes are plain text, and there is no header. */
void kohl_csv_lines(kohl_csv *csv);

void kohl_csv_close(kohl_context *ctx, kohl_csv *csv);

/* Reads the next record; *more is false at the end, and there is none then.  The first record is the header. */
kohl_status kohl_csv_next(kohl_context *ctx, kohl_csv *csv, bool *more);

/* The record last read: its fields (owned by the reader, until its next call) and the line it begins on, from 1. */
size_t kohl_csv_fields(const kohl_csv *csv);
const char *kohl_csv_field(const kohl_csv *csv, size_t i);
size_t kohl_csv_line(const kohl_csv *csv);
const char *kohl_csv_name(const kohl_csv *csv);

/* Whether length bytes are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF). */
bool kohl_utf8_valid(const char *bytes, size_t length);

#endif
