/* Runs every kernel of an op that this CPU has against the op's reference, bit for bit. */
#ifndef KOHL_TESTS_UNIT_OPS_COMPARE_H
#define KOHL_TESTS_UNIT_OPS_COMPARE_H

#include "kernels/core/kernel.h"

/* A deterministic stream of test numbers; *state is any number. */
uint32_t ops_random(uint32_t *state);
/* A whole number from low to high, both possible. */
int ops_between(uint32_t *state, int low, int high);
/* count floats, which free() takes: normal ones, and where special is set NaN, infinities, zeros of both signs and
 * denormals among them. */
float *ops_floats(uint32_t *state, size_t count, bool special);

/* What one output holds before a run, which is copied for each kernel: floats that a kernel leaves alone must still
 * be there afterwards. */
typedef struct ops_out {
  const float *before;
  size_t count;
} ops_out;

/* Runs the reference of op and direction on in -> out (up to 4, count 0 ends) with one thread, then every kernel of the
 * list that accepts the desc, the reference too, with 1, 2 and 3 threads; fails the running test, naming kernel, desc
 * text and place, at the first float whose bits differ.  Two NaNs are equal: which NaN comes out of an operation on two
 * is the compiler's choice of operand order.  Returns how many kernels ran beside the reference. */
int ops_compare(const kohl_op *op, kohl_direction direction, const void *desc, const void *const in[KOHL_ARGS_IN],
                const ops_out out[KOHL_ARGS_OUT], const char *text);

/* Runs the kernel `ref` of op and direction with one thread. */
void ops_reference(const kohl_op *op, kohl_direction direction, const void *desc, const kohl_args *args);

#endif
