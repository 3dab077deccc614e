/* Labels and weights of samples as heads and metrics are told them. */
#include <check.h>
#include <string.h>

#include "tests/unit/list_make.h"
#include "train/targets.h"

static kohl_context *context;

static void setup(void) { ck_assert_int_eq(kohl_context_create(NULL, &context), KOHL_OK); }
static void teardown(void) { kohl_context_destroy(context); }

static void read_csv(const char *text, bool several, kohl_samples *out) {
  const kohl_source_options options = {.several_labels = several};
  list_from_text(context, text, &options, out);
}

enum { ROWS = 3, CLASSES = 4 };

/* A head with room for ROWS samples, filled with what nobody wrote. */
typedef struct room {
  int32_t labels[ROWS];
  float targets[ROWS][CLASSES], weights[ROWS];
} room;

static kohl_session_head head_of(room *r, bool sigmoid) {
  memset(r, 0x55, sizeof *r);
  if (sigmoid) return (kohl_session_head){.k = CLASSES, .targets = r->targets[0], .sample_weights = r->weights};
  return (kohl_session_head){.k = CLASSES, .labels = r->labels};
}

static const float class_weights[CLASSES] = {0.1f, 1.7f, 3.0f, 0.3f};

START_TEST(one_label) {
  kohl_samples s;
  room r;
  read_csv("path,label\nx.png,b\ny.png,d\nz.png,a\nu.png,c\n", false, &s);
  const kohl_head_labels own = kohl_head_labels_own(&s);
  kohl_session_head head = head_of(&r, false);
  for (int i = 0; i < ROWS; i++) kohl_targets_tell(&head, i, &own, (size_t)i, class_weights);
  ck_assert(r.labels[0] == 1 && r.labels[1] == 3 && r.labels[2] == 0);
  /* For a sigmoid the class's weight is the sample's, to the bit. */
  head = head_of(&r, true);
  for (int i = 0; i < ROWS; i++) kohl_targets_tell(&head, i, &own, (size_t)(ROWS - i), class_weights);
  static const int label[ROWS] = {2, 0, 3};
  for (int i = 0; i < ROWS; i++) {
    for (int c = 0; c < CLASSES; c++) ck_assert(r.targets[i][c] == (c == label[i] ? 1.0f : 0.0f));
    ck_assert(r.weights[i] == class_weights[label[i]]);
  }
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(several_labels_and_weights) {
  kohl_samples s;
  room r;
  read_csv("path,label,weight\nx.png,b;d,1\ny.png,d,2.5\nz.png,c;a;b,0.25\n", true, &s);
  const kohl_head_labels own = kohl_head_labels_own(&s);
  ck_assert_uint_eq(s.class_count, CLASSES);
  kohl_session_head head = head_of(&r, true);
  for (int i = 0; i < ROWS; i++) kohl_targets_tell(&head, i, &own, (size_t)i, class_weights);
  static const uint8_t truth[ROWS][CLASSES] = {{0, 1, 0, 1}, {0, 0, 0, 1}, {1, 1, 1, 0}};
  const double w[CLASSES] = {(double)class_weights[0], (double)class_weights[1], (double)class_weights[2],
                             (double)class_weights[3]};
  const float want[ROWS] = {(float)((w[1] + w[3]) / 2.0), class_weights[3] * 2.5f,
                            (float)((w[2] + w[0] + w[1]) / 3.0) * 0.25f};
  for (int i = 0; i < ROWS; i++) {
    uint8_t row[CLASSES + 1] = {9, 9, 9, 9, 9};
    kohl_targets_truth(&own, (size_t)i, row);
    ck_assert_mem_eq(row, truth[i], sizeof truth[i]);
    ck_assert_int_eq(row[CLASSES], 9);
    for (int c = 0; c < CLASSES; c++) ck_assert(r.targets[i][c] == (float)truth[i][c]);
    ck_assert_msg(r.weights[i] == want[i], "%d: %g, expected %g", i, (double)r.weights[i], (double)want[i]);
  }
  kohl_targets_tell(&head, 0, &own, 1, NULL);
  ck_assert(r.weights[0] == 2.5f && r.targets[0][1] == 0.0f); /* the row before it is wiped */
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(what_a_softmax_cannot_be_told) {
  kohl_samples s;
  static const size_t list[3] = {0, 1, 2};
  const char *error;
  read_csv("path,label,weight\nx.png,b,1\ny.png,d,2.5\nz.png,c,0\n", false, &s);
  kohl_head_labels own = kohl_head_labels_own(&s);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 3, true, "d.csv"), KOHL_OK);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 1, false, "d.csv"), KOHL_OK);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 3, false, "d.csv"), KOHL_BAD_INPUT);
  error = kohl_context_error(context);
  ck_assert_msg(!strncmp(error, "d.csv: '", 8) && strstr(error, "y.png' has the weight 2.5, expected 1"), "%s", error);
  ck_assert_int_eq(kohl_targets_check(context, &own, list + 2, 1, false, "d.csv"), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "z.png' has the weight 0, expected 1"));
  kohl_samples_free(context, &s);
  read_csv("path,label\nx.png,b\ny.png,d;a\n", true, &s);
  own = kohl_head_labels_own(&s);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 2, true, "d.csv"), KOHL_OK);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 1, false, "d.csv"), KOHL_OK);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 2, false, "d.csv"), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "y.png' has 2 labels, expected 1 for a softmax"));
  kohl_samples_free(context, &s);
}
END_TEST

