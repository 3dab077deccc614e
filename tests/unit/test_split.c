/* Groups, folds and the dealing of groups: what stays together, and the bounds of folds.h. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/folds.h"
#include "datasets/split.h"
#include "kernels/core/philox.h"
#include "tests/unit/list_make.h"

static kohl_context *context;
static size_t warnings;

static void setup(void) { context = list_context(1, &warnings); }

static void teardown(void) { kohl_context_destroy(context); }

/* A list in memory: labels[i] of n samples, names "/p/<i / 10>_<i>.png". */
static void make_samples(const int *labels, size_t n, kohl_samples *out) {
  size_t room = n * 64 + 64, used;
  char *text = malloc(room);
  used = (size_t)snprintf(text, room, "path,label\n");
  for (size_t i = 0; i < n; i++) {
    used += (size_t)snprintf(text + used, room - used, "/p/%zu_%zu.png,c%03d\n", i / 10, i, labels[i]);
  }
  list_from_text(context, text, NULL, out);
  free(text);
}

static uint32_t random_below(uint64_t seed, uint64_t i, uint32_t below) {
  return (uint32_t)((uint64_t)kohl_random_u32(seed, 7, 0, 7, i) * below >> 32);
}

START_TEST(units_are_connected_sets) {
  static const uint32_t group[] = {9, 4, 9, 7, 4, 1, 8, 0};
  static const uint32_t copy_of[] = {0, 1, 2, 3, 4, 3, 6, 1};
  /* groups: {0 2} {1 4}; copies: 5 of 3, 7 of 1 */
  static const uint32_t both[] = {0, 1, 0, 2, 1, 2, 3, 1}, groups[] = {0, 1, 0, 2, 1, 3, 4, 5},
                        copies[] = {0, 1, 2, 3, 4, 3, 5, 1};
  uint32_t unit[8];
  size_t units;
  ck_assert_int_eq(kohl_units_join(context, 8, group, copy_of, unit, &units), KOHL_OK);
  ck_assert_uint_eq(units, 4);
  ck_assert_mem_eq(unit, both, sizeof both);
  ck_assert_int_eq(kohl_units_join(context, 8, group, NULL, unit, &units), KOHL_OK);
  ck_assert_uint_eq(units, 6);
  ck_assert_mem_eq(unit, groups, sizeof groups);
  ck_assert_int_eq(kohl_units_join(context, 8, NULL, copy_of, unit, &units), KOHL_OK);
  ck_assert_uint_eq(units, 6);
  ck_assert_mem_eq(unit, copies, sizeof copies);
  static const uint32_t wrong[] = {0, 8};
  ck_assert_int_eq(kohl_units_join(context, 2, NULL, wrong, unit, &units), KOHL_USAGE);
}
END_TEST

START_TEST(groups_come_from_names) {
  int labels[35] = {0};
  kohl_samples s;
  uint32_t group[35];
  make_samples(labels, 35, &s);
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "^([0-9]+)_", group), KOHL_OK);
  for (size_t i = 0; i < 35; i++) ck_assert_uint_eq(group[i], i / 10);
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "(.)\\.png$", group), KOHL_OK);
  for (size_t i = 0; i < 35; i++) ck_assert_uint_eq(group[i], i % 10);
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "(", group), KOHL_USAGE);
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "(a)(b)", group), KOHL_USAGE);
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "a", group), KOHL_USAGE);
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "_(3[0-3])\\.", group), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "/p/0_0.png: the name has no group by the pattern '_(3[0-3])\\.'");
  ck_assert_int_eq(kohl_groups_from_names(context, &s, "_(x)?", group), KOHL_BAD_INPUT);
  kohl_samples_free(context, &s);
}
END_TEST

