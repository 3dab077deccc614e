/* Packed weights kept in a file: what is taken from it is what would have been packed, and nothing that is wrong with
 * the file does more than a line of the log and packing anew. */
#include <check.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/crc32c.h"
#include "nn/packed.h"
#include "tests/unit/meter.h"
#include "tests/unit/packed_model.h"

static packed_test t;

static void setup(void) { packed_begin(&t, false); }
static void setup_large(void) { packed_begin(&t, true); }
static void teardown(void) { packed_end(&t); }

static void keep(const char *file) {
  ck_assert_int_eq(kohl_context_keep_packed(t.ctx, file), KOHL_OK);
  t.lines = 0;
}

/* Opens model and session, runs one picture and compares with weights that were never in a file. */
static void run_and_compare(int batch) {
  float expected[PACKED_CLASSES], got[PACKED_CLASSES];
  char *file = t.ctx->packed;
  kohl_model *model = packed_open(&t);
  kohl_session *session = packed_session(&t, model, batch);
  packed_run(&t, session, got);
  kohl_session_destroy(session);
  kohl_model_destroy(t.ctx, model);
  t.ctx->packed = NULL; /* not for these */
  packed_run_in_memory(&t, expected);
  t.ctx->packed = file;
  ck_assert(!memcmp(expected, got, (size_t)t.classes * sizeof *got));
}

static ino_t number_of(const char *file) {
  struct stat info;
  return stat(file, &info) == 0 ? info.st_ino : 0;
}

/* A line was said at this level, and it holds the words. */
static void expect_line(int line, kohl_log_level how, const char *words) {
  ck_assert_int_gt(t.lines, line);
  ck_assert_msg(t.level[line] == how && strstr(t.said[line], words), "said '%s'", t.said[line]);
}

START_TEST(kept_and_taken_again) {
  keep("auto");
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 1);
  expect_line(0, KOHL_LOG_INFO, "packed weights written");
  const ino_t first = number_of(t.kept);
  ck_assert_uint_ne(first, 0);
  kohl_model *model = packed_open(&t);
  kohl_session *session = packed_session(&t, model, 1);
  ck_assert_int_ge(packed_resident(t.kept), 0); /* mapped */
  kohl_session_destroy(session);
  ck_assert_int_eq(packed_resident(t.kept), -1);
  kohl_model_destroy(t.ctx, model);
  run_and_compare(1);
  run_and_compare(3); /* the batch changes no packed weight */
  ck_assert_uint_eq(number_of(t.kept), first);
  ck_assert_int_eq(t.lines, 1);
}
END_TEST

/* Opening from a file leaves nothing of the model's in memory, and reads of the kept weights what it compares. */
START_TEST(opening_reads_little) {
  keep("auto");
  run_and_compare(1);
  kohl_model *model = packed_open(&t);
  kohl_session *session = packed_session(&t, model, 1);
  /* the dense layer is the only one of its kernel, so it is compared; of the convolutions the one of 4100 filters is
   * not */
  struct stat info;
  ck_assert_int_eq(stat(t.kept, &info), 0);
  ck_assert_int_ge(packed_resident(t.kept), 4 * PACKED_CHANNELS * PACKED_CLASSES / 1024);
  ck_assert_int_lt(packed_resident(t.kept), (long)(info.st_size / 1024 - 4 * PACKED_CHANNELS * 64 / 1024 / 2));
  ck_assert_int_eq(packed_resident(t.path), 0);
  kohl_session_destroy(session);
  kohl_model_destroy(t.ctx, model);
}
END_TEST

START_TEST(other_kernels_pack_anew) {
  keep(t.kept);
  run_and_compare(1);
  const ino_t first = number_of(t.kept);
  strcpy(t.ctx->impl, "conv2d_fwd=ref");
  t.lines = 0;
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 2);
  expect_line(0, KOHL_LOG_INFO, "for other weights, kernels or shapes");
  expect_line(1, KOHL_LOG_INFO, "written");
  ck_assert_uint_ne(number_of(t.kept), first);
}
END_TEST

