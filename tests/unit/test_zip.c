/* Zip archives: those of PyTorch, Keras and others by hand, every malformed one with its own line, every cut and every
 * flipped bit. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "convert/container/zip.h"

static kohl_context *ctx;

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}
static void teardown(void) { kohl_context_destroy(ctx); }

/* An archive of three members that is put together field by field, so that one of them can be wrong. */
enum { MEMBERS = 3, MOST = 4096 };
static const struct {
  const char *name, *text;
} content[MEMBERS] = {{"top/data.pkl", "pickle"}, {"top/data/0", "0123456789abcdef"}, {"top/version", "3\n"}};

typedef struct {
  const char *prefix, *comment, *name;                        /* name: of the last member */
  unsigned flags, local_flags, method, local_method;          /* of the last member */
  int padding;                                                /* bytes of each local extra field, 0 or at least 4 */
  bool zip64, member64, behind, local_zero, no_crc;           /* behind: data descriptors */
  int count, size, local_size, offset, directory, disk, tail; /* added to the true values */
  const char *local_name;
} recipe;

static uint8_t bytes[MOST];
static size_t length;

static void put(uint64_t value, int n) {
  for (int i = 0; i < n; i++) bytes[length++] = (uint8_t)(value >> 8 * i);
}

static void put_text(const char *text) {
  memcpy(bytes + length, text, strlen(text));
  length += strlen(text);
}

static void put_local(const recipe *r, int i) {
  bool last = i == MEMBERS - 1;
  const char *name = last && r->name ? r->name : content[i].name, *text = content[i].text;
  if (last && r->local_name) name = r->local_name;
  size_t n = strlen(text);
  put_text("PK\3\4");
  put(20, 2);
  put((r->behind ? 8 : 0) | (last ? r->flags | r->local_flags : 0), 2);
  put(last ? r->method | r->local_method : 0, 2);
  put(0, 4);
  put(r->local_zero ? 0 : crc32_z(0, (const uint8_t *)text, n), 4);
  for (int j = 0; j < 2; j++) put(r->local_zero ? 0 : n + (last ? (size_t)r->local_size : 0), 4);
  put(strlen(name), 2);
  put((size_t)r->padding, 2);
  put_text(name);
  if (r->padding) {
    put_text("FB");
    put((size_t)r->padding - 4, 2);
    memset(bytes + length, 'Z', (size_t)r->padding - 4);
    length += (size_t)r->padding - 4;
  }
  put_text(text);
  if (!r->behind) return;
  put_text("PK\7\x8");
  put(crc32_z(0, (const uint8_t *)text, n), 4);
  for (int j = 0; j < 2; j++) put(n, 4);
}

static void put_entry(const recipe *r, int i, size_t offset) {
  bool last = i == MEMBERS - 1;
  const char *name = last && r->name ? r->name : content[i].name, *text = content[i].text;
  size_t size = strlen(text) + (last ? (size_t)r->size : 0), place = offset + (last ? (size_t)r->offset : 0);
  put_text("PK\1\2");
  put(20, 2);
  put(20, 2);
  put((r->behind ? 8 : 0) | (last ? r->flags : 0), 2);
  put(last ? r->method : 0, 2);
  put(0, 4);
  put(r->no_crc ? 0 : crc32_z(0, (const uint8_t *)text, strlen(text)), 4);
  for (int j = 0; j < 2; j++) put(r->member64 ? UINT32_MAX : size, 4);
  put(strlen(name), 2);
  put(r->member64 ? 33 : 0, 2);
  put(0, 2);
  put(last ? (size_t)r->disk : 0, 2);
  put(0, 6);
  put(r->member64 ? UINT32_MAX : place, 4);
  put_text(name);
  if (!r->member64) return;
  put_text("xx\1");
  put(0, 1);
  put('x', 1); /* a field of another kind comes first */
  put(1, 2);
  put(24, 2);
  put(size, 8);
  put(size, 8);
  put(place, 8);
}

static void build(const recipe *r) {
  size_t offset[MEMBERS];
  memset(bytes, 0, sizeof bytes);
  length = 0;
  if (r->prefix) put_text(r->prefix);
  size_t prefix = length;
  for (int i = 0; i < MEMBERS; i++) {
    offset[i] = length - prefix;
    put_local(r, i);
  }
  size_t directory = length;
  for (int i = 0; i < MEMBERS; i++) put_entry(r, i, offset[i]);
  size_t end = length, size = end - directory + (size_t)r->directory, count = MEMBERS + (size_t)r->count;
  if (r->zip64) {
    put_text("PK\6\6");
    put(44, 8);
    put(20, 4);
    put(0, 8);
    put(count, 8);
    put(count, 8);
    put(size, 8);
    put(directory - prefix, 8);
    put_text("PK\6\7");
    put(0, 4);
    put(end - prefix, 8);
    put(1, 4);
  }
  put_text("PK\5\6");
  put(0, 4);
  put(r->zip64 ? 0xffff : count, 2);
  put(r->zip64 ? 0xffff : count, 2);
  put(r->zip64 ? UINT32_MAX : size, 4);
  put(r->zip64 ? UINT32_MAX : directory - prefix, 4);
  put(r->comment ? strlen(r->comment) : 0, 2);
  if (r->comment) put_text(r->comment);
  length += (size_t)r->tail;
}

