/* The safetensors reader: good files, a table of bad headers with their messages, and number formats. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nn/safetensors.h"

static kohl_context *ctx;

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}
static void teardown(void) { kohl_context_destroy(ctx); }

/* N, header and data_bytes bytes 0, 1, 2, ..., in a block of exactly that size; the caller frees it. */
static char *make_file(const char *header, size_t header_length, size_t data_bytes, size_t *length) {
  uint64_t n = header_length;
  *length = 8 + header_length + data_bytes;
  char *bytes = malloc(*length);
  memcpy(bytes, &n, 8);
  memcpy(bytes + 8, header, header_length);
  for (size_t i = 0; i < data_bytes; i++) bytes[8 + header_length + i] = (char)i;
  return bytes;
}

/* Opens a header with data; file may be NULL when only the status is of interest. */
static kohl_status open_header(const char *header, size_t header_length, size_t data_bytes, char **bytes,
                               kohl_safetensors **file) {
  size_t length;
  *bytes = make_file(header, header_length, data_bytes, &length);
  return kohl_safetensors_open_memory(ctx, "m.safetensors", *bytes, length, file);
}

START_TEST(tensors_and_metadata) {
  static const char header[] =
      "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},\"__metadata__\":{\"k\":\"v\\u00e9\",\"\":"
      "\"\"},"
      "\"a\":{\"shape\":[],\"data_offsets\":[0,4],\"dtype\":\"I32\"},"
      "\"empty\":{\"dtype\":\"U64\",\"shape\":[3,0],\"data_offsets\":[4,4]}}   ";
  char *bytes;
  kohl_safetensors *file;
  ck_assert_msg(open_header(header, sizeof header - 1, 12, &bytes, &file) == KOHL_OK, "%s", kohl_context_error(ctx));
  ck_assert_uint_eq(kohl_safetensors_count(file), 3);
  ck_assert_int_eq(kohl_safetensors_find(file, "a"), 0); /* numbered in the order of the data */
  ck_assert_int_eq(kohl_safetensors_find(file, "empty"), 1);
  ck_assert_int_eq(kohl_safetensors_find(file, "b"), 2);
  ck_assert_int_eq(kohl_safetensors_find(file, "c"), -1);
  const kohl_tensor_info *b = kohl_safetensors_tensor(file, 2);
  ck_assert_str_eq(b->name, "b");
  ck_assert_int_eq(b->dtype, KOHL_SAFETENSORS_F32);
  ck_assert(b->dims == 2 && b->shape[0] == 2 && b->shape[1] == 1 && b->bytes == 8);
  ck_assert_ptr_eq(b->data, bytes + 8 + sizeof header - 1 + 4);
  ck_assert_int_eq(kohl_safetensors_tensor(file, 0)->dims, 0);
  ck_assert_uint_eq(kohl_safetensors_tensor(file, 1)->bytes, 0);
  ck_assert_uint_eq(kohl_safetensors_metadata_count(file), 2);
  ck_assert_str_eq(kohl_safetensors_metadata(file, 0)->key, "k");
  const kohl_safetensors_text *k = kohl_safetensors_metadata_find(file, "k");
  ck_assert_str_eq(k->text, "v\xC3\xA9");
  ck_assert_uint_eq(k->length, 3);
  ck_assert_uint_eq(kohl_safetensors_metadata_find(file, "")->length, 0);
  ck_assert_ptr_null(kohl_safetensors_metadata_find(file, "kk"));
  uint32_t crc;
  ck_assert(!kohl_safetensors_crc(file, 0, &crc));
  ck_assert_int_eq(kohl_safetensors_verify(ctx, file, 0), KOHL_OK);
  kohl_safetensors_close(ctx, file);
  free(bytes);
  ck_assert_int_eq(open_header("{}", 2, 0, &bytes, &file), KOHL_OK);
  ck_assert_uint_eq(kohl_safetensors_count(file), 0);
  kohl_safetensors_close(ctx, file);
  free(bytes);
}
END_TEST

#define T(name, dtype, shape, offsets) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(dtype, shape, offsets) "{" T("w", dtype, shape, offsets) "}"
#define META(text) "{\"__metadata__\":" text "," T("w", "U8", "[4]", "[0,4]") "}"

