/* Predictions written and read, every kind of wrong file, every allocation refused on the way. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "tests/unit/meter.h"
#include "train/predictions.h"

static kohl_context *ctx;
static char folder[64];

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_predictions_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(ctx);
}

static const char *in_folder(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

/* What the tests change; the arrays are theirs. */
#define T(text) \
  (char[]) { text } /* a text that is not constant, as the struct has them */
static char *labels[] = {T("cat"), T("a \"big\", dog"), T("\xc3\xa9l\xc3\xa9phant")};
static char *files[] = {T("x/a.png"), T("b,\n1.png"), T("c.png"), T("d.png")};
static int32_t truth[] = {2, 0, 1, 1};
static float floats[12] = {0.1f,     0.2f, 0.7f,    /**/ 1, 0,    1.401298464e-45f,
                           /**/ .5f, .5f,  1.0e-7f, /**/ 0, 0.3f, 0.99999994f};

static kohl_predictions sample(void) {
  return (kohl_predictions){
      .count = 4, .classes = 3, .labels = labels, .file = files, .truth = truth, .probabilities = floats};
}

static void compare(const kohl_predictions *a, const kohl_predictions *b) {
  ck_assert_uint_eq(a->count, b->count);
  ck_assert_int_eq(a->classes, b->classes);
  ck_assert_mem_eq(a->probabilities, b->probabilities, a->count * (size_t)a->classes * sizeof(float));
  ck_assert_mem_eq(a->truth, b->truth, a->count * sizeof *a->truth);
  ck_assert(!a->marks == !b->marks && !a->chosen == !b->chosen);
  if (a->marks) ck_assert_mem_eq(a->marks, b->marks, a->count * (size_t)a->classes);
  if (a->chosen) ck_assert_mem_eq(a->chosen, b->chosen, a->count * (size_t)a->classes);
  for (int c = 0; c < a->classes; c++) ck_assert_str_eq(a->labels[c], b->labels[c]);
  for (size_t i = 0; i < a->count; i++) ck_assert_str_eq(a->file[i], b->file[i]);
}

START_TEST(one_label_comes_back) {
  kohl_predictions p = sample(), read;
  const char *path = in_folder("one.csv");
  ck_assert_int_eq(kohl_predictions_write(ctx, &p, path), KOHL_OK);
  ck_assert_int_eq(kohl_predictions_read(ctx, path, &read), KOHL_OK);
  compare(&p, &read);
  ck_assert_int_eq(kohl_predictions_best(&read, 0), 2);
  ck_assert_int_eq(kohl_predictions_best(&read, 2), 0); /* of equal ones the first */
  kohl_predictions_free(ctx, &read);
  FILE *file = fopen(path, "r");
  char line[256];
  ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
  ck_assert_str_eq(line, "file,true,predicted,p_cat,\"p_a \"\"big\"\", dog\",p_\xc3\xa9l\xc3\xa9phant\n");
  ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
  ck_assert_str_eq(line, "x/a.png,\xc3\xa9l\xc3\xa9phant,\xc3\xa9l\xc3\xa9phant,0.100000001,0.200000003,0.699999988\n");
  fclose(file);
}
END_TEST

START_TEST(many_labels_come_back) {
  uint8_t marks[] = {0, 0, 1, /**/ 1, 1, 1, /**/ 0, 0, 0, /**/ 0, 1, 0},
          chosen[] = {1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1};
  int32_t first[] = {2, 0, -1, 1};
  kohl_predictions p = sample(), read;
  p.marks = marks;
  p.chosen = chosen;
  p.truth = first;
  ck_assert_int_eq(kohl_predictions_write(ctx, &p, in_folder("many.csv")), KOHL_OK);
  ck_assert_int_eq(kohl_predictions_read(ctx, in_folder("many.csv"), &read), KOHL_OK);
  compare(&p, &read);
  kohl_predictions_free(ctx, &read);
  /* one label each: still many labels when it is read */
  memset(marks, 0, sizeof marks);
  for (int i = 0; i < 4; i++) marks[3 * i + 1] = 1, first[i] = 1;
  memcpy(chosen, marks, sizeof marks);
  ck_assert_int_eq(kohl_predictions_write(ctx, &p, in_folder("many.csv")), KOHL_OK);
  ck_assert_int_eq(kohl_predictions_read(ctx, in_folder("many.csv"), &read), KOHL_OK);
  compare(&p, &read);
  kohl_predictions_free(ctx, &read);
}
END_TEST

