/* ONNX models as sources: which tensors they list, their values in any order, their network in any size; and what is
 * left of a file that was cut off or in which bits were flipped.  (What networks compute: oracle/onnx_files.py.) */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/source.h"

#define FIXTURES "tests/fixtures/onnx/"
#define SEEDS "tests/fuzz/corpus/onnx/"
enum { MOST = 1 << 16 };

static kohl_context *ctx;
static char path[64];
static uint8_t bytes[MOST];

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(path, "/tmp/kohl_test_onnx_XXXXXX");
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  close(file);
}

static void teardown(void) {
  unlink(path);
  kohl_context_destroy(ctx);
}

static size_t read_file(const char *name) {
  FILE *file = fopen(name, "rb");
  ck_assert_msg(file != NULL, "%s is missing; tests run in the project's folder", name);
  size_t length = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  ck_assert_uint_gt(length, 0);
  ck_assert_uint_lt(length, sizeof bytes);
  return length;
}

static kohl_source open_source(const char *name) {
  kohl_source source = {.path = name};
  OK(kohl_onnx_source(ctx, name, &source));
  return source;
}

static void expect(const kohl_source *source, size_t i, const char *name, const char *layer, const char *suffix,
                   int dims, bool output_first, bool channels_first) {
  ck_assert_uint_lt(i, source->count);
  const kohl_source_tensor *tensor = &source->tensors[i];
  ck_assert_str_eq(tensor->info.name, name);
  ck_assert_str_eq(tensor->layer, layer);
  ck_assert_str_eq(tensor->suffix, suffix);
  ck_assert_int_eq(tensor->info.dims, dims);
  if (dims == 1) return; /* has no order */
  ck_assert_int_eq(tensor->layout.output_first, output_first);
  ck_assert_int_eq(tensor->layout.channels_first, channels_first);
}

START_TEST(names_of_pytorch) {
  static const char *const suffixes[] = {"gamma", "beta", "mean", "variance"};
  static const char *const names[] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
  kohl_source source = open_source(FIXTURES "script13-kept.onnx");
  ck_assert_uint_eq(source.count, 15);
  ck_assert(source.describes && source.own_layers);
  ck_assert_str_eq(source.format, "an ONNX model");
  ck_assert_str_eq(source.source_text, "pytorch, opset 13");
  expect(&source, 0, "stem.weight", "stem", "weight", 4, true, true);
  for (size_t i = 0; i < 4; i++) expect(&source, 1 + i, names[i], "bn", suffixes[i], 1, true, true);
  expect(&source, 5, "a.weight", "a", "weight", 4, true, true);
  expect(&source, 12, "classifier.1.bias", "classifier.1", "bias", 1, true, true);
  expect(&source, 13, "classifier.3.weight", "classifier.3", "weight", 2, true, true);
  source.call->close(ctx, &source);
}
END_TEST

/* transform_input of torchvision: (0.229, 0.224, 0.225) / 0.5 and ((0.485, 0.456, 0.406) - 0.5) / 0.5, as f32. */
START_TEST(input_is_scaled) {
  static const double scale[] = {0.458, 0.448, 0.45}, shift[] = {-0.03, -0.088, -0.188};
  static const char *const files[] = {"script9", "script13-kept", "newer", "newer-external"};
  for (size_t i = 0; i < 4; i++) {
    char name[64];
    snprintf(name, sizeof name, FIXTURES "%s.onnx", files[i]);
    kohl_source source = open_source(name);
    ck_assert(source.affine);
    for (int c = 0; c < 3; c++) {
      ck_assert_double_eq_tol(source.input_scale[c], scale[c], 3e-8);
      ck_assert_double_eq_tol(source.input_shift[c], shift[c], 1e-8);
    }
    source.call->close(ctx, &source);
  }
  kohl_source source = open_source(SEEDS "matmul_and_add");
  ck_assert(!source.affine);
  source.call->close(ctx, &source);
}
END_TEST

