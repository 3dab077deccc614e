/* strtod over a copy that has the locale's decimal point. */
#include "datasets/decimal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double kohl_decimal_read(const char *text, size_t length) {
  char number[80], *end;
  const char *point = localeconv()->decimal_point, *dot = memchr(text, '.', length);
  size_t before = dot ? (size_t)(dot - text) : length, used = before;
  if (length == 0 || length > 64 || strlen(point) > 8) return NAN;
  for (size_t i = 0; i < length; i++) {
    if (!text[i] || !strchr("0123456789.eE+-", text[i])) return NAN;
  }
  memcpy(number, text, before);
  if (dot) {
    memcpy(number + used, point, strlen(point));
    used += strlen(point);
    memcpy(number + used, dot + 1, length - before - 1);
    used += length - before - 1;
  }
  number[used] = 0;
  double value = strtod(number, &end);
  return end == number + used ? value : NAN;
}