/* One weight more or less, in another file of the same shapes: the digest knows it. */
START_TEST(other_weights_pack_anew) {
  keep("auto");
  run_and_compare(1);
  kohl_model *model = packed_open(&t);
  kohl_weight *weight = kohl_model_weight(model, 3, "weight");
  const float *old = weight->data;
  float out[PACKED_CLASSES], again[PACKED_CLASSES];
  kohl_session *session = packed_session(&t, model, 1);
  packed_run(&t, session, out);
  kohl_session_destroy(session);
  const float last = old[weight->spec.count - 1] + 1.0f;
  float *values = malloc(weight->spec.count * sizeof *values);
  ck_assert_ptr_nonnull(values);
  memcpy(values, old, weight->spec.count * sizeof *values);
  values[weight->spec.count - 1] = last;
  ck_assert_int_eq(kohl_weight_own(t.ctx, weight), KOHL_OK);
  memcpy(weight->owned, values, weight->spec.count * sizeof *values);
  free(values);
  ck_assert_msg(kohl_model_save(t.ctx, model, t.path) == KOHL_OK, "%s", t.ctx->error);
  kohl_model_destroy(t.ctx, model);
  t.lines = 0;
  model = packed_open(&t);
  session = packed_session(&t, model, 1);
  packed_run(&t, session, again);
  expect_line(0, KOHL_LOG_INFO, "for other weights");
  ck_assert(memcmp(out, again, (size_t)t.classes * sizeof *out)); /* it is used: another result */
  weight = kohl_model_weight(model, 3, "weight");
  ck_assert(weight->data[weight->spec.count - 1] == last);
  kohl_session_destroy(session);
  kohl_model_destroy(t.ctx, model);
}
END_TEST

/* The file's bytes, which the caller frees. */
static char *read_kept(size_t *length) {
  FILE *file = fopen(t.kept, "rb");
  ck_assert_ptr_nonnull(file);
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(*length);
  ck_assert_ptr_nonnull(bytes);
  ck_assert_uint_eq(fread(bytes, 1, *length, file), *length);
  fclose(file);
  return bytes;
}

