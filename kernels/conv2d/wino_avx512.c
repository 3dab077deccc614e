/* The innermost loops of Winograd convolutions with AVX-512: 14 tiles x 32 filters are 28 sums; two more registers hold
 * filters, one or two a broadcast value. */
#include "kernels/core/lanes_avx512.h"

/* AHEAD: floats of U that are asked for before they are used */
enum { ROWS = 14, WIDTH = 32, UNROLL = 4, AHEAD = 512 };
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
ROWS_OF(7)
ROWS_OF(8)
ROWS_OF(9)
ROWS_OF(10)
ROWS_OF(11)
ROWS_OF(12)
ROWS_OF(13)
ROWS_OF(14)

static void multiply(const kohl_wino_product *call) {
  static void (*const products[ROWS])(const kohl_wino_product *) = {
      product_1, product_2, product_3,  product_4,  product_5,  product_6,  product_7,
      product_8, product_9, product_10, product_11, product_12, product_13, product_14};
  products[call->rows - 1](call);
}

const kohl_wino_isa kohl_wino_avx512 = {ROWS, WIDTH, multiply, patch4, patch2, result4, result2, filters4, filters2};