/* The bytes in a block of exactly their size, so that a sanitizer sees any byte read beyond it. */
static kohl_status open_bytes(size_t n, uint8_t **block, kohl_zip *zip) {
  *block = malloc(n ? n : 1);
  memcpy(*block, bytes, n);
  return kohl_zip_open(ctx, "f.zip", *block, n, zip);
}

static void expect_content(const kohl_zip *zip) {
  ck_assert_uint_eq(zip->count, MEMBERS);
  for (int i = 0; i < MEMBERS; i++) {
    const kohl_zip_member *member = kohl_zip_find(zip, content[i].name);
    ck_assert_ptr_nonnull(member);
    ck_assert_str_eq(member->name, content[i].name);
    ck_assert_uint_eq(member->length, strlen(content[i].text));
    ck_assert_mem_eq(member->bytes, content[i].text, member->length);
    ck_assert_int_eq(kohl_zip_check(ctx, zip, member), KOHL_OK);
  }
  for (size_t i = 1; i < zip->count; i++) ck_assert_int_lt(strcmp(zip->members[i - 1].name, zip->members[i].name), 0);
  ck_assert_ptr_null(kohl_zip_find(zip, "top/data"));
  ck_assert_ptr_null(kohl_zip_find(zip, ""));
}

static const struct {
  const char *what;
  recipe recipe;
} good[] = {
    {"plain", {0}},
    {"PyTorch's: sizes behind the bytes, padding", {.behind = true, .local_zero = true, .padding = 37, .zip64 = true}},
    {"UTF-8 names", {.flags = 1 << 11}},
    {"a comment", {.comment = "made by hand"}},
    {"a comment that looks like an end record", {.comment = "PK\5\6 and more than twenty bytes behind it"}},
    {"a prefix", {.prefix = "#!/bin/sh\nexit 0\n"}},
    {"a prefix and zip64", {.prefix = "#!/bin/sh\n", .zip64 = true, .comment = "c"}},
    {"zip64 everywhere", {.zip64 = true, .member64 = true}},
    {"zip64 members alone", {.member64 = true}},
    {"no CRC", {.no_crc = true}},
};

START_TEST(good_archives) {
  uint8_t *block;
  kohl_zip zip;
  build(&good[_i].recipe);
  ck_assert_msg(open_bytes(length, &block, &zip) == KOHL_OK, "%s: %s", good[_i].what, kohl_context_error(ctx));
  expect_content(&zip);
  kohl_zip_close(ctx, &zip);
  ck_assert_uint_eq(zip.count, 0);
  free(block);
}
END_TEST

START_TEST(empty_archive) {
  uint8_t *block;
  kohl_zip zip;
  memcpy(bytes, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
  ck_assert_int_eq(open_bytes(22, &block, &zip), KOHL_OK);
  ck_assert_uint_eq(zip.count, 0);
  ck_assert_ptr_null(kohl_zip_find(&zip, "x"));
  kohl_zip_close(ctx, &zip);
  free(block);
}
END_TEST

START_TEST(damaged_member) {
  uint8_t *block;
  kohl_zip zip;
  build(&(recipe){0});
  ck_assert_int_eq(open_bytes(length, &block, &zip), KOHL_OK);
  *(uint8_t *)kohl_zip_find(&zip, "top/data/0")->bytes ^= 1;
  ck_assert_int_eq(kohl_zip_check(ctx, &zip, kohl_zip_find(&zip, "top/data/0")), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "f.zip: member 'top/data/0': CRC-32 is "));
  ck_assert_int_eq(kohl_zip_check(ctx, &zip, kohl_zip_find(&zip, "top/version")), KOHL_OK);
  kohl_zip_close(ctx, &zip);
  free(block);
}
END_TEST

