/* What every fuzz target of a reader of weights does with its bytes: opens them as a file, reads every tensor to the
 * end, and asks for the network.  Refused with one line, or all numbers there. */
#ifndef KOHL_TESTS_FUZZ_ANY_SOURCE_H
#define KOHL_TESTS_FUZZ_ANY_SOURCE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "convert/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool holds) {
  if (!holds) abort();
}

/* A file in memory without a name: quick, and nothing stays behind. */
static inline const char *fuzz_file(const uint8_t *data, size_t bytes) {
  static char path[32];
  static int file = -1;
  if (file < 0) {
    char name[64];
    snprintf(name, sizeof name, "/kohl_fuzz_%ld", (long)getpid());
    file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    require(file >= 0 && shm_unlink(name) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  require(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
  require(write(file, data, bytes) == (ssize_t)bytes);
  return path;
}

/* Names from a file stand in quotes: they can hold a word, but not be the end of an error. */
static inline bool fuzz_ends(const char *text, const char *word) {
  size_t length = strlen(text), n = strlen(word);
  while (length > 0 && (text[length - 1] == '-' || (text[length - 1] >= '0' && text[length - 1] <= '9'))) length--;
  return length >= n && memcmp(text + length - n, word, n) == 0;
}

static void fuzz_status(kohl_context *ctx, kohl_status status) {
  const char *text = kohl_context_error(ctx);
  require(status == KOHL_OK || (text[0] && !strchr(text, '\n') && text[strlen(text) - 1] != '.'));
#ifdef FUZZ_NEVER /* what no error of this format may end in, but for a number */
  require(status == KOHL_OK || !fuzz_ends(text, FUZZ_NEVER));
#endif
}

static void fuzz_tensor(kohl_context *ctx, kohl_source *source, size_t index) {
  static float values[1 << 16];
  const kohl_source_tensor *tensor = &source->tensors[index];
  const size_t most = sizeof values / sizeof values[0];
  kohl_tensor_info info = tensor->info;
  require(info.name && info.name[0] && strlen(info.name) <= KOHL_SAFETENSORS_NAME && tensor->step >= 1);
  require(kohl_source_measure(&info) && info.bytes == tensor->info.bytes);
  size_t count = info.bytes / kohl_safetensors_dtype_bytes(info.dtype);
  if (tensor->step > most) return;
  size_t block = most / tensor->step * tensor->step;
  for (size_t first = 0; first < count; first += block) {
    size_t n = count - first < block ? count - first : block;
    kohl_status status = source->call->read(ctx, source, index, first, n, values);
    fuzz_status(ctx, status);
    if (status != KOHL_OK) return;
  }
}

static void fuzz_source(kohl_source_reader *reader, const char *path) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  kohl_source source = {.path = path};
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return;
  kohl_status status = reader(ctx, path, &source);
  fuzz_status(ctx, status);
  require(status != KOHL_OK || (source.call && source.call->read && source.call->close && source.format));
  for (size_t i = 0; status == KOHL_OK && i < source.count && i < 256; i++) fuzz_tensor(ctx, &source, i);
  if (status == KOHL_OK && source.describes) {
    kohl_graph *graph = NULL;
    status = source.call->graph(ctx, &source, 0, &graph);
    fuzz_status(ctx, status);
    require(status != KOHL_OK || (graph && graph->count > 0 && graph->nodes[0].shape.c > 0));
    kohl_graph_destroy(ctx, graph);
  }
  if (source.call) source.call->close(ctx, &source);
  kohl_context_destroy(ctx);
}

#endif
