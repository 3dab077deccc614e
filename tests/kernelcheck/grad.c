/* The command grad: gradients of every op that has them, on tiny problems.
 *
 * Finite differences: the scalar L = sum y * f(x) over the forward's outputs, in double by the op's truth, moved by
 * one input at a time; its slope against dgrad's and wgrad's results.  Tensors find each other by name: "dsrc" is the
 * gradient of "src", "ddst" that of "dst", other inputs of a gradient are the forward's input or output of that name.
 * Adjoint identity, for linear problems: <f(x), y> = <x, f'(y)> with the kernels' own results. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernelcheck/instance.h"
#include "tests/kernelcheck/options.h"

/* Every input element costs four evaluations of the forward: 4,000 FLOPs make some hundred elements at most.  A kernel
 * that takes no such problem gets the first fixed one of MOST_FLOPS_ONCE. */
enum { PROBLEMS = 12, DRAWS = 400, MOST_FLOPS = 4000, MOST_FLOPS_ONCE = 80000, KERNELS = 64 };

/* An op in one direction. */
typedef struct subject {
  check_tool *tool;
  const kohl_op *op;
  kohl_direction direction;
  double most_flops;
  const kohl_kernel *only; /* NULL: every wanted one */
  bool reached[KERNELS];
} subject;

/* A forward problem and one of its gradients, with data that belong together. */
typedef struct gradient {
  case_instance fwd, back;
} gradient;

static int find(const case_tensor *tensors, int count, const char *name) {
  for (int i = 0; i < count; i++) {
    if (tensors[i].name && !strcmp(tensors[i].name, name)) return i;
  }
  return -1;
}

static double element(const case_tensor *tensor, const void *data, size_t row, int c) {
  return compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c);
}

/* L: every output of the forward, weighted by its upstream gradient or by the op's share. */
static double scalar(const gradient *g) {
  const case_layout *fwd = &g->fwd.layout, *back = &g->back.layout;
  const case_op *op = fwd->problem->op;
  kohl_args args = instance_args(&g->fwd);
  double sum = 0.0;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *out = &fwd->out[i];
    char name[64] = "d";
    if (!out->name) continue;
    strncat(name, out->name, sizeof name - 2);
    int upstream = find(back->in, KOHL_ARGS_IN, name);
    double share = op->share ? op->share(fwd, &args, i) : 1.0;
    case_value *values = calloc((size_t)out->channels + 1, sizeof *values);
    if (!values) exit(4);
    for (size_t row = 0; row < out->rows; row++) {
      op->truth(fwd, &args, i, row, values);
      for (int c = 0; c < out->channels; c++) {
        double y = upstream >= 0 ? element(&back->in[upstream], g->back.in[upstream].data, row, c) : share;
        if (y != 0.0) sum += y * values[c].value;
      }
    }
    free(values);
  }
  return sum;
}

/* The gradient's inputs: the forward's inputs and (rounded) outputs of the same names. */
static void join(gradient *g) {
  instance_truth(&g->fwd, KOHL_ACCURACY_CHAIN, 0);
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    const case_tensor *in = &g->back.layout.in[i];
    if (!in->name) continue;
    int same = find(g->fwd.layout.in, KOHL_ARGS_IN, in->name), out = find(g->fwd.layout.out, KOHL_ARGS_OUT, in->name);
    size_t bytes = case_tensor_extent(in) * case_type_size(in->type);
    if (same >= 0) memcpy(g->back.in[i].data, g->fwd.in[same].data, bytes);
    for (size_t row = 0; same < 0 && out >= 0 && row < in->rows; row++) {
      float *to = (float *)g->back.in[i].data + row * (size_t)in->stride;
      const case_value *from = g->fwd.truth[out] + row * (size_t)in->channels;
      for (int c = 0; c < in->channels; c++) to[c] = (float)from[c].value;
    }
    memcpy(g->back.copy[i], g->back.in[i].data, bytes);
  }
}

/* The slope of L along one element of a forward input, by central differences.  The step 2^-8 leaves an error of
 * h^2/6 f''' (below 1e-5 for the functions here, whose third derivatives are at most about 2) and is exact in f32 for
 * |x| <= 1, so that nothing but the curvature counts; a kink within a step is seen by the second step, half as long. */
static double slope(gradient *g, int slot, size_t i, double *doubt) {
  float *x = (float *)g->fwd.in[slot].data + i, kept = *x, rounded = roundf(kept * 65536.0f) / 65536.0f;
  double slopes[2];
  for (int half = 0; half < 2; half++) {
    float step = half ? 0x1p-9f : 0x1p-8f;
    *x = rounded + step;
    double above = scalar(g);
    *x = rounded - step;
    slopes[half] = (above - scalar(g)) / (2.0 * (double)step);
  }
  *x = kept;
  *doubt = fabs(slopes[0] - slopes[1]);
  return (4.0 * slopes[1] - slopes[0]) / 3.0; /* the h^2 term cancels; what is left is of order h^4 */
}