/* Of a further column: empty cells have no label, labels that are no class do not count, and what has none is left out.
 */
START_TEST(labels_of_a_column) {
  static const char *const given[] = {"x", "w"}, *const columns[] = {"more"};
  static const size_t list[] = {0, 1, 3};
  kohl_samples s;
  kohl_head_labels own;
  room r;
  const kohl_source_options options = {.columns = columns, .column_count = 1};
  list_from_text(context, "path,label,more\na.png,b,y;x;y\nb.png,d,\nc.png,d,z\nd.png,d,;w;\n", &options, &s);
  ck_assert_int_eq(kohl_head_labels_of_column(context, &s, 0, true, NULL, 0, list, 3, &own), KOHL_OK);
  ck_assert_uint_eq(own.class_count, 3); /* sorted; z is not in the list */
  for (int c = 0; c < 3; c++) ck_assert_str_eq(own.classes[c], c == 0 ? "w" : c == 1 ? "x" : "y");
  ck_assert_uint_eq(own.without, 2);
  ck_assert_uint_eq(own.unknown, 1);
  ck_assert_str_eq(own.first_unknown, "z");
  size_t count;
  const int *labels = kohl_head_labels_at(&own, 0, &count);
  ck_assert(count == 2 && labels[0] == 2 && labels[1] == 1);
  kohl_session_head head = head_of(&r, true);
  kohl_targets_tell(&head, 0, &own, 1, class_weights);
  for (int c = 0; c < 3; c++) ck_assert(r.targets[0][c] == 0.0f);
  ck_assert(r.weights[0] == 0.0f);
  kohl_head_labels_free(context, &own);
  ck_assert_int_eq(kohl_head_labels_of_column(context, &s, 0, false, given, 2, NULL, 0, &own), KOHL_OK);
  ck_assert_str_eq(own.classes[0], "x"); /* as they were given */
  ck_assert_uint_eq(own.without, 4);     /* one label a cell: "y;x;y" is one, and unknown */
  ck_assert_uint_eq(own.unknown, 3);
  head = head_of(&r, false);
  kohl_targets_tell(&head, 2, &own, 0, class_weights);
  ck_assert_int_eq(r.labels[2], KOHL_SOFTMAX_XENT_LEFT_OUT);
  ck_assert_int_eq(kohl_targets_check(context, &own, list, 3, false, "d.csv"), KOHL_OK);
  kohl_head_labels_free(context, &own);
  kohl_samples_free(context, &s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("targets");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_test(tcase, one_label);
  tcase_add_test(tcase, several_labels_and_weights);
  tcase_add_test(tcase, what_a_softmax_cannot_be_told);
  tcase_add_test(tcase, labels_of_a_column);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
