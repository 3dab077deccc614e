/* Problems of sgd, adam, ema and clip_norm.  Nothing here is an exact integer: every step multiplies by fractions. */
#include <math.h>
#include <string.h>

#include "kernels/adam/adam.h"
#include "kernels/clip_norm/clip_norm.h"
#include "kernels/ema/ema.h"
#include "kernels/sgd/sgd.h"
#include "tests/kernelcheck/compare.h"

#define COUNTS "count=1", "count=0", "count=7", "count=8", "count=9", "count=15", "count=16", "count=17"
#define COUNT_FIELD \
  { "count", 1, 0, 1 << 28 }

enum { COUNT, LR, MOMENTUM, SGD_DECAY, NESTEROV, INSIDE };                   /* of sgd */
enum { STEP = LR + 1, BETA1, BETA2, EPSILON, ADAM_DECAY, PLAIN, DECOUPLED }; /* of adam */
enum { OPTION = 1 };                                                         /* decay of ema, max of clip_norm */
enum { INFINITE = OPTION + 1 };                                              /* of clip_norm: the last gradient */

static const case_field sgd_fields[] = {COUNT_FIELD,        {"lr", 0.01, 0, 1e38}, {"momentum", 0, 0, 1},
                                        {"decay", 0, 0, 1}, {"nesterov", 0, 0, 1}, {"lr_inside", 0, 0, 1},
                                        {NULL, 0, 0, 0}};
static const case_field adam_fields[] = {COUNT_FIELD,          {"lr", 1e-3, 0, 1e38},  {"step", 1, 1, 1e9},
                                         {"beta1", 0.9, 0, 1}, {"beta2", 0.999, 0, 1}, {"epsilon", 1e-7, 0, 1},
                                         {"decay", 0, 0, 1},   {"plain", 0, 0, 1},     {"decoupled", 0, 0, 1},
                                         {NULL, 0, 0, 0}};
static const case_field ema_fields[] = {COUNT_FIELD, {"decay", 0.999, 0, 1}, {NULL, 0, 0, 0}};
static const case_field clip_fields[] = {COUNT_FIELD, {"max", 1, 1e-30, 1e30}, {"infinite", 0, 0, 1}, {NULL, 0, 0, 0}};

static const char *const sgd_fixed[] = {COUNTS,
                                        "count=17 momentum=0.9",
                                        "count=33 momentum=0.9 nesterov=1 decay=0.0001",
                                        "count=31 momentum=0.9 lr_inside=1",
                                        "count=20011 momentum=0.5 lr_inside=1 nesterov=1 decay=0.01",
                                        NULL};
static const char *const adam_fixed[] = {COUNTS,
                                         "count=17 plain=1 step=3 epsilon=1e-08",
                                         "count=33 decay=0.01 decoupled=1 step=1000",
                                         "count=20011 decay=0.1 plain=1 step=12345678",
                                         "count=31 beta1=0 beta2=0 epsilon=0.001",
                                         NULL};
static const char *const ema_fixed[] = {COUNTS, "count=20011 decay=0.9", "count=31 decay=0", "count=33 decay=1", NULL};
static const char *const clip_fixed[] = {COUNTS,
                                         "count=4095",
                                         "count=4096",
                                         "count=4097",
                                         "count=20011 max=0.001",
                                         "count=33 max=1000",
                                         "count=5 max=0.125",
                                         "count=1052679 max=2",
                                         "count=33 infinite=1",
                                         NULL};

static void draw_count(case_problem *problem, uint64_t *random) {
  problem->v[COUNT] = case_between(random, 0, 1) ? case_between(random, 1, 70) : case_between(random, 1, 30000);
}

static void sgd_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  draw_count(problem, random);
  v[LR] = CASE_PICK(random, 1, 10, 1000) / 10000.0;
  v[MOMENTUM] = CASE_PICK(random, 0, 5, 9) / 10.0;
  v[SGD_DECAY] = CASE_PICK(random, 0, 1, 100) / 1000.0;
  v[NESTEROV] = case_between(random, 0, 1);
  v[INSIDE] = case_between(random, 0, 1);
}

