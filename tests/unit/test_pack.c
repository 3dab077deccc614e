/* Packs: the bits of the files they were made from, bad pictures, and files damaged at every byte. */
#include <check.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/loader.h"
#include "datasets/pack_format.h"
#include "datasets/split.h"
#include "kernels/core/crc32c.h"
#include "kernels/core/philox.h"

enum { PICTURES = 9, W = 7, H = 5, ROW = W * H * 3, INDEX = KOHL_PACK_PAGE };

static kohl_context *context;
static char folder[64];
static char warnings[8192];

static void gather(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level != KOHL_LOG_WARNING) return;
  strncat(warnings, text, sizeof warnings - strlen(warnings) - 2);
  strcat(warnings, "\n");
}

static const char *in_folder(const char *name) {
  static char path[2][512];
  static int turn;
  turn = !turn;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

static void store(const char *name, const void *bytes, size_t length) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

/* Three classes of three pictures of noise. */
static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.log = gather;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_pack_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  warnings[0] = 0;
  ck_assert_int_eq(mkdir(in_folder("set"), 0777), 0);
  for (int i = 0; i < PICTURES; i++) {
    char name[32];
    uint8_t pixels[30 * 30 * 3];
    uint32_t w = 8 + (uint32_t)i, h = 19 - (uint32_t)i;
    for (uint32_t p = 0; p < w * h * 3; p++) pixels[p] = (uint8_t)kohl_random_u32(1, 0, (uint64_t)i, 0, p);
    snprintf(name, sizeof name, "set/%c", "cab"[i / 3]);
    if (i % 3 == 0) ck_assert_int_eq(mkdir(in_folder(name), 0777), 0);
    snprintf(name, sizeof name, "set/%c/%d.png", "cab"[i / 3], i);
    png_image image = {.version = PNG_IMAGE_VERSION, .width = w, .height = h, .format = PNG_FORMAT_RGB};
    ck_assert_int_ne(png_image_write_to_file(&image, in_folder(name), 0, pixels, (int)w * 3, NULL), 0);
  }
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

static kohl_preprocessing small(void) {
  kohl_preprocessing pre = kohl_preprocessing_default();
  pre.fit = (kohl_fit){KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS, W, H, 0, 0, {9, 8, 7}};
  return pre;
}

/* Every sample once; bad_limit 1. */
static void load_all(kohl_samples *s, float *rows, bool *ok) {
  kohl_preprocessing pre = small();
  kohl_loader_options options = kohl_loader_options_default();
  size_t list[PICTURES];
  kohl_loader *loader;
  kohl_batch batch;
  options.bad_limit = 1.0;
  options.workers = 2;
  options.batch = 4;
  for (size_t i = 0; i < PICTURES; i++) list[i] = PICTURES - 1 - i;
  ck_assert_msg(kohl_loader_create(context, s, &pre, &options, &loader) == KOHL_OK, "%s", kohl_context_error(context));
  ck_assert_int_eq(kohl_loader_begin(loader, list, PICTURES, 0), KOHL_OK);
  for (;;) {
    ck_assert_int_eq(kohl_loader_next(loader, &batch), KOHL_OK);
    if (!batch.count) break;
    memcpy(rows + batch.draw[0] * ROW, batch.floats, batch.count * ROW * sizeof *rows);
    memcpy(ok + batch.draw[0], batch.ok, batch.count * sizeof *ok);
  }
  kohl_loader_destroy(loader);
}

static kohl_status pack(kohl_samples *s, const char *name, double bad_limit) {
  kohl_preprocessing pre = small();
  kohl_pack_options options = kohl_pack_options_default();
  options.workers = 2;
  options.bad_limit = bad_limit;
  return kohl_pack_write(context, s, &pre, &options, in_folder(name));
}

START_TEST(a_pack_has_the_bits_of_the_files) {
  float want[PICTURES * ROW], got[PICTURES * ROW];
  bool want_ok[PICTURES], got_ok[PICTURES];
  char path[2][KOHL_SAMPLE_PATH];
  kohl_samples s, t;
  for (int damaged = 0; damaged < 2; damaged++) {
    if (damaged) store("set/a/4.png", "no picture", 10);
    ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, &s), KOHL_OK);
    s.sample[3].split = KOHL_SPLIT_TEST;
    ck_assert_msg(pack(&s, "all.kpack", 0.2) == KOHL_OK, "%s", kohl_context_error(context));
    ck_assert_uint_eq(s.bad, damaged);
    load_all(&s, want, want_ok);
    warnings[0] = 0;
    ck_assert_msg(kohl_samples_open(context, in_folder("all.kpack"), NULL, &t) == KOHL_OK, "%s",
                  kohl_context_error(context));
    ck_assert_uint_eq(t.count, PICTURES);
    ck_assert_uint_eq(t.bad, damaged);
    ck_assert_uint_eq(t.class_count, 3);
    for (size_t i = 0; i < 3; i++) ck_assert_str_eq(t.classes[i], s.classes[i]);
    for (size_t i = 0; i < PICTURES; i++) {
      ck_assert_str_eq(kohl_sample_path(&t, i, path[0]), kohl_sample_path(&s, i, path[1]));
      ck_assert_int_eq(t.sample[i].label, s.sample[i].label);
      ck_assert_int_eq(t.sample[i].split, s.sample[i].split);
      ck_assert_int_eq(t.sample[i].bad, s.sample[i].bad);
    }
    load_all(&t, got, got_ok);
    ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    ck_assert_int_eq(memcmp(want_ok, got_ok, sizeof want_ok), 0);
    const char *told = strstr(warnings, "a/4.png: was bad when ");
    ck_assert_int_eq(told != NULL, damaged);
    if (told) ck_assert_ptr_null(strstr(told + 1, "bad picture")); /* once */
    kohl_samples_free(context, &s);
    kohl_samples_free(context, &t);
  }
}
END_TEST

