/* CRC32C against published answers, and the two ways to compute it against each other and a bit-by-bit one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/crc32c.h"

/* The definition: one bit at a time. */
static uint32_t crc_by_bits(uint32_t crc, const unsigned char *data, size_t bytes) {
  crc = ~crc;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

START_TEST(known_answers) {
  unsigned char block[32];
  uint32_t (*const ways[])(uint32_t, const void *, size_t) = {kohl_crc32c, kohl_crc32c_portable};
  for (size_t way = 0; way < 2; way++) {
    ck_assert_uint_eq(ways[way](0, "123456789", 9), 0xE3069283u);
    ck_assert_uint_eq(ways[way](0, NULL, 0), 0);
    /* RFC 3720, B.4: 32 bytes of zeros, of ones, ascending, descending. */
    memset(block, 0, sizeof block);
    ck_assert_uint_eq(ways[way](0, block, 32), 0x8A9136AAu);
    memset(block, 255, sizeof block);
    ck_assert_uint_eq(ways[way](0, block, 32), 0x62A8AB43u);
    for (size_t i = 0; i < 32; i++) block[i] = (unsigned char)i;
    ck_assert_uint_eq(ways[way](0, block, 32), 0x46DD794Eu);
    for (size_t i = 0; i < 32; i++) block[i] = (unsigned char)(31 - i);
    ck_assert_uint_eq(ways[way](0, block, 32), 0x113FDB5Cu);
  }
}
END_TEST

START_TEST(every_length_offset_and_split) {
  unsigned char data[80];
  uint32_t state = 1;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)((state = state * 1664525u + 1013904223u) >> 24);
  for (size_t from = 0; from < 9; from++) {
    for (size_t bytes = 0; bytes + from <= sizeof data; bytes++) {
      uint32_t expected = crc_by_bits(7, data + from, bytes);
      ck_assert_uint_eq(kohl_crc32c(7, data + from, bytes), expected);
      ck_assert_uint_eq(kohl_crc32c_portable(7, data + from, bytes), expected);
      size_t part = bytes / 3;
      ck_assert_uint_eq(kohl_crc32c(kohl_crc32c(7, data + from, part), data + from + part, bytes - part), expected);
    }
  }
}
END_TEST

START_TEST(every_flipped_bit_is_seen) {
  unsigned char data[64] = {3, 1, 4, 1, 5};
  uint32_t right = kohl_crc32c(0, data, sizeof data);
  for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
    data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    ck_assert_uint_ne(kohl_crc32c(0, data, sizeof data), right);
    data[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("crc32c");
  TCase *tests = tcase_create("crc32c");
  tcase_add_test(tests, known_answers);
  tcase_add_test(tests, every_length_offset_and_split);
  tcase_add_test(tests, every_flipped_bit_is_seen);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
