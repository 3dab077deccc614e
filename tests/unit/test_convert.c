/* convert/: small Keras files made here, converted, compared value by value; and every refusal with its text.
 *
 * The file of most tests is the first block of VGG with F32 values that are multiples of 1/8. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/convert.h"
#include "convert/names.h"

static kohl_context *ctx;
static char folder[64], in_path[128], out_path[128], labels_path[128], logged[512];

static void keep_log(kohl_log_level level, const char *text, void *user) {
  (void)level;
  (void)user;
  snprintf(logged, sizeof logged, "%s", text);
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.log = keep_log;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_convert_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(in_path, sizeof in_path, "%s/in.safetensors", folder);
  snprintf(out_path, sizeof out_path, "%s/out.safetensors", folder);
  snprintf(labels_path, sizeof labels_path, "%s/labels.txt", folder);
}

static void teardown(void) {
  unlink(in_path);
  unlink(out_path);
  unlink(labels_path);
  ck_assert_msg(rmdir(folder) == 0, "a file was left in %s", folder);
  kohl_context_destroy(ctx);
}

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

static void expect_text(const char *text) {
  ck_assert_msg(strstr(kohl_context_error(ctx), text), "'%s' does not contain '%s'", kohl_context_error(ctx), text);
}

typedef struct tensor {
  const char *name;
  kohl_safetensors_dtype dtype;
  int dims;
  int64_t shape[4];
  const char *scaling; /* metadata q:<name>, or NULL */
  bool nan;            /* element 5 is NaN (F32 only) */
} tensor;

static size_t elements(const tensor *t) {
  size_t count = 1;
  for (int i = 0; i < t->dims; i++) count *= (size_t)t->shape[i];
  return count;
}

/* Element i of any tensor; of U8 the byte. */
static float f32_value(size_t i) { return (float)((int)(i * 7 % 1013) - 506) / 8; }
static uint8_t u8_value(size_t i) { return (uint8_t)(i * 5 % 251); }

static void write_data(kohl_safetensors_writer *writer, const tensor *t) {
  size_t count = elements(t), bytes = kohl_safetensors_dtype_bytes(t->dtype);
  for (size_t i = 0; i < count; i++) {
    float value = t->nan && i == 5 ? NAN : f32_value(i);
    uint8_t byte = u8_value(i), other[8] = {0};
    uint16_t half = t->dtype == KOHL_SAFETENSORS_F16 ? 0xC200 : 0xC040; /* -3 as F16 and as BF16 */
    const void *data = t->dtype == KOHL_SAFETENSORS_F32 ? (const void *)&value
                       : bytes == 1                     ? (const void *)&byte
                       : bytes == 2                     ? (const void *)&half
                                                        : (const void *)other;
    OK(kohl_safetensors_write(writer, data, bytes));
  }
}

static void write_file(const tensor *tensors, size_t count) {
  kohl_safetensors_writer *writer;
  OK(kohl_safetensors_writer_begin(ctx, in_path, &writer));
  OK(kohl_safetensors_writer_metadata(writer, "source", "made by a test", 14));
  for (size_t i = 0; i < count; i++) {
    char key[128];
    OK(kohl_safetensors_writer_tensor(writer, tensors[i].name, tensors[i].dtype, tensors[i].dims, tensors[i].shape));
    snprintf(key, sizeof key, "q:%s", tensors[i].name);
    if (tensors[i].scaling)
      OK(kohl_safetensors_writer_metadata(writer, key, tensors[i].scaling, strlen(tensors[i].scaling)));
  }
  OK(kohl_safetensors_writer_lay(writer));
  for (size_t i = 0; i < count; i++) write_data(writer, &tensors[kohl_safetensors_writer_order(writer, i)]);
  OK(kohl_safetensors_writer_finish(writer));
}

static void write_text(const char *path, const void *text, size_t length) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(text, 1, length, file), length);
  ck_assert_int_eq(fclose(file), 0);
}

