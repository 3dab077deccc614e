/* convert/export: small networks written for others and read back bit for bit, every order of numbers against its
 * formula, the fields of an ONNX file, refusals, and what stays on the disk after a failure.
 *
 * What the numbers mean to other programs is asked by tests/oracle/export.py. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/container/protobuf.h"
#include "convert/export/export.h"
#include "convert/export/permute.h"
#include "convert/naming.h"
#include "nn/models/models.h"
#include "tests/unit/meter.h"

static kohl_context *ctx;
static char folder[64], model_path[128], out_path[128], logged[2048];
static long polls_left; /* of the cancel callback; negative: never */

static void keep_log(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level == KOHL_LOG_WARNING) snprintf(logged, sizeof logged, "%s", text);
}

static bool cancel(void *user) {
  (void)user;
  return polls_left >= 0 && polls_left-- == 0;
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.log = keep_log;
  options.cancel = cancel;
  polls_left = -1;
  logged[0] = 0;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_export_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(model_path, sizeof model_path, "%s/model.safetensors", folder);
  snprintf(out_path, sizeof out_path, "%s/out", folder);
}

static void teardown(void) {
  unlink(model_path);
  unlink(out_path);
  ck_assert_msg(rmdir(folder) == 0, "a file was left in %s", folder);
  kohl_context_destroy(ctx);
}

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

static void expect_text(const char *text) {
  ck_assert_msg(strstr(kohl_context_error(ctx), text), "'%s' does not contain '%s'", kohl_context_error(ctx), text);
}

/* Bits that arithmetic would change are among them: signalling NaN, -0, a denormal. */
static float value_at(size_t tensor, size_t i) {
  static const uint32_t odd[4] = {0x7f800001, 0x80000000, 0x00000001, 0xffc12345};
  uint32_t bits = i % 7 == 3 ? odd[i / 7 % 4] : (uint32_t)(0x3f000000 + tensor * 65536 + i);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Weights for a graph, which is taken over, saved and opened again. */
static kohl_model *with_weights(kohl_graph *graph) {
  kohl_model *made, *model;
  OK(kohl_graph_infer(ctx, graph));
  OK(kohl_model_create(ctx, graph, &made));
  for (size_t t = 0; t < made->weight_count; t++) {
    OK(kohl_weight_own(ctx, &made->weights[t]));
    for (size_t i = 0; i < made->weights[t].spec.count; i++) made->weights[t].owned[i] = value_at(t, i);
  }
  made->preprocessing = kohl_preprocessing_default();
  made->preprocessing.fit.h = graph->nodes[0].shape.h;
  made->preprocessing.fit.w = graph->nodes[0].shape.w;
  OK(kohl_model_set_provenance(ctx, made, "{\"source\":\"a.h5\",\"preset\":\"keras\",\"more\":[1,2]}"));
  const kohl_node *last = &graph->nodes[graph->count - 1];
  if (last->layer == KOHL_LAYER_sigmoid) {
    static const char *const labels[] = {"a \"b\"", "\xc3\xa9", "c"};
    static const float thresholds[] = {0.25f, 0.5f, 0.75f};
    made->task = KOHL_TASK_MANY_LABELS;
    OK(kohl_model_set_labels(ctx, made, labels, 3));
    OK(kohl_model_set_thresholds(ctx, made, thresholds, 3));
  }
  OK(kohl_model_save(ctx, made, model_path));
  kohl_model_destroy(ctx, made);
  OK(kohl_model_open(ctx, model_path, &model));
  return model;
}

static int add(kohl_graph *graph, kohl_layer layer, const char *name, kohl_params p) {
  int last = (int)graph->count - 1, index;
  OK(kohl_graph_add(ctx, graph, layer, name, &p, &last, layer == KOHL_LAYER_input ? 0 : 1, &index));
  return index;
}

/* VGG-19's first layer and a head of one's own: flatten of 3x2x4, batch-norm, dense, sigmoid.  side: of the input. */
static kohl_graph *small(const char *arch) {
  kohl_graph *graph;
  kohl_params p = kohl_params_default(), plain = p;
  OK(kohl_graph_create(ctx, arch, &graph));
  p.size[0] = 5, p.size[1] = 4, p.size[2] = 3;
  add(graph, KOHL_LAYER_input, "input_1", p);
  p = plain;
  p.filters = 4, p.kernel[0] = 3, p.kernel[1] = 3, p.padding = KOHL_PADDING_VALID;
  add(graph, KOHL_LAYER_conv2d, "block1_conv1", p);
  add(graph, KOHL_LAYER_flatten, "head_flatten", plain);
  p = plain;
  p.gamma = false;
  add(graph, KOHL_LAYER_batch_norm, "head_norm", p);
  p = plain;
  p.filters = 3;
  add(graph, KOHL_LAYER_dense, "head_logits", p);
  add(graph, KOHL_LAYER_sigmoid, "head_sigmoid", plain);
  return graph;
}

static kohl_status export_as(const kohl_model *model, kohl_export_format format) {
  kohl_export_options options = {.format = format};
  return kohl_export(ctx, model, &options, out_path);
}

/* The tensor of a name and shape, its values being ours at from(k) for every k. */
typedef size_t source(size_t k);
static void expect_tensor(const kohl_safetensors *file, const char *name, const char *shape, size_t tensor,
                          source *from) {
  char got[64] = "";
  long index = kohl_safetensors_find(file, name);
  ck_assert_msg(index >= 0, "no tensor %s", name);
  OK(kohl_safetensors_verify(ctx, file, (size_t)index));
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)index);
  for (int d = 0; d < info->dims; d++)
    snprintf(got + strlen(got), sizeof got - strlen(got), d ? ",%lld" : "%lld", (long long)info->shape[d]);
  ck_assert_str_eq(got, shape);
  ck_assert_int_eq(info->dtype, KOHL_SAFETENSORS_F32);
  for (size_t k = 0; k < info->bytes / sizeof(float); k++) {
    float want = value_at(tensor, from(k));
    ck_assert_msg(!memcmp((const char *)info->data + k * sizeof want, &want, sizeof want), "%s: value %zu", name, k);
  }
}

