/* The small ops: every kernel against its reference, bit for bit, on random shapes with tails, strides above the
 * channels, NaN, infinities, zeros of both signs and denormals, with 1, 2 and 3 threads. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/activation/activation.h"
#include "kernels/adaptive_pool/adaptive_pool.h"
#include "kernels/add/add.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/concat/concat.h"
#include "kernels/dropout/dropout.h"
#include "kernels/lrn/lrn.h"
#include "kernels/pool/pool.h"
#include "kernels/rmsprop/rmsprop.h"
#include "kernels/softmax/softmax.h"
#include "kernels/softmax_xent/softmax_xent.h"
#include "tests/unit/ops_compare.h"

enum { MAX_IN = 3, MAX_OUT = 3 };

/* Compares with random inputs and outputs of these many floats; the last floats of an output are a margin that nothing
 * may touch.  special says whether inputs hold NaN and the like. */
static int compare(const kohl_op *op, kohl_direction direction, const void *desc, uint32_t *state, bool special,
                   const size_t in[MAX_IN], const size_t out[MAX_OUT], const char *text) {
  const void *inputs[KOHL_ARGS_IN] = {NULL};
  ops_out outputs[KOHL_ARGS_OUT] = {{NULL, 0}};
  for (int i = 0; i < MAX_IN; i++) {
    if (in[i]) inputs[i] = ops_floats(state, in[i], special);
  }
  for (int i = 0; i < MAX_OUT; i++) {
    if (out[i]) outputs[i] = (ops_out){ops_floats(state, out[i] + 16, special), out[i] + 16};
  }
  int ran = ops_compare(op, direction, desc, inputs, outputs, text);
  for (int i = 0; i < MAX_IN; i++) free((void *)(uintptr_t)inputs[i]);
  for (int i = 0; i < MAX_OUT; i++) free((void *)(uintptr_t)outputs[i].before);
  return ran;
}

/* How many kernels beside the reference this CPU should run of a list with avx2 and avx512. */
static int simd_kernels(void) {
  unsigned caps = kohl_cpu_detect();
  return !!(caps & KOHL_CAP_AVX2) + !!(caps & KOHL_CAP_AVX512);
}

START_TEST(test_pool) {
  uint32_t state = (uint32_t)_i + 1;
  for (int c = 1; c <= 70; c += ops_between(&state, 1, 3)) {
    kohl_pool_desc d = {
        .n = ops_between(&state, 0, 2), .h = ops_between(&state, 1, 9), .w = ops_between(&state, 1, 9), .c = c};
    d.r = ops_between(&state, 1, d.h < 4 ? d.h : 4), d.s = ops_between(&state, 1, d.w < 4 ? d.w : 4);
    d.stride_h = ops_between(&state, 1, 3), d.stride_w = ops_between(&state, 1, 3);
    d.pad_top = ops_between(&state, 0, d.r - 1), d.pad_bottom = ops_between(&state, 0, d.r - 1);
    d.pad_left = ops_between(&state, 0, d.s - 1), d.pad_right = ops_between(&state, 0, d.s - 1);
    bool ceil = ops_between(&state, 0, 1);
    d.p = kohl_pool_out(d.h, d.r, d.stride_h, d.pad_top, d.pad_bottom, ceil);
    d.q = kohl_pool_out(d.w, d.s, d.stride_w, d.pad_left, d.pad_right, ceil);
    d.src_stride = c + ops_between(&state, 0, 3), d.dst_stride = c + ops_between(&state, 0, 3);
    d.mode = (kohl_pool_mode)ops_between(&state, 0, 2);
    if (kohl_pool_check(&d)) continue; /* a window in the padding */
    char text[200];
    snprintf(text, sizeof text, "n=%d h=%d w=%d c=%d r=%d s=%d p=%d q=%d stride=%d,%d pads=%d,%d,%d,%d mode=%d", d.n,
             d.h, d.w, c, d.r, d.s, d.p, d.q, d.stride_h, d.stride_w, d.pad_top, d.pad_left, d.pad_bottom, d.pad_right,
             (int)d.mode);
    size_t in[MAX_IN] = {(size_t)d.n * d.h * d.w * d.src_stride},
           out[MAX_OUT] = {(size_t)d.n * d.p * d.q * d.dst_stride};
    if (d.n == 0) in[0] = out[0] = 1;
    ck_assert_int_eq(compare(&kohl_pool_op, KOHL_FWD, &d, &state, _i % 2, in, out, text), simd_kernels());
  }
}
END_TEST