/* Each with 16 bytes of data. */
static const struct {
  const char *header, *message;
} bad[] = {
    {"", "header: expected '{' as its first byte, found no byte"},
    {" {}", "header: expected '{' as its first byte, found  "},
    {"[]", "header: expected '{' as its first byte, found ["},
    {"{", "header: byte 1: expected a key or '}'"},
    {"{}x", "header: byte 2: expected nothing after the value, found 'x'"},
    {"{}{}", "header: byte 2: expected nothing after the value"},
    {"{}", "the tensors end at byte 0 of the data, expected its end, 16"},
    {"{\"w\":1}", "tensor 'w': byte 5: expected an object, found a number"},
    {"{\"w\":[]}", "tensor 'w': byte 5: expected an object, found an array"},
    {"{\"w\":{}}", "tensor 'w': byte 6: key 'dtype' is missing"},
    {"{\"w\":{\"dtype\":\"F32\"}}", "tensor 'w': byte 19: key 'shape' is missing"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4]}}", "key 'data_offsets' is missing"},
    {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "key 'dtype' for the second time"},
    {"{\"w\":{\"shape\":[4],\"shape\":[4]}}", "key 'shape' for the second time"},
    {"{\"w\":{\"colour\":1}}", "tensor 'w': byte 6: unknown key 'colour', expected dtype, shape or data_offsets"},
    {"{\"w\":{\"Dtype\":\"F32\"}}", "unknown key 'Dtype'"},
    {ONE("F8_E4M3", "[16]", "[0,16]"), "dtype 'F8_E4M3' is not supported, expected BOOL, U8"},
    {ONE("C64", "[2]", "[0,16]"), "dtype 'C64' is not supported"},
    {ONE("f32", "[4]", "[0,16]"), "dtype 'f32' is not supported"},
    {ONE("", "[4]", "[0,16]"), "dtype '' is not supported"},
    {"{\"w\":{\"dtype\":7}}", "expected a string, found a number"},
    {ONE("F32", "4", "[0,16]"), "expected an array, found a number"},
    {ONE("F32", "[-4]", "[0,16]"), "value -4, expected a whole number from 0"},
    {ONE("F32", "[4.0]", "[0,16]"), "value 4.0, expected a whole number"},
    {ONE("F32", "[\"4\"]", "[0,16]"), "expected a whole number, found a string"},
    {ONE("F32", "[[4]]", "[0,16]"), "expected a whole number, found an array"},
    {ONE("F32", "[99999999999999999999]", "[0,16]"), "value 99999999999999999999, expected a whole number"},
    {ONE("F32", "[9223372036854775808]", "[0,16]"), "value 9223372036854775808 in shape, expected less than 2^63"},
    {ONE("F32", "[4,1,1,1,1,1,1,1,1]", "[0,16]"), "more than 8 numbers in shape"},
    {ONE("F32", "[4611686018427387904]", "[0,16]"), "F32 [4611686018427387904] has more bytes than"},
    {ONE("U8", "[4294967296,4294967296,0]", "[0,0]"), "U8 [4294967296,4294967296,0] has more bytes than"},
    {ONE("F32", "[4]", "[0]"), "1 numbers in data_offsets, expected 2"},
    {ONE("F32", "[4]", "[]"), "0 numbers in data_offsets, expected 2"},
    {ONE("F32", "[4]", "[0,16,16]"), "more than 2 numbers in data_offsets"},
    {ONE("F32", "[4]", "[16,0]"), "data_offsets [16,0], expected the first to be no greater"},
    {ONE("F32", "[3]", "[0,16]"), "data_offsets [0,16] hold 16 bytes, expected 12 for F32 [3]"},
    {ONE("F32", "[5]", "[0,16]"), "data_offsets [0,16] hold 16 bytes, expected 20 for F32 [5]"},
    {ONE("F64", "[]", "[0,16]"), "hold 16 bytes, expected 8 for F64 []"},
    {ONE("F32", "[5]", "[0,20]"), "data_offsets [0,20], but only 16 bytes follow the header"},
    {ONE("U8", "[17]", "[0,17]"), "data_offsets [0,17], but only 16 bytes follow the header"},
    {ONE("F32", "[0]", "[32,32]"), "data_offsets [32,32], but only 16 bytes follow the header"},
    {ONE("F32", "[3]", "[0,12]"), "the tensors end at byte 12 of the data, expected its end, 16"},
    {ONE("F32", "[3]", "[4,16]"), "tensor 'w': its data begins at 4, expected 0: a hole"},
    {"{" T("a", "U8", "[4]", "[0,4]") "," T("b", "U8", "[8]", "[8,16]") "}",
     "tensor 'b': its data begins at 8, expected 4: a hole"},
    {"{" T("a", "U8", "[12]", "[0,12]") "," T("b", "U8", "[8]", "[8,16]") "}",
     "tensor 'b': its data begins at 8, expected 12: an overlap"},
    {"{" T("a", "U8", "[16]", "[0,16]") "," T("b", "U8", "[16]", "[0,16]") "}",
     "tensor 'b': its data begins at 0, expected 16: an overlap"},
    {"{" T("a", "U8", "[0]", "[8,8]") "," T("b", "U8", "[16]", "[0,16]") "}",
     "tensor 'a': its data begins at 8, expected 16: an overlap"},
    {"{" T("a", "U8", "[8]", "[0,8]") "," T("\\u0061", "U8", "[8]", "[8,16]") "}", "tensor 'a' is there twice"},
    {"{" T("a\\u0000b", "U8", "[16]", "[0,16]") "}", "tensor name 'a?b' contains a zero byte"},
    {"{" T("\xC3", "U8", "[16]", "[0,16]") "}", "expected UTF-8"},
    {META("[]"), "__metadata__: byte 16: expected an object, found an array"},
    {META("{\"k\":1}"), "__metadata__: key 'k': byte 21: expected a string, found a number"},
    {META("{\"k\":null}"), "expected a string, found null"},
    {META("{\"k\":{}}"), "expected a string, found an object"},
    {META("{\"k\":\"1\",\"j\":\"\",\"k\":\"2\"}"), "__metadata__: key 'k' is there twice"},
    {META("{},\"__metadata__\":{}"), "key '__metadata__' for the second time"},
    {META("{\"kohl_crc32c\":\"0000000g\"}"), "key 'kohl_crc32c': byte 31: value '0000000g', expected digits 0-9a-f"},
    {META("{\"kohl_crc32c\":\"0000000A\"}"), "value '0000000A', expected digits 0-9a-f"},
    {META("{\"kohl_crc32c\":\"0000000\\u0030\"}"), "value '00000000', expected digits 0-9a-f"},
    {"{" T("w", "F32", "[4]", "[0,16]") ",\"__metadata__\":{\"kohl_crc32c\":\"00000000\"}}",
     "key 'kohl_header_crc32c' is missing, expected with 'kohl_crc32c'"},
    {"{" T("w", "F32", "[4]", "[0,16]") ",\"__metadata__\":{\"kohl_header_crc32c\":\"00000000\"}}",
     "key 'kohl_crc32c' is missing"},
    {"{" T("w", "F32", "[4]",
           "[0,16]") ",\"__metadata__\":{\"kohl_crc32c\":\"0000\",\"kohl_header_crc32c\":\"00000000\"}}",
     "has 8 and kohl_crc32c 4 digits, expected 8 and 8"},
    {"{" T("w", "F32", "[4]",
           "[0,16]") ",\"__metadata__\":{\"kohl_crc32c\":\"00000000\",\"kohl_header_crc32c\":\"00000000\"}}",
     "expected 00000000: the file is damaged"},
};

