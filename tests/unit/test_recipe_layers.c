/* The texts of a recipe that name layers: what is trained, and patterns. */
#include <check.h>
#include <stdlib.h>

#include "train/recipe.h"

static const struct {
  const char *text;
  bool good;
  kohl_recipe_trained kind;
  int last;
  const char *rest;
} trains[] = {
    {"head", true, KOHL_TRAIN_HEAD, 0, "head"},
    {"all", true, KOHL_TRAIN_ALL, 0, "all"},
    {"last 4", true, KOHL_TRAIN_LAST, 4, "last 4"},
    {"last 100000", true, KOHL_TRAIN_LAST, 100000, "last 100000"},
    {"from block5_conv2", true, KOHL_TRAIN_FROM, 0, "block5_conv2"},
    {"block5_*, mixed10*", true, KOHL_TRAIN_PATTERNS, 0, "block5_*, mixed10*"},
    {"heads", true, KOHL_TRAIN_PATTERNS, 0, "heads"},
    {"", false, 0, 0, ""},
    {"last 0", false, 0, 0, ""},
    {"last 100001", false, 0, 0, ""},
    {"last 99999999999999999999", false, 0, 0, ""},
    {"last -1", false, 0, 0, ""},
    {"last 4x", false, 0, 0, ""},
    {"last ", false, 0, 0, ""},
    {"from ", false, 0, 0, ""},
    {"from a, b", false, 0, 0, ""},
    {"a,,b", false, 0, 0, ""},
    {"a, ", false, 0, 0, ""},
    {",", false, 0, 0, ""},
};

START_TEST(what_is_trained) {
  kohl_recipe_train train;
  ck_assert_msg(kohl_recipe_train_read(trains[_i].text, &train) == trains[_i].good, "'%s'", trains[_i].text);
  if (!trains[_i].good) return;
  ck_assert_int_eq((int)train.kind, (int)trains[_i].kind);
  ck_assert_int_eq(train.last, trains[_i].last);
  ck_assert_str_eq(train.text, trains[_i].rest);
}
END_TEST

START_TEST(patterns) {
  static const char *const yes[][2] = {
      {"a", "a"},           {"*", ""},          {"*", "abc"},           {"a*c", "abbc"},
      {"a*c", "acbc"},      {"x , a?c", "abc"}, {"*_conv?", "b_conv2"}, {"**", "x"},
      {"a*b*c", "axbxbxc"}, {"*,", "x"}};
  static const char *const no[][2] = {{"a", "ab"}, {"ab", "a"}, {"a?", "a"}, {"a*c", "acb"},
                                      {"", ""},    {"", "a"},   {",", ""},   {"*_conv?", "b_conv12"},
                                      {"a b", "a"}};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
    ck_assert_msg(kohl_recipe_patterns_match(yes[i][0], yes[i][1]), "%s %s", yes[i][0], yes[i][1]);
  }
  for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
    ck_assert_msg(!kohl_recipe_patterns_match(no[i][0], no[i][1]), "%s %s", no[i][0], no[i][1]);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("recipe_layers");
  TCase *tests = tcase_create("recipe_layers");
  tcase_add_loop_test(tests, what_is_trained, 0, (int)(sizeof trains / sizeof *trains));
  tcase_add_test(tests, patterns);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
