/* The parts of convert/ below the conversion: renaming of Keras layers, values of a tensor, label files, sandbox. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "convert/names.h"
#include "convert/labels.h"
#include "convert/sandbox.h"
#include "convert/values.h"

static kohl_context *ctx;
static char folder[64], labels_path[128], bytes[65536], logged[512];

static void keep_log(kohl_log_level level, const char *text, void *user) {
  (void)level;
  (void)user;
  snprintf(logged, sizeof logged, "%s", text);
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.log = keep_log;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_names_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(labels_path, sizeof labels_path, "%s/labels.txt", folder);
}

static void teardown(void) {
  unlink(labels_path);
  ck_assert_int_eq(rmdir(folder), 0);
  kohl_context_destroy(ctx);
}

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

static void expect_text(const char *text) {
  ck_assert_msg(strstr(kohl_context_error(ctx), text), "'%s' does not contain '%s'", kohl_context_error(ctx), text);
}

static void write_text(const char *path, const void *text, size_t length) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(text, 1, length, file), length);
  ck_assert_int_eq(fclose(file), 0);
}

/* A safetensors file in memory: header text and data bytes. */
static kohl_safetensors *open_header(const char *header, const void *data, size_t data_length) {
  size_t length = strlen(header);
  ck_assert_uint_lt(8 + length + data_length, sizeof bytes);
  for (int i = 0; i < 8; i++) bytes[i] = (char)(length >> (8 * i));
  memcpy(bytes + 8, header, length);
  if (data_length) memcpy(bytes + 8 + length, data, data_length);
  kohl_safetensors *file;
  OK(kohl_safetensors_open_memory(ctx, "memory", bytes, 8 + length + data_length, &file));
  return file;
}

/* Tensors of one zero-sized dimension: only the names matter. */
static kohl_safetensors *open_names(const char *const *names, size_t count) {
  static char header[32768];
  size_t length = (size_t)snprintf(header, sizeof header, "{");
  for (size_t i = 0; i < count; i++)
    length +=
        (size_t)snprintf(header + length, sizeof header - length,
                         "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", names[i]);
  ck_assert_uint_lt(length + 2, sizeof header);
  strcat(header, "}");
  return open_header(header, NULL, 0);
}

/* count cells conv2d_<first>.. (0: without a number); then the wanted status. */
static kohl_status read_cells(int first, int count, kohl_keras_names *names, kohl_safetensors **file) {
  static char texts[200][64];
  const char *list[200];
  const kohl_preset *preset;
  for (int i = 0; i < count; i++) {
    int number = first + i;
    snprintf(texts[i], sizeof texts[i], number ? "conv2d_%d/kernel" : "conv2d/kernel", number);
    list[i] = texts[i];
  }
  *file = open_names(list, (size_t)count);
  OK(kohl_preset_find(ctx, "inception_v3", NULL, &preset));
  *names = (kohl_keras_names){0};
  return kohl_keras_names_read(ctx, "file", &(kohl_source){.safetensors = *file}, "inception_v3", preset, true, names);
}

static void expect_name(const kohl_keras_names *names, const char *layer, const char *kind, const char *in_file) {
  const kohl_keras_tensor *tensor = kohl_keras_names_find(names, layer, kind);
  ck_assert_msg(tensor != NULL, "no %s of %s", kind, layer);
  ck_assert_str_eq(tensor->info->name, in_file);
}

START_TEST(cells_are_renumbered) {
  kohl_keras_names names;
  kohl_safetensors *file;
  OK(read_cells(1, 94, &names, &file));
  expect_name(&names, "conv2d_94", "kernel", "conv2d_94/kernel");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  OK(read_cells(0, 94, &names, &file)); /* conv2d, conv2d_1, ... conv2d_93 */
  expect_name(&names, "conv2d_1", "kernel", "conv2d/kernel");
  expect_name(&names, "conv2d_11", "kernel", "conv2d_10/kernel"); /* by number, not by text */
  expect_name(&names, "conv2d_94", "kernel", "conv2d_93/kernel");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  OK(read_cells(95, 94, &names, &file)); /* the second network of a process */
  expect_name(&names, "conv2d_1", "kernel", "conv2d_95/kernel");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  OK(read_cells(1, 50, &names, &file)); /* the beginning of a network */
  expect_name(&names, "conv2d_50", "kernel", "conv2d_50/kernel");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  ck_assert_int_eq(read_cells(0, 93, &names, &file), KOHL_BAD_INPUT);
  expect_text("file: layers 'conv2d*': 93 with numbers 0 to 92, expected numbers 1 to 94 or exactly 94 layers");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
}
END_TEST

static kohl_status read_head(const char *preset_name, bool need_head, const char *const *list, size_t count,
                             kohl_keras_names *names, kohl_safetensors **file) {
  const kohl_preset *preset;
  OK(kohl_preset_find(ctx, "inception_v3", preset_name, &preset));
  *file = open_names(list, count);
  *names = (kohl_keras_names){0};
  return kohl_keras_names_read(ctx, "file", &(kohl_source){.safetensors = *file}, "inception_v3", preset, need_head,
                               names);
}

