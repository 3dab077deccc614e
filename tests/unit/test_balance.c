/* Lists that are cut and repeated, weights, samplers, and new pictures as files. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/decode.h"
#include "datasets/expand.h"
#include "datasets/png_write.h"
#include "kernels/core/alloc.h"
#include "tests/unit/list_make.h"

static kohl_context *context;
static char folder[64];
static size_t warnings;

static void setup(void) {
  context = list_context(3, &warnings);
  strcpy(folder, "/tmp/kohl_test_balance_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

/* count[c] samples of class c, one after the other, all in the training part. */
static void make_samples(const int *count, int classes, kohl_samples *out) {
  size_t room = 1 << 20, used;
  char *text = malloc(room);
  used = (size_t)snprintf(text, room, "path,label,split\n");
  for (int c = 0; c < classes; c++) {
    for (int i = 0; i < count[c]; i++) {
      used += (size_t)snprintf(text + used, room - used, "/c%d/%d.png,c%d,train\n", c, i, c);
    }
  }
  list_from_text(context, text, NULL, out);
  free(text);
}

static void make_list(const kohl_samples *s, kohl_list *list) {
  *list = (kohl_list){0};
  ck_assert_int_eq(kohl_list_of_split(context, s, KOHL_SPLIT_TRAIN, list), KOHL_OK);
}

START_TEST(cap_keeps_a_sample_in_order) {
  static const int counts[] = {1, 50, 51, 400}, fewer[] = {1, 50, 51, 90};
  kohl_samples s, t;
  make_samples(counts, 4, &s);
  make_samples(fewer, 4, &t);
  kohl_list a, b, c, d;
  make_list(&s, &a);
  make_list(&s, &b);
  make_list(&s, &c);
  make_list(&t, &d);
  ck_assert_int_eq(kohl_list_cap(context, &s, 50, 3, &a), KOHL_OK);
  ck_assert_int_eq(kohl_list_cap(context, &s, 40, 3, &b), KOHL_OK);
  ck_assert_int_eq(kohl_list_cap(context, &s, 50, 4, &c), KOHL_OK);
  ck_assert_int_eq(kohl_list_cap(context, &t, 50, 3, &d), KOHL_OK);
  size_t n[4];
  kohl_list_count(&a, &s, false, n);
  ck_assert(n[0] == 1 && n[1] == 50 && n[2] == 50 && n[3] == 50);
  ck_assert_uint_eq(a.count, 151);
  for (size_t i = 1; i < a.count; i++) ck_assert_uint_lt(a.sample[i - 1], a.sample[i]);
  for (size_t i = 0; i < b.count; i++) { /* 40 of the same 50 */
    bool found = false;
    for (size_t j = 0; j < a.count; j++) found = found || a.sample[j] == b.sample[i];
    ck_assert(found);
  }
  ck_assert_uint_eq(c.count, a.count);
  ck_assert_mem_ne(a.sample + 101, c.sample + 101, 50 * sizeof *a.sample);
  ck_assert_mem_eq(a.sample, d.sample, 101 * sizeof *a.sample); /* the other class has another size */
  ck_assert_int_eq(kohl_list_cap(context, &s, 0, 3, &a), KOHL_USAGE);
  kohl_list_free(context, &a);
  kohl_list_free(context, &b);
  kohl_list_free(context, &c);
  kohl_list_free(context, &d);
  kohl_samples_free(context, &s);
  kohl_samples_free(context, &t);
}
END_TEST

