/* The loader: the same batches whatever the workers, the cache and the timing; bad pictures; limits; being stopped. */
#include <check.h>
#include <math.h>
#include <png.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/loader.h"
#include "kernels/core/philox.h"
#include "tests/unit/meter.h"

enum { PICTURES = 23, DRAWS = 57, SIDE = 6, ROW = SIDE * SIDE * 3 };

static kohl_context *context;
static char folder[64];
static char warnings[65536];
static atomic_bool cancelled;

static void gather(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level != KOHL_LOG_WARNING) return;
  strncat(warnings, text, sizeof warnings - strlen(warnings) - 2);
  strcat(warnings, "\n");
}

static bool is_cancelled(void *user) {
  (void)user;
  return atomic_load(&cancelled);
}

static const char *in_folder(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void store(const char *name, const char *bytes, size_t length) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

static const char *picture_name(int i) {
  static char name[32];
  snprintf(name, sizeof name, "set/%c/%02d.png", "ab"[i % 2], i);
  return name;
}

/* Sizes and pixels are noise of their number. */
static void store_picture(int i) {
  uint8_t pixels[40 * 40 * 3];
  uint32_t w = 5 + (uint32_t)(7 * i % 31), h = 4 + (uint32_t)(11 * i % 29);
  for (uint32_t p = 0; p < w * h * 3; p++) pixels[p] = (uint8_t)kohl_random_u32(1, 0, (uint64_t)i, 0, p);
  png_image image = {.version = PNG_IMAGE_VERSION, .width = w, .height = h, .format = PNG_FORMAT_RGB};
  ck_assert_int_ne(png_image_write_to_file(&image, in_folder(picture_name(i)), 0, pixels, (int)w * 3, NULL), 0);
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.log = gather;
  options.cancel = is_cancelled;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_loader_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  warnings[0] = 0;
  atomic_store(&cancelled, false);
  ck_assert_int_eq(mkdir(in_folder("set"), 0777), 0);
  ck_assert_int_eq(mkdir(in_folder("set/a"), 0777), 0);
  ck_assert_int_eq(mkdir(in_folder("set/b"), 0777), 0);
  for (int i = 0; i < PICTURES; i++) store_picture(i);
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

static kohl_preprocessing small(void) {
  kohl_preprocessing pre = kohl_preprocessing_default();
  pre.fit = (kohl_fit){KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS, SIDE, SIDE, 0, 0, {9, 8, 7}};
  return pre;
}

/* Some samples several times, some next to themselves. */
static void make_list(size_t *list) {
  for (size_t i = 0; i < DRAWS; i++) list[i] = i % 7 == 6 ? list[i - 1] : 5 * i % PICTURES;
}

/* Numbers of the draw on top of the pixels; the workspace is used, so that sharing it would show. */
static void add_noise(void *user, uint64_t draw, const uint8_t *rgb, float *dst, void *workspace) {
  uint32_t *words = workspace;
  uint32_t epoch = *(const uint32_t *)user;
  for (uint32_t i = 0; i < ROW; i++) words[i] = kohl_random_u32(3, epoch, draw, 1, i);
  for (uint32_t i = 0; i < ROW; i++) dst[i] = (float)rgb[i] + kohl_random_to_unit(words[i]);
}

static kohl_loader_options with(int workers, uint32_t *epoch) {
  kohl_loader_options options = kohl_loader_options_default();
  options.batch = 5;
  options.workers = workers;
  options.bad_limit = 1.0;
  if (epoch) {
    options.augment = add_noise;
    options.augment_user = epoch;
    options.augment_bytes = ROW * sizeof(uint32_t);
  }
  return options;
}

/* All rows of an epoch from `first` on; ok may be NULL.  Checks what batches say of themselves. */
static void run_epoch(kohl_loader *loader, const kohl_samples *s, const size_t *list, size_t first, float *rows,
                      bool *ok) {
  ck_assert_int_eq(kohl_loader_begin(loader, list, DRAWS, first), KOHL_OK);
  size_t at = first;
  kohl_batch batch;
  for (;;) {
    ck_assert_msg(kohl_loader_next(loader, &batch) == KOHL_OK, "%s", kohl_context_error(context));
    if (batch.count == 0) break;
    ck_assert_uint_eq(batch.count, DRAWS - at < 5 ? DRAWS - at : 5);
    for (size_t i = 0; i < batch.count; i++, at++) {
      ck_assert_uint_eq(batch.draw[i], at);
      ck_assert_uint_eq(batch.sample[i], list[at]);
      ck_assert_int_eq(batch.label[i], s->sample[list[at]].label);
      if (ok) ok[at] = batch.ok[i];
      if (rows) memcpy(rows + at * ROW, batch.floats + i * ROW, ROW * sizeof *rows);
    }
  }
  ck_assert_uint_eq(at, DRAWS);
  ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK); /* and stays at the end */
  ck_assert_uint_eq(batch.count, 0);
}

static void open_set(kohl_samples *s) {
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, s), KOHL_OK);
  ck_assert_uint_eq(s->count, PICTURES);
}