/* Numbers are put over a good archive: at bytes behind the signature's last occurrence (n of 0: no edit). */
static const struct {
  recipe recipe;
  const char *signature;
  int at, n;
  uint64_t value;
  const char *message;
} bad[] = {
    {{.tail = 1}, "", 0, 0, 0, "zip archive: has no end record, expected it at the end"},
    {{0}, "PK\5\6", 20, 2, 1, "has no end record"},
    {{0}, "PK\5\6", 4, 2, 1, "is a part of several, expected one file"},
    {{0}, "PK\5\6", 8, 2, 2, "is a part of several"},
    {{.zip64 = true}, "PK\6\7", 4, 4, 1, "is a part of several"},
    {{.zip64 = true}, "PK\6\7", 16, 4, 2, "is a part of several"},
    {{.zip64 = true}, "PK\6\6", 16, 4, 1, "is a part of several"},
    {{.disk = 1}, "", 0, 0, 0, "is a part of several"},
    {{0}, "PK\5\6", 12, 4, 100000, "its directory leaves the file"},
    {{0}, "PK\5\6", 16, 4, 100000, "its directory leaves the file"},
    {{.zip64 = true}, "PK\6\6", 40, 8, UINT64_MAX, "its directory leaves the file"},
    {{.zip64 = true}, "PK\6\6", 48, 8, UINT64_MAX, "its directory leaves the file"},
    {{.zip64 = true}, "PK\6\6", 48, 8, 3, "its directory does not end where the zip64 end record begins"},
    {{.zip64 = true}, "PK\6\7", 8, 8, UINT64_MAX, "its zip64 end record is not where its locator says"},
    {{.zip64 = true}, "PK\6\6", 4, 8, 45, "its zip64 end record is not where"},
    {{.zip64 = true}, "PK\6\6", 0, 4, 0, "its zip64 end record is not where"},
    {{.zip64 = true}, "PK\6\6", 24, 16, 0, "has more bytes than its members need"},
    {{.count = 1, .member64 = true}, "", 0, 0, 0, "its directory is damaged: no entry where one must be"},
    {{.count = -1}, "", 0, 0, 0, "its directory has more bytes than its members need"},
    {{.count = 9}, "", 0, 0, 0, "its directory is shorter than its members need"},
    {{.zip64 = true, .count = KOHL_ZIP_MEMBERS}, "", 0, 0, 0, "zip archive: 131075 members, expected at most 131072"},
    {{0}, "PK\1\2", 0, 4, 0, "its directory is damaged: no entry"},
    {{0}, "PK\1\2", 30, 2, 99, "its directory is damaged: an entry leaves it"},
    {{0}, "PK\1\2", 28, 4, 11 << 16, "a member's name has 0 bytes, expected 1 to 1024"},
    {{0}, "PK\1\2", 48, 1, 0, "member 'to?/version': its name contains a zero byte"},
    {{.name = "top/data/0"}, "", 0, 0, 0, "member 'top/data/0': its name appears twice"},
    {{.local_name = "top/versiom"}, "", 0, 0, 0, "member 'top/version': has another name in its own header"},
    {{.local_name = "top/versio"}, "", 0, 0, 0, "member 'top/version': has another name"},
    {{.flags = 1}, "", 0, 0, 0, "member 'top/version': is encrypted, expected plain bytes"},
    {{.flags = 1 << 6}, "", 0, 0, 0, "is encrypted"},
    {{.flags = 1 << 13}, "", 0, 0, 0, "is encrypted"},
    {{.local_flags = 1}, "", 0, 0, 0, "is encrypted"},
    {{.method = 8}, "", 0, 0, 0, "member 'top/version': is packed (method 8), expected stored bytes"},
    {{.local_method = 12}, "", 0, 0, 0, "is packed (method 12)"},
    {{0}, "PK\1\2", 20, 4, 3, "is stored, but its two sizes differ"},
    {{.local_size = 1}, "", 0, 0, 0, "has other sizes in its own header"},
    {{.size = 2000}, "", 0, 0, 0, "member 'top/version': has 2002 bytes, expected at most the 2 before the directory"},
    {{.member64 = true, .size = -100}, "", 0, 0, 0, "has 18446744073709551518 bytes, expected at most"},
    {{.member64 = true, .offset = -1000}, "", 0, 0, 0, "member 'top/version': begins outside the archive"},
    {{.offset = 30}, "", 0, 0, 0, "begins outside the archive"},
    {{.offset = -1}, "", 0, 0, 0, "has no header of its own where the directory says"},
    {{0}, "PK\3\4", 28, 2, 99, "member 'top/version': its header leaves the archive"},
    {{.member64 = true}, "PK\1\2", 62, 2, 2, "member 'top/version': its zip64 field is missing or damaged"},
    {{.member64 = true}, "PK\1\2", 64, 2, 23, "its zip64 field is missing or damaged"},
    {{.member64 = true}, "PK\1\2", 64, 2, 25, "its zip64 field is missing or damaged"},
    {{.member64 = true}, "PK\1\2", 59, 2, 99, "its zip64 field is missing or damaged"},
};