START_TEST(weights_groups_and_several_labels) {
  static const char rows[] =
      "path,label,weight,group,split\n"
      "set/c/0.png,x;y,1,g1,train\nset/a/4.png,y,0.5,g2,train\nset/b/8.png,z;x;y,2,g1,test\n";
  static const char *const given[] = {"z", "y", "x"};
  kohl_source_options several = {.several_labels = true}, mapped = {.classes = given, .class_count = 3};
  kohl_samples s, t;
  store("rows.csv", rows, sizeof rows - 1);
  ck_assert_int_eq(kohl_samples_open(context, in_folder("rows.csv"), &several, &s), KOHL_OK);
  ck_assert_msg(pack(&s, "all.kpack", 0) == KOHL_OK, "%s", kohl_context_error(context));
  for (int round = 0; round < 2; round++) { /* the second with classes in another order */
    ck_assert_int_eq(kohl_samples_open(context, in_folder("all.kpack"), round ? &mapped : NULL, &t), KOHL_OK);
    for (size_t i = 0; i < 3; i++) {
      size_t want, got;
      const int *a = kohl_sample_labels(&s, i, &want), *b = kohl_sample_labels(&t, i, &got);
      ck_assert_uint_eq(want, got);
      for (size_t k = 0; k < want; k++) ck_assert_str_eq(s.classes[a[k]], t.classes[b[k]]);
      ck_assert_int_eq(t.sample[i].label, b[0]);
      ck_assert_float_eq(kohl_sample_weight(&s, i), kohl_sample_weight(&t, i));
      ck_assert_str_eq(kohl_sample_group(&s, i), kohl_sample_group(&t, i));
      ck_assert_int_eq(s.sample[i].split, t.sample[i].split);
    }
    kohl_samples_free(context, &t);
  }
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(classes_are_looked_up) {
  static const char *const given[] = {"x", "b", "a", "c"}, *const few[] = {"a", "b"};
  kohl_source_options options = {.classes = given, .class_count = 4};
  kohl_samples s;
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), &options, &s), KOHL_OK);
  ck_assert_int_eq(pack(&s, "all.kpack", 0), KOHL_OK);
  kohl_samples_free(context, &s);
  /* Without given classes they are the pack's, in its order and with the one that has no picture. */
  ck_assert_int_eq(kohl_samples_open(context, in_folder("all.kpack"), NULL, &s), KOHL_OK);
  ck_assert_uint_eq(s.class_count, 4);
  for (size_t i = 0; i < 4; i++) ck_assert_str_eq(s.classes[i], given[i]);
  ck_assert_int_eq(s.sample[0].label, 2);
  kohl_samples_free(context, &s);
  options = (kohl_source_options){.classes = few, .class_count = 2};
  ck_assert_int_eq(kohl_samples_open(context, in_folder("all.kpack"), &options, &s), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "all.kpack: class 'c', expected one of: a, b"));
}
END_TEST