/* Of filters [4,3,3,3] krsc, of 24 numbers h,w,c = 3,2,4 in a row, and of dense [3,24]. */
static size_t same(size_t k) { return k; }
static size_t hwio(size_t k) { return (k % 4) * 27 + k / 12 * 3 + k / 4 % 3; }
static size_t oihw(size_t k) { return k / 27 * 27 + k % 9 * 3 + k / 9 % 3; }
static size_t chw(size_t k) { return k % 6 * 4 + k / 6; }
static size_t in_out(size_t k) { return k % 3 * 24 + k / 3; }
static size_t out_chw(size_t k) { return k / 24 * 24 + chw(k % 24); }

static const char *text_of(const kohl_safetensors *file, const char *key) {
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(file, key);
  ck_assert_msg(text != NULL, "no metadata %s", key);
  return text->text;
}

/* Weights of small() in their order: conv weight, bias; norm beta, mean, variance; dense weight, bias. */
START_TEST(keras_names) {
  kohl_safetensors *file;
  kohl_model *model = with_weights(small("vgg19"));
  OK(export_as(model, KOHL_EXPORT_KERAS));
  kohl_model_destroy(ctx, model);
  OK(kohl_safetensors_open(ctx, out_path, &file));
  ck_assert_uint_eq(kohl_safetensors_count(file), 7);
  expect_tensor(file, "block1_conv1/kernel", "3,3,3,4", 0, hwio);
  expect_tensor(file, "block1_conv1/bias", "4", 1, same);
  expect_tensor(file, "head_norm/beta", "24", 2, same);
  expect_tensor(file, "head_norm/moving_mean", "24", 3, same);
  expect_tensor(file, "head_norm/moving_variance", "24", 4, same);
  expect_tensor(file, "head_logits/kernel", "24,3", 5, in_out);
  expect_tensor(file, "head_logits/bias", "3", 6, same);
  ck_assert_str_eq(text_of(file, "names"), "keras");
  ck_assert_str_eq(text_of(file, "arch"), "vgg19");
  ck_assert_str_eq(text_of(file, "preset"), "keras");
  ck_assert_str_eq(text_of(file, "source"), "a.h5");
  ck_assert_str_eq(text_of(file, "task"), "many_labels");
  ck_assert_str_eq(text_of(file, "labels"), "[\"a \\\"b\\\"\",\"\xc3\xa9\",\"c\"]");
  ck_assert_str_eq(text_of(file, "thresholds"), "[0.25,0.5,0.75]");
  ck_assert_str_eq(text_of(file, "provenance"), "{\"source\":\"a.h5\",\"preset\":\"keras\",\"more\":[1,2]}");
  ck_assert_ptr_nonnull(strstr(text_of(file, "preprocessing"), "\"scale\":0.003921569"));
  ck_assert_ptr_null(kohl_safetensors_metadata_find(file, "kohl")); /* it is no model of ours */
  kohl_safetensors_close(ctx, file);
}
END_TEST