static void adam_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  draw_count(problem, random);
  v[LR] = CASE_PICK(random, 1, 10, 1000) / 10000.0;
  v[STEP] = CASE_PICK(random, 1, 2, 10, 1000, 100000);
  v[BETA1] = CASE_PICK(random, 0, 500, 900) / 1000.0;
  v[BETA2] = CASE_PICK(random, 900, 990, 999) / 1000.0;
  v[EPSILON] = CASE_PICK(random, 1, 10, 100000) * 1e-8;
  v[ADAM_DECAY] = CASE_PICK(random, 0, 1, 100) / 1000.0;
  v[PLAIN] = case_between(random, 0, 1);
  v[DECOUPLED] = case_between(random, 0, 1);
}

static void ema_draw(case_problem *problem, uint64_t *random) {
  draw_count(problem, random);
  problem->v[OPTION] = CASE_PICK(random, 0, 500, 990, 999, 1000) / 1000.0;
}

static void clip_draw(case_problem *problem, uint64_t *random) {
  draw_count(problem, random);
  problem->v[OPTION] = CASE_PICK(random, 1, 1000, 100000) / 1000.0;
}

/* A decay of 0 is left out, even where the weight is infinite. */
static double times(double decay, double weight) { return decay != 0.0 ? decay * weight : 0.0; }

/* Tensors of count floats: one in, `updated` out. */
static void arrays(const case_problem *problem, const char *in, const char *const *out_names, int updated, double flops,
                   case_layout *out) {
  int count = case_int(problem, COUNT);
  if (in) out->in[0] = case_tensor_make(in, 1, count, 0);
  for (int i = 0; i < updated; i++) {
    out->out[i] = case_tensor_make(out_names[i], 1, count, 0);
    out->out[i].updated = true;
  }
  out->flops = flops * count;
  out->bytes = 4.0 * ((in != NULL) + 2.0 * updated) * count;
}

static const char *sgd_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"weights", "m"};
  if (direction != KOHL_FWD) return "sgd has cases for fwd only";
  kohl_sgd_desc d = {1,
                     (int64_t)problem->v[COUNT],
                     (float)problem->v[LR],
                     (float)problem->v[MOMENTUM],
                     (float)problem->v[SGD_DECAY],
                     problem->v[NESTEROV] != 0,
                     problem->v[INSIDE] != 0};
  arrays(problem, "grad", names, d.momentum != 0.0f ? 2 : 1, 6.0, out);
  memcpy(out->desc, &d, sizeof d);
  return kohl_sgd_check(&d);
}

/* g has one rounding, every later line one or two more of what its terms add up to: at most 7 in all, of terms that
 * add up to `size`.  They are independent from element to element. */
static void sgd_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_sgd_desc *d = (const void *)out->desc;
  const float *grad = args->in[SGD_GRAD], *w = args->out[SGD_WEIGHTS];
  const float *moments = d->momentum != 0.0f ? args->out[SGD_M] : NULL;
  (void)row;
  for (int64_t i = 0; i < d->count; i++) {
    double mu = d->momentum, lr = d->lr, decay = times(d->weight_decay, w[i]), g = grad[i] + decay;
    double old = moments ? mu * moments[i] : 0.0, gain = d->lr_inside && moments ? -lr : 1.0, m = old + gain * g;
    double step = moments && d->nesterov ? mu * m + gain * g : m, size = fabs(grad[i]) + fabs(decay);
    double m_size = fabs(old) + fabs(gain) * size, step_size = m_size + fabs(gain) * size;
    if (output == SGD_M) {
      values[i] = (case_value){m, compare_limit(4.0, m_size), compare_variance(4.0 * m_size * m_size)};
      continue;
    }
    double back = gain < 0.0 ? 1.0 : -lr, value = w[i] + back * step, moved = fabs(back) * step_size;
    values[i] = (case_value){value, compare_limit(7.0, moved + fabs(value)),
                             compare_variance(7.0 * moved * moved + value * value)};
  }
}

