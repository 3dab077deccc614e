/* Decoding: pictures made here in every PNG kind and the JPEG colour spaces, every truncation, and files that are no
 * pictures.  tests/oracle/pillow.py compares the pixels with Pillow's. */
#include <check.h>
#include <fcntl.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <jpeglib.h>

#include "datasets/fit.h"

enum { W = 19, H = 11 };

static kohl_context *context;
static char folder[64];
static const kohl_decode_options over = {{10, 200, 77}};

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_decode_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

typedef struct {
  uint8_t *bytes;
  size_t length;
} blob;

static void append(blob *b, const void *data, size_t length) {
  b->bytes = realloc(b->bytes, b->length + length + 1);
  ck_assert_ptr_nonnull(b->bytes);
  if (length) memcpy(b->bytes + b->length, data, length);
  b->length += length;
}

static void png_append(png_structp png, png_bytep data, size_t length) { append(png_get_io_ptr(png), data, length); }

typedef struct {
  int type, depth, interlace, colours;
  bool transparent; /* tRNS: alpha of palette entries, or the colour of the first pixel */
} png_kind;

static void png_extra(png_structp png, png_infop info, const png_kind *k, const uint8_t *first) {
  png_color palette[256];
  png_byte alpha[256];
  for (int i = 0; i < 256; i++) {
    palette[i] = (png_color){(png_byte)(i * 7), (png_byte)(255 - i), (png_byte)(i * i)};
    alpha[i] = (png_byte)(i * 37);
  }
  png_color_16 key = {0, first[0], first[1], first[2], first[0]};
  if (k->depth == 16)
    key = (png_color_16){0, (png_uint_16)(first[0] * 256 + first[1]), (png_uint_16)(first[2] * 256 + first[3]),
                         (png_uint_16)(first[4] * 256 + first[5]), (png_uint_16)(first[0] * 256 + first[1])};
  if (k->depth < 8) key.gray = first[0] >> (8 - k->depth);
  if (k->type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, k->colours);
  if (k->transparent) png_set_tRNS(png, info, alpha, k->type == PNG_COLOR_TYPE_PALETTE ? k->colours : 0, &key);
}

