/* Groups of a list's own column and of a pattern over file names, and both at once: what a chain of either connects. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "datasets/folds.h"
#include "datasets/split.h"
#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"
#include "tests/unit/meter.h"

static kohl_context *context;

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
}

static void teardown(void) { kohl_context_destroy(context); }

static void read_csv(kohl_context *ctx, const char *text, kohl_samples *out) {
  kohl_csv *csv;
  ck_assert_int_eq(kohl_csv_open_memory(ctx, "t.csv", text, strlen(text), &csv), KOHL_OK);
  ck_assert_msg(kohl_samples_from_csv(ctx, csv, NULL, NULL, out) == KOHL_OK, "%s", kohl_context_error(ctx));
  kohl_csv_close(ctx, csv);
}

/* Two samples have one number in `group` exactly where they have in `want`. */
static void same_division(const uint32_t *group, const uint32_t *want, size_t n) {
  ck_assert_ptr_nonnull(group);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < i; j++)
      ck_assert_msg((group[i] == group[j]) == (want[i] == want[j]), "samples %zu and %zu", j, i);
}

static const char plate[] = "^([0-9]+)_";

/* red joins 10 and 11, of which 11_b is blue, as 12 is; 13_b is grey, as 14 is; 15 and white are alone. */
static const char rows[] =
    "path,label,group\n/p/10_a.png,x,red\n/p/11_a.png,y,red\n/p/11_b.png,x,blue\n/p/12_a.png,y,blue\n"
    "/p/13_a.png,x,green\n/p/14_a.png,y,grey\n/p/13_b.png,x,grey\n/p/15_a.png,y,white\n";
enum { ROWS = 8 };

START_TEST(column_pattern_and_both) {
  static const uint32_t column[ROWS] = {0, 0, 1, 1, 2, 3, 3, 4}, pattern[ROWS] = {0, 1, 1, 2, 3, 4, 3, 5},
                        both[ROWS] = {0, 0, 0, 0, 1, 1, 1, 2};
  kohl_samples s, plain;
  uint32_t *group;
  read_csv(context, rows, &s);
  read_csv(context, "path,label\n/p/10_a.png,x\n/p/11_a.png,y\n/p/11_b.png,x\n/p/12_a.png,y\n", &plain);
  ck_assert_int_eq(kohl_groups_gather(context, &s, NULL, &group), KOHL_OK);
  same_division(group, column, ROWS);
  kohl_free(context, group);
  ck_assert_int_eq(kohl_groups_gather(context, &s, plate, &group), KOHL_OK);
  same_division(group, both, ROWS);
  kohl_free(context, group);
  ck_assert_int_eq(kohl_groups_gather(context, &plain, plate, &group), KOHL_OK);
  same_division(group, pattern, plain.count);
  kohl_free(context, group);
  group = (uint32_t *)&group;
  ck_assert_int_eq(kohl_groups_gather(context, &plain, NULL, &group), KOHL_OK);
  ck_assert_ptr_null(group);
  for (int i = 0; i < 2; i++) {
    group = (uint32_t *)&group;
    ck_assert_int_eq(kohl_groups_gather(context, i ? &s : &plain, "(", &group), KOHL_USAGE);
    ck_assert_ptr_null(group);
    group = (uint32_t *)&group;
    ck_assert_int_eq(kohl_groups_gather(context, i ? &s : &plain, "(1[0-2])_a", &group), KOHL_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "/p/11_b.png"));
    ck_assert_ptr_null(group);
  }
  kohl_samples_free(context, &plain);
  kohl_samples_free(context, &s);
}
END_TEST

enum { MANY = 80 };

/* Lists of random groups; unions found by giving both sides of a pair the smaller number until nothing changes.  Then
 * nothing that is connected lies in two parts of a split or in two folds. */
START_TEST(chains_stay_together) {
  for (uint64_t round = 0; round < 40; round++) {
    char text[MANY * 64] = "path,label,group\n";
    uint32_t own[MANY], plates[MANY], want[MANY], fold[MANY], *group;
    uint32_t of = 100 + 4 * (uint32_t)round; /* from large sets to small ones */
    kohl_samples s;
    for (uint32_t i = 0; i < MANY; i++) {
      own[i] = kohl_random_u32(round, 0, 0, 1, i) % of;
      plates[i] = kohl_random_u32(round, 0, 1, 1, i) % of;
      want[i] = i;
      snprintf(text + strlen(text), sizeof text - strlen(text), "/p/%u_%u.png,c%u,g%u\n", plates[i], i, i % 3, own[i]);
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < MANY; i++) {
        for (size_t j = 0; j < MANY; j++) {
          if ((own[i] != own[j] && plates[i] != plates[j]) || want[j] <= want[i]) continue;
          want[j] = want[i];
          changed = true;
        }
      }
    }
    read_csv(context, text, &s);
    ck_assert_int_eq(kohl_groups_gather(context, &s, plate, &group), KOHL_OK);
    same_division(group, want, MANY);
    ck_assert_int_eq(kohl_folds_make(context, &s, group, NULL, round, 4, fold), KOHL_OK);
    ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, round, 0.2, 0.2), KOHL_OK);
    for (size_t i = 0; i < MANY; i++) {
      for (size_t j = 0; j < i; j++) {
        if (own[i] != own[j] && plates[i] != plates[j]) continue;
        ck_assert_uint_eq(s.sample[i].split, s.sample[j].split);
        ck_assert_uint_eq(fold[i], fold[j]);
      }
    }
    kohl_free(context, group);
    kohl_samples_free(context, &s);
  }
}
END_TEST

START_TEST(every_refused_allocation) {
  meter m = {1000000, 0};
  kohl_context_options options = kohl_context_options_default();
  kohl_context *ctx;
  kohl_samples s;
  uint32_t *group;
  kohl_status status;
  long n = 0;
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  read_csv(ctx, rows, &s);
  long before = atomic_load(&m.live);
  do {
    atomic_store(&m.left, n++);
    status = kohl_groups_gather(ctx, &s, plate, &group);
    ck_assert(status == KOHL_OK || (status == KOHL_NO_RESOURCE && !group));
    kohl_free(ctx, group);
    ck_assert_int_eq(atomic_load(&m.live), before);
  } while (status != KOHL_OK);
  ck_assert_int_ge(n, 4);
  kohl_samples_free(ctx, &s);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("groups");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_test(tcase, column_pattern_and_both);
  tcase_add_test(tcase, chains_stay_together);
  tcase_add_test(tcase, every_refused_allocation);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
