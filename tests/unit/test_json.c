/* The JSON reader against the grammar, its numbers and texts exactly, and the writer against the reader. */
#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/json.h"

static kohl_context *new_context(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

/* One letter per event; texts in <>, numbers as written. */
static void trace(kohl_context *ctx, const char *bytes, size_t length, char *out, size_t size) {
  char *copy = malloc(length ? length : 1); /* exactly as long, so that the sanitizer sees a read behind it */
  memcpy(copy, bytes, length);
  kohl_json json;
  kohl_json_open(&json, ctx, copy, length);
  size_t n = 0;
  do {
    kohl_json_next(&json);
    n += (size_t)snprintf(out + n, size - n, "%c", "{}[]KSNtfn.E"[json.event]);
    if (json.event == KOHL_JSON_KEY || json.event == KOHL_JSON_STRING || json.event == KOHL_JSON_NUMBER_VALUE) {
      n += (size_t)snprintf(out + n, size - n, "<%.*s>", (int)json.text_length, json.text);
    }
  } while (json.event != KOHL_JSON_END && json.event != KOHL_JSON_ERROR);
  ck_assert_int_eq(kohl_json_next(&json), json.event); /* both last for ever */
  kohl_json_close(&json);
  free(copy);
}

static const struct {
  const char *text, *events;
} good[] = {
    {"{}", "{}."},
    {" [ ] \n\t\r ", "[]."},
    {"{\"a\":1,\"b\":[true,false,null,-0.5e+3]}", "{K<a>N<1>K<b>[tfnN<-0.5e+3>]}."},
    {"\"\"", "S<>."},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "S<\"\\/\b\f\n\r\t>."},
    {"\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", "S<A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80>."},
    {"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\xED\x9F\xBF\x7F\"",
     "S<\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\xED\x9F\xBF\x7F>."},
    {"\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "S<\xF0\x90\x80\x80\xF4\x8F\xBF\xBF>."},
    {"0", "N<0>."},
    {"[[[]],{\"\":{}}]", "[[[]]{K<>{}}]."},
    {"{\"a\\n\":\"x\"}", "{K<a\n>S<x>}."},
};

START_TEST(well_formed) {
  kohl_context *ctx = new_context();
  char out[256];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    trace(ctx, good[i].text, strlen(good[i].text), out, sizeof out);
    ck_assert_str_eq(out, good[i].events);
  }
  kohl_context_destroy(ctx);
}
END_TEST

static const struct {
  const char *text, *message;
} bad[] = {
    {"", "byte 0: expected a value, found the end"},
    {"\xEF\xBB\xBF{}", "byte 0: expected a value, found the byte 0xef"},
    {"{", "byte 1: expected a key or '}', found the end"},
    {"{\"a\"", "byte 4: expected ':' after a key, found the end"},
    {"{\"a\":", "byte 5: expected a value"},
    {"{\"a\":1", "byte 6: expected ',' or '}', found the end"},
    {"{\"a\":1,}", "byte 7: expected a key, found '}'"},
    {"{\"a\":1]", "byte 6: expected ',' or '}', found ']'"},
    {"{a:1}", "byte 1: expected a key or '}', found 'a'"},
    {"{\"a\" 1}", "byte 5: expected ':' after a key, found '1'"},
    {"[1,]", "byte 3: expected a value, found ']'"},
    {"[1 2]", "byte 3: expected ',' or ']', found '2'"},
    {"[", "byte 1: expected a value"},
    {"]", "byte 0: expected a value, found ']'"},
    {"[]]", "byte 2: expected nothing after the value, found ']'"},
    {"1 2", "byte 2: expected nothing after the value"},
    {"nul", "byte 0: expected a value, found 'n'"},
    {"True", "byte 0: expected a value, found 'T'"},
    {"NaN", "byte 0: expected a value, found 'N'"},
    {"-", "byte 1: expected a digit"},
    {"+1", "byte 0: expected a value, found '+'"},
    {"01", "byte 1: expected no digit after a leading 0"},
    {"1.", "byte 2: expected a digit"},
    {".5", "byte 0: expected a value"},
    {"1e", "byte 2: expected a digit"},
    {"1e+", "byte 3: expected a digit"},
    {"0x1", "byte 1: expected nothing after the value, found 'x'"},
    {"\"abc", "byte 4: expected '\"' at the end of a string"},
    {"\"abc\\", "byte 5: expected '\"' at the end"},
    {"\"a\nb\"", "byte 2: expected control characters as \\u escapes"},
    {"\"\\x41\"", "byte 2: expected one of"},
    {"\"\\u12\"", "byte 1: expected four hexadecimal digits"},
    {"\"\\u12g4\"", "byte 1: expected four hexadecimal digits"},
    {"\"\\ud800\"", "byte 1: \\ud800 is half a surrogate pair"},
    {"\"\\ud800\\u0041\"", "byte 1: \\ud800 is half a surrogate pair"},
    {"\"\\ud800\\udbff\"", "byte 1: \\ud800 is half a surrogate pair"},
    {"\"\\udc00\\ud800\"", "byte 1: \\udc00 is half a surrogate pair"},
    {"\"\x80\"", "byte 1: expected UTF-8, found the byte 0x80"},
    {"\"\xC0\x80\"", "byte 1: expected UTF-8"},
    {"\"\xC1\xBF\"", "byte 1: expected UTF-8"},
    {"\"\xE0\x9F\xBF\"", "byte 1: expected UTF-8"},
    {"\"\xED\xA0\x80\"", "byte 1: expected UTF-8"},
    {"\"\xF0\x8F\xBF\xBF\"", "byte 1: expected UTF-8"},
    {"\"\xF4\x90\x80\x80\"", "byte 1: expected UTF-8"},
    {"\"\xF5\x80\x80\x80\"", "byte 1: expected UTF-8"},
    {"\"\xE2\x82\"", "byte 1: expected UTF-8"},
    {"\"ok\xC3", "byte 3: expected UTF-8"},
};