START_TEST(orders_of_numbers) {
  kohl_source source = open_source(SEEDS "matmul_and_add");
  ck_assert_uint_eq(source.count, 4);
  expect(&source, 2, "fc.weight", "fc", "weight", 2, false, true);
  source.call->close(ctx, &source);
  source = open_source(SEEDS "channels_last_before_the_dense_layer_too");
  expect(&source, 0, "c.weight", "c", "weight", 4, true, true);
  expect(&source, 2, "fc.weight", "fc", "weight", 2, false, false);
  source.call->close(ctx, &source);
  source = open_source(SEEDS "matmul_of_a_transposed_constant");
  expect(&source, 2, "t", "dense_0", "weight", 2, true, true);
  source.call->close(ctx, &source);
  source = open_source(SEEDS "conv_and_add"); /* a bias of [4, 1, 1] */
  expect(&source, 1, "c.bias", "c", "bias", 1, true, true);
  ck_assert_int_eq(source.tensors[1].info.shape[0], 4);
  source.call->close(ctx, &source);
}
END_TEST

/* One tensor for two layers is in the list twice, by two names; an alias goes by its own. */
START_TEST(shared_tensors) {
  float first[16], second[16];
  kohl_source source = open_source(SEEDS "one_weight_for_two_layers");
  ck_assert_uint_eq(source.count, 6);
  expect(&source, 2, "fc.weight", "fc", "weight", 2, true, true);
  ck_assert_str_ne(source.tensors[4].layer, "fc");
  ck_assert_str_eq(source.tensors[4].suffix, "weight");
  ck_assert_str_ne(source.tensors[4].info.name, "fc.weight");
  OK(source.call->read(ctx, &source, 2, 0, 16, first));
  OK(source.call->read(ctx, &source, 4, 0, 16, second));
  ck_assert_mem_eq(first, second, sizeof first);
  source.call->close(ctx, &source);
  source = open_source(SEEDS "a_bias_that_is_another_s");
  expect(&source, 1, "c.bias", "c", "bias", 1, true, true);
  OK(source.call->read(ctx, &source, 1, 0, 4, first));
  OK(source.call->read(ctx, &source, 3, 0, 4, second));
  ck_assert_mem_eq(first, second, 4 * sizeof *first);
  source.call->close(ctx, &source);
}
END_TEST

/* Halves that are written as whole numbers are gone through from the front: in whatever order they are asked for, they
 * are those that lie in the file as bytes. */
START_TEST(halves_in_any_order) {
  enum { COUNT = 108 };
  static const char *const kinds[2][2] = {{SEEDS "numbers_halves_half", SEEDS "numbers_raw_half"},
                                          {SEEDS "numbers_halves_bfloat16", SEEDS "numbers_raw_bfloat16"}};
  for (size_t k = 0; k < 2; k++) {
    float expected[COUNT], got[COUNT + 1];
    kohl_source raw = open_source(kinds[k][1]), list = open_source(kinds[k][0]);
    OK(raw.call->read(ctx, &raw, 0, 0, COUNT, expected));
    for (size_t step = 1; step <= COUNT; step = step * 3 + 1) {
      for (size_t i = 0; i * step < COUNT; i++) {
        size_t forward = i * step, n = COUNT - forward < step ? COUNT - forward : step;
        size_t backward = COUNT - forward - n;
        got[n] = -1;
        OK(list.call->read(ctx, &list, 0, forward, n, got));
        ck_assert_mem_eq(got, expected + forward, n * sizeof *got);
        OK(list.call->read(ctx, &list, 0, backward, n, got));
        ck_assert_mem_eq(got, expected + backward, n * sizeof *got);
        ck_assert(got[n] == -1);
      }
    }
    ck_assert_int_eq(list.call->read(ctx, &list, 0, COUNT, 1, got), KOHL_USAGE);
    ck_assert_int_eq(list.call->read(ctx, &list, 0, 1, COUNT, got), KOHL_USAGE);
    raw.call->close(ctx, &raw);
    list.call->close(ctx, &list);
  }
}
END_TEST

