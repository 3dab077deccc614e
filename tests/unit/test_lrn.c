/* lrn at every level against the reference: bases of the power from the smallest denormal to infinity, exponents of
 * either sign up to overflow, windows from one channel to more than there are. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/cpu.h"
#include "kernels/core/math.h"
#include "kernels/lrn/lrn.h"
#include "tests/unit/ops_compare.h"

/* With a window of one channel, alpha 1 and bias 0 the base is src^2: 2^-150 to 2^128 and beyond on both sides. */
START_TEST(powers_of_every_base) {
  enum { PIXELS = 512, C = 37 };
  static const float betas[] = {0.75f, 0.5f, 1.0f, 0.0f, -0.0f, -0.75f, 3.0f, 80.0f, -80.0f, 1e30f, INFINITY, NAN};
  static float src[PIXELS * C], ddst[PIXELS * C], before[PIXELS * C];
  uint32_t state = (uint32_t)_i + 1;
  for (int i = 0; i < PIXELS * C; i++) {
    uint32_t bits = ops_random(&state);
    /* three quarters of the pixels have only plain bases, so that whole registers of them occur */
    uint32_t exponent = i / C % 4 ? (uint32_t)ops_between(&state, 67, 189) : bits >> 23 & 255;
    src[i] = kohl_bits_float((bits & 0x807fffffu) | exponent << 23);
    ddst[i] = kohl_bits_float((ops_random(&state) & 0x807fffffu) | 127u << 23);
    before[i] = 0.0f;
  }
  kohl_lrn_desc d = {1, PIXELS, C, C, C, 1, 1.0f, betas[_i], 0.0f};
  char text[64];
  snprintf(text, sizeof text, "beta=%g", (double)betas[_i]);
  const void *fwd[KOHL_ARGS_IN] = {src}, *dgrad[KOHL_ARGS_IN] = {src, ddst};
  const ops_out out[KOHL_ARGS_OUT] = {{before, PIXELS * C}};
  int ran = ops_compare(&kohl_lrn_op, KOHL_FWD, &d, fwd, out, text);
  ck_assert_int_eq(ops_compare(&kohl_lrn_op, KOHL_DGRAD, &d, dgrad, out, text), ran);
  const unsigned caps = kohl_cpu_detect();
  ck_assert_int_eq(ran, !!(caps & KOHL_CAP_AVX2) + !!(caps & KOHL_CAP_AVX512));
}
END_TEST

START_TEST(windows_and_strides) {
  static const int channels[] = {1, 2, 7, 8, 9, 15, 16, 17, 33, 96, 255}, sizes[] = {1, 3, 5, 33, 999};
  uint32_t state = (uint32_t)_i + 1;
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      int c = channels[i], pixels = ops_between(&state, 1, 5), n = ops_between(&state, 1, 2);
      int a = c + ops_between(&state, 0, 20), z = c + ops_between(&state, 0, 20);
      kohl_lrn_desc d = {n, pixels, c, a, z, sizes[k], 0.5f, 0.75f, 2.0f};
      size_t from = (size_t)(n * pixels * a), to = (size_t)(n * pixels * z);
      float *src = ops_floats(&state, from, _i), *ddst = ops_floats(&state, to, _i);
      float *before = ops_floats(&state, from > to ? from : to, false);
      char text[64];
      snprintf(text, sizeof text, "c=%d size=%d n=%d pixels=%d strides %d %d", c, sizes[k], n, pixels, a, z);
      const void *fwd[KOHL_ARGS_IN] = {src}, *dgrad[KOHL_ARGS_IN] = {src, ddst};
      ops_compare(&kohl_lrn_op, KOHL_FWD, &d, fwd, (ops_out[KOHL_ARGS_OUT]){{before, to}}, text);
      ops_compare(&kohl_lrn_op, KOHL_DGRAD, &d, dgrad, (ops_out[KOHL_ARGS_OUT]){{before, from}}, text);
      free(src);
      free(ddst);
      free(before);
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("lrn");
  TCase *tests = tcase_create("lrn");
  tcase_add_loop_test(tests, powers_of_every_base, 0, 12);
  tcase_add_loop_test(tests, windows_and_strides, 0, 2);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
