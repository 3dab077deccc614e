/* The parts of convert/ below the conversion: names of layers, values of a tensor, label files, sandbox. */
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

#include "convert/labels.h"
#include "convert/names.h"
#include "convert/sandbox.h"
#include "convert/values.h"

static kohl_context *ctx;
static char folder[64], labels_path[128], file_path[128], bytes[65536], logged[512];

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
  snprintf(file_path, sizeof file_path, "%s/file", folder);
}

static void teardown(void) {
  unlink(labels_path);
  unlink(file_path);
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

/* A safetensors file: header text and data bytes. */
static void open_header(const char *header, const void *data, size_t data_length, kohl_source *source) {
  size_t length = strlen(header);
  ck_assert_uint_lt(8 + length + data_length, sizeof bytes);
  for (int i = 0; i < 8; i++) bytes[i] = (char)(length >> (8 * i));
  memcpy(bytes + 8, header, length);
  if (data_length) memcpy(bytes + 8 + length, data, data_length);
  write_text(file_path, bytes, 8 + length + data_length);
  *source = (kohl_source){0};
  OK(kohl_source_open(ctx, file_path, source));
}

/* Tensors of one zero-sized dimension: only the names matter. */
static void open_names(const char *const *names, size_t count, kohl_source *source) {
  static char header[32768];
  size_t length = (size_t)snprintf(header, sizeof header, "{");
  for (size_t i = 0; i < count; i++)
    length +=
        (size_t)snprintf(header + length, sizeof header - length,
                         "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", names[i]);
  ck_assert_uint_lt(length + 2, sizeof header);
  strcat(header, "}");
  open_header(header, NULL, 0, source);
}

static void close_names(kohl_names *names, kohl_source *source) {
  kohl_names_free(ctx, names);
  kohl_source_close(ctx, source);
}

/* count cells conv2d_<first>.. (0: without a number); then the wanted status. */
static kohl_status read_cells(int first, int count, kohl_names *names, kohl_source *source) {
  static char texts[200][64];
  const char *list[200];
  const kohl_preset *preset;
  for (int i = 0; i < count; i++) {
    int number = first + i;
    snprintf(texts[i], sizeof texts[i], number ? "conv2d_%d/kernel" : "conv2d/kernel", number);
    list[i] = texts[i];
  }
  open_names(list, (size_t)count, source);
  OK(kohl_preset_find(ctx, "inception_v3", NULL, &preset));
  *names = (kohl_names){0};
  return kohl_names_read(ctx, source, "inception_v3", KOHL_NAMING_KERAS, preset, true, false, names);
}

static void expect_name(const kohl_names *names, const char *layer, const char *suffix, const char *in_file) {
  const kohl_name *name = kohl_names_find(names, layer, suffix);
  ck_assert_msg(name != NULL, "no %s of %s", suffix, layer);
  ck_assert_str_eq(name->tensor->info.name, in_file);
}

START_TEST(cells_are_renumbered) {
  kohl_names names;
  kohl_source source;
  OK(read_cells(1, 94, &names, &source));
  expect_name(&names, "conv2d_94", "weight", "conv2d_94/kernel");
  close_names(&names, &source);
  OK(read_cells(0, 94, &names, &source)); /* conv2d, conv2d_1, ... conv2d_93 */
  expect_name(&names, "conv2d_1", "weight", "conv2d/kernel");
  expect_name(&names, "conv2d_11", "weight", "conv2d_10/kernel"); /* by number, not by text */
  expect_name(&names, "conv2d_94", "weight", "conv2d_93/kernel");
  close_names(&names, &source);
  OK(read_cells(95, 94, &names, &source)); /* the second network of a process */
  expect_name(&names, "conv2d_1", "weight", "conv2d_95/kernel");
  close_names(&names, &source);
  OK(read_cells(1, 50, &names, &source)); /* the beginning of a network */
  expect_name(&names, "conv2d_50", "weight", "conv2d_50/kernel");
  close_names(&names, &source);
  ck_assert_int_eq(read_cells(0, 93, &names, &source), KOHL_BAD_INPUT);
  expect_text(": layers 'conv2d*': 93 with numbers 0 to 92, expected numbers 1 to 94 or exactly 94 layers");
  close_names(&names, &source);
}
END_TEST

static kohl_status read_head(const char *preset_name, bool need_head, const char *const *list, size_t count,
                             kohl_names *names, kohl_source *source) {
  const kohl_preset *preset;
  OK(kohl_preset_find(ctx, "inception_v3", preset_name, &preset));
  open_names(list, count, source);
  *names = (kohl_names){0};
  return kohl_names_read(ctx, source, "inception_v3", KOHL_NAMING_KERAS, preset, need_head, false, names);
}

START_TEST(heads_are_renamed) {
  static const char *const three[] = {"dense_7/kernel", "dense_11/kernel:0", "dense_8/kernel"};
  static const char *const one[] = {"dense/kernel", "dense/bias"};
  static const char *const both[] = {"dense/kernel", "predictions/kernel"};
  kohl_names names;
  kohl_source source;
  OK(read_head("nsfwjs", true, three, 3, &names, &source));
  expect_name(&names, "dense_1", "weight", "dense_7/kernel");
  expect_name(&names, "dense_3", "weight", "dense_11/kernel:0");
  close_names(&names, &source);
  OK(read_head("keras", true, one, 2, &names, &source));
  expect_name(&names, "predictions", "bias", "dense/bias");
  close_names(&names, &source);
  OK(read_head("keras", true, both, 2, &names, &source)); /* left alone: the dense layer will be extra */
  expect_name(&names, "dense", "weight", "dense/kernel");
  close_names(&names, &source);
  ck_assert_int_eq(read_head("keras", true, three, 3, &names, &source), KOHL_BAD_INPUT);
  expect_text(": the head has 3 dense layers, expected 1 for preset 'keras'; presets of inception_v3 with 3: nsfwjs");
  close_names(&names, &source);
  OK(read_head("keras", false, three, 3, &names, &source));
  close_names(&names, &source);
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
  kohl_source source;
  open_header(
      "{\"__metadata__\":{\"q:t\":\"0.25 -3\"},\"t\":{\"dtype\":\"U8\",\"shape\":[3,20000],"
      "\"data_offsets\":[0,60000]}}",
      data, sizeof data, &source);
  static float dst[ROWS * (COLUMNS - 1)], buffer[ROWS * COLUMNS + 17];
  kohl_values values = {.source = &source,
                        .outputs = COLUMNS,
                        .channels = ROWS,
                        .pixels = 1,
                        .from = 1,
                        .take = COLUMNS - 1,
                        .dst = dst,
                        .least = -INFINITY};
  for (size_t rows = 1; rows <= 3; rows++) { /* whatever the block, the same */
    memset(dst, 0xff, sizeof dst);
    OK(kohl_values_read(ctx, &values, buffer, rows * COLUMNS + 17));
    for (size_t k = 1; k < COLUMNS; k++)
      for (size_t r = 0; r < ROWS; r++)
        ck_assert(dst[(k - 1) * ROWS + r] == (float)((r * COLUMNS + k) % 241) * 0.25f - 3);
  }
  values.least = -3.0f; /* a variance that is too small */
  ck_assert_int_eq(kohl_values_read(ctx, &values, buffer, sizeof buffer / sizeof buffer[0]), KOHL_BAD_INPUT);
  expect_text(": tensor 't': value 0 is -3, expected more than -3");
  kohl_source_close(ctx, &source);
}
END_TEST

enum { K = 4, C = 3, P = 2, ALL = K * C * P };

/* Reads outputs from .. from + take - 1 with room for so many values. */
static void expect_part(kohl_values *values, size_t from, size_t take, size_t room, int form) {
  float dst[ALL + 1], buffer[ALL];
  memset(dst, 0xff, sizeof dst);
  values->from = from;
  values->take = take;
  values->dst = dst;
  OK(kohl_values_read(ctx, values, buffer, room));
  for (size_t i = 0; i < take * C * P; i++)
    ck_assert_msg(dst[i] == (float)(100 * (from + i / (C * P)) + 10 * (i / C % P) + i % C),
                  "form %d, %zu from %zu, value %zu: %g", form, take, from, i, (double)dst[i]);
  ck_assert(isnan(dst[take * C * P]));
}

/* The four orders of one weight of 4 outputs, 3 channels and 2 pixels, any of the outputs at a time.  Value
 * 100 k + 10 p + c is output k at pixel p and channel c. */
START_TEST(layouts) {
  for (int form = 0; form < 4; form++) {
    kohl_layout layout = {form & 1, form & 2};
    float data[ALL];
    for (size_t k = 0; k < K; k++)
      for (size_t p = 0; p < P; p++)
        for (size_t c = 0; c < C; c++) {
          size_t input = layout.channels_first ? c * P + p : p * C + c;
          data[layout.output_first ? k * C * P + input : input * K + k] = (float)(100 * k + 10 * p + c);
        }
    kohl_source source;
    open_header("{\"t\":{\"dtype\":\"F32\",\"shape\":[24],\"data_offsets\":[0,96]}}", data, sizeof data, &source);
    kohl_values values = {
        .source = &source, .layout = layout, .outputs = K, .channels = C, .pixels = P, .least = -INFINITY};
    static const size_t steps[] = {1, 2, 3, 12}; /* of which whole rows are 12 values at most */
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
      source.tensors[0].step = steps[s];
      for (size_t from = 0; from < K; from++)
        for (size_t take = 1; take <= K - from; take++)
          for (size_t room = 12; room <= ALL; room++) expect_part(&values, from, take, room, form);
    }
    kohl_source_close(ctx, &source);
  }
}
END_TEST