START_TEST(malformed_headers_are_named) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char *bytes;
    kohl_safetensors *file;
    kohl_status status = open_header(bad[i].header, strlen(bad[i].header), 16, &bytes, &file);
    ck_assert_msg(status == KOHL_BAD_INPUT && !file, "%s: status %d", bad[i].header, status);
    const char *text = kohl_context_error(ctx);
    ck_assert_msg(strstr(text, bad[i].message) != NULL, "%s gave '%s', expected '%s'", bad[i].header, text,
                  bad[i].message);
    ck_assert_msg(strncmp(text, "m.safetensors: ", 15) == 0 && !strchr(text, '\n'), "%s", text);
    free(bytes);
  }
}
END_TEST

START_TEST(frames_are_checked) {
  kohl_safetensors *file;
  static const struct {
    uint64_t n;
    size_t length;
    const char *message;
  } frames[] = {{0, 0, "has 0 bytes, expected at least 8"},
                {0, 7, "has 7 bytes, expected at least 8"},
                {0, 8, "found no byte"},
                {3, 10, "header length 3, but only 2 bytes follow"},
                {16777217, 10, "header length 16777217, expected at most 16777216"},
                {UINT64_MAX, 10, "header length 18446744073709551615, expected at most"},
                {UINT64_MAX - 7, 10, "expected at most 16777216"}};
  for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
    char bytes[16] = "........{}";
    memcpy(bytes, &frames[i].n, 8);
    char *copy = malloc(frames[i].length + 1);
    memcpy(copy, bytes, frames[i].length);
    ck_assert_int_eq(kohl_safetensors_open_memory(ctx, "f", copy, frames[i].length, &file), KOHL_BAD_INPUT);
    ck_assert_msg(strstr(kohl_context_error(ctx), frames[i].message) != NULL, "%s", kohl_context_error(ctx));
    free(copy);
  }
}
END_TEST