#define F32 KOHL_SAFETENSORS_F32
enum { BLOCK = 4 };
static const tensor block1[BLOCK] = {
    {"block1_conv1/kernel", F32, 4, {3, 3, 3, 64}, NULL, false},
    {"block1_conv1/bias", F32, 1, {64}, NULL, false},
    {"block1_conv2/kernel:0", F32, 4, {3, 3, 64, 64}, NULL, false}, /* ":0" is optional */
    {"block1_conv2/bias:0", F32, 1, {64}, NULL, false},
};
static const kohl_convert_options until_pool = {.arch = "vgg19", .until = "block1_pool"};

static const float *weight(const kohl_model *model, const char *layer, const char *suffix) {
  int node = kohl_graph_find(model->graph, layer);
  ck_assert_int_ge(node, 0);
  const kohl_weight *w = kohl_model_weight(model, node, suffix);
  ck_assert_ptr_nonnull(w);
  return w->data;
}

START_TEST(first_block) {
  write_file(block1, BLOCK);
  OK(kohl_convert(ctx, in_path, &until_pool, out_path));
  kohl_model *model;
  OK(kohl_model_open(ctx, out_path, &model));
  OK(kohl_model_verify(ctx, model));
  ck_assert_uint_eq(model->graph->count, 4);
  ck_assert_str_eq(model->graph->nodes[3].name, "block1_pool");
  ck_assert_int_eq(model->graph->base_output, -1);
  ck_assert_int_eq(model->task, KOHL_TASK_NONE);
  ck_assert_uint_eq(model->label_count, 0);
  const float *w = weight(model, "block1_conv2", "weight"), *b = weight(model, "block1_conv1", "bias");
  for (size_t k = 0; k < 64; k++) {
    ck_assert(b[k] == f32_value(k));
    for (size_t rsc = 0; rsc < 9 * 64; rsc++) ck_assert(w[k * 9 * 64 + rsc] == f32_value(rsc * 64 + k));
  }
  ck_assert_int_eq(model->preprocessing.order, KOHL_CHANNELS_BGR);
  ck_assert(model->preprocessing.mean[0] == 103.939f && model->preprocessing.scale == 1.0f);
  ck_assert_int_eq(model->preprocessing.fit.w, 224);
  ck_assert_ptr_nonnull(strstr(model->provenance, "\"source\":\"in.safetensors\",\"source_crc32c\":\""));
  ck_assert_ptr_nonnull(strstr(model->provenance, "\"preset\":\"keras-caffe\",\"source_text\":\"made by a test\""));
  kohl_model_destroy(ctx, model);
  ck_assert_int_eq(kohl_convert(ctx, out_path, &until_pool, in_path), KOHL_BAD_INPUT);
  expect_text("out.safetensors: is already a kohl model");
}
END_TEST

START_TEST(other_number_formats) {
  tensor tensors[BLOCK];
  memcpy(tensors, block1, sizeof tensors);
  tensors[0].dtype = KOHL_SAFETENSORS_F16;
  tensors[1].dtype = KOHL_SAFETENSORS_BF16;
  tensors[2].dtype = tensors[3].dtype = KOHL_SAFETENSORS_U8;
  tensors[2].scaling = "0.007077411576813342 -0.9198471903800964";
  tensors[3].scaling = "1e-05 0";
  write_file(tensors, BLOCK);
  kohl_convert_options options = until_pool;
  options.preset = "torchvision";
  options.size = 112;
  kohl_model *model;
  OK(kohl_convert_read(ctx, in_path, &options, &model));
  ck_assert(weight(model, "block1_conv1", "weight")[77] == -3.0f);
  ck_assert(weight(model, "block1_conv1", "bias")[7] == -3.0f);
  const float *w = weight(model, "block1_conv2", "weight");
  for (size_t k = 0; k < 64; k++)
    for (size_t rsc = 0; rsc < 9 * 64; rsc++)
      ck_assert(w[k * 9 * 64 + rsc] ==
                (float)((double)u8_value(rsc * 64 + k) * 0.007077411576813342 + -0.9198471903800964));
  ck_assert(weight(model, "block1_conv2", "bias")[3] == (float)(15 * 1e-05));
  ck_assert_int_eq(model->preprocessing.order, KOHL_CHANNELS_RGB);
  ck_assert_int_eq(model->preprocessing.fit.mode, KOHL_FIT_CROP);
  ck_assert_int_eq(model->preprocessing.fit.w, 112);
  ck_assert_int_eq(model->preprocessing.fit.resize, 128);
  ck_assert_int_eq(model->graph->nodes[0].shape.h, 112);
  kohl_model_destroy(ctx, model);
}
END_TEST

