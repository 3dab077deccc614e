/* Problems of update.  What a part makes of a weight is judged by the part's own cases; here is which steps are taken.
 */
#include <math.h>
#include <string.h>

#include "kernels/update/update.h"
#include "tests/kernelcheck/compare.h"

extern const case_op case_sgd, case_rmsprop, case_adam;

enum {
  COUNT,
  RULE,
  LR,
  STEP,
  MOMENTUM,
  NESTEROV,
  LR_INSIDE,
  RHO,
  EPSILON,
  INSIDE,
  BETA1,
  BETA2,
  PLAIN,
  DECAY,
  MAX, /* of the norm; 0: no clipping */
  EMA,
  LOSSES,
  NORM,
  WEIGHTS_NORM,
  BAD,
  SPARE, /* arrays that the rule has not are there all the same, and must stay */
};
/* Which number is not one. */
enum { ALL_GOOD, NORM_NAN, NORM_INFINITE, WEIGHTS_NORM_NAN, WEIGHTS_NORM_INFINITE, FIRST_LOSS_INFINITE, LAST_LOSS_NAN };

static const case_field fields[] = {{"count", 1, 0, 1 << 28},
                                    {"rule", 0, 0, 3},
                                    {"lr", 0.01, 0, 1e38},
                                    {"step", 1, 1, 1e9},
                                    {"momentum", 0, 0, 1},
                                    {"nesterov", 0, 0, 1},
                                    {"lr_inside", 0, 0, 1},
                                    {"rho", 0.9, 0, 1},
                                    {"epsilon", 1e-7, 0, 1},
                                    {"inside", 0, 0, 1},
                                    {"beta1", 0.9, 0, 1},
                                    {"beta2", 0.999, 0, 1},
                                    {"plain", 0, 0, 1},
                                    {"decay", 0, 0, 1},
                                    {"max", 0, 0, 1e30},
                                    {"ema", 0, 0, 1},
                                    {"losses", 0, 0, 1 << 20},
                                    {"norm", 1, 0, 3.4e38},
                                    {"weights_norm", 1, 0, 3.4e38},
                                    {"bad", ALL_GOOD, ALL_GOOD, LAST_LOSS_NAN},
                                    {"spare", 0, 0, 1},
                                    {NULL, 0, 0, 0}};

/* Steps of each rule, with and without an array more; then, rule by rule, what is just allowed and just not: 1e37 is
 * not of binary fractions, but 1e37 / 1e37 is 1. */