START_TEST(oversampling_repeats_evenly) {
  static const int counts[] = {1, 7, 20, 25};
  kohl_samples s;
  make_samples(counts, 4, &s);
  kohl_list a;
  make_list(&s, &a);
  size_t before = a.count, times[53] = {0}, n[4];
  ck_assert_int_eq(kohl_list_oversample(context, &s, 20, 9, &a), KOHL_OK);
  kohl_list_count(&a, &s, false, n);
  ck_assert(n[0] == 20 && n[1] == 20 && n[2] == 20 && n[3] == 25);
  for (size_t i = 0; i < before; i++) ck_assert_uint_eq(a.sample[i], i);
  for (size_t i = 0; i < a.count; i++) times[a.sample[i]]++;
  ck_assert_uint_eq(times[0], 20);
  for (size_t i = 1; i < 8; i++) ck_assert(times[i] == 2 || times[i] == 3); /* 20 / 7 = 2, rest 6 */
  for (size_t i = 8; i < 53; i++) ck_assert_uint_eq(times[i], 1);
  for (size_t i = before + 19; i < before + 26; i++) ck_assert_uint_eq(a.sample[i], i - before - 18); /* a whole copy */
  ck_assert_int_eq(kohl_list_oversample(context, &s, SIZE_MAX, 9, &a), KOHL_NO_RESOURCE);
  /* A class that is not in the list stays away. */
  a.count = 1;
  ck_assert_int_eq(kohl_list_oversample(context, &s, 3, 9, &a), KOHL_OK);
  ck_assert_uint_eq(a.count, 3);
  kohl_list_free(context, &a);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(copies_are_dropped) {
  static const int counts[] = {4};
  static const uint32_t copy_of[] = {0, 0, 2, 2};
  kohl_samples s;
  make_samples(counts, 1, &s);
  kohl_list a;
  make_list(&s, &a);
  kohl_list_drop_copies(&a, copy_of);
  ck_assert_uint_eq(a.count, 2);
  ck_assert(a.sample[0] == 0 && a.sample[1] == 2);
  kohl_list_free(context, &a);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(weights_are_their_formulas) {
  static const size_t count[] = {10, 30, 60}, with_none[] = {10, 0, 60};
  static const char *const names[] = {"a", "b", "c"};
  double w[3], sum = 0;
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_BALANCED, 0, count, names, 3, w), KOHL_OK);
  for (int c = 0; c < 3; c++) ck_assert_double_eq(w[c], 100.0 / (3.0 * (double)count[c]));
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_INVERSE, 0, count, names, 3, w), KOHL_OK);
  for (int c = 0; c < 3; c++) ck_assert_double_eq(w[c], 100.0 / (double)count[c]);
  for (double beta = 0.9; beta < 1; beta = 1 - (1 - beta) / 10) {
    ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_EFFECTIVE, beta, count, names, 3, w), KOHL_OK);
    sum = w[0] + w[1] + w[2];
    ck_assert(fabs(sum - 3) <= 1e-14); /* four roundings of numbers below 3 */
    for (int c = 1; c < 3; c++) {
      double ratio = 0, other = 0; /* 1 + beta + ... + beta^(n - 1), which is (1 - beta^n) / (1 - beta) */
      for (size_t i = 0; i < count[c]; i++) ratio = ratio * beta + 1;
      for (size_t i = 0; i < count[0]; i++) other = other * beta + 1;
      ck_assert(fabs(w[0] / w[c] / (ratio / other) - 1) <= 1e-13); /* 60 roundings of 2^-53 in the sums */
    }
    if (1 - beta < 1e-14) break;
  }
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_EFFECTIVE, 0, count, names, 3, w), KOHL_OK);
  for (int c = 0; c < 3; c++) ck_assert_double_eq(w[c], 1.0);
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_EFFECTIVE, 1, count, names, 3, w), KOHL_USAGE);
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_EFFECTIVE, NAN, count, names, 3, w), KOHL_USAGE);
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_BALANCED, 0, with_none, names, 3, w), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "class 'b' has no picture to be weighted by, expected at least 1");
  ck_assert_int_eq(kohl_class_weights(context, KOHL_WEIGHTING_NONE, 0, with_none, names, 3, w), KOHL_OK);
  for (int c = 0; c < 3; c++) ck_assert_double_eq(w[c], 1.0);
  static const size_t positive[] = {25, 0, 100};
  kohl_positive_weights(positive, 100, 3, w);
  ck_assert(w[0] == 3.0 && w[1] == 1.0 && w[2] == 0.0);
}
END_TEST