static kohl_shape shape_of(const kohl_graph *graph, size_t i) { return graph->nodes[i].shape; }

START_TEST(any_size) {
  kohl_graph *graph, *again;
  kohl_source source = open_source(SEEDS "another_size");
  ck_assert_int_eq(source.call->graph(ctx, &source, 0, &graph), KOHL_BAD_INPUT);
  ck_assert_ptr_null(graph);
  ck_assert(strstr(kohl_context_error(ctx), "--size") != NULL);
  OK(source.call->graph(ctx, &source, 8, &graph));
  OK(source.call->graph(ctx, &source, 20, &again));
  ck_assert_int_eq(shape_of(graph, 0).h, 8);
  ck_assert_int_eq(shape_of(graph, 1).h, 4); /* stride 2, 1 */
  ck_assert_int_eq(shape_of(graph, 1).w, 8);
  ck_assert_int_eq(shape_of(again, 0).w, 20);
  ck_assert_int_eq(shape_of(again, 1).h, 10);
  ck_assert_str_eq(graph->nodes[1].name, "c");
  ck_assert_str_eq(graph->nodes[2].name, "relu");
  ck_assert_str_eq(graph->arch, "onnx");
  ck_assert_int_eq(graph->base_output, 2);
  kohl_graph_destroy(ctx, graph);
  kohl_graph_destroy(ctx, again);
  source.call->close(ctx, &source);
  source = open_source(FIXTURES "script9.onnx"); /* a dense layer behind the picture fixes the size */
  OK(source.call->graph(ctx, &source, 0, &graph));
  ck_assert_int_eq(shape_of(graph, 0).h, 12);
  ck_assert_int_eq(shape_of(graph, 0).w, 15);
  kohl_graph_destroy(ctx, graph);
  ck_assert_int_eq(source.call->graph(ctx, &source, 64, &graph), KOHL_BAD_INPUT);
  ck_assert(strstr(kohl_context_error(ctx), "classifier.1") != NULL);
  source.call->close(ctx, &source);
}
END_TEST

START_TEST(padding_that_counts) {
  static const char *const files[] = {FIXTURES "script9.onnx", FIXTURES "newer.onnx"}; /* by a Pad, by an attribute */
  for (size_t k = 0; k < 2; k++) {
    kohl_graph *graph;
    size_t pools = 0;
    kohl_source source = open_source(files[k]);
    OK(source.call->graph(ctx, &source, 0, &graph));
    for (size_t i = 0; i < graph->count; i++) {
      const kohl_node *node = &graph->nodes[i];
      if (node->layer != KOHL_LAYER_avg_pool) continue;
      pools++;
      ck_assert(node->params.count_padding);
      for (int side = 0; side < 4; side++) ck_assert_int_eq(node->params.pad[side], 1);
    }
    ck_assert_uint_eq(pools, 1);
    kohl_graph_destroy(ctx, graph);
    source.call->close(ctx, &source);
  }
}
END_TEST

/* What training needs to know: ONNX's momentum is the share of the old, as kohl's, and PyTorch takes a sample's
 * variance. */
START_TEST(norms) {
  static const struct {
    const char *file, *name;
    float epsilon, momentum;
    bool unbiased;
  } cases[] = {{FIXTURES "script13-kept.onnx", "bn", 1e-3f, 0.9f, true},
               {SEEDS "batchnormalization", "batch_norm_0", 0.25f, 0.9f, false}};
  for (size_t k = 0; k < 2; k++) {
    kohl_graph *graph;
    kohl_source source = open_source(cases[k].file);
    OK(source.call->graph(ctx, &source, 0, &graph));
    int at = kohl_graph_find(graph, cases[k].name);
    ck_assert_int_ge(at, 0);
    const kohl_params *params = &graph->nodes[at].params;
    ck_assert(params->epsilon == cases[k].epsilon && params->gamma && params->beta);
    ck_assert_float_eq_tol(params->momentum, cases[k].momentum, 1e-7f);
    ck_assert_int_eq(params->unbiased, cases[k].unbiased);
    kohl_graph_destroy(ctx, graph);
    source.call->close(ctx, &source);
  }
}
END_TEST

