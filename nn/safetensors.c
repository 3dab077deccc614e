/* safetensors: opening, looking up, verifying.  The header is parsed in safetensors_read.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/crc32c.h"
#include "nn/safetensors_file.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are used in place: little-endian machines only"
#endif

static const struct {
  const char *name;
  size_t bytes;
} dtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2}, {"U16", 2}, {"F16", 2}, {"BF16", 2},
              {"I32", 4},  {"U32", 4}, {"F32", 4}, {"F64", 8}, {"I64", 8}, {"U64", 8}};

const char *kohl_safetensors_dtype_name(kohl_safetensors_dtype dtype) { return dtypes[dtype].name; }
size_t kohl_safetensors_dtype_bytes(kohl_safetensors_dtype dtype) { return dtypes[dtype].bytes; }

bool kohl_safetensors_dtype_find(const char *name, size_t length, kohl_safetensors_dtype *out) {
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if (strlen(dtypes[i].name) != length || memcmp(dtypes[i].name, name, length) != 0) continue;
    *out = (kohl_safetensors_dtype)i;
    return true;
  }
  return false;
}

kohl_shape_text kohl_safetensors_shape_text(kohl_safetensors_dtype dtype, int dims, const int64_t *shape) {
  kohl_shape_text out;
  size_t n = (size_t)snprintf(out.text, sizeof out.text, "%s [", dtypes[dtype].name);
  for (int i = 0; i < dims; i++) {
    n += (size_t)snprintf(out.text + n, sizeof out.text - n, "%s%lld", i ? "," : "", (long long)shape[i]);
  }
  strcpy(out.text + n, "]");
  return out;
}

bool kohl_safetensors_bytes(kohl_safetensors_dtype dtype, int dims, const int64_t *shape, size_t *bytes) {
  *bytes = dtypes[dtype].bytes;
  for (int i = 0; i < dims; i++) {
    if (!kohl_mul_size(*bytes, (size_t)shape[i], bytes)) return false;
  }
  return true;
}

uint32_t kohl_safetensors_header_crc(const char *header, size_t length, size_t a, size_t a_length, size_t b,
                                     size_t b_length) {
  static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
  size_t starts[3] = {a < b ? a : b, a < b ? b : a, length};
  size_t lengths[3] = {a < b ? a_length : b_length, a < b ? b_length : a_length, 0};
  uint32_t crc = 0;
  for (size_t at = 0, field = 0; field < 3; field++) {
    crc = kohl_crc32c(crc, header + at, starts[field] - at);
    for (size_t left = lengths[field]; left;) {
      size_t n = left < sizeof zeros - 1 ? left : sizeof zeros - 1;
      crc = kohl_crc32c(crc, zeros, n);
      left -= n;
    }
    at = starts[field] + lengths[field];
  }
  return crc;
}

/* The frame: N, the header's place and length, the data. */
static kohl_status read_frame(kohl_context *ctx, kohl_safetensors *file, const char *bytes) {
  if (file->length < 8) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "the file has %zu bytes, expected at least 8", file->length);
  }
  uint64_t n;
  memcpy(&n, bytes, 8);
  if (n > KOHL_SAFETENSORS_HEADER) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "header length %llu, expected at most %d", (unsigned long long)n,
                     KOHL_SAFETENSORS_HEADER);
  }
  if (n > file->length - 8) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "header length %llu, but only %zu bytes follow", (unsigned long long)n,
                     file->length - 8);
  }
  file->header = bytes + 8;
  file->header_length = (size_t)n;
  file->data = file->header + n;
  file->data_length = file->length - 8 - (size_t)n;
  return kohl_safetensors_parse(ctx, file);
}

kohl_status kohl_safetensors_open_memory(kohl_context *ctx, const char *name, const void *bytes, size_t length,
                                         kohl_safetensors **out) {
  *out = NULL;
  kohl_safetensors *file;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *file, "a safetensors file", &file);
  if (status != KOHL_OK) return status;
  file->length = length;
  status = kohl_strdup(ctx, name, &file->name);
  if (status == KOHL_OK) {
    status = read_frame(ctx, file, bytes);
    if (status != KOHL_OK) kohl_fail_prefix(ctx, "%s", name);
  }
  if (status != KOHL_OK) {
    kohl_safetensors_close(ctx, file);
    return status;
  }
  *out = file;
  return KOHL_OK;
}

