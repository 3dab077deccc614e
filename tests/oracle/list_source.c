/* Lists what a foreign file of weights holds: list_source FILE [VALUES]
 *
 * One line for each tensor: name, dtype, dimensions with x between, separated by tabs.  VALUES becomes all their
 * numbers as f32, one tensor after the other; those that are no float (wide whole numbers) count as no values, which a
 * fourth column "-" says. */
#include <stdio.h>
#include <stdlib.h>

#include "convert/source.h"

static int fail(kohl_context *ctx) {
  fprintf(stderr, "%s\n", kohl_context_error(ctx));
  return 1;
}

/* 0, or 1 after a failure. */
static int write_values(kohl_context *ctx, kohl_source *source, size_t index, FILE *file) {
  const kohl_source_tensor *tensor = &source->tensors[index];
  size_t count = tensor->info.bytes / kohl_safetensors_dtype_bytes(tensor->info.dtype), most = 1 << 18;
  size_t block = tensor->step > most ? tensor->step : most / tensor->step * tensor->step;
  float *values = malloc((count < block ? count : block) * sizeof *values + 1);
  int code = !values;
  for (size_t first = 0; first < count && !code; first += block) {
    size_t n = count - first < block ? count - first : block;
    if (source->call->read(ctx, source, index, first, n, values)) code = fail(ctx);
    if (!code && fwrite(values, sizeof *values, n, file) != n) code = 1;
  }
  free(values);
  return code;
}

static int list(kohl_context *ctx, kohl_source *source, FILE *file) {
  for (size_t i = 0; i < source->count; i++) {
    const kohl_tensor_info *info = &source->tensors[i].info;
    bool wide = info->dtype == KOHL_SAFETENSORS_I32 || info->dtype == KOHL_SAFETENSORS_U32 ||
                info->dtype == KOHL_SAFETENSORS_I64 || info->dtype == KOHL_SAFETENSORS_U64;
    printf("%s\t%s\t", info->name, kohl_safetensors_dtype_name(info->dtype));
    for (int d = 0; d < info->dims; d++) printf("%s%lld", d ? "x" : "", (long long)info->shape[d]);
    printf("%s\n", wide ? "\t-" : "");
    if (file && !wide && write_values(ctx, source, i, file)) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  kohl_context *ctx;
  kohl_source source = {0};
  if (argc < 2 || argc > 3 || kohl_context_create(NULL, &ctx)) return 2;
  source.path = argv[1];
  int code = kohl_source_open(ctx, argv[1], &source) ? fail(ctx) : 0;
  FILE *file = argc == 3 && !code ? fopen(argv[2], "wb") : NULL;
  if (!code) code = argc == 3 && !file ? 1 : list(ctx, &source, file);
  if (file && fclose(file)) code = 1;
  kohl_source_close(ctx, &source);
  kohl_context_destroy(ctx);
  return code;
}