/* data: H rows of packed samples as the file stores them. */
static blob png_make(const png_kind *k, uint8_t *data, size_t row) {
  blob out = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_bytep rows[H];
  for (int y = 0; y < H; y++) rows[y] = data + (size_t)y * row;
  png_set_write_fn(png, &out, png_append, NULL);
  png_set_IHDR(png, info, W, H, k->depth, k->type, k->interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_extra(png, info, k, data);
  png_set_rows(png, info, rows);
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
  png_destroy_write_struct(&png, &info);
  return out;
}

/* Sample c of pixel x of a row, as the file stores it. */
static unsigned sample(const uint8_t *row, int x, int c, int channels, int depth) {
  if (depth == 16) return row[2 * (x * channels + c)] * 256u + row[2 * (x * channels + c) + 1];
  if (depth == 8) return row[x * channels + c];
  return row[x * depth / 8] >> (8 - depth - x * depth % 8) & ((1u << depth) - 1);
}

/* The promise of decode.h for one pixel, from the stored samples. */
static void expect(const png_kind *k, const uint8_t *data, const uint8_t *row, int x, uint8_t *rgb) {
  bool colour = k->type & PNG_COLOR_MASK_COLOR, palette = k->type == PNG_COLOR_TYPE_PALETTE;
  int channels = palette ? 1 : (colour ? 3 : 1) + (k->type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
  unsigned value[4], alpha = 255;
  bool key = true;
  for (int c = 0; c < channels; c++) {
    value[c] = sample(row, x, c, channels, k->depth);
    key = key && value[c] == sample(data, 0, c, channels, k->depth);
    if (!palette) value[c] = k->depth == 16 ? value[c] >> 8 : value[c] * 255 / ((1u << k->depth) - 1);
  }
  if (k->type & PNG_COLOR_MASK_ALPHA) alpha = value[channels - 1];
  if (k->transparent && !palette) alpha = key ? 0 : 255;
  if (k->transparent && palette) alpha = value[0] * 37 % 256;
  unsigned i = value[0], entry[3] = {i * 7 % 256, 255 - i, i * i % 256};
  for (int c = 0; c < 3; c++) {
    unsigned v = palette ? entry[c] : colour ? value[c] : value[0];
    /* round(v * a / 255 + b * (255 - a) / 255): what the shifts of the header compute */
    rgb[c] = (uint8_t)((v * alpha + over.background[c] * (255 - alpha) + 127) / 255);
  }
}

static const png_kind kinds[] = {
    {0, 1, 0, 0, false},  {0, 2, 0, 0, false},  {0, 4, 0, 0, false}, {0, 8, 0, 0, false},  {0, 16, 0, 0, false},
    {2, 8, 0, 0, false},  {2, 16, 0, 0, false}, {4, 8, 0, 0, false}, {4, 16, 0, 0, false}, {6, 8, 0, 0, false},
    {6, 16, 0, 0, false}, {3, 1, 0, 2, false},  {3, 2, 0, 4, false}, {3, 4, 0, 16, false}, {3, 8, 0, 256, false},
    {3, 4, 0, 16, true},  {3, 8, 0, 256, true}, {0, 4, 0, 0, true},  {0, 8, 0, 0, true},   {0, 16, 0, 0, true},
    {2, 8, 0, 0, true},   {2, 16, 0, 0, true},
};

static blob make_kind(const png_kind *k, uint8_t *data, size_t row) {
  uint32_t state = 9;
  for (size_t i = 0; i < row * H; i++) data[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
  return png_make(k, data, row);
}

START_TEST(png_kinds) {
  png_kind k = kinds[_i / 2];
  k.interlace = _i % 2;
  static uint8_t data[W * 8 * H];
  int channels = k.type == 3 ? 1 : (k.type & 2 ? 3 : 1) + (k.type & 4 ? 1 : 0);
  size_t row = ((size_t)(W * channels * k.depth) + 7) / 8;
  blob file = make_kind(&k, data, row);
  kohl_picture picture;
  kohl_status status = kohl_picture_decode(context, "made.png", file.bytes, file.length, &over, &picture);
  ck_assert_msg(status == KOHL_OK, "%s", kohl_context_error(context));
  ck_assert_int_eq(picture.w, W);
  ck_assert_int_eq(picture.h, H);
  for (int y = 0; y < H; y++) {
    for (int x = 0; x < W; x++) {
      uint8_t want[3];
      expect(&k, data, data + (size_t)y * row, x, want);
      ck_assert_msg(memcmp(picture.rgb + (y * W + x) * 3, want, 3) == 0, "type %d depth %d at %d, %d", k.type, k.depth,
                    x, y);
    }
  }
  kohl_picture_free(context, &picture);
  free(file.bytes);
}
END_TEST

/* One colour all over; space as the file stores it, ink values already inverted where it is CMYK. */
static blob jpeg_make(J_COLOR_SPACE in, J_COLOR_SPACE stored, const uint8_t *colour, bool progressive) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  unsigned char *bytes = NULL;
  unsigned long length = 0;
  uint8_t line[W * 4];
  JSAMPROW row = line;
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, &bytes, &length);
  c.image_width = W;
  c.image_height = H;
  c.in_color_space = in;
  c.input_components = in == JCS_GRAYSCALE ? 1 : in == JCS_RGB ? 3 : 4;
  jpeg_set_defaults(&c);
  jpeg_set_colorspace(&c, stored);
  jpeg_set_quality(&c, 100, TRUE);
  if (progressive) jpeg_simple_progression(&c);
  for (int i = 0; i < W * c.input_components; i++) line[i] = colour[i % c.input_components];
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < H) jpeg_write_scanlines(&c, &row, 1);
  jpeg_finish_compress(&c);
  blob out = {0};
  append(&out, bytes, length);
  free(bytes);
  jpeg_destroy_compress(&c);
  return out;
}

