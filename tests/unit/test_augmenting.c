/* The augmentation of training pictures through the loader: a function of (seed, epoch, draw) and of the picture. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/balance.h"
#include "datasets/png_write.h"
#include "kernels/core/philox.h"
#include "tests/unit/meter.h"
#include "train/augmenting.h"

enum { PICTURES = 9, H = 10, W = 12, ROW = H * W * 3, CROP = 17, BATCH = 4, MOST = 4 * PICTURES, SEED = 42 };

static kohl_context *context;
static char folder[64];

static const char *in_folder(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

/* Class a has 3 pictures, class b the others; sizes and pixels are noise of their number. */
static const char *picture_name(int i) {
  static char name[32];
  snprintf(name, sizeof name, "%c/%02d.png", i < 3 ? 'a' : 'b', i);
  return name;
}

static void setup(void) {
  static uint8_t pixels[64 * 64 * 3];
  kohl_context_options options = kohl_context_options_default();
  options.threads = 2; /* of which the loader's own threads must not depend */
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_augmenting_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(mkdir(in_folder("a"), 0777), 0);
  ck_assert_int_eq(mkdir(in_folder("b"), 0777), 0);
  for (int i = 0; i < PICTURES; i++) {
    for (size_t p = 0; p < sizeof pixels; p++) pixels[p] = (uint8_t)kohl_random_u32(1, 0, (uint64_t)i, 0, p);
    int w = 20 + 5 * i, h = 64 - 4 * i;
    ck_assert_int_eq(kohl_png_write(context, in_folder(picture_name(i)), pixels, w, h), KOHL_OK);
  }
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

static void open_all(kohl_samples *s) {
  ck_assert_msg(kohl_samples_open(context, folder, NULL, s) == KOHL_OK, "%s", kohl_context_error(context));
}

static kohl_preprocessing network(void) {
  kohl_preprocessing pre = kohl_preprocessing_default();
  pre.fit.w = W;
  pre.fit.h = H;
  pre.order = KOHL_CHANNELS_BGR;
  for (int c = 0; c < 3; c++) pre.mean[c] = 0.4f + 0.03f * (float)c, pre.std[c] = 0.2f + 0.01f * (float)c;
  return pre;
}

/* Everything at once. */
static kohl_augmentation everything(void) {
  kohl_augmentation a = {.rotation = 20,
                         .width_shift = 0.2,
                         .height_shift = 0.2,
                         .zoom = {0.8, 1.25},
                         .shear = 10,
                         .horizontal_flip = true,
                         .vertical_flip = true,
                         .brightness = {0.5, 1.5},
                         .contrast = {0.5, 1.5},
                         .saturation = {0.5, 1.5},
                         .crop = CROP};
  return a;
}

/* One epoch of the list: rows[draw], zeros where the picture is bad. */
static void load(const kohl_augmentation *a, uint64_t seed, uint32_t epoch, kohl_samples *s, const kohl_list *list,
                 int workers, bool cached, float (*rows)[ROW]) {
  const kohl_preprocessing pre = network();
  kohl_loader_options options = kohl_loader_options_default();
  kohl_augmenting *augmenting;
  kohl_loader *loader;
  ck_assert_msg(kohl_augmenting_create(context, a, &pre, seed, &augmenting) == KOHL_OK, "%s",
                kohl_context_error(context));
  const kohl_preprocessing fitted = kohl_augmenting_fitted(augmenting);
  options.batch = BATCH;
  options.workers = workers;
  options.bad_limit = 1;
  kohl_augmenting_hook(augmenting, &options);
  if (cached) ck_assert_int_eq(kohl_cache_create(context, s->count, &fitted.fit, 1 << 20, &options.cache), KOHL_OK);
  ck_assert_msg(kohl_loader_create(context, s, &fitted, &options, &loader) == KOHL_OK, "%s",
                kohl_context_error(context));
  for (int round = 0; round < 1 + cached; round++) { /* the second one comes out of the cache */
    kohl_batch batch = {.count = 1};
    kohl_augmenting_begin(augmenting, epoch, NULL);
    ck_assert_int_eq(kohl_loader_begin(loader, list->sample, list->count, 0), KOHL_OK);
    while (batch.count) {
      ck_assert_msg(kohl_loader_next(loader, &batch) == KOHL_OK, "%s", kohl_context_error(context));
      for (size_t i = 0; i < batch.count; i++) memcpy(rows[batch.draw[i]], batch.floats + i * ROW, sizeof *rows);
    }
    if (round) ck_assert_uint_eq(kohl_loader_read_stats(loader).cached, list->count);
  }
  kohl_loader_destroy(loader);
  kohl_cache_destroy(context, options.cache);
  kohl_augmenting_destroy(augmenting);
}

/* The training list of an epoch: the small class repeated until it has as many draws as the other. */
static void oversampled(const kohl_samples *s, kohl_list *list) {
  *list = (kohl_list){0};
  ck_assert_int_eq(kohl_list_of_split(context, s, KOHL_SPLIT_UNSET, list), KOHL_OK);
  ck_assert_int_eq(kohl_list_oversample(context, s, 2 * PICTURES, SEED, list), KOHL_OK);
  ck_assert_uint_eq(list->count, MOST);
}

static float first[MOST][ROW], again[MOST][ROW];

START_TEST(copies_differ_and_workers_do_not) {
  static const int workers[] = {0, 1, 2, 4};
  const kohl_augmentation a = everything();
  kohl_samples s;
  kohl_list list;
  open_all(&s);
  oversampled(&s, &list);
  load(&a, SEED, 3, &s, &list, 0, false, first);
  for (size_t i = 0; i < list.count; i++)
    for (size_t j = 0; j < i; j++)
      ck_assert_msg(memcmp(first[i], first[j], sizeof *first) != 0, "draws %zu and %zu are alike", j, i);
  for (size_t w = 0; w < 4; w++) {
    for (int cached = 0; cached < 2; cached++) {
      memset(again, 0x55, sizeof again);
      load(&a, SEED, 3, &s, &list, workers[w], cached, again);
      ck_assert_msg(!memcmp(first, again, list.count * sizeof *first), "%d workers, cache %d", workers[w], cached);
    }
  }
  /* Another epoch and another seed change every draw. */
  for (int other = 0; other < 2; other++) {
    load(&a, SEED + (uint64_t)other, other ? 3 : 4, &s, &list, 2, false, again);
    for (size_t i = 0; i < list.count; i++) ck_assert_int_ne(memcmp(first[i], again[i], sizeof *first), 0);
  }
  kohl_list_free(context, &list);
  kohl_samples_free(context, &s);
}
END_TEST

/* A picture that is gone: its draws are zeros, or another picture stands in their place; the others keep theirs. */
START_TEST(a_removed_file_moves_nothing) {
  const kohl_augmentation a = everything();
  static const float zeros[ROW];
  kohl_samples s, fewer;
  kohl_list list, other = {0};
  char path[KOHL_SAMPLE_PATH], gone[512];
  open_all(&s);
  oversampled(&s, &list);
  load(&a, SEED, 1, &s, &list, 2, false, first);
  strcpy(gone, in_folder(picture_name(1)));
  ck_assert_int_eq(unlink(gone), 0);
  bool *is_gone = malloc(list.count * sizeof *is_gone);
  size_t gaps = 0;
  for (size_t i = 0; i < list.count; i++)
    gaps += is_gone[i] = !strcmp(kohl_sample_path(&s, list.sample[i], path), gone);
  ck_assert_uint_ge(gaps, 2); /* repeated */
  load(&a, SEED, 1, &s, &list, 4, false, again);
  for (size_t i = 0; i < list.count; i++)
    ck_assert_int_eq(memcmp(again[i], is_gone[i] ? zeros : first[i], sizeof zeros), 0);
  open_all(&fewer);
  ck_assert_uint_eq(fewer.count, PICTURES - 1);
  other.sample = list.sample;
  other.count = list.count;
  for (size_t i = 0; i < list.count; i++) other.sample[i] -= list.sample[i] > 1; /* sorted by path: it was number 1 */
  load(&a, SEED, 1, &fewer, &other, 1, true, again);
  for (size_t i = 0; i < list.count; i++) ck_assert_int_eq(!memcmp(again[i], first[i], sizeof *first), !is_gone[i]);
  free(is_gone);
  kohl_list_free(context, &list);
  kohl_samples_free(context, &fewer);
  kohl_samples_free(context, &s);
}
END_TEST

/* Without a hook, and through one that draws nothing. */
START_TEST(nothing_is_what_prepare_gives) {
  kohl_augmentation a = kohl_augmentation_none();
  kohl_preprocessing pre = network();
  kohl_samples s;
  kohl_list list = {0};
  char path[KOHL_SAMPLE_PATH];
  open_all(&s);
  ck_assert_int_eq(kohl_list_of_split(context, &s, KOHL_SPLIT_UNSET, &list), KOHL_OK);
  for (size_t i = 0; i < list.count; i++)
    ck_assert_int_eq(kohl_prepare_file(context, &pre, kohl_sample_path(&s, list.sample[i], path), first[i]), KOHL_OK);
  load(&a, SEED, 1, &s, &list, 2, true, again);
  ck_assert_int_eq(memcmp(first, again, list.count * sizeof *first), 0);
  kohl_augmenting *augmenting;
  kohl_loader_options options = kohl_loader_options_default();
  ck_assert_int_eq(kohl_augmenting_create(context, &a, &pre, SEED, &augmenting), KOHL_OK);
  kohl_augmenting_hook(augmenting, &options);
  ck_assert(!options.augment && !options.row_h);
  kohl_augmenting_destroy(augmenting);
  /* A shift too small to be one takes the hook. */
  a.width_shift = 1e-300;
  load(&a, SEED, 1, &s, &list, 2, false, again);
  ck_assert_int_eq(memcmp(first, again, list.count * sizeof *first), 0);
  kohl_list_free(context, &list);
  kohl_samples_free(context, &s);
}
END_TEST

/* With crop alone a row is a window of the larger fitted picture, which the draw's two shares place. */
START_TEST(windows) {
  kohl_augmentation a = kohl_augmentation_none();
  kohl_preprocessing large = network();
  static float whole[CROP * CROP * 3];
  kohl_samples s;
  kohl_list list;
  char path[KOHL_SAMPLE_PATH];
  int tops = 0, lefts = 0;
  a.crop = large.fit.w = large.fit.h = CROP;
  open_all(&s);
  oversampled(&s, &list);
  load(&a, SEED, 8, &s, &list, 2, false, first);
  for (size_t i = 0; i < list.count; i++) {
    kohl_augment_params params;
    kohl_augment_draw(&a, SEED, 8, i, &params);
    int top = (int)(params.crop_top * (CROP - H + 1)), left = (int)(params.crop_left * (CROP - W + 1));
    tops |= 1 << top;
    lefts |= 1 << left;
    ck_assert_int_eq(kohl_prepare_file(context, &large, kohl_sample_path(&s, list.sample[i], path), whole), KOHL_OK);
    for (int y = 0; y < H; y++)
      ck_assert_mem_eq(first[i] + y * W * 3, whole + ((top + y) * CROP + left) * 3, W * 3 * sizeof *whole);
  }
  ck_assert(tops == (1 << (CROP - H + 1)) - 1 && lefts == (1 << (CROP - W + 1)) - 1); /* each of them came */
  kohl_list_free(context, &list);
  kohl_samples_free(context, &s);
}
END_TEST

static void refused(const kohl_augmentation *a, const kohl_preprocessing *pre, const char *text) {
  kohl_augmenting *augmenting = (kohl_augmenting *)&augmenting;
  ck_assert_int_eq(kohl_augmenting_create(context, a, pre, SEED, &augmenting), KOHL_USAGE);
  ck_assert_ptr_null(augmenting);
  const char *error = kohl_context_error(context);
  ck_assert_msg(strstr(error, text), "'%s' does not contain '%s'", error, text);
}

START_TEST(errors) {
  kohl_augmentation a = everything();
  kohl_preprocessing pre = network();
  a.crop = W - 1;
  refused(&a, &pre, "'crop': value 11, expected at least 12");
  a.crop = CROP;
  pre.fit.mode = KOHL_FIT_CROP;
  pre.fit.resize = CROP - 1;
  refused(&a, &pre, "'crop': value 17, expected at most 16");
  pre.fit.resize = CROP;
  kohl_augmenting *augmenting;
  ck_assert_int_eq(kohl_augmenting_create(context, &a, &pre, SEED, &augmenting), KOHL_OK);
  kohl_preprocessing fitted = kohl_augmenting_fitted(augmenting);
  ck_assert(fitted.fit.w == CROP && fitted.fit.h == CROP && fitted.fit.resize == CROP && fitted.scale == pre.scale);
  kohl_augmenting_destroy(augmenting);
  kohl_augmenting_destroy(NULL);
  a.rotation = 181;
  refused(&a, &pre, "augmentation: `rotation`");
  pre.std[1] = 0;
  a.rotation = 0;
  refused(&a, &pre, "preprocessing: a std");
  /* Rows that the loader cannot have. */
  kohl_loader_options options = kohl_loader_options_default();
  size_t bytes;
  pre = network();
  options.row_h = H;
  options.row_w = W;
  ck_assert_int_eq(kohl_loader_bytes(context, 1, &pre, &options, &bytes), KOHL_USAGE);
  a = everything();
  a.crop = 0;
  ck_assert_int_eq(kohl_augmenting_create(context, &a, &pre, SEED, &augmenting), KOHL_OK);
  kohl_augmenting_hook(augmenting, &options);
  ck_assert_int_eq(kohl_loader_bytes(context, 1, &pre, &options, &bytes), KOHL_OK);
  options.row_w = W + 1;
  ck_assert_int_eq(kohl_loader_bytes(context, 1, &pre, &options, &bytes), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "rows of 13 x 10 pixels, expected 1 x 1 to 12 x 10"));
  options.row_w = 0;
  ck_assert_int_eq(kohl_loader_bytes(context, 1, &pre, &options, &bytes), KOHL_USAGE);
  kohl_augmenting_destroy(augmenting);
}
END_TEST

START_TEST(every_refused_allocation) {
  meter m = {1000000, 0};
  kohl_context_options options = kohl_context_options_default();
  const kohl_augmentation a = everything();
  const kohl_preprocessing pre = network();
  kohl_context *ctx;
  kohl_augmenting *augmenting;
  kohl_status status;
  long n = 0;
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  long before = atomic_load(&m.live);
  do {
    atomic_store(&m.left, n++);
    status = kohl_augmenting_create(ctx, &a, &pre, SEED, &augmenting);
    ck_assert(status == KOHL_OK || (status == KOHL_NO_RESOURCE && !augmenting));
    kohl_augmenting_destroy(augmenting);
    ck_assert_int_eq(atomic_load(&m.live), before);
  } while (status != KOHL_OK);
  ck_assert_int_ge(n, 4);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("augmenting");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, copies_differ_and_workers_do_not);
  tcase_add_test(tcase, a_removed_file_moves_nothing);
  tcase_add_test(tcase, nothing_is_what_prepare_gives);
  tcase_add_test(tcase, windows);
  tcase_add_test(tcase, errors);
  tcase_add_test(tcase, every_refused_allocation);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
