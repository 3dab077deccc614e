/* Archives of npm with TF.js models: the right one of several, and every way in which tar and gzip can be wrong. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "convert/container/gzip_tar.h"
#include "tests/unit/tfjs_files.h"

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(tfjs_ctx))

enum { ROOM = 1 << 20, BLOCK = 512 };

/* An archive on its way. */
static uint8_t tar[ROOM], packed[ROOM];
static size_t tar_length;

static void set_sum(uint8_t *header) {
  unsigned sum = 0;
  memset(header + 148, ' ', 8);
  for (int i = 0; i < BLOCK; i++) sum += header[i];
  snprintf((char *)header + 148, 7, "%06o", sum);
}

/* Returns the header, whose sum must be set again after a change. */
static uint8_t *add(const char *name, char type, const void *bytes, size_t length) {
  uint8_t *header = tar + tar_length;
  ck_assert_uint_lt(tar_length + length + 4 * BLOCK, sizeof tar);
  memset(header, 0, BLOCK);
  memcpy(header, name, strlen(name) < 100 ? strlen(name) : 100);
  sprintf((char *)header + 124, "%011zo", length);
  header[156] = (uint8_t)type;
  memcpy(header + 257, "ustar\00000", 8);
  set_sum(header);
  if (length) memcpy(header + BLOCK, bytes, length);
  size_t rest = (BLOCK - length % BLOCK) % BLOCK;
  memset(header + BLOCK + length, 0, rest);
  tar_length += BLOCK + length + rest;
  return header;
}

static void end_tar(void) {
  memset(tar + tar_length, 0, 2 * BLOCK);
  tar_length += 2 * BLOCK;
}

static size_t pack(const uint8_t *bytes, size_t length) {
  z_stream stream = {0};
  ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = (Bytef *)(uintptr_t)bytes;
  stream.avail_in = (uInt)length;
  stream.next_out = packed;
  stream.avail_out = sizeof packed;
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  size_t got = stream.total_out;
  deflateEnd(&stream);
  return got;
}

static const char *write_tar(void) { return tfjs_write("model.tgz", packed, pack(tar, tar_length)); }

static void add_model(const char *folder, const char *module) {
  static char text[4096], name[300];
  snprintf(name, sizeof name, "%smodel.min.js", folder);
  add(name, '0', module, strlen(module));
  size_t n = tfjs_shard_module(tfjs_bytes, TFJS_A, text);
  snprintf(name, sizeof name, "%sa.bin.min.js", folder);
  add(name, '0', text, n);
  n = tfjs_shard_module(tfjs_bytes + TFJS_A, TFJS_B, text);
  snprintf(name, sizeof name, "%sb.bin.min.js", folder);
  add(name, '0', text, n);
}

/* The small model, unpacked or packed. */
static void begin(void) {
  tar_length = 0;
  add("package/", '5', NULL, 0);
  add("package/b.bin", '0', tfjs_bytes + TFJS_A, TFJS_B);
  add("package/README.md", '0', "text", 4);
  add("package/a.bin", '0', tfjs_bytes, TFJS_A);
}

static void make_good(void) {
  begin();
  add("package/model.json", '0', tfjs_json, strlen(tfjs_json));
  end_tar();
}

START_TEST(good) {
  make_good();
  const char *path = write_tar();
  OK(tfjs_read_all(path));
  ck_assert_str_eq(tfjs_log, "");
  kohl_source source = {.path = path};
  float got[2];
  OK(kohl_tfjs_source(tfjs_ctx, path, &source));
  OK(source.call->read(tfjs_ctx, &source, 1, 0, 2, got)); /* crosses the shards */
  ck_assert(source.count == 4 && got[0] == 0.75f && got[1] == -1.5f);
  source.call->close(tfjs_ctx, &source);
}
END_TEST

