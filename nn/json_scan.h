/* Between the two halves of the JSON reader: json_read.c (structure) and json_text.c (strings and numbers). */
#ifndef KOHL_NN_JSON_SCAN_H
#define KOHL_NN_JSON_SCAN_H

#include "nn/json.h"

/* Both scan the token at json->at, set text and text_length and move behind it; false after an error. */
bool kohl_json_scan_string(kohl_json *json);
bool kohl_json_scan_number(kohl_json *json);

/* Fails with "byte AT: expected ..., found ..." (the byte there, or the end of the text). */
kohl_json_event kohl_json_error_at(kohl_json *json, size_t at, const char *expected);

/* The locale's decimal point, found by printing a number, since asking localeconv is not thread-safe.  Up to 7
 * bytes and a zero. */
void kohl_decimal_point(char point[8]);

#endif
