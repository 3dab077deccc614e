/* Deliberately bad kernels, the checker's own test.  Not in any op's list. */
#ifndef KOHL_TESTS_KERNELCHECK_BAD_KERNELS_H
#define KOHL_TESTS_KERNELCHECK_BAD_KERNELS_H

#include "kernels/core/kernel.h"

typedef struct bad_kernel {
  kohl_kernel kernel;
  int check; /* CHECK_x of instance.h that must fail */
} bad_kernel;

extern const bad_kernel bad_kernels[];
extern const size_t bad_kernel_count;

#endif
