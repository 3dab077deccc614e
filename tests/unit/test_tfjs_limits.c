/* TF.js models: the most tensors, and the memory that files of the greatest size take. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tfjs_files.h"

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(tfjs_ctx))

/* One tensor more than there may be, and the most. */
START_TEST(many_tensors) {
  enum { MOST = KOHL_SAFETENSORS_COUNT, ONE = 64 };
  char *text = malloc((MOST + 2) * ONE);
  ck_assert_ptr_nonnull(text);
  for (int more = 0; more < 2; more++) {
    size_t n = (size_t)sprintf(text, "{\"weightsManifest\":[{\"paths\":[],\"weights\":[");
    for (int i = 0; i < MOST + more; i++)
      n += (size_t)sprintf(text + n, "%s{\"name\":\"%d\",\"shape\":[0],\"dtype\":\"bool\"}", i ? "," : "", i);
    n += (size_t)sprintf(text + n, "]}]}");
    const char *path = tfjs_write("model.json", text, n);
    if (more)
      tfjs_refuse("65537 tensors", path, "tensor '65536': more than 65536 tensors");
    else
      OK(tfjs_read_all(path));
  }
  free(text);
}
END_TEST

/* What a small file may cost: the texts that take most, of the greatest size. */
static void fill(char *text, size_t length, const char *head, const char *each, const char *tail) {
  size_t n = (size_t)sprintf(text, "%s", head), step = strlen(each);
  for (; n + step + strlen(tail) < length; n += step) memcpy(text + n, each, step);
  n--; /* the last comma */
  n += (size_t)sprintf(text + n, "%s", tail);
  memset(text + n, ' ', length - n);
}

START_TEST(memory) {
  enum { JSON = 16 << 20, MODULE = 6 << 20, SPARE = 64 << 20 };
  char *text = malloc(JSON + 1);
  ck_assert_ptr_nonnull(text);
  const char *head =
      "{\"weightsManifest\":[{\"paths\":[],\"weights\":[{\"name\":\"a\",\"shape\":[0],\"dtype\":\"bool\"}]}],"
      "\"modelTopology\":{\"class_name\":[";
  fill(text, JSON, head, "{\"name\":\"\"},", "]}}");
  tfjs_refuse("a topology of names", tfjs_write("model.json", text, JSON), "more names");
  ck_assert_uint_lt(tfjs_most, 2 * JSON + SPARE);
  text[JSON] = ' ';
  tfjs_refuse("a byte more", tfjs_write("model.json", text, JSON + 1), "16777217 bytes of JSON, expected at most");
  tfjs_most = 0;
  fill(text, MODULE, "exports={modelTopology:{class_name:[", "!1,", "]}};");
  tfjs_refuse("a module", tfjs_write("model.js", text, MODULE), "field 'weightsManifest' is missing");
  text[MODULE] = ' ';
  ck_assert_uint_lt(tfjs_most, 2 * MODULE + SPARE);
  tfjs_refuse("a byte more", tfjs_write("model.js", text, MODULE + 1), "expected a JavaScript module of at most");
  free(text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tfjs_limits");
  TCase *tests = tcase_create("tfjs_limits");
  tcase_set_timeout(tests, 300);
  tcase_add_checked_fixture(tests, tfjs_setup, tfjs_teardown);
  tcase_add_test(tests, many_tensors);
  tcase_add_test(tests, memory);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