static const char *read_weights(const char *text, double *w) {
  static const char *const names[] = {"a", "b, \"c\""};
  char path[128];
  snprintf(path, sizeof path, "%s/w.csv", folder);
  FILE *file = fopen(path, "wb");
  fputs(text, file);
  fclose(file);
  if (kohl_class_weights_read(context, path, names, 2, w) == KOHL_OK) return "";
  const char *error = kohl_context_error(context);
  ck_assert_int_eq(strncmp(error, path, strlen(path)), 0);
  return error + strlen(path);
}

START_TEST(weights_from_a_file) {
  double w[2];
  ck_assert_str_eq(read_weights("class,weight\n\"b, \"\"c\"\"\",2.5e-1\na,3\n", w), "");
  ck_assert(w[0] == 3.0 && w[1] == 0.25);
  ck_assert_str_eq(read_weights("n,Weight,LABEL\n1,0,a\n2,.5,\"b, \"\"c\"\"\"\n", w), "");
  ck_assert(w[0] == 0.0 && w[1] == 0.5);
  ck_assert_str_eq(read_weights("", w), ": empty file, expected the columns class and weight");
  ck_assert_str_eq(read_weights("class,w\na,1\n", w), ": line 1: no column named weight");
  ck_assert_str_eq(read_weights("klass,weight\na,1\n", w), ": line 1: no column named class or label");
  ck_assert_str_eq(read_weights("class,weight\na,1\n", w), ": no weight for class 'b, \"c\"'");
  ck_assert_str_eq(read_weights("class,weight\na,1\na,2\n", w), ": line 3: class 'a' given again, expected once");
  ck_assert_str_eq(read_weights("class,weight\nd,1\n", w), ": line 2: class 'd', expected one of the 2 of the data");
  static const char *const bad[] = {"-1", "nan", "inf", "1e999", "", "1,5", "0x1p3", "1 ", "1.2.3", "e"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[64], want[128];
    snprintf(text, sizeof text, "class,weight\na,\"%s\"\n", bad[i]);
    snprintf(want, sizeof want, ": line 2: weight '%s', expected a number of 0 or more", bad[i]);
    ck_assert_str_eq(read_weights(text, w), want);
  }
  ck_assert_str_eq(read_weights("class,weight\na,0\n\"b, \"\"c\"\"\",0\n", w),
                   ": the weights add up to 0, expected a finite number above 0");
}
END_TEST

START_TEST(samplers_draw_by_weight) {
  enum { N = 5, DRAWS = 200000 };
  static const double weight[N] = {0, 1, 0, 2.5, 0.5};
  kohl_sampler *sampler;
  ck_assert_int_eq(kohl_sampler_create(context, weight, N, &sampler), KOHL_OK);
  kohl_random_key key = kohl_sampler_key(11, 2), next = kohl_sampler_key(11, 3);
  size_t drawn[N] = {0}, differ = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    size_t at = kohl_sampler_draw(sampler, key, i);
    drawn[at]++;
    differ += at != kohl_sampler_draw(sampler, next, i);
  }
  for (size_t i = 0; i < N; i++) { /* six standard deviations of the binomial distribution */
    double p = weight[i] / 4, most = 6 * sqrt(DRAWS * p * (1 - p));
    ck_assert(fabs((double)drawn[i] - DRAWS * p) <= most);
  }
  ck_assert_uint_gt(differ, DRAWS / 3);
  kohl_sampler_destroy(context, sampler);
  static const double negative[] = {1, -1}, nothing[] = {0, 0}, no_number[] = {1, NAN}, huge[] = {1e308, 1e308};
  ck_assert_int_eq(kohl_sampler_create(context, negative, 2, &sampler), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_sampler_create(context, nothing, 2, &sampler), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_sampler_create(context, no_number, 2, &sampler), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_sampler_create(context, huge, 2, &sampler), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_sampler_create(context, nothing, 0, &sampler), KOHL_BAD_INPUT);
  ck_assert_ptr_null(sampler);
}
END_TEST

