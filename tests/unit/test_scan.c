/* Looks, copies and similar pictures; batches of pixels written and read; every allocation refused on the way. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/cifar.h"
#include "datasets/duplicates.h"
#include "datasets/pickle.h"
#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"
#include "tests/unit/meter.h"

static kohl_context *context;
static char folder[64];

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 2;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_scan_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

static const char *in_folder(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void store(const char *name, const void *bytes, size_t length) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

/* A list of `count` pictures that do not exist, classes and parts by their numbers modulo two and three. */
static void make_list(size_t count, kohl_samples *out) {
  char *text = malloc(64 * count + 64);
  size_t used = (size_t)sprintf(text, "path,label,split\n");
  static const char *const splits[] = {"train", "val", "test"};
  for (size_t i = 0; i < count; i++) used += (size_t)sprintf(text + used, "/no/%zu,c%zu,%s\n", i, i % 2, splits[i % 3]);
  kohl_csv *csv;
  ck_assert_int_eq(kohl_csv_open_memory(context, "t", text, used, &csv), KOHL_OK);
  ck_assert_int_eq(kohl_samples_from_csv(context, csv, NULL, NULL, out), KOHL_OK);
  kohl_csv_close(context, csv);
  free(text);
}

START_TEST(look_of_a_picture) {
  /* 18 x 16: every cell of the look is 2 x 2 pixels of one colour. */
  uint8_t rgb[16][18][3];
  for (int y = 0; y < 16; y++) {
    for (int x = 0; x < 18; x++) {
      for (int c = 0; c < 3; c++) rgb[y][x][c] = (uint8_t)(x / 2 * 20 + (c == 1 ? y / 2 : 0));
    }
  }
  kohl_picture picture = {18, 16, &rgb[0][0][0], "test"};
  kohl_look look;
  ck_assert_int_eq(kohl_picture_look(context, &picture, &look), KOHL_OK);
  ck_assert(look.difference == ~UINT64_C(0));
  for (int y = 0; y < 8; y++) {
    for (int x = 0; x < 9; x++) ck_assert_int_eq(look.grey[y][x], (1000 * (20 * x) + 587 * y + 500) / 1000);
  }
  for (int c = 0; c < 3; c++) rgb[4][6][c] = rgb[4][7][c] = rgb[5][6][c] = rgb[5][7][c] = 250; /* cell 3 of row 2 */
  ck_assert_int_eq(kohl_picture_look(context, &picture, &look), KOHL_OK);
  ck_assert(look.difference == ~(UINT64_C(1) << (8 * 2 + 3)));
}
END_TEST

/* Copies are found from files alone, without decoding; what is kept keeps its columns. */
START_TEST(copies_of_files_and_what_is_kept) {
  static const char text[] = "path,label,group,weight\n0,a;b,g,1\n1,b,h,2\n2,a,g,3\n3,b;a,i,4\n4,a,i,5\n5,b,h,6\n";
  static const char *const files[] = {"same", "long one", "same", "diff", "", "long one"};
  for (int i = 0; i < 6; i++) {
    char name[16];
    snprintf(name, sizeof name, "%d", i);
    store(name, files[i], strlen(files[i]));
  }
  kohl_csv *csv;
  kohl_samples s;
  kohl_scan scan = {0};
  kohl_duplicates exact;
  uint32_t *copy_of;
  size_t labels;
  kohl_source_options options = {.several_labels = true};
  ck_assert_int_eq(kohl_csv_open_memory(context, "t", text, sizeof text - 1, &csv), KOHL_OK);
  ck_assert_int_eq(kohl_samples_from_csv(context, csv, folder, &options, &s), KOHL_OK);
  kohl_csv_close(context, csv);
  ck_assert_int_eq(kohl_scan_files(context, &s, &scan), KOHL_OK);
  ck_assert_int_eq(kohl_duplicates_exact(context, &s, &scan, &exact), KOHL_OK);
  ck_assert_uint_eq(exact.count, 2);
  ck_assert_int_eq(kohl_duplicates_copies(context, &s, &exact, &copy_of), KOHL_OK);
  static const uint32_t want[] = {0, 1, 0, 3, 4, 1};
  ck_assert_mem_eq(copy_of, want, sizeof want);
  kohl_free(context, copy_of);
  s.sample[5].bad = s.sample[4].bad = true;
  s.bad = 2;
  ck_assert_int_eq(kohl_duplicates_drop(context, &s, &exact), KOHL_OK);
  ck_assert_uint_eq(s.count, 4); /* 0, 1, 3, 4 */
  ck_assert_uint_eq(s.bad, 1);
  ck_assert(s.sample[3].bad);
  char path[KOHL_SAMPLE_PATH];
  ck_assert_str_eq(kohl_sample_path(&s, 2, path), in_folder("3"));
  ck_assert_str_eq(kohl_sample_group(&s, 2), "i");
  ck_assert_float_eq(kohl_sample_weight(&s, 2), 4);
  const int *label = kohl_sample_labels(&s, 2, &labels);
  ck_assert(labels == 2 && label[0] == 1 && label[1] == 0);
  label = kohl_sample_labels(&s, 3, &labels);
  ck_assert(labels == 1 && label[0] == 0);
  kohl_duplicates_free(context, &exact);
  kohl_scan_free(context, &scan);
  kohl_samples_free(context, &s);
}
END_TEST

