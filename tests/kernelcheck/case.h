/* A problem of an op: its text, its tensors and its truth.
 *
 * An op is made known to kernelcheck by one file, <op>_cases.c, that defines a case_op, and one line in cases.def.
 * A problem is a row of numbers named by the op's fields; its text is "key=value ..." with defaults left out, the same
 * in --case, in bench/shapes/ and in the line that a failure prints.  Everything that is computed from a problem -
 * data, truth, comparison - depends on its text and the seed alone, so that a text and a seed repeat a failure exactly.
 */
#ifndef KOHL_TESTS_KERNELCHECK_CASE_H
#define KOHL_TESTS_KERNELCHECK_CASE_H

#include <stdint.h>
#include <stdio.h>

#include "kernels/core/kernel.h"

enum { CASE_FIELDS = 40, CASE_TEXT = 512, CASE_DESC = 512 };

/* One number of a problem: its word, what it is when the text does not say it, the least and largest sensible value
 * (a text outside is refused before any size is computed from it). */
typedef struct case_field {
  const char *key;
  double fallback, low, high;
} case_field;

typedef struct case_op case_op;

typedef struct case_problem {
  const case_op *op;
  double v[CASE_FIELDS];
} case_problem;

typedef enum case_type { CASE_F32, CASE_U8, CASE_I32, CASE_U64 } case_type;

/* What a tensor of floats is filled with when the fill is CASE_FLOATS; CASE_LABELS holds for every fill. */
typedef enum case_values {
  CASE_SIGNED,   /* -1 .. 1 */
  CASE_POSITIVE, /* 0.25 .. 1: variances, probabilities */
  CASE_LABELS,   /* i32 from 0 to labels - 1; u64 of any size */
  CASE_MATRICES, /* u64 in sixes: 2 x 3 matrices near the identity, with 32 bits after the point (special: any bits) */
} case_values;

/* Bytes that a tensor holds whatever the fill: what a problem says in numbers.  bytes 0: none. */
enum { CASE_GIVEN = 16 };
typedef struct case_given {
  size_t element; /* the first that they lie in */
  size_t bytes;
  unsigned char data[CASE_GIVEN];
} case_given;

/* rows x channels elements, stride elements from row to row (the last row ends at its last channel).  A name of NULL
 * means that the slot stays NULL. */
typedef struct case_tensor {
  const char *name;
  size_t rows;
  int channels, stride;
  case_type type;
  case_values values;
  int labels;
  bool holes;   /* every third row leaves its sample out: a label of -1, a weight of 0 */
  bool weights; /* goes through pack where the kernel has one */
  bool updated; /* an output that is read too (a weight that an optimizer moves): holds values before the run */
  int step;     /* integers are multiples of it */
  case_given given;
} case_tensor;

typedef struct case_layout {
  const case_problem *problem;
  kohl_direction direction;
  case_tensor in[KOHL_ARGS_IN], out[KOHL_ARGS_OUT];
  _Alignas(16) unsigned char desc[CASE_DESC]; /* the op's desc */
  double flops, bytes;                        /* of the whole problem; bytes: what must be read and written once */
  int integer;            /* largest |integer| with which f32 arithmetic is exact; 0: there is none */
  bool partial;           /* a gradient that leaves out part of the forward: no slopes to compare */
  bool linear;            /* the output is linear in in[0]: the adjoint identity holds */
  kohl_accuracy accuracy; /* whose bounds truth and bounds give, for sums of products */
  int tile;               /* m of WINOGRAD's F(m x m, 3x3) */
  /* By output, bits 1 << slot of the inputs that it may be, where their strides are equal: as the op's header says. */
  unsigned may_be[KOHL_ARGS_OUT];
} case_layout;

/* What one element should be: value, the largest error that the accuracy class allows, and the variance of the error
 * if roundings were independent (compare.h derives both). */
typedef struct case_value {
  double value, limit, variance;
} case_value;

struct case_op {
  const char *name;
  const case_field *fields; /* ends with a key of NULL */
  const char *const *fixed; /* problem texts that are always checked; ends with NULL */
  /* Draws a problem: the defaults are filled in; any numbers in range are allowed, layout sorts out misfits. */
  void (*draw)(case_problem *problem, uint64_t *random);
  /* Fills desc, tensors and costs for a direction.  NULL, or why there is no such problem. */
  const char *(*layout)(const case_problem *problem, kohl_direction direction, case_layout *out);
  /* Row `row` of output `output`, channels values in double, computed from the stored tensors of args (never from a
   * kernel's result, but for tensors that are updated: args->out holds what was there before the run). */
  void (*truth)(const case_layout *layout, const kohl_args *args, int output, size_t row, case_value *values);
  /* What each element of a forward output counts in the scalar whose gradient dgrad and wgrad give, where they have no
   * input "d<output>" to say so (a loss).  NULL: every output has one. */
  double (*share)(const case_layout *layout, const kohl_args *args, int output);
  /* Makes the problem smaller along one side for timing ref; false when it cannot.  NULL: halve field 0, the batch. */
  bool (*reduce)(case_problem *problem);
  /* Replaces limits and variances of the rows (ascending) that truth has filled, where the accuracy's bounds do not
   * follow from the sums alone.  NULL: truth has them all. */
  void (*bounds)(const case_layout *layout, const kohl_args *args, int output, const size_t *rows, size_t count,
                 case_value *values);
};

/* Every op's case_op, from cases.def; NULL when the op has none. */
const case_op *case_op_find(const char *name);

/* Reads "key=value ..." into *problem (of op); words without '=' are the caller's to have removed.  False with *why
 * (inside problem's op or text, "" at the end) naming the bad word. */
bool case_parse(const case_op *op, const char *text, case_problem *problem, const char **why);
void case_print(const case_problem *problem, char text[CASE_TEXT]);

/* The value of a field as an int. */
static inline int case_int(const case_problem *problem, int field) { return (int)problem->v[field]; }

/* Random numbers (splitmix64): one sequence per state. */
uint64_t case_random(uint64_t *state);
int case_between(uint64_t *state, int low, int high);                /* low .. high, both included */
int case_pick(uint64_t *state, const int *list, size_t count);       /* one of the list */
uint64_t case_seed(uint64_t seed, const char *text, uint64_t index); /* a state from a seed and a text */
#define CASE_PICK(state, ...) \
  case_pick(state, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* Sets a tensor; stride 0 means dense. */
case_tensor case_tensor_make(const char *name, size_t rows, int channels, int stride);

/* Lets it hold bytes (at most CASE_GIVEN) from an element on. */
void case_tensor_give(case_tensor *tensor, size_t element, const void *data, size_t bytes);

size_t case_type_size(case_type type);
/* Elements from the first to the last of a tensor, gaps included. */
size_t case_tensor_extent(const case_tensor *tensor);

typedef enum case_fill {
  CASE_INTEGERS, /* -integer .. integer */
  CASE_FLOATS,   /* as the tensor's values say */
  CASE_SPECIAL,  /* the same with NaN, infinities, -0 and denormals among them */
} case_fill;
enum { CASE_FILLS = 3 };
const char *case_fill_name(case_fill fill);

/* Fills a tensor's rows; the gaps between channels and stride get NaN (bytes 0xA5 for u8). */
void case_tensor_fill(const case_tensor *tensor, void *data, case_fill fill, int integer, uint64_t *random);

#endif