/* A class of n samples: floor or ceiling of n / folds in every fold; other classes change nothing. */
START_TEST(folds_are_even) {
  enum { N = 200 };
  int labels[N];
  for (int i = 0; i < N; i++) labels[i] = i < 1 ? 0 : i < 4 ? 1 : i < 60 ? 2 : 3;
  static const size_t sizes[] = {1, 3, 56, 140};
  kohl_samples s, fewer;
  make_samples(labels, N, &s);
  make_samples(labels, 60, &fewer);
  for (size_t folds = 2; folds <= 10; folds += 4) {
    uint32_t fold[N], again[N], other[N];
    ck_assert_int_eq(kohl_folds_make(context, &s, NULL, NULL, 5, folds, fold), KOHL_OK);
    ck_assert_int_eq(kohl_folds_make(context, &fewer, NULL, NULL, 5, folds, again), KOHL_OK);
    ck_assert_int_eq(kohl_folds_make(context, &s, NULL, NULL, 6, folds, other), KOHL_OK);
    ck_assert_mem_eq(fold, again, 60 * sizeof *fold);
    ck_assert_mem_ne(fold, other, sizeof fold);
    for (int c = 0; c < 4; c++) {
      for (size_t f = 0; f < folds; f++) {
        size_t n = 0;
        for (size_t i = 0; i < N; i++) n += labels[i] == c && fold[i] == f;
        ck_assert_uint_ge(n, sizes[c] / folds);
        ck_assert_uint_le(n, (sizes[c] + folds - 1) / folds);
      }
    }
  }
  uint32_t fold[N];
  ck_assert_int_eq(kohl_folds_make(context, &s, NULL, NULL, 5, 1, fold), KOHL_USAGE);
  ck_assert_int_eq(kohl_folds_make(context, &s, NULL, NULL, 5, 1001, fold), KOHL_USAGE);
  kohl_samples_free(context, &s);
  kohl_samples_free(context, &fewer);
}
END_TEST

START_TEST(each_sample_is_tested_once) {
  enum { N = 57, K = 5 };
  int labels[N], tested[N] = {0}, validated[N] = {0};
  for (int i = 0; i < N; i++) labels[i] = i % 3;
  kohl_samples s;
  make_samples(labels, N, &s);
  uint32_t fold[N];
  ck_assert_int_eq(kohl_folds_make(context, &s, NULL, NULL, 1, K, fold), KOHL_OK);
  for (size_t f = 0; f < K; f++) {
    ck_assert_int_eq(kohl_folds_apply(context, &s, fold, K, f, true), KOHL_OK);
    for (size_t i = 0; i < N; i++) {
      ck_assert_uint_ne(s.sample[i].split, KOHL_SPLIT_UNSET);
      tested[i] += s.sample[i].split == KOHL_SPLIT_TEST;
      validated[i] += s.sample[i].split == KOHL_SPLIT_VALIDATION;
    }
  }
  for (size_t i = 0; i < N; i++) ck_assert(tested[i] == 1 && validated[i] == 1);
  /* Without a validation fold a share of the rest is drawn from the training part, and the test fold stays. */
  ck_assert_int_eq(kohl_folds_apply(context, &s, fold, K, 2, false), KOHL_OK);
  ck_assert_uint_eq(kohl_samples_count(&s, KOHL_SPLIT_VALIDATION), 0);
  ck_assert_int_eq(kohl_samples_split(context, &s, 1, 0.25, 0), KOHL_OK);
  for (size_t i = 0; i < N; i++) ck_assert_int_eq(s.sample[i].split == KOHL_SPLIT_TEST, fold[i] == 2);
  ck_assert_uint_gt(kohl_samples_count(&s, KOHL_SPLIT_VALIDATION), 8);
  ck_assert_int_eq(kohl_folds_apply(context, &s, fold, K, K, true), KOHL_USAGE);
  ck_assert_int_eq(kohl_folds_apply(context, &s, fold, 2, 0, true), KOHL_USAGE);
  kohl_samples_free(context, &s);
}
END_TEST