/* Names of the publishers, one of each kind. */
START_TEST(published_names) {
  static const struct {
    kohl_naming naming;
    const char *arch, *layer, *suffix, *name; /* NULL: none */
  } cases[] = {
      {KOHL_NAMING_KERAS, "vgg19", "block1_conv1", "weight", "block1_conv1/kernel"},
      {KOHL_NAMING_KERAS, "resnet50", "conv1_bn", "variance", "conv1_bn/moving_variance"},
      {KOHL_NAMING_TORCHVISION, "vgg19", "block1_conv1", "weight", "features.0.weight"},
      {KOHL_NAMING_TORCHVISION, "vgg19", "block5_conv4", "bias", "features.34.bias"},
      {KOHL_NAMING_TORCHVISION, "vgg16", "block5_conv3", "bias", "features.28.bias"},
      {KOHL_NAMING_TORCHVISION, "vgg16", "block5_conv4", "bias", NULL},
      {KOHL_NAMING_TORCHVISION, "vgg19_bn", "block5_conv4", "weight", "features.49.weight"},
      {KOHL_NAMING_TORCHVISION, "vgg19_bn", "block5_conv4_bn", "mean", "features.50.running_mean"},
      {KOHL_NAMING_TORCHVISION, "vgg19", "block5_conv4_bn", "mean", NULL},
      {KOHL_NAMING_TORCHVISION, "vgg19", "fc2", "weight", "classifier.3.weight"},
      {KOHL_NAMING_TORCHVISION, "vgg19_cleo", "fc1", "weight", NULL},
      {KOHL_NAMING_TORCHVISION, "vgg19_cleo", "block1_conv2", "weight", "features.2.weight"},
      {KOHL_NAMING_TIMM, "vgg19", "predictions", "bias", "head.fc.bias"},
      {KOHL_NAMING_TIMM, "vgg19", "fc1", "weight", "pre_logits.fc1.weight"},
      {KOHL_NAMING_SLIM, "vgg19", "block3_conv4", "weight", "vgg_19/conv3/conv3_4/weights"},
      {KOHL_NAMING_SLIM, "vgg16", "predictions", "bias", "vgg_16/fc8/biases"},
      {KOHL_NAMING_TORCHVISION, "inception_v3", "conv2d_94", "weight", "Mixed_7c.branch_pool.conv.weight"},
      {KOHL_NAMING_TIMM, "inception_v3", "batch_normalization_15", "variance", "Mixed_5c.branch5x5_2.bn.running_var"},
      {KOHL_NAMING_SLIM, "inception_v3", "batch_normalization_15", "beta",
       "InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5/BatchNorm/beta"},
      {KOHL_NAMING_SLIM, "inception_v3", "predictions", "weight", "InceptionV3/Logits/Conv2d_1c_1x1/weights"},
      {KOHL_NAMING_TORCHVISION, "inception_v3", "conv2d_95", "weight", NULL},
      {KOHL_NAMING_TORCHVISION, "inception_v3", "conv2d_0", "weight", NULL},
      {KOHL_NAMING_TORCHVISION, "resnet101", "conv4_block23_3_bn", "gamma", "layer3.22.bn3.weight"},
      {KOHL_NAMING_TORCHVISION, "resnet101", "conv4_block24_3_bn", "gamma", NULL},
      {KOHL_NAMING_TIMM, "resnet18", "conv3_block1_0_conv", "weight", "layer2.0.downsample.0.weight"},
      {KOHL_NAMING_TIMM, "resnet18", "conv3_block1_0_bn", "beta", "layer2.0.downsample.1.bias"},
      {KOHL_NAMING_SLIM, "resnet101", "conv2_block1_0_bn", "mean",
       "resnet_v1_101/block1/unit_1/bottleneck_v1/shortcut/BatchNorm/moving_mean"},
      {KOHL_NAMING_SLIM, "resnet101", "conv1_bn", "beta", "resnet_v1_101/conv1/BatchNorm/beta"},
      {KOHL_NAMING_SLIM, "resnet101", "predictions", "bias", "resnet_v1_101/logits/biases"},
      {KOHL_NAMING_TORCHVISION, "alexnet", "conv5", "bias", "features.10.bias"},
      {KOHL_NAMING_TIMM, "alexnet", "conv5", "bias", NULL},
      {KOHL_NAMING_TORCHVISION, "squeezenet1_1", "fire9/expand3x3", "bias", "features.12.expand3x3.bias"},
      {KOHL_NAMING_TORCHVISION, "squeezenet1_1", "fire2/squeeze1x1", "weight", "features.3.squeeze.weight"},
      {KOHL_NAMING_TORCHVISION, "cleo_small", "conv1", "weight", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[KOHL_SAFETENSORS_NAME + 1];
    bool found = kohl_naming_name(cases[i].naming, cases[i].arch, cases[i].layer, cases[i].suffix, text);
    ck_assert_msg(found == (cases[i].name != NULL) && (!found || strcmp(text, cases[i].name) == 0), "%s %s: %s",
                  cases[i].arch, cases[i].layer, found ? text : "none");
  }
}
END_TEST

/* With averages each takes the place of its weight, whose names then mean nothing. */
START_TEST(moving_averages) {
  static const char *const list[] = {"resnet_v1_50/conv1/BatchNorm/beta",
                                     "resnet_v1_50/conv1/BatchNorm/beta/ExponentialMovingAverage",
                                     "resnet_v1_50/conv1/BatchNorm/gamma",
                                     "resnet_v1_50/conv1/BatchNorm/gamma/ExponentialMovingAverage",
                                     "resnet_v1_50/conv1/weights/RMSProp_1",
                                     "resnet_v1_50/conv1/weights",
                                     "global_step"};
  const kohl_preset *preset;
  OK(kohl_preset_find(ctx, "resnet50", "slim", &preset));
  for (int averages = 0; averages < 2; averages++) {
    kohl_names names = {0};
    kohl_source source;
    open_names(list, 7, &source);
    OK(kohl_names_read(ctx, &source, "resnet50", KOHL_NAMING_SLIM, preset, true, averages, &names));
    expect_name(&names, "conv1_bn", "beta", list[averages]);
    expect_name(&names, "conv1_bn", "gamma", list[2 + averages]);
    expect_name(&names, "conv1_conv", "weight", list[5]);
    for (size_t i = 0; i < names.count; i++) ck_assert(names.names[i].suffix || names.names[i].ignored);
    close_names(&names, &source);
  }
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
  tcase_add_test(tests, layouts);
  tcase_add_test(tests, published_names);
  tcase_add_test(tests, moving_averages);
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
