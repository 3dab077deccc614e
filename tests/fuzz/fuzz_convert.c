/* Any bytes as a file to convert: refused with one line, or a model whose weights are all there and finite.
 *
 * The first byte chooses architecture, layer and preset, so that the few tensors of a small input can be a whole
 * network; the rest is the file, which is labels and weights at once where the byte says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const kohl_convert_options choices[] = {
    {.arch = "vgg19", .until = "block1_conv1"},
    {.arch = "vgg16", .preset = "slim", .no_top = true, .size = 32},
    {.arch = "inception_v3", .until = "activation_1"},
    {.arch = "inception_v3", .preset = "nsfwjs"},
    {.arch = "inception_v3", .preset = "timm", .until = "activation_1"},
    {.arch = "squeezenet1_1", .until = "fire2/squeeze1x1", .size = 33},
    {.arch = "squeezenet1_1", .preset = "torchvision"},
    {.arch = "vgg19", .until = "input"},
};

static void require(bool holds) {
  if (!holds) abort();
}

static void write_file(int file, const uint8_t *data, size_t bytes) {
  require(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
  require(write(file, data, bytes) == (ssize_t)bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static char path[32]; /* a file without a name: nothing stays behind */
  static int file = -1;
  if (bytes == 0) return 0;
  if (file < 0) {
    char name[] = "/dev/shm/kohl_fuzz_convert_XXXXXX";
    file = mkstemp(name);
    require(file >= 0 && unlink(name) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  write_file(file, data + 1, bytes - 1);
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  kohl_convert_options choice = choices[data[0] % (sizeof choices / sizeof choices[0])];
  if (data[0] & 128) choice.labels_path = path;
  kohl_model *model;
  kohl_status status = kohl_convert_read(ctx, path, &choice, &model);
  const char *text = kohl_context_error(ctx);
  if (status == KOHL_OK) {
    require(kohl_model_verify(ctx, model) == KOHL_OK);
    require(model->preprocessing.fit.w == model->graph->nodes[0].shape.w);
    kohl_model_destroy(ctx, model);
  } else {
    require(model == NULL && text[0] && !strchr(text, '\n') && text[strlen(text) - 1] != '.');
  }
  kohl_context_destroy(ctx);
  return 0;
}