/* Nine digits give every float back: 4096 of random bits between 0 and 1, tiny ones too. */
START_TEST(floats_come_back) {
  enum { N = 1024 };
  static float random[N * 3];
  static char *paths[N], name[] = "f";
  static int32_t zeros[N];
  uint32_t state = 1;
  for (int i = 0; i < N * 3; i++) {
    state = state * 1664525u + 1013904223u;
    uint32_t bits = (uint32_t)((uint64_t)state * 0x3f800001u >> 32);
    memcpy(&random[i], &bits, sizeof bits);
  }
  for (int i = 0; i < N; i++) paths[i] = name;
  kohl_predictions p = sample(), read;
  p.count = N;
  p.file = paths;
  p.truth = zeros;
  p.probabilities = random;
  ck_assert_int_eq(kohl_predictions_write(ctx, &p, in_folder("floats.csv")), KOHL_OK);
  ck_assert_int_eq(kohl_predictions_read(ctx, in_folder("floats.csv"), &read), KOHL_OK);
  compare(&p, &read);
  kohl_predictions_free(ctx, &read);
}
END_TEST

static void refuse(const char *text, const char *error) {
  kohl_csv *csv;
  kohl_predictions p;
  ck_assert_int_eq(kohl_csv_open_memory(ctx, "p.csv", text, strlen(text), &csv), KOHL_OK);
  ck_assert_int_eq(kohl_predictions_from_csv(ctx, csv, &p), KOHL_BAD_INPUT);
  ck_assert_str_eq(kohl_context_error(ctx), error);
  ck_assert_ptr_null(p.labels);
  kohl_csv_close(ctx, csv);
}

#define HEADER "file,true,predicted,p_cat,p_dog\n"
#define MANY "file,true,predicted,labels,p_cat,p_dog\n"

START_TEST(wrong_files_are_named) {
  refuse("", "p.csv: is empty, expected predictions");
  refuse(HEADER, "p.csv: a header and no rows, expected predictions");
  refuse("path,true,predicted,p_a\n",
         "p.csv: line 1: field 'file': value 'path', expected the columns "
         "file,true,predicted,p_LABEL,...");
  refuse("file,true\n",
         "p.csv: line 1: field 'predicted': value '', expected the columns "
         "file,true,predicted,p_LABEL,...");
  refuse("file,true,predicted\n", "p.csv: line 1: 0 columns p_LABEL, expected 1 to 1048576");
  refuse("file,true,predicted,cat\n", "p.csv: line 1: field 'p_': value 'cat', expected a column p_LABEL");
  refuse("file,true,predicted,p_\n", "p.csv: line 1: field 'p_': value 'p_', expected a column p_LABEL");
  refuse("file,true,predicted,p_a,p_a\n", "p.csv: line 1: field 'p_': value 'a', expected every label once");
  refuse("file,true,predicted,labels,p_a;b\n",
         "p.csv: line 1: field 'p_': value 'p_a;b', expected a label without ';'");
  refuse(HEADER "a,cat,cat,nan,0\n", "p.csv: line 2: field 'p_cat': value 'nan', expected a number of 0 to 1");
  refuse(HEADER "a,cat,cat,1,0\nb,cat,cat,1,\n", "p.csv: line 3: field 'p_dog': value '', expected a number of 0 to 1");
  refuse(HEADER "a,cat,cat,1,1.5\n", "p.csv: line 2: field 'p_dog': value '1.5', expected a number of 0 to 1");
  refuse(HEADER "a,cat,cat,1,-1e-9\n", "p.csv: line 2: field 'p_dog': value '-1e-9', expected a number of 0 to 1");
  refuse(HEADER "a,wolf,cat,1,0\n", "p.csv: line 2: field 'true': value 'wolf', expected a label of the header");
  refuse(HEADER "a,ca,cat,1,0\n", "p.csv: line 2: field 'true': value 'ca', expected a label of the header");
  refuse(HEADER "a,cat,dog,1,0\n", "p.csv: line 2: field 'predicted': value 'dog', expected 'cat', the most probable");
  refuse(HEADER ",cat,cat,1,0\n", "p.csv: line 2: field 'file': value '', expected the path of a picture");
  refuse(HEADER "a,cat,cat,1\n", "p.csv: line 2: 4 fields, expected 5 as in the header");
  refuse(MANY "a,cat;wolf,,2,1,0\n",
         "p.csv: line 2: field 'true': value 'wolf', expected labels of the header with ';' between them");
  refuse(MANY "a,cat,dog;dog,1,1,0\n", "p.csv: line 2: field 'predicted': value 'dog', expected every label once");
  refuse(MANY "a,cat;,dog,1,1,0\n", "p.csv: line 2: field 'true': value 'cat;', expected a label behind ';'");
  refuse(MANY "a,cat,dog,2,1,0\n",
         "p.csv: line 2: field 'labels': value '2', expected the number of labels in the field 'true'");
}
END_TEST