START_TEST(limits) {
  char *header = malloc(8 << 20), *bytes;
  kohl_safetensors *file;
  for (int over = 0; over < 2; over++) { /* names of 512 and 513 bytes */
    int name = KOHL_SAFETENSORS_NAME + over;
    int n = sprintf(header, "{\"%0*d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", name, 1);
    ck_assert_int_eq(open_header(header, (size_t)n, 0, &bytes, &file), over ? KOHL_BAD_INPUT : KOHL_OK);
    if (over) ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "tensor name of 513 bytes, expected at most 512"));
    kohl_safetensors_close(ctx, file);
    free(bytes);
  }
  for (size_t count = KOHL_SAFETENSORS_COUNT; count <= KOHL_SAFETENSORS_COUNT + 1; count++) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
      n += (size_t)sprintf(header + n, "%c\"t%zu\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                           i ? ',' : '{', i, count - 1 - i, count - i);
    }
    header[n++] = '}';
    bool over = count > KOHL_SAFETENSORS_COUNT;
    ck_assert_int_eq(open_header(header, n, count, &bytes, &file), over ? KOHL_BAD_INPUT : KOHL_OK);
    for (size_t i = 0; file && i < count; i++) {
      char name[32];
      sprintf(name, "t%zu", i);
      ck_assert_int_eq(kohl_safetensors_find(file, name), (long)(count - 1 - i));
    }
    if (over) ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "more than 65536 tensors"));
    kohl_safetensors_close(ctx, file);
    free(bytes);
  }
  free(header);
}
END_TEST

static float read_one(kohl_safetensors_dtype dtype, uint64_t bits) {
  char header[128], *bytes;
  size_t size = kohl_safetensors_dtype_bytes(dtype);
  int n = sprintf(header, "{\"w\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%zu]}}",
                  kohl_safetensors_dtype_name(dtype), size);
  kohl_safetensors *file;
  ck_assert_int_eq(open_header(header, (size_t)n, size, &bytes, &file), KOHL_OK);
  memcpy(bytes + 8 + n, &bits, size);
  float value = -7;
  float same = -8;
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, 0);
  kohl_status real = kohl_safetensors_read_f32(ctx, file, info, &same, 1);
  kohl_status status = kohl_tensor_read(ctx, "file", info, &value, 1);
  if (real == KOHL_OK) ck_assert_mem_eq(&value, &same, sizeof value);
  ck_assert(real == status || dtype < KOHL_SAFETENSORS_F16); /* whole numbers are read by one of the two */
  ck_assert_int_eq(kohl_safetensors_read_f32(ctx, file, info, &same, 2), KOHL_USAGE);
  ck_assert_int_eq(kohl_tensor_read(ctx, "file", info, &same, 2), KOHL_USAGE);
  kohl_safetensors_close(ctx, file);
  free(bytes);
  return status == KOHL_OK ? value : -99.0f;
}

