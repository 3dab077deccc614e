/* In which order warps, and the threads of a warp, get their turns: KOHL_CUDA_ORDER. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_ORDER_H
#define KOHL_TESTS_CUDA_ON_CPU_ORDER_H

/* A permutation of 0 .. count - 1; salt: where it is shuffled, another one for each. */
void order_fill(unsigned *order, unsigned count, unsigned long salt);

#endif