static const char *const fixed[] = {"count=1",
                                    "count=0 losses=1",
                                    "count=0 losses=1 bad=6",
                                    "count=3 ema=0.5",
                                    "count=4 momentum=0.9",
                                    "count=5 momentum=0.9 ema=0.999 losses=3",
                                    "count=31 rule=1",
                                    "count=33 rule=1 momentum=0.9 inside=1 ema=0.5 epsilon=0.001",
                                    "count=63 rule=2 ema=0.9",
                                    "count=65 rule=2 plain=1 step=3 decay=0.01",
                                    "count=127 rule=3 step=1000 decay=0.01 ema=0.99",
                                    "count=20011 momentum=0.9 nesterov=1 decay=0.001 ema=0.999 losses=32",
                                    "count=20012 momentum=0.5 lr_inside=1",
                                    "count=20013 rule=1 momentum=0.5 decay=0.01",
                                    "count=20014 rule=1",
                                    "count=20015 rule=2 decay=0.1 ema=0.5",
                                    "count=20016 rule=3 decay=0.1 plain=1 step=12345678 losses=64",
                                    "count=20011 rule=3 bad=1",
                                    "count=17 losses=1000",
                                    "count=17 losses=1000 bad=5",
                                    "count=17 rule=1 losses=1000 bad=6",
                                    "count=17 rule=2 losses=257 bad=6",
                                    "count=17 rule=3 losses=1 bad=6",
                                    "count=17 losses=32 bad=6",
                                    "count=17 losses=768 bad=6",
                                    "count=33 spare=1",
                                    "count=34 rule=1 spare=1",
                                    "count=36 rule=2 spare=1",
                                    "count=9 bad=1",
                                    "count=9 bad=2 max=1",
                                    "count=9 rule=1 momentum=0.5 bad=2",
                                    "count=9 rule=2 bad=1 max=1",
                                    "count=9 decay=0.5 bad=3",
                                    "count=9 rule=3 decay=0.5 bad=4",
                                    "count=9 rule=2 decay=0.5 bad=4",
                                    "count=9 decay=0 bad=3",
                                    "count=9 norm=9.9999998e17",
                                    "count=9 norm=1.00000005e18",
                                    "count=9 lr=6e18 norm=1.3e18",
                                    "count=9 norm=3e38 max=2",
                                    "count=9 lr=1e37 norm=1",
                                    "count=9 lr=1e37 norm=1.0000001",
                                    "count=9 lr=1e37 norm=0.5 momentum=0.5",
                                    "count=9 lr=1e37 norm=0.50000006 momentum=0.5",
                                    "count=9 rule=1 lr=1e37 norm=0.5 momentum=0.5",
                                    "count=9 rule=1 lr=1e37 norm=0.50000006 momentum=0.5",
                                    "count=9 rule=2 lr=1e37 norm=1 momentum=0.5",
                                    "count=9 rule=3 lr=1e37 norm=1 momentum=0.5",
                                    "count=9 lr=1e37 norm=0.5 decay=0.5 weights_norm=1",
                                    "count=9 lr=1e37 norm=0.5 decay=0.5 weights_norm=1.0000001",
                                    "count=9 rule=2 lr=1e37 norm=0.5 decay=0.5 weights_norm=1.0000001",
                                    "count=9 rule=3 lr=1e37 norm=1 decay=0.5 weights_norm=2",
                                    "count=9 rule=3 lr=1e37 norm=1 decay=0.5 weights_norm=2.0000002",
                                    "count=9 rule=3 lr=1e37 norm=1.0000001 decay=0.5 weights_norm=1",
                                    "count=9 lr=0 norm=5",
                                    NULL};

static void draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[COUNT] = case_between(random, 0, 1) ? case_between(random, 1, 70) : case_between(random, 1, 30000);
  v[RULE] = case_between(random, 0, 3);
  v[LR] = CASE_PICK(random, 1, 10, 1000) / 10000.0;
  v[STEP] = CASE_PICK(random, 1, 2, 10, 1000, 100000);
  v[MOMENTUM] = CASE_PICK(random, 0, 5, 9) / 10.0;
  v[NESTEROV] = case_between(random, 0, 1);
  v[LR_INSIDE] = case_between(random, 0, 1);
  v[EPSILON] = CASE_PICK(random, 1, 10, 100000) * 1e-8;
  v[INSIDE] = case_between(random, 0, 1);
  v[PLAIN] = case_between(random, 0, 1);
  v[DECAY] = CASE_PICK(random, 0, 1, 100) / 1000.0;
  v[MAX] = CASE_PICK(random, 0, 1);
  v[EMA] = CASE_PICK(random, 0, 5, 9) / 10.0;
  v[LOSSES] = CASE_PICK(random, 0, 1, 8, 33, 600);
  v[NORM] = CASE_PICK(random, 0, 1, 100);
  v[BAD] = CASE_PICK(random, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6);
  v[SPARE] = case_between(random, 0, 1);
}

/* The rule's own case. */
static const case_op *part_of(const case_problem *problem) {
  static const case_op *const parts[] = {&case_sgd, &case_rmsprop, &case_adam, &case_adam};
  return parts[case_int(problem, RULE)];
}

/* The problem that it has here. */
static const char *part_layout(const case_problem *problem, case_problem *part, case_layout *out) {
  const double *v = problem->v;
  char text[CASE_TEXT], rule[CASE_TEXT / 2];
  const char *why;
  if (v[RULE] == KOHL_UPDATE_SGD) {
    snprintf(rule, sizeof rule, "momentum=%.17g nesterov=%g lr_inside=%g", v[MOMENTUM], v[NESTEROV], v[LR_INSIDE]);
  } else if (v[RULE] == KOHL_UPDATE_RMSPROP) {
    snprintf(rule, sizeof rule, "momentum=%.17g rho=%.17g epsilon=%.17g inside=%g", v[MOMENTUM], v[RHO], v[EPSILON],
             v[INSIDE]);
  } else {
    snprintf(rule, sizeof rule, "step=%.17g beta1=%.17g beta2=%.17g epsilon=%.17g plain=%g decoupled=%d", v[STEP],
             v[BETA1], v[BETA2], v[EPSILON], v[PLAIN], v[RULE] == KOHL_UPDATE_ADAMW);
  }
  snprintf(text, sizeof text, "count=%.17g lr=%.17g decay=%.17g %s", v[COUNT], v[LR], v[DECAY], rule);
  memset(out, 0, sizeof *out);
  if (!case_parse(part_of(problem), text, part, &why)) return "a number is out of the rule's range";
  out->problem = part;
  return part_of(problem)->layout(part, KOHL_FWD, out);
}

