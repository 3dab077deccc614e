/* Small pictures made for the tests of decoding. */
#include "tests/unit/picture_make.h"

#include <check.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void made_append(made_file *b, const void *data, size_t length) {
  b->bytes = realloc(b->bytes, b->length + length + 1);
  ck_assert_ptr_nonnull(b->bytes);
  if (length) memcpy(b->bytes + b->length, data, length);
  b->length += length;
}

static void png_append(png_structp png, png_bytep data, size_t length) {
  made_append(png_get_io_ptr(png), data, length);
}

static void png_extra(png_structp png, png_infop info, const made_png *k, const uint8_t *first) {
  png_color palette[256];
  png_byte alpha[256];
  for (int i = 0; i < 256; i++) {
    unsigned u = (unsigned)i;
    palette[i] = (png_color){(png_byte)made_palette(u, 0), (png_byte)made_palette(u, 1), (png_byte)made_palette(u, 2)};
    alpha[i] = (png_byte)made_palette_alpha(u);
  }
  png_color_16 key = {0, first[0], first[1], first[2], first[0]};
  if (k->depth == 16)
    key = (png_color_16){0, (png_uint_16)(first[0] * 256 + first[1]), (png_uint_16)(first[2] * 256 + first[3]),
                         (png_uint_16)(first[4] * 256 + first[5]), (png_uint_16)(first[0] * 256 + first[1])};
  if (k->depth < 8) key.gray = first[0] >> (8 - k->depth);
  if (k->type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, k->colours);
  if (k->transparent) png_set_tRNS(png, info, alpha, k->type == PNG_COLOR_TYPE_PALETTE ? k->colours : 0, &key);
}

/* rows: h rows of packed samples as the file stores them. */
static made_file png_make(const made_png *k, int w, int h, png_bytepp rows) {
  made_file out = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &out, png_append, NULL);
  png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, k->depth, k->type, k->interlace, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_extra(png, info, k, rows[0]);
  png_set_rows(png, info, rows);
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
  png_destroy_write_struct(&png, &info);
  return out;
}

const made_png made_png_kinds[MADE_PNG_KINDS] = {
    {0, 1, 0, 0, false},  {0, 2, 0, 0, false},  {0, 4, 0, 0, false}, {0, 8, 0, 0, false},  {0, 16, 0, 0, false},
    {2, 8, 0, 0, false},  {2, 16, 0, 0, false}, {4, 8, 0, 0, false}, {4, 16, 0, 0, false}, {6, 8, 0, 0, false},
    {6, 16, 0, 0, false}, {3, 1, 0, 2, false},  {3, 2, 0, 4, false}, {3, 4, 0, 16, false}, {3, 8, 0, 256, false},
    {3, 4, 0, 16, true},  {3, 8, 0, 256, true}, {0, 4, 0, 0, true},  {0, 8, 0, 0, true},   {0, 16, 0, 0, true},
    {2, 8, 0, 0, true},   {2, 16, 0, 0, true},
};

made_file made_png_noise(const made_png *k, uint8_t *data, size_t row) {
  uint32_t state = 9;
  for (size_t i = 0; i < row * MADE_H; i++) data[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
  png_bytep rows[MADE_H];
  for (int y = 0; y < MADE_H; y++) rows[y] = data + (size_t)y * row;
  return png_make(k, MADE_W, MADE_H, rows);
}

made_file made_png_sized(const made_png *k, int w, int h, uint8_t *row) {
  png_bytepp rows = malloc((size_t)h * sizeof *rows);
  ck_assert_ptr_nonnull(rows);
  for (int y = 0; y < h; y++) rows[y] = row;
  made_file out = png_make(k, w, h, rows);
  free(rows);
  return out;
}

made_file made_jpeg(J_COLOR_SPACE in, J_COLOR_SPACE stored, const uint8_t *colour, bool progressive) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  unsigned char *bytes = NULL;
  unsigned long length = 0;
  uint8_t line[MADE_W * 4];
  JSAMPROW row = line;
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, &bytes, &length);
  c.image_width = MADE_W;
  c.image_height = MADE_H;
  c.in_color_space = in;
  c.input_components = in == JCS_GRAYSCALE ? 1 : in == JCS_RGB ? 3 : 4;
  jpeg_set_defaults(&c);
  jpeg_set_colorspace(&c, stored);
  jpeg_set_quality(&c, 100, TRUE);
  if (progressive) jpeg_simple_progression(&c);
  for (int i = 0; i < MADE_W * c.input_components; i++) line[i] = colour[i % c.input_components];
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < MADE_H) jpeg_write_scanlines(&c, &row, 1);
  jpeg_finish_compress(&c);
  made_file out = {0};
  made_append(&out, bytes, length);
  free(bytes);
  jpeg_destroy_compress(&c);
  return out;
}

size_t made_jpeg_find(const made_file *file, uint8_t marker) {
  size_t at = 2;
  while (file->bytes[at + 1] != marker) {
    at += 2 + (size_t)file->bytes[at + 2] * 256 + file->bytes[at + 3];
    ck_assert_uint_lt(at + 4, file->length);
  }
  return at;
}

made_file made_insert(const made_file *file, size_t at, const void *data, size_t length) {
  made_file out = {0};
  made_append(&out, file->bytes, at);
  made_append(&out, data, length);
  made_append(&out, file->bytes + at, file->length - at);
  return out;
}

made_file made_png_chunk(const char *name, const void *data, size_t length) {
  made_file out = {0};
  uint8_t head[4], crc[4];
  for (int b = 0; b < 4; b++) head[b] = (uint8_t)(length >> (24 - 8 * b));
  made_append(&out, head, 4);
  made_append(&out, name, 4);
  made_append(&out, data, length);
  uint32_t sum = (uint32_t)crc32(0, out.bytes + 4, (uInt)length + 4);
  for (int b = 0; b < 4; b++) crc[b] = (uint8_t)(sum >> (24 - 8 * b));
  made_append(&out, crc, 4);
  return out;
}