START_TEST(malformed) {
  kohl_context *ctx = new_context();
  char out[256];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    trace(ctx, bad[i].text, strlen(bad[i].text), out, sizeof out);
    ck_assert_msg(out[strlen(out) - 1] == 'E', "%s was accepted: %s", bad[i].text, out);
    ck_assert_msg(strstr(kohl_context_error(ctx), bad[i].message) != NULL, "%s gave '%s', expected '%s'", bad[i].text,
                  kohl_context_error(ctx), bad[i].message);
  }
  trace(ctx, "\"\0\"", 3, out, sizeof out);
  ck_assert_str_eq(out, "E");
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(depth_has_a_limit) {
  kohl_context *ctx = new_context();
  char text[2 * KOHL_JSON_DEPTH + 2], out[256];
  memset(text, '[', KOHL_JSON_DEPTH);
  memset(text + KOHL_JSON_DEPTH, ']', KOHL_JSON_DEPTH);
  trace(ctx, text, 2 * KOHL_JSON_DEPTH, out, sizeof out);
  ck_assert_int_eq(out[strlen(out) - 1], '.');
  memset(text, '[', KOHL_JSON_DEPTH + 1);
  trace(ctx, text, KOHL_JSON_DEPTH + 1, out, sizeof out);
  ck_assert_int_eq(out[strlen(out) - 1], 'E');
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "byte 64: more than 64 brackets"));
  kohl_context_destroy(ctx);
}
END_TEST

static kohl_json number(kohl_context *ctx, const char *text) {
  kohl_json json;
  kohl_json_open(&json, ctx, text, strlen(text));
  ck_assert_int_eq(kohl_json_next(&json), KOHL_JSON_NUMBER_VALUE);
  return json;
}