/* Compares one gradient output element by element; false at the first that is off. */
static bool compare_slopes(gradient *g, const outcome *got, int output, difference *where) {
  const case_tensor *tensor = &g->back.layout.out[output];
  int slot = find(g->fwd.layout.in, KOHL_ARGS_IN, tensor->name + 1);
  if (slot < 0) return true;
  const case_tensor *x = &g->fwd.layout.in[slot];
  size_t elements = tensor->rows * (size_t)tensor->channels;
  for (size_t e = 0; e < elements; e++) {
    size_t row = e / (size_t)tensor->channels, xrow = e / (size_t)x->channels;
    int c = (int)(e % (size_t)tensor->channels), xc = (int)(e % (size_t)x->channels);
    double doubt, expected = slope(g, slot, xrow * (size_t)x->stride + (size_t)xc, &doubt);
    double result = element(tensor, got->out[output].data, row, c), limit = g->back.truth[output][e].limit;
    /* doubt is 3/4 of the first h^2 term: a kink makes it large and the element says nothing.  2^-15 is for the slope
     * at the rounded x (2^-17 away) and for the gradient's inputs, which are rounded outputs */
    if (doubt > 1e-3 * (1.0 + fabs(expected))) continue;
    double allowed = limit + doubt * doubt + 0x1p-15 * (1.0 + fabs(expected));
    if (fabs(result - expected) <= allowed) continue;
    *where = (difference){tensor->name, row, c, result, expected, allowed};
    return false;
  }
  return true;
}

static double inner(const case_tensor *a, const void *x, const case_tensor *b, const void *y, double *magnitude) {
  double sum = 0.0;
  for (size_t row = 0; row < a->rows; row++) {
    for (int c = 0; c < a->channels; c++) {
      double term = element(a, x, row, c) * element(b, y, row, c);
      sum += term;
      *magnitude += fabs(term);
    }
  }
  return sum;
}

/* <f(x), y> against <x, f'(y)>: each side is off by at most its elements' limits times the other vector's elements. */
static bool adjoint(gradient *g, const kohl_kernel *forward, const outcome *back, difference *where) {
  const case_layout *fwd = &g->fwd.layout;
  int y = find(g->back.layout.in, KOHL_ARGS_IN, "ddst"), dx = find(g->back.layout.out, KOHL_ARGS_OUT, "dsrc");
  if (!fwd->linear || y < 0 || dx < 0) return true;
  outcome out;
  case_verdict verdict = {0};
  instance_run(&g->fwd, forward, NULL, false, &out, &verdict);
  double magnitude = 0.0, allowed = 0.0;
  double left = inner(&fwd->out[0], out.out[0].data, &g->back.layout.in[y], g->back.in[y].data, &magnitude);
  double right = inner(&fwd->in[0], g->fwd.in[0].data, &g->back.layout.out[dx], back->out[dx].data, &magnitude);
  size_t outputs = fwd->out[0].rows * (size_t)fwd->out[0].channels;
  size_t inputs = fwd->in[0].rows * (size_t)fwd->in[0].channels;
  for (size_t i = 0; i < outputs; i++) allowed += g->fwd.truth[0][i].limit;  /* |y| <= 1 */
  for (size_t i = 0; i < inputs; i++) allowed += g->back.truth[dx][i].limit; /* |x| <= 1 */
  outcome_free(&out);
  *where = (difference){"<f(x),y> against <x,f'(y)>", 0, 0, right, left, allowed};
  return fabs(left - right) <= allowed + 1e-12 * magnitude && !verdict.failed;
}

static void report(check_tool *tool, const kohl_kernel *kernel, const case_problem *problem, bool right,
                   const difference *where) {
  char text[CASE_TEXT];
  ++*(right ? &tool->passed : &tool->failed);
  if (right) return;
  case_print(problem, text);
  printf(
      "FAILED %s %s %s: gradient: %s row %zu channel %d: got %.9g, expected %.9g +- %.3g; seed %llu; repeat: "
      "kernelcheck grad %s --impl %s --seed %llu --case \"%s\"\n",
      kernel->op, kohl_direction_name(kernel->direction), kernel->id, where->tensor, where->row, where->channel,
      where->got, where->expected, where->allowed, (unsigned long long)tool->options->seed, kernel->op, kernel->id,
      (unsigned long long)tool->options->seed, text);
}

/* The forward kernel of the same id, else ref. */
static const kohl_kernel *forward_of(const kohl_op *op, const kohl_kernel *kernel) {
  const kohl_kernel *found = NULL;
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *k = &op->kernels[i];
    if (k->direction == KOHL_FWD && (!strcmp(k->id, kernel->id) || (!found && !strcmp(k->id, "ref")))) found = k;
  }
  return found;
}

