/* Any bytes as a Keras .h5 file: refused with one line, or a list of tensors that can be read to the end.
 *
 * libhdf5 runs in the child that hdf5.h forks for everybody: what it does to itself over a damaged file is one line
 * there, and here a line on stderr.  A sanitizer's report in the child is a finding.  The child's coverage counts, as
 * the counters are memory that both share.  The seeds in corpus/h5 are whole files for the first layer of VGG and a
 * small saved model (a heap over which libhdf5 loops until the child's time is over is in tests/fixtures, as it and its
 * offspring would take all the time):
 *
 *   build/fuzz/fuzz_h5 -timeout=60 -malloc_limit_mb=100000000 -max_total_time=600 tests/fuzz/corpus/h5
 *
 * (sizes that libhdf5 asks for in vain are no finding). */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "convert/convert.h"
#define FUZZ_NEVER "ended with code" /* a sanitizer's report in the child of hdf5.h */
#include "tests/fuzz/any_source.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);
const char *__asan_default_suppressions(void);

/* malloc fails as it does for users, where the child's memory is limited. */
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

/* libhdf5's own copies beyond its memory (H5HG_read of 1.10.8): for users a crash of the child, or numbers. */
const char *__asan_default_suppressions(void) { return "interceptor_via_lib:libhdf5"; }

static void write_file(int file, const uint8_t *data, size_t bytes) {
  require(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
  require(write(file, data, bytes) == (ssize_t)bytes);
}

static void check_status(kohl_context *ctx, kohl_status status) {
  const char *text = kohl_context_error(ctx);
  if (status != KOHL_OK && (strstr(text, "libhdf5 was stopped") || strstr(text, "libhdf5 crashed")))
    fprintf(stderr, "%s\n", text);
  fuzz_status(ctx, status);
}

static char path[] = "/dev/shm/kohl_fuzz_h5_XXXXXX"; /* libhdf5 opens no file without a name */

static void remove_file(void) { unlink(path); }

/* Begin and end of the counters of -fsanitize=fuzzer-no-link.  In assembler, as the compiler emits the same names for
 * its own use and would rename ours. */
__asm__(
    ".pushsection .data.rel,\"aw\"\n"
    "fuzz_h5_counters: .quad __start___sancov_cntrs, __stop___sancov_cntrs\n"
    ".popsection");
extern char *const fuzz_h5_counters[2] __attribute__((visibility("hidden")));

/* Memory that a forked child shares in place of the counters' whole pages; those at the edges hold other things too. */
static void share_counters(void) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  char *from = (char *)(((uintptr_t)fuzz_h5_counters[0] + page - 1) / page * page);
  char *to = (char *)((uintptr_t)fuzz_h5_counters[1] / page * page);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static int file = -1;
  static const kohl_convert_options options[] = {{.arch = "vgg19", .until = "block1_conv1"}, {.preset = "keras"}};
  if (file < 0) {
    file = mkstemp(path);
    require(file >= 0 && atexit(remove_file) == 0);
  }
  write_file(file, data, bytes);
  if (bytes % 3 == 2) { /* each forks a child: one of the three */
    fuzz_source(kohl_keras_h5_source, path);
    return 0;
  }
  kohl_context_options context = kohl_context_options_default();
  context.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&context, &ctx) != KOHL_OK) return 0;
  kohl_model *model;
  kohl_status status = kohl_convert_read(ctx, path, &options[bytes % 3], &model);
  check_status(ctx, status);
  if (status == KOHL_OK) require(kohl_model_verify(ctx, model) == KOHL_OK);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
  return 0;
}