START_TEST(numbers_are_exact) {
  static const struct {
    const char *text;
    int64_t value;
    bool fits, fits_unsigned;
  } whole[] = {{"0", 0, true, true},
               {"-0", 0, true, false},
               {"9223372036854775807", INT64_MAX, true, true},
               {"9223372036854775808", 0, false, true},
               {"-9223372036854775808", INT64_MIN, true, false},
               {"-9223372036854775809", 0, false, false},
               {"18446744073709551615", 0, false, true},
               {"18446744073709551616", 0, false, false},
               {"99999999999999999999999", 0, false, false},
               {"1.0", 0, false, false},
               {"1e2", 0, false, false}};
  kohl_context *ctx = new_context();
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
    kohl_json json = number(ctx, whole[i].text);
    int64_t value = 42;
    ck_assert_int_eq(kohl_json_get_int64(&json, &value) == KOHL_OK, whole[i].fits);
    ck_assert_int_eq(value, whole[i].fits ? whole[i].value : 42);
    if (!whole[i].fits) ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "expected a whole number"));
    json = number(ctx, whole[i].text);
    uint64_t positive = 42;
    ck_assert_int_eq(kohl_json_get_uint64(&json, &positive) == KOHL_OK, whole[i].fits_unsigned);
    if (whole[i].fits && whole[i].fits_unsigned) ck_assert(positive == (uint64_t)whole[i].value);
  }
  static const char *const reals[] = {"0.1", "-1e-320", "1.7976931348623157e308", "123456789012345678", "2.5E-1", "-0"};
  for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
    kohl_json json = number(ctx, reals[i]);
    double value, expected = strtod(reals[i], NULL);
    ck_assert_int_eq(kohl_json_get_double(&json, &value), KOHL_OK);
    ck_assert(memcmp(&value, &expected, sizeof value) == 0);
  }
  kohl_json json = number(ctx, "-1e999");
  double value;
  ck_assert_int_eq(kohl_json_get_double(&json, &value), KOHL_BAD_INPUT);
  char longest[KOHL_JSON_NUMBER + 2];
  memset(longest, '7', sizeof longest);
  longest[KOHL_JSON_NUMBER] = 0;
  json = number(ctx, longest);
  ck_assert_int_eq(kohl_json_get_double(&json, &value), KOHL_BAD_INPUT); /* 7.8e1023 */
  kohl_json_open(&json, ctx, memset(longest, '7', sizeof longest), KOHL_JSON_NUMBER + 1);
  ck_assert_int_eq(kohl_json_next(&json), KOHL_JSON_ERROR);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(skip_expect_and_copy) {
  kohl_context *ctx = new_context();
  static const char text[] = "{\"a\":{\"x\":[1,{\"y\":[]}],\"z\":2},\"b\\t\":\"v\\u0000w\"}";
  kohl_json json;
  kohl_json_open(&json, ctx, text, sizeof text - 1);
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN), KOHL_OK);
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_KEY), KOHL_OK);
  ck_assert(kohl_json_is(&json, "a") && !kohl_json_is(&json, "") && !kohl_json_is(&json, "ab"));
  ck_assert_int_eq(kohl_json_skip(&json), KOHL_OK);
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_KEY), KOHL_OK);
  char *copy;
  ck_assert_int_eq(kohl_json_copy_text(&json, &copy), KOHL_OK);
  ck_assert_str_eq(copy, "b\t");
  kohl_free(ctx, copy);
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_STRING), KOHL_OK);
  ck_assert_uint_eq(json.text_length, 3);
  ck_assert_int_eq(kohl_json_copy_text(&json, &copy), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(ctx), "byte 36: text 'v?w' contains a zero byte");
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_OBJECT_END), KOHL_BAD_INPUT); /* the first error stays */
  kohl_json_close(&json);
  kohl_json_open(&json, ctx, "[7]", 3);
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(ctx), "byte 0: expected an object, found an array");
  kohl_json_open(&json, ctx, "[]", 2);
  kohl_json_next(&json);
  ck_assert_int_eq(kohl_json_skip(&json), KOHL_BAD_INPUT);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(quoted_text_is_one_short_line) {
  ck_assert_str_eq(kohl_quote("a\nb\x1b\xFF\xC3\xA9", 7).text, "a?b??\xC3\xA9");
  char text[200];
  memset(text, 'x', sizeof text);
  ck_assert_uint_eq(strlen(kohl_quote(text, sizeof text).text), 99);
  for (size_t i = 0; i + 3 <= sizeof text; i += 3) memcpy(text + i, "\xE2\x82\xAC", 3);
  ck_assert_uint_eq(strlen(kohl_quote(text, 198).text), 99); /* 32 whole characters and "..." */
}
END_TEST

