/* The packed weights of a session: where they come from, and that nothing else stays in memory for them.
 *
 * The network has what packing treats differently: a convolution with its batch-norm folded in, two siblings that are
 * merged, one that is plain, and a dense layer that is large enough to be packed in pieces, whose outputs are no
 * multiple of a piece. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "kernels/core/philox.h"
#include "nn/session.h"

enum { CHANNELS = 4100, CLASSES = 1030, SIDE = 3 };

static kohl_context *ctx;
static char path[64];

static float value(uint32_t stream, size_t i) {
  return kohl_random_to_unit(kohl_random_at(kohl_random_key_make(5, 0, stream), 0, i)) - 0.5f;
}

static int add(kohl_graph *graph, kohl_layer layer, const char *name, const kohl_params *params, int a, int b) {
  int inputs[2] = {a, b}, index, count = layer == KOHL_LAYER_input ? 0 : b >= 0 ? 2 : 1;
  ck_assert_msg(kohl_graph_add(ctx, graph, layer, name, params, inputs, count, &index) == KOHL_OK, "%s", ctx->error);
  ck_assert_msg(kohl_graph_infer(ctx, graph) == KOHL_OK, "%s", ctx->error);
  return index;
}

static int convolution(kohl_graph *graph, const char *name, int from, int filters, int side) {
  kohl_params params = kohl_params_default();
  params.filters = filters;
  params.kernel[0] = params.kernel[1] = side;
  params.padding = KOHL_PADDING_SAME_UPPER;
  return add(graph, KOHL_LAYER_conv2d, name, &params, from, -1);
}

static kohl_model *make_model(void) {
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default();
  ck_assert_int_eq(kohl_graph_create(ctx, "packed", &graph), KOHL_OK);
  params.size[0] = params.size[1] = SIDE;
  params.size[2] = 3;
  int at = add(graph, KOHL_LAYER_input, "input", &params, -1, -1);
  at = convolution(graph, "folded", at, 24, 3);
  params = kohl_params_default();
  at = add(graph, KOHL_LAYER_batch_norm, "norm", &params, at, -1);
  int left = convolution(graph, "left", at, 40, 1), right = convolution(graph, "right", at, 24, 1);
  at = add(graph, KOHL_LAYER_concat, "join", &params, left, right);
  at = convolution(graph, "plain", at, CHANNELS, 1);
  at = add(graph, KOHL_LAYER_global_avg_pool, "pool", &params, at, -1);
  params.filters = CLASSES;
  at = add(graph, KOHL_LAYER_dense, "dense", &params, at, -1);
  add(graph, KOHL_LAYER_softmax, "softmax", &params, at, -1);
  ck_assert_int_eq(kohl_model_create(ctx, graph, &model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    ck_assert_int_eq(kohl_weight_own(ctx, weight), KOHL_OK);
    float shift = !strcmp(weight->spec.suffix, "variance") || !strcmp(weight->spec.suffix, "gamma") ? 1.0f : 0.0f;
    for (size_t j = 0; j < weight->spec.count; j++) weight->owned[j] = shift + value((uint32_t)i, j);
  }
  return model;
}

static void write_model(void) {
  kohl_model *model = make_model();
  strcpy(path, "/tmp/kohl_test_packed_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_msg(kohl_model_save(ctx, model, path) == KOHL_OK, "%s", ctx->error);
  kohl_model_destroy(ctx, model);
}

static void setup(void) {
  ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK);
  write_model();
}

static void teardown(void) {
  unlink(path);
  kohl_context_destroy(ctx);
}

static kohl_model *open_model(void) {
  kohl_model *model;
  ck_assert_msg(kohl_model_open(ctx, path, &model) == KOHL_OK, "%s", ctx->error);
  return model;
}

static kohl_session *open_session(const kohl_model *model, int batch) {
  kohl_plan_options options = kohl_plan_options_default();
  kohl_session *session;
  options.batch = batch;
  ck_assert_msg(kohl_session_create(ctx, model, &options, &session) == KOHL_OK, "%s", ctx->error);
  return session;
}

/* The probabilities of one picture. */
static void run(kohl_session *session, float out[CLASSES]) {
  for (size_t i = 0; i < 3 * SIDE * SIDE; i++) kohl_session_input(session)[i] = value(1000, i);
  ck_assert_msg(kohl_session_run(session, 1) == KOHL_OK, "%s", ctx->error);
  int last = (int)session->model->graph->count - 1;
  ck_assert_msg(kohl_session_output(session, last, 1, out) == KOHL_OK, "%s", ctx->error);
}

/* The same from weights that never were in a file. */
static void run_in_memory(float out[CLASSES]) {
  kohl_model *model = make_model();
  kohl_session *session = open_session(model, 1);
  run(session, out);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
}

/* KiB of a mapped file that are in this process's memory, by /proc/self/smaps; -1: it is not mapped. */
static long resident(const char *file) {
  FILE *maps = fopen("/proc/self/smaps", "r");
  char line[512];
  long sum = -1, kib;
  bool inside = false;
  ck_assert_ptr_nonnull(maps);
  while (fgets(line, sizeof line, maps)) {
    unsigned long begin, end;
    if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) inside = strstr(line, file) != NULL;
    if (inside && sscanf(line, "Rss: %ld kB", &kib) == 1) sum = (sum < 0 ? 0 : sum) + kib;
  }
  fclose(maps);
  return sum;
}

