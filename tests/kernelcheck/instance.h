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
  CHECK(chain, "bit-equal with the class's reference")                                 \
  CHECK(special, "NaN and infinities arrive where they must, bit-equal with it")       \
  CHECK(written, "every element is written")                                           \
  CHECK(gap, "floats between channels and stride stay as they are")                    \
  CHECK(canary, "nothing around an output or the packed weights is written")           \
  CHECK(workspace, "nothing around it is written; a larger batch's is large enough")   \
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

/* Every output in double with the bounds of one class. */
typedef struct case_truth {
  bool made;
  kohl_accuracy accuracy;
  int tile;
  case_value *values[KOHL_ARGS_OUT];
} case_truth;
enum { CASE_TRUTHS = 6 }; /* classes, and WINOGRAD's two sizes */

typedef struct case_instance {
  kohl_context *ctx; /* for CUDA's kernels: the context with the device */
  case_layout layout;
  case_fill fill;
  char refusal[160]; /* of the library that a baseline called in the last run; "": none */
  size_t shift;      /* bytes by which tensors lie past an address aligned to 64 */
  guarded in[KOHL_ARGS_IN];
  void *copy[KOHL_ARGS_IN];     /* what in held when it was made */
  void *initial[KOHL_ARGS_OUT]; /* of outputs that are updated */
  case_truth truths[CASE_TRUTHS];
  case_value *const *truth; /* by output, of the class that instance_truth was called for last */
} case_instance;

/* What a run left: outputs by slot. */
typedef struct outcome {
  guarded out[KOHL_ARGS_OUT];
} outcome;

/* Makes the inputs of a laid-out problem from the seed and the problem's text.  Freed by instance_free. */
void instance_make(case_instance *instance, const case_layout *layout, case_fill fill, uint64_t seed);
void instance_free(case_instance *instance);

/* Every element of every output in double, with the bounds of an accuracy class (tile: m of WINOGRAD's, else 0). */
void instance_truth(case_instance *instance, kohl_accuracy accuracy, int tile);

/* The m of a kernel F(m x m, 3x3), which its id tells ("wino43_avx2"); 0 for another class. */
int instance_tile(const kohl_kernel *kernel);

/* The kernel whose bits a kernel must have, or itself: wino43_ref for wino43_anything of class WINOGRAD, else ref. NULL
 * when the list has none. */
const kohl_kernel *instance_reference(const kohl_op *op, const kohl_kernel *kernel);

/* Pointers to the stored inputs and, for updated outputs, to what they held: what case_op.truth takes. */
kohl_args instance_args(const case_instance *instance);

/* Packs and runs a kernel with fresh outputs and workspace full of NaN, and judges what can be seen without comparing
 * results: canary, workspace, gap, written, inputs.  *out is the caller's, for outcome_free. */
void instance_run(case_instance *instance, const kohl_kernel *kernel, kohl_threads *threads, bool other_poison,
                  outcome *out, case_verdict *verdict);
void outcome_free(outcome *out);

/* All checks of one kernel; none when its library refuses to run (instance->refusal).  ref: the outcome of its
 * reference on the same instance, or NULL when this is one.  pools: 1, 2 and 3 threads. */
void instance_judge(case_instance *instance, const kohl_kernel *kernel, const outcome *ref,
                    kohl_threads *const pools[3], case_verdict *verdict);

#endif