/* nsfwjs has three models, of which one fits; an older one has each three times. */
START_TEST(several) {
  const char *unknown = tfjs_edit(tfjs_module, "\"Flatten\"", "\"Flatter\"");
  char copy[4096];
  strcpy(copy, unknown);
  tar_length = 0;
  add_model("package/dist/a/", copy);
  add_model("package/dist/esm/m/", tfjs_module);
  add_model("package/dist/m/", tfjs_module);
  add_model("package/dist/z/", tfjs_module);
  add("package/dist/b/model.json", '0', "{\"format\":\"graph-model\"}", 24);
  end_tar();
  OK(tfjs_read_all(write_tar()));
  ck_assert_msg(strstr(tfjs_log, "reads 'package/dist/m/model.min.js', 1 of 5 models in it") != NULL, "%s", tfjs_log);
  tar_length = 0; /* none fits: the only one that can be read */
  add_model("package/dist/a/", copy);
  add("package/dist/b/model.json", '0', "{\"format\":\"graph-model\"}", 24);
  end_tar();
  tfjs_refuse("a network that is not known", write_tar(), "layer 'flatten': field 'class_name'");
  tar_length = 0;
  add_model("package/dist/a/", copy);
  add_model("package/dist/b/", copy);
  end_tar();
  tfjs_refuse("two networks that are not known", write_tar(),
              "holds 2 TF.js models, none of a network that can be built here; unpack it and name one's");
  tar_length = 0;
  add("package/dist/b/model.json", '0', "{\"format\":\"graph-model\"}", 24);
  end_tar();
  tfjs_refuse("a graph-model", write_tar(), "package/dist/b/model.json: is a TF.js graph-model");
}
END_TEST

/* The three ways of tar to write a name of more than 100 bytes. */
START_TEST(long_names) {
  char folder[201], name[300], note[300];
  memset(folder, 'f', sizeof folder);
  folder[100] = '/';
  folder[sizeof folder - 1] = 0;
  for (int way = 0; way < 3; way++) {
    begin();
    tar_length = 0;
    for (int i = 0; i < 3; i++) {
      snprintf(name, sizeof name, "%.150s/%s", folder, ((const char *[]){"a.bin", "b.bin", "model.json"})[i]);
      const void *bytes = ((const void *[]){tfjs_bytes, tfjs_bytes + TFJS_A, tfjs_json})[i];
      size_t length = ((size_t[]){TFJS_A, TFJS_B, strlen(tfjs_json)})[i];
      int n = snprintf(note, sizeof note, "%zu path=%s\n", strlen(name) + 10, name);
      if (way == 0) add("PaxHeader", 'x', note, (size_t)n);
      if (way == 1) add("././@LongLink", 'L', name, strlen(name) + 1);
      if (way == 0) add("PaxHeader", 'g', "13 comment=x\n", 13);
      uint8_t *header = add(way == 2 ? name + 101 : "short", '0', bytes, length);
      if (way == 2) memcpy(header + 345, name, 100);
      set_sum(header);
    }
    end_tar();
    OK(tfjs_read_all(write_tar()));
  }
}
END_TEST

/* One change of a header, whose sum is right again; which: 0 the folder, 1 b.bin, 2 README.md. */
static const struct {
  const char *name;
  int which, at;
  const char *bytes;
  size_t length;
  const char *words;
} bad_headers[] = {
    {"a link", 2, 156, "2", 1, "member 'package/README.md' of the tar archive has type '2', expected a file or folder"},
    {"a hard link", 2, 156, "1", 1, "has type '1'"},
    {"a device", 2, 156, "3", 1, "has type '3'"},
    {"a sparse file", 2, 156, "S", 1, "has type 'S'"},
    {"a folder with bytes", 1, 156, "5", 1, "folder 'package/b.bin' of the tar archive has 41 bytes, expected 0"},
    {"an absolute name", 2, 0, "/", 1, "member '/ackage/README.md' of the tar archive: expected a name inside"},
    {"a name that leads out", 2, 0, "a/../..", 8, "member 'a/../..' of the tar archive: expected a name inside"},
    {"a name that leads out at once", 2, 0, "../x", 5, "member '../x' of the tar archive: expected a name inside"},
    {"a name with a line end", 2, 0, "a\nb", 4,
     "member 'a?b' of the tar archive: expected a name inside of it, without control"},
    {"no name", 2, 0, "", 1, "member '' of the tar archive: expected a name inside"},
    {"a name of dots alone", 2, 0, "./", 3, "member '' of the tar archive: expected a name inside"},
    {"no octal size", 1, 124, "x", 1, "the header at byte 512 of the tar archive has no octal size"},
    {"a size of bytes", 1, 124, "\x80", 1, "has no octal size"},
    {"a size of 8 and 9", 1, 124, "00000000089", 11, "has no octal size"},
    {"an empty size", 1, 124, "           ", 12, "has no octal size"},
    {"a size beyond the archive", 2, 124, "00077777777", 11, "the tar archive ends inside a file"},
    {"the largest size", 2, 124, "777777777777", 12, "the tar archive ends inside a file"},
    {"no tar archive", 2, 257, "vstar", 5, "is packed with gzip, but holds no tar archive at byte 1536"},
    {"a note that is no record", 2, 156, "x", 1, "the note at byte 2048 of the tar archive is malformed"},
    {"a long name without an end", 2, 156, "L", 1, "the note at byte 2048 of the tar archive is malformed"},
    {"a shard less", 1, 8, "x", 1, "shard 'b.bin' is not there, expected it in the folder of 'package/model.json'"},
    {"a shard twice", 2, 8, "a.bin\0\0\0\0", 9, "member 'package/a.bin' is there twice"},
    {"two models of a name", 2, 8, "model.json", 10, "member 'package/model.json' is there twice"},
};

