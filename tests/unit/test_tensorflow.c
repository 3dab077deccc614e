/* TensorFlow's checkpoints: files that TensorFlow wrote (tests/oracle/tensorflow/fixtures.py), read whole and in parts,
 * and the same files cut short and with every bit turned. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/source.h"

static kohl_context *ctx;
static char folder[64];

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_tf_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
  ck_assert_int_eq(rmdir(folder), 0);
  kohl_context_destroy(ctx);
}

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))
#define FIXTURE(name) "tests/fixtures/tensorflow/" name

static void expect_text(const char *text) {
  const char *error = kohl_context_error(ctx);
  ck_assert_msg(strstr(error, text), "'%s' does not contain '%s'", error, text);
  ck_assert_msg(!strchr(error, '\n') && error[strlen(error) - 1] != '.', "'%s' is no line", error);
}

/* What fixtures.py wrote: number i of variable k is ((37 i + k) mod 101 - 50) / 8, of whole numbers without the 8 and,
 * where they have no sign, without the 50; of truths whether it is odd. */
static const struct {
  const char *name;
  kohl_safetensors_dtype dtype;
  int dims;
  int64_t shape[4];
} variables[] = {
    {"net/conv1/weights", KOHL_SAFETENSORS_F32, 4, {3, 3, 2, 4}},
    {"net/conv1/biases", KOHL_SAFETENSORS_F32, 1, {4}},
    {"net/conv1/BatchNorm/moving_mean", KOHL_SAFETENSORS_F32, 1, {4}},
    {"net/conv1/BatchNorm/moving_variance", KOHL_SAFETENSORS_F32, 1, {4}},
    {"net/conv10/weights", KOHL_SAFETENSORS_F64, 4, {1, 1, 4, 3}},
    {"net/half", KOHL_SAFETENSORS_F16, 2, {5, 7}},
    {"net/empty", KOHL_SAFETENSORS_F32, 2, {0, 3}},
    {"net/scalar", KOHL_SAFETENSORS_F32, 0, {0}},
    {"net/int32", KOHL_SAFETENSORS_I32, 1, {6}},
    {"net/int8", KOHL_SAFETENSORS_I8, 1, {9}},
    {"net/uint8", KOHL_SAFETENSORS_U8, 1, {9}},
    {"net/int16", KOHL_SAFETENSORS_I16, 1, {9}},
    {"net/uint16", KOHL_SAFETENSORS_U16, 1, {9}},
    {"net/bool", KOHL_SAFETENSORS_BOOL, 2, {3, 3}},
    {"global_step", KOHL_SAFETENSORS_I64, 0, {0}},
    {"net/bfloat16", KOHL_SAFETENSORS_BF16, 2, {5, 3}},
    {"net/uint32", KOHL_SAFETENSORS_U32, 1, {2}},
    {"net/uint64", KOHL_SAFETENSORS_U64, 1, {2}},
};
enum { VARIABLES = sizeof variables / sizeof variables[0], V1_VARIABLES = 15, SHARD_VARIABLES = 6, MOST_VALUES = 72 };

static float expected(int k, size_t i) {
  float n = (float)((i * 37 + (size_t)k) % 101);
  switch (variables[k].dtype) {
    case KOHL_SAFETENSORS_BOOL: return (float)((int)n % 2);
    case KOHL_SAFETENSORS_U8:
    case KOHL_SAFETENSORS_U16: return n;
    case KOHL_SAFETENSORS_I8:
    case KOHL_SAFETENSORS_I16: return n - 50;
    default: return (n - 50) / 8;
  }
}

static bool is_wide(kohl_safetensors_dtype dtype) {
  return dtype == KOHL_SAFETENSORS_I32 || dtype == KOHL_SAFETENSORS_U32 || dtype == KOHL_SAFETENSORS_I64 ||
         dtype == KOHL_SAFETENSORS_U64;
}

static kohl_source open_source(const char *path) {
  kohl_source source = {.path = path};
  OK(kohl_tensorflow_source(ctx, path, &source));
  ck_assert_str_eq(source.format, "a TensorFlow checkpoint");
  ck_assert(!source.describes && source.call->graph == NULL);
  return source;
}

static void close_source(kohl_source *source) {
  source->call->close(ctx, source);
  *source = (kohl_source){0};
}

static void refuse(const char *path, const char *text) {
  kohl_source source = {.path = path};
  ck_assert_int_eq(kohl_tensorflow_source(ctx, path, &source), KOHL_BAD_INPUT);
  ck_assert_ptr_null(source.call);
  expect_text(text);
  ck_assert_ptr_eq(strstr(kohl_context_error(ctx), path), kohl_context_error(ctx));
}

