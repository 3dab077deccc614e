/* One row per key: where its value lies, what kind it is, and its bounds, which are those of augmentation.h. */
#include "datasets/augment_text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "datasets/decimal.h"

typedef enum { NUMBER, RANGE, FLAG, PIXELS, FILL, COLOUR } kind;

typedef struct {
  const char *name;
  kind kind;
  size_t offset; /* in kohl_augmentation */
  double low, high;
} field;

static const field fields[] = {
    {"rotation", NUMBER, offsetof(kohl_augmentation, rotation), 0, 180},
    {"width_shift", NUMBER, offsetof(kohl_augmentation, width_shift), 0, 1},
    {"height_shift", NUMBER, offsetof(kohl_augmentation, height_shift), 0, 1},
    {"zoom", RANGE, offsetof(kohl_augmentation, zoom), 0.01, 100},
    {"shear", NUMBER, offsetof(kohl_augmentation, shear), 0, 89},
    {"horizontal_flip", FLAG, offsetof(kohl_augmentation, horizontal_flip), 0, 1},
    {"vertical_flip", FLAG, offsetof(kohl_augmentation, vertical_flip), 0, 1},
    {"brightness", RANGE, offsetof(kohl_augmentation, brightness), 0, 100},
    {"contrast", RANGE, offsetof(kohl_augmentation, contrast), 0, 100},
    {"saturation", RANGE, offsetof(kohl_augmentation, saturation), 0, 100},
    {"crop", PIXELS, offsetof(kohl_augmentation, crop), 0, 32768},
    {"fill", FILL, offsetof(kohl_augmentation, fill), 0, 0},
    {"colour", COLOUR, offsetof(kohl_augmentation, colour), 0, 0},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static bool read_number(const field *f, const char *text, size_t length, double *out) {
  *out = kohl_decimal_read(text, length);
  return *out >= f->low && *out <= f->high;
}

static bool read_range(const field *f, const char *text, size_t length, double *out) {
  const char *colon = memchr(text, ':', length);
  double range[2];
  if (!colon) return false;
  size_t before = (size_t)(colon - text);
  if (!read_number(f, text, before, &range[0])) return false;
  if (!read_number(f, colon + 1, length - before - 1, &range[1]) || range[0] > range[1]) return false;
  memcpy(out, range, sizeof range);
  return true;
}

static bool read_colour(const char *text, size_t length, float *out) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  int value[6];
  if (length != 7 || text[0] != '#') return false;
  for (int i = 0; i < 6; i++) {
    const char *at = memchr(digits, text[1 + i], sizeof digits - 1);
    if (!at) return false;
    value[i] = (int)(at - digits) % 16;
  }
  for (int c = 0; c < 3; c++) out[c] = (float)(16 * value[2 * c] + value[2 * c + 1]);
  return true;
}

static bool read_value(const field *f, const char *text, size_t length, kohl_augmentation *a) {
  void *at = (char *)a + f->offset;
  double number = 0;
  char word[16] = "";
  switch (f->kind) {
    case NUMBER: return read_number(f, text, length, at);
    case RANGE: return read_range(f, text, length, at);
    case FLAG:
      if (length != 1 || (*text != '0' && *text != '1')) return false;
      *(bool *)at = *text == '1';
      return true;
    case PIXELS:
      if (!read_number(f, text, length, &number) || number != (double)(int)number) return false;
      *(int *)at = (int)number;
      return true;
    case FILL:
      if (length >= sizeof word) return false;
      memcpy(word, text, length);
      return kohl_fill_find(word, at);
    case COLOUR: return read_colour(text, length, at);
  }
  return false;
}

static void expect(const field *f, char *out, size_t room) {
  switch (f->kind) {
    case NUMBER: snprintf(out, room, "a number from %g to %g", f->low, f->high); break;
    case RANGE: snprintf(out, room, "LOW:HIGH within %g to %g", f->low, f->high); break;
    case FLAG: snprintf(out, room, "0 or 1"); break;
    case PIXELS: snprintf(out, room, "a whole number from %g to %g", f->low, f->high); break;
    case FILL: snprintf(out, room, "nearest, constant, reflect or wrap"); break;
    case COLOUR: snprintf(out, room, "#rrggbb"); break;
  }
}

static int shown(size_t length) { return (int)(length < 60 ? length : 60); }

/* One KEY=VALUE; given: one bit for each key that came before. */
static kohl_status read_pair(kohl_context *ctx, const char *where, const char *text, size_t length, unsigned *given,
                             kohl_augmentation *a) {
  const char *equals = memchr(text, '=', length);
  size_t name = equals ? (size_t)(equals - text) : length, i = 0;
  while (i < FIELDS && (strlen(fields[i].name) != name || memcmp(fields[i].name, text, name) != 0)) i++;
  if (i == FIELDS) {
    char known[256];
    size_t used = 0;
    for (size_t k = 0; k < FIELDS; k++) {
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", k ? ", " : "", fields[k].name);
    }
    return kohl_fail(ctx, KOHL_USAGE, "%s: key '%.*s', expected one of %s", where, shown(name), text, known);
  }
  if (!equals)
    return kohl_fail(ctx, KOHL_USAGE, "%s: key '%s' without a value, expected KEY=VALUE", where, fields[i].name);
  if (*given >> i & 1)
    return kohl_fail(ctx, KOHL_USAGE, "%s: key '%s' given again, expected once", where, fields[i].name);
  *given |= 1u << i;
  if (read_value(&fields[i], equals + 1, length - name - 1, a)) return KOHL_OK;
  char expected[64];
  expect(&fields[i], expected, sizeof expected);
  return kohl_fail(ctx, KOHL_USAGE, "%s: key '%s': value '%.*s', expected %s", where, fields[i].name,
                   shown(length - name - 1), equals + 1, expected);
}

kohl_status kohl_augmentation_parse(kohl_context *ctx, const char *where, const char *text, kohl_augmentation *a) {
  kohl_augmentation read = *a;
  unsigned given = 0;
  while (*text) {
    size_t length = strcspn(text, ",");
    kohl_status status = read_pair(ctx, where, text, length, &given, &read);
    if (status != KOHL_OK) return status;
    if (text[length] && !text[length + 1])
      return kohl_fail(ctx, KOHL_USAGE, "%s: ends in a comma, expected KEY=VALUE", where);
    text += length + (text[length] != 0);
  }
  const char *wrong = kohl_augmentation_check(&read);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "%s: %s", where, wrong);
  *a = read;
  return KOHL_OK;
}
