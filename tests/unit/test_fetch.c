/* The list of published files, built in and as JSON, and the addresses that it may hold.  What is done over a network
 * is tested by tests/oracle/fetch.py. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "convert/fetch/digest.h"
#include "convert/fetch/local.h"
#include "convert/fetch/manifest.h"
#include "convert/presets.h"

/* Memory that is refused from the Nth request on, and how much is held. */
typedef struct meter {
  long left, held;
} meter;

static void *allocate(size_t bytes, void *user) {
  meter *m = user;
  if (m->left-- <= 0) return NULL;
  m->held++;
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void release(void *memory, void *user) {
  meter *m = user;
  if (memory) m->held--;
  free(memory);
}

static kohl_context *context(meter *m) {
  kohl_context_options options = kohl_context_options_default();
  kohl_context *ctx;
  options.threads = 1;
  options.allocator = (kohl_allocator){allocate, release, m};
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

START_TEST(built_in) {
  meter m = {1000, 0};
  kohl_context *ctx = context(&m);
  const kohl_fetch_manifest manifest = kohl_fetch_manifest_builtin();
  ck_assert_uint_ge(manifest.count, 17);
  for (size_t i = 0; i < manifest.count; i++) {
    const kohl_fetch_file *file = &manifest.files[i];
    const char *bad = kohl_fetch_file_check(file), *hex;
    const kohl_preset *preset;
    kohl_digest_kind kind;
    ck_assert_msg(!bad, "%s: %s", file->name, bad);
    ck_assert_ptr_eq(kohl_fetch_manifest_find(&manifest, file->name), file);
    for (size_t k = 0; k < i; k++) ck_assert_str_ne(manifest.files[k].file, file->file);
    if (*file->arch)
      ck_assert_msg(kohl_preset_find(ctx, file->arch, file->preset, &preset) == KOHL_OK, "%s: %s", file->name,
                    kohl_context_error(ctx));
    /* the rule of torch.hub: the digits before .pth are those of the digest */
    const char *end = strstr(file->file, ".pth");
    if (end && kohl_digest_parse(file->digest, &kind, &hex)) {
      ck_assert_int_eq(kind, KOHL_DIGEST_SHA256);
      ck_assert_msg(end[-9] == '-' && !strncmp(end - 8, hex, 8), "%s", file->name);
    }
    const char *last = strrchr(file->address, '/');
    if (last) ck_assert_str_eq(last + 1, file->file);
    ck_assert_int_eq(file->no_top, strstr(file->name, "notop") != NULL);
  }
  ck_assert_ptr_null(kohl_fetch_manifest_find(&manifest, "vgg19"));
  kohl_context_destroy(ctx);
  ck_assert_int_eq(m.held, 0);
}
END_TEST

static const char whole[] =
    "{\"files\": [{\"name\": \"a\", \"file\": \"a.pth\", \"address\": \"https://h/a.pth\", \"arch\": \"vgg19\", "
    "\"preset\": "
    "\"slim\", \"no_top\": true, \"bytes\": 4294967296, \"digest\": \"sha256:01234567\", \"licence\": \"caf\\u00e9\", "
    "\"inside\": \"a.ckpt\"}, {\"address\": \"npm:b@1.0.0\", \"file\": \"b.tgz\", \"name\": \"b\"}]}";

START_TEST(from_json) {
  meter m = {1000, 0};
  kohl_context *ctx = context(&m);
  kohl_fetch_manifest manifest;
  ck_assert_int_eq(kohl_fetch_manifest_parse(ctx, "m", whole, sizeof whole - 1, &manifest), KOHL_OK);
  ck_assert_uint_eq(manifest.count, 2);
  const kohl_fetch_file *a = kohl_fetch_manifest_find(&manifest, "a"), *b = kohl_fetch_manifest_find(&manifest, "b");
  ck_assert(a && b);
  ck_assert_str_eq(a->file, "a.pth");
  ck_assert_str_eq(a->address, "https://h/a.pth");
  ck_assert_str_eq(a->arch, "vgg19");
  ck_assert_str_eq(a->preset, "slim");
  ck_assert_str_eq(a->inside, "a.ckpt");
  ck_assert_str_eq(a->digest, "sha256:01234567");
  ck_assert_str_eq(a->licence, "caf\xc3\xa9");
  ck_assert(a->no_top && !b->no_top);
  ck_assert_uint_eq(a->bytes, UINT64_C(4294967296));
  ck_assert_uint_eq(b->bytes, 0);
  ck_assert_str_eq(b->arch, "");
  ck_assert_str_eq(b->digest, "");
  kohl_fetch_manifest_free(ctx, &manifest);
  kohl_fetch_manifest_free(ctx, &manifest); /* twice is allowed */
  kohl_context_destroy(ctx);
  ck_assert_int_eq(m.held, 0);
}
END_TEST

START_TEST(cut_off_at_every_byte) {
  meter m = {100000, 0};
  kohl_context *ctx = context(&m);
  for (size_t n = 0; n < sizeof whole - 1; n++) {
    kohl_fetch_manifest manifest;
    ck_assert_int_eq(kohl_fetch_manifest_parse(ctx, "m", whole, n, &manifest), KOHL_BAD_INPUT);
    ck_assert_msg(!strncmp(kohl_context_error(ctx), "m: ", 3), "%s", kohl_context_error(ctx));
    kohl_fetch_manifest_free(ctx, &manifest);
  }
  kohl_context_destroy(ctx);
  ck_assert_int_eq(m.held, 0);
}
END_TEST

START_TEST(memory_that_is_refused) {
  bool succeeded = false;
  for (long n = 0; n < 100 && !succeeded; n++) {
    meter m = {1000, 0};
    kohl_context *ctx = context(&m);
    kohl_fetch_manifest manifest;
    m.left = n;
    kohl_status status = kohl_fetch_manifest_parse(ctx, "m", whole, sizeof whole - 1, &manifest);
    succeeded = status == KOHL_OK;
    ck_assert(status == KOHL_OK || status == KOHL_NO_RESOURCE);
    ck_assert(!succeeded || n > 10);
    kohl_fetch_manifest_free(ctx, &manifest);
    kohl_context_destroy(ctx);
    ck_assert_int_eq(m.held, 0);
  }
  ck_assert(succeeded);
}
END_TEST

START_TEST(packages) {
  static const char *const good[] = {"nsfwjs@4.4.0", "@scope/pack@1.2.3", "a@1", "a.b-c_d@0.0.1-rc.1+x"};
  static const char *const bad[] = {"",
                                    "a",
                                    "@1",
                                    "a@",
                                    "a@latest",
                                    "a@^1.0",
                                    "a@1 x",
                                    "./a@1",
                                    "../a@1",
                                    "/a@1",
                                    "-a@1",
                                    "--x@1",
                                    "A@1",
                                    "@scope@1",
                                    "@/a@1",
                                    "@scope/@1",
                                    "@s/a/b@1",
                                    "a/b@1",
                                    "@-s/a@1",
                                    "@s/.a@1",
                                    "git+ssh://h/a@1",
                                    "http://h/a@1",
                                    "a@1/../b",
                                    "a@1@2",
                                    "a@npm:b@1",
                                    "file:a@1",
                                    "a b@1",
                                    "a\n@1",
                                    "_a@1"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) ck_assert_msg(kohl_fetch_is_package(good[i]), "%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_msg(!kohl_fetch_is_package(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(addresses) {
  static const char *const good[] = {"http://h", "https://h/a?b=c&d", "http://127.0.0.1:80/x", "https://[::1]/x",
                                     "http://u:p@h/a%20b"};
  static const char *const bad[] = {
      "",           "h",          "http://",       "http:///a",     "https://",          "HTTP://h",    "ftp://h",
      "file:///a",  "http://h/ ", "http://h/\x01", "http://h/\x7f", "http://h/\xc3\xa9", "http://h/#a", "http://h/\"",
      "http://h/<", "http:/h",    " http://h"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) ck_assert_msg(kohl_fetch_is_http(good[i]), "%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_msg(!kohl_fetch_is_http(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(folders_of_file_addresses) {
  meter m = {1000, 0};
  kohl_context *ctx = context(&m);
  static const char *const good[][2] = {{"file:///a", "/a"},
                                        {"file://localhost/a/", "/a/"},
                                        {"file:///a%20b%2Fc%2f", "/a b/c/"},
                                        {"file:///%41%7e", "/A~"}};
  static const char *const bad[] = {"file://",     "file://h/a", "file://localhost", "file://localhosts/a",
                                    "file:///%",   "file:///%4", "file:///%4g",      "file:///%g4",
                                    "file:///%00", "file:///a%"};
  char *folder;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    ck_assert_int_eq(kohl_local_folder(ctx, good[i][0], &folder), KOHL_OK);
    ck_assert_str_eq(folder, good[i][1]);
    kohl_free(ctx, folder);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_msg(kohl_local_folder(ctx, bad[i], &folder) == KOHL_USAGE, "%s", bad[i]);
    ck_assert_ptr_null(folder);
  }
  kohl_context_destroy(ctx);
  ck_assert_int_eq(m.held, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fetch");
  TCase *tests = tcase_create("fetch");
  tcase_add_test(tests, built_in);
  tcase_add_test(tests, from_json);
  tcase_add_test(tests, cut_off_at_every_byte);
  tcase_add_test(tests, memory_that_is_refused);
  tcase_add_test(tests, packages);
  tcase_add_test(tests, addresses);
  tcase_add_test(tests, folders_of_file_addresses);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
