/* A problem with data: inputs, truth, and running one kernel on them under watch. */
#ifndef KOHL_TESTS_KERNELCHECK_INSTANCE_H
#define KOHL_TESTS_KERNELCHECK_INSTANCE_H

#include "tests/kernelcheck/canary.h"
#include "tests/kernelcheck/compare.h"

/* The checks that a kernel can fail, CHECK(name, "what it asks for"). */
#define CHECKS                                                                         \
  CHECK(exact, "small integers give exactly the integer result")                       \
  CHECK(bound, "every element is within its derived bound of the result in double")    \
  CHECK(rms, "the rms error is within its derived bound")                              \
  CHECK(chain, "bit-equal with ref")                                                   \
  CHECK(special, "NaN and infinities arrive where they must, bit-equal with ref")      \
  CHECK(written, "every element is written")                                           \
  CHECK(gap, "floats between channels and stride stay as they are")                    \
  CHECK(canary, "nothing around an output or the packed weights is written")           \
  CHECK(workspace, "nothing around the workspace is written")                          \
  CHECK(threads, "the same bits with 1, 2 and 3 threads, whatever the workspace held") \
  CHECK(in_place, "the same bits where an output is the input that it may be")         \
  CHECK(inputs, "inputs are as they were")
enum {
#define CHECK(name, text) CHECK_##name,
  CHECKS
#undef CHECK
      CHECK_KINDS
};
const char *check_name(int check);

typedef struct case_verdict {
  unsigned failed;               /* bit 1 << CHECK_x */
  difference where[CHECK_KINDS]; /* of each failed check, the first place */
} case_verdict;

typedef struct case_instance {
  kohl_context *ctx; /* for CUDA's kernels: the context with the device */
  case_layout layout;
  case_fill fill;
  char refusal[160]; /* of the library that a baseline called in the last run; "": none */
  size_t shift;      /* bytes by which tensors lie past an address aligned to 64 */
  guarded in[KOHL_ARGS_IN];
  void *copy[KOHL_ARGS_IN];         /* what in held when it was made */
  void *initial[KOHL_ARGS_OUT];     /* of outputs that are updated */
  case_value *truth[KOHL_ARGS_OUT]; /* made by instance_truth */
} case_instance;

/* What a run left: outputs by slot. */
typedef struct outcome {
  guarded out[KOHL_ARGS_OUT];
} outcome;

/* Makes the inputs of a laid-out problem from the seed and the problem's text.  Freed by instance_free. */
void instance_make(case_instance *instance, const case_layout *layout, case_fill fill, uint64_t seed);
void instance_free(case_instance *instance);

/* Every element of every output in double, with the bounds of an accuracy class; nothing when that is there already. */
void instance_truth(case_instance *instance, kohl_accuracy accuracy);

/* Pointers to the stored inputs and, for updated outputs, to what they held: what case_op.truth takes. */
kohl_args instance_args(const case_instance *instance);

/* Packs and runs a kernel with fresh outputs and workspace full of NaN, and judges what can be seen without comparing
 * results: canary, workspace, gap, written, inputs.  *out is the caller's, for outcome_free. */
void instance_run(case_instance *instance, const kohl_kernel *kernel, kohl_threads *threads, bool other_poison,
                  outcome *out, case_verdict *verdict);
void outcome_free(outcome *out);

/* All checks of one kernel; none when its library refuses to run (instance->refusal).  ref: the outcome of ref on the
 * same instance, or NULL when this is ref.  pools: 1, 2 and 3 threads. */
void instance_judge(case_instance *instance, const kohl_kernel *kernel, const outcome *ref,
                    kohl_threads *const pools[3], case_verdict *verdict);

#endif