#define U8 KOHL_SAFETENSORS_U8
#define BIAS2 "block1_conv2/bias"
/* One change to the file of four tensors, and the text that it must give. */
static const struct {
  int change;  /* tensor 0 to 3; 4 is one more */
  tensor with; /* without a name: left out */
  const char *text;
} refusals[] = {
    {3, {0}, "layer 'block1_conv2': tensor 'block1_conv2/bias' is missing; --until block1_conv1 converts what comes"},
    {1, {0}, "layer 'block1_conv1': tensor 'block1_conv1/bias' is missing"},
    {0,
     {"features.0.weight", F32, 4, {64, 3, 3, 3}, NULL, false},
     "tensor 'block1_conv1/kernel' is missing; the file has 'block1_conv1/bias', expected names of vgg19 as Keras, "},
    {4,
     {"block1_conv3/bias", F32, 1, {64}, NULL, false},
     "tensor 'block1_conv3/bias' is extra: vgg19 has no layer 'block1_conv3'"},
    {4,
     {"block1_conv2/gamma", F32, 1, {64}, NULL, false},
     "tensor 'block1_conv2/gamma' is extra: layer 'block1_conv2' has no gamma in preset 'keras-caffe' of vgg19"},
    {4,
     {"block1_conv2/W_1", F32, 1, {64}, NULL, false},
     "tensor 'block1_conv2/W_1' is extra: its name does not end in kernel, bias,"},
    {4,
     {BIAS2, F32, 1, {64}, NULL, false},
     "tensors 'block1_conv2/bias' and 'block1_conv2/bias:0' both are the bias of layer 'block1_conv2'"},
    {2,
     {"block1_conv2/kernel", F32, 4, {64, 64, 3, 3}, NULL, false},
     "layer 'block1_conv2': tensor 'block1_conv2/kernel' has shape [64,64,3,3], expected [3,3,64,64]; it seems to be "
     "transposed"},
    {2, {"block1_conv2/kernel", F32, 4, {3, 3, 64, 65}, NULL, false}, "has shape [3,3,64,65], expected [3,3,64,64]"},
    {3, {BIAS2, F32, 2, {1, 64}, NULL, false}, "has shape [1,64], expected [64]"},
    {3,
     {BIAS2, KOHL_SAFETENSORS_I32, 1, {64}, NULL, false},
     "tensor 'block1_conv2/bias': dtype I32, expected F32, F16, BF16, F64, or whole numbers with a scale"},
    {3,
     {BIAS2, U8, 1, {64}, NULL, false},
     "dtype U8, expected F32, F16, BF16, F64, or whole numbers with a scale and a minimum"},
    {3,
     {BIAS2, U8, 1, {64}, "nan 0", false},
     "metadata 'q:block1_conv2/bias': value 'nan 0', expected two numbers \"scale min\""},
    {3, {BIAS2, U8, 1, {64}, "0.5", false}, "value '0.5', expected two numbers"},
    {3, {BIAS2, U8, 1, {64}, "0.5 1 2", false}, "value '0.5 1 2', expected two numbers"},
    {3, {BIAS2, U8, 1, {64}, "1e400 0", false}, "value '1e400 0', expected two numbers"},
    {3, {BIAS2, U8, 1, {64}, "1e38 0", false}, "tensor 'block1_conv2/bias': value 1 is inf, expected a finite number"},
    {3, {BIAS2, F32, 1, {64}, NULL, true}, "tensor 'block1_conv2/bias': value 5 is nan, expected a finite number"},
};

START_TEST(refused_tensors) {
  tensor tensors[BLOCK + 1];
  size_t count = 0;
  int change = refusals[_i].change;
  for (int i = 0; i <= BLOCK; i++) {
    if (i != change && i < BLOCK) tensors[count++] = block1[i];
    if (i == change && refusals[_i].with.name) tensors[count++] = refusals[_i].with;
  }
  write_file(tensors, count);
  ck_assert_int_eq(kohl_convert(ctx, in_path, &until_pool, out_path), KOHL_BAD_INPUT);
  expect_text(refusals[_i].text);
  expect_text(in_path);
  ck_assert_int_ne(access(out_path, F_OK), 0);
}
END_TEST

