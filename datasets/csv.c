/* A CSV reader over a 64 KiB window of the file and one growing buffer for the record. */
#include "datasets/csv.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "datasets/file.h"
#include "kernels/core/alloc.h"

enum { WINDOW = 1 << 16, END = -1 };

struct kohl_csv {
  char *name;
  int fd;            /* -1 over memory */
  char *window;      /* owned, NULL over memory */
  const char *bytes; /* what is left: bytes[at] to bytes[length - 1] */
  size_t at, length;
  char *text; /* the record's fields, each with its NUL */
  size_t text_capacity, text_length;
  size_t *field; /* where each field begins in text */
  size_t field_capacity, fields, columns;
  size_t line, record_line;
  bool started;
  bool borrowed; /* fd is the caller's */
  bool lines;    /* every line is one field */
};

bool kohl_utf8_valid(const char *bytes, size_t length) {
  const unsigned char *s = (const unsigned char *)bytes;
  for (size_t i = 0; i < length;) {
    unsigned lead = s[i++];
    if (lead < 0x80) continue;
    size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || more > length - i) return false;
    unsigned low = lead == 0xe0   ? 0xa0
                   : lead == 0xf0 ? 0x90
                                  : 0x80,
             high = lead == 0xed   ? 0x9f
                    : lead == 0xf4 ? 0x8f
                                   : 0xbf;
    if (s[i] < low || s[i] > high) return false;
    for (size_t j = 1; j < more; j++) {
      if ((s[i + j] & 0xc0) != 0x80) return false;
    }
    i += more;
  }
  return true;
}

static kohl_status create(kohl_context *ctx, const char *name, kohl_csv **out) {
  kohl_csv *csv;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *csv, name, &csv);
  if (status != KOHL_OK) return status;
  csv->fd = -1;
  csv->line = 1;
  status = kohl_strdup(ctx, name, &csv->name);
  if (status == KOHL_OK) {
    *out = csv;
  } else {
    kohl_csv_close(ctx, csv);
  }
  return status;
}

kohl_status kohl_csv_open(kohl_context *ctx, const char *path, kohl_csv **out) {
  size_t bytes;
  kohl_status status = create(ctx, path, out);
  if (status != KOHL_OK) return status;
  status = kohl_file_open(ctx, path, &(*out)->fd, &bytes);
  if (status == KOHL_OK) status = kohl_alloc(ctx, WINDOW, 1, path, &(*out)->window);
  if (status != KOHL_OK) {
    kohl_csv_close(ctx, *out);
    *out = NULL;
    return status;
  }
  (*out)->bytes = (*out)->window;
  return KOHL_OK;
}

kohl_status kohl_csv_open_fd(kohl_context *ctx, const char *name, int fd, kohl_csv **out) {
  kohl_status status = create(ctx, name, out);
  if (status != KOHL_OK) return status;
  status = kohl_alloc(ctx, WINDOW, 1, name, &(*out)->window);
  if (status != KOHL_OK) {
    kohl_csv_close(ctx, *out);
    *out = NULL;
    return status;
  }
  (*out)->bytes = (*out)->window;
  (*out)->fd = fd;
  (*out)->borrowed = true;
  return KOHL_OK;
}

kohl_status kohl_csv_open_memory(kohl_context *ctx, const char *name, const char *bytes, size_t length,
                                 kohl_csv **out) {
  kohl_status status = create(ctx, name, out);
  if (status != KOHL_OK) return status;
  (*out)->bytes = bytes;
  (*out)->length = length;
  return KOHL_OK;
}

void kohl_csv_close(kohl_context *ctx, kohl_csv *csv) {
  if (!csv) return;
  if (csv->fd >= 0 && !csv->borrowed) close(csv->fd);
  kohl_free(ctx, csv->window);
  kohl_free(ctx, csv->text);
  kohl_free(ctx, csv->field);
  kohl_free(ctx, csv->name);
  kohl_free(ctx, csv);
}

/* *c = the next byte without taking it, or END. */
static kohl_status peek(kohl_context *ctx, kohl_csv *csv, int *c) {
  if (csv->at == csv->length && csv->fd >= 0) {
    csv->at = csv->length = 0;
    kohl_status status = kohl_file_read(ctx, csv->name, csv->fd, csv->window, WINDOW, &csv->length);
    if (status != KOHL_OK) return status;
  }
  *c = csv->at == csv->length ? END : (unsigned char)csv->bytes[csv->at];
  return KOHL_OK;
}

static kohl_status fail(kohl_context *ctx, const kohl_csv *csv, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: %s", csv->name, csv->line, what);
}

static kohl_status put(kohl_context *ctx, kohl_csv *csv, int c) {
  if (csv->text_length >= KOHL_CSV_RECORD) return fail(ctx, csv, "a record of more than 1048576 bytes");
  kohl_status status = kohl_grow(ctx, &csv->text, &csv->text_capacity, csv->text_length + 1, 1, csv->name);
  if (status == KOHL_OK) csv->text[csv->text_length++] = (char)c;
  return status;
}

static kohl_status begin_field(kohl_context *ctx, kohl_csv *csv) {
  kohl_status status =
      kohl_grow(ctx, &csv->field, &csv->field_capacity, csv->fields + 1, sizeof *csv->field, csv->name);
  if (status == KOHL_OK) csv->field[csv->fields++] = csv->text_length;
  return status;
}