static size_t find(const kohl_source *source, const char *name) {
  for (size_t i = 0; i < source->count; i++)
    if (strcmp(source->tensors[i].info.name, name) == 0) return i;
  ck_abort_msg("no tensor '%s'", name);
}

/* All numbers, in steps of `step`, which come in this order or from the last to the first. */
static void expect_values(kohl_source *source, size_t index, int k, size_t step, bool backwards) {
  float values[MOST_VALUES + 1];
  const kohl_tensor_info *info = &source->tensors[index].info;
  size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype), steps = (count + step - 1) / step;
  for (size_t s = 0; s < steps; s++) {
    size_t first = (backwards ? steps - 1 - s : s) * step, n = count - first < step ? count - first : step;
    for (size_t i = 0; i <= n; i++) values[i] = -1e30f;
    OK(source->call->read(ctx, source, index, first, n, values));
    for (size_t i = 0; i < n; i++)
      ck_assert_msg(values[i] == expected(k, first + i), "%s[%zu]: %g", info->name, first + i, (double)values[i]);
    ck_assert(values[n] == -1e30f);
  }
}

static void expect_variables(const char *path, int count) {
  kohl_source source = open_source(path);
  ck_assert_uint_eq(source.count, (size_t)count);
  for (int k = 0; k < count; k++) {
    size_t index = find(&source, variables[k].name);
    const kohl_source_tensor *tensor = &source.tensors[index];
    ck_assert_int_eq(tensor->info.dtype, variables[k].dtype);
    ck_assert_int_eq(tensor->info.dims, variables[k].dims);
    ck_assert_mem_eq(tensor->info.shape, variables[k].shape, (size_t)variables[k].dims * sizeof(int64_t));
    ck_assert(!tensor->layout.output_first && !tensor->layout.channels_first && !tensor->layer && !tensor->suffix);
    ck_assert(!tensor->quantised && tensor->step == 1);
    if (is_wide(variables[k].dtype)) {
      float value;
      ck_assert_int_eq(source.call->read(ctx, &source, index, 0, 1, &value), KOHL_BAD_INPUT);
      expect_text(variables[k].name);
      continue;
    }
    for (size_t step = 1; step <= MOST_VALUES; step += step < 4 ? 1 : 17) {
      expect_values(&source, index, k, step, false);
      expect_values(&source, index, k, step, true);
    }
  }
  for (size_t i = 1; i < source.count; i++)
    ck_assert_int_lt(strcmp(source.tensors[i - 1].info.name, source.tensors[i].info.name), 0);
  close_source(&source);
}

START_TEST(version_1) { expect_variables(FIXTURE("v1.ckpt"), V1_VARIABLES); }
END_TEST

START_TEST(version_2) { expect_variables(FIXTURE("v2.index"), VARIABLES); }
END_TEST

START_TEST(several_shards) { expect_variables(FIXTURE("shards.index"), SHARD_VARIABLES); }
END_TEST

/* Two tensors of a varint form read in turns: each keeps its place or finds it again. */
START_TEST(turns) {
  kohl_source source = open_source(FIXTURE("v1.ckpt"));
  size_t half = find(&source, "net/half"), bytes = find(&source, "net/int8");
  for (size_t i = 0; i < 9; i++) {
    float a, b;
    OK(source.call->read(ctx, &source, half, i, 1, &a));
    OK(source.call->read(ctx, &source, bytes, i, 1, &b));
    ck_assert(a == expected(5, i) && b == expected(9, i));
  }
  close_source(&source);
}
END_TEST

START_TEST(not_read) {
  refuse(FIXTURE("pieces_v1.ckpt"), "tensor 'pieces' is stored in pieces (a partitioned variable), expected whole");
  refuse(FIXTURE("pieces_v2.index"), "tensor 'pieces' is stored in pieces (a partitioned variable), expected whole");
  refuse(FIXTURE("objects.index"),
         "is a checkpoint of TensorFlow 2's objects, 4 variables with keys such as "
         "'model/_functional/_operations/1/_kernel', ");
  expect_text(
      " that say no layer; expected variables saved by name: load it in Keras and write it with "
      "model.save('FILE.h5') or model.save('FILE.keras')");
  refuse(FIXTURE("nothing.index"), ": cannot be opened: ");
  refuse("tests/fixtures", ": is not a regular file");
}
END_TEST

static size_t read_file(const char *path, uint8_t *bytes, size_t most) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  size_t length = fread(bytes, 1, most, file);
  ck_assert_uint_lt(length, most);
  fclose(file);
  return length;
}