START_TEST(torchvision_names) {
  kohl_safetensors *file;
  kohl_model *model = with_weights(small("vgg19"));
  OK(export_as(model, KOHL_EXPORT_TORCHVISION));
  kohl_model_destroy(ctx, model);
  OK(kohl_safetensors_open(ctx, out_path, &file));
  ck_assert_uint_eq(kohl_safetensors_count(file), 9);
  expect_tensor(file, "features.0.weight", "4,3,3,3", 0, oihw);
  expect_tensor(file, "features.0.bias", "4", 1, same);
  expect_tensor(file, "head_norm.bias", "24", 2, chw);
  expect_tensor(file, "head_norm.running_mean", "24", 3, chw);
  expect_tensor(file, "head_norm.running_var", "24", 4, chw);
  expect_tensor(file, "head_logits.weight", "3,24", 5, out_chw);
  expect_tensor(file, "head_logits.bias", "3", 6, same);
  const kohl_tensor_info *ones = kohl_safetensors_tensor(file, (size_t)kohl_safetensors_find(file, "head_norm.weight"));
  const kohl_tensor_info *batches =
      kohl_safetensors_tensor(file, (size_t)kohl_safetensors_find(file, "head_norm.num_batches_tracked"));
  ck_assert(ones->dims == 1 && ones->shape[0] == 24);
  for (size_t i = 0; i < 24; i++) {
    float value;
    memcpy(&value, (const char *)ones->data + i * sizeof value, sizeof value);
    ck_assert(value == 1.0f);
  }
  ck_assert(batches->dtype == KOHL_SAFETENSORS_I64 && batches->dims == 0);
  ck_assert(!memcmp(batches->data, "\0\0\0\0\0\0\0", 8));
  kohl_safetensors_close(ctx, file);
}
END_TEST

/* A published network comes back through the reader's naming; what differs is said. */
static kohl_model *published(const char *arch, const kohl_arch_options *options) {
  kohl_graph *graph;
  OK(kohl_arch_build(ctx, arch, options, &graph));
  return with_weights(graph);
}

START_TEST(differences) {
  kohl_arch_options options = kohl_arch_options_default("squeezenet1_1");
  kohl_safetensors *file;
  options.height = options.width = 66; /* its second pool leaves a row over */
  options.classes = 2;
  kohl_model *model = published("squeezenet1_1", &options);
  OK(export_as(model, KOHL_EXPORT_KERAS));
  ck_assert_str_eq(logged, "");
  OK(export_as(model, KOHL_EXPORT_TORCHVISION));
  kohl_model_destroy(ctx, model);
  ck_assert_str_eq(logged,
                   "torchvision's squeezenet1_1 computes otherwise: layer 'pool1' has output 15x15, there "
                   "16x16 (so in 3 layers)");
  OK(kohl_safetensors_open(ctx, out_path, &file));
  ck_assert_str_eq(text_of(file, "differences"), logged);
  kohl_safetensors_close(ctx, file);
  options.ceil_pools = true;
  logged[0] = 0;
  model = published("squeezenet1_1", &options);
  OK(export_as(model, KOHL_EXPORT_TORCHVISION));
  kohl_model_destroy(ctx, model);
  ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(refused) {
  kohl_export_options pixels = {.format = KOHL_EXPORT_KERAS, .preprocessing = true};
  kohl_model *model = with_weights(small("my_net"));
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_TORCHVISION), KOHL_BAD_INPUT);
  expect_text("model.safetensors: torchvision has no network 'my_net'; expected one of its own, or --to keras or onnx");
  ck_assert_int_eq(kohl_export(ctx, model, &pixels, out_path), KOHL_USAGE);
  expect_text("for onnx only, not for keras");
  pixels.format = KOHL_EXPORT_ONNX;
  ck_assert_int_eq(kohl_export(ctx, model, &pixels, model_path), KOHL_USAGE);
  expect_text("model.safetensors: is the model itself");
  ck_assert_int_eq(kohl_export(ctx, model, &pixels, "/nowhere/x.onnx"), KOHL_BAD_INPUT);
  expect_text("/nowhere/x.onnx");
  kohl_model_destroy(ctx, model);
  kohl_arch_options options = kohl_arch_options_default("resnet50");
  options.height = options.width = 33;
  options.classes = 2;
  model = published("resnet50", &options);
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_TORCHVISION), KOHL_BAD_INPUT);
  expect_text("torchvision's resnet50 has other weights: layer 'conv1_conv' has bias true, there false; expected");
  kohl_model_destroy(ctx, model);
}
END_TEST