START_TEST(test_adaptive_pool) {
  uint32_t state = (uint32_t)_i + 1;
  for (int c = 1; c <= 200; c += ops_between(&state, 1, 9)) {
    kohl_adaptive_pool_desc d = {
        .n = ops_between(&state, 1, 2), .h = ops_between(&state, 1, 9), .w = ops_between(&state, 1, 9), .c = c};
    d.p = ops_between(&state, 0, 1) ? ops_between(&state, 1, 10) : 1, d.q = d.p == 1 ? 1 : ops_between(&state, 1, 10);
    d.src_stride = c + ops_between(&state, 0, 3), d.dst_stride = c + ops_between(&state, 0, 3);
    d.mode = (kohl_adaptive_pool_mode)ops_between(&state, 0, 1);
    char text[100];
    snprintf(text, sizeof text, "n=%d h=%d w=%d c=%d p=%d q=%d mode=%d", d.n, d.h, d.w, c, d.p, d.q, (int)d.mode);
    size_t in[MAX_IN] = {(size_t)d.n * d.h * d.w * d.src_stride},
           out[MAX_OUT] = {(size_t)d.n * d.p * d.q * d.dst_stride};
    ck_assert_int_eq(compare(&kohl_adaptive_pool_op, KOHL_FWD, &d, &state, _i % 2, in, out, text), simd_kernels());
  }
}
END_TEST

START_TEST(test_batchnorm_and_add) {
  uint32_t state = (uint32_t)_i + 1;
  for (int c = 1; c <= 70; c += ops_between(&state, 1, 3)) {
    int n = ops_between(&state, 1, 3), pixels = ops_between(&state, 1, 200), a = c + ops_between(&state, 0, 3);
    int b = c + ops_between(&state, 0, 3), z = c + ops_between(&state, 0, 3);
    kohl_activation act = (kohl_activation)ops_between(&state, 0, 1);
    size_t all = (size_t)n * pixels;
    char text[100];
    snprintf(text, sizeof text, "n=%d pixels=%d c=%d strides=%d,%d,%d act=%d", n, pixels, c, a, b, z, (int)act);
    kohl_batchnorm_desc bn = {n, pixels, c, a, z, act};
    ck_assert_int_eq(compare(&kohl_batchnorm_op, KOHL_FWD, &bn, &state, _i % 2,
                             (size_t[]){all * a, (size_t)c, (size_t)c}, (size_t[]){all * z, 0, 0}, text),
                     simd_kernels());
    kohl_add_desc add = {n, pixels, c, a, b, z, act};
    ck_assert_int_eq(compare(&kohl_add_op, KOHL_FWD, &add, &state, _i % 2, (size_t[]){all * a, all * b, 0},
                             (size_t[]){all * z, 0, 0}, text),
                     simd_kernels());
  }
}
END_TEST

START_TEST(test_activation) {
  uint32_t state = (uint32_t)_i + 1;
  for (int c = 1; c <= 70; c += ops_between(&state, 1, 3)) {
    kohl_activation_desc d = {ops_between(&state, 1, 3),
                              ops_between(&state, 1, 200),
                              c,
                              c + ops_between(&state, 0, 3),
                              c + ops_between(&state, 0, 3),
                              (kohl_activation_function)ops_between(&state, 0, 2)};
    int expected = d.function == KOHL_ACTIVATION_FUNCTION_SIGMOID ? 0 : simd_kernels();
    size_t src = (size_t)d.n * d.pixels * d.src_stride, dst = (size_t)d.n * d.pixels * d.dst_stride;
    char text[100];
    snprintf(text, sizeof text, "n=%d pixels=%d c=%d strides=%d,%d function=%d", d.n, d.pixels, c, d.src_stride,
             d.dst_stride, (int)d.function);
    ck_assert_int_eq(
        compare(&kohl_activation_op, KOHL_FWD, &d, &state, _i % 2, (size_t[]){src, 0, 0}, (size_t[]){dst, 0, 0}, text),
        expected);
    ck_assert_int_eq(compare(&kohl_activation_op, KOHL_DGRAD, &d, &state, _i % 2, (size_t[]){dst, dst, 0},
                             (size_t[]){src, 0, 0}, text),
                     expected);
  }
}
END_TEST