static const char *adam_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"weights", "m", "v"};
  if (direction != KOHL_FWD) return "adam has cases for fwd only";
  kohl_adam_desc d;
  memset(&d, 0, sizeof d);
  d.n = 1;
  d.count = (int64_t)problem->v[COUNT];
  d.step = (int64_t)problem->v[STEP];
  d.lr = problem->v[LR];
  d.beta1 = problem->v[BETA1];
  d.beta2 = problem->v[BETA2];
  d.epsilon = problem->v[EPSILON];
  d.weight_decay = problem->v[ADAM_DECAY];
  d.epsilon_place = problem->v[PLAIN] != 0 ? KOHL_ADAM_EPSILON_PLAIN : KOHL_ADAM_EPSILON_HAT;
  d.decoupled = problem->v[DECOUPLED] != 0;
  arrays(problem, "grad", names, 3, 14.0, out);
  out->out[ADAM_V].values = CASE_POSITIVE;
  memcpy(out->desc, &d, sizeof d);
  return kohl_adam_check(&d);
}

/* What a step leaves of one weight, and how large the terms were. */
typedef struct adam_step {
  double m, v, w, m_size, v_size, move_size;
} adam_step;

static adam_step adam_one(const kohl_adam_desc *d, double grad, double w, double m, double v) {
  double first = 1.0 - pow(d->beta1, (double)d->step), second = sqrt(1.0 - pow(d->beta2, (double)d->step));
  if (d->decoupled) w -= times(d->lr * d->weight_decay, w);
  double decay = d->decoupled ? 0.0 : times(d->weight_decay, w), g = grad + decay, size = fabs(grad) + fabs(decay);
  adam_step s;
  s.m = m + (1.0 - d->beta1) * (g - m);
  s.v = v + (1.0 - d->beta2) * (g * g - v);
  double den =
      d->epsilon_place == KOHL_ADAM_EPSILON_HAT ? (sqrt(s.v) + d->epsilon) / second : sqrt(s.v) / second + d->epsilon;
  double factor = d->lr / first / den;
  s.w = w - factor * s.m;
  s.m_size = fabs(m) + (1.0 - d->beta1) * (size + fabs(m));
  s.v_size = fabs(v) + (1.0 - d->beta2) * (size * size + fabs(v));
  s.move_size = fabs(factor) * s.m_size * (1.0 + 0.5 * s.v_size / s.v);
  return s;
}

/* m: g, the difference, rest1 and the sum, 4 roundings; v: two of g doubled by the square, the inner difference, rest2
 * and the sum, 6; the move: those of m, half of v's, root, its product, epsilon, rate, product and quotient, at most
 * 14; then what it shrinks by is
 * added, and w has one rounding of its own.  The factors are the same for all
 * weights, so that their roundings do not average out: 4 u of the move that count as if always at their largest. */
static void adam_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_adam_desc *d = (const void *)out->desc;
  const float *grad = args->in[ADAM_GRAD], *w = args->out[ADAM_WEIGHTS], *m = args->out[ADAM_M], *v = args->out[ADAM_V];
  (void)row;
  for (int64_t i = 0; i < d->count; i++) {
    adam_step s = adam_one(d, grad[i], w[i], m[i], v[i]);
    double shrink = d->decoupled ? times(d->lr * d->weight_decay, w[i]) : 0.0, weight = fabs(w[i]) + fabs(shrink);
    double common = 4.0 * s.move_size + fabs(shrink);
    if (output == ADAM_M) {
      values[i] = (case_value){s.m, compare_limit(4.0, s.m_size), compare_variance(6.0 * s.m_size * s.m_size)};
    } else if (output == ADAM_V) {
      values[i] = (case_value){s.v, compare_limit(6.0, s.v_size), compare_variance(8.0 * s.v_size * s.v_size)};
    } else {
      values[i] = (case_value){s.w, compare_limit(14.0, s.move_size) + compare_limit(2.0, weight + s.move_size),
                               COMPARE_U * COMPARE_U * common * common +
                                   compare_variance(10.0 * s.move_size * s.move_size + weight * weight + s.w * s.w)};
    }
  }
}

