/* Fuzz target: any bytes as a pickled batch of CIFAR; what is accepted must lie inside the bytes. */
#include <stdlib.h>
#include <string.h>

#include "datasets/pickle.h"
#include "kernels/core/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const kohl_pickle_batch *batch, size_t size) {
  uint64_t record = (uint64_t)batch->side * (uint64_t)batch->side * 3;
  if (batch->count == 0 || batch->side < 2 || !batch->label) abort();
  if (!batch->text_begin) {
    if (batch->begin > size || record * batch->count > size - batch->begin) abort();
    return;
  }
  for (uint32_t i = 0; i < batch->count; i++) {
    uint64_t begin = batch->text_begin[i], end = batch->text_begin[i + 1];
    if (end > size || begin > end || end - begin < record || end - begin > 2 * record) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const keys[] = {"labels", "fine_labels"};
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  kohl_pickle_batch batch;
  if (kohl_pickle_batch_read(ctx, "fuzz", data, size, keys, 2, &batch) == KOHL_OK) {
    check(&batch, size);
  } else if (!*kohl_context_error(ctx) || batch.label || batch.text_begin) {
    abort();
  }
  kohl_pickle_batch_free(ctx, &batch);
  kohl_context_destroy(ctx);
  return 0;
}