static void write_kept(const char *bytes, size_t length) {
  FILE *file = fopen(t.kept, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

/* Every length, and every bit of header and table: none is taken, none crashes. */
START_TEST(no_damage_is_taken) {
  keep("auto");
  run_and_compare(1);
  size_t length;
  char *bytes = read_kept(&length);
  kohl_model *model = packed_open(&t);
  kohl_plan_options options = kohl_plan_options_default();
  kohl_plan *plan;
  kohl_packed *packed;
  uint64_t digest;
  ck_assert_int_eq(kohl_plan_create(t.ctx, model->graph, &options, &plan), KOHL_OK);
  ck_assert_int_eq(kohl_packed_digest(t.ctx, model, plan, &digest), KOHL_OK);
  ck_assert_int_eq(kohl_packed_open_memory(t.ctx, "whole", bytes, length, plan, digest, &packed), KOHL_PACKED_FITS);
  ck_assert_int_eq(kohl_packed_check(t.ctx, packed, plan), KOHL_OK);
  kohl_packed_close(t.ctx, packed);
  kohl_packed_header h;
  memcpy(&h, bytes, sizeof h);
  const size_t head = sizeof h + h.count * sizeof(kohl_packed_line);
  for (size_t n = 0; n < length; n += n < head ? 1 : 509) {
    char *part = malloc(n + 1); /* its end is the end of memory, which the sanitizers watch */
    ck_assert_ptr_nonnull(part);
    memcpy(part, bytes, n);
    ck_assert_int_eq(kohl_packed_open_memory(t.ctx, "part", part, n, plan, digest, &packed), KOHL_PACKED_DAMAGED);
    ck_assert_ptr_null(packed);
    free(part);
  }
  for (size_t bit = 0; bit < 8 * head; bit++) {
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    const kohl_packed_state state = kohl_packed_open_memory(t.ctx, "flip", bytes, length, plan, digest, &packed);
    ck_assert_int_eq(state, bit < 64 ? KOHL_PACKED_FOREIGN : KOHL_PACKED_DAMAGED);
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
  }
  for (size_t i = 0; i < plan->buffer_count; i++) { /* the first and the last bit of each buffer */
    const kohl_buffer *b = &plan->buffers[i];
    if (b->kind != KOHL_BUFFER_WEIGHTS) continue;
    for (int end = 0; end < 2; end++) {
      char *at = bytes + h.data + b->offset + (end ? b->bytes - 1 : 0);
      const char flip = end ? (char)0x80 : 1;
      *at ^= flip;
      ck_assert_int_eq(kohl_packed_open_memory(t.ctx, "data", bytes, length, plan, digest, &packed), KOHL_PACKED_FITS);
      ck_assert_int_eq(kohl_packed_check(t.ctx, packed, plan), KOHL_BAD_INPUT);
      ck_assert_msg(strstr(t.ctx->error, "data: layer '") && strstr(t.ctx->error, "damaged"), "%s", t.ctx->error);
      kohl_packed_close(t.ctx, packed);
      *at ^= flip;
    }
  }
  kohl_plan_destroy(t.ctx, plan);
  kohl_model_destroy(t.ctx, model);
  free(bytes);
}
END_TEST

/* A damaged file is said, not taken, and replaced by a good one; a foreign one stays. */
START_TEST(damage_is_packed_anew) {
  keep("auto");
  run_and_compare(1);
  size_t length;
  char *good = read_kept(&length), *bytes = malloc(length);
  ck_assert_ptr_nonnull(bytes);
  const size_t flips[] = {9, 20, 47, 60, length - 100};
  for (size_t i = 0; i < 8; i++) {
    const size_t cut[] = {0, 7, 1000};
    memcpy(bytes, good, length);
    if (i < 5) bytes[flips[i]] ^= 4;
    write_kept(bytes, i < 5 ? length : cut[i - 5]);
    t.lines = 0;
    run_and_compare(1);
    ck_assert_int_eq(t.lines, 2);
    expect_line(0, KOHL_LOG_WARNING, t.kept);
    expect_line(1, KOHL_LOG_INFO, "written");
    size_t now;
    char *again = read_kept(&now);
    ck_assert(now == length && !memcmp(again, good, length));
    free(again);
  }
  const char other[] = "the only copy of a letter to somebody";
  write_kept(other, sizeof other);
  t.lines = 0;
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 1);
  expect_line(0, KOHL_LOG_WARNING, "is no file of packed weights: left as it is");
  char *same = read_kept(&length);
  ck_assert(length == sizeof other && !memcmp(same, other, length));
  free(same);
  free(bytes);
  free(good);
}
END_TEST

/* Weights that the checksums vouch for, but in another order than the kernels have today. */
START_TEST(other_order_packs_anew) {
  keep("auto");
  run_and_compare(1);
  size_t length;
  char *bytes = read_kept(&length);
  kohl_packed_header h;
  memcpy(&h, bytes, sizeof h);
  kohl_packed_line *table = malloc(h.count * sizeof *table);
  ck_assert_ptr_nonnull(table);
  memcpy(table, bytes + sizeof h, h.count * sizeof *table);
  for (uint32_t i = 0; i < h.count; i++) { /* the first two floats of each change places */
    char *at = bytes + h.data + table[i].offset;
    float two[2], turned[2];
    memcpy(two, at, sizeof two);
    turned[0] = two[1], turned[1] = two[0];
    memcpy(at, turned, sizeof turned);
    table[i].crc = kohl_crc32c(0, at, (size_t)table[i].bytes);
  }
  memcpy(bytes + sizeof h, table, h.count * sizeof *table);
  h.table_crc = kohl_crc32c(0, table, h.count * sizeof *table);
  h.header_crc = kohl_crc32c(0, &h, offsetof(kohl_packed_header, header_crc));
  memcpy(bytes, &h, sizeof h);
  write_kept(bytes, length);
  t.lines = 0;
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 2);
  expect_line(0, KOHL_LOG_INFO, "order weights differently");
  free(table);
  free(bytes);
}
END_TEST