/* One epoch of a fresh loader. */
static void load_all(kohl_samples *s, const kohl_loader_options *options, const size_t *list, float *rows, bool *ok) {
  kohl_preprocessing pre = small();
  kohl_loader *loader;
  ck_assert_msg(kohl_loader_create(context, s, &pre, options, &loader) == KOHL_OK, "%s", kohl_context_error(context));
  run_epoch(loader, s, list, 0, rows, ok);
  kohl_loader_destroy(loader);
}

START_TEST(workers_change_no_bit) {
  static float want[DRAWS * ROW], got[DRAWS * ROW], one[ROW];
  static const int workers[] = {0, 1, 2, 4, -1};
  char path[KOHL_SAMPLE_PATH];
  size_t list[DRAWS];
  kohl_samples s;
  kohl_preprocessing pre = small();
  uint32_t epoch = 1;
  make_list(list);
  open_set(&s);
  for (size_t k = 0; k < 5; k++) {
    kohl_loader_options options = with(workers[k], NULL);
    options.ahead = 1 + (int)k;
    load_all(&s, &options, list, k ? got : want, NULL);
    if (k) ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
  }
  /* Without augmentation they are kohl_prepare_file's. */
  for (size_t i = 0; i < DRAWS; i++) {
    ck_assert_int_eq(kohl_prepare_file(context, &pre, kohl_sample_path(&s, list[i], path), one), KOHL_OK);
    ck_assert_int_eq(memcmp(one, want + i * ROW, sizeof one), 0);
  }
  for (size_t k = 0; k < 5; k++) {
    kohl_loader_options options = with(workers[k], &epoch);
    load_all(&s, &options, list, k ? got : want, NULL);
    if (k) ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
  }
  /* Draws 5 and 6 are one sample, and differ in their augmentation by less than 1 a value. */
  ck_assert_uint_eq(list[5], list[6]);
  ck_assert_int_ne(memcmp(want + 5 * ROW, want + 6 * ROW, ROW * sizeof *want), 0);
  for (size_t i = 0; i < ROW; i++) ck_assert_float_eq_tol(want[5 * ROW + i], want[6 * ROW + i], 1.0f);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(epochs_resume_and_rows_of_bytes) {
  static float first[DRAWS * ROW], again[DRAWS * ROW];
  size_t list[DRAWS];
  kohl_samples s;
  kohl_preprocessing pre = small();
  kohl_loader *loader;
  uint32_t epoch = 1;
  make_list(list);
  open_set(&s);
  kohl_loader_options options = with(2, &epoch);
  ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
  run_epoch(loader, &s, list, 0, first, NULL);
  epoch = 2;
  run_epoch(loader, &s, list, 0, again, NULL);
  ck_assert_int_ne(memcmp(first, again, sizeof first), 0);
  epoch = 1;
  for (size_t from = 0; from <= DRAWS; from += 19) {
    memset(again, 0, sizeof again);
    run_epoch(loader, &s, list, from, again, NULL);
    ck_assert_int_eq(memcmp(first + from * ROW, again + from * ROW, (DRAWS - from) * ROW * sizeof *first), 0);
  }
  kohl_loader_stats stats = kohl_loader_read_stats(loader);
  ck_assert_uint_eq(stats.pictures, 0); /* of the last epoch, which began at its end */
  ck_assert_uint_eq(stats.listed, PICTURES);
  ck_assert_uint_gt(stats.decode_peak, 0);
  kohl_loader_destroy(loader);
  options = with(2, NULL);
  options.bytes = true;
  ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
  ck_assert_int_eq(kohl_loader_begin(loader, list, DRAWS, 0), KOHL_OK);
  kohl_batch batch;
  ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK);
  ck_assert_ptr_null(batch.floats);
  for (size_t i = 0; i < 5 * ROW; i++) {
    float noise = first[i] - (float)batch.bytes[i];
    ck_assert(noise >= 0.0f && noise <= 1.0f);
  }
  kohl_loader_destroy(loader);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(the_cache_changes_no_bit) {
  static float want[DRAWS * ROW], got[DRAWS * ROW];
  size_t list[DRAWS];
  kohl_samples s;
  kohl_preprocessing pre = small();
  uint32_t epoch = 1;
  make_list(list);
  open_set(&s);
  kohl_loader_options options = with(2, &epoch);
  load_all(&s, &options, list, want, NULL);
  for (size_t rows = 0; rows <= PICTURES + 3; rows += 13) {
    kohl_loader *loader;
    ck_assert_int_eq(kohl_cache_create(context, s.count, &pre.fit, rows * ROW + 5, &options.cache), KOHL_OK);
    ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
    for (int round = 0; round < 2; round++) {
      run_epoch(loader, &s, list, 0, got, NULL);
      ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    }
    kohl_loader_stats stats = kohl_loader_read_stats(loader);
    kohl_cache_stats cached = kohl_cache_read_stats(options.cache);
    size_t kept = rows < PICTURES ? rows : PICTURES;
    ck_assert_uint_eq(cached.used, kept);
    ck_assert_uint_eq(cached.bytes, kept * ROW);
    ck_assert_uint_eq(stats.decoded + stats.cached, DRAWS);
    if (kept == PICTURES) ck_assert_uint_eq(stats.cached, DRAWS); /* the second epoch opens nothing */
    if (kept == 0) ck_assert_uint_eq(stats.cached, 0);
    kohl_loader_destroy(loader);
    kohl_cache_destroy(context, options.cache);
  }
  /* One that was made for something else. */
  kohl_loader *loader;
  ck_assert_int_eq(kohl_cache_create(context, s.count - 1, &pre.fit, 1 << 20, &options.cache), KOHL_OK);
  ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_USAGE);
  kohl_cache_destroy(context, options.cache);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(bad_pictures_move_nothing) {
  static float want[DRAWS * ROW], got[DRAWS * ROW];
  static const int workers[] = {0, 1, 2, 4};
  static const float zeros[ROW];
  char told[4][4096], path[KOHL_SAMPLE_PATH];
  bool ok[DRAWS];
  size_t list[DRAWS];
  uint32_t epoch = 1;
  kohl_samples s;
  make_list(list);
  open_set(&s);
  kohl_loader_options options = with(2, &epoch);
  load_all(&s, &options, list, want, ok);
  for (size_t i = 0; i < DRAWS; i++) ck_assert(ok[i]);
  ck_assert_str_eq(warnings, "");
  store(picture_name(7), "no picture", 10);
  store(picture_name(11), "", 0);
  ck_assert_int_eq(unlink(in_folder(picture_name(4))), 0);
  for (size_t k = 0; k < 4; k++) {
    kohl_preprocessing pre = small();
    kohl_loader *loader;
    for (size_t i = 0; i < s.count; i++) s.sample[i].bad = false;
    s.bad = 0;
    warnings[0] = 0;
    options = with(workers[k], &epoch);
    ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
    size_t skipped = 0;
    for (int round = 0; round < 2; round++, skipped = 0) {
      run_epoch(loader, &s, list, 0, got, ok);
      for (size_t i = 0; i < DRAWS; i++) {
        const char *end = strrchr(kohl_sample_path(&s, list[i], path), '/');
        bool bad = !strcmp(end, "/07.png") || !strcmp(end, "/11.png") || !strcmp(end, "/04.png");
        ck_assert_int_eq(ok[i], !bad);
        skipped += bad;
        ck_assert_int_eq(memcmp(got + i * ROW, bad ? zeros : want + i * ROW, sizeof zeros), 0);
      }
      kohl_loader_stats stats = kohl_loader_read_stats(loader);
      ck_assert_uint_eq(stats.skipped, skipped);
      ck_assert_uint_eq(stats.pictures, DRAWS - skipped);
      ck_assert_uint_eq(stats.bad, 3);
      ck_assert_uint_eq(stats.decoded, DRAWS - skipped);
    }
    kohl_loader_destroy(loader);
    ck_assert_uint_eq(s.bad, 3);
    strcpy(told[k], warnings); /* each once, in the order of draws, for any number of workers */
    if (k) ck_assert_str_eq(told[k], told[0]);
  }
  size_t lines = 0;
  for (const char *c = told[0]; *c; c++) lines += *c == '\n';
  ck_assert_uint_eq(lines, 3);
  ck_assert_ptr_nonnull(strstr(told[0], "a/04.png: cannot be opened: No such file or directory\n"));
  ck_assert_ptr_nonnull(strstr(told[0], "b/07.png: not a JPEG or PNG: begins with the bytes 6e 6f 20 70\n"));
  ck_assert_ptr_nonnull(strstr(told[0], "b/11.png: empty file, expected a JPEG or PNG\n"));
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(too_many_bad_pictures) {
  size_t list[DRAWS];
  kohl_preprocessing pre = small();
  kohl_loader_stats stats;
  make_list(list);
  store(picture_name(7), "no picture", 10);
  store(picture_name(11), "", 0);
  for (int workers = 0; workers <= 2; workers++) {
    kohl_samples s;
    kohl_loader *loader;
    kohl_batch batch;
    open_set(&s);
    kohl_loader_options options = with(workers, NULL);
    options.bad_limit = 2.0 / PICTURES;
    load_all(&s, &options, list, NULL, NULL); /* two are not too many */
    kohl_samples_free(context, &s);
    open_set(&s);
    options.bad_limit = 0.05;
    ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
    ck_assert_int_eq(kohl_loader_begin(loader, list, DRAWS, 0), KOHL_OK);
    kohl_status status;
    do {
      status = kohl_loader_next(loader, &batch);
    } while (status == KOHL_OK && batch.count);
    ck_assert_int_eq(status, KOHL_BAD_INPUT);
    char text[512];
    char path[KOHL_SAMPLE_PATH];
    const char *a = kohl_sample_path(&s, 0, path);
    snprintf(text, sizeof text,
             "2 of 23 pictures are bad (8.7 %%), expected at most 5 %%; the first are: %.*s/b/07.png, %.*s/b/11.png",
             (int)strlen(folder) + 4, a, (int)strlen(folder) + 4, a);
    ck_assert_str_eq(kohl_context_error(context), text);
    ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK);
    ck_assert_uint_eq(batch.count, 0);
    stats = kohl_loader_read_stats(loader);
    ck_assert_uint_eq(stats.bad, 2);
    kohl_loader_destroy(loader);
    kohl_samples_free(context, &s);
  }
  ck_assert_int_eq(kohl_bad_check(context, &(kohl_samples){0}, 1, 100, 0.01), KOHL_OK);
  ck_assert_int_eq(kohl_bad_check(context, &(kohl_samples){0}, 2, 100, 0.01), KOHL_BAD_INPUT);
}
END_TEST

START_TEST(a_budget_is_kept) {
  size_t list[DRAWS], bytes, more;
  bool ok[DRAWS];
  kohl_samples s;
  kohl_preprocessing pre = small();
  make_list(list);
  open_set(&s);
  kohl_loader_options options = with(2, NULL);
  ck_assert_int_eq(kohl_loader_bytes(context, s.count, &pre, &options, &bytes), KOHL_OK);
  ck_assert_uint_gt(bytes, 2 * options.decode_bytes + 15 * ROW * sizeof(float));
  options.workers = 3;
  ck_assert_int_eq(kohl_loader_bytes(context, s.count, &pre, &options, &more), KOHL_OK);
  ck_assert_uint_gt(more, bytes + options.decode_bytes);
  options.decode_bytes = 1000; /* less than any of the decoder's rooms */
  load_all(&s, &options, list, NULL, ok);
  for (size_t i = 0; i < DRAWS; i++) ck_assert(!ok[i]);
  ck_assert_ptr_nonnull(strstr(warnings, ": decoding takes more than the 1000 bytes of a decode worker\n"));
  ck_assert_uint_eq(s.bad, PICTURES);
  options.decode_bytes = SIZE_MAX;
  ck_assert_int_eq(kohl_loader_bytes(context, s.count, &pre, &options, &more), KOHL_USAGE);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(options_that_cannot_be) {
  size_t list[2] = {0, PICTURES};
  kohl_samples s;
  kohl_loader *loader;
  uint32_t epoch = 0;
  open_set(&s);
  for (int k = 0; k < 10; k++) {
    kohl_preprocessing pre = small();
    kohl_loader_options options = with(1, NULL);
    if (k == 0) options.batch = 0;
    if (k == 1) options.batch = KOHL_LOADER_BATCH + 1;
    if (k == 2) options.workers = -2;
    if (k == 3) options.workers = KOHL_LOADER_WORKERS + 1;
    if (k == 4) options.ahead = 0;
    if (k == 5) options.bad_limit = -0.5;
    if (k == 6) options.bad_limit = (double)NAN;
    if (k == 7) options = with(1, &epoch), options.bytes = true;
    if (k == 8) pre.std[1] = 0;
    if (k == 9) pre.fit.w = 0;
    ck_assert_msg(kohl_loader_create(context, &s, &pre, &options, &loader) == KOHL_USAGE, "case %d", k);
    ck_assert_ptr_null(loader);
    ck_assert_str_ne(kohl_context_error(context), "");
  }
  kohl_preprocessing pre = small();
  kohl_loader_options options = with(1, NULL);
  ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
  ck_assert_int_eq(kohl_loader_begin(loader, list, 2, 0), KOHL_USAGE);
  ck_assert_int_eq(kohl_loader_begin(loader, list, 1, 2), KOHL_USAGE);
  kohl_batch batch;
  ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK); /* no epoch: nothing */
  ck_assert_uint_eq(batch.count, 0);
  kohl_loader_destroy(loader);
  kohl_loader_destroy(NULL);
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(stopped_midway) {
  size_t list[DRAWS];
  kohl_samples s;
  kohl_preprocessing pre = small();
  kohl_loader *loader;
  kohl_batch batch;
  make_list(list);
  open_set(&s);
  for (int batches = 0; batches < 4; batches++) {
    kohl_loader_options options = with(3, NULL);
    ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
    for (int round = 0; round < 2; round++) { /* the second begins while the first is at hand */
      ck_assert_int_eq(kohl_loader_begin(loader, list, DRAWS, 0), KOHL_OK);
      for (int i = 0; i < batches; i++) {
        ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK);
        ck_assert_uint_eq(batch.draw[0], (uint64_t)i * 5);
      }
    }
    kohl_loader_destroy(loader);
  }
  for (int workers = 0; workers <= 2; workers++) {
    kohl_loader_options options = with(workers, NULL);
    ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
    ck_assert_int_eq(kohl_loader_begin(loader, list, DRAWS, 0), KOHL_OK);
    ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK);
    atomic_store(&cancelled, true);
    ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_INTERRUPTED);
    atomic_store(&cancelled, false);
    ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK);
    ck_assert_uint_eq(batch.count, 0);
    kohl_loader_destroy(loader);
  }
  kohl_samples_free(context, &s);
}
END_TEST

