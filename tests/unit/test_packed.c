/* What a session leaves in memory of the weights that it packs. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/philox.h"
#include "tests/unit/packed_model.h"

static packed_test t;

static void setup(void) { packed_begin(&t, true); }
static void teardown(void) { packed_end(&t); }

START_TEST(originals_do_not_stay) {
  float expected[PACKED_CLASSES], got[PACKED_CLASSES];
  kohl_model *model = packed_open(&t);
  ck_assert_msg(kohl_model_verify(t.ctx, model) == KOHL_OK, "%s", t.ctx->error);
  ck_assert_int_gt(packed_resident(t.path),
                   4 * PACKED_CHANNELS * PACKED_CLASSES / 1024 / 2); /* else the next check says nothing */
  kohl_session *session = packed_session(&t, model, 1);
  ck_assert_int_eq(packed_resident(t.path), 0);
  packed_run(&t, session, got);
  ck_assert_int_eq(packed_resident(t.path), 0);
  packed_run_in_memory(&t, expected);
  ck_assert(!memcmp(expected, got, sizeof got));
  ck_assert_msg(kohl_model_verify(t.ctx, model) == KOHL_OK, "%s",
                t.ctx->error); /* they come back when they are wanted */
  kohl_session_destroy(session);
  kohl_model_destroy(t.ctx, model);
}
END_TEST

/* What is not in the file's map is no business of release. */
START_TEST(only_mapped_memory_is_given_back) {
  float *own = calloc(1 << 16, sizeof *own);
  ck_assert_ptr_nonnull(own);
  own[5] = 7.0f;
  kohl_model *mapped = packed_open(&t), *made = packed_make(&t);
  kohl_model_release(mapped, own, sizeof *own << 16);
  kohl_model_release(mapped, mapped->weights[0].data, SIZE_MAX);
  kohl_model_release(made, made->weights[0].data, made->weights[0].spec.count * sizeof(float));
  kohl_model_release(made, NULL, 0);
  ck_assert(own[5] == 7.0f);
  ck_assert(!memcmp(made->weights[0].data, mapped->weights[0].data, made->weights[0].spec.count * sizeof(float)));
  kohl_model_destroy(t.ctx, mapped);
  kohl_model_destroy(t.ctx, made);
  free(own);
}
END_TEST

/* A tensor whose sum is made in pieces: damage in the first, in the middle and in the last byte is found. */
START_TEST(large_tensors_are_verified) {
  kohl_model *model = packed_open(&t);
  const kohl_weight *weight = kohl_model_weight(model, (int)model->graph->count - 2, "weight");
  ck_assert_uint_gt(weight->spec.count * sizeof(float), 16u << 20);
  const kohl_tensor_info *info = kohl_safetensors_tensor(model->file, (size_t)weight->file_index);
  const kohl_tensor_info *last = kohl_safetensors_tensor(model->file, kohl_safetensors_count(model->file) - 1);
  int fd = open(t.path, O_RDWR);
  const off_t end = lseek(fd, 0, SEEK_END);
  const off_t begin = end - (((const char *)last->data + last->bytes) - (const char *)info->data);
  const off_t places[] = {begin, begin + (16 << 20), begin + (off_t)info->bytes - 1};
  kohl_model_destroy(t.ctx, model);
  for (int i = 0; i < 3; i++) {
    kohl_plan_options options = kohl_plan_options_default();
    kohl_session *session;
    char byte;
    ck_assert_int_eq(pread(fd, &byte, 1, places[i]), 1);
    byte ^= 16;
    ck_assert_int_eq(pwrite(fd, &byte, 1, places[i]), 1);
    model = packed_open(&t);
    ck_assert_int_eq(kohl_session_create(t.ctx, model, &options, &session), KOHL_BAD_INPUT);
    ck_assert_msg(strstr(t.ctx->error, "tensor 'dense.weight'") && strstr(t.ctx->error, "damaged"), "%s", t.ctx->error);
    kohl_model_destroy(t.ctx, model);
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
  for (size_t i = 0; i < MOST * INPUTS; i++)
    wei[i] = kohl_random_to_unit(kohl_random_at(kohl_random_key_make(5, 0, 1), 0, i));
  for (size_t k = 0; k < kohl_dense_op.count; k++) {
    const kohl_kernel *kernel = &kohl_dense_op.kernels[k];
    if (kernel->direction != KOHL_FWD || kernel->needs & ~t.ctx->caps || !kohl_kernel_packs(kernel)) continue;
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
