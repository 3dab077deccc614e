/* CPU levels: what this processor has, and what a run may use of it. */
#ifndef KOHL_KERNELS_CORE_CPU_H
#define KOHL_KERNELS_CORE_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* Capability bits, the `needs` of a kernel.  A level is the sum of what it needs. */
enum {
  KOHL_CAP_NONE = 0,
  KOHL_CAP_AVX2 = 1 << 0,       /* AVX2 and FMA */
  KOHL_CAP_AVX512 = 1 << 1,     /* AVX-512 F, BW, DQ and VL */
  KOHL_CAP_AVX512BF16 = 1 << 2, /* and BF16 */
  KOHL_CAP_AVX512VNNI = 1 << 3, /* and VNNI */
  KOHL_CAP_CUDA = 1 << 8,       /* a CUDA device; kept free for the device layer */
};

/* Everything this processor and its operating system support. */
unsigned kohl_cpu_detect(void);

/* Removes from *caps what lies above a level: "ref", "avx2" or "avx512".  False when the word is none of these
 * or this processor has not got the level. */
bool kohl_cpu_limit(const char *level, unsigned *caps);

/* The name of the highest level in caps: "ref", "avx2" or "avx512". */
const char *kohl_cpu_level(unsigned caps);

/* Bytes of a core's second-level cache; 1 MiB where the system does not say. */
size_t kohl_cpu_l2_bytes(void);

#endif