static case_tensor number(const char *name, double value) {
  case_tensor tensor = case_tensor_make(name, 1, 1, 0);
  const float rounded = (float)value;
  case_tensor_give(&tensor, 0, &rounded, sizeof rounded);
  return tensor;
}

static void inputs(const case_problem *problem, case_layout *out) {
  const double *v = problem->v;
  const int bad = case_int(problem, BAD), losses = case_int(problem, LOSSES);
  const kohl_update_now now = {v[LR], (int64_t)v[STEP]};
  const float nan = NAN, infinity = INFINITY;
  out->in[UPDATE_NOW] = case_tensor_make("now", 1, 2, 0);
  out->in[UPDATE_NOW].type = CASE_U64;
  case_tensor_give(&out->in[UPDATE_NOW], 0, &now, sizeof now);
  out->in[UPDATE_NORM] = number("norm", bad == NORM_NAN ? NAN : bad == NORM_INFINITE ? INFINITY : v[NORM]);
  if (v[DECAY] != 0.0) {
    double norm = bad == WEIGHTS_NORM_NAN ? NAN : bad == WEIGHTS_NORM_INFINITE ? INFINITY : v[WEIGHTS_NORM];
    out->in[UPDATE_WEIGHTS_NORM] = number("weights' norm", norm);
  }
  if (!losses) return;
  case_tensor *tensor = &out->in[UPDATE_LOSSES];
  *tensor = case_tensor_make("losses", 1, losses, 0);
  tensor->values = CASE_POSITIVE;
  if (bad == FIRST_LOSS_INFINITE) case_tensor_give(tensor, 0, &infinity, sizeof infinity);
  if (bad == LAST_LOSS_NAN) case_tensor_give(tensor, (size_t)losses - 1, &nan, sizeof nan);
}

static bool has_array(const case_problem *problem, int slot) {
  const double *v = problem->v;
  const bool adam = v[RULE] >= KOHL_UPDATE_ADAM;
  if (slot == UPDATE_FIRST) return adam || v[MOMENTUM] > 0.0;
  if (slot == UPDATE_SECOND) return adam || v[RULE] == KOHL_UPDATE_RMSPROP;
  return slot == UPDATE_WEIGHTS || v[EMA] > 0.0;
}

static const char *layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"weights", "first", "second", "average"};
  const double *v = problem->v;
  case_problem part;
  case_layout rule;
  if (direction != KOHL_FWD) return "update has cases for fwd only";
  const char *why = part_layout(problem, &part, &rule);
  if (why) return why;
  const kohl_update_desc d = {1,
                              (int64_t)v[COUNT],
                              (kohl_update_rule)v[RULE],
                              v[MOMENTUM],
                              v[NESTEROV] != 0,
                              v[LR_INSIDE] != 0,
                              v[RHO],
                              v[INSIDE] != 0,
                              v[BETA1],
                              v[BETA2],
                              v[PLAIN] != 0,
                              v[EPSILON],
                              v[DECAY],
                              v[MAX] > 0.0 ? (float)v[MAX] : INFINITY,
                              v[EMA],
                              case_int(problem, LOSSES)};
  bool has[UPDATE_AVERAGE + 1];
  for (int i = 0; i <= UPDATE_AVERAGE; i++) has[i] = has_array(problem, i);
  out->in[UPDATE_GRAD] = case_tensor_make("grad", 1, (int)d.count, 0);
  inputs(problem, out);
  for (int i = UPDATE_WEIGHTS; i <= UPDATE_AVERAGE; i++) {
    if (!has[i] && v[SPARE] == 0.0) continue;
    out->out[i] = case_tensor_make(names[i], 1, (int)d.count, 0);
    out->out[i].updated = true;
    if (i == UPDATE_SECOND) out->out[i].values = CASE_POSITIVE;
  }
  out->out[UPDATE_TAKEN] = case_tensor_make("taken", 1, 1, 0);
  out->out[UPDATE_TAKEN].type = CASE_I32;
  out->flops = rule.flops + (has[UPDATE_AVERAGE] ? 3.0 : 0.0) * (double)d.count;
  out->bytes = rule.bytes + (has[UPDATE_AVERAGE] ? 8.0 : 0.0) * (double)d.count;
  memcpy(out->desc, &d, sizeof d);
  return kohl_update_check(&d);
}

