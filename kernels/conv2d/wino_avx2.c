/* The innermost loops of Winograd convolutions with AVX2: 6 tiles x 16 filters are 12 sums; two more registers hold
 * filters, one or two a broadcast value. */
#include "kernels/core/lanes_avx2.h"

/* AHEAD: floats of U that are asked for before they are used; unrolled, gcc keeps sums in memory */
enum { ROWS = 6, WIDTH = 16, UNROLL = 1, AHEAD = 256 };
#include "kernels/conv2d/wino.inc"

/* Every number of rows has its own function, so that the sums are registers. */
#define ROWS_OF(rows) \
  static void product_##rows(const kohl_wino_product *call) { product(call, rows); }
ROWS_OF(1)
ROWS_OF(2)
ROWS_OF(3)
ROWS_OF(4)
ROWS_OF(5)
ROWS_OF(6)

static void multiply(const kohl_wino_product *call) {
  static void (*const products[ROWS])(const kohl_wino_product *) = {product_1, product_2, product_3,
                                                                    product_4, product_5, product_6};
  products[call->rows - 1](call);
}

const kohl_wino_isa kohl_wino_avx2 = {ROWS, WIDTH, multiply, patch4, patch2, result4, result2, filters4, filters2};