/* The wanted kernels of a direction on one problem; false when the problem is none or too large. */
static bool problem_run(subject *s, const case_problem *problem) {
  check_tool *tool = s->tool;
  const kohl_op *op = s->op;
  case_layout layouts[2];
  memset(layouts, 0, sizeof layouts);
  for (int i = 0; i < 2; i++) {
    layouts[i].problem = problem;
    layouts[i].direction = i ? s->direction : KOHL_FWD;
    if (problem->op->layout(problem, layouts[i].direction, &layouts[i])) return false;
    if (layouts[i].flops > s->most_flops || layouts[i].partial) return false;
  }
  gradient g;
  instance_make(&g.fwd, &layouts[0], CASE_FLOATS, tool->options->seed);
  instance_make(&g.back, &layouts[1], CASE_FLOATS, tool->options->seed);
  g.fwd.ctx = g.back.ctx = tool->ctx;
  join(&g);
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *kernel = &op->kernels[i], *forward = forward_of(op, kernel);
    if (kernel->direction != s->direction || !tool_wants(tool, kernel) || !forward) continue;
    if (s->only && kernel != s->only) continue;
    if (kernel->kind == KOHL_KIND_BASELINE) continue; /* its derivatives are not ours: `check` compares it with truth */
    if (kohl_kernel_refusal(tool->ctx, kernel, layouts[1].desc)) continue;
    if (kohl_kernel_refusal(tool->ctx, forward, layouts[0].desc)) continue;
    if (i < KERNELS) s->reached[i] = true;
    instance_truth(&g.fwd, forward->accuracy, instance_tile(forward));
    instance_truth(&g.back, kernel->accuracy, instance_tile(kernel));
    outcome out;
    case_verdict verdict = {0};
    difference where = {"run", 0, 0, NAN, NAN, 0.0};
    instance_run(&g.back, kernel, NULL, false, &out, &verdict);
    bool right = !verdict.failed;
    for (int o = 0; o < KOHL_ARGS_OUT && right; o++) {
      if (layouts[1].out[o].name) right = compare_slopes(&g, &out, o, &where);
    }
    right = right && adjoint(&g, forward, &out, &where);
    report(tool, kernel, problem, right, &where);
    outcome_free(&out);
  }
  instance_free(&g.fwd);
  instance_free(&g.back);
  return true;
}

/* Kernels that took none of the small problems. */
static void rest_run(subject *s, const case_op *cases) {
  s->most_flops = MOST_FLOPS_ONCE;
  for (size_t i = 0; i < s->op->count && i < KERNELS; i++) {
    s->only = &s->op->kernels[i];
    for (const char *const *text = cases->fixed; *text && !s->reached[i]; text++) {
      case_problem problem;
      const char *why;
      if (case_parse(cases, *text, &problem, &why)) problem_run(s, &problem);
    }
  }
}

static void direction_run(check_tool *tool, const kohl_op *op, const case_op *cases, kohl_direction direction) {
  long before = tool->passed + tool->failed;
  bool any = false;
  const char *why;
  case_problem problem;
  subject s = {.tool = tool, .op = op, .direction = direction, .most_flops = MOST_FLOPS};
  for (size_t i = 0; i < op->count; i++) any = any || op->kernels[i].direction == direction;
  if (!any) return;
  if (tool->options->text) {
    s.most_flops = MOST_FLOPS_ONCE;
    if (!case_parse(cases, tool->options->text, &problem, &why) || !problem_run(&s, &problem)) {
      printf("FAILED %s %s: no problem for grad: \"%s\"\n", op->name, kohl_direction_name(direction),
             tool->options->text);
      tool->failed++;
    }
    return;
  }
  uint64_t random = case_seed(tool->options->seed, op->name, 1000 + (uint64_t)direction);
  for (int draws = 0, found = 0; draws < DRAWS && found < PROBLEMS; draws++) {
    case_parse(cases, "", &problem, &why);
    cases->draw(&problem, &random);
    found += problem_run(&s, &problem);
  }
  rest_run(&s, cases);
  long runs = tool->passed + tool->failed - before;
  printf("%s %s: %ld runs\n", op->name, kohl_direction_name(direction), runs);
  if (!runs && !tool->options->impl) {
    printf("FAILED %s %s: no problem was small enough\n", op->name, kohl_direction_name(direction));
    tool->failed++;
  }
}

int grad_command(check_tool *tool) {
  for (size_t i = 0; i < kohl_op_count; i++) {
    const kohl_op *op = kohl_ops[i];
    const case_op *cases = case_op_find(op->name);
    if (!tool_wants_op(tool, op) || !cases) continue;
    direction_run(tool, op, cases, KOHL_DGRAD);
    direction_run(tool, op, cases, KOHL_WGRAD);
  }
  printf("%ld passed, %ld failed\n", tool->passed, tool->failed);
  return tool->failed ? EXIT_WRONG : EXIT_RIGHT;
}