/* X of the division and its bound, (parts - 1) * sum of squares / n_c, both as folds.h has them. */
static void check_bound(const kohl_samples *s, const uint32_t *unit, size_t units, const uint16_t *part, size_t parts,
                        const double *share) {
  size_t classes = s->class_count;
  double *in_unit = calloc(units * classes, sizeof *in_unit), *in_part = calloc(parts * classes, sizeof *in_part);
  double *n = calloc(classes, sizeof *n), x = 0, bound = 0;
  for (size_t i = 0; i < s->count; i++) {
    size_t c = (size_t)s->sample[i].label;
    in_unit[unit[i] * classes + c] += 1;
    in_part[part[unit[i]] * classes + c] += 1;
    n[c] += 1;
  }
  for (size_t c = 0; c < classes; c++) {
    for (size_t p = 0; p < parts; p++) {
      double d = in_part[p * classes + c] - share[p] * n[c];
      x += d * d / (share[p] * n[c]);
    }
    for (size_t u = 0; u < units; u++) {
      bound += (double)(parts - 1) * in_unit[u * classes + c] * in_unit[u * classes + c] / n[c];
    }
  }
  /* 1e-9: some thousand roundings of 2^-53 each. */
  ck_assert_msg(x <= bound * (1 + 1e-9), "X is %g, expected at most %g", x, bound);
  free(in_unit);
  free(in_part);
  free(n);
}

/* Random groups of random classes: never worse than dealing at random is on average. */
START_TEST(deals_keep_the_bound) {
  enum { N = 600 };
  for (uint64_t seed = 0; seed < 12; seed++) {
    int labels[N];
    uint32_t group[N], unit[N];
    uint32_t classes = 1 + random_below(seed, 0, 9), groups = 5 + random_below(seed, 1, 80);
    for (uint32_t i = 0; i < N; i++) {
      group[i] = random_below(seed, 10 + 2 * i, groups);
      group[i] = group[i] * group[i] / groups; /* large ones and small ones */
      labels[i] = (int)((random_below(seed, 11 + 2 * i, classes) + group[i]) % classes);
    }
    kohl_samples s;
    size_t units, parts = 2 + seed % 5;
    make_samples(labels, N, &s);
    ck_assert_int_eq(kohl_units_join(context, N, group, NULL, unit, &units), KOHL_OK);
    double share[8], want[8 * 16], n[16] = {0};
    uint16_t part[N];
    for (size_t i = 0; i < N; i++) n[s.sample[i].label] += 1;
    for (size_t p = 0; p < parts; p++) {
      share[p] = seed % 2 ? 1.0 / (double)parts : (double)(p + 1) * 2 / (double)(parts * (parts + 1));
      for (size_t c = 0; c < s.class_count; c++) want[p * s.class_count + c] = share[p] * n[c];
    }
    for (size_t u = 0; u < units; u++) part[u] = KOHL_UNDEALT;
    kohl_deal deal = {&s, unit, units, parts, want, part, seed, -1};
    ck_assert_int_eq(kohl_units_deal(context, &deal), KOHL_OK);
    for (size_t u = 0; u < units; u++) ck_assert_uint_lt(part[u], parts);
    check_bound(&s, unit, units, part, parts, share);
    kohl_samples_free(context, &s);
  }
}
END_TEST

/* Groups of one class: a class is over its share by at most m * (1 + f * (parts - 2)) / 2. */
START_TEST(groups_of_one_class_come_near_their_share) {
  enum { N = 500, C = 4, K = 4 };
  for (uint64_t seed = 0; seed < 8; seed++) {
    int labels[N];
    uint32_t group[N], fold[N];
    size_t largest[C] = {0}, size[C] = {0}, run = 0;
    for (size_t i = 0, g = 0; i < N; i++) {
      if (i && run == 0) g++;
      if (run == 0) run = 1 + random_below(seed, i, 12);
      run--;
      group[i] = (uint32_t)g;
      labels[i] = (int)(g % C);
      size[labels[i]]++;
    }
    for (size_t i = 0, n = 0; i < N; i++) {
      n = i && group[i] == group[i - 1] ? n + 1 : 1;
      if (n > largest[labels[i]]) largest[labels[i]] = n;
    }
    kohl_samples s;
    make_samples(labels, N, &s);
    ck_assert_int_eq(kohl_folds_make(context, &s, group, NULL, seed, K, fold), KOHL_OK);
    for (int c = 0; c < C; c++) {
      for (size_t f = 0; f < K; f++) {
        double n = 0, most = (double)size[c] / K + (double)largest[c] * (1 + (K - 2) / (double)K) / 2;
        for (size_t i = 0; i < N; i++) n += labels[i] == c && fold[i] == f;
        ck_assert_msg(n <= most, "seed %d class %d fold %zu: %g, expected at most %g", (int)seed, c, f, n, most);
      }
    }
    for (size_t i = 1; i < N; i++) {
      if (group[i] == group[i - 1]) ck_assert_uint_eq(fold[i], fold[i - 1]);
    }
    kohl_samples_free(context, &s);
  }
}
END_TEST