static const char *ema_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"average"};
  if (direction != KOHL_FWD) return "ema has cases for fwd only";
  kohl_ema_desc d = {1, (int64_t)problem->v[COUNT], problem->v[OPTION]};
  arrays(problem, "weights", names, 1, 3.0, out);
  memcpy(out->desc, &d, sizeof d);
  return kohl_ema_check(&d);
}

/* The difference and rest (the same for all) are rounded, and the sum. */
static void ema_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_ema_desc *d = (const void *)out->desc;
  const float *w = args->in[EMA_WEIGHTS], *average = args->out[EMA_AVERAGE];
  (void)output, (void)row;
  for (int64_t i = 0; i < d->count; i++) {
    double move = (1.0 - d->decay) * ((double)w[i] - average[i]), value = average[i] + move;
    values[i] = (case_value){value, compare_limit(2.0, fabs(move)) + compare_limit(1.0, fabs(value)),
                             COMPARE_U * COMPARE_U * move * move + compare_variance(move * move + value * value)};
  }
}

static const char *clip_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"grad"};
  if (direction != KOHL_FWD) return "clip_norm has cases for fwd only";
  kohl_clip_norm_desc d = {1, (int64_t)problem->v[COUNT], (float)problem->v[OPTION]};
  const float infinity = INFINITY;
  arrays(problem, NULL, names, 1, 3.0, out);
  if (problem->v[INFINITE] != 0 && d.count > 0)
    case_tensor_give(&out->out[CLIP_NORM_GRAD], (size_t)d.count - 1, &infinity, sizeof infinity);
  out->out[CLIP_NORM_NORM] = case_tensor_make("norm", 1, 1, 0);
  out->bytes += 4.0 * (double)d.count;
  memcpy(out->desc, &d, sizeof d);
  return kohl_clip_norm_check(&d);
}

/* The factor is rounded, the same for all, and the product. */
static void clip_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_clip_norm_desc *d = (const void *)out->desc;
  const float *grad = args->out[CLIP_NORM_GRAD];
  double sum = 0.0;
  (void)row;
  for (int64_t i = 0; i < d->count; i++) sum += (double)grad[i] * grad[i];
  double norm = sqrt(sum), max = d->max_norm;
  if (output == CLIP_NORM_NORM) {
    values[0] = compare_rounded(norm, 1.0);
    return;
  }
  const bool clips = norm > max && isfinite(norm);
  for (int64_t i = 0; i < d->count; i++) {
    double value = clips ? grad[i] * (max / norm) : grad[i];
    values[i] = clips ? compare_rounded(value, 2.0) : (case_value){value, 0.0, 0.0};
    values[i].variance += clips ? COMPARE_U * COMPARE_U * value * value : 0.0;
  }
}

const case_op case_sgd = {"sgd", sgd_fields, sgd_fixed, sgd_draw, sgd_layout, sgd_truth, NULL, NULL, NULL};
const case_op case_adam = {"adam", adam_fields, adam_fixed, adam_draw, adam_layout, adam_truth, NULL, NULL, NULL};
const case_op case_ema = {"ema", ema_fields, ema_fixed, ema_draw, ema_layout, ema_truth, NULL, NULL, NULL};
const case_op case_clip_norm = {"clip_norm", clip_fields, clip_fixed, clip_draw, clip_layout,
                                clip_truth,  NULL,        NULL,       NULL};
