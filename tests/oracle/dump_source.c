/* Every tensor of a foreign file as the readers of convert/ give it, for comparison with the file's own library.
 *
 *   dump_source FILE [RAW [BLOCK]]
 *
 * One line a tensor: name, type, shape ("scalar" for none, else 3,4), how it lies (of output_first and channels_first,
 * 0 or 1 each), layer and suffix ("-" for none), CRC32C of the values as f32, and the count.  Where the type has no
 * f32 the message stands in place of both.  What is quantised is shown as stored, with "*scale+min" behind the type.
 * Tabs between the fields.  RAW gets all values, one tensor behind the other, little-endian; BLOCK is the number of
 * values that are asked for at once (65536; a tensor's step if that is more).  Exit code 2 with the message when the
 * file is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/source.h"
#include "kernels/core/crc32c.h"

static void show_shape(const kohl_tensor_info *info) {
  if (info->dims == 0) fputs("scalar", stdout);
  for (int i = 0; i < info->dims; i++) printf("%s%lld", i ? "," : "", (long long)info->shape[i]);
}

static void show_tensor(const kohl_source_tensor *tensor) {
  printf("%s\t%s", tensor->info.name, kohl_safetensors_dtype_name(tensor->info.dtype));
  if (tensor->quantised) printf("*%.17g+%.17g", tensor->scale, tensor->min);
  putchar('\t');
  show_shape(&tensor->info);
  printf("\t%d%d\t%s\t%s\t", tensor->layout.output_first, tensor->layout.channels_first,
         tensor->layer ? tensor->layer : "-", tensor->suffix ? tensor->suffix : "-");
}

/* Prints the rest of a tensor's line; false: the output cannot be written. */
static bool show_values(kohl_context *ctx, kohl_source *source, size_t index, size_t block, FILE *raw) {
  const kohl_source_tensor *tensor = &source->tensors[index];
  size_t count = tensor->info.bytes / kohl_safetensors_dtype_bytes(tensor->info.dtype);
  size_t most = block < tensor->step ? tensor->step : block / tensor->step * tensor->step;
  float *values = malloc((most ? most : 1) * sizeof *values);
  uint32_t crc = 0;
  bool good = values != NULL;
  kohl_status status = KOHL_OK;
  for (size_t first = 0; first < count && good && !status; first += most) {
    size_t n = count - first < most ? count - first : most;
    status = source->call->read(ctx, source, index, first, n, values);
    if (status) break;
    crc = kohl_crc32c(crc, values, n * sizeof *values);
    good = !raw || fwrite(values, sizeof *values, n, raw) == n;
  }
  free(values);
  if (status)
    printf("%s\n", kohl_context_error(ctx));
  else
    printf("%08x\t%zu\n", crc, count);
  return good;
}

int main(int argc, char **argv) {
  kohl_context *ctx;
  kohl_source source = {0};
  FILE *raw = NULL;
  size_t block = argc > 3 ? strtoul(argv[3], NULL, 10) : 1 << 16;
  if (argc < 2 || argc > 4 || block == 0) {
    fprintf(stderr, "usage: dump_source FILE [RAW [BLOCK]]\n");
    return 1;
  }
  if (kohl_context_create(NULL, &ctx) != KOHL_OK) return 1;
  bool good = argc < 3 || (raw = fopen(argv[2], "wb")) != NULL;
  kohl_status status = good ? kohl_source_open(ctx, argv[1], &source) : KOHL_OK;
  if (status) fprintf(stderr, "%s\n", kohl_context_error(ctx));
  for (size_t i = 0; i < source.count && good && !status; i++) {
    show_tensor(&source.tensors[i]);
    good = show_values(ctx, &source, i, block, raw);
  }
  if (raw && fclose(raw) != 0) good = false;
  if (!good) fprintf(stderr, "dump_source: %s cannot be written\n", argc > 2 ? argv[2] : "memory");
  kohl_source_close(ctx, &source);
  kohl_context_destroy(ctx);
  return status ? 2 : !good;
}
