/* Checkpoints of version 1 that no reader may take. */
#include <check.h>
#include <string.h>

#include "tests/unit/tensorflow_make.h"

/* A field of a message in bytes. */
static text wrap(char tag, text inside, char room[256]) {
  table_out out = {(uint8_t *)room, 0, 256};
  table_put(&out, &tag, 1);
  table_put_varint(&out, inside.length);
  table_put(&out, inside.at, inside.length);
  return (text){room, out.length};
}

#define ONE(type) \
  "\x0a\7\x0a\1"  \
  "a\x12\0\x18" type /* "a", a single number */
#define PAIR(type) \
  "\x0a\x0b\x0a\1" \
  "a\x12\4\x12\2\x08\2\x18" type /* "a", two numbers */
#define VALUE(n) \
  "\x0a\1"       \
  "a\x1a" n /* the numbers of "a": n bytes follow */

/* Version 1: the list, and one or two values. */
START_TEST(slices) {
  static const struct {
    const char *name;
    text list, values[2];
    const char *words;
  } cases[] = {
      {"a good one", T(PAIR("\1")), {T(VALUE("\x0a") "\x2a\x08\0\0\0\0\0\0\x80\x3f")}, NULL},
      {"not packed", T(PAIR("\1")), {T(VALUE("\x0a") "\x2d\0\0\0\0\x2d\0\0\0\0")}, NULL},
      {"content", T(PAIR("\1")), {T(VALUE("\x0a") "\x22\x08\0\0\0\0\0\0\0\0")}, NULL},
      {"doubles, not packed", T(PAIR("\2")), {T(VALUE("\x12") "\x31\0\0\0\0\0\0\0\0\x31\0\0\0\0\0\0\0\0")}, NULL},
      {"a slice that is all",
       T(PAIR("\1")),
       {T("\x0a\1"
          "a\x12\4\x0a\2\x10\2\x1a\x0a\x2a\x08\0\0\0\0\0\0\0\0")},
       NULL},
      {"negative bytes", T(PAIR("\6")), {T(VALUE("\x0d") "\x3a\x0b\x80\xff\xff\xff\xff\xff\xff\xff\xff\1\x7f")}, NULL},
      {"a damaged list", T("\x0a\x7f"), {{0}}, "the list of tensors is damaged"},
      {"a damaged tensor of the list", T("\x0a\2\x0a\5"), {{0}}, "tensor 0 of the list is damaged"},
      {"a newer reader", T("\x12\2\x10\2"), {{0}}, "asks for a reader of version 2, expected at most 1"},
      {"no name", T("\x0a\4\x12\0\x18\1"), {{0}}, "name of 0 bytes, expected 1 to 512"},
      {"no type",
       T("\x0a\5\x0a\1"
         "a\x12\0"),
       {{0}},
       "tensor 'a': type 0, expected 1 to 32"},
      {"a negative dimension",
       T("\x0a\x14\x0a\1"
         "a\x12\x0d\x12\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x18\1"),
       {{0}},
       "tensor 'a': dimension 0 is -1, expected 0 or more"},
      {"listed twice", T(PAIR("\1") PAIR("\2")), {{0}}, "tensor 'a' is listed twice"},
      {"two slices",
       T("\x0a\x0f\x0a\1"
         "a\x12\4\x12\2\x08\2\x18\1\x22\0\x22\0"),
       {{0}},
       "tensor 'a' is stored in pieces"},
      {"a slice of a part",
       T("\x0a\x11\x0a\1"
         "a\x12\4\x12\2\x08\2\x18\1\x22\4\x0a\2\x10\1"),
       {{0}},
       "tensor 'a' is stored in pieces"},
      {"a slice that begins later",
       T("\x0a\x11\x0a\1"
         "a\x12\4\x12\2\x08\2\x18\1\x22\4\x0a\2\x08\1"),
       {{0}},
       "tensor 'a' is stored in pieces"},
      {"a damaged slice",
       T("\x0a\x11\x0a\1"
         "a\x12\4\x12\2\x08\2\x18\1\x22\4\x0a\2\x10\x80"),
       {{0}},
       "tensor 'a': a slice is damaged"},
      {"no numbers", T(PAIR("\1")), {{0}}, "tensor 'a' of the list has no numbers"},
      {"numbers of nobody",
       T(PAIR("\1")),
       {T("\x0a\1"
          "b\x1a\0")},
       "numbers of tensor 'b', which is not in the list of tensors"},
      {"numbers without a name",
       T(PAIR("\1")),
       {T("\x1a\0")},
       "numbers of tensor '', which is not in the list of tensors"},
      {"a name with a zero",
       T(PAIR("\1")),
       {T("\x0a\3"
          "a\0b\x1a\0")},
       "which is not in the list of tensors"},
      {"numbers twice",
       T(ONE("\1")),
       {T(VALUE("\6") "\x2a\4\0\0\0\0"), T(VALUE("\6") "\x2a\4\0\0\0\0")},
       "tensor 'a' has its numbers twice"},
      {"a damaged value",
       T(PAIR("\1")),
       {T("\x0a\7"
          "a")},
       "tensor '': its entry is damaged"},
      {"numbers of a part",
       T(PAIR("\1")),
       {T("\x0a\1"
          "a\x12\4\x0a\2\x10\1")},
       "tensor 'a' is stored in pieces"},
      {"damaged numbers", T(PAIR("\1")), {T(VALUE("\2") "\x2a\x08")}, "tensor 'a': its value is damaged"},
      {"too few", T(PAIR("\1")), {T(VALUE("\6") "\x2a\4\0\0\0\0")}, "tensor 'a': 4 bytes, expected 8 by its shape"},
      {"half a number",
       T(PAIR("\1")),
       {T(VALUE("\x09") "\x2a\7\0\0\0\0\0\0\0")},
       "tensor 'a': 7 bytes, expected 8 by its shape"},
      {"too few, not packed",
       T(PAIR("\1")),
       {T(VALUE("\5") "\x2d\0\0\0\0")},
       "tensor 'a': 1 numbers, expected 2 by its shape"},
      {"none", T(PAIR("\1")), {T(VALUE("\0"))}, "tensor 'a': 0 bytes, expected 8 by its shape"},
      {"of another type", T(PAIR("\1")), {T(VALUE("\2") "\x3a\0")}, "tensor 'a': 0 bytes, expected 8 by its shape"},
      {"packed twice",
       T(PAIR("\1")),
       {T(VALUE("\x0c") "\x2a\4\0\0\0\0\x2a\4\0\0\0\0")},
       "its numbers are in several fields, expected one"},
      {"packed and not",
       T(PAIR("\1")),
       {T(VALUE("\x0b") "\x2a\4\0\0\0\0\x2d\0\0\0\0")},
       "its numbers are in several fields, expected one"},
      {"something between",
       T(PAIR("\1")),
       {T(VALUE("\x0c") "\x2d\0\0\0\0\x18\0\x2d\0\0\0\0")},
       "its numbers are in several fields, expected one"},
      {"content and numbers",
       T(ONE("\1")),
       {T(VALUE("\x0c") "\x2a\4\0\0\0\0\x22\4\0\0\0\0")},
       "its numbers are in several fields, expected one"},
      {"doubles as floats",
       T(PAIR("\2")),
       {T(VALUE("\x0a") "\x35\0\0\0\0\x35\0\0\0\0")},
       "its numbers are in several fields, expected one"},
      {"whole numbers that are not packed",
       T(PAIR("\4")),
       {T(VALUE("\4") "\x38\1\x38\1")},
       "its numbers are in several fields, expected one"},
      {"a byte above 255",
       T(PAIR("\4")),
       {T(VALUE("\5") "\x3a\3\1\x80\2")},
       "tensor 'a': number 1 is 256, expected one of U8"},
      {"a negative byte",
       T(ONE("\4")),
       {T(VALUE("\x0c") "\x3a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")},
       "number 0 is -1, expected one of U8"},
      {"a signed byte above 127",
       T(ONE("\6")),
       {T(VALUE("\4") "\x3a\2\x80\1")},
       "tensor 'a': number 0 is 128, expected one of I8"},
      {"a truth of 2", T(ONE("\x0a")), {T(VALUE("\3") "\x5a\1\2")}, "tensor 'a': number 0 is 2, expected one of BOOL"},
      {"a half of 17 bits",
       T(ONE("\x13")),
       {T(VALUE("\5") "\x6a\3\x80\x80\4")},
       "tensor 'a': number 0 is 65536, expected one of F16"},
      {"a number that does not end", T(ONE("\4")), {T(VALUE("\3") "\x3a\1\x80")}, "tensor 'a': a number is damaged"},
      {"a number of 11 bytes", T(ONE("\4")), {T(VALUE("\x0d") "\x3a\x0b" ELEVEN)}, "tensor 'a': a number is damaged"},
      {"too many numbers",
       T(ONE("\4")),
       {T(VALUE("\4") "\x3a\2\1\1")},
       "tensor 'a': 2 numbers, expected 1 by its shape"},
      {"a type of its own",
       T(ONE("\1")),
       {T(VALUE("\x08") "\x08\2\x2a\4\0\0\0\0")},
       "tensor 'a': type 2 of its value, expected the list's"},
      {"a type that is none", T(ONE("\1")), {T(VALUE("\2") "\x08\x7f")}, "tensor 'a': type 127, expected 1 to 32"},
      {"too wide", T(ONE("\3")), {T(VALUE("\3") "\x3a\1\1")}, "tensor 'a'"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char room[3][256];
    const text *values = cases[i].values;
    text entries[3][2] = {{{"", 0}, wrap(10, cases[i].list, room[0])},
                          {T("\0a"), wrap(18, values[0], room[1])},
                          {T("\0b"), wrap(18, values[1], room[2])}};
    make_entries((const text(*)[2])entries, 1 + (values[0].at != NULL) + (values[1].at != NULL));
    expect_refused(cases[i].name, cases[i].words);
  }
}
END_TEST

/* Values of version 1 that are no SavedSlice. */
START_TEST(no_slices) {
  static const struct {
    const char *name;
    text list, value;
    const char *words;
  } cases[] = {
      {"two lists", T("\x0a\0\x0a\0"), {0}, "the entry of key '' has several parts, expected a list of tensors"},
      {"a damaged header", T("\x0a\0\x12\5"), {0}, "the entry of key '' is damaged, expected a list of tensors"},
      {"no slice", T("\x0a\0"), T("\x1a\0"),
       "the entry of key 'a' has no such part, expected the numbers of one tensor"},
      {"two slices", T("\x0a\0"), T("\x12\0\x12\0"), "the entry of key 'a' has several parts, expected the numbers of"},
      {"a damaged slice", T("\x0a\0"), T("\x12\x7f"), "the entry of key 'a' is damaged, expected the numbers of"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    text entries[2][2] = {{{"", 0}, cases[i].list}, {T("a"), cases[i].value}};
    make_entries((const text(*)[2])entries, 1 + (cases[i].value.at != NULL));
    expect_refused(cases[i].name, cases[i].words);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tensorflow_slices");
  TCase *tests = tcase_create("tensorflow_slices");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, make_setup, make_teardown);
  tcase_add_test(tests, slices);
  tcase_add_test(tests, no_slices);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
