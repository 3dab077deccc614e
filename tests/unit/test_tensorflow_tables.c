/* Tables of a TensorFlow checkpoint that no reader may take: places, blocks, entries and their order. */
#include <check.h>
#include <string.h>

#include "tests/unit/tensorflow_make.h"

#define END "\0\0\0\0\1\0\0\0"
#define HEADER "\0\0\2\x08\1" /* the entry of the empty key: one shard */
#define A  \
  "\0\1\2" \
  "a\x08\7" /* the key "a", a text: not listed, and of no interest */

/* Blocks of data: two at most.  at, bytes: what is put there when all is made, from the end where at is below 0;
 * seal: the CRCs are set again. */
START_TEST(tables) {
  static const struct {
    const char *name;
    text blocks[2];
    int at;
    text change;
    bool seal;
    const char *words;
  } cases[] = {
      {"a good one",
       {T(HEADER "\0\1\x0b"
                 "a\x08\1\x12\0\x28\4\x35\xa6\x7b\x11\x3a" END)},
       0,
       {0},
       true,
       NULL},
      {"two blocks",
       {T(HEADER A END), T("\0\1\2"
                           "c\x08\7" END)},
       0,
       {0},
       true,
       NULL},
      {"two restart points",
       {T(HEADER A "\0\1\2"
                   "b\x08\7"
                   "\0\0\0\0\x0b\0\0\0\2\0\0\0")},
       0,
       {0},
       true,
       NULL},
      {"a key that repeats the one before",
       {T(HEADER A "\1\1\2"
                   "b\x08\7" END)},
       0,
       {0},
       true,
       NULL},
      {"another CRC of the tensor",
       {T(HEADER "\0\1\x0b"
                 "a\x08\1\x12\0\x28\4\x35\1\2\3\4" END)},
       0,
       {0},
       true,
       "tensor 'a' is damaged: bytes 0 to 4 of shard 0 have CRC 3a117ba6, expected 04030201 as the file says"},
      {"not a table", {T(HEADER END)}, -1, T("x"), false, "does not end as a TensorFlow checkpoint does"},
      {"places do not end",
       {T(HEADER END)},
       -48,
       T("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
       false,
       "the footer ends inside the places of the last two blocks"},
      {"a place in more bytes than it needs",
       {T(HEADER END)},
       -48,
       T("\x12\x88\0"),
       false,
       "the footer ends inside the places of the last two blocks"},
      {"something behind the places", {T(HEADER END)}, -9, T("x"), false, "byte 39 of the footer is 120, expected 0"},
      {"meta data elsewhere",
       {T(HEADER END)},
       -48,
       T("\x7f"),
       false,
       "the block of meta data at byte 127 has 8 bytes and a trailer, expected at most 0"},
      {"meta data longer",
       {T(HEADER END)},
       -47,
       T("\x7f"),
       false,
       "the block of meta data at byte 18 has 127 bytes and a trailer, expected at most "},
      {"the index overlaps",
       {T(HEADER END)},
       -46,
       T("\x1e"),
       false,
       "the block of the index begins at byte 30, expected 31"},
      {"the index too short",
       {T(HEADER END)},
       -45,
       T("\1"),
       false,
       "the block of the index ends at byte 37, expected "},
      {"the index too long", {T(HEADER END)}, -45, T("\x7f"), false, "the block of the index at byte 31 has 127 bytes"},
      {"a turned bit of data", {T(HEADER END)}, 3, T("\x09"), false, "the block at byte 0 is damaged: CRC "},
      {"a turned bit of meta data", {T(HEADER END)}, 18, T("\1"), false, "the block at byte 18 is damaged: CRC "},
      {"a turned bit of the index", {T(HEADER END)}, 31, T("\1"), false, "the block at byte 31 is damaged: CRC "},
      {"snappy",
       {T(HEADER END)},
       13,
       T("\1"),
       true,
       "the block at byte 0 is packed with Snappy, expected blocks that are not packed"},
      {"zstd", {T(HEADER END)}, 13, T("\2"), true, "the block at byte 0 has type 2, expected 0 (not packed)"},
      {"a packed index", {T(HEADER END)}, 45, T("\1"), true, "the block at byte 31 is packed with Snappy"},
      {"no restart point", {T(HEADER "\0\0\0\0")}, 0, {0}, true, "the block at byte 0 of 9 bytes: 0 restart points"},
      {"a block of two bytes", {T("xx")}, 0, {0}, true, "of 2 bytes: 0 restart points, expected at least one"},
      {"too many restart points", {T(HEADER "\0\0\0\0\3\0\0\0")}, 0, {0}, true, "of 13 bytes: 3 restart points"},
      {"4 billion restart points", {T(HEADER "\0\0\0\0\xff\xff\xff\xff")}, 0, {0}, true, "4294967295 restart points"},
      {"the first restart point is not 0",
       {T(HEADER "\1\0\0\0\1\0\0\0")},
       0,
       {0},
       true,
       "1 restart points, expected at least one, the first at 0"},
      {"a restart point inside an entry",
       {T(HEADER A "\0\0\0\0\6\0\0\0\2\0\0\0")},
       0,
       {0},
       true,
       "the block at byte 0: restart point 6, expected entries' places"},
      {"a restart point inside an earlier entry",
       {T(HEADER A "\0\1\2"
                   "b\x08\7"
                   "\0\0\0\0\6\0\0\0\2\0\0\0")},
       0,
       {0},
       true,
       "the entry at byte 11 comes behind a restart point that is no entry"},
      {"restart points twice",
       {T(HEADER A "\0\0\0\0\0\0\0\0\2\0\0\0")},
       0,
       {0},
       true,
       "the entry at byte 5 comes behind a restart point that is no entry"},
      {"an entry that repeats at a restart point",
       {T(HEADER A "\1\1\2"
                   "b\x08\7"
                   "\0\0\0\0\x0b\0\0\0\2\0\0\0")},
       0,
       {0},
       true,
       "the entry at byte 11 is a restart point and repeats bytes of the key before it"},
      {"no entry", {T(END)}, 0, {0}, true, "the block of data at byte 0 has no entries"},
      {"no entry in the second block",
       {T(HEADER END), T(END)},
       0,
       {0},
       true,
       "the block of data at byte 18 has no entries"},
      {"lengths that do not end",
       {T(HEADER "\0\xff" END)},
       0,
       {0},
       true,
       "the entry at byte 5 ends inside its lengths"},
      {"lengths that end too soon",
       {T(HEADER "\0\xff"
                 "\0\0\0\0\1\0\0\0")},
       5,
       T("\x80\x80"),
       true,
       "the entry at byte 5 ends inside its lengths"},
      {"a key longer than the block",
       {T(HEADER "\0\x7f\0"
                 "a" END)},
       0,
       {0},
       true,
       "the entry at byte 5 is longer than"},
      {"a value longer than the block",
       {T(HEADER "\0\1\x7f"
                 "a" END)},
       0,
       {0},
       true,
       "the entry at byte 5 is longer than"},
      {"the longest value",
       {T(HEADER "\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"
                 "a" END)},
       0,
       {0},
       true,
       "the entry at byte 5 is longer than its block"},
      {"the first entry repeats",
       {T("\1\0\2\x08\1" END)},
       0,
       {0},
       true,
       "the entry at byte 0 repeats more bytes than the key before it has"},
      {"more is repeated than there is",
       {T(HEADER A "\2\1\2"
                   "b\x08\7" END)},
       0,
       {0},
       true,
       "the entry at byte 11 repeats more bytes than the key before it has"},
      {"keys descend",
       {T(HEADER "\0\1\2"
                 "b\x08\7" A END)},
       0,
       {0},
       true,
       "has a key that does not come behind the key before it"},
      {"a key twice",
       {T(HEADER "\0\1\4"
                 "a\x08\7\x12\0"
                 "\0\1\4"
                 "a\x08\7\x12\0" END)},
       0,
       {0},
       true,
       "the entry at byte 13 has a key that does not come behind the key before it"},
      {"a key twice, repeated",
       {T(HEADER "\0\1\4"
                 "a\x08\7\x12\0"
                 "\1\0\0" END)},
       0,
       {0},
       true,
       "the entry at byte 13 has a key that does not come behind the key before it"},
      {"the empty key twice", {T(HEADER HEADER END)}, 0, {0}, true, "the entry at byte 5 has a key that does not come"},
      {"keys descend over blocks",
       {T(HEADER END), T("\0\1\4"
                         "a\x08\7\x12\0" END)},
       0,
       {0},
       true,
       "the entry at byte 18 has a key that does not come behind the key before it"},
      {"a key behind that of the index",
       {T(HEADER "\0\1\4"
                 "c\x08\7\x12\0" END),
        T("\0\1\4"
          "d\x08\7\x12\0" END)},
       0,
       {0},
       true,
       "the last key of the block at byte 0 comes behind the block's key in the index"},
      {"a block at another place",
       {T(HEADER END)},
       35,
       T("\1"),
       true,
       "the block of data begins at byte 1, expected 0"},
      {"a block twice",
       {T(HEADER END), T("\0\1\1"
                         "cx" END)},
       59,
       T("\0"),
       true,
       "the block of data begins at byte 0, expected 18"},
      {"a block longer than the data",
       {T(HEADER END)},
       36,
       T("\x0e"),
       true,
       "the block of data at byte 0 has 14 bytes and a trailer, expected at most 18"},
      {"keys of the index descend",
       {T(HEADER END), T("\0\1\4"
                         "c\x08\7\x12\0" END)},
       61,
       T("a"),
       true,
       "has a key that does not come behind the key before it"},
      {"a table of something else",
       {T("\0\1\2"
          "a\x08\1" END)},
       0,
       {0},
       true,
       "expected one that begins with the header of a TensorFlow checkpoint"},
      {"a header of nothing", {T("\0\0\0" END)}, 0, {0}, true, "expected one that begins with the header"},
      {"a header of another field", {T("\0\0\2\x10\1" END)}, 0, {0}, true, "expected one that begins with the header"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    make_table(cases[i].blocks, cases[i].blocks[1].at ? 2 : 1);
    size_t at = cases[i].at < 0 ? made.length - (size_t)-cases[i].at : (size_t)cases[i].at;
    memcpy(made_bytes + at, cases[i].change.at ? cases[i].change.at : "", cases[i].change.length);
    if (cases[i].seal) table_seal_all(made_bytes, made.length);
    expect_refused(cases[i].name, cases[i].words);
  }
}
END_TEST

/* Keys longer than the reader holds, which repetition could make without end. */
START_TEST(long_keys) {
  static char key[5000];
  memset(key, 'k', sizeof key);
  text entries[2][2] = {{{"", 0}, T("\x08\1")}, {{key, 4097}, T("")}};
  make_entries((const text(*)[2])entries, 2);
  expect_refused("a long key", "the entry at byte 5 has a key of more than 4096 bytes");
  entries[1][0].length = 4096;
  make_entries((const text(*)[2])entries, 2);
  expect_refused("the longest key", "name of 4096 bytes, expected 1 to 512 without zeros");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tensorflow_tables");
  TCase *tests = tcase_create("tensorflow_tables");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, make_setup, make_teardown);
  tcase_add_test(tests, tables);
  tcase_add_test(tests, long_keys);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