START_TEST(no_fold_stays_empty) {
  static const int labels[] = {0, 1, 2, 3, 4};
  static const uint32_t group[] = {0, 1, 2, 3, 4};
  kohl_samples s;
  uint32_t fold[5], seen = 0;
  make_samples(labels, 5, &s);
  ck_assert_int_eq(kohl_folds_make(context, &s, group, NULL, 3, 5, fold), KOHL_OK);
  for (size_t i = 0; i < 5; i++) seen |= 1u << fold[i];
  ck_assert_uint_eq(seen, 31);
  static const uint32_t one[] = {0, 0, 0, 0, 4};
  ck_assert_int_eq(kohl_folds_make(context, &s, one, NULL, 3, 3, fold), KOHL_BAD_INPUT);
  kohl_samples_free(context, &s);
}
END_TEST

static size_t count_of(const kohl_samples *s, int label, kohl_split split) {
  size_t count = 0;
  for (size_t i = 0; i < s->count; i++) count += s->sample[i].label == label && s->sample[i].split == split;
  return count;
}

/* count[c] samples of each class. */
static void make_classes(const int *count, int classes, kohl_samples *out) {
  int labels[512];
  size_t n = 0;
  for (int c = 0; c < classes; c++) {
    for (int i = 0; i < count[c]; i++) labels[n++] = c;
  }
  make_samples(labels, n, out);
}

START_TEST(split_is_stratified) {
  static const int counts[] = {1, 2, 3, 10, 99, 100};
  /* floor(n/6 + .5) and floor(n/10 + .5), one left for training */
  static const size_t validation[] = {0, 0, 1, 2, 17, 17}, test[] = {0, 0, 0, 1, 10, 10};
  kohl_samples a, b, c;
  make_classes(counts, 6, &a);
  make_classes(counts, 6, &b);
  make_classes(counts, 6, &c);
  ck_assert_int_eq(kohl_samples_split(context, &a, 42, 1.0 / 6, 0.1), KOHL_OK);
  ck_assert_int_eq(kohl_samples_split(context, &b, 42, 1.0 / 6, 0.1), KOHL_OK);
  ck_assert_int_eq(kohl_samples_split(context, &c, 43, 1.0 / 6, 0.1), KOHL_OK);
  size_t differ = 0;
  for (int k = 0; k < 6; k++) {
    ck_assert_uint_eq(count_of(&a, k, KOHL_SPLIT_VALIDATION), validation[k]);
    ck_assert_uint_eq(count_of(&a, k, KOHL_SPLIT_TEST), test[k]);
    ck_assert_uint_eq(count_of(&a, k, KOHL_SPLIT_TRAIN), (size_t)counts[k] - validation[k] - test[k]);
  }
  for (size_t i = 0; i < a.count; i++) {
    ck_assert_uint_eq(a.sample[i].split, b.sample[i].split);
    differ += a.sample[i].split != c.sample[i].split;
  }
  ck_assert_uint_gt(differ, 20);
  /* A class's split does not depend on the other classes' sizes. */
  static const int fewer[] = {1, 2, 3, 5, 99, 40};
  kohl_samples d;
  make_classes(fewer, 6, &d);
  ck_assert_int_eq(kohl_samples_split(context, &d, 42, 1.0 / 6, 0.1), KOHL_OK);
  for (size_t i = 0; i < 99; i++) ck_assert_uint_eq(a.sample[16 + i].split, d.sample[11 + i].split);
  ck_assert_int_eq(kohl_samples_split(context, &d, 42, 0.5, 0.5), KOHL_USAGE);
  ck_assert_int_eq(kohl_samples_split(context, &d, 42, -0.1, 0.5), KOHL_USAGE);
  kohl_samples_free(context, &a);
  kohl_samples_free(context, &b);
  kohl_samples_free(context, &c);
  kohl_samples_free(context, &d);
}
END_TEST