/* Banding must find what comparing all pairs finds. */
START_TEST(similar_against_all_pairs) {
  enum { COUNT = 1500 };
  kohl_samples samples;
  make_list(COUNT, &samples);
  kohl_scan scan = {0};
  scan.picture = calloc(COUNT, sizeof *scan.picture);
  for (int distance = 0; distance <= KOHL_DISTANCE_MOST; distance += 2) {
    for (size_t i = 0; i < COUNT; i++) { /* fifty kinds, each with up to 10 bits and a few greys changed */
      kohl_scan_picture *p = &scan.picture[i];
      uint32_t kind = kohl_random_u32(1, 0, i, 1, 0) % 50, flips = kohl_random_u32(1, 0, i, 1, 1) % 11;
      p->w = i % 97 != 0; /* some are bad */
      p->look.difference = (uint64_t)kohl_random_u32(2, 0, kind, 1, 0) << 32 | kohl_random_u32(2, 0, kind, 1, 1);
      for (uint32_t f = 0; f < flips; f++) p->look.difference ^= UINT64_C(1) << kohl_random_u32(3, 0, i, 1, f) % 64;
      memset(p->look.grey, (int)(kohl_random_u32(4, 0, i, 1, 0) % 12 + 100), sizeof p->look.grey);
    }
    size_t want[COUNT];
    bool changed = true;
    for (size_t i = 0; i < COUNT; i++) want[i] = i;
    while (changed) {
      changed = false;
      for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < i; k++) {
          const kohl_look *a = &scan.picture[i].look, *b = &scan.picture[k].look;
          if (want[i] == want[k] || !scan.picture[i].w || !scan.picture[k].w) continue;
          if (__builtin_popcountll(a->difference ^ b->difference) > distance) continue;
          if (abs(a->grey[0][0] - b->grey[0][0]) > 8) continue;
          want[i] = want[k] = want[i] < want[k] ? want[i] : want[k];
          changed = true;
        }
      }
    }
    size_t groups = 0, size[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++) groups += ++size[want[i]] == 2;
    kohl_duplicates none = {0}, found;
    ck_assert_int_eq(kohl_duplicates_similar(context, &samples, &scan, &none, distance, &found), KOHL_OK);
    ck_assert_uint_eq(found.count, groups);
    ck_assert_uint_gt(groups, 0);
    for (size_t g = 0; g < found.count; g++) {
      const size_t *member = found.member + found.group[g].begin;
      bool labels = false, splits = false;
      ck_assert_uint_eq(found.group[g].count, size[member[0]]);
      for (size_t i = 0; i < found.group[g].count; i++) {
        ck_assert_uint_eq(want[member[i]], member[0]);
        labels |= member[i] % 2 != member[0] % 2;
        splits |= member[i] % 3 != member[0] % 3;
      }
      ck_assert_int_eq(found.group[g].labels_differ, labels);
      ck_assert_int_eq(found.group[g].splits_differ, splits);
    }
    kohl_duplicates_free(context, &found);
  }
  free(scan.picture);
  kohl_samples_free(context, &samples);
}
END_TEST

