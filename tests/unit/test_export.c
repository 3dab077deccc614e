/* convert/export: small networks written for others and read back bit for bit, every order of numbers against its
 * formula, and the fields of an ONNX file.
 *
 * What the numbers mean to other programs is asked by tests/oracle/export.py, refusals by test_export_refused.c. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/container/protobuf.h"
#include "convert/export/permute.h"
#include "convert/naming.h"
#include "tests/unit/export_models.h"

/* The tensor of a name and shape, its values being ours at from(k) for every k. */
typedef size_t source(size_t k);
static void expect_tensor(const kohl_safetensors *file, const char *name, const char *shape, size_t tensor,
                          source *from) {
  char got[64] = "";
  long index = kohl_safetensors_find(file, name);
  ck_assert_msg(index >= 0, "no tensor %s", name);
  export_ok(kohl_safetensors_verify(export_ctx, file, (size_t)index));
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)index);
  for (int d = 0; d < info->dims; d++)
    snprintf(got + strlen(got), sizeof got - strlen(got), d ? ",%lld" : "%lld", (long long)info->shape[d]);
  ck_assert_str_eq(got, shape);
  ck_assert_int_eq(info->dtype, KOHL_SAFETENSORS_F32);
  for (size_t k = 0; k < info->bytes / sizeof(float); k++) {
    float want = export_value(tensor, from(k));
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

START_TEST(keras_names) {
  kohl_safetensors *file;
  kohl_model *model = export_model(export_small("vgg19"));
  export_ok(export_as(model, KOHL_EXPORT_KERAS));
  kohl_model_destroy(export_ctx, model);
  export_ok(kohl_safetensors_open(export_ctx, export_out_path, &file));
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
  kohl_safetensors_close(export_ctx, file);
}
END_TEST

START_TEST(torchvision_names) {
  kohl_safetensors *file;
  kohl_model *model = export_model(export_small("vgg19"));
  export_ok(export_as(model, KOHL_EXPORT_TORCHVISION));
  kohl_model_destroy(export_ctx, model);
  export_ok(kohl_safetensors_open(export_ctx, export_out_path, &file));
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
  kohl_safetensors_close(export_ctx, file);
}
END_TEST

START_TEST(differences) {
  kohl_arch_options options = kohl_arch_options_default("squeezenet1_1");
  kohl_safetensors *file;
  options.height = options.width = 66; /* its second pool leaves a row over */
  options.classes = 2;
  kohl_model *model = export_published("squeezenet1_1", &options);
  export_ok(export_as(model, KOHL_EXPORT_KERAS));
  ck_assert_str_eq(export_logged, "");
  export_ok(export_as(model, KOHL_EXPORT_TORCHVISION));
  kohl_model_destroy(export_ctx, model);
  ck_assert_str_eq(export_logged,
                   "torchvision's squeezenet1_1 computes otherwise: layer 'pool1' has output 15x15, there "
                   "16x16 (so in 3 layers)");
  export_ok(kohl_safetensors_open(export_ctx, export_out_path, &file));
  ck_assert_str_eq(text_of(file, "differences"), export_logged);
  kohl_safetensors_close(export_ctx, file);
  options.ceil_pools = true;
  export_logged[0] = 0;
  model = export_published("squeezenet1_1", &options);
  export_ok(export_as(model, KOHL_EXPORT_TORCHVISION));
  kohl_model_destroy(export_ctx, model);
  ck_assert_str_eq(export_logged, "");
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
      float want = export_value(tensor, from(k));
      ck_assert_msg(!memcmp(raw.at + k * sizeof want, &want, sizeof want), "%s: value %zu", name, k);
    }
    return;
  }
  ck_abort_msg("no initializer %s", name);
}

START_TEST(onnx_fields) {
  uint8_t *bytes;
  kohl_model *model = export_model(export_small("vgg19"));
  export_ok(export_as(model, KOHL_EXPORT_ONNX));
  kohl_model_destroy(export_ctx, model);
  kohl_proto_bytes file = load(export_out_path, &bytes), graph = part(file, 7, 0), opset = part(file, 8, 0);
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
  export_ok(kohl_export_stream(export_ctx, &view, collect, &c));
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
  tcase_add_checked_fixture(tests, export_setup, export_teardown);
  tcase_add_test(tests, keras_names);
  tcase_add_test(tests, torchvision_names);
  tcase_add_test(tests, differences);
  tcase_add_test(tests, onnx_fields);
  tcase_add_loop_test(tests, pieces, 0, 3);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
