/* A walk over a file's segments to the EXIF block, and over that block's first directory to tag 0x0112.
 *
 * This is no EXIF reader: one number is wanted.  Where a block is damaged the walk ends as Pillow's does, so that both
 * see the same entries: at the end of the block, or at the first value that lies beyond it. */
#include "datasets/decode_exif.h"

#include <string.h>

#include "kernels/core/alloc.h"

typedef struct {
  const uint8_t *bytes;
  size_t length;
  bool big; /* endian */
} block;

/* n bytes as a number; at + n <= length. */
static uint32_t number(const block *b, size_t at, size_t n) {
  uint32_t value = 0;
  for (size_t i = 0; i < n; i++) value = value << 8 | b->bytes[at + (b->big ? i : n - 1 - i)];
  return value;
}

/* Bytes of one value of a TIFF type, 0 where there is no such type. */
static size_t type_bytes(uint32_t type) {
  static const uint8_t bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
  return type < sizeof bytes ? bytes[type] : 0;
}

enum { TAG_ORIENTATION = 0x0112, ENTRY = 12 };

/* SHORT, SSHORT, or LONG, SLONG, IFD: the types whose first value is a whole number. */
static bool is_whole(uint32_t type) { return type == 3 || type == 8 || type == 4 || type == 9 || type == 13; }

int kohl_exif_orientation(const uint8_t *bytes, size_t length) {
  block b = {bytes, length, length > 0 && bytes[0] == 'M'};
  if (length < 8 || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0)) return 1;
  /* Either order of the 42 is accepted: some writers got it wrong. */
  if (memcmp(bytes + 2, "*\0", 2) != 0 && memcmp(bytes + 2, "\0*", 2) != 0) return 1;
  size_t at = number(&b, 4, 4), orientation = 1;
  if (at > length || length - at < 2) return 1;
  size_t entries = number(&b, at, 2);
  at += 2;
  for (; entries > 0 && length - at >= ENTRY; entries--, at += ENTRY) {
    uint32_t type = number(&b, at + 2, 2);
    uint64_t size = (uint64_t)number(&b, at + 4, 4) * type_bytes(type);
    size_t value = size > 4 ? number(&b, at + 8, 4) : at + 8;
    if (size == 0) continue;
    if (value > length || size > length - value) break;
    if (number(&b, at, 2) == TAG_ORIENTATION) orientation = is_whole(type) ? number(&b, value, type_bytes(type)) : 1;
  }
  return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
}

int kohl_jpeg_orientation(const uint8_t *bytes, size_t length) {
  block b = {bytes, length, true};
  for (size_t at = 2; at + 4 <= length;) {
    uint8_t marker = bytes[at + 1];
    if (bytes[at] != 0xff || marker == 0xff || marker == 0) {
      at++; /* stray bytes and fill before a marker */
    } else if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; /* markers that stand alone */
    } else if (marker == 0xd9 || marker == 0xda) {
      return 1; /* the pixels begin */
    } else {
      size_t segment = number(&b, at + 2, 2);
      if (segment < 2 || segment > length - at - 2) return 1;
      if (marker == 0xe1 && segment >= 7 && memcmp(bytes + at + 4, "Exif\0", 5) == 0) {
        bool whole = segment >= 8 && bytes[at + 9] == 0;
        return whole ? kohl_exif_orientation(bytes + at + 10, segment - 8) : 1;
      }
      at += 2 + segment;
    }
  }
  return 1;
}

int kohl_png_orientation(const uint8_t *bytes, size_t length) {
  block b = {bytes, length, true};
  int orientation = 1;
  bool found = false;
  for (size_t at = 8; at <= length && length - at >= 12;) {
    size_t chunk = number(&b, at, 4);
    if (chunk > length - at - 12 || memcmp(bytes + at + 4, "IEND", 4) == 0) break;
    if (found && memcmp(bytes + at + 4, "IDAT", 4) == 0) break;
    if (memcmp(bytes + at + 4, "eXIf", 4) == 0) {
      orientation = kohl_exif_orientation(bytes + at + 8, chunk);
      found = true;
    }
    at += 12 + chunk;
  }
  return orientation;
}

/* Where the turned picture's first pixel lies in src, and the steps to the next one in its row and to the next row. */
typedef struct {
  ptrdiff_t first, right, down;
} course;

static course course_of(int orientation, ptrdiff_t w, ptrdiff_t h) {
  ptrdiff_t last_row = (h - 1) * w, last = w - 1;
  switch (orientation) {
    case 2: return (course){last, -1, w};
    case 3: return (course){last_row + last, -1, -w};
    case 4: return (course){last_row, 1, -w};
    case 5: return (course){0, w, 1};
    case 6: return (course){last_row, -w, 1};
    case 7: return (course){last_row + last, -w, -1};
    case 8: return (course){last, w, -1};
    default: return (course){0, 1, w};
  }
}

/* In squares, so that the columns of src which become rows stay in the cache. */
static void turn(const uint8_t *src, course c, uint8_t *dst, int w, int h) {
  enum { SQUARE = 32 };
  for (int y0 = 0; y0 < h; y0 += SQUARE) {
    for (int x0 = 0; x0 < w; x0 += SQUARE) {
      for (int y = y0; y < h && y < y0 + SQUARE; y++) {
        uint8_t *to = dst + 3 * ((size_t)y * (size_t)w + (size_t)x0);
        for (int x = x0; x < w && x < x0 + SQUARE; x++, to += 3) {
          const uint8_t *from = src + 3 * (c.first + y * c.down + x * c.right);
          to[0] = from[0];
          to[1] = from[1];
          to[2] = from[2];
        }
      }
    }
  }
}

kohl_status kohl_picture_orient(kohl_context *ctx, const char *name, int orientation, kohl_picture *picture) {
  if (orientation <= 1) return KOHL_OK;
  uint8_t *turned;
  kohl_status status = kohl_alloc(ctx, (size_t)picture->w * (size_t)picture->h, 3, name, &turned);
  if (status != KOHL_OK) return status;
  course c = course_of(orientation, picture->w, picture->h);
  int w = kohl_orientation_swaps(orientation) ? picture->h : picture->w;
  int h = kohl_orientation_swaps(orientation) ? picture->w : picture->h;
  turn(picture->rgb, c, turned, w, h);
  kohl_free(ctx, picture->rgb);
  picture->rgb = turned;
  picture->w = w;
  picture->h = h;
  return KOHL_OK;
}