START_TEST(bad_members) {
  for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
    make_good();
    uint8_t *header = tar + ((const size_t[]){0, BLOCK, 3 * BLOCK})[bad_headers[i].which];
    memcpy(header + bad_headers[i].at, bad_headers[i].bytes, bad_headers[i].length);
    set_sum(header);
    tfjs_refuse(bad_headers[i].name, write_tar(), bad_headers[i].words);
  }
}
END_TEST

static const struct {
  const char *name, *note, *words;
} bad_notes[] = {
    {"no number", "path=x\n", "is malformed"},
    {"a number too large", "99 path=x\n", "is malformed"},
    {"a number too small", "3 path=x\n", "is malformed"},
    {"zero", "0 path=x\n", "is malformed"},
    {"no space", "10_path=x\n", "is malformed"},
    {"no end of line", "10 path=xy", "is malformed"},
    {"no equals", "10 path_x\n", "is malformed"},
    {"an empty path", "8 path=\n", "is malformed"},
    {"a size", "10 size=5\n", "is malformed: sizes of this kind are not read"},
    {"a path out", "13 path=../x\n", "member '../x' of the tar archive: expected a name inside"},
};

START_TEST(bad_pax) {
  for (size_t i = 0; i < sizeof bad_notes / sizeof bad_notes[0]; i++) {
    begin();
    add("PaxHeader", 'x', bad_notes[i].note, strlen(bad_notes[i].note));
    add("package/model.json", '0', tfjs_json, strlen(tfjs_json));
    end_tar();
    tfjs_refuse(bad_notes[i].name, write_tar(), bad_notes[i].words);
  }
  static char large[70000];
  begin();
  add("PaxHeader", 'x', large, sizeof large);
  end_tar();
  tfjs_refuse("a large note", write_tar(), "a note of the tar archive has 70000 bytes, expected at most 65536");
}
END_TEST

START_TEST(bad_ends) {
  make_good();
  tar[tar_length - 1] = 1;
  tfjs_refuse("bytes behind the end", write_tar(), "bytes follow the end of the tar archive, expected zeros");
  make_good();
  tar_length -= 2 * BLOCK;
  tfjs_refuse("no end", write_tar(), "the tar archive ends inside a header");
  make_good();
  size_t n = pack(tar, tar_length);
  packed[n] = 0;
  tfjs_refuse("a byte behind", tfjs_write("model.tgz", packed, n + 1), "1 bytes follow the gzip stream");
  packed[n - 5] ^= 1;
  tfjs_refuse("another sum", tfjs_write("model.tgz", packed, n), "the gzip stream is damaged: incorrect data check");
  packed[n - 5] ^= 1;
  packed[n - 1] ^= 1;
  tfjs_refuse("another length", tfjs_write("model.tgz", packed, n), "is damaged: incorrect length check");
  tfjs_refuse("text", tfjs_write("model.tgz", packed, pack((const uint8_t *)"text", 4)), "ends inside a header");
  tfjs_refuse("gzip's mark alone", tfjs_write("model.tgz", "\x1f\x8b", 2), "the gzip stream breaks off");
  tar_length = 0;
  add("package/README.md", '0', "text", 4);
  end_tar();
  tfjs_refuse("no model", write_tar(), "is an archive without a TF.js model (no member model.json, model.js");
  tar_length = 0;
  end_tar();
  tfjs_refuse("nothing", write_tar(), "is an archive without a TF.js model");
}
END_TEST

