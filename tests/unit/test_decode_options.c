/* The options of decoding: the EXIF orientation, scaled decoding, and both in a model file's JSON; and the memory that
 * decoding takes.  tests/oracle/pillow.py compares the pixels with Pillow's exif_transpose and draft. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/decode_exif.h"
#include "datasets/prepare.h"
#include "nn/preprocessing_json.h"
#include "tests/unit/picture_make.h"

static kohl_context *context;
static size_t now, most; /* bytes held */

typedef struct {
  size_t bytes;
  char pad[56];
} head;

static void *allocate(size_t bytes, void *user) {
  (void)user;
  head *h = aligned_alloc(64, (bytes + sizeof *h + 63) / 64 * 64);
  h->bytes = bytes;
  now += bytes;
  if (now > most) most = now;
  return h + 1;
}

static void release(void *memory, void *user) {
  (void)user;
  head *h = (head *)memory - 1;
  now -= h->bytes;
  free(h);
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){allocate, release, NULL};
  options.threads = 1;
  now = most = 0;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
}

static void teardown(void) {
  kohl_context_destroy(context);
  ck_assert_uint_eq(now, 0);
}

/* A TIFF directory of one entry: tag, type, count, value. */
static size_t exif_make(uint8_t out[32], bool big, unsigned type, unsigned count, unsigned value) {
  memset(out, 0, 32);
  memcpy(out, big ? "MM\0*\0\0\0\x08\0\1\1\x12" : "II*\0\x08\0\0\0\1\0\x12\1", 12);
  out[12 + big] = (uint8_t)type;
  out[14 + 3 * big] = (uint8_t)count;
  out[18 + (big ? type == 4 ? 3 : 1 : 0)] = (uint8_t)value;
  return 26;
}

START_TEST(exif_blocks) {
  uint8_t e[32];
  for (int big = 0; big < 2; big++) {
    for (unsigned v = 0; v < 12; v++) {
      int want = v >= 1 && v <= 8 ? (int)v : 1;
      ck_assert_int_eq(kohl_exif_orientation(e, exif_make(e, big, 3, 1, v)), want);
      ck_assert_int_eq(kohl_exif_orientation(e, exif_make(e, big, 4, 1, v)), want);
    }
    ck_assert_int_eq(kohl_exif_orientation(e, exif_make(e, big, 1, 1, 6)), 1);  /* a byte */
    ck_assert_int_eq(kohl_exif_orientation(e, exif_make(e, big, 3, 0, 6)), 1);  /* no value */
    ck_assert_int_eq(kohl_exif_orientation(e, exif_make(e, big, 3, 90, 6)), 1); /* 90 values that are not there */
    ck_assert_int_eq(kohl_exif_orientation(e, exif_make(e, big, 99, 1, 6)), 1); /* no such type */
    for (size_t length = 0; length < 26; length++) {
      exif_make(e, big, 3, 1, 6);
      uint8_t *cut = malloc(length ? length : 1); /* its own memory, so that a byte too far is seen */
      memcpy(cut, e, length);
      ck_assert_int_eq(kohl_exif_orientation(cut, length), length < 22 ? 1 : 6); /* entry whole */
      free(cut);
    }
  }
}
END_TEST

/* 3 x 2 pixels numbered by rows, and what stands where afterwards. */
START_TEST(eight_ways) {
  static const struct {
    int w, h;
    const char *pixels;
  } ways[] = {{3, 2, "abcdef"}, {3, 2, "cbafed"}, {3, 2, "fedcba"}, {3, 2, "defabc"},
              {2, 3, "adbecf"}, {2, 3, "daebfc"}, {2, 3, "fcebda"}, {2, 3, "cfbead"}};
  for (int o = 1; o <= 8; o++) {
    kohl_picture picture = {3, 2, NULL, "made"};
    ck_assert_int_eq(kohl_alloc(context, 6, 3, "a picture", &picture.rgb), KOHL_OK);
    for (int i = 0; i < 18; i++) picture.rgb[i] = (uint8_t)("abcdef"[i / 3] + 64 * (i % 3 == 1));
    ck_assert_int_eq(kohl_picture_orient(context, "made", o, &picture), KOHL_OK);
    ck_assert_int_eq(picture.w, ways[o - 1].w);
    ck_assert_int_eq(picture.h, ways[o - 1].h);
    for (int i = 0; i < 18; i++) ck_assert_int_eq(picture.rgb[i], ways[o - 1].pixels[i / 3] + 64 * (i % 3 == 1));
    kohl_picture_free(context, &picture);
  }
}
END_TEST

