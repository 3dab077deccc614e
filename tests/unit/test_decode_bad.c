/* Files that are refused, each with the line that says so, and what stands beside them: odd files that are read.
 * All are told from the header where it says enough, and nothing large is asked for before. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "datasets/decode.h"
#include "tests/unit/picture_make.h"

static kohl_context *context;
static char folder[64];
static size_t largest; /* bytes asked for at once */

static void *allocate(size_t bytes, void *user) {
  (void)user;
  if (bytes > largest) largest = bytes;
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void release(void *memory, void *user) {
  (void)user;
  free(memory);
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){allocate, release, NULL};
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_bad_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+rw %s; rm -rf %s", folder, folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

static const char *in_folder(const char *name) {
  static char path[100];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void store(const char *name, const void *bytes, size_t length) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

/* The whole line: the path, ": " and what is said. */
static void refused(const char *name, const char *says) {
  kohl_picture picture;
  const char *path = in_folder(name), *text = kohl_context_error(context);
  largest = 0;
  ck_assert_msg(kohl_picture_read(context, path, NULL, &picture) == KOHL_BAD_INPUT, "%s is read", name);
  size_t n = strlen(path);
  bool same = strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0 && strcmp(text + n + 2, says) == 0;
  ck_assert_msg(same, "'%s', expected '%s'", text, says);
  ck_assert_ptr_null(picture.rgb);
  ck_assert_uint_lt(largest, 1 << 20);
}

static void refused_file(const char *name, made_file file, const char *says) {
  store(name, file.bytes, file.length);
  free(file.bytes);
  refused(name, says);
}

static void taken(const char *name, const char *mode) {
  kohl_picture picture;
  kohl_status status = kohl_picture_read(context, in_folder(name), NULL, &picture);
  ck_assert_msg(status == KOHL_OK, "%s", kohl_context_error(context));
  ck_assert_str_eq(picture.mode, mode);
  kohl_picture_free(context, &picture);
}

static made_file photo(void) {
  static const uint8_t colour[3] = {200, 100, 50};
  return made_jpeg(JCS_RGB, JCS_YCbCr, colour, false);
}

static made_file drawing(int kind) {
  static uint8_t data[MADE_W * 8 * MADE_H];
  return made_png_noise(&made_png_kinds[kind], data, MADE_W * 4);
}

START_TEST(other_kinds) {
  static const struct {
    const char *name, *bytes, *says;
    size_t length;
  } files[] = {
      {"empty.jpg", "", "empty file, expected a JPEG or PNG", 0},
      {"one.jpg", "\xff", "not a JPEG or PNG: begins with the bytes ff", 1},
      {"zeros.jpg", "\0\0\0\0\0\0\0\0", "not a JPEG or PNG: begins with the bytes 00 00 00 00", 8},
      {"text.jpg", "hello, I am a text", "not a JPEG or PNG: begins with the bytes 68 65 6c 6c", 18},
      {"gif.png", "GIF89a\1\0\1\0", "a GIF file, expected a JPEG or PNG", 10},
      {"webp.jpg", "RIFF\20\0\0\0WEBPVP8 ", "a WebP file, expected a JPEG or PNG", 16},
      {"bmp.jpg", "BM\0\0\0\0", "a BMP file, expected a JPEG or PNG", 6},
      {"tiff.jpg", "II*\0\0\0\0\0", "a TIFF file, expected a JPEG or PNG", 8},
      {"heic.jpg",
       "\0\0\0\x18"
       "ftypheic\0\0\0\0",
       "a HEIC file, expected a JPEG or PNG", 16},
      {"page.jpg", "<!DOCTYPE html><html>", "a HTML file, expected a JPEG or PNG", 21},
      {"pdf.jpg", "%PDF-1.4", "a PDF file, expected a JPEG or PNG", 8},
      {"pack.jpg", "PK\3\4", "a zip file, expected a JPEG or PNG", 4},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    store(files[i].name, files[i].bytes, files[i].length);
    refused(files[i].name, files[i].says);
  }
}
END_TEST

START_TEST(not_to_be_read) {
  refused("missing.jpg", "cannot be opened: No such file or directory");
  ck_assert_int_eq(mkdir(in_folder("folder.jpg"), 0777), 0);
  refused("folder.jpg", "a folder, expected a regular file");
  ck_assert_int_eq(mkfifo(in_folder("fifo.jpg"), 0666), 0);
  refused("fifo.jpg", "a FIFO, expected a regular file");
  ck_assert_int_eq(symlink("/dev/zero", in_folder("device.jpg")), 0);
  refused("device.jpg", "a device, expected a regular file");
  ck_assert_int_eq(symlink("loop.jpg", in_folder("loop.jpg")), 0);
  refused("loop.jpg", "cannot be opened: Too many levels of symbolic links");
  ck_assert_int_eq(symlink("nothing", in_folder("dangling.jpg")), 0);
  refused("dangling.jpg", "cannot be opened: No such file or directory");
  store("huge.jpg", "\xff\xd8\xff", 3);
  ck_assert_int_eq(truncate(in_folder("huge.jpg"), KOHL_PICTURE_BYTES + 1L), 0);
  refused("huge.jpg", "268435457 bytes, expected at most 268435456");
  store("closed.jpg", "x", 1);
  ck_assert_int_eq(chmod(in_folder("closed.jpg"), 0), 0);
  refused("closed.jpg",
          geteuid() == 0 ? "not a JPEG or PNG: begins with the bytes 78" : "cannot be opened: Permission denied");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", in_folder("socket.jpg"));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  refused("socket.jpg", "a socket or device, expected a regular file");
  close(fd);
}
END_TEST

/* read(2) stands here in place of the C library's, so that a file can shrink between its size and its bytes. */
static const char *shrinking;

ssize_t read(int fd, void *memory, size_t room) {
  if (shrinking && truncate(shrinking, 100) != 0) return -1;
  shrinking = NULL;
  return syscall(SYS_read, fd, memory, room);
}

START_TEST(changed_while_read) {
  made_file file = photo();
  char says[96];
  snprintf(says, sizeof says, "changed while it was read: 100 of %zu bytes", file.length);
  store("shrinks.jpg", file.bytes, file.length);
  free(file.bytes);
  shrinking = in_folder("shrinks.jpg");
  refused("shrinks.jpg", says);
  ck_assert_ptr_null(shrinking);
}
END_TEST

/* Names are bytes; what the file holds is told by content. */
START_TEST(names) {
  made_file jpeg = photo(), png = drawing(MADE_PNG_RGBA);
  store("wrong.png", jpeg.bytes, jpeg.length);
  taken("wrong.png", "JPEG YCbCr");
  store("wrong.jpg", png.bytes, png.length);
  taken("wrong.jpg", "PNG RGBA");
  store("\xff\xfe caf\xe9.txt", jpeg.bytes, jpeg.length);
  taken("\xff\xfe caf\xe9.txt", "JPEG YCbCr");
  store("caf\xe9.jpg", "", 0);
  refused("caf\xe9.jpg", "empty file, expected a JPEG or PNG");
  free(jpeg.bytes);
  free(png.bytes);
}
END_TEST

static made_file poked(made_file file, size_t at, uint8_t value) {
  file.bytes[at] = value;
  return file;
}

static made_file cut(made_file file, size_t length) {
  file.length = length;
  return file;
}

START_TEST(damaged_jpegs) {
  made_file file = photo();
  size_t sof = made_jpeg_find(&file, 0xc0), sos = made_jpeg_find(&file, 0xda), length = file.length;
  char says[128];
  snprintf(says, sizeof says, "truncated JPEG: the picture goes on after its %zu bytes", sos);
  refused_file("cut.jpg", cut(file, sos), says);
  snprintf(says, sizeof says, "truncated JPEG: the picture goes on after its %zu bytes", length - 2);
  refused_file("no_end.jpg", cut(photo(), length - 2), says);
  made_file early = cut(photo(), sos + 14 + (length - sos) / 4);
  made_append(&early, "\xff\xd9", 2);
  refused_file("early.jpg", early, "damaged JPEG: its pixels end early");
  refused_file("bits12.jpg", poked(photo(), sof + 4, 12), "JPEG of 12 bits a channel, expected 8");
  refused_file("lossless.jpg", poked(photo(), sof + 1, 0xc3),
               "lossless JPEG (SOF3), expected baseline, extended or progressive");
  refused_file("layers.jpg", poked(photo(), sof + 1, 0xc6),
               "hierarchical JPEG (SOF6), expected baseline, extended or progressive");
  refused_file("extension.jpg", poked(photo(), sof + 1, 0xc8),
               "JPG extension JPEG (SOF8), expected baseline, extended or progressive");
  refused_file("no_height.jpg", poked(photo(), sof + 6, 0), "damaged JPEG: Empty JPEG image (DNL not supported)");
  refused_file("two_starts.jpg", made_insert(&(made_file){(uint8_t[]){0xff, 0xd8, 0xff, 0xd8, 0xff}, 5}, 2, "", 0),
               "damaged JPEG: Invalid JPEG file structure: two SOI markers");
  made_file ones = photo(); /* more ones than any code has */
  for (size_t at = sos + 14; at + 3 < length; at += 2) memcpy(ones.bytes + at, "\xff\0", 2);
  refused_file("code.jpg", ones, "damaged JPEG: Corrupt JPEG data: bad Huffman code");
}
END_TEST

START_TEST(two_channels) {
  static const uint8_t file[] = {0xff, 0xd8, 0xff, 0xc0, 0, 14, 8, 0, 8, 0, 8, 2, 1,  0x11, 0, 2,
                                 0x11, 0,    0xff, 0xda, 0, 10, 2, 1, 0, 2, 0, 0, 63, 0,    0};
  store("two.jpg", file, sizeof file);
  refused("two.jpg", "JPEG of 2 channels, expected 1, 3 or 4");
}
END_TEST

START_TEST(damaged_pngs) {
  made_file file = drawing(MADE_PNG_RGBA);
  size_t length = file.length;
  char says[96];
  snprintf(says, sizeof says, "truncated PNG: the picture goes on after its %zu bytes", length - 1);
  refused_file("cut.png", cut(file, length - 1), says);
  refused_file("crc.png", poked(drawing(MADE_PNG_RGBA), length - 13, 0x77), "damaged PNG: IDAT: CRC error");
  refused_file("head_crc.png", poked(drawing(MADE_PNG_RGBA), 8 + 11, 18), "damaged PNG: IHDR: CRC error");
  /* The palette's chunk, between the header and what else there is, taken out. */
  file = drawing(MADE_PNG_PALETTE_ALPHA);
  made_file bare = {0};
  made_append(&bare, file.bytes, 33);
  made_append(&bare, file.bytes + 33 + 12 + 768, file.length - 33 - 12 - 768);
  free(file.bytes);
  refused_file("bare.png", bare, "damaged PNG: IDAT: Missing PLTE before IDAT");
  file = drawing(MADE_PNG_RGBA);
  made_file chunk = made_png_chunk("NEED", "x", 1), needs = made_insert(&file, 33, chunk.bytes, chunk.length);
  free(file.bytes);
  free(chunk.bytes);
  refused_file("needs.png", needs, "damaged PNG: NEED: unhandled critical chunk");
}
END_TEST

/* w and h in PNG's IHDR. */
static made_file png_of(uint32_t w, uint32_t h) {
  uint8_t head[13] = {0};
  for (int b = 0; b < 4; b++) {
    head[b] = (uint8_t)(w >> (24 - 8 * b));
    head[4 + b] = (uint8_t)(h >> (24 - 8 * b));
  }
  head[8] = 8;
  made_file file = {0}, ihdr = made_png_chunk("IHDR", head, 13), idat = made_png_chunk("IDAT", "", 0);
  made_append(&file, "\x89PNG\r\n\x1a\n", 8);
  made_append(&file, ihdr.bytes, ihdr.length);
  made_append(&file, idat.bytes, idat.length);
  free(ihdr.bytes);
  free(idat.bytes);
  return file;
}

/* ... and in JPEG's SOF. */
static made_file jpeg_of(uint32_t w, uint32_t h) {
  static const uint8_t grey[1] = {128};
  made_file file = made_jpeg(JCS_GRAYSCALE, JCS_GRAYSCALE, grey, false);
  size_t sof = made_jpeg_find(&file, 0xc0);
  for (size_t b = 0; b < 2; b++) {
    file.bytes[sof + 5 + b] = (uint8_t)(h >> (8 - 8 * b));
    file.bytes[sof + 7 + b] = (uint8_t)(w >> (8 - 8 * b));
  }
  return file;
}

START_TEST(absurd_sizes) {
  static const struct {
    uint32_t w, h;
    const char *says;
  } sizes[] = {
      {40000, 10, "header: size 40000 x 10, expected sides of 1 to 32768 pixels"},
      {10, 65500, "header: size 10 x 65500, expected sides of 1 to 32768 pixels"},
      {32768, 32768, "header: size 32768 x 32768, expected at most 67108864 pixels"},
      {8193, 8192, "header: size 8193 x 8192, expected at most 67108864 pixels"},
  };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    refused_file("absurd.png", png_of(sizes[i].w, sizes[i].h), sizes[i].says);
    refused_file("absurd.jpg", jpeg_of(sizes[i].w, sizes[i].h), sizes[i].says);
  }
  refused_file("wide.png", png_of(0x7fffffff, 0x7fffffff),
               "header: size 2147483647 x 2147483647, expected sides of 1 to 32768 pixels");
  refused_file("none.png", png_of(0, 5), "damaged PNG: Invalid IHDR data");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("decode_bad");
  TCase *tests = tcase_create("decode_bad");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, other_kinds);
  tcase_add_test(tests, not_to_be_read);
  tcase_add_test(tests, changed_while_read);
  tcase_add_test(tests, names);
  tcase_add_test(tests, damaged_jpegs);
  tcase_add_test(tests, two_channels);
  tcase_add_test(tests, damaged_pngs);
  tcase_add_test(tests, absurd_sizes);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