START_TEST(small_classes_keep_one_in_training) {
  static const int counts[] = {1, 2, 3, 4};
  kohl_samples s;
  make_classes(counts, 4, &s);
  ck_assert_int_eq(kohl_samples_split(context, &s, 1, 0.49, 0.5), KOHL_OK);
  for (int k = 0; k < 4; k++) ck_assert_uint_ge(count_of(&s, k, KOHL_SPLIT_TRAIN), 1);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(given_splits_are_kept) {
  static const int counts[] = {10, 10};
  kohl_samples s;
  make_classes(counts, 2, &s);
  for (size_t i = 0; i < 20; i++) s.sample[i].split = i % 10 < 2 ? KOHL_SPLIT_TEST : KOHL_SPLIT_TRAIN;
  ck_assert_int_eq(kohl_samples_split(context, &s, 1, 0.25, 0.25), KOHL_OK);
  for (int k = 0; k < 2; k++) {
    ck_assert_uint_eq(count_of(&s, k, KOHL_SPLIT_TEST), 2);       /* none drawn: all samples had a split */
    ck_assert_uint_eq(count_of(&s, k, KOHL_SPLIT_VALIDATION), 2); /* floor(8 / 4 + .5) out of training */
  }
  for (size_t i = 0; i < 20; i++) ck_assert_int_eq(s.sample[i].split == KOHL_SPLIT_TEST, i % 10 < 2);
  /* Now there is a validation part, so that nothing moves. */
  uint8_t before[20];
  for (size_t i = 0; i < 20; i++) before[i] = s.sample[i].split;
  ck_assert_int_eq(kohl_samples_split(context, &s, 9, 0.5, 0.25), KOHL_OK);
  for (size_t i = 0; i < 20; i++) ck_assert_uint_eq(s.sample[i].split, before[i]);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(copies_stay_on_one_side) {
  enum { N = 400 };
  int labels[N];
  uint32_t copy_of[N];
  for (uint32_t i = 0; i < N; i++) {
    labels[i] = i < 3 ? 0 : i < 60 ? 1 : 2;
    copy_of[i] = i % 4 == 1 && i > 60 ? i - 1 : i;
  }
  kohl_samples s, again;
  make_samples(labels, N, &s);
  make_samples(labels, N, &again);
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, NULL, copy_of, 2, 1.0 / 6, 0.1), KOHL_OK);
  ck_assert_int_eq(kohl_samples_split_groups(context, &again, NULL, copy_of, 2, 1.0 / 6, 0.1), KOHL_OK);
  for (size_t i = 0; i < N; i++) {
    ck_assert_uint_eq(s.sample[i].split, s.sample[copy_of[i]].split);
    ck_assert_uint_eq(s.sample[i].split, again.sample[i].split);
    ck_assert_uint_ne(s.sample[i].split, KOHL_SPLIT_UNSET);
  }
  /* Two deals of two parts: each is off by at most half a unit, which is 1 sample where copies are pairs. */
  static const double n[] = {3, 57, 340};
  for (int c = 0; c < 3; c++) {
    ck_assert(fabs((double)count_of(&s, c, KOHL_SPLIT_VALIDATION) - n[c] / 6) <= 1);
    ck_assert(fabs((double)count_of(&s, c, KOHL_SPLIT_TEST) - n[c] / 10) <= 1);
    ck_assert_uint_ge(count_of(&s, c, KOHL_SPLIT_TRAIN), 1);
  }
  kohl_samples_free(context, &s);
  kohl_samples_free(context, &again);
}
END_TEST

