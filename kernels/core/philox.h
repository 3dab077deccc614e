/* Random numbers by counting: Philox4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011), one text for C and CUDA.
 *
 * Every number is a pure function of (seed, epoch, draw, op, element).  Draw is the position in the epoch's list of
 * draws, so that neither batch size nor threads nor a resume changes a number; op tells apart the things that draw
 * (each dropout layer, each augmentation).  A first Philox of (epoch, op) under the seed makes the key, so that
 * draw and element keep 64 bits each in the counter of the second. */
#ifndef KOHL_KERNELS_CORE_PHILOX_H
#define KOHL_KERNELS_CORE_PHILOX_H

#include <stdint.h>

#include "kernels/core/inline.h"

typedef struct kohl_philox_block {
  uint32_t word[4];
} kohl_philox_block;

/* A key made for one (seed, epoch, op); plain data. */
typedef struct kohl_random_key {
  uint32_t word[2];
} kohl_random_key;

KOHL_INLINE kohl_philox_block kohl_philox4x32(kohl_philox_block counter, kohl_random_key key) {
  kohl_philox_block c = counter;
  for (int round = 0; round < 10; round++) {
    uint64_t a = UINT64_C(0xd2511f53) * c.word[0], b = UINT64_C(0xcd9e8d57) * c.word[2];
    kohl_philox_block next = {{(uint32_t)(b >> 32) ^ c.word[1] ^ key.word[0], (uint32_t)b,
                               (uint32_t)(a >> 32) ^ c.word[3] ^ key.word[1], (uint32_t)a}};
    c = next;
    key.word[0] += 0x9e3779b9u;
    key.word[1] += 0xbb67ae85u;
  }
  return c;
}

KOHL_INLINE kohl_random_key kohl_random_key_make(uint64_t seed, uint32_t epoch, uint32_t op) {
  const kohl_random_key words = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  const kohl_philox_block counter = {{epoch, op, 0, 0}};
  const kohl_philox_block b = kohl_philox4x32(counter, words);
  kohl_random_key key = {{b.word[0], b.word[1]}};
  return key;
}

/* The 128 random bits of the elements 4*block .. 4*block + 3 of one draw. */
KOHL_INLINE kohl_philox_block kohl_random_block_at(kohl_random_key key, uint64_t draw, uint64_t block) {
  kohl_philox_block counter = {{(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)draw, (uint32_t)(draw >> 32)}};
  return kohl_philox4x32(counter, key);
}

/* 32 random bits for one element of one draw. */
KOHL_INLINE uint32_t kohl_random_at(kohl_random_key key, uint64_t draw, uint64_t element) {
  return kohl_random_block_at(key, draw, element >> 2).word[element & 3];
}

/* The top 24 of 32 random bits as a float in [0, 1): multiples of 2^-24, exact. */
KOHL_INLINE float kohl_random_to_unit(uint32_t bits) { return (float)(bits >> 8) * 0x1p-24f; }

KOHL_INLINE uint32_t kohl_random_u32(uint64_t seed, uint32_t epoch, uint64_t draw, uint32_t op, uint64_t element) {
  return kohl_random_at(kohl_random_key_make(seed, epoch, op), draw, element);
}

KOHL_INLINE float kohl_random_uniform(uint64_t seed, uint32_t epoch, uint64_t draw, uint32_t op, uint64_t element) {
  return kohl_random_to_unit(kohl_random_u32(seed, epoch, draw, op, element));
}

#endif
