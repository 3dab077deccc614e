/* Decoding: pictures made here in every PNG kind and the JPEG colour spaces, every truncation and flipped bit.
 * tests/oracle/pillow.py compares the pixels with Pillow's; test_decode_bad.c has the files that are refused,
 * test_decode_options.c the orientation and the scaled decoding. */
#include <check.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/fit.h"
#include "tests/unit/picture_make.h"

static kohl_context *context;
static const kohl_decode_options over = {.background = {10, 200, 77}};

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
}

static void teardown(void) { kohl_context_destroy(context); }

/* Sample c of pixel x of a row, as the file stores it. */
static unsigned sample(const uint8_t *row, int x, int c, int channels, int depth) {
  if (depth == 16) return row[2 * (x * channels + c)] * 256u + row[2 * (x * channels + c) + 1];
  if (depth == 8) return row[x * channels + c];
  return row[x * depth / 8] >> (8 - depth - x * depth % 8) & ((1u << depth) - 1);
}

/* The promise of decode.h for one pixel, from the stored samples. */
static void expect(const made_png *k, const uint8_t *data, const uint8_t *row, int x, uint8_t *rgb) {
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
  if (k->transparent && palette) alpha = made_palette_alpha(value[0]);
  for (int c = 0; c < 3; c++) {
    unsigned v = palette ? made_palette(value[0], c) : colour ? value[c] : value[0];
    /* round(v * a / 255 + b * (255 - a) / 255): what the shifts of the header compute */
    rgb[c] = (uint8_t)((v * alpha + over.background[c] * (255 - alpha) + 127) / 255);
  }
}

START_TEST(png_kinds) {
  made_png k = made_png_kinds[_i / 2];
  k.interlace = _i % 2;
  static uint8_t data[MADE_W * 8 * MADE_H];
  int channels = k.type == 3 ? 1 : (k.type & 2 ? 3 : 1) + (k.type & 4 ? 1 : 0);
  size_t row = ((size_t)(MADE_W * channels * k.depth) + 7) / 8;
  made_file file = made_png_noise(&k, data, row);
  kohl_picture picture;
  kohl_status status = kohl_picture_decode(context, "made.png", file.bytes, file.length, &over, &picture);
  ck_assert_msg(status == KOHL_OK, "%s", kohl_context_error(context));
  ck_assert_int_eq(picture.w, MADE_W);
  ck_assert_int_eq(picture.h, MADE_H);
  for (int y = 0; y < MADE_H; y++) {
    for (int x = 0; x < MADE_W; x++) {
      uint8_t want[3];
      expect(&k, data, data + (size_t)y * row, x, want);
      ck_assert_msg(memcmp(picture.rgb + (y * MADE_W + x) * 3, want, 3) == 0, "type %d depth %d at %d, %d", k.type,
                    k.depth, x, y);
    }
  }
  kohl_picture_free(context, &picture);
  free(file.bytes);
}
END_TEST

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
      made_file file = made_jpeg(cases[i].in, cases[i].stored, cases[i].colour, progressive);
      kohl_picture picture;
      ck_assert_int_eq(kohl_picture_decode(context, "made.jpg", file.bytes, file.length, NULL, &picture), KOHL_OK);
      ck_assert_str_eq(picture.mode, cases[i].mode);
      for (int b = 0; b < MADE_W * MADE_H * 3; b++) ck_assert_int_le(abs(picture.rgb[b] - cases[i].rgb[b % 3]), 2);
      kohl_picture_free(context, &picture);
      free(file.bytes);
    }
  }
}
END_TEST

/* A scan that adds nothing, again and again. */
START_TEST(too_many_scans) {
  static const uint8_t grey[1] = {128};
  made_file file = made_jpeg(JCS_GRAYSCALE, JCS_GRAYSCALE, grey, true), bomb = {0};
  size_t scan = file.length - 2, sos;
  for (sos = 0; sos + 1 < file.length && !(file.bytes[sos] == 0xff && file.bytes[sos + 1] == 0xda); sos++) {
  }
  size_t next = sos + 2;
  while (!(file.bytes[next] == 0xff && file.bytes[next + 1] != 0)) next++;
  made_append(&bomb, file.bytes, scan);
  for (int i = 0; i < 150; i++) made_append(&bomb, file.bytes + sos, next - sos);
  made_append(&bomb, "\xff\xd9", 2);
  kohl_picture picture;
  ck_assert_int_eq(kohl_picture_decode(context, "bomb.jpg", bomb.bytes, bomb.length, NULL, &picture), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "bomb.jpg: JPEG scan 101, expected at most 100 for 19 x 11 pixels");
  free(file.bytes);
  free(bomb.bytes);
}
END_TEST

static void every_truncation(const char *name, const made_file *file) {
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
  static uint8_t data[MADE_W * 8 * MADE_H];
  made_file baseline = made_jpeg(JCS_RGB, JCS_YCbCr, colour, false),
            progressive = made_jpeg(JCS_CMYK, JCS_YCCK, colour, true);
  made_file plain = made_png_noise(&made_png_kinds[MADE_PNG_RGBA], data, MADE_W * 4);
  made_png laced = made_png_kinds[MADE_PNG_RGBA];
  laced.interlace = 1;
  made_file interlaced = made_png_noise(&laced, data, MADE_W * 4);
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
  static uint8_t data[MADE_W * 8 * MADE_H];
  made_file files[] = {made_jpeg(JCS_RGB, JCS_YCbCr, colour, true),
                       made_png_noise(&made_png_kinds[MADE_PNG_PALETTE_ALPHA], data, MADE_W)};
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
  tcase_add_loop_test(tests, png_kinds, 0, 2 * MADE_PNG_KINDS);
  tcase_add_test(tests, jpeg_colour_spaces);
  tcase_add_test(tests, too_many_scans);
  tcase_add_test(tests, truncations);
  tcase_add_test(tests, flipped_bits);
  tcase_add_test(tests, fits_that_cannot_be);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