START_TEST(number_formats) {
  ck_assert(read_one(KOHL_SAFETENSORS_F32, 0x3F9E0651) == 0x1.3c0ca2p0f);
  for (uint32_t half = 0; half < 65536; half++) { /* every half against its definition */
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float expected = exponent ? ldexpf((float)(1024 + fraction), exponent - 25) : ldexpf((float)fraction, -24);
    if (exponent == 31) expected = fraction ? NAN : INFINITY;
    if (half & 0x8000) expected = -expected;
    if (half % 251 && half % 1024 > 2) continue; /* a file per number is slow: borders and a sample */
    float value = read_one(KOHL_SAFETENSORS_F16, half);
    ck_assert_msg((isnan(value) && isnan(expected)) || (value == expected && !signbit(value) == !signbit(expected)),
                  "half %04x is %a, expected %a", (unsigned)half, (double)value, (double)expected);
  }
  ck_assert(read_one(KOHL_SAFETENSORS_BF16, 0xC049) == -3.140625f);
  ck_assert(isnan(read_one(KOHL_SAFETENSORS_BF16, 0x7FC0)));
  ck_assert(read_one(KOHL_SAFETENSORS_F64, 0x3FB999999999999A) == 0.1f);
  ck_assert(isinf(read_one(KOHL_SAFETENSORS_F64, 0x7FF0000000000000)));
  ck_assert(read_one(KOHL_SAFETENSORS_F64, 0x7FEFFFFFFFFFFFFF) == -99.0f); /* 1.8e308 */
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "asked for 2"));
  ck_assert(read_one(KOHL_SAFETENSORS_U8, 200) == 200.0f && read_one(KOHL_SAFETENSORS_I8, 200) == -56.0f);
  ck_assert(read_one(KOHL_SAFETENSORS_I8, 128) == -128.0f && read_one(KOHL_SAFETENSORS_I8, 127) == 127.0f);
  ck_assert(read_one(KOHL_SAFETENSORS_U16, 65535) == 65535.0f && read_one(KOHL_SAFETENSORS_I16, 65535) == -1.0f);
  ck_assert(read_one(KOHL_SAFETENSORS_BOOL, 1) == 1.0f && read_one(KOHL_SAFETENSORS_BOOL, 2) == -99.0f);
  ck_assert(read_one(KOHL_SAFETENSORS_I64, 1) == -99.0f);
}
END_TEST

START_TEST(special_files_are_refused) {
  char folder[] = "/tmp/kohl_safetensors_XXXXXX", path[64];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  kohl_safetensors *file;
  ck_assert_int_eq(kohl_safetensors_open(ctx, folder, &file), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), ": is a folder, expected a regular file"));
  sprintf(path, "%s/x", folder);
  ck_assert_int_eq(kohl_safetensors_open(ctx, path, &file), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), ": opening: No such file"));
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  ck_assert_int_eq(kohl_safetensors_open(ctx, path, &file), KOHL_BAD_INPUT); /* and does not wait */
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), ": is a FIFO, expected"));
  unlink(path);
  ck_assert_int_eq(kohl_safetensors_open(ctx, "/dev/null", &file), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), ": is a device, expected"));
  fclose(fopen(path, "wb"));
  ck_assert_int_eq(kohl_safetensors_open(ctx, path, &file), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "has 0 bytes, expected at least 8"));
  FILE *bad_file = fopen(path, "wb");
  fputs("not a model", bad_file);
  fclose(bad_file);
  ck_assert_int_eq(kohl_safetensors_open(ctx, path, &file), KOHL_BAD_INPUT);
  char line[512];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) ck_assert_ptr_null(strstr(line, path)); /* it is not mapped any more */
  if (maps) fclose(maps);
  unlink(path);
  rmdir(folder);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("safetensors");
  TCase *tests = tcase_create("safetensors");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, tensors_and_metadata);
  tcase_add_test(tests, malformed_headers_are_named);
  tcase_add_test(tests, frames_are_checked);
  tcase_add_test(tests, limits);
  tcase_add_test(tests, number_formats);
  tcase_add_test(tests, special_files_are_refused);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
