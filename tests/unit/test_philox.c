/* kernels/core/philox.h: the known answers published with Random123, and what the key promises. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"

START_TEST(test_known_answers) { /* philox4x32, 10 rounds: counter, key, result */
  static const struct {
    kohl_philox_block counter;
    kohl_random_key key;
    kohl_philox_block result;
  } known[] = {
      {{{0, 0, 0, 0}}, {{0, 0}}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
       {{0xffffffff, 0xffffffff}},
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
       {{0xa4093822, 0x299f31d0}},
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
  };
  for (size_t i = 0; i < 3; i++) {
    kohl_philox_block got = kohl_philox4x32(known[i].counter, known[i].key);
    ck_assert_mem_eq(&got, &known[i].result, sizeof got);
  }
}
END_TEST

START_TEST(test_every_part_of_the_key_counts) { /* one changed bit of anything gives another number */
  uint32_t base = kohl_random_u32(7, 3, 11, 2, 5);
  ck_assert_uint_eq(base, kohl_random_u32(7, 3, 11, 2, 5));
  for (int bit = 0; bit < 64; bit++) {
    uint64_t flip = UINT64_C(1) << bit;
    ck_assert_uint_ne(base, kohl_random_u32(7 ^ flip, 3, 11, 2, 5));
    ck_assert_uint_ne(base, kohl_random_u32(7, 3, 11 ^ flip, 2, 5));
    ck_assert_uint_ne(base, kohl_random_u32(7, 3, 11, 2, 5 ^ flip));
    if (bit >= 32) continue;
    ck_assert_uint_ne(base, kohl_random_u32(7, 3 ^ (uint32_t)flip, 11, 2, 5));
    ck_assert_uint_ne(base, kohl_random_u32(7, 3, 11, 2 ^ (uint32_t)flip, 5));
  }
}
END_TEST

START_TEST(test_block_and_element_agree) {
  kohl_random_key key = kohl_random_key_make(1, 2, 3);
  for (uint64_t e = 0; e < 40; e++) {
    uint32_t word = kohl_random_block_at(key, 9, e / 4).word[e % 4];
    ck_assert_uint_eq(word, kohl_random_at(key, 9, e));
    ck_assert_uint_eq(word, kohl_random_u32(1, 2, 9, 3, e));
  }
}
END_TEST

START_TEST(test_uniform) {
  ck_assert(kohl_random_to_unit(0) == 0.0f && kohl_random_to_unit(255) == 0.0f);
  ck_assert(kohl_random_to_unit(0xffffffff) == 0x0.ffffffp0f);
  enum { COUNT = 100000 };
  double sum = 0.0, square = 0.0;
  int bins[16] = {0};
  for (uint64_t i = 0; i < COUNT; i++) {
    float u = kohl_random_uniform(42, 0, i % 317, 1, i / 317);
    ck_assert(u >= 0.0f && u < 1.0f);
    sum += (double)u;
    square += (double)u * (double)u;
    bins[(int)(u * 16.0f)]++;
  }
  /* Mean and mean square deviate by 0.289 and 0.298 / sqrt(COUNT); a bin by sqrt(COUNT * 15) / 16.  Five of each. */
  ck_assert_double_le(fabs(sum / COUNT - 1.0 / 2.0), 5.0 * 0.289 / sqrt(COUNT));
  ck_assert_double_le(fabs(square / COUNT - 1.0 / 3.0), 5.0 * 0.298 / sqrt(COUNT));
  for (int i = 0; i < 16; i++) ck_assert_double_le(fabs(bins[i] - COUNT / 16.0), 5.0 * sqrt(COUNT * 15.0) / 16.0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("philox");
  TCase *tcase = tcase_create("numbers");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_known_answers);
  tcase_add_test(tcase, test_every_part_of_the_key_counts);
  tcase_add_test(tcase, test_block_and_element_agree);
  tcase_add_test(tcase, test_uniform);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