START_TEST(another_fit_is_refused) {
  kohl_samples s;
  kohl_loader *loader;
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, &s), KOHL_OK);
  ck_assert_int_eq(pack(&s, "all.kpack", 0), KOHL_OK);
  kohl_samples_free(context, &s);
  ck_assert_int_eq(kohl_samples_open(context, in_folder("all.kpack"), NULL, &s), KOHL_OK);
  for (int k = 0; k < 9; k++) {
    kohl_preprocessing pre = small();
    kohl_loader_options options = kohl_loader_options_default();
    options.workers = 0;
    if (k == 0) pre.fit.w++;
    if (k == 1) pre.fit.mode = KOHL_FIT_STRETCH;
    if (k == 2) pre.fit.filter = KOHL_FILTER_BILINEAR;
    if (k == 3) pre.fit.background[2]++;
    if (k == 4) pre.decode.background[0]--;
    if (k == 5) pre.fit.resize = 77; /* LETTERBOX does not read it */
    if (k == 6) pre.mean[0] = 1;     /* nor is normalising the pack's business */
    if (k == 7) pre.decode.orient = true;
    if (k == 8) pre.decode.fast = true;
    kohl_status want = k < 5 || k > 6 ? KOHL_BAD_INPUT : KOHL_OK;
    ck_assert_msg(kohl_loader_create(context, &s, &pre, &options, &loader) == want, "case %d", k);
    if (want != KOHL_OK) ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "all.kpack: pictures "));
    kohl_loader_destroy(loader);
  }
  kohl_samples_free(context, &s);
}
END_TEST

static size_t read_whole(const char *name, uint8_t **out) {
  FILE *file = fopen(in_folder(name), "rb");
  ck_assert_ptr_nonnull(file);
  *out = malloc(1 << 20);
  size_t n = fread(*out, 1, 1 << 20, file);
  fclose(file);
  return n;
}

START_TEST(damage_is_found) {
  kohl_samples s;
  uint8_t *bytes;
  kohl_pack *p;
  const uint8_t *rgb;
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, &s), KOHL_OK);
  ck_assert_int_eq(pack(&s, "all.kpack", 0), KOHL_OK);
  kohl_samples_free(context, &s);
  size_t length = read_whole("all.kpack", &bytes);
  ck_assert_uint_eq(length, INDEX + PICTURES * ROW);
  /* Header and index: every byte is under a CRC, so that every flip is refused. */
  for (size_t at = 0; at < INDEX; at++) {
    for (int bit = 0; bit < 8; bit += at < 1024 ? 1 : 7) {
      bytes[at] ^= (uint8_t)(1 << bit);
      ck_assert_int_eq(kohl_pack_open_memory(context, "damaged", bytes, length, &p), KOHL_BAD_INPUT);
      ck_assert_ptr_null(p);
      ck_assert_int_eq(strncmp(kohl_context_error(context), "damaged: ", 9), 0);
      bytes[at] ^= (uint8_t)(1 << bit);
    }
  }
  /* Pictures: every flip is that picture's, when it is read. */
  for (size_t at = INDEX; at < length; at += 3) {
    bytes[at] ^= 4;
    ck_assert_int_eq(kohl_pack_open_memory(context, "damaged", bytes, length, &p), KOHL_OK);
    for (size_t i = 0; i < PICTURES; i++) {
      bool hit = (at - INDEX) / ROW == i;
      ck_assert_int_eq(kohl_pack_picture(context, p, i, &rgb), hit ? KOHL_BAD_INPUT : KOHL_OK);
      if (hit) ck_assert_int_eq(kohl_pack_picture(context, p, i, &rgb), KOHL_BAD_INPUT);
    }
    kohl_pack_close(context, p);
    bytes[at] ^= 4;
  }
  for (size_t n = 0; n <= length + 1; n = n < INDEX + 3 || n >= length - 3 ? n + 1 : n + 97) {
    uint8_t *part = malloc(n + 1); /* its own block, so that reading behind it is seen by the sanitizers */
    memcpy(part, bytes, n < length ? n : length);
    part[n] = 0;
    ck_assert_int_eq(kohl_pack_open_memory(context, "cut", part, n, &p), n == length ? KOHL_OK : KOHL_BAD_INPUT);
    kohl_pack_close(context, p);
    free(part);
  }
  free(bytes);
}
END_TEST

