/* CPU levels, by the compiler's own detection (which also asks the operating system for the wide registers). */
#include "kernels/core/cpu.h"

#include <string.h>
#include <unistd.h>

unsigned kohl_cpu_detect(void) {
  unsigned caps = KOHL_CAP_NONE;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return caps;
  caps |= KOHL_CAP_AVX2;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return caps;
  }
  caps |= KOHL_CAP_AVX512;
  if (__builtin_cpu_supports("avx512bf16")) caps |= KOHL_CAP_AVX512BF16;
  if (__builtin_cpu_supports("avx512vnni")) caps |= KOHL_CAP_AVX512VNNI;
#endif
  return caps;
}

bool kohl_cpu_limit(const char *level, unsigned *caps) {
  if (!strcmp(level, "ref")) {
    *caps &= ~(unsigned)(KOHL_CAP_AVX2 | KOHL_CAP_AVX512 | KOHL_CAP_AVX512BF16 | KOHL_CAP_AVX512VNNI);
    return true;
  }
  if (!strcmp(level, "avx2")) {
    *caps &= ~(unsigned)(KOHL_CAP_AVX512 | KOHL_CAP_AVX512BF16 | KOHL_CAP_AVX512VNNI);
    return *caps & KOHL_CAP_AVX2;
  }
  return !strcmp(level, "avx512") && (*caps & KOHL_CAP_AVX512);
}

const char *kohl_cpu_level(unsigned caps) {
  if (caps & KOHL_CAP_AVX512) return "avx512";
  return caps & KOHL_CAP_AVX2 ? "avx2" : "ref";
}

size_t kohl_cpu_l2_bytes(void) {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? (size_t)bytes : (size_t)1 << 20;
}
