/* The optimizers against the published formulas, written here in double: 1,000 steps of every variant.
 *
 * Tolerance: the error's norm within 1e-6 of the weights' norm.  Each of the 1,000 steps rounds a weight of about 3/4
 * by at most 2^-25, with an rms of 2^-25/sqrt(3); the gradients are the same for both, so nothing pulls an error back,
 * and independent roundings add up to sqrt(1000) 2^-25/sqrt(3) = 5.4e-7, 7e-7 of the weight.  One weight of 37 may be
 * 4 such deviations off: 2.5e-6 of max(1, |w|). */
#include <check.h>
#include <math.h>
#include <string.h>

#include "kernels/adam/adam.h"
#include "kernels/clip_norm/clip_norm.h"
#include "kernels/ema/ema.h"
#include "kernels/rmsprop/rmsprop.h"
#include "kernels/sgd/sgd.h"

enum { COUNT = 37, STEPS = 1000 };

/* Weights, and two more arrays that the update keeps, in float and in double. */
typedef struct world {
  float w[COUNT], a[COUNT], b[COUNT], grad[COUNT];
  double dw[COUNT], da[COUNT], db[COUNT];
} world;

static void begin(world *o) {
  memset(o, 0, sizeof *o);
  for (int i = 0; i < COUNT; i++) o->dw[i] = o->w[i] = 0.75f + 0.125f * (float)sin(i + 1.0);
}

/* Gradients that pull to 3/4 and swing, so that moments matter; the same numbers for both, from the double's weights.
 */
static void gradients(world *o, int step) {
  for (int i = 0; i < COUNT; i++) o->grad[i] = (float)(0.3 * (o->dw[i] - 0.75) + 0.5 * cos(0.7 * step + i));
}

static void compare(const world *o, const char *what) {
  double error = 0.0, size = 0.0;
  for (int i = 0; i < COUNT; i++) {
    double off = (double)o->w[i] - o->dw[i];
    error += off * off;
    size += o->dw[i] * o->dw[i];
    ck_assert_msg(fabs(off) <= 2.5e-6 * fmax(1.0, fabs(o->dw[i])), "%s: weight %d is %.9g, expected %.9g", what, i,
                  (double)o->w[i], o->dw[i]);
  }
  ck_assert_msg(sqrt(error) <= 1e-6 * sqrt(size), "%s: the norm is off by %.3g", what, sqrt(error / size));
}

static void run(const kohl_op *op, const void *desc, const kohl_args *args) {
  for (size_t i = 0; i < op->count; i++) {
    if (!strcmp(op->kernels[i].id, "ref")) op->kernels[i].code->run(desc, args, NULL);
  }
}

/* tf.keras.optimizers.SGD and torch.optim.SGD.  The learning rate falls to a third half-way, which tells the forms of
 * momentum apart. */
static void sgd(bool keras, bool nesterov, double momentum, double decay) {
  world o;
  begin(&o);
  for (int t = 1; t <= STEPS; t++) {
    float lr = t <= STEPS / 2 ? 0.03125f : 0.01f;
    kohl_sgd_desc d = {1, COUNT, lr, (float)momentum, (float)decay, nesterov, keras};
    gradients(&o, t);
    kohl_args args = {.in = {o.grad}, .out = {o.w, o.a}};
    run(&kohl_sgd_op, &d, &args);
    double rate = (double)lr, mu = (double)d.momentum;
    for (int i = 0; i < COUNT; i++) {
      double g = o.grad[i] + (double)d.weight_decay * o.dw[i];
      if (momentum == 0.0) {
        o.dw[i] -= rate * g;
      } else if (keras) {
        o.da[i] = mu * o.da[i] - rate * g;
        o.dw[i] += nesterov ? mu * o.da[i] - rate * g : o.da[i];
      } else {
        o.da[i] = mu * o.da[i] + g;
        o.dw[i] -= rate * (nesterov ? g + mu * o.da[i] : o.da[i]);
      }
    }
  }
  compare(&o, keras ? "sgd, Keras" : "sgd, PyTorch");
}