/* Fields that are wrong under CRCs that are right. */
START_TEST(lies_are_refused) {
  static const char rows[] = "path,label,group\nset/c/0.png,x;y,g\nset/a/4.png,y,h\nset/b/8.png,z;x,h\n";
  kohl_source_options several = {.several_labels = true};
  kohl_samples s;
  uint8_t *bytes;
  kohl_pack *p;
  store("rows.csv", rows, sizeof rows - 1);
  ck_assert_int_eq(kohl_samples_open(context, _i ? in_folder("rows.csv") : in_folder("set"), _i ? &several : NULL, &s),
                   KOHL_OK);
  ck_assert_int_eq(pack(&s, "all.kpack", 0), KOHL_OK);
  kohl_samples_free(context, &s);
  size_t length = read_whole("all.kpack", &bytes);
  size_t tried = 0, refused = 0;
  for (size_t at = 8; at < INDEX; at++) {
    static const uint8_t values[] = {0, 1, 0x7f, 0xff};
    if (at >= 116 && at < 128) continue;
    for (size_t v = 0; v < sizeof values; v++) {
      uint8_t old = bytes[at];
      kohl_pack_header h;
      if (values[v] == old) continue;
      bytes[at] = values[v];
      memcpy(&h, bytes, sizeof h);
      h.index_crc = kohl_crc32c(0, bytes + sizeof h, INDEX - sizeof h);
      h.header_crc = kohl_crc32c(0, &h, offsetof(kohl_pack_header, header_crc));
      memcpy(bytes, &h, sizeof h);
      kohl_status status = kohl_pack_open_memory(context, "lie", bytes, length, &p);
      tried++;
      refused += status != KOHL_OK;
      if (status == KOHL_OK) {
        for (size_t i = 0; i < kohl_pack_about(p)->count; i++) {
          const uint8_t *rgb;
          kohl_pack_sample own = kohl_pack_sample_at(p, i);
          kohl_pack_picture(context, p, i, &rgb);
          ck_assert_int_lt(own.label, 3);
          for (size_t k = 0; own.labels && k < own.label_count; k++) ck_assert(own.labels[k] >= 0 && own.labels[k] < 3);
          ck_assert(_i ? own.group[0] != 0 : !own.group);
        }
      }
      kohl_pack_close(context, p);
      bytes[at] = old;
    }
  }
  ck_assert_uint_gt(refused, 600);
  ck_assert_uint_lt(refused, tried); /* letters of a path and colours may be anything */
  free(bytes);
}
END_TEST

START_TEST(a_file_that_becomes_shorter) {
  kohl_samples s;
  const uint8_t *rgb;
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, &s), KOHL_OK);
  ck_assert_int_eq(pack(&s, "all.kpack", 0), KOHL_OK);
  kohl_samples_free(context, &s);
  ck_assert_int_eq(kohl_samples_open(context, in_folder("all.kpack"), NULL, &s), KOHL_OK);
  ck_assert_int_eq(kohl_pack_picture(context, s.pack, 0, &rgb), KOHL_OK);
  ck_assert_int_eq(truncate(in_folder("all.kpack"), 100), 0);
  ck_assert_int_eq(kohl_pack_picture(context, s.pack, 0, &rgb), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "became shorter"));
  kohl_samples_free(context, &s);
}
END_TEST

START_TEST(no_pack_is_left_behind) {
  kohl_samples s;
  store("set/a/4.png", "no picture", 10);
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, &s), KOHL_OK);
  ck_assert_int_eq(pack(&s, "all.kpack", 0.01), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "1 of 9 pictures are bad (11.1 %)"));
  ck_assert_int_eq(access(in_folder("all.kpack"), F_OK), -1);
  ck_assert_int_eq(pack(&s, "no/where.kpack", 1), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_pack_write(context, &(kohl_samples){0}, &(kohl_preprocessing){0},
                                   &(kohl_pack_options){.bad_limit = 1}, in_folder("x")),
                   KOHL_USAGE);
  char command[128];
  snprintf(command, sizeof command, "test \"$(ls %s)\" = set", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_samples_free(context, &s);
  ck_assert(!kohl_pack_recognise(in_folder("set")));
  ck_assert(!kohl_pack_recognise(in_folder("set/a/4.png")));
  ck_assert(!kohl_pack_recognise(in_folder("nothing")));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pack");
  TCase *tests = tcase_create("pack");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, a_pack_has_the_bits_of_the_files);
  tcase_add_test(tests, weights_groups_and_several_labels);
  tcase_add_test(tests, classes_are_looked_up);
  tcase_add_test(tests, another_fit_is_refused);
  tcase_add_test(tests, damage_is_found);
  tcase_add_loop_test(tests, lies_are_refused, 0, 2);
  tcase_add_test(tests, a_file_that_becomes_shorter);
  tcase_add_test(tests, no_pack_is_left_behind);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
