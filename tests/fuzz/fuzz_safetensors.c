/* Fuzz target: the safetensors reader on any bytes.  An accepted file must keep the format's promises: tensors tile
 * the data, names are unique and found again, every byte may be read. */
#include <stdlib.h>
#include <string.h>

#include "nn/safetensors.h"

static kohl_context *context; /* made once: starting a context per input would be most of the time */
static size_t taken, most;    /* bytes asked for by one input, which its size bounds */

static void require(bool holds) {
  if (!holds) abort();
}

static void *allocate(size_t bytes, void *user) {
  (void)user;
  taken += bytes;
  if (taken > most) abort();
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void release(void *memory, void *user) {
  (void)user;
  free(memory);
}

static void use_tensor(const kohl_safetensors *file, size_t index, const char **end) {
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, index);
  require((const char *)info->data == *end);
  *end += info->bytes;
  require(kohl_safetensors_find(file, info->name) == (long)index);
  uint32_t crc;
  if (kohl_safetensors_crc(file, index, &crc)) kohl_safetensors_verify(context, file, index);
  size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
  float *values = malloc(count * sizeof *values + 1);
  require(values != NULL);
  if (kohl_safetensors_read_f32(context, file, info, values, count) != KOHL_OK) {
    kohl_tensor_read(context, "file", info, values, count);
  }
  free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  most = SIZE_MAX;
  if (!context) {
    kohl_context_options options = kohl_context_options_default();
    options.threads = 1;
    options.allocator = (kohl_allocator){allocate, release, NULL};
    require(kohl_context_create(&options, &context) == KOHL_OK);
  }
  taken = 0;
  most = 2 * size + (64u << 20);
  kohl_safetensors *file;
  if (kohl_safetensors_open_memory(context, "input", data, size, &file) != KOHL_OK) {
    require(!file && strncmp(kohl_context_error(context), "input: ", 7) == 0);
    require(!strpbrk(kohl_context_error(context), "\n\r"));
    return 0;
  }
  uint64_t n;
  memcpy(&n, data, 8);
  const char *end = (const char *)data + 8 + n;
  for (size_t i = 0; i < kohl_safetensors_count(file); i++) use_tensor(file, i, &end);
  require(end == (const char *)data + size);
  for (size_t i = 0; i < kohl_safetensors_metadata_count(file); i++) {
    const kohl_safetensors_text *entry = kohl_safetensors_metadata(file, i);
    require(entry->text[entry->length] == 0 && entry->key[entry->key_length] == 0);
    if (strlen(entry->key) == entry->key_length) require(kohl_safetensors_metadata_find(file, entry->key) == entry);
  }
  kohl_safetensors_close(context, file);
  return 0;
}