START_TEST(test_sgd) {
  for (int form = 0; form < 4; form++) {
    sgd(form & 1, form & 2, 0.0, 0.0);
    sgd(form & 1, form & 2, 0.875, 0.0);
    sgd(form & 1, form & 2, 0.9, 0.0009765625);
  }
}
END_TEST

/* Keras 2 and 3: alpha = lr sqrt(1 - b2^t)/(1 - b1^t), w -= alpha m/(sqrt(v) + eps), AdamW w -= lr wd w before;
 * PyTorch: denom = sqrt(v)/sqrt(1 - b2^t) + eps, w -= lr/(1 - b1^t) m/denom, Adam's decay into the gradient. */
static void adam(bool plain, bool decoupled, double decay, double epsilon) {
  world o;
  begin(&o);
  for (int t = 1; t <= STEPS; t++) {
    kohl_adam_desc d = {
        1,        COUNT, t, 1e-3, 0.9, 0.999, epsilon, decay, plain ? KOHL_ADAM_EPSILON_PLAIN : KOHL_ADAM_EPSILON_HAT,
        decoupled};
    gradients(&o, t);
    kohl_args args = {.in = {o.grad}, .out = {o.w, o.a, o.b}};
    run(&kohl_adam_op, &d, &args);
    double first = 1.0 - pow(0.9, t), second = 1.0 - pow(0.999, t);
    for (int i = 0; i < COUNT; i++) {
      if (decoupled) o.dw[i] -= 1e-3 * decay * o.dw[i];
      double g = o.grad[i] + (decoupled ? 0.0 : decay * o.dw[i]);
      o.da[i] = 0.9 * o.da[i] + (1.0 - 0.9) * g;
      o.db[i] = 0.999 * o.db[i] + (1.0 - 0.999) * g * g;
      o.dw[i] -= plain ? 1e-3 / first * o.da[i] / (sqrt(o.db[i]) / sqrt(second) + epsilon)
                       : 1e-3 * sqrt(second) / first * o.da[i] / (sqrt(o.db[i]) + epsilon);
    }
  }
  compare(&o, plain ? "adam, PyTorch" : "adam, Keras");
}

START_TEST(test_adam) {
  adam(false, false, 0.0, 1e-7);
  adam(false, true, 0.004, 1e-7);
  adam(true, false, 0.0, 1e-8);
  adam(true, false, 0.01, 1e-8);
  adam(true, true, 0.01, 1e-8);
  adam(false, false, 0.0, 0.1); /* an epsilon that matters */
  adam(true, false, 0.0, 0.1);
}
END_TEST

/* The first step from rest, worked out by hand: g = 1/4.  hat: m = g/10, v = g^2/1000; the step is
 * lr sqrt(.001)/.1 (g/10)/(g sqrt(.001) + eps), which is lr g/(g + eps/sqrt(.001)); plain: lr g/(g + eps). */
START_TEST(test_adam_epsilon_place) {
  for (int plain = 0; plain < 2; plain++) {
    float w = 0.0f, m = 0.0f, v = 0.0f, g = 0.25f;
    kohl_adam_desc d = {1, 1, 1, 1.0, 0.9, 0.999, 0.25, 0.0, (kohl_adam_epsilon)plain, false};
    kohl_args args = {.in = {&g}, .out = {&w, &m, &v}};
    run(&kohl_adam_op, &d, &args);
    double expected = plain ? 0.5 : 0.25 / (0.25 + 0.25 / sqrt(0.001));
    ck_assert_double_le(fabs((double)w + expected), 1e-6 * expected);
  }
}
END_TEST

/* Keras 2: lr g/(sqrt(v) + eps); Keras 3: lr g/sqrt(v + eps); PyTorch with alpha .99 like Keras 2, momentum buffer of
 * quotients and
 * its decay into the gradient. */
