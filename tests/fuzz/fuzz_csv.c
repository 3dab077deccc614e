/* Fuzz target: any bytes as a CSV of samples, read and split. */
#include <stdlib.h>
#include <string.h>

#include "datasets/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  kohl_csv *csv;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  kohl_samples samples = {0};
  if (kohl_csv_open_memory(ctx, "fuzz", (const char *)data, size, &csv) == KOHL_OK) {
    if (kohl_samples_from_csv(ctx, csv, "folder", NULL, &samples) == KOHL_OK) {
      if (kohl_samples_split(ctx, &samples, size, 0.2, 0.1) != KOHL_OK) abort();
      for (size_t i = 0; i < samples.count; i++) {
        const kohl_sample *s = &samples.sample[i];
        if (s->label < 0 || (size_t)s->label >= samples.class_count || !*s->path) abort();
        if (s->split == KOHL_SPLIT_UNSET) abort();
      }
    } else if (!*kohl_context_error(ctx) || samples.sample) {
      abort();
    }
    kohl_samples_free(ctx, &samples);
    kohl_csv_close(ctx, csv);
  }
  kohl_context_destroy(ctx);
  return 0;
}
