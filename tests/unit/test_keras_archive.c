/* The reader of .keras archives on whole, cut and changed bytes, and what hdf5.h gives of the file inside.  The archive
 * is one of Keras 3.15; what it computes is compared in tests/oracle/keras3.py. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/container/zip.h"
#include "convert/hdf5/hdf5.h"
#include "convert/source.h"

#define ARCHIVE "tests/fixtures/keras3/arithmetic-3.15.keras"

static kohl_context *ctx;
static char path[] = "/tmp/kohl_test_keras_XXXXXX";
static int file;
static unsigned char bytes[1 << 16];
static size_t length;

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(path + strlen(path) - 6, "XXXXXX");
  file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  FILE *from = fopen(ARCHIVE, "rb");
  ck_assert_ptr_nonnull(from);
  length = fread(bytes, 1, sizeof bytes, from);
  ck_assert(length > 1000 && length < sizeof bytes);
  fclose(from);
  ck_assert_int_eq(pwrite(file, bytes, length, 0), (ssize_t)length);
}

static void teardown(void) {
  close(file);
  unlink(path);
  kohl_context_destroy(ctx);
}

static kohl_status open_file(kohl_source *source) {
  *source = (kohl_source){.path = path};
  return kohl_keras_archive_source(ctx, path, source);
}

static void close_source(kohl_source *source) {
  if (source->call) source->call->close(ctx, source);
}

/* Refused in one line that names the file. */
static void expect_refused(kohl_status status, size_t at) {
  const char *text = kohl_context_error(ctx);
  ck_assert_msg(status == KOHL_BAD_INPUT && strncmp(text, path, strlen(path)) == 0 && !strchr(text, '\n'),
                "at %zu: %d %s", at, status, text);
}

START_TEST(cut_off_anywhere) {
  kohl_source source;
  for (size_t n = length; n-- > 0;) {
    ck_assert_int_eq(ftruncate(file, (off_t)n), 0);
    expect_refused(open_file(&source), n);
    close_source(&source);
  }
}
END_TEST

#ifdef KOHL_HDF5

START_TEST(whole) {
  kohl_source source;
  kohl_graph *graph;
  ck_assert_msg(open_file(&source) == KOHL_OK, "%s", kohl_context_error(ctx));
  ck_assert_uint_eq(source.count, 4);
  ck_assert(source.describes && !source.affine);
  ck_assert_ptr_nonnull(strstr(source.source_text, "Keras 3.15"));
  const kohl_source_tensor *first = &source.tensors[0];
  ck_assert_str_eq(first->layer, "conv2d");
  ck_assert_str_eq(first->suffix, "weight");
  ck_assert(first->info.dims == 4 && first->info.shape[0] == 5 && first->info.shape[3] == 2);
  ck_assert_int_eq(source.call->graph(ctx, &source, 20, &graph), KOHL_OK);
  ck_assert(graph->nodes[0].shape.h == 20 && graph->nodes[0].shape.w == 20 && source.affine);
  /* (x / 127.5 - 1 - mean) / sqrt(variance), in double */
  ck_assert_double_eq_tol(source.input_scale[1], 1 / 127.5 / 0.5, 1e-12);
  ck_assert_double_eq_tol(source.input_shift[1], (-1 + 0.1) / 0.5, 1e-12);
  kohl_graph_destroy(ctx, graph);
  close_source(&source);
}
END_TEST

/* Of a member's own bytes a checksum is wrong; of the headers some bits mean nothing, as the time. */
START_TEST(changed_bits) {
  kohl_source source;
  size_t refused = 0, taken = 0;
  for (size_t at = 0; at < length; at++) {
    bool header = at < 160 || at + 300 > length;
    if (!header && at % 64 != 0) continue;
    for (int bit = 0; bit < 8; bit++) {
      unsigned char changed = bytes[at] ^ (unsigned char)(1 << bit);
      ck_assert_int_eq(pwrite(file, &changed, 1, (off_t)at), 1);
      kohl_status status = open_file(&source);
      if (status) expect_refused(status, at);
      if (!header) ck_assert_msg(status != KOHL_OK, "byte %zu, bit %d is not missed", at, bit);
      refused += status != KOHL_OK;
      taken += status == KOHL_OK;
      close_source(&source);
    }
    ck_assert_int_eq(pwrite(file, &bytes[at], 1, (off_t)at), 1);
  }
  ck_assert(refused > 3000 && taken < 1500);
}
END_TEST

START_TEST(lists_of_groups) {
  kohl_zip zip;
  kohl_hdf5 *h5;
  kohl_hdf5_texts texts = {0};
  kohl_hdf5_kind kind;
  ck_assert_int_eq(kohl_zip_open(ctx, path, bytes, length, &zip), KOHL_OK);
  const kohl_zip_member *member = kohl_zip_find(&zip, "model.weights.h5");
  ck_assert_int_eq(kohl_hdf5_open_memory(ctx, "inside", member->bytes, member->length, &h5), KOHL_OK);
  ck_assert_uint_eq(kohl_hdf5_bytes(h5), member->length);
  ck_assert_int_eq(kohl_hdf5_list(ctx, h5, "/layers/conv2d/vars", 100, &texts), KOHL_OK);
  ck_assert(texts.found && texts.count == 2);
  ck_assert_str_eq(texts.text[0], "0");
  ck_assert_str_eq(texts.text[1], "1");
  ck_assert_int_eq(kohl_hdf5_list(ctx, h5, "/layers/dense", 100, &texts), KOHL_OK); /* appends */
  ck_assert_uint_eq(texts.count, 3);
  ck_assert_str_eq(texts.text[2], "vars");
  kohl_hdf5_texts_free(ctx, &texts);
  ck_assert_int_eq(kohl_hdf5_list(ctx, h5, "/layers/conv2d/vars/0", 100, &texts), KOHL_OK); /* a dataset */
  ck_assert_int_eq(kohl_hdf5_list(ctx, h5, "/nothing", 100, &texts), KOHL_OK);
  ck_assert(!texts.found && texts.count == 0);
  ck_assert_int_eq(kohl_hdf5_list(ctx, h5, "/layers/dense", 3, &texts), KOHL_BAD_INPUT); /* "vars" has 4 bytes */
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "at most 3 bytes"));
  ck_assert_int_eq(kohl_hdf5_find(ctx, h5, "/layers/dense", &kind), KOHL_OK); /* it still answers */
  ck_assert_int_eq(kind, KOHL_HDF5_GROUP);
  kohl_hdf5_texts_free(ctx, &texts);
  kohl_hdf5_close(ctx, h5);
  kohl_zip_close(ctx, &zip);
}
END_TEST

#endif

int main(void) {
  Suite *suite = suite_create("keras_archive");
  TCase *tests = tcase_create("keras_archive");
  tcase_set_timeout(tests, 300);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, cut_off_anywhere);
#ifdef KOHL_HDF5
  tcase_add_test(tests, whole);
  tcase_add_test(tests, changed_bits);
  tcase_add_test(tests, lists_of_groups);
#endif
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