/* A batch of two pictures of 4 x 4 in protocol 2; latin: as Python 3 writes it. */
static size_t make_pickle(bool latin, uint8_t *out) {
  static const char head[] =
      "\x80\x02}(U\x04"
      "datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1K\2K\x30\x86"
      "cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89";
  static const char encode[] = "c_codecs\nencode\nX", tail[] = "tbU\6labels](K\1K\0eu.";
  size_t n = sizeof head - 1, bytes = 0;
  memcpy(out, head, n);
  memcpy(out + n, latin ? encode : "T", latin ? sizeof encode - 1 : 1);
  n += latin ? sizeof encode - 1 : 1;
  size_t length_at = n;
  n += 4;
  for (int i = 0; i < 96; i++) {
    uint8_t pixel = (uint8_t)(i * 37);
    if (latin && pixel >= 0x80) out[n + bytes++] = (uint8_t)(0xc0 | pixel >> 6);
    out[n + bytes++] = latin && pixel >= 0x80 ? (uint8_t)(0x80 | (pixel & 63)) : pixel;
  }
  for (int i = 0; i < 4; i++) out[length_at + (size_t)i] = (uint8_t)(bytes >> 8 * i);
  n += bytes;
  if (latin) memcpy(out + n, "U\6latin1\x86R", 10);
  n += latin ? 10 : 0;
  memcpy(out + n, tail, sizeof tail - 1);
  return n + sizeof tail - 1;
}

static void make_batches(bool latin) {
  static const char meta[] = "\x80\x02}U\x0blabel_names](U\1aU\1bes.";
  uint8_t batch[1024];
  store("batches.meta", meta, sizeof meta - 1);
  size_t length = make_pickle(latin, batch);
  store("data_batch_1", batch, length);
}

START_TEST(records_of_pickles) {
  for (int latin = 0; latin < 2; latin++) {
    make_batches(latin);
    kohl_samples s;
    ck_assert_msg(kohl_samples_open(context, folder, NULL, &s) == KOHL_OK, "%s", kohl_context_error(context));
    ck_assert_uint_eq(s.count, 2);
    char path[KOHL_SAMPLE_PATH], want[128];
    snprintf(want, sizeof want, "%s/data_batch_1#1", folder);
    ck_assert_str_eq(kohl_sample_path(&s, 1, path), want);
    ck_assert_str_eq(kohl_sample_name(&s, 1, path), "data_batch_1#1");
    for (size_t i = 0; i < 2; i++) {
      kohl_picture picture;
      int w, h;
      size_t bytes;
      ck_assert_int_eq(s.sample[i].label, (int)(1 - i));
      ck_assert(kohl_sample_pixels(&s, i, &w, &h, &bytes) && w == 4 && h == 4 && bytes == 48);
      ck_assert_msg(kohl_sample_picture(context, &s, i, NULL, &picture) == KOHL_OK, "%s", kohl_context_error(context));
      for (size_t p = 0; p < 16; p++) {
        for (size_t c = 0; c < 3; c++) ck_assert_int_eq(picture.rgb[3 * p + c], (uint8_t)((48 * i + 16 * c + p) * 37));
      }
      kohl_picture_free(context, &picture);
    }
    kohl_picture none;
    ck_assert_int_eq(truncate(in_folder("data_batch_1"), 100), 0);
    ck_assert_int_eq(kohl_sample_picture(context, &s, 0, NULL, &none), KOHL_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "data_batch_1: changed since it was listed"));
    ck_assert_ptr_null(none.rgb);
    kohl_samples_free(context, &s);
  }
}
END_TEST

