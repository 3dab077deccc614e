/* A sum in the order of its terms, from 0, by one block of threads: all bring the terms, the first adds them. */
#ifndef KOHL_KERNELS_CORE_CHAIN_CUH
#define KOHL_KERNELS_CORE_CHAIN_CUH

#include "kernels/core/cuda.h"

enum { KOHL_CHAIN_THREADS = 256, KOHL_CHAIN_TILE = 256 };

/* The sum of term(0) .. term(count - 1), for the first thread.  All threads of the block call it together. */
template <class Term>
static __device__ inline float kohl_chain_sum(const Term &term, size_t count) {
  KOHL_SHARED(float, tile, [KOHL_CHAIN_TILE]);
  float sum = 0.0f;
  for (size_t first = 0; first < count; first += KOHL_CHAIN_TILE) {
    const unsigned here = (unsigned)min(count - first, (size_t)KOHL_CHAIN_TILE);
    for (unsigned i = threadIdx.x; i < here; i += blockDim.x) tile[i] = term(first + i);
    __syncthreads();
    KOHL_UNROLL(16)
    for (unsigned i = 0; i < here && threadIdx.x == 0; i++) sum = sum + tile[i];
    __syncthreads();
  }
  return sum;
}

#endif
