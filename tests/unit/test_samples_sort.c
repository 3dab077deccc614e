/* Samples sorted by path: orders that quicksort likes, and those that it divides badly, so that heap sort ends them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/samples.h"
#include "kernels/core/philox.h"

enum { MOST = 3000 };

static kohl_context *context;

static void setup(void) { ck_assert_int_eq(kohl_context_create(NULL, &context), KOHL_OK); }

static void teardown(void) { kohl_context_destroy(context); }

/* The number of name i of n: 0 to n + 1. */
typedef size_t (*pattern)(size_t i, size_t n);

static size_t ascending(size_t i, size_t n) { return i + 0 * n; }
static size_t descending(size_t i, size_t n) { return n - i; }
static size_t alike(size_t i, size_t n) { return 0 * i * n; }
static size_t few(size_t i, size_t n) { return i % 7 + 0 * n; }
static size_t noise(size_t i, size_t n) { return kohl_random_u32(1, 0, n, 0, (uint32_t)i) % n; }

/* Up and down again: with the median of the ends and the middle, most parts are divided badly. */
static size_t organ_pipe(size_t i, size_t n) { return i < n / 2 ? i : n - i; }

/* 1, k+1, 3, k+3, ... 2, 4, 6, ...: the median of three is always the second of its part (Musser 1997). */
static size_t killer(size_t i, size_t n) {
  size_t k = n / 2;
  if (i >= k) return 2 * (i - k + 1);
  return i % 2 ? k + i : i + 1;
}

/* Names in three folders, of which one begins with another and which come in the order of the numbers. */
static void sort_pattern(pattern number, size_t n) {
  static const char *const folders[] = {"set", "set/a", "set/a/b"};
  kohl_samples samples;
  kohl_samples_builder b = {context, &samples, NULL};
  char name[32], paths[2][KOHL_SAMPLE_PATH];
  int label;
  bool *met = calloc(n + 1, sizeof *met);
  ck_assert_ptr_nonnull(met);
  ck_assert_int_eq(kohl_samples_begin(&b), KOHL_OK);
  ck_assert_int_eq(kohl_samples_label(&b, "a", 1, &label), KOHL_OK);
  ck_assert_int_eq(kohl_samples_add(&b, NULL, "z first", label, KOHL_SPLIT_UNSET), KOHL_OK); /* is not sorted */
  for (size_t i = 0; i < n; i++) {
    size_t at = number(i, n);
    snprintf(name, sizeof name, "%06zu.png", at);
    ck_assert_int_eq(kohl_samples_add(&b, folders[at * 3 / (n + 2)], name, (int)i, KOHL_SPLIT_UNSET), KOHL_OK);
  }
  kohl_samples_sort(&samples, 1);
  ck_assert_uint_eq(samples.count, n + 1);
  ck_assert_str_eq(kohl_sample_path(&samples, 0, paths[0]), "z first");
  for (size_t i = 1; i <= n; i++) { /* in order, and each once */
    size_t old = (size_t)samples.sample[i].label;
    ck_assert(old < n && !met[old]);
    met[old] = true;
    kohl_sample_path(&samples, i, paths[i % 2]);
    if (i > 1) ck_assert_int_le(strcmp(paths[(i + 1) % 2], paths[i % 2]), 0);
    snprintf(name, sizeof name, "%06zu.png", number(old, n));
    ck_assert_str_eq(strrchr(paths[i % 2], '/') + 1, name);
  }
  free(met);
  kohl_samples_free(context, &samples);
}

START_TEST(every_order_is_sorted) {
  static const pattern patterns[] = {ascending, descending, alike, few, noise, organ_pipe, killer};
  for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
    for (size_t n = 1; n <= 40; n++) sort_pattern(patterns[p], n);
    sort_pattern(patterns[p], 1000);
    sort_pattern(patterns[p], MOST);
  }
}
END_TEST

START_TEST(nothing_is_sorted) {
  kohl_samples samples = {0};
  kohl_samples_sort(&samples, 0);
  ck_assert_uint_eq(samples.count, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("samples_sort");
  TCase *cases = tcase_create("samples_sort");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_add_test(cases, every_order_is_sorted);
  tcase_add_test(cases, nothing_is_sorted);
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