START_TEST(test_rmsprop) {
  uint32_t state = (uint32_t)_i + 1;
  for (int count = 0; count < 20000; count = count * 2 + ops_between(&state, 1, 9)) {
    kohl_rmsprop_desc d = {
        1, count, 1e-3f, 0.9f, 1e-7f, ops_between(&state, 0, 1) ? 0.9f : 0.0f, ops_between(&state, 0, 1)};
    size_t size = (size_t)count + 1; /* never an empty array */
    char text[100];
    snprintf(text, sizeof text, "count=%d momentum=%g inside=%d", count, (double)d.momentum, d.epsilon_inside);
    ck_assert_int_eq(compare(&kohl_rmsprop_op, KOHL_FWD, &d, &state, _i % 2, (size_t[]){size, 0, 0},
                             (size_t[]){size, size, d.momentum != 0.0f ? size : 0}, text),
                     simd_kernels());
  }
}
END_TEST

/* Ops with the reference alone: the number of threads must not matter, nor may anything beside the output change. */
START_TEST(test_references) {
  uint32_t state = (uint32_t)_i + 1;
  for (int c = 1; c <= 70; c += 3) {
    int n = ops_between(&state, 1, 3), pixels = ops_between(&state, 1, 200), a = c + ops_between(&state, 0, 3);
    int z = c + ops_between(&state, 0, 3);
    size_t in[MAX_IN] = {(size_t)n * pixels * a}, out[MAX_OUT] = {(size_t)n * pixels * z};
    char text[100];
    snprintf(text, sizeof text, "n=%d pixels=%d c=%d strides=%d,%d", n, pixels, c, a, z);
    kohl_softmax_desc softmax = {n, pixels, c, a, z};
    compare(&kohl_softmax_op, KOHL_FWD, &softmax, &state, _i % 2, in, out, text);
    kohl_concat_desc concat = {n, pixels, c, a, z};
    compare(&kohl_concat_op, KOHL_FWD, &concat, &state, _i % 2, in, out, text);
    kohl_lrn_desc lrn = {n, pixels, c, a, z, 5, 2e-5f, 0.75f, 1.0f};
    compare(&kohl_lrn_op, KOHL_FWD, &lrn, &state, _i % 2, in, out, text);
    kohl_dropout_desc dropout = {n * 100, c, 0.5f, 1, 2, 3};
    size_t dense = (size_t)dropout.n * c, draws = 2 * (size_t)dropout.n; /* any 64 bits are a draw */
    compare(&kohl_dropout_op, KOHL_FWD, &dropout, &state, _i % 2, (size_t[]){dense, draws, 0}, (size_t[]){dense, 0, 0},
            text);
    compare(&kohl_dropout_op, KOHL_DGRAD, &dropout, &state, _i % 2, (size_t[]){dense, draws, 0},
            (size_t[]){dense, 0, 0}, text);
  }
}
END_TEST

START_TEST(test_softmax_xent) { /* labels that are no classes among them */
  uint32_t state = (uint32_t)_i + 1;
  enum { N = 600, K = 45 };
  kohl_softmax_xent_desc d = {N, K, 0.1f, KOHL_SOFTMAX_XENT_BY_WEIGHTS, 1};
  int32_t labels[N];
  for (int i = 0; i < N; i++) labels[i] = ops_between(&state, _i % 2 ? -1 : 0, _i % 2 ? K : K - 1);
  float *x = ops_floats(&state, N * K, _i % 2), *weights = ops_floats(&state, K, false),
        *before = ops_floats(&state, N * K, false);
  const void *in[KOHL_ARGS_IN] = {x, labels, weights};
  ops_compare(&kohl_softmax_xent_op, KOHL_FWD, &d, in, (ops_out[KOHL_ARGS_OUT]){{before, N * K}, {before, N}}, "fwd");
  ops_compare(&kohl_softmax_xent_op, KOHL_DGRAD, &d, in, (ops_out[KOHL_ARGS_OUT]){{before, N * K}}, "dgrad");
  free(x);
  free(weights);
  free(before);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ops");
  TCase *tcase = tcase_create("kernels against references");
  tcase_set_timeout(tcase, 120);
  suite_add_tcase(suite, tcase);
  tcase_add_loop_test(tcase, test_pool, 0, 6);
  tcase_add_loop_test(tcase, test_adaptive_pool, 0, 2);
  tcase_add_loop_test(tcase, test_batchnorm_and_add, 0, 2);
  tcase_add_loop_test(tcase, test_activation, 0, 4);
  tcase_add_loop_test(tcase, test_rmsprop, 0, 4);
  tcase_add_loop_test(tcase, test_references, 0, 2);
  tcase_add_loop_test(tcase, test_softmax_xent, 0, 2);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
