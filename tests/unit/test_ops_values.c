/* The small ops' references against hand-computed numbers and against their definitions written in double. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/activation/activation.h"
#include "kernels/adaptive_pool/adaptive_pool.h"
#include "kernels/add/add.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/concat/concat.h"
#include "kernels/core/philox.h"
#include "kernels/dropout/dropout.h"
#include "kernels/lrn/lrn.h"
#include "kernels/pool/pool.h"
#include "kernels/rmsprop/rmsprop.h"
#include "kernels/softmax/softmax.h"
#include "kernels/softmax_xent/softmax_xent.h"
#include "tests/unit/ops_compare.h"

#define RUN(op, direction, desc, ...)                        \
  do {                                                       \
    kohl_args args_ = __VA_ARGS__;                           \
    ops_reference(&kohl_##op##_op, direction, desc, &args_); \
  } while (0)

/* Exact equality, with -0 apart from +0; NaN meets NaN. */
static void same(const float *got, const float *expected, size_t count) {
  for (size_t i = 0; i < count; i++) {
    bool equal = !memcmp(got + i, expected + i, sizeof *got) || (isnan(got[i]) && isnan(expected[i]));
    ck_assert_msg(equal, "float %zu is %a, expected %a", i, (double)got[i], (double)expected[i]);
  }
}
#define SAME(got, ...) same(got, (const float[]){__VA_ARGS__}, sizeof(float[]){__VA_ARGS__} / sizeof(float))

/* |got - expected| <= ulps units of 2^-24 |expected|; NaN fails. */
static void near(float got, double expected, double ulps) {
  double error = fabs((double)got - expected);
  ck_assert_msg(error <= ulps * 0x1p-24 * fabs(expected), "%.9g, expected %.9g", (double)got, expected);
}

/* 3x3 numbers 1 .. 9, windows 2x2, stride 2, one pixel of padding before: 2x2 windows of 1, 2, 2 and 4 cells. */
static kohl_pool_desc padded(kohl_pool_mode mode) {
  return (kohl_pool_desc){.n = 1,
                          .h = 3,
                          .w = 3,
                          .c = 1,
                          .r = 2,
                          .s = 2,
                          .p = 2,
                          .q = 2,
                          .stride_h = 2,
                          .stride_w = 2,
                          .pad_top = 1,
                          .pad_left = 1,
                          .src_stride = 1,
                          .dst_stride = 1,
                          .mode = mode};
}