/* Takes what follows an opening quote, up to and with the closing one. */
static kohl_status read_quoted(kohl_context *ctx, kohl_csv *csv) {
  size_t opened = csv->line;
  for (;;) {
    int c;
    kohl_status status = peek(ctx, csv, &c);
    if (status != KOHL_OK) return status;
    if (c == END) {
      csv->line = opened;
      return fail(ctx, csv, "a quote is opened and never closed");
    }
    csv->at++;
    if (c == '"') {
      status = peek(ctx, csv, &c);
      if (status != KOHL_OK || c != '"') return status;
      csv->at++;
    }
    if (c == 0) return fail(ctx, csv, "a NUL byte; is the file UTF-16? Expected UTF-8");
    if (c == '\n') csv->line++;
    status = put(ctx, csv, c);
    if (status != KOHL_OK) return status;
  }
}

/* Takes one field and the separator behind it; *last says that the record ended there. */
static kohl_status read_field(kohl_context *ctx, kohl_csv *csv, bool *last) {
  int c;
  bool closed = false;
  kohl_status status = begin_field(ctx, csv);
  size_t begin = csv->text_length;
  while (status == KOHL_OK && (status = peek(ctx, csv, &c)) == KOHL_OK) {
    if (c == END) break;
    csv->at++;
    if ((c == ',' && !csv->lines) || c == '\n') break;
    if (c == '\r') {
      status = peek(ctx, csv, &c);
      if (status == KOHL_OK && c != '\n') return fail(ctx, csv, "a carriage return that no line feed follows");
    } else if (closed) {
      return fail(ctx, csv, "text behind a closing quote");
    } else if (c == '"' && !csv->lines) {
      if (csv->text_length != begin) return fail(ctx, csv, "a quote inside a field that is not quoted");
      status = read_quoted(ctx, csv);
      closed = true;
    } else if (c == 0) {
      return fail(ctx, csv, "a NUL byte; is the file UTF-16? Expected UTF-8");
    } else {
      status = put(ctx, csv, c);
    }
  }
  if (status != KOHL_OK) return status;
  *last = c != ',' || csv->lines;
  status = put(ctx, csv, 0);
  if (status != KOHL_OK) return status;
  if (!kohl_utf8_valid(csv->text + begin, csv->text_length - 1 - begin))
    return fail(ctx, csv, "text that is not UTF-8");
  if (c == '\n') csv->line++;
  return KOHL_OK;
}

/* Passes over the UTF-8 mark at the start; *c is then the next byte. */
static kohl_status begin_record(kohl_context *ctx, kohl_csv *csv, int *c) {
  csv->fields = csv->text_length = 0;
  csv->record_line = csv->line;
  kohl_status status = peek(ctx, csv, c);
  if (status != KOHL_OK || csv->started) return status;
  csv->started = true;
  if (csv->length - csv->at < 3 || memcmp(csv->bytes, "\xef\xbb\xbf", 3) != 0) return KOHL_OK;
  csv->at += 3;
  return peek(ctx, csv, c);
}

void kohl_csv_lines(kohl_csv *csv) { csv->lines = true; }

/* Fills the window until it holds the first line, or is full, or the file ends. */
static kohl_status fill_line(kohl_context *ctx, kohl_csv *csv) {
  for (size_t seen = 0; csv->fd >= 0 && csv->length < WINDOW;) {
    if (csv->length > seen && memchr(csv->window + seen, '\n', csv->length - seen)) break;
    seen = csv->length;
    size_t got;
    kohl_status status = kohl_file_read(ctx, csv->name, csv->fd, csv->window + csv->length, WINDOW - csv->length, &got);
    if (status != KOHL_OK) return status;
    if (got == 0) break;
    csv->length += got;
  }
  return KOHL_OK;
}

kohl_status kohl_csv_names(kohl_context *ctx, kohl_csv *csv, const char *const *names, size_t count, bool *out) {
  *out = false;
  kohl_status status = fill_line(ctx, csv);
  if (status != KOHL_OK || csv->length == 0) return status;
  const char *at = csv->bytes, *end = memchr(at, '\n', csv->length);
  if (!end) end = csv->bytes + csv->length;
  if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
  while (at < end) {
    const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
    size_t length = (size_t)(stop - at);
    if (length && at[length - 1] == '\r') length--;
    if (length > 1 && *at == '"' && at[length - 1] == '"') {
      at++;
      length -= 2;
    }
    for (size_t n = 0; n < count; n++) *out |= strlen(names[n]) == length && !strncasecmp(at, names[n], length);
    at = stop + 1;
  }
  return KOHL_OK;
}

kohl_status kohl_csv_next(kohl_context *ctx, kohl_csv *csv, bool *more) {
  *more = false;
  do {
    int c;
    kohl_status status = begin_record(ctx, csv, &c);
    if (status != KOHL_OK || c == END) return status;
    for (bool last = false; !last;) {
      status = read_field(ctx, csv, &last);
      if (status != KOHL_OK) return status;
    }
  } while (csv->fields == 1 && csv->text_length == 1); /* an empty line: one field of its NUL alone */
  if (csv->columns == 0) csv->columns = csv->fields;
  if (csv->fields != csv->columns) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: %zu fields, expected %zu as in the header", csv->name,
                     csv->record_line, csv->fields, csv->columns);
  }
  *more = true;
  return KOHL_OK;
}

size_t kohl_csv_fields(const kohl_csv *csv) { return csv->fields; }
const char *kohl_csv_field(const kohl_csv *csv, size_t i) { return csv->text + csv->field[i]; }
size_t kohl_csv_line(const kohl_csv *csv) { return csv->record_line; }
const char *kohl_csv_name(const kohl_csv *csv) { return csv->name; }
