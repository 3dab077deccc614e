/* Bounds of accuracy class WINOGRAD for the convolutions F(m x m, 3x3) of kernels/conv2d/wino.h, m = 2 or 4.
 *
 * An output is Y = A^T [sum_c U (.) V] A with U = G g G^T and V = B^T d B.  `limit` follows from magnitudes, `variance`
 * from the roundings of each stage; both are for the bits that wino.h prescribes and for any algorithm with the same
 * points that rounds no more often.
 *
 * limit.  Let Mag be the formula with every number replaced by its absolute value:
 * |A^T| [sum_c (|G||g||G^T|) (.) (|B^T||d||B|)] |A|.  Every intermediate result is off by at most its own share of Mag
 * times gamma_n, n being the roundings on the longest path to it (Higham, Accuracy and Stability, 3.1 and 24.2).  A
 * line of m = 4 takes at most 4: B^T a fused multiply-add, the product with sqrt(2) or its half, the rounding of that
 * constant, an addition; A^T the same (y1, y3).  A line of m = 2 takes 1 (B^T) and 2 (A^T).  Each transform makes two
 * lines.  U is rounded once (to double 4 times more, 2^-29 as much, which the factor 2 of compare_limit covers), and
 * the sum takes min(c, 128) roundings and one more for each further chunk: n = 8 + 1 + sum + 8 or 2 + 1 + sum + 4.
 * An operation whose result is denormal is off by 2^-150 = u 2^-126 instead of u times itself: magnitudes get 2^-126
 * more at every stage.
 *
 * variance.  As in compare.h a rounding of S adds S d of variance u^2/3 S^2.  What it makes of the output is linear:
 *   - a rounding of position (x, y) after the lines of B^T along the rows, or of U: times A^T[i,x] A^T[j,y] U or V;
 *   - one after the lines down the columns, at (x, column j + s): the line along the rows that follows and the line of
 *     A^T are an exact convolution, so that it comes out times A^T[i,x] (G g)[x,s], and not at all for s outside 0..2;
 *   - one of the sum, or of M: times A^T[i,x] A^T[j,y]; one in A^T along the rows: times A^T[i,x].
 * The values of points +-p share two roundings (of their even and their odd part).  With a and b the factors of the
 * two, such a rounding comes out times a + b or a - b, and (a +- b)^2 <= 2 a^2 + 2 b^2: the share counts twice in each.
 * The roundings of the constants sqrt(2) and its half are no random errors: the formula is evaluated in double with the
 * rounded constants, and what that is off counts as it is, squared, but at most 4 times 0.29 u Mag, 0.29 u being the
 * relative error of sqrt(2) in f32.
 *
 * The weight gradient is G^T [sum over tiles V (.) Y] G with Y = A y A^T (kernels/conv2d/wgrad_wino.h, m = 4), and the
 * same holds with the roles exchanged.  Mag = |G^T| [sum (|A||y||A^T|) (.) (|B^T||d||B|)] |G|.  A line of A takes 3
 * roundings (two fused multiply-adds and a constant), one of G^T 4, so that n = 8 + 6 + sum + 8, the sum taking those
 * of a chunk's tiles, of the chunks of a group, and of the groups.  A rounding down the columns of V comes out times
 * G[x,r] (A y)[x,j] at column j + s of (x, s), one of Y times G[x,r] (B^T d)[x,j + s] at column j.  A constant of G^T
 * is off by u at most: 2 u Mag more for what the constants are off.
 *
 * A fused pool takes the largest of four: it is off by no more than the one of them that is off most, so that the limit
 * is the largest of the four, and the variance their sum. */
#ifndef KOHL_TESTS_KERNELCHECK_WINOGRAD_H
#define KOHL_TESTS_KERNELCHECK_WINOGRAD_H

#include "kernels/conv2d/conv2d.h"
#include "tests/kernelcheck/case.h"

/* Replaces limit and variance of rows (ascending) of dst, or of dsrc; values[count][channels] has the direct sums.
 * limit is not finite where a NaN or an infinity is in the tile's patch or in the filter: a kernel may then give
 * anything that is not finite. */
void winograd_bounds(const kohl_conv2d_desc *d, kohl_direction direction, const kohl_args *args, int m,
                     const size_t *rows, size_t count, case_value *values);

/* The same of rows (filters) of dwei. */
void winograd_wgrad_bounds(const kohl_conv2d_desc *d, const kohl_args *args, const size_t *rows, size_t count,
                           case_value *values);

#endif
