/* Small pictures made for the tests of decoding, with libpng and libjpeg: 19 x 11 pixels of any kind. */
#ifndef KOHL_TESTS_UNIT_PICTURE_MAKE_H
#define KOHL_TESTS_UNIT_PICTURE_MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

enum { MADE_W = 19, MADE_H = 11 };

/* Bytes that free() takes. */
typedef struct made_file {
  uint8_t *bytes;
  size_t length;
} made_file;

void made_append(made_file *file, const void *data, size_t length);

typedef struct made_png {
  int type, depth, interlace, colours;
  bool transparent; /* tRNS: alpha of palette entries, or the colour of the first pixel */
} made_png;

enum { MADE_PNG_KINDS = 22 };
/* All colour types and depths, with and without tRNS; interlace is 0. */
extern const made_png made_png_kinds[MADE_PNG_KINDS];
enum { MADE_PNG_RGBA = 9, MADE_PNG_PALETTE_ALPHA = 16 }; /* two of them, 8 bits deep */

/* data: MADE_H rows of row bytes of packed samples as the file stores them, filled with noise. */
made_file made_png_noise(const made_png *kind, uint8_t *data, size_t row);
/* w x h pixels whose rows are all the same. */
made_file made_png_sized(const made_png *kind, int w, int h, uint8_t *row);
/* The colours and alphas of palette entry i. */
static inline unsigned made_palette(unsigned i, int c) { return (c == 0 ? i * 7 : c == 1 ? 255 - i : i * i) % 256; }
static inline unsigned made_palette_alpha(unsigned i) { return i * 37 % 256; }

/* One colour all over; space as the file stores it, ink values already inverted where it is CMYK. */
made_file made_jpeg(J_COLOR_SPACE in, J_COLOR_SPACE stored, const uint8_t *colour, bool progressive);

/* Where the first segment of a JPEG with this marker begins. */
size_t made_jpeg_find(const made_file *file, uint8_t marker);
/* A copy with a segment or other bytes put in at an offset. */
made_file made_insert(const made_file *file, size_t at, const void *data, size_t length);
/* A PNG chunk with its length and CRC. */
made_file made_png_chunk(const char *name, const void *data, size_t length);

#endif