START_TEST(refused_networks) {
  kohl_graph *graph;
  kohl_params p = kohl_params_default(), plain = p;
  int both[2] = {0, 0}, index;
  OK(kohl_graph_create(ctx, "vgg19", &graph)); /* no weights at all */
  p.size[0] = 4, p.size[1] = 4, p.size[2] = 2;
  add(graph, KOHL_LAYER_input, "input_1", p);
  add(graph, KOHL_LAYER_relu, "relu", plain);
  kohl_model *model = with_weights(graph);
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_KERAS), KOHL_BAD_INPUT);
  expect_text("no layer has weights");
  kohl_export_options pixels = {.format = KOHL_EXPORT_ONNX, .preprocessing = true};
  ck_assert_int_eq(kohl_export(ctx, model, &pixels, out_path), KOHL_USAGE);
  expect_text("input has 2 channels, expected 3");
  kohl_model_destroy(ctx, model);
  OK(kohl_graph_create(ctx, "vgg19", &graph)); /* two flattened pictures side by side */
  add(graph, KOHL_LAYER_input, "input_1", p);
  both[0] = add(graph, KOHL_LAYER_flatten, "flatten_1", plain);
  OK(kohl_graph_add(ctx, graph, KOHL_LAYER_flatten, "flatten_2", &plain, &both[1], 1, &index));
  both[1] = index;
  OK(kohl_graph_add(ctx, graph, KOHL_LAYER_concat, "side_by_side", &plain, both, 2, &index));
  add(graph, KOHL_LAYER_dropout, "dropout", plain);
  p = plain;
  p.filters = 3;
  add(graph, KOHL_LAYER_dense, "fc1", p);
  model = with_weights(graph);
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_TORCHVISION), KOHL_BAD_INPUT);
  expect_text("layer 'fc1' (dense): it reads a flattened picture by way of other layers");
  OK(export_as(model, KOHL_EXPORT_KERAS));
  OK(export_as(model, KOHL_EXPORT_ONNX));
  kohl_model_destroy(ctx, model);
}
END_TEST

/* 32,768 x 16,384 weights are 2^31 bytes; they are never looked at. */
START_TEST(refused_size) {
  static const float nothing;
  kohl_graph *graph;
  kohl_model *model;
  kohl_params p = kohl_params_default();
  OK(kohl_graph_create(ctx, "", &graph));
  p.size[0] = p.size[1] = 1, p.size[2] = 1 << 15;
  add(graph, KOHL_LAYER_input, "input_1", p);
  p.filters = 1 << 14;
  p.bias = false;
  add(graph, KOHL_LAYER_dense, "dense", p);
  OK(kohl_graph_infer(ctx, graph));
  OK(kohl_model_create(ctx, graph, &model));
  model->weights[0].data = &nothing;
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_ONNX), KOHL_BAD_INPUT);
  expect_text("bytes as ONNX, expected at most 2147483647");
  model->weights[0].data = NULL;
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_ONNX), KOHL_BAD_INPUT);
  expect_text("tensor 'dense.weight' has no data");
  kohl_model_destroy(ctx, model);
}
END_TEST

static void write_text(const char *path, const char *text, long at) {
  FILE *file = fopen(path, at < 0 ? "wb" : "r+b");
  ck_assert_ptr_nonnull(file);
  if (at > 0) ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
  ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
  ck_assert_int_eq(fclose(file), 0);
}