START_TEST(originals_do_not_stay) {
  float expected[CLASSES], got[CLASSES];
  kohl_model *model = open_model();
  ck_assert_msg(kohl_model_verify(ctx, model) == KOHL_OK, "%s", ctx->error);
  ck_assert_int_gt(resident(path), 4 * CHANNELS * CLASSES / 1024 / 2); /* else the next check says nothing */
  kohl_session *session = open_session(model, 1);
  ck_assert_int_eq(resident(path), 0);
  run(session, got);
  ck_assert_int_eq(resident(path), 0);
  run_in_memory(expected);
  ck_assert(!memcmp(expected, got, sizeof got));
  ck_assert_msg(kohl_model_verify(ctx, model) == KOHL_OK, "%s", ctx->error); /* they come back when they are wanted */
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
}
END_TEST

/* What is not in the file's map is no business of release. */
START_TEST(only_mapped_memory_is_given_back) {
  float *own = calloc(1 << 16, sizeof *own);
  ck_assert_ptr_nonnull(own);
  own[5] = 7.0f;
  kohl_model *mapped = open_model(), *made = make_model();
  kohl_model_release(mapped, own, sizeof *own << 16);
  kohl_model_release(mapped, mapped->weights[0].data, SIZE_MAX);
  kohl_model_release(made, made->weights[0].data, made->weights[0].spec.count * sizeof(float));
  kohl_model_release(made, NULL, 0);
  ck_assert(own[5] == 7.0f);
  ck_assert(!memcmp(made->weights[0].data, mapped->weights[0].data, made->weights[0].spec.count * sizeof(float)));
  kohl_model_destroy(ctx, mapped);
  kohl_model_destroy(ctx, made);
  free(own);
}
END_TEST

/* A tensor whose sum is made in pieces: damage in the first, in the middle and in the last byte is found. */
START_TEST(large_tensors_are_verified) {
  kohl_model *model = open_model();
  const kohl_weight *weight = kohl_model_weight(model, (int)model->graph->count - 2, "weight");
  ck_assert_uint_gt(weight->spec.count * sizeof(float), 16u << 20);
  const kohl_tensor_info *info = kohl_safetensors_tensor(model->file, (size_t)weight->file_index);
  const kohl_tensor_info *last = kohl_safetensors_tensor(model->file, kohl_safetensors_count(model->file) - 1);
  int fd = open(path, O_RDWR);
  const off_t end = lseek(fd, 0, SEEK_END);
  const off_t begin = end - (((const char *)last->data + last->bytes) - (const char *)info->data);
  const off_t places[] = {begin, begin + (16 << 20), begin + (off_t)info->bytes - 1};
  kohl_model_destroy(ctx, model);
  for (int i = 0; i < 3; i++) {
    kohl_plan_options options = kohl_plan_options_default();
    kohl_session *session;
    char byte;
    ck_assert_int_eq(pread(fd, &byte, 1, places[i]), 1);
    byte ^= 16;
    ck_assert_int_eq(pwrite(fd, &byte, 1, places[i]), 1);
    model = open_model();
    ck_assert_int_eq(kohl_session_create(ctx, model, &options, &session), KOHL_BAD_INPUT);
    ck_assert_msg(strstr(ctx->error, "tensor 'dense.weight'") && strstr(ctx->error, "damaged"), "%s", ctx->error);
    kohl_model_destroy(ctx, model);
    byte ^= 16;
    ck_assert_int_eq(pwrite(fd, &byte, 1, places[i]), 1);
  }
  close(fd);
}
END_TEST

/* The contract of KOHL_DENSE_PACK_BLOCK, for every kernel of the list that this CPU has. */
START_TEST(dense_packs_by_blocks) {
  static const int outputs[] = {1, 16, 17, 31, 32, 33, 48, 63, 64, 65, 97, 100};
  enum { INPUTS = 7, MOST = 128 };
  float wei[MOST * INPUTS], whole[MOST * INPUTS], parts[MOST * INPUTS];
  int checked = 0;
  for (size_t i = 0; i < MOST * INPUTS; i++) wei[i] = value(1, i);
  for (size_t k = 0; k < kohl_dense_op.count; k++) {
    const kohl_kernel *kernel = &kohl_dense_op.kernels[k];
    if (kernel->direction != KOHL_FWD || kernel->needs & ~ctx->caps || !kohl_kernel_packs(kernel)) continue;
    checked++;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
      const kohl_dense_desc d = {.n = 1, .c = INPUTS, .k = outputs[i], .src_stride = INPUTS, .dst_stride = outputs[i]};
      kohl_dense_desc part = d;
      size_t bytes = kernel->code->packed_size(&d), done = 0;
      ck_assert_uint_le(bytes, sizeof whole);
      kernel->code->pack(&d, wei, whole);
      for (int at = 0; at < d.k; at += KOHL_DENSE_PACK_BLOCK) {
        part.k = d.k - at < KOHL_DENSE_PACK_BLOCK ? d.k - at : KOHL_DENSE_PACK_BLOCK;
        kernel->code->pack(&part, wei + at * INPUTS, (char *)parts + done);
        done += kernel->code->packed_size(&part);
      }
      ck_assert_msg(done == bytes && !memcmp(whole, parts, bytes), "%s, %d outputs", kernel->id, d.k);
    }
  }
  if (!checked) puts("skipped: no kernel of this CPU packs dense weights");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("packed");
  TCase *cases = tcase_create("packed");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_set_timeout(cases, 120);
  tcase_add_test(cases, originals_do_not_stay);
  tcase_add_test(cases, only_mapped_memory_is_given_back);
  tcase_add_test(cases, large_tensors_are_verified);
  tcase_add_test(cases, dense_packs_by_blocks);
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
