/* A product of two matrices as they are stored, without packing: the gradients of dense.
 *
 *   out[i][j] = sum_t a[i,t] * b[t][j]     t ascending, one chain of fused multiply-adds from 0
 *
 * Rows of b and out are contiguous; a may be read along rows or columns.  Every step adds an outer product of a
 * few values of a and two vectors of b to accumulators in registers. */
#ifndef KOHL_KERNELS_DENSE_OUTER_H
#define KOHL_KERNELS_DENSE_OUTER_H

#include "kernels/dense/dense.h"

/* A tile of out: rows x columns. */
typedef struct kohl_outer_call {
  size_t depth;   /* range of t; 0 writes zeros */
  const float *a; /* a[i * a_row + t * a_step] */
  size_t a_row, a_step;
  const float *b; /* b[t * b_step + j] */
  size_t b_step;
  float *out; /* out[i * out_row + j] */
  size_t out_row;
  int rows, columns; /* 1 to isa rows, 1 to 2 * isa lanes */
} kohl_outer_call;

typedef struct kohl_outer_isa {
  int rows, lanes;
  void (*micro)(const kohl_outer_call *call);
} kohl_outer_isa;

extern const kohl_outer_isa kohl_outer_avx2, kohl_outer_avx512;

/* run of the dense gradients. */
void kohl_outer_dgrad(const kohl_outer_isa *isa, const kohl_dense_desc *d, const kohl_args *args,
                      kohl_threads *threads);
void kohl_outer_wgrad(const kohl_outer_isa *isa, const kohl_dense_desc *d, const kohl_args *args,
                      kohl_threads *threads);

#endif
