/* Vendors' libraries for machines without a GPU: the functions that kohl's baselines call, computed plainly on the test
 * runtime's streams, so that descriptors, layouts, transposes, epilogues and the choice of algorithms are tested.  A
 * library of the folder "fake" is one of these; any other is asked of the system's loader. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_VENDOR_FAKE_H
#define KOHL_TESTS_CUDA_ON_CPU_VENDOR_FAKE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct fake_function {
  const char *name;
  void *address;
} fake_function;

/* The functions of each, ended by a name of NULL. */
extern const fake_function fake_cublas[], fake_cudnn[];

/* What a tensor core reads of an f32: its upper 11 significant bits (cut off, the worse of the two ways). */
static inline float fake_tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits &= 0xffffe000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

#endif
