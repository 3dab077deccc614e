/* JSON: a pull reader and an append-only writer.
 *
 * The reader is a machine with a stack of at most 64 brackets: no tree, no recursion, and no memory but one buffer
 * for strings that contain escapes.  It takes RFC 8259 strictly: UTF-8 checked byte by byte, no trailing commas, no
 * comments, no byte order mark, no lone surrogates.  Both sides are independent of the locale.
 *
 * One thread at a time per reader or writer. */
#ifndef KOHL_NN_JSON_H
#define KOHL_NN_JSON_H

#include "kernels/core/alloc.h"

enum { KOHL_JSON_DEPTH = 64, KOHL_JSON_NUMBER = 1024 /* bytes of a number; longer ones are refused */ };

typedef enum kohl_json_event {
  KOHL_JSON_OBJECT_BEGIN,
  KOHL_JSON_OBJECT_END,
  KOHL_JSON_ARRAY_BEGIN,
  KOHL_JSON_ARRAY_END,
  KOHL_JSON_KEY,
  KOHL_JSON_STRING,
  KOHL_JSON_NUMBER_VALUE,
  KOHL_JSON_TRUE,
  KOHL_JSON_FALSE,
  KOHL_JSON_NULL,
  KOHL_JSON_END, /* the one value is complete and only white space followed */
  KOHL_JSON_ERROR
} kohl_json_event;

/* A reader.  Read `event`, `text`, `text_length`, `token` and `status`; the rest is the machine's own. */
typedef struct kohl_json {
  kohl_context *ctx;
  const char *bytes; /* the caller's, until kohl_json_close; need not end with a zero */
  size_t length, at;
  size_t token;          /* byte offset at which the current event begins */
  kohl_json_event event; /* the current event */
  kohl_status status;    /* KOHL_OK until the first error, which then stays */
  const char *text;      /* KEY, STRING: decoded, may contain zeros; NUMBER: as written.  Until the next event; no
                            zero at the end (kohl_json_copy_text makes one) */
  size_t text_length;
  char *buffer; /* owned: decoded text of a string with escapes */
  size_t capacity;
  int state, depth;
  char open[KOHL_JSON_DEPTH]; /* '{' or '[' */
} kohl_json;

/* Starts reading length bytes.  Cannot fail; end with kohl_json_close. */
void kohl_json_open(kohl_json *json, kohl_context *ctx, const char *bytes, size_t length);
void kohl_json_close(kohl_json *json);

/* The next event, also kept in json->event.  After an error it is KOHL_JSON_ERROR for ever, json->status is
 * KOHL_BAD_INPUT (KOHL_NO_RESOURCE: the buffer) and the context's text is "byte 17: expected ..., found ...",
 * to which the caller adds the file by kohl_fail_prefix.  After the end it is KOHL_JSON_END for ever. */
kohl_json_event kohl_json_next(kohl_json *json);

/* Reads one event, which must be this one. */
kohl_status kohl_json_expect(kohl_json *json, kohl_json_event event);

/* Reads over the whole value that comes next. */
kohl_status kohl_json_skip(kohl_json *json);

/* Fails with "byte OFFSET: " and the text; for callers that find the current value wrong.  Returns KOHL_BAD_INPUT. */
kohl_status kohl_json_fail(kohl_json *json, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The current NUMBER.  As an integer it must be written without fraction and exponent and must fit; as a double
 * it is rounded to nearest, and one beyond the largest double is refused.  Other events are refused too. */
kohl_status kohl_json_get_int64(kohl_json *json, int64_t *out);
kohl_status kohl_json_get_uint64(kohl_json *json, uint64_t *out);
kohl_status kohl_json_get_double(kohl_json *json, double *out);

/* Is the current KEY or STRING this word? */
bool kohl_json_is(const kohl_json *json, const char *word);

/* The current KEY or STRING with a zero at its end, the caller's until kohl_free.  Text that contains a zero is refused
 * (KOHL_BAD_INPUT). */
kohl_status kohl_json_copy_text(kohl_json *json, char **out);

/* "an object", "a key", ... */
const char *kohl_json_event_name(kohl_json_event event);

/* Bytes of the UTF-8 character at text (n bytes remain): 1 to 4, or 0 when it is malformed or n is 0. */
size_t kohl_utf8_character(const char *text, size_t n);

/* Foreign text made fit for an error message: one line, at most 96 bytes, control characters and malformed bytes as
 * '?'.  For use inside a call: kohl_fail(ctx, ..., "tensor '%s'", kohl_quote(text, n).text). */
typedef struct kohl_quoted {
  char text[100];
} kohl_quoted;
kohl_quoted kohl_quote(const char *text, size_t length);

/* A writer.  Start from kohl_json_write_begin; values are appended without white space, commas and colons come by
 * themselves.  The first error (memory; misuse such as a value without its key: KOHL_USAGE) stays, later calls then do
 * nothing, and kohl_json_write_end reports it. */
typedef struct kohl_json_writer {
  kohl_context *ctx;
  char *text; /* owned until kohl_json_write_free; ends with a zero after kohl_json_write_end */
  size_t length, capacity;
  kohl_status status;
  int depth;
  bool comma, has_key;        /* a comma is due before the next item; a key waits for its value */
  char open[KOHL_JSON_DEPTH]; /* '{' or '[' */
} kohl_json_writer;

void kohl_json_write_begin(kohl_json_writer *writer, kohl_context *ctx);
void kohl_json_write_free(kohl_json_writer *writer); /* also after an error; twice is allowed */

void kohl_json_write_object_begin(kohl_json_writer *writer);
void kohl_json_write_object_end(kohl_json_writer *writer);
void kohl_json_write_array_begin(kohl_json_writer *writer);
void kohl_json_write_array_end(kohl_json_writer *writer);

/* Text is escaped where JSON demands it; bytes that are not UTF-8 (file names) become U+FFFD. */
void kohl_json_write_key(kohl_json_writer *writer, const char *key);
void kohl_json_write_string(kohl_json_writer *writer, const char *text);
void kohl_json_write_key_n(kohl_json_writer *writer, const char *key, size_t length);
void kohl_json_write_string_n(kohl_json_writer *writer, const char *text, size_t length);

void kohl_json_write_int64(kohl_json_writer *writer, int64_t value);
void kohl_json_write_uint64(kohl_json_writer *writer, uint64_t value);

/* The shortest of %.15g %.16g %.17g (float: %.6g to %.9g) that reads back as the same number.  JSON has no NaN and no
 * infinity: they become null. */
void kohl_json_write_double(kohl_json_writer *writer, double value);
void kohl_json_write_float(kohl_json_writer *writer, float value);
void kohl_json_write_bool(kohl_json_writer *writer, bool value);
void kohl_json_write_null(kohl_json_writer *writer);

/* A value that is JSON text already; the caller answers for its form. */
void kohl_json_write_raw(kohl_json_writer *writer, const char *json);

/* Ends the text, which must be one complete value (KOHL_USAGE otherwise).  writer->text and writer->length are then
 * valid until kohl_json_write_free. */
kohl_status kohl_json_write_end(kohl_json_writer *writer);

#endif