START_TEST(heads_are_renamed) {
  static const char *const three[] = {"dense_7/kernel", "dense_11/kernel:0", "dense_8/kernel"};
  static const char *const one[] = {"dense/kernel", "dense/bias"};
  static const char *const both[] = {"dense/kernel", "predictions/kernel"};
  kohl_keras_names names;
  kohl_safetensors *file;
  OK(read_head("nsfwjs", true, three, 3, &names, &file));
  expect_name(&names, "dense_1", "kernel", "dense_7/kernel");
  expect_name(&names, "dense_3", "kernel", "dense_11/kernel:0");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  OK(read_head("keras", true, one, 2, &names, &file));
  expect_name(&names, "predictions", "bias", "dense/bias");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  OK(read_head("keras", true, both, 2, &names, &file)); /* left alone: the dense layer will be extra */
  expect_name(&names, "dense", "kernel", "dense/kernel");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  ck_assert_int_eq(read_head("keras", true, three, 3, &names, &file), KOHL_BAD_INPUT);
  expect_text(
      "file: the head has 3 dense layers, expected 1 for preset 'keras'; presets of inception_v3 with 3: nsfwjs");
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
  OK(read_head("keras", false, three, 3, &names, &file));
  kohl_keras_names_free(ctx, &names);
  kohl_safetensors_close(ctx, file);
}
END_TEST

START_TEST(layer_numbers) {
  ck_assert_int_eq(kohl_keras_number("conv2d", "conv2d"), 0);
  ck_assert_int_eq(kohl_keras_number("conv2d_94", "conv2d"), 94);
  ck_assert_int_eq(kohl_keras_number("conv2d_0", "conv2d"), -1);
  ck_assert_int_eq(kohl_keras_number("conv2d_1x", "conv2d"), -1);
  ck_assert_int_eq(kohl_keras_number("conv2d_", "conv2d"), -1);
  ck_assert_int_eq(kohl_keras_number("conv2d_bn", "conv2d"), -1);
  ck_assert_int_eq(kohl_keras_number("conv2d_99999999999", "conv2d"), -1); /* would overflow */
  ck_assert_int_eq(kohl_keras_number("dense_1", "conv2d"), -1);
}
END_TEST

/* 3 rows of 20,000 columns in blocks of 1, 2 and 3 rows, the first column dropped (slim's background class). */
START_TEST(values_in_blocks) {
  enum { ROWS = 3, COLUMNS = 20000 };
  static uint8_t data[ROWS * COLUMNS];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i % 241);
  kohl_safetensors *file = open_header(
      "{\"__metadata__\":{\"q:t\":\"0.25 -3\"},\"t\":{\"dtype\":\"U8\",\"shape\":[3,20000],"
      "\"data_offsets\":[0,60000]}}",
      data, sizeof data);
  static float dst[ROWS * (COLUMNS - 1)], buffer[KOHL_VALUES_BUFFER];
  kohl_source source = {.safetensors = file};
  kohl_values values = {"file", &source, kohl_safetensors_tensor(file, 0), 1, dst, -INFINITY};
  for (size_t rows = 1; rows <= 3; rows++) { /* whatever the block, the same */
    memset(dst, 0xff, sizeof dst);
    OK(kohl_values_read(ctx, &values, buffer, rows * COLUMNS + 17));
    for (size_t k = 1; k < COLUMNS; k++)
      for (size_t r = 0; r < ROWS; r++)
        ck_assert(dst[(k - 1) * ROWS + r] == (float)((r * COLUMNS + k) % 241) * 0.25f - 3);
  }
  values.least = -3.0f; /* a variance that is too small */
  ck_assert_int_eq(kohl_values_read(ctx, &values, buffer, KOHL_VALUES_BUFFER), KOHL_BAD_INPUT);
  expect_text("file: tensor 't': value 0 is -3, expected more than -3");
  kohl_safetensors_close(ctx, file);
}
END_TEST

START_TEST(label_files) {
  static const struct {
    const char *text, *message; /* NULL: two labels, a and the Greek letter */
  } cases[] = {
      {"a\n\xce\xb2\n", NULL},
      {"\xef\xbb\xbf"
       "a\r\n\xce\xb2",
       NULL},
      {"a\n\n", "line 2: is empty"},
      {"a\na\n", "line 2: 'a' is the name of line 1 already"},
      {"a\n\xce\n", "line 2: byte 0xce at column 1, expected UTF-8"},
      {"a\tb\nc\n", "line 1: byte 0x09 at column 2"},
      {"a\nb\nc", "3 labels, expected 2"},
      {"", "0 labels, expected 2"},
  };
  char **labels;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_text(labels_path, cases[i].text, strlen(cases[i].text));
    kohl_status status = kohl_labels_read(ctx, labels_path, 2, &labels);
    ck_assert_int_eq(status, cases[i].message ? KOHL_BAD_INPUT : KOHL_OK);
    if (cases[i].message) {
      expect_text(cases[i].message);
      ck_assert_ptr_null(labels);
    } else {
      ck_assert_str_eq(labels[0], "a");
      ck_assert_str_eq(labels[1], "\xce\xb2");
      kohl_labels_free(ctx, labels, 2);
    }
  }
  ck_assert_int_eq(kohl_labels_read(ctx, folder, 2, &labels), KOHL_BAD_INPUT);
  expect_text("cannot be read");
}
END_TEST