/* In place: some file systems write a file out that was emptied and filled again, which takes its time. */
static void write_file(const char *path, const uint8_t *bytes, size_t length) {
  int file = open(path, O_WRONLY | O_CREAT, 0600);
  ck_assert_int_ge(file, 0);
  ck_assert(pwrite(file, bytes, length, 0) == (ssize_t)length && ftruncate(file, (off_t)length) == 0);
  ck_assert_int_eq(close(file), 0);
}

/* A file cut at every byte is refused; so is one with any bit turned: every byte is under a CRC or has one value. */
static void expect_protected(const char *from, const char *to) {
  uint8_t bytes[4096];
  size_t length = read_file(from, bytes, sizeof bytes);
  kohl_source source = {.path = to};
  for (size_t n = length; n-- > 0;) {
    write_file(to, bytes, n);
    refuse(to, ": does not end as a TensorFlow checkpoint does");
  }
  for (size_t bit = 0; bit < 8 * length; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    write_file(to, bytes, length);
    ck_assert_msg(kohl_tensorflow_source(ctx, to, &source) == KOHL_BAD_INPUT, "bit %zu of %s", bit, from);
    expect_text(to);
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  unlink(to);
}

START_TEST(damaged_table) {
  char path[128];
  snprintf(path, sizeof path, "%s/x.index", folder);
  expect_protected(FIXTURE("v1.ckpt"), path);
  expect_protected(FIXTURE("v2.index"), path);
  write_file(path, (const uint8_t *)"xx\x57\xfb\x80\x8b\x24\x75\x47\xdb", 10);
  refuse(path, ": is a TensorFlow checkpoint of 10 bytes, expected at least 48");
  unlink(path);
}
END_TEST

/* A shard that is cut is refused at once; one with a bit turned when its tensor is read, and only that tensor. */
START_TEST(damaged_shard) {
  uint8_t bytes[4096];
  char index[128], shard[128];
  snprintf(index, sizeof index, "%s/x.index", folder);
  snprintf(shard, sizeof shard, "%s/x.data-00000-of-00001", folder);
  write_file(index, bytes, read_file(FIXTURE("v2.index"), bytes, sizeof bytes));
  size_t length = read_file(FIXTURE("v2.data-00000-of-00001"), bytes, sizeof bytes), refused = 0;
  for (size_t n = length; n-- > 0;) {
    kohl_source source = {.path = index};
    write_file(shard, bytes, n);
    /* What stands last may be text, which is left out. */
    if (kohl_tensorflow_source(ctx, index, &source) == KOHL_OK)
      close_source(&source);
    else
      refused++;
  }
  ck_assert_uint_ge(refused, length - 32);
  size_t text = 0;
  for (size_t bit = 0; bit < 8 * length; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    write_file(shard, bytes, length);
    kohl_source source = open_source(index);
    int damaged = 0;
    for (int k = 0; k < VARIABLES; k++) {
      float value;
      size_t at = find(&source, variables[k].name);
      if (source.tensors[at].info.bytes == 0) continue;
      kohl_status status = source.call->read(ctx, &source, at, 0, 1, &value);
      bool damage = status == KOHL_BAD_INPUT && strstr(kohl_context_error(ctx), "is damaged: bytes ");
      ck_assert(status == KOHL_OK || damage || is_wide(variables[k].dtype));
      damaged += damage;
    }
    ck_assert_int_le(damaged, 1);
    text += damaged == 0;
    close_source(&source);
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  ck_assert_uint_le(text, 8 * 32);
  unlink(index);
  unlink(shard);
}
END_TEST

START_TEST(missing_shard) {
  uint8_t bytes[4096];
  char index[128], shard[128];
  snprintf(index, sizeof index, "%s/x.index", folder);
  snprintf(shard, sizeof shard, "%s/x.data-00000-of-00003", folder);
  write_file(index, bytes, read_file(FIXTURE("shards.index"), bytes, sizeof bytes));
  write_file(shard, bytes, read_file(FIXTURE("shards.data-00000-of-00003"), bytes, sizeof bytes));
  refuse(index, "x.index: a file that it needs: ");
  expect_text("/x.data-0000");
  expect_text("-of-00003: cannot be opened: ");
  unlink(shard);
  char other[128];
  snprintf(other, sizeof other, "%s/index", folder);
  ck_assert_int_eq(rename(index, other), 0);
  refuse(other,
         ": is the index of a TensorFlow checkpoint, expected its name to end in .index and the files "
         ".data-00000-of-00003 and so on to lie beside it");
  unlink(other);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tensorflow");
  TCase *tests = tcase_create("tensorflow");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, version_1);
  tcase_add_test(tests, version_2);
  tcase_add_test(tests, several_shards);
  tcase_add_test(tests, turns);
  tcase_add_test(tests, not_read);
  tcase_add_test(tests, damaged_table);
  tcase_add_test(tests, damaged_shard);
  tcase_add_test(tests, missing_shard);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