/* Cancelled while the caller waits for a picture that does not come: a hook that sleeps until it is cancelled. */
static void dawdle(void *user, uint64_t draw, const uint8_t *rgb, float *dst, void *workspace) {
  (void)user, (void)draw, (void)rgb, (void)workspace;
  usleep(100000);
  atomic_store(&cancelled, true);
  usleep(200000); /* longer than the loader sleeps between two looks */
  memset(dst, 0, ROW * sizeof *dst);
}

START_TEST(cancelled_while_waiting) {
  size_t list[DRAWS];
  kohl_samples s;
  kohl_preprocessing pre = small();
  kohl_loader *loader;
  kohl_batch batch;
  make_list(list);
  open_set(&s);
  kohl_loader_options options = with(2, NULL);
  options.augment = dawdle;
  ck_assert_int_eq(kohl_loader_create(context, &s, &pre, &options, &loader), KOHL_OK);
  ck_assert_int_eq(kohl_loader_begin(loader, list, DRAWS, 0), KOHL_OK);
  ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_INTERRUPTED);
  kohl_loader_stats stats = kohl_loader_read_stats(loader);
  ck_assert(stats.waited >= 0.1 && stats.seconds >= stats.waited);
  kohl_loader_destroy(loader);
  kohl_samples_free(context, &s);
}
END_TEST

