/* Arithmetic of sizes that are known to be small enough; alloc.h has what checks for overflow. */
#ifndef KOHL_KERNELS_CORE_SIZE_H
#define KOHL_KERNELS_CORE_SIZE_H

#include <stddef.h>

static inline size_t kohl_ceil_div(size_t x, size_t by) { return (x + by - 1) / by; }
static inline size_t kohl_round_up(size_t x, size_t to) { return kohl_ceil_div(x, to) * to; }
static inline size_t kohl_smaller(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t kohl_larger(size_t a, size_t b) { return a > b ? a : b; }

#endif
