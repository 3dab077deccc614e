/* Deliberately bad kernels, the checker's own test.  Not in any op's list. */
#ifndef KOHL_TESTS_KERNELCHECK_BAD_KERNELS_H
#define KOHL_TESTS_KERNELCHECK_BAD_KERNELS_H

#include "kernels/core/kernel.h"

typedef struct bad_kernel {
  kohl_kernel kernel;
  int check; /* CHECK_x of instance.h that must fail */
} bad_kernel;

typedef enum bad_mistake {
#define BAD(op, direction, id, check, idea) BAD_##op##_##direction##_##id,
#include "tests/kernelcheck/bad_kernels.def"
#undef BAD
} bad_mistake;

/* Runs a bad kernel of class WINOGRAD; false when the mistake is none of theirs. */
bool bad_winograd(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake);

extern const bad_kernel bad_kernels[];
extern const size_t bad_kernel_count;

#endif