/* A photograph with orientation 6 in APP1, and a drawing with it in eXIf. */
START_TEST(files_turned) {
  static const uint8_t colour[3] = {200, 100, 50};
  static uint8_t data[MADE_W * 8 * MADE_H];
  uint8_t segment[10 + 32] =
      "\xff\xe1\0\x22"
      "Exif\0";
  exif_make(segment + 10, true, 3, 1, 6);
  made_file jpeg = made_jpeg(JCS_RGB, JCS_YCbCr, colour, false),
            png = made_png_noise(&made_png_kinds[MADE_PNG_RGBA], data, MADE_W * 4);
  made_file chunk = made_png_chunk("eXIf", segment + 10, 26);
  made_file files[2] = {made_insert(&jpeg, 2, segment, 36), made_insert(&png, 33, chunk.bytes, chunk.length)};
  for (int f = 0; f < 2; f++) {
    for (int orient = 0; orient < 2; orient++) {
      kohl_decode_options options = {.background = {9, 9, 9}, .orient = orient};
      kohl_picture picture;
      kohl_status status = kohl_picture_decode(context, "turned", files[f].bytes, files[f].length, &options, &picture);
      ck_assert_msg(status == KOHL_OK, "%s", kohl_context_error(context));
      ck_assert_int_eq(picture.w, orient ? MADE_H : MADE_W);
      ck_assert_int_eq(picture.h, orient ? MADE_W : MADE_H);
      kohl_picture_free(context, &picture);
    }
    free(files[f].bytes);
  }
  free(chunk.bytes);
  free(jpeg.bytes);
  free(png.bytes);
}
END_TEST

static made_file photo_of(int w, int h) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  unsigned char *bytes = NULL;
  unsigned long length = 0;
  uint8_t *line = calloc((size_t)w, 3);
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, &bytes, &length);
  c.image_width = (JDIMENSION)w;
  c.image_height = (JDIMENSION)h;
  c.in_color_space = JCS_RGB;
  c.input_components = 3;
  jpeg_set_defaults(&c);
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < c.image_height) {
    JSAMPROW row = line;
    for (int i = 0; i < 3 * w; i++) line[i] = (uint8_t)(i / 7 + (int)c.next_scanline);
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  free(line);
  return (made_file){bytes, length};
}

START_TEST(scales) {
  static const struct {
    int want_w, want_h;
    bool either;
    int w, h;
  } cases[] = {
      {0, 0, false, 500, 375},     {500, 375, false, 500, 375}, {501, 1, false, 500, 375},
      {251, 100, false, 500, 375}, {250, 187, false, 250, 188}, {250, 188, false, 500, 375},
      {128, 128, false, 250, 188}, {125, 93, false, 125, 94},   {62, 46, false, 63, 47},
      {1, 1, false, 63, 47},       {62, 200, true, 63, 47},     {300, 46, true, 63, 47},
      {300, 300, true, 500, 375},
  };
  made_file file = photo_of(500, 375);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kohl_decode_options options = {.background = {9, 9, 9}, .fast = true};
    kohl_decode_want want = {cases[i].want_w, cases[i].want_h, cases[i].either};
    kohl_picture picture, again;
    ck_assert_int_eq(kohl_picture_decode_for(context, "a.jpg", file.bytes, file.length, &options, &want, &picture),
                     KOHL_OK);
    ck_assert_int_eq(picture.w, cases[i].w);
    ck_assert_int_eq(picture.h, cases[i].h);
    ck_assert_int_eq(kohl_picture_decode_for(context, "a.jpg", file.bytes, file.length, &options, &want, &again),
                     KOHL_OK);
    ck_assert_mem_eq(picture.rgb, again.rgb, (size_t)picture.w * (size_t)picture.h * 3);
    kohl_picture_free(context, &again);
    kohl_picture_free(context, &picture);
    options.fast = false; /* the wanted size is then not looked at */
    ck_assert_int_eq(kohl_picture_decode_for(context, "a.jpg", file.bytes, file.length, &options, &want, &picture),
                     KOHL_OK);
    ck_assert_int_eq(picture.w, 500);
    kohl_picture_free(context, &picture);
  }
  free(file.bytes);
}
END_TEST