static kohl_status fail_errno(kohl_context *ctx, const char *path, const char *doing) {
  int code = errno;
  char text[128] = "";
  if (strerror_r(code, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", code);
  bool resource = code == ENOMEM || code == EMFILE || code == ENFILE;
  return kohl_fail(ctx, resource ? KOHL_NO_RESOURCE : KOHL_BAD_INPUT, "%s: %s: %s", path, doing, text);
}

static const char *kind_of_file(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "a special file";
}

static kohl_status map_file(kohl_context *ctx, const char *path, int fd, void **map, size_t *length) {
  struct stat info;
  if (fstat(fd, &info) != 0) return fail_errno(ctx, path, "asking for its size");
  if (!S_ISREG(info.st_mode)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is %s, expected a regular file", path, kind_of_file(info.st_mode));
  }
  if (info.st_size < 8) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the file has %lld bytes, expected at least 8", path,
                     (long long)info.st_size);
  }
  *length = (size_t)info.st_size;
  *map = mmap(NULL, *length, PROT_READ, MAP_PRIVATE, fd, 0);
  return *map == MAP_FAILED ? fail_errno(ctx, path, "mapping") : KOHL_OK;
}

kohl_status kohl_safetensors_open(kohl_context *ctx, const char *path, kohl_safetensors **out) {
  *out = NULL;
  /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return fail_errno(ctx, path, "opening");
  void *map = NULL;
  size_t length = 0;
  kohl_status status = map_file(ctx, path, fd, &map, &length);
  close(fd); /* the mapping lives on */
  if (status != KOHL_OK) return status;
  status = kohl_safetensors_open_memory(ctx, path, map, length, out);
  if (status != KOHL_OK) {
    munmap(map, length);
    return status;
  }
  (*out)->map = map;
  return KOHL_OK;
}

void kohl_safetensors_close(kohl_context *ctx, kohl_safetensors *file) {
  if (!file) return;
  if (file->map) munmap(file->map, file->length);
  kohl_free(ctx, file->name);
  kohl_free(ctx, file->pool);
  kohl_free(ctx, file->tensors);
  kohl_free(ctx, file->metadata);
  kohl_free(ctx, file->names);
  kohl_free(ctx, file->metadata_keys);
  kohl_free(ctx, file);
}

size_t kohl_safetensors_count(const kohl_safetensors *file) { return file->count; }

const kohl_tensor_info *kohl_safetensors_tensor(const kohl_safetensors *file, size_t index) {
  return &file->tensors[index].info;
}

long kohl_safetensors_find(const kohl_safetensors *file, const char *name) {
  const kohl_key *key = kohl_keys_find(file->names, file->count, name, strlen(name));
  return key ? (long)key->index : -1;
}

size_t kohl_safetensors_metadata_count(const kohl_safetensors *file) { return file->metadata_count; }

const kohl_safetensors_text *kohl_safetensors_metadata(const kohl_safetensors *file, size_t index) {
  return &file->metadata[index];
}

const kohl_safetensors_text *kohl_safetensors_metadata_find(const kohl_safetensors *file, const char *key) {
  const kohl_key *found = kohl_keys_find(file->metadata_keys, file->metadata_count, key, strlen(key));
  return found ? &file->metadata[found->index] : NULL;
}

bool kohl_safetensors_crc(const kohl_safetensors *file, size_t index, uint32_t *crc) {
  if (!file->crcs) return false;
  *crc = 0;
  for (const char *digit = file->crcs + 8 * index, *end = digit + 8; digit < end; digit++) {
    *crc = *crc << 4 | (uint32_t)(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
  }
  return true;
}

void kohl_safetensors_release(const kohl_safetensors *file, const void *data, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const uintptr_t map = (uintptr_t)file->map, at = (uintptr_t)data;
  if (!file->map || at < map || at - map > file->length || bytes > file->length - (at - map)) return;
  const size_t begin = (at - map) / page * page;
  madvise((char *)file->map + begin, at - map + bytes - begin, MADV_DONTNEED);
}

void kohl_safetensors_release_all(const kohl_safetensors *file) {
  kohl_safetensors_release(file, file->map, file->length);
}

/* The sum of a tensor's bytes.  Of a large one no more than a piece stays in memory at a time. */
static uint32_t sum_of(const kohl_safetensors *file, const kohl_tensor_info *info) {
  const size_t piece = 16u << 20;
  uint32_t crc = 0;
  for (size_t at = 0; at < info->bytes;) {
    const size_t n = info->bytes - at < piece ? info->bytes - at : piece;
    const char *data = (const char *)info->data + at;
    crc = kohl_crc32c(crc, data, n);
    if (info->bytes > piece) kohl_safetensors_release(file, data, n);
    at += n;
  }
  return crc;
}

kohl_status kohl_safetensors_verify(kohl_context *ctx, const kohl_safetensors *file, size_t index) {
  uint32_t recorded;
  if (!kohl_safetensors_crc(file, index, &recorded)) return KOHL_OK;
  const kohl_tensor_info *info = &file->tensors[index].info;
  uint32_t found = sum_of(file, info);
  if (found == recorded) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: tensor '%s': CRC32C of its data is %08x, expected %08x: the file is damaged", file->name,
                   info->name, (unsigned)found, (unsigned)recorded);
}
