/* Any bytes as a Keras .h5 file: refused with one line, or a list of tensors that can be read to the end.
 *
 * libhdf5 runs in the child that hdf5.h forks for everybody: what it does to itself over a damaged file is one line
 * there, and here a line on stderr.  A sanitizer's report in the child is a finding.  The seeds in corpus/h5 are whole
 * files for the first layer of VGG, small saved models and Keras 3's layout (a heap over which libhdf5 loops until the
 * child's time is over is in tests/fixtures, as it and its offspring would take all the time):
 *
 *   build/fuzz/fuzz_h5 -timeout=60 -malloc_limit_mb=100000000 -max_total_time=600 tests/fuzz/corpus/h5
 *
 * (sizes that libhdf5 asks for in vain are no finding). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/convert.h"
#include "tests/fuzz/h5_child.h"

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