static void rmsprop(bool inside, double rho, double momentum, double epsilon, double decay) {
  world o;
  begin(&o);
  for (int t = 1; t <= STEPS; t++) {
    kohl_rmsprop_desc d = {.n = 1,
                           .count = COUNT,
                           .lr = 0x1p-10f,
                           .rho = (float)rho,
                           .epsilon = (float)epsilon,
                           .momentum = (float)momentum,
                           .weight_decay = (float)decay,
                           .epsilon_inside = inside};
    gradients(&o, t);
    kohl_args args = {.in = {o.grad}, .out = {o.w, o.a, o.b}};
    run(&kohl_rmsprop_op, &d, &args);
    for (int i = 0; i < COUNT; i++) {
      double g = o.grad[i] + (double)d.weight_decay * o.dw[i], eps = (double)d.epsilon;
      o.da[i] = (double)d.rho * o.da[i] + (1.0 - (double)d.rho) * g * g;
      double step = 0x1p-10 * g / (inside ? sqrt(o.da[i] + eps) : sqrt(o.da[i]) + eps);
      o.db[i] = (double)d.momentum * o.db[i] + step;
      o.dw[i] -= o.db[i];
    }
  }
  compare(&o, "rmsprop");
}

START_TEST(test_rmsprop) {
  rmsprop(false, 0.9, 0.0, 1e-7, 0.0);
  rmsprop(true, 0.9, 0.0, 1e-7, 0.0);
  rmsprop(false, 0.99, 0.0, 1e-8, 0.0);
  rmsprop(false, 0.99, 0.5, 1e-8, 0.0);
  rmsprop(true, 0.9, 0.875, 1.0, 0.0);
  rmsprop(false, 0.99, 0.0, 1e-8, 0.01);
  rmsprop(false, 0.99, 0.5, 1e-8, 0.25);
  rmsprop(true, 0.9, 0.0, 1e-3, 0.01);
}
END_TEST

START_TEST(test_ema) {
  world o;
  begin(&o);
  kohl_ema_desc d = {1, COUNT, 0.999};
  for (int t = 1; t <= STEPS; t++) {
    gradients(&o, t); /* any moving numbers; the average is w here */
    kohl_args args = {.in = {o.grad}, .out = {o.w}};
    run(&kohl_ema_op, &d, &args);
    for (int i = 0; i < COUNT; i++) o.dw[i] = 0.999 * o.dw[i] + (1.0 - 0.999) * o.grad[i];
  }
  compare(&o, "ema");
}
END_TEST

START_TEST(test_clip_norm) {
  static float g[5000];
  static double scratch[2];
  float norm = 0.0f;
  for (int i = 0; i < 5000; i++) g[i] = i % 2 ? 3.0f : -4.0f; /* sum of squares 2500 * 25 = 250^2 */
  kohl_args args = {.out = {g, &norm}, .workspace = scratch};
  kohl_clip_norm_desc d = {1, 5000, 1000.0f};
  run(&kohl_clip_norm_op, &d, &args);
  ck_assert(norm == 250.0f && g[0] == -4.0f && g[4999] == 3.0f);
  d.max_norm = 125.0f;
  run(&kohl_clip_norm_op, &d, &args);
  ck_assert(norm == 250.0f && g[0] == -2.0f && g[4999] == 1.5f);
  g[17] = INFINITY;
  run(&kohl_clip_norm_op, &d, &args);
  ck_assert(norm == INFINITY && g[0] == -2.0f && g[17] == INFINITY);
  g[18] = NAN;
  run(&kohl_clip_norm_op, &d, &args);
  ck_assert(isnan(norm) && g[0] == -2.0f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("optimizers");
  TCase *tcase = tcase_create("formulas");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_sgd);
  tcase_add_test(tcase, test_adam);
  tcase_add_test(tcase, test_adam_epsilon_place);
  tcase_add_test(tcase, test_rmsprop);
  tcase_add_test(tcase, test_ema);
  tcase_add_test(tcase, test_clip_norm);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
