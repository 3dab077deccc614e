/* Any bytes as a Keras .h5 file: refused with one line, or a list of tensors that can be read to the end.
 *
 * libhdf5 itself is not instrumented, and is kept open from the first input on so that it is not started anew for each.
 * The seeds in corpus/h5 are whole files for the first layer of VGG and a small saved model. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/convert.h"
#include "convert/keras_h5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* What libhdf5 itself loses over a damaged file is not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

static void require(bool holds) {
  if (!holds) abort();
}

static void write_file(int file, const uint8_t *data, size_t bytes) {
  require(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
  require(write(file, data, bytes) == (ssize_t)bytes);
}

static void check_status(kohl_context *ctx, kohl_status status) {
  const char *text = kohl_context_error(ctx);
  require(status == KOHL_OK || (text[0] && !strchr(text, '\n') && text[strlen(text) - 1] != '.'));
}

/* Every tensor, slice by slice. */
static void read_all(kohl_context *ctx, kohl_keras_h5 *h5) {
  static float slice[1 << 16];
  for (size_t i = 0; i < kohl_keras_h5_count(h5); i++) {
    const kohl_keras_h5_tensor *tensor = kohl_keras_h5_tensor_at(h5, i);
    const kohl_tensor_info *info = &tensor->info;
    size_t slices = info->dims ? (size_t)info->shape[0] : 1, size = 1;
    require(info->name && info->name[0] && tensor->layer && info->dims <= KOHL_SAFETENSORS_DIMS);
    for (int d = 1; d < info->dims; d++) size *= (size_t)info->shape[d];
    if (size > sizeof slice / sizeof slice[0]) continue;
    for (size_t s = 0; s < slices && s < 64; s++) check_status(ctx, kohl_keras_h5_read(ctx, h5, info, s, 1, slice));
  }
}

static char path[] = "/tmp/kohl_fuzz_h5_XXXXXX"; /* libhdf5 opens no file without a name */

static void remove_file(void) { unlink(path); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static int file = -1;
  static const kohl_convert_options options[] = {{.arch = "vgg19", .until = "block1_conv1"}, {.preset = "keras"}};
  if (file < 0) {
    file = mkstemp(path);
    require(file >= 0 && atexit(remove_file) == 0);
#ifdef KOHL_HDF5
    require(dlopen(KOHL_HDF5, RTLD_NOW | RTLD_LOCAL) != NULL);
#endif
  }
  write_file(file, data, bytes);
  kohl_context_options context = kohl_context_options_default();
  context.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&context, &ctx) != KOHL_OK) return 0;
  kohl_keras_h5 *h5;
  kohl_status status = kohl_keras_h5_open(ctx, path, &h5);
  check_status(ctx, status);
  if (status == KOHL_OK) read_all(ctx, h5);
  kohl_keras_h5_close(ctx, h5);
  kohl_model *model;
  for (int i = 0; i < 2; i++) {
    status = kohl_convert_read(ctx, path, &options[i], &model);
    check_status(ctx, status);
    if (status == KOHL_OK) require(kohl_model_verify(ctx, model) == KOHL_OK);
    kohl_model_destroy(ctx, model);
  }
  kohl_context_destroy(ctx);
  return 0;
}