/* Refused with one line that names the file, or all there. */
static kohl_status try_file(void) {
  static float values[MOST];
  kohl_source source = {.path = path};
  kohl_graph *graph = NULL;
  kohl_status status = kohl_onnx_source(ctx, path, &source);
  for (size_t i = 0; !status && i < source.count; i++) {
    const kohl_tensor_info *info = &source.tensors[i].info;
    size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
    ck_assert_uint_le(count, MOST);
    status = source.call->read(ctx, &source, i, 0, count, values);
  }
  if (!status) status = source.call->graph(ctx, &source, 0, &graph);
  if (source.call) source.call->close(ctx, &source);
  kohl_graph_destroy(ctx, graph);
  if (!status) return status;
  const char *text = kohl_context_error(ctx);
  ck_assert_msg(
      status == KOHL_BAD_INPUT && strstr(text, path) == text && !strchr(text, '\n') && text[strlen(text) - 1] != '.',
      "status %d: %s", (int)status, text);
  return status;
}

static const char *const whole_files[] = {FIXTURES "script9.onnx", SEEDS "numbers_halves_half",
                                          SEEDS "constants_for_initializers",
                                          SEEDS "a_shape_that_is_computed_by_5_nodes"};

START_TEST(truncation) {
  size_t length = read_file(whole_files[_i]);
  int file = open(path, O_WRONLY | O_TRUNC);
  for (size_t n = 0; n <= length; n++) {
    ck_assert_int_eq(try_file(), KOHL_BAD_INPUT); /* the set of operators comes last */
    if (n < length) ck_assert_int_eq((int)pwrite(file, bytes + n, 1, (off_t)n), 1);
    if (n + 1 == length) break;
  }
  ck_assert_int_eq(try_file(), KOHL_OK);
  close(file);
}
END_TEST

START_TEST(flipped_bits) {
  size_t length = read_file(whole_files[_i]), refused = 0;
  int file = open(path, O_WRONLY | O_TRUNC);
  ck_assert_int_eq((int)pwrite(file, bytes, length, 0), (int)length);
  for (size_t n = 0; n < length; n++) {
    for (int bit = 0; bit < 8; bit++) {
      if (n >= 2048 && bit != (int)(n % 8)) continue; /* of the rest, mostly weights, one bit of each byte */
      uint8_t flipped = bytes[n] ^ (uint8_t)(1u << bit);
      ck_assert_int_eq((int)pwrite(file, &flipped, 1, (off_t)n), 1);
      refused += try_file() != KOHL_OK;
    }
    ck_assert_int_eq((int)pwrite(file, &bytes[n], 1, (off_t)n), 1);
  }
  ck_assert_uint_gt(refused, 500); /* bits of lengths, names, sizes; not those of weights */
  ck_assert_int_eq(try_file(), KOHL_OK);
  close(file);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("onnx");
  TCase *tests = tcase_create("onnx");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, names_of_pytorch);
  tcase_add_test(tests, input_is_scaled);
  tcase_add_test(tests, orders_of_numbers);
  tcase_add_test(tests, shared_tensors);
  tcase_add_test(tests, halves_in_any_order);
  tcase_add_test(tests, any_size);
  tcase_add_test(tests, padding_that_counts);
  tcase_add_test(tests, norms);
  tcase_add_loop_test(tests, truncation, 0, 4);
  tcase_add_loop_test(tests, flipped_bits, 0, 4);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