static void refuse_writing(const kohl_predictions *p, kohl_status status, const char *error) {
  const char *path = in_folder("w.csv");
  ck_assert_int_eq(kohl_predictions_write(ctx, p, path), status);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), error));
  ck_assert_int_ne(access(path, F_OK), 0);
}

START_TEST(what_cannot_be_written) {
  kohl_predictions p = sample();
  char *names[] = {T("a;b"), T("c"), T("d")};
  uint8_t marks[12] = {0};
  float bad[12];
  memcpy(bad, floats, sizeof bad);
  bad[4] = NAN;
  p.probabilities = bad;
  refuse_writing(&p, KOHL_NOT_FINITE, "1.png: probability of label 'a \"big\", dog' is nan, expected 0 to 1");
  p = sample();
  p.labels = names;
  p.marks = p.chosen = marks;
  refuse_writing(&p, KOHL_BAD_INPUT, "label 0: value 'a;b', expected a name without ';'");
  names[0] = T("");
  refuse_writing(&p, KOHL_BAD_INPUT, "label 0: value '', expected a name");
  names[0] = T("\xff");
  refuse_writing(&p, KOHL_BAD_INPUT, "a name is not UTF-8");
  p = sample();
  p.marks = marks;
  refuse_writing(&p, KOHL_USAGE, "expected both");
  int32_t beyond[] = {0, 3, 0, 0};
  p = sample();
  p.truth = beyond;
  refuse_writing(&p, KOHL_BAD_INPUT, "label 3, expected 0 to 2");
  p = sample();
  ck_assert_int_eq(kohl_predictions_write(ctx, &p, in_folder("no/x.csv")), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no/x.csv: cannot be written: No such file"));
  ck_assert_int_eq(kohl_predictions_write(ctx, &p, "/dev/full"), KOHL_NO_RESOURCE);
  ck_assert_int_eq(kohl_predictions_read(ctx, in_folder("none.csv"), &p), KOHL_BAD_INPUT);
}
END_TEST

START_TEST(labels_are_chosen) {
  const float thresholds[] = {.5f, 0, 1}; /* a label at its threshold is chosen */
  const uint8_t expected[] = {0, 1, 0, /**/ 1, 1, 0, /**/ 1, 1, 0, /**/ 0, 1, 0},
                halves[] = {0, 0, 1, /**/ 1, 0, 0, /**/ 1, 1, 0, /**/ 0, 0, 1};
  kohl_predictions p = sample();
  ck_assert_int_eq(kohl_predictions_choose(ctx, &p, thresholds), KOHL_OK);
  ck_assert_mem_eq(p.chosen, expected, sizeof expected);
  ck_assert_int_eq(kohl_predictions_choose(ctx, &p, NULL), KOHL_OK);
  ck_assert_mem_eq(p.chosen, halves, sizeof halves);
  kohl_free(ctx, p.chosen);
}
END_TEST

START_TEST(refused_memory) {
  static const char text[] = MANY "a,cat;dog,,2,1,0\nb,,dog,0,1,0\n";
  for (long refused = 0;; refused++) {
    meter m = {refused, 0};
    kohl_context *metered;
    kohl_context_options options = kohl_context_options_default();
    options.threads = 1;
    m.left = 1000;
    options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
    ck_assert_int_eq(kohl_context_create(&options, &metered), KOHL_OK);
    long before = m.live;
    kohl_csv *csv = NULL;
    kohl_predictions p = {0};
    m.left = refused;
    kohl_status status = kohl_csv_open_memory(metered, "p", text, sizeof text - 1, &csv);
    if (status == KOHL_OK) status = kohl_predictions_from_csv(metered, csv, &p);
    if (status == KOHL_OK) status = kohl_predictions_write(metered, &p, in_folder("m.csv"));
    kohl_predictions_free(metered, &p);
    kohl_csv_close(metered, csv);
    ck_assert_int_eq(m.live, before);
    kohl_context_destroy(metered);
    if (status == KOHL_OK) break;
    ck_assert_int_eq(status, KOHL_NO_RESOURCE);
    ck_assert_int_lt(refused, 500);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("predictions");
  TCase *tests = tcase_create("predictions");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, one_label_comes_back);
  tcase_add_test(tests, many_labels_come_back);
  tcase_add_test(tests, floats_come_back);
  tcase_add_test(tests, wrong_files_are_named);
  tcase_add_test(tests, what_cannot_be_written);
  tcase_add_test(tests, labels_are_chosen);
  tcase_add_test(tests, refused_memory);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
