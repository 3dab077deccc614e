/* Tests the tester: every bad kernel must be caught by the check that its line in bad_kernels.def names. */
#include <stdio.h>
#include <string.h>

#include "tests/kernelcheck/bad_kernels.h"
#include "tests/kernelcheck/instance.h"
#include "tests/kernelcheck/options.h"

/* Adds the checks that a bad kernel fails on one problem to *failed; stops early when the one that is looked for is
 * among them. */
static void judge(check_tool *tool, const bad_kernel *bad, const kohl_kernel *ref, const case_problem *problem,
                  unsigned *failed) {
  case_layout layout;
  memset(&layout, 0, sizeof layout);
  layout.problem = problem;
  layout.direction = bad->kernel.direction;
  if (problem->op->layout(problem, layout.direction, &layout) || ref->code->accepts(layout.desc)) return;
  for (int fill = 0; fill < CASE_FILLS && !(*failed >> bad->check & 1); fill++) {
    if (fill == CASE_INTEGERS && !layout.integer) continue;
    case_instance instance;
    outcome expected;
    case_verdict verdict = {0};
    instance_make(&instance, &layout, (case_fill)fill, tool->options->seed);
    instance_run(&instance, ref, NULL, false, &expected, &verdict);
    instance_judge(&instance, &bad->kernel, &expected, tool->pools, &verdict);
    *failed |= verdict.failed;
    outcome_free(&expected);
    instance_free(&instance);
  }
}

static void test(check_tool *tool, const bad_kernel *bad, const kohl_op *op, const case_op *cases) {
  const kohl_kernel *ref = instance_reference(op, &bad->kernel);
  unsigned failed = 0;
  for (const char *const *text = cases->fixed; ref && *text && !(failed >> bad->check & 1); text++) {
    case_problem problem;
    const char *why;
    if (case_parse(cases, *text, &problem, &why)) judge(tool, bad, ref, &problem, &failed);
  }
  if (failed >> bad->check & 1) {
    tool->passed++;
    return;
  }
  tool->failed++;
  printf("FAILED self-test: bad kernel %s %s %s (%s) is not caught by %s\n", op->name,
         kohl_direction_name(bad->kernel.direction), bad->kernel.id, bad->kernel.idea, check_name(bad->check));
}

void selftest_run(check_tool *tool) {
  long before = tool->passed, tested = 0;
  for (size_t i = 0; i < bad_kernel_count; i++) {
    const kohl_op *op = kohl_op_find(bad_kernels[i].kernel.op);
    const case_op *cases = op ? case_op_find(op->name) : NULL;
    if (!op || !cases || !tool_wants_op(tool, op)) continue;
    test(tool, &bad_kernels[i], op, cases);
    tested++;
  }
  printf("self-test: %ld of %ld bad kernels caught\n", tool->passed - before, tested);
}
