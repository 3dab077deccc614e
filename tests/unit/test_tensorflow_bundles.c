/* Checkpoints of version 2 that no reader may take. */
#include <check.h>
#include <string.h>

#include "tests/unit/tensorflow_make.h"

#define FLOATS(n) "\x08\1\x12\4\x12\2\x08" n /* type and shape of a bundle's entry */
#define CRC "\x35\0\0\0\0"

/* Version 2: the header and one or two entries. */
START_TEST(bundles) {
  static char long_name[514], long_shape[64] = "\x08\1\x12\x24";
  static const struct {
    const char *name;
    text header, entries[2][2];
    const char *words;
  } cases[] = {
      {"big endian",
       T("\x08\1\x10\1"),
       {{{0}}},
       "endianness 1, expected 0: numbers of big-endian machines are not read"},
      {"no shards", T("\x08\0"), {{{0}}}, ": 0 shards, expected 1 to 65536"},
      {"too many shards", T("\x08\x81\x80\4"), {{{0}}}, ": 65537 shards, expected 1 to 65536"},
      {"fewer than no shards",
       T("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
       {{{0}}},
       " shards, expected 1 to 65536"},
      {"a newer reader", T("\x08\1\x1a\2\x10\7"), {{{0}}}, "asks for a reader of version 7, expected at most 1"},
      {"a damaged version", T("\x08\1\x1a\2\x10\x80"), {{{0}}}, "the version is damaged"},
      {"a damaged header", T("\x08\1\x10"), {{{0}}}, "the header of the index is damaged"},
      {"a header longer than it is", T("\x08\1\x1a\x7f"), {{{0}}}, "the header of the index is damaged"},
      {"no type", T("\x08\1"), {{T("a"), T("\x12\0")}}, "tensor 'a': type 0, expected 1 to 32"},
      {"an unknown type", T("\x08\1"), {{T("a"), T("\x08\x21\x12\0")}}, "tensor 'a': type 33, expected 1 to 32"},
      {"a reference", T("\x08\1"), {{T("a"), T("\x08\x65\x12\0")}}, "tensor 'a': type 101, expected 1 to 32"},
      {"a negative type",
       T("\x08\1"),
       {{T("a"), T("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x12\0")}},
       "tensor 'a': type 18446744073709551615"},
      {"a negative dimension",
       T("\x08\1"),
       {{T("a"), T("\x08\1\x12\x0d\x12\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")}},
       "tensor 'a': dimension 0 is -1, expected 0 or more"},
      {"no shape", T("\x08\1"), {{T("a"), T("\x08\1\x12\2\x18\1")}}, "tensor 'a' has no shape, expected one"},
      {"nine dimensions", T("\x08\1"), {{T("a"), {long_shape, 40}}}, "tensor 'a' has more than 8 dimensions"},
      {"more bytes than can be counted",
       T("\x08\1"),
       {{T("a"), T("\x08\1\x12\x14\x12\x08\x08\x80\x80\x80\x80\x80\x80\1\x12\x08\x08\x80\x80\x80\x80\x80\x80\1")}},
       "tensor 'a': the shape has more bytes than can be counted"},
      {"a damaged shape", T("\x08\1"), {{T("a"), T("\x08\1\x12\4\x12\3\x08\2")}}, "tensor 'a': the shape is damaged"},
      {"a damaged dimension",
       T("\x08\1"),
       {{T("a"), T("\x08\1\x12\4\x12\2\x08\x80")}},
       "tensor 'a': the shape is damaged"},
      {"a damaged entry", T("\x08\1"), {{T("a"), T(FLOATS("\2") "\x28")}}, "tensor 'a': its entry is damaged"},
      {"a number that does not end", T("\x08\1"), {{T("a"), T("\x08" ELEVEN)}}, "tensor 'a': its entry is damaged"},
      {"a group", T("\x08\1"), {{T("a"), T("\x0b\x0c")}}, "tensor 'a': its entry is damaged"},
      {"field 0", T("\x08\1"), {{T("a"), T("\0\0")}}, "tensor 'a': its entry is damaged"},
      {"fewer bytes",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x28\4" CRC)}},
       "tensor 'a': 4 bytes, expected 8 by its shape"},
      {"more bytes",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x28\x10" CRC)}},
       "tensor 'a': 16 bytes, expected 8 by its shape"},
      {"no bytes", T("\x08\1"), {{T("a"), T(FLOATS("\2") CRC)}}, "tensor 'a': 0 bytes, expected 8 by its shape"},
      {"fewer than no bytes",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")}},
       "tensor 'a': 18446744073709551615 bytes"},
      {"another shard",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x18\1\x28\x08")}},
       "tensor 'a': shard 1, expected less than 1"},
      {"a negative shard",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x28\x08")}},
       "expected less than 1"},
      {"a missing shard",
       T("\x08\2"),
       {{T("a"), T(FLOATS("\2") "\x18\1\x28\x08")}},
       "x.data-00001-of-00002: cannot be opened: "},
      {"behind the shard",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x20\x09\x28\x08")}},
       "tensor 'a': 8 bytes at byte 9 of shard 0, expected to lie in its 16 bytes"},
      {"far behind the shard",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x28\x08")}},
       "tensor 'a': 8 bytes at byte 18446744073709551615 of shard 0"},
      {"an overlap",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x20\4\x28\x08")}, {T("b"), T(FLOATS("\2") "\x28\x08")}},
       "tensors 'b' and 'a' overlap at byte 4 of shard 0"},
      {"the same bytes",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x28\x08")}, {T("b"), T(FLOATS("\2") "\x28\x08")}},
       "' overlap at byte 0 of shard 0"},
      {"pieces", T("\x08\1"), {{T("a"), T(FLOATS("\2") "\x3a\0")}}, "tensor 'a' is stored in pieces"},
      {"a piece", T("\x08\1"), {{T("\0part\0\1"), T("")}}, "tensor 'part' is stored in pieces"},
      {"a zero in the name", T("\x08\1"), {{T("a\0b"), T("")}}, "name of 3 bytes, expected 1 to 512 without zeros"},
      {"a long name", T("\x08\1"), {{{long_name, 513}, T("")}}, "name of 513 bytes, expected 1 to 512 without zeros"},
      {"objects",
       T("\x08\1"),
       {{T("_CHECKPOINTABLE_OBJECT_GRAPH"), T("\x08\7\x12\0\x28\1")},
        {T("a/.ATTRIBUTES/VARIABLE_VALUE"), T(FLOATS("\2") "\x28\x08")}},
       "is a checkpoint of TensorFlow 2's objects, 1 variables with keys such as 'a' that say no layer"},
      {"a turned bit",
       T("\x08\1"),
       {{T("a"), T(FLOATS("\2") "\x28\x08\x35\1\0\0\0")}},
       "tensor 'a' is damaged: bytes 0 to 8 of "},
      {"too wide", T("\x08\1"), {{T("a"), T("\x08\3\x12\0\x28\4" CRC)}}, "tensor 'a'"},
  };
  memset(long_name, 'n', 513);
  for (int i = 0; i < 9; i++) memcpy(long_shape + 4 + 4 * i, "\x12\2\x08\1", 4);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    text entries[3][2] = {{{"", 0}, cases[i].header}};
    memcpy(entries[1], cases[i].entries, sizeof cases[i].entries);
    make_entries((const text(*)[2])entries, 1 + (entries[1][0].at != NULL) + (entries[2][0].at != NULL));
    expect_refused(cases[i].name, cases[i].words);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tensorflow_bundles");
  TCase *tests = tcase_create("tensorflow_bundles");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, make_setup, make_teardown);
  tcase_add_test(tests, bundles);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
