/* In which order the threads of a block get their turns: KOHL_CUDA_ORDER. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_ORDER_H
#define KOHL_TESTS_CUDA_ON_CPU_ORDER_H

void order_fill(unsigned *order, unsigned count, unsigned long block);

#endif