START_TEST(bad_archives) {
  uint8_t *block;
  kohl_zip zip;
  build(&bad[_i].recipe);
  if (bad[_i].n) {
    size_t at = length - 4;
    while (memcmp(bytes + at, bad[_i].signature, 4) != 0) at--;
    for (int i = 0; i < bad[_i].n; i++)
      bytes[at + (size_t)bad[_i].at + (size_t)i] = i < 8 ? (uint8_t)(bad[_i].value >> 8 * i) : 0;
  }
  ck_assert_msg(open_bytes(length, &block, &zip) == KOHL_BAD_INPUT, "not refused: %s", bad[_i].message);
  ck_assert_msg(strstr(kohl_context_error(ctx), bad[_i].message) && strstr(kohl_context_error(ctx), "f.zip: "),
                "'%s', expected '%s'", kohl_context_error(ctx), bad[_i].message);
  ck_assert(zip.members == NULL && zip.count == 0);
  free(block);
}
END_TEST

/* The last member's entry points into the bytes of the one before it, which hold a whole member of that name. */
START_TEST(overlapping_members) {
  uint8_t *block;
  kohl_zip zip;
  recipe r = {0};
  build(&r);
  size_t at = length;
  while (memcmp(bytes + at, "PK\1\2", 4) != 0) at--;
  size_t entry = at, first = 0;
  while (memcmp(bytes + first, "PK\3\4", 4) != 0 || memcmp(bytes + first + 30, "top/version", 11) != 0) first++;
  uint8_t local[43];
  memcpy(local, bytes + first, sizeof local);
  size_t host = 0; /* top/data/0 grows by a member inside it */
  while (memcmp(bytes + host, "0123456789abcdef", 16) != 0) host++;
  memmove(bytes + host + sizeof local, bytes + host, length - host);
  memcpy(bytes + host, local, sizeof local);
  length += sizeof local;
  entry += sizeof local;
  bytes[entry + 42] = (uint8_t)host;
  bytes[entry + 43] = (uint8_t)(host >> 8);
  for (at = 0; at + 46 < length; at++) {
    bool own = memcmp(bytes + at, "PK\3\4", 4) == 0 && memcmp(bytes + at + 30, "top/data/0", 10) == 0;
    bool listed = memcmp(bytes + at, "PK\1\2", 4) == 0 && memcmp(bytes + at + 46, "top/data/0", 10) == 0;
    if (own) bytes[at + 18] = bytes[at + 22] = 16 + sizeof local;
    if (listed) bytes[at + 20] = bytes[at + 24] = 16 + sizeof local;
  }
  bytes[length - 6] = (uint8_t)(bytes[length - 6] + sizeof local); /* where the directory begins */
  ck_assert_int_eq(open_bytes(length, &block, &zip), KOHL_BAD_INPUT);
  ck_assert_msg(strstr(kohl_context_error(ctx), "member 'top/version': overlaps member 'top/data/0'"), "%s",
                kohl_context_error(ctx));
  free(block);
}
END_TEST

/* A cut file has lost its end record. */
START_TEST(every_cut) {
  recipe r = good[_i].recipe;
  uint8_t *block;
  kohl_zip zip;
  build(&r);
  for (size_t n = 0; n < length; n++) {
    kohl_status status = open_bytes(n, &block, &zip);
    ck_assert_msg(status == KOHL_BAD_INPUT, "%s: %zu bytes", good[_i].what, n);
    free(block);
  }
}
END_TEST

/* Refused with one line, or all members inside the file. */
START_TEST(every_bit) {
  recipe r = good[_i].recipe;
  uint8_t *block;
  kohl_zip zip;
  build(&r);
  for (size_t bit = 0; bit < 8 * length; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    kohl_status status = open_bytes(length, &block, &zip);
    ck_assert(status == KOHL_OK || status == KOHL_BAD_INPUT);
    if (status) ck_assert(!strchr(kohl_context_error(ctx), '\n') && kohl_context_error(ctx)[0]);
    for (size_t i = 0; i < zip.count; i++) {
      const kohl_zip_member *member = &zip.members[i];
      ck_assert(member->bytes >= block && member->bytes + member->length <= block + length);
      ck_assert_ptr_eq(kohl_zip_find(&zip, member->name), member);
      (void)kohl_zip_check(ctx, &zip, member);
    }
    kohl_zip_close(ctx, &zip);
    free(block);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("zip");
  TCase *tests = tcase_create("zip");
  int kinds = (int)(sizeof good / sizeof good[0]);
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, good_archives, 0, kinds);
  tcase_add_test(tests, empty_archive);
  tcase_add_test(tests, damaged_member);
  tcase_add_loop_test(tests, bad_archives, 0, (int)(sizeof bad / sizeof bad[0]));
  tcase_add_test(tests, overlapping_members);
  tcase_add_loop_test(tests, every_cut, 0, kinds);
  tcase_add_loop_test(tests, every_bit, 0, kinds);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
