/* Fuzz target: any bytes as a CSV of samples with every option, as a list of standard input, and split. */
#include <stdlib.h>
#include <string.h>

#include "datasets/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const kohl_samples *samples) {
  char path[KOHL_SAMPLE_PATH];
  for (size_t i = 0; i < samples->count; i++) {
    size_t labels;
    const int *label = kohl_sample_labels(samples, i, &labels);
    float weight = kohl_sample_weight(samples, i);
    if (samples->sample[i].split == KOHL_SPLIT_UNSET || labels == 0 || *label != samples->sample[i].label) abort();
    for (size_t k = 0; k < labels; k++) {
      if (label[k] < 0 || (size_t)label[k] >= samples->class_count) abort();
    }
    if (!(weight >= 0.0f) || !*kohl_sample_path(samples, i, path)) abort();
    if (samples->group && !kohl_sample_group(samples, i)) abort();
  }
}

static void read(kohl_context *ctx, const uint8_t *data, size_t size, const kohl_source_options *options, bool list) {
  kohl_csv *csv;
  kohl_samples samples = {0};
  if (kohl_csv_open_memory(ctx, "fuzz", (const char *)data, size, &csv) != KOHL_OK) return;
  kohl_status status = list ? kohl_samples_from_list(ctx, csv, options, &samples)
                            : kohl_samples_from_csv(ctx, csv, "folder", options, &samples);
  if (status == KOHL_OK) {
    if (kohl_samples_split(ctx, &samples, size, 0.2, 0.1) != KOHL_OK) abort();
    check(&samples);
  } else if (!*kohl_context_error(ctx) || samples.sample) {
    abort();
  }
  kohl_samples_free(ctx, &samples);
  kohl_csv_close(ctx, csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const columns[] = {"medium"};
  kohl_source_options several = {.several_labels = true}, asked = {.columns = columns, .column_count = 1};
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  read(ctx, data, size, NULL, false);
  read(ctx, data, size, &several, false);
  read(ctx, data, size, &asked, false);
  read(ctx, data, size, NULL, true);
  kohl_context_destroy(ctx);
  return 0;
}