/* Where nothing can be kept a line says so, and the network runs. */
START_TEST(nowhere_to_keep) {
  keep("/tmp/kohl_no_such_folder/model.packed");
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 1);
  expect_line(0, KOHL_LOG_WARNING, "packed weights are not kept: /tmp/kohl_no_such_folder/model.packed");
  keep("/tmp");
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 1);
  expect_line(0, KOHL_LOG_WARNING, "is not a regular file");
  char folder[] = "/tmp/kohl_test_packed_XXXXXX", file[64];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(file, sizeof file, "%s/w.packed", folder);
  ck_assert_int_eq(chmod(folder, 0500), 0);
  keep(file);
  run_and_compare(1);
  ck_assert_int_eq(t.lines, 1);
  if (geteuid() == 0) /* whom no permission stops */
    expect_line(0, KOHL_LOG_INFO, "written");
  else
    expect_line(0, KOHL_LOG_WARNING, "packed weights are not kept");
  unlink(file);
  rmdir(folder);
  keep(t.kept);
  kohl_model *model = packed_make(&t);
  kohl_session_destroy(packed_session(&t, model, 1));
  kohl_model_destroy(t.ctx, model);
  ck_assert_int_eq(t.lines, 1);
  expect_line(0, KOHL_LOG_WARNING, "is not one of a model file with checksums");
  ck_assert_uint_eq(number_of(t.kept), 0);
}
END_TEST

START_TEST(training_keeps_nothing) {
  keep("auto");
  kohl_model *model = packed_open(&t);
  kohl_plan_options options = kohl_plan_options_default();
  kohl_session *session;
  options.train = true;
  ck_assert_msg(kohl_session_create(t.ctx, model, &options, &session) == KOHL_OK, "%s", t.ctx->error);
  kohl_session_destroy(session);
  kohl_model_destroy(t.ctx, model);
  ck_assert_int_eq(t.lines, 0);
  ck_assert_uint_eq(number_of(t.kept), 0);
}
END_TEST

/* Whichever request for memory is refused: KOHL_NO_RESOURCE, or a file that is not kept; nothing leaks. */
START_TEST(memory_runs_out) {
  meter m = {.left = LONG_MAX};
  for (int present = 0; present < 2; present++) {
    bool done = false;
    for (long n = 0; !done && n < 1000; n++) {
      kohl_context *limited;
      kohl_context_options options = kohl_context_options_default();
      options.threads = 1;
      options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
      m.left = LONG_MAX;
      ck_assert_int_eq(kohl_context_create(&options, &limited), KOHL_OK);
      ck_assert_int_eq(kohl_context_keep_packed(limited, t.kept), KOHL_OK);
      kohl_model *model;
      kohl_session *session = NULL;
      ck_assert_int_eq(kohl_model_open(limited, t.path, &model), KOHL_OK);
      if (!present) unlink(t.kept);
      m.left = n;
      kohl_plan_options plan = kohl_plan_options_default();
      kohl_status status = kohl_session_create(limited, model, &plan, &session);
      if (status == KOHL_OK) status = kohl_session_run(session, 1);
      /* a file that could not be written for want of memory is no failure: then it is not there */
      done = status == KOHL_OK && m.left > 0 && number_of(t.kept);
      if (status != KOHL_OK) ck_assert_int_eq(status, KOHL_NO_RESOURCE);
      kohl_session_destroy(session);
      kohl_model_destroy(limited, model);
      kohl_context_destroy(limited);
      ck_assert_int_eq(m.live, 0);
    }
    ck_assert(done);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("packed file");
  TCase *small = tcase_create("kept in a file");
  tcase_add_checked_fixture(small, setup, teardown);
  tcase_set_timeout(small, 120);
  tcase_add_test(small, kept_and_taken_again);
  tcase_add_test(small, other_kernels_pack_anew);
  tcase_add_test(small, other_weights_pack_anew);
  tcase_add_test(small, no_damage_is_taken);
  tcase_add_test(small, damage_is_packed_anew);
  tcase_add_test(small, other_order_packs_anew);
  tcase_add_test(small, nowhere_to_keep);
  tcase_add_test(small, training_keeps_nothing);
  tcase_add_test(small, memory_runs_out);
  suite_add_tcase(suite, small);
  TCase *large = tcase_create("a large layer");
  tcase_add_checked_fixture(large, setup_large, teardown);
  tcase_set_timeout(large, 120);
  tcase_add_test(large, opening_reads_little);
  suite_add_tcase(suite, large);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