START_TEST(test_pool_modes) {
  const float src[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  float dst[4];
  kohl_pool_desc d = padded(KOHL_POOL_MAX);
  RUN(pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 1, 3, 7, 9);
  d = padded(KOHL_POOL_AVG_VALID);
  RUN(pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 1, 2.5f, 5.5f, 7);
  d = padded(KOHL_POOL_AVG_ALL);
  RUN(pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 0.25f, 1.25f, 2.75f, 7);
}
END_TEST

START_TEST(test_pool_ceil) { /* one row of 5, window 2, stride 2, padding 0: ceil adds a window of one cell */
  const float src[] = {1, 2, 3, 4, 5};
  float dst[3];
  kohl_pool_desc d = {.n = 1,
                      .h = 1,
                      .w = 5,
                      .c = 1,
                      .r = 1,
                      .s = 2,
                      .p = 1,
                      .q = 3,
                      .stride_h = 1,
                      .stride_w = 2,
                      .src_stride = 1,
                      .dst_stride = 1,
                      .mode = KOHL_POOL_AVG_ALL};
  RUN(pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 1.5f, 3.5f, 5); /* PyTorch: the cell beyond the padded picture does not count */
  ck_assert_int_eq(kohl_pool_out(112, 3, 2, 0, 0, true), 56); /* SqueezeNet, GoogLeNet */
  ck_assert_int_eq(kohl_pool_out(112, 3, 2, 0, 0, false), 55);
  ck_assert_int_eq(kohl_pool_out(112, 3, 2, 1, 1, false), 56); /* ResNet */
  ck_assert_int_eq(kohl_pool_out(3, 2, 2, 1, 1, true), 2); /* ceil gives 3, whose window begins in the padding after */
  ck_assert_int_eq(kohl_pool_out(2, 3, 1, 0, 0, false), 0);
  d.q = 4;
  ck_assert_ptr_nonnull(kohl_pool_check(&d));
  d.q = 2;
  ck_assert_ptr_null(kohl_pool_check(&d));
  d.pad_left = 2;
  ck_assert_ptr_nonnull(kohl_pool_check(&d));
}
END_TEST

START_TEST(test_pool_max_rules) { /* one window of two cells: the first of equal zeros, NaN, -inf */
  const float src[] = {0.0f, -0.0f, -0.0f, 0.0f, NAN, 1.0f, 1.0f, NAN, -INFINITY, -INFINITY};
  float dst[5];
  kohl_pool_desc d = {.n = 1,
                      .h = 1,
                      .w = 10,
                      .c = 1,
                      .r = 1,
                      .s = 2,
                      .p = 1,
                      .q = 5,
                      .stride_h = 1,
                      .stride_w = 2,
                      .src_stride = 1,
                      .dst_stride = 1};
  RUN(pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 0.0f, -0.0f, NAN, NAN, -INFINITY);
}
END_TEST

START_TEST(test_adaptive_pool) {
  const float src[] = {1, 2, 3, 4, 5};
  float dst[7];
  kohl_adaptive_pool_desc d = {1, 1, 5, 1, 1, 3, 1, 1, KOHL_ADAPTIVE_POOL_AVG};
  RUN(adaptive_pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 1.5f, 3, 4.5f); /* PyTorch's windows 0-1, 1-3, 3-4 */
  d.mode = KOHL_ADAPTIVE_POOL_MAX;
  RUN(adaptive_pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 2, 4, 5);
  d.q = 7;
  RUN(adaptive_pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 1, 2, 3, 3, 4, 5, 5); /* windows 0, 0-1, 1-2, 2, 2-3, 3-4, 4 */
  d.q = 1, d.mode = KOHL_ADAPTIVE_POOL_AVG;
  RUN(adaptive_pool, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 3);
}
END_TEST

START_TEST(test_batchnorm) {
  const float gamma[] = {2, 1}, beta[] = {1, 0}, mean[] = {3, -1}, variance[] = {3.75f, 0};
  float scale[2], shift[2], dst[4];
  kohl_batchnorm_fixed(2, gamma, beta, mean, variance, 0.25f, scale, shift);
  SAME(scale, 1, 2); /* 2 / sqrt(4), 1 / sqrt(0.25) */
  SAME(shift, -2, 2);
  kohl_batchnorm_fixed(2, NULL, NULL, mean, variance, 0.25f, scale, shift);
  SAME(scale, 0.5f, 2);
  SAME(shift, -1.5f, 2);
  kohl_batchnorm_desc d = {1, 2, 2, 2, 2, KOHL_ACTIVATION_NONE};
  const float src[] = {1, -2, NAN, 3};
  RUN(batchnorm, KOHL_FWD, &d, {{src, scale, shift}, {dst}, NULL});
  SAME(dst, -1, -2, NAN, 8);
  d.activation = KOHL_ACTIVATION_RELU;
  RUN(batchnorm, KOHL_FWD, &d, {{src, scale, shift}, {dst}, NULL});
  SAME(dst, 0, 0, NAN, 8);
}
END_TEST

START_TEST(test_add_and_concat) {
  const float a[] = {1, -3, 99, 5, NAN, 99}, b[] = {2, 1, -1, 1};
  float dst[6] = {7, 7, 7, 7, 7, 7};
  kohl_add_desc add = {1, 2, 2, 3, 2, 3, KOHL_ACTIVATION_RELU};
  RUN(add, KOHL_FWD, &add, {{a, b}, {dst}, NULL});
  SAME(dst, 3, 0, 7, 4, NAN, 7);
  kohl_concat_desc concat = {2, 1, 1, 2, 3};
  RUN(concat, KOHL_FWD, &concat, {{b}, {dst + 2}, NULL});
  SAME(dst, 3, 0, 2, 4, NAN, -1);
}
END_TEST

START_TEST(test_activation) {
  const float src[] = {-1, -0.0f, 2, NAN, INFINITY}, ddst[] = {1, 2, 3, 4, 5};
  float dst[5], dsrc[5];
  kohl_activation_desc d = {1, 5, 1, 1, 1, KOHL_ACTIVATION_FUNCTION_RELU};
  RUN(activation, KOHL_FWD, &d, {{src}, {dst}, NULL});
  SAME(dst, 0, -0.0f, 2, NAN, INFINITY);
  RUN(activation, KOHL_DGRAD, &d, {{dst, ddst}, {dsrc}, NULL});
  SAME(dsrc, 0, 0, 3, 0, 5);
  d.function = KOHL_ACTIVATION_FUNCTION_COPY;
  RUN(activation, KOHL_FWD, &d, {{src}, {dst}, NULL});
  same(dst, src, 5);
  d.function = KOHL_ACTIVATION_FUNCTION_SIGMOID;
  RUN(activation, KOHL_FWD, &d, {{src}, {dst}, NULL});
  RUN(activation, KOHL_DGRAD, &d, {{dst, ddst}, {dsrc}, NULL});
  near(dst[0], 1 / (1 + exp(1.0)), 5); /* 2.5 ulp, one of which is at most 2 units of 2^-24 */
  near(dst[2], 1 / (1 + exp(-2.0)), 5);
  SAME(dst + 3, NAN, 1);
  near(dsrc[2], 3 * exp(-2.0) / pow(1 + exp(-2.0), 2), 50); /* 1 - dst = 0.119 has the error of dst, 0.88: 7.4 times */
  SAME(dsrc + 1, 0.5f, dsrc[2], NAN, 0);
}
END_TEST

START_TEST(test_softmax) {
  enum { C = 37 };
  uint32_t state = 5;
  float *src = ops_floats(&state, C, false), dst[C];
  kohl_softmax_desc d = {1, 1, C, C, C};
  RUN(softmax, KOHL_FWD, &d, {{src}, {dst}, NULL});
  double sum = 0.0;
  for (int i = 0; i < C; i++) sum += exp((double)src[i]);
  /* Units of 2^-24: x - max, |x| < 4, is off by half a unit of 8 = 8 (also in the sum); the exponentials by 2 each; the
   * sum's at most 3 + 4 additions and the division by 1 each. */
  for (int i = 0; i < C; i++) near(dst[i], exp((double)src[i]) / sum, 2 * 8 + 2 * 2 + 8);
  const float special[] = {0, -INFINITY, 0,         0,         NAN,  0,    INFINITY, 0,
                           0, -INFINITY, -INFINITY, -INFINITY, 1000, 1000, 900};
  d = (kohl_softmax_desc){5, 1, 3, 3, 3};
  float out[15];
  RUN(softmax, KOHL_FWD, &d, {{special}, {out}, NULL});
  SAME(out, 0.5f, 0, 0.5f, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0.5f, 0.5f, out[14]);
  ck_assert(out[14] > 0.0f && out[14] < 1e-40f); /* e^-100 / 2, a denormal */
  free(src);
}
END_TEST

START_TEST(test_lrn) {
  const float src[] = {1, -2, 3, 4};
  float dst[4];
  kohl_lrn_desc d = {1, 1, 4, 4, 4, 3, 0.5f, 0.75f, 2.0f};
  RUN(lrn, KOHL_FWD, &d, {{src}, {dst}, NULL});
  const double sums[] = {5, 14, 29, 25}; /* exact in float, and so is 2 + sum / 2: powf and one product round */
  for (int i = 0; i < 4; i++) near(dst[i], (double)src[i] * pow(2.0 + 0.5 * sums[i], -0.75), 2.1);
}
END_TEST

START_TEST(test_dropout) {
  enum { N = 50, F = 203 };
  kohl_dropout_desc d = {N, F, 0.25f, 99, 4, 7};
  uint64_t draws[N];
  float *src = malloc(N * F * sizeof *src), *dst = malloc(N * F * sizeof *dst), one[F];
  ck_assert(src && dst);
  for (int i = 0; i < N; i++) draws[i] = (uint64_t)i * i + 3;
  for (int i = 0; i < N * F; i++) src[i] = (float)(i % 8 + 1);
  RUN(dropout, KOHL_FWD, &d, {{src, draws}, {dst}, NULL});
  int kept = 0;
  for (int i = 0; i < N * F; i++) {
    bool keep = kohl_random_uniform(99, 4, draws[i / F], 7, (uint64_t)(i % F)) >= 0.25f;
    ck_assert(dst[i] == (keep ? src[i] * (1.0f / 0.75f) : 0.0f));
    kept += keep;
  }
  ck_assert_double_le(fabs(kept - 0.75 * N * F), 5 * sqrt(N * F * 0.1875)); /* five standard deviations */
  d.n = 1; /* a batch of one gives the sample the same numbers, in both directions */
  RUN(dropout, KOHL_FWD, &d, {{src + 17 * F, draws + 17}, {one}, NULL});
  same(one, dst + 17 * F, F);
  RUN(dropout, KOHL_DGRAD, &d, {{src + 17 * F, draws + 17}, {one}, NULL});
  same(one, dst + 17 * F, F);
  d.rate = 1.0f;
  ck_assert_ptr_nonnull(kohl_dropout_check(&d));
  d.rate = NAN;
  ck_assert_ptr_nonnull(kohl_dropout_check(&d));
  free(src);
  free(dst);
}
END_TEST

/* The loss of one sample in double. */
static double xent(const float *x, int k, int label, double smoothing) {
  double sum = 0.0, target = 0.0;
  for (int j = 0; j < k; j++) sum += exp((double)x[j]);
  for (int j = 0; j < k; j++) target += (double)x[j] * ((j == label ? 1 - smoothing : 0.0) + smoothing / k);
  return log(sum) - target;
}

START_TEST(test_softmax_xent) { /* the gradient is the loss's, by central differences in double */
  enum { N = 4, K = 5 };
  uint32_t state = 9;
  float *x = ops_floats(&state, N * K, false), p[N * K], loss[N], dx[N * K];
  const float weights[K] = {0.5f, 2, 1, 3, 0};
  const int32_t labels[N] = {3, 0, 4, 1};
  for (int smooth = 0; smooth <= 1; smooth++) {
    for (int by = 0; by <= 1; by++) {
      kohl_softmax_xent_desc d = {N, K, smooth ? 0.25f : 0.0f, (kohl_softmax_xent_divide)by, 1};
      RUN(softmax_xent, KOHL_FWD, &d, {{x, labels, weights}, {p, loss}, NULL});
      RUN(softmax_xent, KOHL_DGRAD, &d, {{p, labels, weights}, {dx}, NULL});
      ck_assert(kohl_softmax_xent_divisor(&d, labels, weights) == (by ? 5.5f : 4.0f));
      for (int i = 0; i < N; i++) {
        double w = (double)weights[labels[i]], divisor = by ? 5.5 : 4.0;
        double exact = w * xent(x + i * K, K, labels[i], (double)d.label_smoothing);
        ck_assert(fabs((double)loss[i] - exact) <= w * 2e-6); /* terms up to 8, 4 units of 2^-24 each: 2e-6 */
        for (int j = 0; j < K; j++) {
          float *at = &x[i * K + j], keep = *at, h = 0x1p-9f;
          *at = keep + h;
          double up = xent(x + i * K, K, labels[i], (double)d.label_smoothing);
          *at = keep - h;
          double down = xent(x + i * K, K, labels[i], (double)d.label_smoothing);
          *at = keep;
          double slope = w * (up - down) / (2 * (double)h) / divisor;
          ck_assert(fabs((double)dx[i * K + j] - slope) <= w * 1e-6); /* h^2/6 times a third derivative below 1: 7e-7 */
        }
      }
    }
  }
  free(x);
}
END_TEST

START_TEST(test_softmax_xent_special) {
  const float x[] = {0, -INFINITY, 0, 1, 2, 3};
  const int32_t labels[] = {0, 3};
  float p[6], loss[2], dx[6];
  kohl_softmax_xent_desc d = {2, 3, 0, KOHL_SOFTMAX_XENT_BY_BATCH, 1};
  RUN(softmax_xent, KOHL_FWD, &d, {{x, labels, NULL}, {p, loss}, NULL});
  RUN(softmax_xent, KOHL_DGRAD, &d, {{p, labels, NULL}, {dx}, NULL});
  near(loss[0], log(2.0), 2);
  ck_assert(isnan(loss[1])); /* no such class */
  SAME(dx, -0.25f, 0, 0.25f, NAN, NAN, NAN);
  const float none[] = {0, 0, 0};
  d.n = 1, d.divide_by = KOHL_SOFTMAX_XENT_BY_WEIGHTS;
  RUN(softmax_xent, KOHL_DGRAD, &d, {{p, labels, none}, {dx}, NULL});
  SAME(dx, -0.0f, 0, 0); /* nothing weighs anything: no gradient, and no division by 0 */
}
END_TEST

START_TEST(test_rmsprop) { /* two steps of Keras 2's formula in double */
  for (int variant = 0; variant < 4; variant++) {
    bool inside = variant & 1;
    float momentum = variant & 2 ? 0.9f : 0.0f, w = 0.5f, v = 0.0f, m = 0.0f;
    double wd = 0.5, vd = 0.0, md = 0.0;
    kohl_rmsprop_desc d = {1, 1, 0.01f, 0.9f, 0.125f, momentum, inside};
    for (int step = 0; step < 2; step++) {
      float g = step ? -0.75f : 1.5f;
      RUN(rmsprop, KOHL_FWD, &d, {{&g}, {&w, &v, momentum != 0.0f ? &m : NULL}, NULL});
      vd = (double)0.9f * vd + (1 - (double)0.9f) * (double)g * (double)g;
      double s = (double)0.01f * (double)g / (inside ? sqrt(vd + 0.125) : sqrt(vd) + 0.125);
      md = (double)momentum * md + s;
      wd -= md;
      near(v, vd, 4); /* three roundings a step */
      near(w, wd, 4);
    }
    if (momentum != 0.0f) near(m, md, 8);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ops_values");
  TCase *tcase = tcase_create("references");
  suite_add_tcase(suite, tcase);
  const TTest *tests[] = {test_pool_modes, test_pool_ceil,      test_pool_max_rules, test_adaptive_pool,
                          test_batchnorm,  test_add_and_concat, test_activation,     test_softmax,
                          test_lrn,        test_dropout,        test_softmax_xent,   test_softmax_xent_special,
                          test_rmsprop};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(tcase, tests[i]);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