START_TEST(balanced_samplers_draw_classes_alike) {
  enum { DRAWS = 90000 };
  static const int counts[] = {1, 9, 300};
  kohl_samples s;
  make_samples(counts, 3, &s);
  kohl_list list;
  make_list(&s, &list);
  kohl_sampler *sampler;
  ck_assert_int_eq(kohl_sampler_balanced(context, &s, &list, &sampler), KOHL_OK);
  kohl_random_key key = kohl_sampler_key(1, 1);
  size_t drawn[3] = {0};
  for (uint64_t i = 0; i < DRAWS; i++) drawn[s.sample[list.sample[kohl_sampler_draw(sampler, key, i)]].label]++;
  for (int c = 0; c < 3; c++) ck_assert(fabs((double)drawn[c] - DRAWS / 3.0) <= 6 * sqrt(DRAWS * 2 / 9.0));
  kohl_sampler_destroy(context, sampler);
  kohl_list_free(context, &list);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(png_files_hold_the_pixels) {
  uint8_t rgb[5 * 7 * 3];
  char path[128];
  for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 37);
  snprintf(path, sizeof path, "%s/p.png", folder);
  ck_assert_int_eq(kohl_png_write(context, path, rgb, 7, 5), KOHL_OK);
  kohl_picture picture;
  ck_assert_int_eq(kohl_picture_read(context, path, NULL, &picture), KOHL_OK);
  ck_assert(picture.w == 7 && picture.h == 5);
  ck_assert_str_eq(picture.mode, "PNG RGB");
  ck_assert_mem_eq(picture.rgb, rgb, sizeof rgb);
  kohl_picture_free(context, &picture);
  strcat(path, ".tmp");
  ck_assert_int_ne(access(path, F_OK), 0);
  ck_assert_int_eq(kohl_png_write(context, "/nowhere/p.png", rgb, 7, 5), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(context), "/nowhere/p.png: cannot be written: No such file or directory");
  ck_assert_int_eq(kohl_png_write(context, path, rgb, 0, 5), KOHL_USAGE);
  snprintf(path, sizeof path, "%s/full.png.tmp", folder); /* the temporary file is a device that is full */
  ck_assert_int_eq(symlink("/dev/full", path), 0);
  path[strlen(path) - 4] = 0;
  ck_assert_int_eq(kohl_png_write(context, path, rgb, 7, 5), KOHL_NO_RESOURCE);
  ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* Pixels that say which sample and draw they are of; the sample in *user is a bad picture. */
static kohl_status make_pixels(void *user, kohl_context *ctx, const kohl_samples *samples, kohl_extra extra,
                               uint8_t *dst, int w, int h) {
  (void)samples;
  if (extra.sample == *(size_t *)user) return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: bad", extra.sample);
  memset(dst, (int)(extra.sample * 16 + extra.draw), (size_t)w * (size_t)h * 3);
  return KOHL_OK;
}

START_TEST(new_pictures_are_written_and_read) {
  static const char text[] =
      "path,label,split\n/x/a.png,one,train\n/x/b.jpg,one,train\n/x/c.png,one,test\n/x/d.png,a/b,train\n"
      "/x/a.png,a/b,val\n/x/e.png,big,train\n/x/f.png,big,train\n/x/g.png,big,train\n";
  kohl_samples s, t;
  list_from_text(context, text, NULL, &s);
  kohl_extra *extras;
  size_t count, written, bad = 1;
  ck_assert_int_eq(kohl_extras_plan(context, &s, 3, 1, &extras, &count), KOHL_OK);
  ck_assert_uint_eq(count, 3); /* a/b: two of d; one: one of a or b */
  ck_assert(extras[0].sample == 3 && extras[0].draw == 1 && extras[1].sample == 3 && extras[1].draw == 2);
  ck_assert(extras[2].sample < 2 && extras[2].draw == 1);
  bad = 99;
  char out[128], path[256];
  snprintf(out, sizeof out, "%s/out", folder);
  kohl_expand_options options = {.w = 3, .h = 2, .make = make_pixels, .user = &bad};
  ck_assert_msg(kohl_expand(context, &s, extras, count, &options, out, &written) == KOHL_OK, "%s",
                kohl_context_error(context));
  ck_assert_uint_eq(written, 3);
  ck_assert_int_eq(kohl_samples_open(context, out, NULL, &t), KOHL_OK);
  ck_assert_uint_eq(t.count, s.count + 3);
  for (size_t i = 0; i < s.count; i++) {
    char path_t[KOHL_SAMPLE_PATH], path_s[KOHL_SAMPLE_PATH];
    ck_assert_str_eq(kohl_sample_path(&t, i, path_t), kohl_sample_path(&s, i, path_s));
    ck_assert_int_eq(t.sample[i].split, s.sample[i].split);
  }
  for (size_t i = 0; i < 3; i++) {
    const kohl_sample *n = &t.sample[s.count + i];
    kohl_picture picture;
    ck_assert_int_eq(n->label, s.sample[extras[i].sample].label);
    ck_assert_int_eq(n->split, KOHL_SPLIT_TRAIN);
    ck_assert_int_eq(kohl_sample_picture(context, &t, s.count + i, NULL, &picture), KOHL_OK);
    ck_assert(picture.w == 3 && picture.h == 2 && picture.rgb[0] == extras[i].sample * 16 + extras[i].draw);
    kohl_picture_free(context, &picture);
  }
  snprintf(path, sizeof path, "%s/a_b_0/d_000003_2.png", out); /* a/b is no folder name */
  ck_assert_int_eq(access(path, F_OK), 0);
  kohl_samples_free(context, &t);
  /* Not into a folder with something in it; a bad picture is left out with a warning. */
  ck_assert_int_eq(kohl_expand(context, &s, extras, count, &options, out, &written), KOHL_BAD_INPUT);
  strcat(out, "2");
  bad = 3;
  ck_assert_int_eq(kohl_expand(context, &s, extras, count, &options, out, &written), KOHL_OK);
  ck_assert_uint_eq(written, 1);
  ck_assert_uint_eq(warnings, 2);
  kohl_free(context, extras);
  s.sample[2].split = KOHL_SPLIT_UNSET;
  ck_assert_int_eq(kohl_extras_plan(context, &s, 3, 1, &extras, &count), KOHL_USAGE);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(names_are_plain_where_they_can_be) {
  static const int counts[] = {2, 3};
  kohl_samples s;
  make_samples(counts, 2, &s);
  kohl_extra *extras;
  size_t count, written, bad = 99;
  char out[128], path[256];
  ck_assert_int_eq(kohl_extras_plan(context, &s, 3, 1, &extras, &count), KOHL_OK);
  snprintf(out, sizeof out, "%s/out", folder);
  kohl_expand_options options = {.w = 1, .h = 1, .make = make_pixels, .user = &bad};
  ck_assert_int_eq(kohl_expand(context, &s, extras, count, &options, out, &written), KOHL_OK);
  ck_assert_uint_eq(count, 1);
  snprintf(path, sizeof path, "%s/c0/%zu_1.png", out, extras[0].sample);
  ck_assert_int_eq(access(path, F_OK), 0);
  kohl_free(context, extras);
  kohl_samples_free(context, &s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("balance");
  TCase *tests = tcase_create("balance");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, cap_keeps_a_sample_in_order);
  tcase_add_test(tests, oversampling_repeats_evenly);
  tcase_add_test(tests, copies_are_dropped);
  tcase_add_test(tests, weights_are_their_formulas);
  tcase_add_test(tests, weights_from_a_file);
  tcase_add_test(tests, samplers_draw_by_weight);
  tcase_add_test(tests, balanced_samplers_draw_classes_alike);
  tcase_add_test(tests, png_files_hold_the_pixels);
  tcase_add_test(tests, new_pictures_are_written_and_read);
  tcase_add_test(tests, names_are_plain_where_they_can_be);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