START_TEST(writer_output) {
  kohl_context *ctx = new_context();
  kohl_json_writer writer;
  kohl_json_write_begin(&writer, ctx);
  kohl_json_write_object_begin(&writer);
  kohl_json_write_key(&writer, "a\"\\\n\x01");
  kohl_json_write_array_begin(&writer);
  kohl_json_write_int64(&writer, INT64_MIN);
  kohl_json_write_uint64(&writer, UINT64_MAX);
  kohl_json_write_double(&writer, 0.1);
  kohl_json_write_float(&writer, 0.1f);
  kohl_json_write_double(&writer, NAN);
  kohl_json_write_float(&writer, -INFINITY);
  kohl_json_write_bool(&writer, true);
  kohl_json_write_null(&writer);
  kohl_json_write_array_end(&writer);
  kohl_json_write_key(&writer, "b");
  kohl_json_write_string(&writer, "\xC3\xA9\xFFz");
  kohl_json_write_key(&writer, "c");
  kohl_json_write_object_begin(&writer);
  kohl_json_write_object_end(&writer);
  kohl_json_write_object_end(&writer);
  ck_assert_int_eq(kohl_json_write_end(&writer), KOHL_OK);
  ck_assert_str_eq(writer.text,
                   "{\"a\\\"\\\\\\n\\u0001\":[-9223372036854775808,18446744073709551615,0.1,0.1,null,null,true,null],"
                   "\"b\":\"\xC3\xA9\xEF\xBF\xBDz\",\"c\":{}}");
  ck_assert_uint_eq(writer.length, strlen(writer.text));
  kohl_json_write_free(&writer);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(writer_misuse_is_reported) {
  kohl_context *ctx = new_context();
  for (int i = 0; i < 7; i++) {
    kohl_json_writer writer;
    kohl_json_write_begin(&writer, ctx);
    if (i != 0 && i != 6) kohl_json_write_object_begin(&writer);
    if (i == 1) kohl_json_write_null(&writer);
    if (i == 2) kohl_json_write_array_end(&writer);
    if (i == 3) kohl_json_write_key(&writer, "a"), kohl_json_write_object_end(&writer);
    if (i == 4) kohl_json_write_key(&writer, "a"), kohl_json_write_key(&writer, "b");
    if (i == 6) kohl_json_write_null(&writer), kohl_json_write_null(&writer);
    ck_assert_int_eq(kohl_json_write_end(&writer), KOHL_USAGE);
    ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "writing JSON, after "));
    kohl_json_write_free(&writer);
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* Random bit patterns, written and read again, must be the same bits; in a locale with a comma too, where there is one.
 */
static void round_trip(kohl_context *ctx) {
  uint64_t state = 1;
  for (int i = 0; i < 3000; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t bits = state ^ state >> 29;
    double value, back;
    float single;
    memcpy(&value, &bits, sizeof value);
    memcpy(&single, &bits, sizeof single);
    if (!isfinite(value) || !isfinite(single)) continue;
    kohl_json_writer writer;
    kohl_json_write_begin(&writer, ctx);
    kohl_json_write_array_begin(&writer);
    kohl_json_write_double(&writer, value);
    kohl_json_write_float(&writer, single);
    kohl_json_write_array_end(&writer);
    ck_assert_int_eq(kohl_json_write_end(&writer), KOHL_OK);
    kohl_json json;
    kohl_json_open(&json, ctx, writer.text, writer.length);
    kohl_json_next(&json);
    kohl_json_next(&json);
    ck_assert_int_eq(kohl_json_get_double(&json, &back), KOHL_OK);
    ck_assert_msg(memcmp(&back, &value, sizeof back) == 0, "%s is not %a", writer.text, value);
    kohl_json_next(&json);
    ck_assert_int_eq(kohl_json_get_double(&json, &back), KOHL_OK);
    ck_assert_msg((float)back == single, "%s is not %a", writer.text, (double)single);
    ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_ARRAY_END), KOHL_OK);
    kohl_json_write_free(&writer);
  }
}

START_TEST(numbers_survive_any_locale) {
  kohl_context *ctx = new_context();
  round_trip(ctx);
  static const char *const commas[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"};
  for (size_t i = 0; i < 3; i++) {
    if (setlocale(LC_NUMERIC, commas[i])) round_trip(ctx);
  }
  setlocale(LC_NUMERIC, "C");
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("json");
  TCase *tests = tcase_create("json");
  tcase_add_test(tests, well_formed);
  tcase_add_test(tests, malformed);
  tcase_add_test(tests, depth_has_a_limit);
  tcase_add_test(tests, numbers_are_exact);
  tcase_add_test(tests, skip_expect_and_copy);
  tcase_add_test(tests, quoted_text_is_one_short_line);
  tcase_add_test(tests, writer_output);
  tcase_add_test(tests, writer_misuse_is_reported);
  tcase_add_test(tests, numbers_survive_any_locale);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