/* Every byte of a pickle cut off or changed: refused or read, and never out of bounds (the sanitizers look). */
START_TEST(every_pickle_spoilt) {
  static const char *const keys[] = {"labels"};
  size_t refused = 0, tried = 0;
  for (int latin = 0; latin < 2; latin++) {
    uint8_t good[1024];
    size_t length = make_pickle(latin, good);
    for (size_t at = 0; at < length; at++) {
      for (int change = 0; change < 9; change++) { /* 0: cut here; else one bit flipped */
        size_t n = change ? length : at;
        uint8_t *bytes = malloc(n ? n : 1); /* its own memory, so that a byte too far is seen */
        memcpy(bytes, good, n);
        if (change) bytes[at] ^= (uint8_t)(1 << (change - 1));
        kohl_pickle_batch batch;
        kohl_status status = kohl_pickle_batch_read(context, "t", bytes, n, keys, 1, &batch);
        ck_assert(status == KOHL_OK || status == KOHL_BAD_INPUT);
        ck_assert(change || status == KOHL_BAD_INPUT);
        refused += status != KOHL_OK;
        tried++;
        kohl_pickle_batch_free(context, &batch);
        free(bytes);
      }
    }
  }
  ck_assert_uint_gt(refused, tried / 2);
}
END_TEST

/* A set of batches listed, scanned, searched for copies, and written again. */
static kohl_status everything(kohl_context *ctx, const char *set, const char *out) {
  kohl_samples s;
  kohl_scan scan = {0};
  kohl_duplicates exact = {0}, similar = {0};
  kohl_fit fit = {KOHL_FIT_STRETCH, KOHL_FILTER_BOX, 4, 4, 0, 0, {0, 0, 0}};
  size_t written;
  kohl_status status = kohl_samples_open(ctx, set, NULL, &s);
  if (status == KOHL_OK) status = kohl_scan_run(ctx, &s, NULL, NULL, &scan);
  if (status == KOHL_OK) status = kohl_duplicates_exact(ctx, &s, &scan, &exact);
  if (status == KOHL_OK) status = kohl_duplicates_similar(ctx, &s, &scan, &exact, 4, &similar);
  if (status == KOHL_OK) status = kohl_cifar_write(ctx, &s, &fit, out, &written);
  kohl_duplicates_free(ctx, &similar);
  kohl_duplicates_free(ctx, &exact);
  kohl_scan_free(ctx, &scan);
  kohl_samples_free(ctx, &s);
  return status;
}

START_TEST(every_refused_allocation) {
  char out[128];
  snprintf(out, sizeof out, "%s/out", folder);
  for (int latin = 0; latin < 2; latin++) {
    make_batches(latin);
    meter m = {1000000, 0};
    kohl_context_options options = kohl_context_options_default();
    options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
    options.threads = 1;
    kohl_context *ctx;
    ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
    long before = m.live, n = 0;
    kohl_status status;
    do {
      m.left = n++;
      status = everything(ctx, folder, out);
      ck_assert_int_eq(m.live, before);
      ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "allocation %ld: %s", n, kohl_context_error(ctx));
      ck_assert(status == KOHL_OK || access(in_folder("out/test_batch.bin"), F_OK) != 0);
    } while (status != KOHL_OK);
    ck_assert_int_gt(n, 40);
    m.left = 1000000;
    kohl_context_destroy(ctx);
    kohl_samples s;
    ck_assert_msg(kohl_samples_open(context, out, NULL, &s) == KOHL_OK, "%s", kohl_context_error(context));
    ck_assert_uint_eq(s.count, 2);
    kohl_samples_free(context, &s);
    char command[256];
    snprintf(command, sizeof command, "rm -r %s", out);
    ck_assert_int_eq(system(command), 0);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("scan");
  TCase *tests = tcase_create("scan");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, look_of_a_picture);
  tcase_add_test(tests, copies_of_files_and_what_is_kept);
  tcase_add_test(tests, similar_against_all_pairs);
  tcase_add_test(tests, records_of_pickles);
  tcase_add_test(tests, every_pickle_spoilt);
  tcase_add_test(tests, every_refused_allocation);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