static void expect_old_file(void) {
  char text[16] = "";
  FILE *file = fopen(out_path, "rb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fread(text, 1, sizeof text, file), 3);
  fclose(file);
  ck_assert_str_eq(text, "old");
}

/* Whatever fails, the old file stays and teardown finds no other. */
START_TEST(old_file_stays) {
  struct stat info;
  kohl_export_format format = (kohl_export_format)_i;
  write_text(out_path, "old", -1);
  kohl_model *model = with_weights(small("vgg19"));
  long polls = 0;
  for (polls_left = polls; export_as(model, format) != KOHL_OK; polls_left = ++polls) {
    expect_text("interrupt");
    expect_old_file();
  }
  polls_left = -1;
  ck_assert_int_gt(polls, 10); /* one for each weight checked and one for each written */
  kohl_model_destroy(ctx, model);
  ck_assert_int_eq(stat(model_path, &info), 0);
  write_text(model_path, "!", info.st_size - 2);
  write_text(out_path, "old", -1);
  OK(kohl_model_open(ctx, model_path, &model));
  ck_assert_int_eq(export_as(model, format), KOHL_BAD_INPUT);
  expect_text("model.safetensors: tensor 'head_logits.bias'");
  expect_text("CRC32C");
  expect_old_file();
  kohl_model_destroy(ctx, model);
}
END_TEST

START_TEST(refused_memory) {
  meter m = {0};
  kohl_context_options options = kohl_context_options_default();
  kohl_export_options what = {.format = (kohl_export_format)_i, .preprocessing = _i == KOHL_EXPORT_ONNX};
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  options.threads = 1;
  kohl_model *model = with_weights(small("vgg19"));
  atomic_store(&m.left, 1000000);
  kohl_context *poor;
  ck_assert_int_eq(kohl_context_create(&options, &poor), KOHL_OK);
  long before = atomic_load(&m.live), requests = 0;
  kohl_status status = KOHL_NO_RESOURCE;
  for (; status != KOHL_OK; requests++) {
    atomic_store(&m.left, requests);
    status = kohl_export(poor, model, &what, out_path);
    ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "%ld: %s", requests, kohl_context_error(poor));
    ck_assert_int_eq(atomic_load(&m.live), before);
    ck_assert(status == KOHL_OK || access(out_path, F_OK) != 0);
  }
  ck_assert_int_gt(requests, 20);
  atomic_store(&m.left, 1000000);
  kohl_context_destroy(poor);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* A file's bytes, which free() takes. */
static kohl_proto_bytes load(const char *path, uint8_t **bytes) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  *bytes = malloc(1 << 20);
  size_t length = fread(*bytes, 1, 1 << 20, file);
  fclose(file);
  return (kohl_proto_bytes){*bytes, length};
}

/* The number-th field of this kind in a message, from 0; its bytes are NULL when there is none. */
static kohl_proto_bytes part(kohl_proto_bytes message, uint32_t field, int number) {
  kohl_proto reader = kohl_proto_open(message);
  while (kohl_proto_next(&reader)) {
    if (kohl_proto_is(&reader, field, KOHL_PROTO_BYTES) && number-- == 0) return reader.bytes;
  }
  ck_assert(!reader.damaged);
  return (kohl_proto_bytes){NULL, 0};
}

static uint64_t whole(kohl_proto_bytes message, uint32_t field) {
  kohl_proto reader = kohl_proto_open(message);
  while (kohl_proto_next(&reader)) {
    if (kohl_proto_is(&reader, field, KOHL_PROTO_VARINT)) return reader.number;
  }
  ck_abort_msg("no field %u", field);
}

/* "Conv input block1_conv1.weight block1_conv1.bias > block1_conv1:out" of node i of a graph. */
static void expect_node(kohl_proto_bytes graph, int i, const char *text) {
  char got[512];
  kohl_proto_bytes node = part(graph, 1, i), op = part(node, 4, 0), output = part(node, 2, 0), input;
  ck_assert_msg(node.at != NULL, "no node %d", i);
  size_t at = (size_t)snprintf(got, sizeof got, "%.*s", (int)op.length, (const char *)op.at);
  for (int k = 0; input = part(node, 1, k), input.at; k++)
    at += (size_t)snprintf(got + at, sizeof got - at, " %.*s", (int)input.length, (const char *)input.at);
  snprintf(got + at, sizeof got - at, " > %.*s", (int)output.length, (const char *)output.at);
  ck_assert_str_eq(got, text);
}

static void expect_constant(kohl_proto_bytes graph, const char *name, uint64_t rows, size_t tensor, source *from) {
  kohl_proto_bytes constant;
  for (int i = 0; constant = part(graph, 5, i), constant.at; i++) {
    if (!kohl_proto_word(part(constant, 8, 0), name)) continue;
    kohl_proto_bytes raw = part(constant, 9, 0);
    ck_assert_uint_eq(whole(constant, 1), rows);
    ck_assert_uint_eq(whole(constant, 2), 1);
    for (size_t k = 0; k < raw.length / sizeof(float); k++) {
      float want = value_at(tensor, from(k));
      ck_assert_msg(!memcmp(raw.at + k * sizeof want, &want, sizeof want), "%s: value %zu", name, k);
    }
    return;
  }
  ck_abort_msg("no initializer %s", name);
}

