/* Outputs that go past the caches: which, and what ends them.  Writing a line that is not in a cache reads it first; a
 * streaming store does not, and pays where no cache keeps the output for the next layer. */
#ifndef KOHL_KERNELS_CORE_STREAM_H
#define KOHL_KERNELS_CORE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KOHL_STREAM_LINE = 64 };              /* bytes: what is streamed is whole, aligned lines */
enum { KOHL_STREAM_LEAST_BYTES = 16 << 20 }; /* of an output, from which on no cache is expected to keep it */

/* Whether pixels of c floats, from `at` on and `stride` floats apart, are whole lines, and they and what is written
 * next to them, `floats` in all, are many enough. */
static inline bool kohl_stream_pays(const void *at, size_t stride, size_t c, size_t floats) {
  return floats * sizeof(float) >= (size_t)KOHL_STREAM_LEAST_BYTES &&
         ((uintptr_t)at | stride * sizeof(float) | c * sizeof(float)) % KOHL_STREAM_LINE == 0;
}

/* Behind streaming stores, before another thread may read them: these are not ordered with what follows. */
static inline void kohl_stream_settle(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

#endif
