/* Sums over all pixels of a batch, channel by channel: what batch-norms need for statistics and gradients.
 *
 * The order, which every level keeps, so that CHAIN holds for any number of threads: the n*pixels rows are split into
 * blocks of kohl_batchnorm_block rows, a number that depends on n*pixels alone; a block is one chain of double
 * operations over its rows ascending, from 0; the blocks are added ascending, from 0.  In double, so that a sum over
 * millions of pixels is as good as its floats.
 *
 *   sum        acc = acc + src
 *   squares    t = src - mean; acc = fma(t, t, acc), mean being a double
 *   gradients  g = ddst, or with a dst: ddst where dst > 0, else 0;  a = a + g;  b = fma(g, src - mean, b) */
#ifndef KOHL_KERNELS_BATCHNORM_SUMS_H
#define KOHL_KERNELS_BATCHNORM_SUMS_H

#include "kernels/core/kernel.h"

typedef struct kohl_batchnorm_rows {
  const float *src, *dst, *ddst; /* dst: NULL without a ReLU; ddst and dst are read by gradients only */
  size_t rows;                   /* n * pixels */
  int c, src_stride, dst_stride; /* dst_stride is ddst's too */
} kohl_batchnorm_rows;

/* One block per call: `rows` holds where it begins and how many it has.  a and b have c doubles, all written. */
typedef struct kohl_batchnorm_isa {
  void (*sum)(const kohl_batchnorm_rows *rows, double *a);
  void (*squares)(const kohl_batchnorm_rows *rows, const double *mean, double *a);
  void (*gradients)(const kohl_batchnorm_rows *rows, const double *mean, double *a, double *b);
} kohl_batchnorm_isa;

extern const kohl_batchnorm_isa kohl_batchnorm_isa_ref, kohl_batchnorm_isa_avx2, kohl_batchnorm_isa_avx512;

/* Rows of a block (the last may have fewer): at least 64, and at most 64 blocks. */
static inline size_t kohl_batchnorm_block(size_t rows) { return rows <= 64 * 64 ? 64 : (rows + 63) / 64; }

/* Doubles of scratch memory for c channels. */
size_t kohl_batchnorm_sums_scratch(size_t rows, int c);

/* The whole sums.  mean: c doubles; a, b: c doubles, scratch: see above. */
void kohl_batchnorm_sum(const kohl_batchnorm_isa *isa, const kohl_batchnorm_rows *rows, double *a, double *scratch,
                        kohl_threads *threads);
void kohl_batchnorm_squares(const kohl_batchnorm_isa *isa, const kohl_batchnorm_rows *rows, const double *mean,
                            double *a, double *scratch, kohl_threads *threads);
void kohl_batchnorm_gradients(const kohl_batchnorm_isa *isa, const kohl_batchnorm_rows *rows, const double *mean,
                              double *a, double *b, double *scratch, kohl_threads *threads);

#endif
