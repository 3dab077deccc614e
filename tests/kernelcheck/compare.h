/* Comparisons, all written so that NaN fails, and the error bounds of the accuracy classes. */
#ifndef KOHL_TESTS_KERNELCHECK_COMPARE_H
#define KOHL_TESTS_KERNELCHECK_COMPARE_H

#include "tests/kernelcheck/case.h"

/* The first place where two things differ. */
typedef struct difference {
  const char *tensor;
  size_t row;
  int channel;
  double got, expected, allowed; /* allowed < 0: equality was asked for */
} difference;

#define COMPARE_U 0x1p-24 /* half the distance from 1 to the next float: one rounding's largest relative error */

/* The bound for a chain of at most `roundings` roundings whose terms have absolute values that add up to `magnitude`:
 * 2 gamma_n magnitude with gamma_n = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical Algorithms, 3.1),
 * plus half a denormal step per rounding.  The factor 2 leaves room for a different, still correct, order. */
double compare_limit(double roundings, double magnitude);

/* The variance of the same chain's error, from the sum of the squares of its partial results S_i.  Rounding i adds
 * S_i d_i with |d_i| <= u; independent d_i, uniform in the widest interval they can have, have the variance u^2/3, so
 * that the error's variance is u^2/3 sum S_i^2.  (For terms of random sign and size t: S_i^2 is about i t^2, an rms
 * error of u t K / sqrt(6).)  A true d_i is spread over u times the significand's reciprocal, which is smaller. */
double compare_variance(double sum_of_squared_partials);

/* A sum in double with what its bounds are made of. */
typedef struct compare_chain {
  double value, magnitude, partials, squares, roundings;
} compare_chain;

static inline void compare_add(compare_chain *chain, double term) {
  chain->value += term;
  chain->magnitude += term < 0.0 ? -term : term;
  chain->partials += chain->value * chain->value;
  chain->squares += term * term;
  chain->roundings += 1.0;
}

/* What a chain should give.  relu: clamped below, which never moves a result away from its truth. */
case_value compare_chain_value(const compare_chain *chain, bool relu);

/* The same for a sum of products that a kernel of this class makes.
 *
 * F32: in any order.  CHAIN's limit holds for every order.  Of its variance, sum S_i^2 depends on the order; over all
 * orders of n terms that add up to S its mean is (n+1)/6 (2 S^2 + sum t_i^2), S_i being i/n S in the mean, with the
 * variance i (n-i)/(n-1) (sum t_i^2 / n - S^2/n^2) of i terms drawn out of n.
 *
 * TF32: factors lose all but 11 significant bits.  Rounded or cut off, a factor is off by e = 2^-10 of itself at most,
 * a product by 2e + e^2.  Tensor cores cut off their sums, too, so that each rounding counts twice.  With M the sum of
 * the |terms|: limit = (2e + e^2) M + 2 gamma_2n (1 + 2e + e^2) M.  Variance: the error of the products is
 * sum t_i (a_i + b_i) with |a_i|, |b_i| <= e.  What these have in common (cutting off moves every factor towards 0)
 * makes at most 2e |S|, what is of random sign sqrt(4e^2 sum t_i^2).  Of the additions, likewise, 2u times each partial
 * sum, half of it in common: u^2 (sum |S_i|)^2 <= n u^2 sum S_i^2. */
case_value compare_sum_value(const compare_chain *chain, kohl_accuracy accuracy, bool relu);

/* A value that that many operations, each with a relative error of at most u, lead to. */
case_value compare_rounded(double value, double roundings);

/* Tensors as a kernel left them; `data` has the tensor's strides. */

/* Every element holds exactly the value of truth (rounded once to f32). */
bool compare_exact(const case_tensor *tensor, const void *data, const case_value *truth, difference *where);
/* Every element is within its limit. */
bool compare_bound(const case_tensor *tensor, const void *data, const case_value *truth, difference *where);
/* The rms error is within sqrt(mean variance) times a factor for the spread of that estimate: a mean of N squared
 * normal numbers of variance v is v (1 +- sqrt(2/N)), and eight such deviations never happen.  Tensors of fewer than
 * 64 elements pass: there the limit is what counts. */
bool compare_rms(const case_tensor *tensor, const void *data, const case_value *truth, difference *where);
/* All elements have the same bits; a NaN equals any NaN. */
bool compare_bits(const case_tensor *tensor, const void *data, const void *expected, difference *where);
/* NaN where truth is NaN, the same infinity where truth is infinite, finite elsewhere. */
bool compare_class(const case_tensor *tensor, const void *data, const case_value *truth, difference *where);
/* The same for a class that spreads them over whole tiles: not finite where truth is not finite; within its limit
 * elsewhere, but for a limit that is not finite. */
bool compare_spread(const case_tensor *tensor, const void *data, const case_value *truth, difference *where);
/* No element is still the poison it was filled with. */
bool compare_written(const case_tensor *tensor, const void *data, uint32_t poison, difference *where);
/* The floats between channels and stride are still the poison. */
bool compare_gaps(const case_tensor *tensor, const void *data, uint32_t poison, difference *where);

/* The largest |error| and the rms of the errors, both over the rms of truth; NaN when there is a NaN. */
void compare_errors(const case_tensor *tensor, const void *data, const case_value *truth, double *max_rel, double *rms);

/* Element i of tensor data (i counts gaps too) as a double. */
double compare_get(const case_tensor *tensor, const void *data, size_t i);

#endif