START_TEST(refused_options) {
  static const struct {
    kohl_convert_options options;
    const char *text;
  } cases[] = {
      {{.until = "block1_pool"}, "the architecture is not given"},
      {{.arch = "vgg11"}, "unknown architecture 'vgg11'"},
      {{.arch = "vgg19", .preset = "nsfwjs"}, "vgg19 has no preset 'nsfwjs', expected one of keras-caffe, torchvision"},
      {{.arch = "vgg19", .until = "block1_pol"}, "--until 'block1_pol'"},
      {{.arch = "vgg19", .until = "block1_pool", .no_top = true}, "--no-top and --until block1_pool"},
      {{.arch = "vgg19", .size = -1}, "--size: value -1"},
      {{.arch = "vgg19", .until = "block1_pool", .labels_path = "some.txt"},
       "some.txt: labels for a network that ends at 'block1_pool'"},
  };
  write_file(block1, BLOCK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ck_assert_int_eq(kohl_convert(ctx, in_path, &cases[i].options, out_path), KOHL_USAGE);
    expect_text(cases[i].text);
  }
  kohl_convert_options whole = {.arch = "vgg19"};
  ck_assert_int_eq(kohl_convert(ctx, in_path, &whole, out_path), KOHL_BAD_INPUT);
  expect_text("layer 'block2_conv1': tensor 'block2_conv1/kernel' is missing; --until block1_pool converts");
}
END_TEST

START_TEST(refused_formats) {
  static const char tar[300] = {[257] = 'u', 's', 't', 'a', 'r'};
  static const struct {
    const char *bytes;
    size_t length;
    const char *text;
  } cases[] = {
      {"", 0, "is an empty file; expected weights of a network"},
      {"\x89HDF\r\n\x1a\nxxxxxxxx", 16, "in.safetensors: "}, /* what is wrong depends on libhdf5 being there */
      {"PK\x03\x04xxxx", 8, "zip archive: has no end record"},
      {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a", 11, "is a pickle without PyTorch's magic number"},
      {"\x80\x02}q", 4, "is a Python pickle"},
      {tar, sizeof tar, "is a tar archive"},
      {"{\"format\": \"x\", \"modelTopology\": {}}", 36, "field 'format': value 'x', expected layers-model"},
      {"xx\x57\xfb\x80\x8b\x24\x75\x47\xdb", 10, "is a TensorFlow checkpoint of 10 bytes, expected at least 48"},
      {"\x08\x07\x12\x07pytorch", 11, "field 'graph' is missing, expected an ONNX model"},
      {"version https://git-lfs.github.com/spec/v1\n", 43, "is a Git LFS pointer"},
      {"hello", 5, "is of no known format"},
      {"\x10\0\0\0\0\0\0\0{", 9, "in.safetensors"}, /* safetensors, cut off: its reader says what is wrong */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_text(in_path, cases[i].bytes, cases[i].length);
    ck_assert_int_eq(kohl_convert(ctx, in_path, &until_pool, out_path), KOHL_BAD_INPUT);
    expect_text(cases[i].text);
  }
  ck_assert_int_eq(kohl_convert(ctx, folder, &until_pool, out_path), KOHL_BAD_INPUT);
  expect_text("is not a regular file");
}
END_TEST

/* A whole SqueezeNet of `classes` classes, as a Keras file; the bias of the classes may be of another number. */
static void write_squeezenet(int classes, int biases) {
  kohl_arch_options options = kohl_arch_options_default("squeezenet1_1");
  options.classes = classes;
  kohl_graph *graph;
  OK(kohl_arch_build(ctx, "squeezenet1_1", &options, &graph));
  static tensor tensors[64];
  static char names[64][64];
  size_t count = 0;
  for (size_t i = 0; i < graph->count; i++) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    int n = kohl_node_weights(graph, &graph->nodes[i], specs);
    for (int k = 0; k < n; k++, count++) {
      int dims = specs[k].dims;
      tensor t = {names[count], U8, dims, {0}, "0.5 -1", false};
      char name[KOHL_SAFETENSORS_NAME + 1];
      ck_assert(kohl_naming_name(KOHL_NAMING_KERAS, "", graph->nodes[i].name, specs[k].suffix, name));
      snprintf(names[count], sizeof names[count], "%.60s", name);
      for (int d = 0; d < dims; d++) t.shape[d] = specs[k].shape[(d + 1) % dims];
      if (strcmp(names[count], "conv10/bias") == 0) t.shape[0] = biases;
      tensors[count] = t;
    }
  }
  kohl_graph_destroy(ctx, graph);
  write_file(tensors, count);
}