/* At quality 100 a flat colour keeps its value to 1 per conversion (two of them), which CMYK's product keeps small. */
START_TEST(jpeg_colour_spaces) {
  static const struct {
    J_COLOR_SPACE in, stored;
    uint8_t colour[4], rgb[3];
    const char *mode;
  } cases[] = {
      {JCS_GRAYSCALE, JCS_GRAYSCALE, {93}, {93, 93, 93}, "JPEG grey"},
      {JCS_RGB, JCS_YCbCr, {200, 100, 50}, {200, 100, 50}, "JPEG YCbCr"},
      {JCS_RGB, JCS_RGB, {200, 100, 50}, {200, 100, 50}, "JPEG RGB"},
      /* stored inks are 255 - ink: red = (255 - C)(255 - K) / 255 = 200 * 180 / 255 = 141.2 */
      {JCS_CMYK, JCS_CMYK, {200, 100, 50, 180}, {141, 71, 35}, "JPEG CMYK"},
      {JCS_CMYK, JCS_YCCK, {200, 100, 50, 180}, {141, 71, 35}, "JPEG YCCK"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int progressive = 0; progressive < 2; progressive++) {
      blob file = jpeg_make(cases[i].in, cases[i].stored, cases[i].colour, progressive);
      kohl_picture picture;
      ck_assert_int_eq(kohl_picture_decode(context, "made.jpg", file.bytes, file.length, NULL, &picture), KOHL_OK);
      ck_assert_str_eq(picture.mode, cases[i].mode);
      for (int b = 0; b < W * H * 3; b++) ck_assert_int_le(abs(picture.rgb[b] - cases[i].rgb[b % 3]), 2);
      kohl_picture_free(context, &picture);
      free(file.bytes);
    }
  }
}
END_TEST

/* A scan that adds nothing, again and again. */
START_TEST(too_many_scans) {
  static const uint8_t grey[1] = {128};
  blob file = jpeg_make(JCS_GRAYSCALE, JCS_GRAYSCALE, grey, true), bomb = {0};
  size_t scan = file.length - 2, sos;
  for (sos = 0; sos + 1 < file.length && !(file.bytes[sos] == 0xff && file.bytes[sos + 1] == 0xda); sos++) {
  }
  size_t next = sos + 2;
  while (!(file.bytes[next] == 0xff && file.bytes[next + 1] != 0)) next++;
  append(&bomb, file.bytes, scan);
  for (int i = 0; i < 150; i++) append(&bomb, file.bytes + sos, next - sos);
  append(&bomb, "\xff\xd9", 2);
  kohl_picture picture;
  ck_assert_int_eq(kohl_picture_decode(context, "bomb.jpg", bomb.bytes, bomb.length, NULL, &picture), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "bomb.jpg: JPEG of more than 100 scans");
  free(file.bytes);
  free(bomb.bytes);
}
END_TEST

static void every_truncation(const char *name, const blob *file) {
  kohl_picture picture;
  for (size_t length = 0; length < file->length; length++) {
    uint8_t *cut = malloc(length ? length : 1); /* its own memory, so that a byte too far is seen */
    memcpy(cut, file->bytes, length);
    ck_assert_msg(kohl_picture_decode(context, name, cut, length, NULL, &picture) == KOHL_BAD_INPUT, "%s of %zu bytes",
                  name, length);
    ck_assert_ptr_null(picture.rgb);
    const char *text = kohl_context_error(context);
    ck_assert_int_eq(strncmp(text, name, strlen(name)), 0);
    ck_assert_ptr_null(strchr(text, '\n'));
    free(cut);
  }
  ck_assert_int_eq(kohl_picture_decode(context, name, file->bytes, file->length, NULL, &picture), KOHL_OK);
  kohl_picture_free(context, &picture);
}

START_TEST(truncations) {
  static const uint8_t colour[4] = {200, 100, 50, 30};
  static uint8_t data[W * 8 * H];
  blob baseline = jpeg_make(JCS_RGB, JCS_YCbCr, colour, false),
       progressive = jpeg_make(JCS_CMYK, JCS_YCCK, colour, true);
  blob plain = make_kind(&kinds[9], data, W * 4);
  png_kind laced = kinds[9];
  laced.interlace = 1;
  blob interlaced = make_kind(&laced, data, W * 4);
  every_truncation("cut.jpg", &baseline);
  every_truncation("cut2.jpg", &progressive);
  every_truncation("cut.png", &plain);
  every_truncation("cut2.png", &interlaced);
  free(baseline.bytes);
  free(progressive.bytes);
  free(plain.bytes);
  free(interlaced.bytes);
}
END_TEST