/* What weight files do not say: one look at each row's arithmetic on the pixel values 0 and 255. */
START_TEST(preset_arithmetic) {
  static const struct {
    const char *arch, *preset;
    float low, high; /* of the first channel */
    int resize;      /* 0: not by crop */
    bool count_padding;
  } cases[] = {
      {"vgg16", NULL, -103.939f, 151.061f, 0, false},
      {"vgg19", "torchvision", -2.117904f, 2.248908f, 256, false},
      {"vgg19", "slim", -123.68f, 131.32f, 256, false},
      {"inception_v3", NULL, -1, 1, 0, false},
      {"inception_v3", "torchvision", -1, 1, 342, true},
      {"inception_v3", "slim", -1, 1, 0, false},
      {"inception_v3", "timm", -1, 1, 341, true},
      {"inception_v3", "nsfwjs", 0, 1, 0, false},
      {"squeezenet1_1", NULL, -103.939f, 151.061f, 0, false},
      {"squeezenet1_1", "torchvision", -2.117904f, 2.248908f, 256, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const kohl_preset *preset;
    OK(kohl_preset_find(ctx, cases[i].arch, cases[i].preset, &preset));
    kohl_preprocessing p = kohl_preset_preprocessing(preset, 0);
    float low = (0 * p.scale - p.mean[0]) / p.std[0], high = (255 * p.scale - p.mean[0]) / p.std[0];
    /* Three roundings of numbers below 256, divided by 0.229 at least. */
    ck_assert_msg(fabsf(low - cases[i].low) < 1e-4f && fabsf(high - cases[i].high) < 1e-4f, "%s %s: %g to %g",
                  cases[i].arch, preset->name, (double)low, (double)high);
    ck_assert_int_eq(p.fit.mode == KOHL_FIT_CROP ? p.fit.resize : 0, cases[i].resize);
    ck_assert_int_eq(preset->options.count_padding, cases[i].count_padding);
  }
}
END_TEST

/* What a process can still do in the sandbox, as bits; only a child may lose its rights. */
enum {
  EXEC = 1,
  SOCKET = 2,
  OVERWRITE = 4,
  TRUNCATE = 8,
  CREATE = 16,
  READ = 32,
  FORK = 64,
  KILL = 128,
  NO_SANDBOX = 255
};

static int try_everything(void) {
  char fresh[160];
  int file, left = 0;
  logged[0] = 0;
  if (kohl_convert_sandbox(ctx) != KOHL_OK || strstr(logged, "no sandbox")) return NO_SANDBOX;
  if (socket(AF_INET, SOCK_STREAM, 0) >= 0) left |= SOCKET;
  if ((file = open(labels_path, O_WRONLY)) >= 0) left |= OVERWRITE;
  if ((file = open(labels_path, O_RDONLY | O_TRUNC)) >= 0) left |= TRUNCATE;
  snprintf(fresh, sizeof fresh, "%s.new", labels_path);
  if ((file = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600)) >= 0 && unlink(fresh) == 0) left |= CREATE;
  if ((file = open(labels_path, O_RDONLY)) >= 0) left |= READ;
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) left |= FORK;
  if (kill(getpid(), 0) == 0) left |= KILL;
  execl("/bin/true", "true", (char *)NULL);
  return left; /* a program that could be started would end with 0 */
}

START_TEST(sandbox) {
  int result = 0;
  write_text(labels_path, "x", 1);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) _exit(try_everything());
  ck_assert_int_eq(waitpid(child, &result, 0), child);
  ck_assert(WIFEXITED(result));
  if (WEXITSTATUS(result) == NO_SANDBOX)
    fprintf(stderr, "skipped: no sandbox in this build or on this machine\n");
  else
    ck_assert_int_eq(WEXITSTATUS(result), CREATE | READ | FORK);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("convert_parts");
  TCase *tests = tcase_create("convert_parts");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, cells_are_renumbered);
  tcase_add_test(tests, heads_are_renamed);
  tcase_add_test(tests, layer_numbers);
  tcase_add_test(tests, values_in_blocks);
  tcase_add_test(tests, label_files);
  tcase_add_test(tests, preset_arithmetic);
  tcase_add_test(tests, sandbox);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