START_TEST(whole_network) {
  kohl_convert_options options = {.arch = "squeezenet1_1"};
  kohl_model *model;
  write_squeezenet(3, 3);
  OK(kohl_convert_read(ctx, in_path, &options, &model));
  ck_assert_int_eq(model->task, KOHL_TASK_ONE_LABEL);
  ck_assert_uint_eq(model->label_count, 3);
  ck_assert_str_eq(model->labels[2], "2");
  ck_assert_ptr_nonnull(strstr(logged, "no labels given, the classes are called 0 to 2"));
  ck_assert_str_eq(model->graph->nodes[model->graph->base_output].name, "fire9/concat");
  ck_assert(weight(model, "conv10", "weight")[512] == (float)u8_value(1) * 0.5f - 1); /* class 1, channel 0 */
  kohl_model_destroy(ctx, model);
  write_text(labels_path, "cat\ndog\nox\n", 11);
  options.labels_path = labels_path;
  OK(kohl_convert_read(ctx, in_path, &options, &model));
  ck_assert_str_eq(model->labels[1], "dog");
  kohl_model_destroy(ctx, model);
  write_text(labels_path, "cat\ndog\n", 8);
  ck_assert_int_eq(kohl_convert_read(ctx, in_path, &options, &model), KOHL_BAD_INPUT);
  expect_text("labels.txt: 2 labels, expected 3, one for each class of the network");
  kohl_convert_options base = {.arch = "squeezenet1_1", .no_top = true};
  OK(kohl_convert_read(ctx, in_path, &base, &model));
  ck_assert_str_eq(model->graph->nodes[model->graph->count - 1].name, "fire9/concat");
  ck_assert_int_eq(model->task, KOHL_TASK_NONE);
  ck_assert_ptr_nonnull(strstr(logged, "2 tensors behind the cut are left out"));
  kohl_model_destroy(ctx, model);
  write_squeezenet(3, 4);
  options.labels_path = NULL;
  ck_assert_int_eq(kohl_convert_read(ctx, in_path, &options, &model), KOHL_BAD_INPUT);
  expect_text("layer 'conv10': the bias is of 4 classes, the kernel of 3");
}
END_TEST

static size_t allowed; /* allocations before one is refused */

static void *refuse(size_t count, void *user) {
  (void)user;
  return allowed-- == 0 ? NULL : aligned_alloc(64, (count + 63) / 64 * 64);
}

static void release(void *memory, void *user) {
  (void)user;
  free(memory);
}

/* Every single allocation refused once; leaks are found by the sanitizer lane. */
START_TEST(refused_memory) {
  write_file(block1, BLOCK);
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){refuse, release, NULL};
  options.threads = 1;
  kohl_context *poor;
  allowed = SIZE_MAX;
  ck_assert_int_eq(kohl_context_create(&options, &poor), KOHL_OK);
  kohl_status status = KOHL_NO_RESOURCE;
  size_t n = 0;
  for (; status != KOHL_OK; n++) {
    kohl_model *model;
    allowed = n;
    status = kohl_convert_read(poor, in_path, &until_pool, &model);
    ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "%zu: %s", n, kohl_context_error(poor));
    ck_assert(status == KOHL_OK || model == NULL);
    kohl_model_destroy(poor, model);
  }
  ck_assert_uint_gt(n, 50);
  kohl_context_destroy(poor);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("convert");
  TCase *tests = tcase_create("convert");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, first_block);
  tcase_add_test(tests, other_number_formats);
  tcase_add_loop_test(tests, refused_tensors, 0, sizeof refusals / sizeof refusals[0]);
  tcase_add_test(tests, refused_options);
  tcase_add_test(tests, refused_formats);
  tcase_add_test(tests, whole_network);
  tcase_add_test(tests, refused_memory);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