/* The conditions of step.h, each on its own. */
static bool taken(const kohl_update_desc *d, const kohl_args *args) {
  const double lr = ((const kohl_update_now *)args->in[UPDATE_NOW])->lr, given = *(const float *)args->in[UPDATE_NORM];
  const double norm = fmin(given, d->max_norm), weights = d->weight_decay != 0.0 ? d->weight_decay : 0.0;
  const double decayed = weights != 0.0 ? weights * *(const float *)args->in[UPDATE_WEIGHTS_NORM] : 0.0;
  const float *losses = args->in[UPDATE_LOSSES];
  const bool adam = d->rule >= KOHL_UPDATE_ADAM, decoupled = d->rule == KOHL_UPDATE_ADAMW;
  bool good = isfinite(given) && isfinite(decayed);
  for (int i = 0; i < d->losses; i++) good &= isfinite(losses[i]) != 0;
  double size = decoupled ? norm : norm + decayed, series = adam ? 1.0 : 1.0 / (1.0 - d->momentum);
  good &= size <= 1e18;                                /* its square is a number */
  good &= lr == 0.0 || size <= 1e37 / (lr * series);   /* and so is what momentum makes of it */
  return good && (!decoupled || lr * decayed <= 1e37); /* and what is taken off the weights */
}

/* The truth of a weight, or of the state that the rule keeps in this slot. */
static void moved(const case_layout *out, const kohl_args *args, int output, case_value *values) {
  static const int slots[4][3] = {{0, 1, -1}, {0, 2, 1}, {0, 1, 2}, {0, 1, 2}}; /* of sgd, rmsprop and adam */
  const int *slot = slots[case_int(out->problem, RULE)];
  case_problem part;
  case_layout rule;
  kohl_args its;
  memset(&its, 0, sizeof its);
  part_layout(out->problem, &part, &rule);
  its.in[0] = args->in[UPDATE_GRAD];
  for (int i = UPDATE_WEIGHTS; i <= UPDATE_SECOND; i++) {
    if (slot[i] >= 0) its.out[slot[i]] = args->out[i];
  }
  part_of(out->problem)->truth(&rule, &its, slot[output], 0, values);
}

/* The average moves by a share of the weight that has moved, whose error it takes over by that share; then as in ema:
 * the difference and the share are rounded, and the sum. */
static void averaged(const kohl_update_desc *d, const float *average, case_value *values) {
  const double share = 1.0 - d->ema;
  for (int64_t i = 0; i < d->count; i++) {
    case_value *v = &values[i];
    double move = share * (v->value - average[i]), value = average[i] + move;
    *v = (case_value){value,
                      share * v->limit + compare_limit(2.0, fabs(move) + v->limit) + compare_limit(1.0, fabs(value)),
                      share * share * v->variance + COMPARE_U * COMPARE_U * move * move +
                          compare_variance(move * move + value * value)};
  }
}

static void truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_update_desc *d = (const void *)out->desc;
  const bool takes = taken(d, args);
  (void)row;
  if (output == UPDATE_TAKEN) {
    values[0] = (case_value){takes ? 1.0 : 0.0, 0.0, 0.0};
    return;
  }
  const float *old = args->out[output];
  if (takes && has_array(out->problem, output)) {
    moved(out, args, output == UPDATE_AVERAGE ? UPDATE_WEIGHTS : output, values);
    if (output == UPDATE_AVERAGE) averaged(d, old, values);
    return;
  }
  for (int64_t i = 0; i < d->count; i++) values[i] = (case_value){old[i], 0.0, 0.0};
}

const case_op case_update = {"update", fields, fixed, draw, layout, truth, NULL, NULL, NULL};