/* What each fit wants is enough: no side of what it resizes is below a side of the result. */
START_TEST(wants) {
  static const struct {
    kohl_fit fit;
    int w, h;
    bool either;
  } cases[] = {
      {{KOHL_FIT_STRETCH, KOHL_FILTER_BILINEAR, 128, 96, 0, 0, {0}}, 128, 96, false},
      {{KOHL_FIT_LETTERBOX, KOHL_FILTER_BILINEAR, 128, 96, 0, 0, {0}}, 128, 96, true},
      {{KOHL_FIT_CROP, KOHL_FILTER_BILINEAR, 224, 224, 256, 0, {0}}, 256, 256, false},
      {{KOHL_FIT_FRACTION, KOHL_FILTER_BILINEAR, 299, 299, 0, 0.875, {0}}, 342, 342, false},
      {{KOHL_FIT_FRACTION, KOHL_FILTER_BILINEAR, 299, 299, 0, 1e-6, {0}}, 32768, 32768, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kohl_decode_want want = kohl_fit_want(&cases[i].fit);
    ck_assert_int_eq(want.w, cases[i].w);
    ck_assert_int_eq(want.h, cases[i].h);
    ck_assert_int_eq(want.either, cases[i].either);
  }
}
END_TEST

/* 16 bytes for each pixel, whatever the kind; 1 MiB for libpng's own rows and zlib's window. */
START_TEST(memory) {
  enum { SIDE = 1024 };
  static uint8_t rows[8 * SIDE];
  for (int kind = 0; kind < MADE_PNG_KINDS; kind++) {
    made_png k = made_png_kinds[kind];
    k.interlace = 1;
    made_file file = made_png_sized(&k, SIDE, SIDE, rows);
    uint8_t e[32];
    size_t length = exif_make(e, false, 3, 1, 7);
    made_file chunk = made_png_chunk("eXIf", e, length), turned = made_insert(&file, 33, chunk.bytes, chunk.length);
    kohl_decode_options options = {.background = {9, 9, 9}, .orient = true};
    kohl_picture picture;
    most = now;
    ck_assert_int_eq(kohl_picture_decode(context, "a.png", turned.bytes, turned.length, &options, &picture), KOHL_OK);
    ck_assert_uint_le(most, 16u * SIDE * SIDE + (1 << 20));
    kohl_picture_free(context, &picture);
    free(chunk.bytes);
    free(turned.bytes);
    free(file.bytes);
  }
}
END_TEST

static kohl_status read_back(const char *text, kohl_preprocessing *pre) {
  kohl_json json;
  kohl_json_open(&json, context, text, strlen(text));
  kohl_status status = kohl_preprocessing_read_json(&json, pre);
  kohl_json_close(&json);
  return status;
}

START_TEST(in_json) {
  kohl_preprocessing pre = kohl_preprocessing_default(), back;
  ck_assert(!pre.decode.orient && !pre.decode.fast);
  for (int i = 0; i < 4; i++) {
    pre.decode.orient = i & 1;
    pre.decode.fast = i & 2;
    kohl_json_writer writer;
    kohl_json_write_begin(&writer, context);
    kohl_preprocessing_write_json(&pre, &writer);
    ck_assert_int_eq(kohl_json_write_end(&writer), KOHL_OK);
    ck_assert_ptr_nonnull(strstr(writer.text, i & 1 ? "\"orient\":true" : "\"orient\":false"));
    ck_assert_ptr_nonnull(strstr(writer.text, i & 2 ? "\"decode\":\"fast\"" : "\"decode\":\"exact\""));
    ck_assert_int_eq(read_back(writer.text, &back), KOHL_OK);
    ck_assert_int_eq(back.decode.orient, pre.decode.orient);
    ck_assert_int_eq(back.decode.fast, pre.decode.fast);
    kohl_json_write_free(&writer);
  }
  ck_assert_int_eq(read_back("{}", &back), KOHL_OK); /* a file from before there was a choice */
  ck_assert(!back.decode.orient && !back.decode.fast);
  ck_assert_int_eq(read_back("{\"decode\":\"quick\"}", &back), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "byte 10: preprocessing: 'quick' is no known word");
  ck_assert_int_eq(read_back("{\"orient\":1}", &back), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "byte 10: preprocessing: a number, expected true or false");
  ck_assert_int_eq(read_back("{\"fast\":true}", &back), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "byte 1: preprocessing: unknown field 'fast'");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("decode_options");
  TCase *tests = tcase_create("decode_options");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, exif_blocks);
  tcase_add_test(tests, eight_ways);
  tcase_add_test(tests, files_turned);
  tcase_add_test(tests, scales);
  tcase_add_test(tests, wants);
  tcase_add_test(tests, memory);
  tcase_add_test(tests, in_json);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