/* Any flipped bit either is an error or leaves a picture; nothing else (the sanitizers watch). */
START_TEST(flipped_bits) {
  static const uint8_t colour[3] = {200, 100, 50};
  static uint8_t data[W * 8 * H];
  blob files[] = {jpeg_make(JCS_RGB, JCS_YCbCr, colour, true), make_kind(&kinds[16], data, W)};
  for (size_t f = 0; f < 2; f++) {
    for (size_t bit = 0; bit < files[f].length * 8 && bit < 8 * 1500; bit++) {
      kohl_picture picture;
      files[f].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
      kohl_status status = kohl_picture_decode(context, "flip", files[f].bytes, files[f].length, NULL, &picture);
      ck_assert(status == KOHL_OK || status == KOHL_BAD_INPUT);
      if (f == 1) ck_assert_int_eq(status, KOHL_BAD_INPUT); /* every byte of a PNG is under a CRC or fixed */
      kohl_picture_free(context, &picture);
      files[f].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(files[f].bytes);
  }
}
END_TEST

static const char *in_folder(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void store(const char *name, const void *bytes, size_t length) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

static void refused(const char *name, const char *why) {
  kohl_picture picture;
  const char *path = in_folder(name);
  ck_assert_int_eq(kohl_picture_read(context, path, NULL, &picture), KOHL_BAD_INPUT);
  const char *text = kohl_context_error(context);
  ck_assert_msg(strncmp(text, path, strlen(path)) == 0 && strstr(text, why), "'%s', expected '%s'", text, why);
  ck_assert_ptr_null(picture.rgb);
}

START_TEST(no_pictures) {
  store("empty.jpg", "", 0);
  refused("empty.jpg", "empty file");
  store("text.jpg", "hello, I am a text\n", 19);
  refused("text.jpg", "not a JPEG or PNG: begins with the bytes 68 65 6c 6c");
  store("gif.png", "GIF89a\1\0\1\0", 10);
  refused("gif.png", "a GIF file, expected a JPEG or PNG");
  store("webp.jpg", "RIFF\20\0\0\0WEBPVP8 ", 16);
  refused("webp.jpg", "a WebP file");
  store("bmp.jpg", "BM\0\0\0\0", 6);
  refused("bmp.jpg", "a BMP file");
  store("tiff.jpg", "II*\0\0\0\0\0", 8);
  refused("tiff.jpg", "a TIFF file");
  store("page.jpg", "<!DOCTYPE html><html>", 21);
  refused("page.jpg", "a HTML file");
  store("pdf.jpg", "%PDF-1.4", 8);
  refused("pdf.jpg", "a PDF file");
  refused("missing.jpg", "cannot be opened: No such file or directory");
  ck_assert_int_eq(mkdir(in_folder("folder.jpg"), 0777), 0);
  refused("folder.jpg", "a folder, expected a regular file");
  ck_assert_int_eq(mkfifo(in_folder("fifo.jpg"), 0666), 0);
  refused("fifo.jpg", "a FIFO, expected a regular file");
  ck_assert_int_eq(symlink("loop.jpg", in_folder("loop.jpg")), 0);
  refused("loop.jpg", "cannot be opened: Too many levels of symbolic links");
  store("closed.jpg", "x", 1);
  ck_assert_int_eq(chmod(in_folder("closed.jpg"), 0), 0);
  refused("closed.jpg", geteuid() == 0 ? "not a JPEG or PNG" : "cannot be opened: Permission denied");
}
END_TEST

/* Headers that declare more than is allowed, decided before any pixel: w, h in PNG's IHDR and JPEG's SOF. */
START_TEST(absurd_sizes) {
  static const struct {
    uint32_t w, h;
    const char *why;
  } sizes[] = {
      {40000, 10, "sides of 1 to 32768"}, {32768, 32768, "at most 67108864 pixels"}, {10, 65500, "sides of 1"}};
  static const uint8_t grey[1] = {128};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t w = sizes[i].w, h = sizes[i].h;
    uint8_t png[33] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for (int b = 0; b < 4; b++) {
      png[16 + b] = (uint8_t)(w >> (24 - 8 * b));
      png[20 + b] = (uint8_t)(h >> (24 - 8 * b));
    }
    png[24] = 8;
    uint32_t crc = (uint32_t)crc32(0, png + 12, 17);
    for (int b = 0; b < 4; b++) png[29 + b] = (uint8_t)(crc >> (24 - 8 * b));
    blob file = {0};
    append(&file, png, 33);
    append(&file, "\0\0\0\0IDAT\x35\xaf\x06\x1e", 12); /* an empty IDAT with its CRC ends the header */
    store("absurd.png", file.bytes, file.length);
    refused("absurd.png", sizes[i].why);
    free(file.bytes);

    file = jpeg_make(JCS_GRAYSCALE, JCS_GRAYSCALE, grey, false);
    size_t sof = 0;
    while (!(file.bytes[sof] == 0xff && file.bytes[sof + 1] == 0xc0)) sof++;
    for (int b = 0; b < 2; b++) {
      file.bytes[sof + 5 + (size_t)b] = (uint8_t)(h >> (8 - 8 * b));
      file.bytes[sof + 7 + (size_t)b] = (uint8_t)(w >> (8 - 8 * b));
    }
    store("absurd.jpg", file.bytes, file.length);
    refused("absurd.jpg", sizes[i].why);
    free(file.bytes);
  }
}
END_TEST

START_TEST(fits_that_cannot_be) {
  uint8_t rgb[3] = {1, 2, 3};
  kohl_picture one = {1, 1, rgb, "made"}, out;
  kohl_fit fit = {KOHL_FIT_CROP, KOHL_FILTER_BILINEAR, 224, 224, 223, 1.0, {0, 0, 0}};
  ck_assert_int_eq(kohl_picture_fit(context, &one, &fit, &out), KOHL_USAGE);
  fit = (kohl_fit){KOHL_FIT_STRETCH, KOHL_FILTER_BILINEAR, 0, 5, 0, 0, {0, 0, 0}};
  ck_assert_int_eq(kohl_picture_fit(context, &one, &fit, &out), KOHL_USAGE);
  fit = (kohl_fit){KOHL_FIT_FRACTION, KOHL_FILTER_BILINEAR, 5, 5, 0, 1.5, {0, 0, 0}};
  ck_assert_int_eq(kohl_picture_fit(context, &one, &fit, &out), KOHL_USAGE);
  /* The thinnest picture: its letterbox keeps one row, its crop costs the crop alone. */
  static uint8_t line[32768 * 3];
  kohl_picture thin = {32768, 1, line, "made"};
  fit = (kohl_fit){KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS, 64, 64, 0, 0, {9, 9, 9}};
  ck_assert_int_eq(kohl_picture_fit(context, &thin, &fit, &out), KOHL_OK);
  ck_assert_uint_eq(out.rgb[32 * 64 * 3], 0);
  ck_assert_uint_eq(out.rgb[31 * 64 * 3], 9);
  kohl_picture_free(context, &out);
  fit = (kohl_fit){KOHL_FIT_CROP, KOHL_FILTER_BICUBIC, 224, 224, 256, 0, {0, 0, 0}};
  ck_assert_int_eq(kohl_picture_fit(context, &thin, &fit, &out), KOHL_OK);
  kohl_picture_free(context, &out);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("decode");
  TCase *tests = tcase_create("decode");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, png_kinds, 0, 2 * (int)(sizeof kinds / sizeof *kinds));
  tcase_add_test(tests, jpeg_colour_spaces);
  tcase_add_test(tests, too_many_scans);
  tcase_add_test(tests, truncations);
  tcase_add_test(tests, flipped_bits);
  tcase_add_test(tests, no_pictures);
  tcase_add_test(tests, absurd_sizes);
  tcase_add_test(tests, fits_that_cannot_be);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
