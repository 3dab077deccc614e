/* kernels/core/math.h against the double functions of libm (whose error, below 1e-9 ulp of a float, is nothing here).
 *
 * The sweeps go through the bits of a float in odd steps, so that every exponent and many mantissas come up.  The
 * bounds are those that the header states: measured over all floats once, and rounded up. */
#include <check.h>
#include <stdlib.h>

#include "kernels/core/math.h"

enum { STEP = 1531 };

/* |got - exact| in units in the last place of exact as a float.  Overflow must give inf, NaN must meet NaN; anything
 * else that is not comparable is infinitely wrong. */
static double ulps(float got, double exact) {
  if (isnan(exact)) return isnan(got) ? 0.0 : INFINITY;
  if (fabs(exact) >= 0x1.ffffffp127) return (double)got == copysign(INFINITY, exact) ? 0.0 : INFINITY;
  int e;
  frexp(exact, &e); /* exact = m 2^e with m in [1/2, 1): 24 bits below 2^e */
  double error = fabs((double)got - exact) / ldexp(1.0, e < -125 ? -149 : e - 24);
  return isnan(error) ? INFINITY : error;
}

static double worst_of(float (*ours)(float), double (*theirs)(double), uint32_t step) {
  double worst = 0.0;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += step) {
    float x = kohl_bits_float((uint32_t)bits);
    double error = ulps(ours(x), theirs((double)x));
    if (error > worst) worst = error;
  }
  return worst;
}

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

START_TEST(test_exp) {
  ck_assert_double_le(worst_of(kohl_expf, exp, STEP), 0.95);
  ck_assert(kohl_expf(0.0f) == 1.0f && kohl_expf(-0.0f) == 1.0f);
  ck_assert(kohl_expf(-INFINITY) == 0.0f && kohl_expf(INFINITY) == INFINITY);
  ck_assert(kohl_expf(88.72283f) < INFINITY &&
            kohl_expf(88.722847f) == INFINITY);                               /* ln of the largest float: 88.7228391 */
  ck_assert(kohl_expf(-103.97f) == 0x1p-149f && kohl_expf(-103.98f) == 0.0f); /* ln 2^-150: -103.9721 */
  ck_assert(isnan(kohl_expf(NAN)));
}
END_TEST

START_TEST(test_log) {
  ck_assert_double_le(worst_of(kohl_logf, log, STEP), 0.9);
  ck_assert(kohl_logf(1.0f) == 0.0f && kohl_logf(0.0f) == -INFINITY && kohl_logf(-0.0f) == -INFINITY);
  ck_assert(kohl_logf(INFINITY) == INFINITY && isnan(kohl_logf(-1.0f)) && isnan(kohl_logf(-INFINITY)));
  for (uint32_t bits = 0x3f700000; bits < 0x3f880000; bits += 7) { /* around 1, where the logarithm is small */
    float x = kohl_bits_float(bits);
    ck_assert_double_le(ulps(kohl_logf(x), log((double)x)), 0.9);
  }
}
END_TEST

START_TEST(test_sigmoid) {
  ck_assert_double_le(worst_of(kohl_sigmoidf, sigmoid, STEP), 2.5);
  ck_assert(kohl_sigmoidf(0.0f) == 0.5f && kohl_sigmoidf(INFINITY) == 1.0f && kohl_sigmoidf(-INFINITY) == 0.0f);
  ck_assert(kohl_sigmoidf(-100.0f) > 0.0f); /* a denormal */
}
END_TEST

START_TEST(test_pow) {
  static const float exponents[] = {-0.75f, 0.75f, 0.5f,   -1.0f,  3.0f,        -7.0f, 1.3f,
                                    41.7f,  1e-3f, 1e-30f, -2.25f, 16777217.0f, 2e9f};
  double worst = 0.0;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 13 * STEP) {
    float x = kohl_bits_float((uint32_t)bits);
    for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
      double error = ulps(kohl_powf(x, exponents[i]), pow((double)x, (double)exponents[i]));
      if (error > worst) worst = error;
    }
  }
  ck_assert_double_le(worst, 0.501);
}
END_TEST

START_TEST(test_pow_near_one) { /* where y log x has to be exact to the last bit of what is left */
  double worst = 0.0;
  for (int i = -200; i <= 200; i++) {
    for (float y = -1e7f; y <= 1e7f; y += 99991.0f) {
      float x = 1.0f + (float)i * 0x1p-23f;
      double error = ulps(kohl_powf(x, y), pow((double)x, (double)y));
      if (error > worst) worst = error;
    }
  }
  ck_assert_double_le(worst, 0.501);
}
END_TEST

START_TEST(test_pow_special) {
  static const float values[] = {0.0f,  -0.0f,    1.0f,      -1.0f, 2.0f,   -2.0f,   0.5f,    -0.5f,       3.0f,
                                 -3.0f, INFINITY, -INFINITY, NAN,   1e-45f, -1e-45f, 3.4e38f, 16777215.0f, 1e30f};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
      float got = kohl_powf(values[i], values[j]);
      double exact = pow((double)values[i], (double)values[j]);
      ck_assert_msg(ulps(got, exact) <= 0.501, "pow(%a, %a) = %a, expected %a", (double)values[i], (double)values[j],
                    (double)got, exact);
      if (!isnan(exact)) ck_assert_int_eq(!!signbit(got), !!signbit(exact));
    }
  }
}
END_TEST

START_TEST(test_sincos) {
  double worst = 0.0;
  for (int i = -400000; i <= 400000; i++) {
    const double x = i * 1e-5;
    double s, c;
    kohl_sincos_double(x, &s, &c);
    worst = fmax(worst, fmax(fabs(s - sin(x)), fabs(c - cos(x))));
  }
  ck_assert_double_le(worst, 0x1p-49);
  double s, c;
  kohl_sincos_double(0.0, &s, &c);
  ck_assert(s == 0.0 && c == 1.0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("math");
  TCase *tcase = tcase_create("functions");
  tcase_set_timeout(tcase, 120);
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_exp);
  tcase_add_test(tcase, test_log);
  tcase_add_test(tcase, test_sigmoid);
  tcase_add_test(tcase, test_pow);
  tcase_add_test(tcase, test_pow_near_one);
  tcase_add_test(tcase, test_pow_special);
  tcase_add_test(tcase, test_sincos);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
