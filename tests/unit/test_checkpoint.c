/* Checkpoints: what is saved is loaded, what cannot be loaded is named and leaves the arrays alone. */
#include <check.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/checkpoint.h"

enum { PATH = 256, A = 5, B = 3 };

static char root[] = "/tmp/kohl_checkpoint_XXXXXX";
static kohl_context *ctx;
static float a[A], b[B];

static void set_up(void) {
  strcpy(root + sizeof root - 7, "XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK);
}

static void tear_down(void) {
  char command[PATH];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(ctx);
}

static kohl_checkpoint state(int64_t epoch, char *history) {
  kohl_checkpoint c = {.place = kohl_train_place_begin(),
                       .recipe = 0xfffffff7,
                       .data = 8,
                       .features = 9,
                       .plan = 10,
                       .arrays = {{"params", a, A}, {"average", b, B}},
                       .array_count = 2,
                       .kernels = (char *)"dense_fwd=ref",
                       .history = history};
  c.place.epoch = epoch;
  c.place.step = 10 * epoch;
  c.place.at = INT64_C(1) << 53; /* more than a double's whole numbers need not fit */
  c.place.head[0].loss = 0.1;
  c.place.best_epoch = 1;
  c.place.schedule.factor = 1.0 / 3;
  c.place.schedule.stop_waited = 5;
  return c;
}

static void fill(float by) {
  for (int i = 0; i < A; i++) a[i] = by + (float)i;
  for (int i = 0; i < B; i++) b[i] = -by - (float)i;
}

static bool filled(float by) {
  bool same = true;
  for (int i = 0; i < A; i++) same &= a[i] == by + (float)i;
  for (int i = 0; i < B; i++) same &= b[i] == -by - (float)i;
  return same;
}

static void save(float by, int64_t epoch) {
  char history[] = "epoch,loss\n1,\"2\"\n";
  fill(by);
  kohl_checkpoint s = state(epoch, history);
  ck_assert_msg(kohl_checkpoint_save(ctx, root, &s) == KOHL_OK, "%s", kohl_context_error(ctx));
}

/* Opens the newest one and reads its arrays. */
static void load(kohl_checkpoint *s) {
  kohl_safetensors *file;
  const kohl_checkpoint arrays = *s;
  ck_assert_msg(kohl_checkpoint_open(ctx, root, s, &file) == KOHL_OK, "%s", kohl_context_error(ctx));
  memcpy(s->arrays, arrays.arrays, sizeof s->arrays);
  s->array_count = arrays.array_count;
  ck_assert_msg(kohl_checkpoint_read(ctx, file, s) == KOHL_OK, "%s", kohl_context_error(ctx));
  kohl_safetensors_close(ctx, file);
}

static void refused(const kohl_checkpoint *wrong, const char *text) {
  kohl_checkpoint s;
  kohl_safetensors *file;
  fill(100);
  ck_assert_int_eq(kohl_checkpoint_open(ctx, root, &s, &file), KOHL_OK);
  ck_assert_int_eq(kohl_checkpoint_read(ctx, file, (kohl_checkpoint *)wrong), KOHL_BAD_INPUT);
  ck_assert_msg(strstr(kohl_context_error(ctx), text), "%s", kohl_context_error(ctx));
  ck_assert(filled(100));
  kohl_free(ctx, s.kernels);
  kohl_free(ctx, s.history);
  kohl_safetensors_close(ctx, file);
}

START_TEST(comes_back) {
  ck_assert(!kohl_checkpoint_exists(root));
  save(3, 7);
  ck_assert(kohl_checkpoint_exists(root));
  fill(100);
  kohl_checkpoint s = state(0, NULL);
  load(&s);
  ck_assert(filled(3));
  ck_assert_int_eq(s.place.epoch, 7);
  ck_assert_int_eq(s.place.step, 70);
  ck_assert_int_eq(s.place.at, INT64_C(1) << 53);
  ck_assert_int_eq(s.place.best_epoch, 1);
  ck_assert(s.place.best == -DBL_MAX && s.place.head[0].loss == 0.1); /* to the last bit */
  ck_assert(s.place.schedule.factor == 1.0 / 3 && s.place.schedule.stop_waited == 5);
  ck_assert_uint_eq(s.recipe, 0xfffffff7);
  ck_assert(s.data == 8 && s.features == 9 && s.plan == 10);
  ck_assert_str_eq(s.kernels, "dense_fwd=ref");
  ck_assert_str_eq(s.history, "epoch,loss\n1,\"2\"\n");
  kohl_free(ctx, s.kernels);
  kohl_free(ctx, s.history);
}
END_TEST

START_TEST(what_does_not_fit_is_named) {
  save(3, 7);
  kohl_checkpoint s = state(0, NULL);
  s.array_count = 1;
  refused(&s, "2 tensors, expected 1");
  s = state(0, NULL);
  s.arrays[0].name = "momentum";
  refused(&s, "tensor 'momentum' is missing");
  s = state(0, NULL);
  s.arrays[0].count--;
  refused(&s, "tensor 'params': 20 bytes, expected 16");
}
END_TEST

/* The last byte of the file belongs to a tensor: its checksum is wrong, the checkpoint before it is taken. */
START_TEST(a_damaged_one_gives_way) {
  char path[PATH];
  save(3, 7);
  save(4, 8);
  snprintf(path, sizeof path, "%s/last.ckpt", root);
  FILE *file = fopen(path, "r+");
  ck_assert_ptr_nonnull(file);
  fseek(file, -1, SEEK_END);
  int byte = fgetc(file);
  fseek(file, -1, SEEK_END);
  fputc(byte ^ 1, file);
  fclose(file);
  kohl_checkpoint s = state(0, NULL);
  load(&s);
  ck_assert_int_eq(s.place.epoch, 7);
  ck_assert(filled(3));
  kohl_free(ctx, s.kernels);
  kohl_free(ctx, s.history);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("checkpoint");
  TCase *tests = tcase_create("checkpoint");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, comes_back);
  tcase_add_test(tests, what_does_not_fit_is_named);
  tcase_add_test(tests, a_damaged_one_gives_way);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