START_TEST(training_keeps_every_class) {
  enum { N = 40 };
  int labels[N];
  uint32_t group[N];
  for (uint32_t i = 0; i < N; i++) {
    labels[i] = (int)(i / 4); /* 10 classes, each of one group */
    group[i] = i / 4;
  }
  kohl_samples s;
  make_samples(labels, N, &s);
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, 4, 0.45, 0.45), KOHL_OK);
  ck_assert_uint_eq(kohl_samples_count(&s, KOHL_SPLIT_TRAIN), N);
  /* Of two groups of each class one stays. */
  for (uint32_t i = 0; i < N; i++) {
    s.sample[i].split = KOHL_SPLIT_UNSET;
    group[i] = i / 2;
  }
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, 4, 0.45, 0.45), KOHL_OK);
  for (int c = 0; c < 10; c++) ck_assert_uint_eq(count_of(&s, c, KOHL_SPLIT_TRAIN), 2);
  ck_assert_uint_eq(warnings, 0);
  kohl_samples_free(context, &s);
  /* A class that is in one mixed group alone does not keep it in training; the lost ones are told. */
  for (uint32_t i = 0; i < N; i++) {
    labels[i] = i % 8 == 0 ? (int)i : 1;
    group[i] = i / 8;
  }
  make_samples(labels, N, &s);
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, 4, 0.4, 0), KOHL_OK);
  ck_assert_uint_eq(kohl_samples_count(&s, KOHL_SPLIT_VALIDATION), 16);
  ck_assert_uint_eq(warnings, 1);
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, 4, 0.5, 0.5), KOHL_USAGE);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(groups_follow_given_splits) {
  enum { N = 60 };
  int labels[N] = {0};
  uint32_t group[N];
  kohl_samples s;
  make_samples(labels, N, &s);
  for (uint32_t i = 0; i < N; i++) group[i] = i / 3;
  s.sample[1].split = KOHL_SPLIT_TEST;                                             /* group 0 */
  s.sample[3].split = KOHL_SPLIT_VALIDATION, s.sample[4].split = KOHL_SPLIT_TRAIN; /* group 1: torn */
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, 4, 0.25, 0), KOHL_OK);
  for (size_t i = 0; i < 3; i++) ck_assert_uint_eq(s.sample[i].split, KOHL_SPLIT_TEST);
  ck_assert_uint_eq(s.sample[3].split, KOHL_SPLIT_VALIDATION);
  ck_assert_uint_eq(s.sample[4].split, KOHL_SPLIT_TRAIN);
  ck_assert_uint_eq(s.sample[5].split, KOHL_SPLIT_VALIDATION);
  ck_assert_uint_eq(warnings, 1);
  for (size_t i = 6; i < N; i++) ck_assert_uint_eq(s.sample[i].split, s.sample[i - i % 3].split);
  size_t drawn = 0; /* of the 54 samples in free groups a quarter, 13.5, within half a group */
  for (size_t i = 6; i < N; i++) drawn += s.sample[i].split == KOHL_SPLIT_VALIDATION;
  ck_assert(fabs((double)drawn - 13.5) <= 1.5);
  /* Where none is validation, it is taken from the training groups, whole. */
  for (size_t i = 0; i < N; i++) s.sample[i].split = i < 9 ? KOHL_SPLIT_TEST : KOHL_SPLIT_TRAIN;
  ck_assert_int_eq(kohl_samples_split_groups(context, &s, group, NULL, 4, 0.25, 0.5), KOHL_OK);
  ck_assert_uint_eq(kohl_samples_count(&s, KOHL_SPLIT_TEST), 9);
  ck_assert(fabs((double)kohl_samples_count(&s, KOHL_SPLIT_VALIDATION) - 51 * 0.25) <= 1.5);
  for (size_t i = 0; i < N; i++) ck_assert_uint_eq(s.sample[i].split, s.sample[i - i % 3].split);
  kohl_samples_free(context, &s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("split");
  TCase *tests = tcase_create("split");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, units_are_connected_sets);
  tcase_add_test(tests, groups_come_from_names);
  tcase_add_test(tests, folds_are_even);
  tcase_add_test(tests, each_sample_is_tested_once);
  tcase_add_test(tests, deals_keep_the_bound);
  tcase_add_test(tests, groups_of_one_class_come_near_their_share);
  tcase_add_test(tests, no_fold_stays_empty);
  tcase_add_test(tests, split_is_stratified);
  tcase_add_test(tests, small_classes_keep_one_in_training);
  tcase_add_test(tests, given_splits_are_kept);
  tcase_add_test(tests, copies_stay_on_one_side);
  tcase_add_test(tests, training_keeps_every_class);
  tcase_add_test(tests, groups_follow_given_splits);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