/* The small model with a shard of so many zeros, which become a thousandth. */
static const char *write_bomb(size_t zeros) {
  static uint8_t empty[1 << 16];
  z_stream stream = {0};
  tar_length = 0;
  const char *json = tfjs_edit(tfjs_json, ",\"b.bin\"", "");
  add("package/model.json", '0', json, strlen(json));
  uint8_t *header = add("package/a.bin", '0', NULL, 0);
  sprintf((char *)header + 124, "%011zo", zeros);
  set_sum(header);
  ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = tar;
  stream.avail_in = (uInt)tar_length;
  stream.next_out = packed;
  stream.avail_out = sizeof packed;
  ck_assert_int_eq(deflate(&stream, Z_NO_FLUSH), Z_OK);
  for (size_t n = 0; n < zeros + 2 * BLOCK; n += sizeof empty) {
    stream.next_in = empty;
    stream.avail_in = sizeof empty;
    ck_assert_int_eq(deflate(&stream, Z_NO_FLUSH), Z_OK);
  }
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  size_t length = stream.total_out;
  deflateEnd(&stream);
  return tfjs_write("model.tgz", packed, length);
}

START_TEST(bombs) {
  tfjs_refuse("100 MB out of 100 kB", write_bomb(100 << 20), "expected less than 100 times its size");
  tfjs_refuse("40 MB out of 40 kB", write_bomb(40 << 20),
              "member 'package/a.bin' has 41943040 bytes, with which the model has more than");
  ck_assert_uint_lt(tfjs_most, 1 << 20);
  tfjs_refuse("as much as may be", write_bomb(24 << 20), "have 25165824 bytes, expected");
  ck_assert_uint_lt(tfjs_most, 25 << 20);
}
END_TEST

START_TEST(truncated) {
  make_good();
  size_t length = pack(tar, tar_length);
  static uint8_t whole[ROOM];
  memcpy(whole, packed, length);
  for (size_t n = 2; n < length; n++)
    tfjs_refuse("a truncated archive", tfjs_write("model.tgz", whole, n), "the gzip stream breaks off");
  for (size_t n = 0; n < tar_length - BLOCK; n++) {
    const char *path = tfjs_write("model.tgz", packed, pack(tar, n));
    kohl_status status = tfjs_read_all(path);
    ck_assert_msg(status == KOHL_BAD_INPUT, "%zu bytes of the tar archive are taken for all", n);
  }
}
END_TEST

START_TEST(flipped) {
  make_good();
  size_t length = pack(tar, tar_length);
  static uint8_t whole[ROOM];
  memcpy(whole, packed, length);
  for (size_t i = 0; i < 8 * length; i++) { /* of the packed bytes */
    whole[i / 8] ^= (uint8_t)(1 << i % 8);
    if (whole[0] == 0x1f && whole[1] == 0x8b) tfjs_survive(tfjs_write("model.tgz", whole, length));
    whole[i / 8] ^= (uint8_t)(1 << i % 8);
  }
  for (size_t i = 0; i < 8 * BLOCK; i++) { /* of a header: its sum sees it */
    tar[BLOCK + i / 8] ^= (uint8_t)(1 << i % 8);
    bool padding = i / 8 >= 148 && i / 8 < 156; /* the sum itself, whose zeros may be spaces */
    const char *path = write_tar();
    if (padding)
      tfjs_survive(path);
    else
      tfjs_refuse("a flipped header", path, "tar archive");
    tar[BLOCK + i / 8] ^= (uint8_t)(1 << i % 8);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tfjs_package");
  TCase *tests = tcase_create("tfjs_package");
  tcase_set_timeout(tests, 300);
  tcase_add_checked_fixture(tests, tfjs_setup, tfjs_teardown);
  tcase_add_test(tests, good);
  tcase_add_test(tests, several);
  tcase_add_test(tests, long_names);
  tcase_add_test(tests, bad_members);
  tcase_add_test(tests, bad_pax);
  tcase_add_test(tests, bad_ends);
  tcase_add_test(tests, bombs);
  tcase_add_test(tests, truncated);
  tcase_add_test(tests, flipped);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