START_TEST(onnx_fields) {
  uint8_t *bytes;
  kohl_model *model = with_weights(small("vgg19"));
  OK(export_as(model, KOHL_EXPORT_ONNX));
  kohl_model_destroy(ctx, model);
  kohl_proto_bytes file = load(out_path, &bytes), graph = part(file, 7, 0), opset = part(file, 8, 0);
  ck_assert_uint_eq(whole(file, 1), 8);
  ck_assert(kohl_proto_word(part(file, 2, 0), "kohl"));
  ck_assert_uint_eq(whole(opset, 2), 13);
  ck_assert(kohl_proto_word(part(graph, 2, 0), "vgg19"));
  expect_node(graph, 0, "Conv input block1_conv1.weight block1_conv1.bias > block1_conv1:out");
  expect_node(graph, 1, "Flatten block1_conv1:out > head_flatten:out");
  expect_node(graph, 2,
              "BatchNormalization head_flatten:out head_norm:gamma head_norm.beta head_norm.mean "
              "head_norm.variance > head_norm:out");
  expect_node(graph, 3, "Gemm head_norm:out head_logits.weight head_logits.bias > logits");
  expect_node(graph, 4, "Sigmoid logits > output");
  ck_assert_ptr_null(part(graph, 1, 5).at);
  expect_constant(graph, "block1_conv1.weight", 4, 0, oihw);
  expect_constant(graph, "block1_conv1.bias", 4, 1, same);
  expect_constant(graph, "head_norm.beta", 24, 2, chw);
  expect_constant(graph, "head_logits.weight", 3, 5, out_chw);
  expect_constant(graph, "head_logits.bias", 3, 6, same);
  ck_assert(kohl_proto_word(part(part(graph, 11, 0), 1, 0), "input"));
  ck_assert(kohl_proto_word(part(part(graph, 12, 0), 1, 0), "output"));
  ck_assert(kohl_proto_word(part(part(graph, 12, 1), 1, 0), "logits"));
  ck_assert(kohl_proto_word(part(part(file, 14, 0), 1, 0), "arch"));
  free(bytes);
}
END_TEST

/* What a stream gave, number by number. */
typedef struct collected {
  float *values;
  size_t count, pieces;
} collected;

static kohl_status collect(void *user, const void *bytes, size_t n) {
  collected *c = user;
  memcpy(c->values + c->count, bytes, n);
  c->count += n / sizeof *c->values;
  c->pieces++;
  return KOHL_OK;
}

/* Weights of more than one piece, in every layout; values are their own places, exact in float32. */
START_TEST(pieces) {
  enum { OUT = 70, H = 5, W = 7, C = 300, IN = H * W * C, COUNT = OUT * IN };
  static const kohl_layout layouts[3] = {{false, false}, {true, false}, {true, true}};
  kohl_layout layout = layouts[_i];
  float *data = malloc(COUNT * sizeof *data);
  kohl_weight weight = {.data = data, .spec = {"weight", 2, {OUT, IN, 1, 1}, COUNT}};
  collected c = {malloc(COUNT * sizeof *data), 0, 0};
  for (size_t i = 0; i < COUNT; i++) data[i] = (float)i;
  kohl_export_view view = kohl_export_view_of(&weight, layout, (kohl_shape){H, W, C});
  OK(kohl_export_stream(ctx, &view, collect, &c));
  ck_assert_uint_eq(c.count, COUNT);
  ck_assert_uint_ge(c.pieces, 3);
  for (size_t o = 0; o < OUT; o++) {
    for (size_t i = 0; i < IN; i++) {
      size_t chan = i % C, pixel = i / C, at = layout.channels_first ? chan * H * W + pixel : i;
      ck_assert(c.values[layout.output_first ? o * IN + at : at * OUT + o] == (float)(o * IN + i));
    }
  }
  ck_assert_int_eq(view.shape_dims, 2);
  ck_assert_int_eq(view.shape[layout.output_first ? 0 : 1], OUT);
  free(c.values);
  free(data);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("export");
  TCase *tests = tcase_create("export");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, keras_names);
  tcase_add_test(tests, torchvision_names);
  tcase_add_test(tests, differences);
  tcase_add_test(tests, refused);
  tcase_add_test(tests, refused_networks);
  tcase_add_test(tests, refused_size);
  tcase_add_loop_test(tests, old_file_stays, 0, KOHL_EXPORT_FORMATS);
  tcase_add_loop_test(tests, refused_memory, 0, KOHL_EXPORT_FORMATS);
  tcase_add_test(tests, onnx_fields);
  tcase_add_loop_test(tests, pieces, 0, 3);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
