/* What fuzz targets share whose reader forks the child of hdf5.h: libhdf5 is loaded before, its findings about memory
 * are not ours, and the child's coverage counts, as the counters are memory that both share. */
#ifndef KOHL_TESTS_FUZZ_H5_CHILD_H
#define KOHL_TESTS_FUZZ_H5_CHILD_H

#include <dlfcn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_NEVER "ended with code " /* a sanitizer's report in the child */
#include "tests/fuzz/any_source.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);
const char *__asan_default_suppressions(void);

/* malloc fails as it does for users, where the child's memory is limited. */
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

/* libhdf5's own copies beyond its memory (H5HG_read of 1.10.8): for users a crash of the child, or numbers. */
const char *__asan_default_suppressions(void) { return "interceptor_via_lib:libhdf5"; }

/* Begin and end of the counters of -fsanitize=fuzzer-no-link.  In assembler, as the compiler emits the same names for
 * its own use and would rename ours. */
__asm__(
    ".pushsection .data.rel,\"aw\"\n"
    "fuzz_counters: .quad __start___sancov_cntrs, __stop___sancov_cntrs\n"
    ".popsection");
extern char *const fuzz_counters[2] __attribute__((visibility("hidden")));

/* Memory that a forked child shares in place of the counters' whole pages; those at the edges hold other things too. */
static void share_counters(void) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  char *from = (char *)(((uintptr_t)fuzz_counters[0] + page - 1) / page * page);
  char *to = (char *)((uintptr_t)fuzz_counters[1] / page * page);
  if (from < to)
    require(mmap(from, (size_t)(to - from), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            from);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  share_counters();
#ifdef KOHL_HDF5
  require(dlopen(KOHL_HDF5, RTLD_NOW | RTLD_LOCAL) != NULL); /* so that a child need not load it */
#endif
  return 0;
}

#endif