static kohl_status everything(kohl_context *ctx, const char *set, int workers) {
  kohl_samples s;
  kohl_preprocessing pre = small();
  kohl_loader_options options = with(workers, NULL);
  kohl_loader *loader = NULL;
  static const size_t list[8] = {0, 1, 2, 0, 3, 4, 5, 6};
  kohl_batch batch = {.count = 1};
  kohl_status status = kohl_samples_open(ctx, set, NULL, &s);
  if (status == KOHL_OK) status = kohl_cache_create(ctx, s.count, &pre.fit, 4 * ROW, &options.cache);
  if (status == KOHL_OK) status = kohl_loader_create(ctx, &s, &pre, &options, &loader);
  if (status == KOHL_OK) status = kohl_loader_begin(loader, list, 8, 0);
  while (status == KOHL_OK && batch.count) status = kohl_loader_next(loader, &batch);
  kohl_loader_destroy(loader);
  kohl_cache_destroy(ctx, options.cache);
  kohl_samples_free(ctx, &s);
  return status;
}

START_TEST(every_refused_allocation) {
  char set[128];
  meter m = {1000000, 0};
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  options.threads = 1;
  kohl_context *ctx;
  snprintf(set, sizeof set, "%s/set", folder);
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  for (int workers = 0; workers <= 2; workers += 2) {
    long before = atomic_load(&m.live), n = 0;
    kohl_status status;
    do {
      atomic_store(&m.left, n++);
      status = everything(ctx, set, workers);
      ck_assert_int_eq(atomic_load(&m.live), before);
      ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "allocation %ld: %s", n, kohl_context_error(ctx));
      if (status != KOHL_OK) ck_assert_str_ne(kohl_context_error(ctx), "");
    } while (status != KOHL_OK);
    ck_assert_int_gt(n, 60);
    atomic_store(&m.left, 1000000);
  }
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("loader");
  TCase *tests = tcase_create("loader");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, workers_change_no_bit);
  tcase_add_test(tests, epochs_resume_and_rows_of_bytes);
  tcase_add_test(tests, the_cache_changes_no_bit);
  tcase_add_test(tests, bad_pictures_move_nothing);
  tcase_add_test(tests, too_many_bad_pictures);
  tcase_add_test(tests, a_budget_is_kept);
  tcase_add_test(tests, options_that_cannot_be);
  tcase_add_test(tests, stopped_midway);
  tcase_add_test(tests, cancelled_while_waiting);
  tcase_add_test(tests, every_refused_allocation);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
