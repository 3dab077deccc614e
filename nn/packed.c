/* Files of packed weights: reading and writing.  packed_digest.c says which plan a file is for. */
#include "nn/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "kernels/core/place.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed weights are used in place: little-endian machines only"
#endif

_Static_assert(sizeof(kohl_packed_header) == 48 && offsetof(kohl_packed_header, header_crc) == 44, "no holes");
_Static_assert(sizeof(kohl_packed_line) == 24, "no holes");

struct kohl_packed {
  char *name;
  void *map; /* NULL: the bytes are the caller's */
  size_t length;
  const char *bytes;
};

static bool is_weights(const kohl_buffer *buffer) { return buffer->kind == KOHL_BUFFER_WEIGHTS && buffer->home < 0; }

static uint32_t count_weights(const kohl_plan *plan) {
  uint32_t count = 0;
  for (size_t i = 0; i < plan->buffer_count; i++) count += is_weights(&plan->buffers[i]);
  return count;
}

static uint64_t data_offset(uint32_t count) {
  const uint64_t end = sizeof(kohl_packed_header) + (uint64_t)count * sizeof(kohl_packed_line);
  return (end + KOHL_PACKED_PAGE - 1) / KOHL_PACKED_PAGE * KOHL_PACKED_PAGE;
}

/* The header of the plan's file, without the CRCs. */
static kohl_packed_header header_of(const kohl_plan *plan, uint64_t digest) {
  const uint32_t count = count_weights(plan);
  return (kohl_packed_header){.magic = KOHL_PACKED_MAGIC,
                              .version = KOHL_PACKED_VERSION,
                              .count = count,
                              .digest = digest,
                              .data = data_offset(count),
                              .bytes = plan->weights_bytes};
}

static kohl_packed_state say(kohl_context *ctx, kohl_packed_state state, const char *name, const char *why) {
  kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %s", name, why);
  return state;
}

static kohl_packed_state check_table(kohl_context *ctx, const char *name, const char *bytes, const kohl_plan *plan) {
  const char *at = bytes + sizeof(kohl_packed_header);
  for (size_t i = 0; i < plan->buffer_count; i++) {
    kohl_packed_line line;
    if (!is_weights(&plan->buffers[i])) continue;
    memcpy(&line, at, sizeof line);
    at += sizeof line;
    if (line.offset != plan->buffers[i].offset || line.bytes != plan->buffers[i].bytes || line.reserved)
      return say(ctx, KOHL_PACKED_OTHER, name, "its weights lie in other places than the plan has them");
  }
  return KOHL_PACKED_FITS;
}

/* Header, table and length against what the plan wants.  Nothing in the file is believed before its CRC agrees, and no
 * number of it is used but for being compared. */
static kohl_packed_state check_bytes(kohl_context *ctx, const char *name, const char *bytes, size_t length,
                                     const kohl_plan *plan, uint64_t digest) {
  const kohl_packed_header wanted = header_of(plan, digest);
  kohl_packed_header h;
  if (memcmp(bytes, wanted.magic, length < sizeof h.magic ? length : sizeof h.magic))
    return say(ctx, KOHL_PACKED_FOREIGN, name, "is no file of packed weights");
  if (length < sizeof h) return say(ctx, KOHL_PACKED_DAMAGED, name, "is cut off in its header");
  memcpy(&h, bytes, sizeof h);
  if (kohl_crc32c(0, &h, offsetof(kohl_packed_header, header_crc)) != h.header_crc)
    return say(ctx, KOHL_PACKED_DAMAGED, name, "CRC32C of its header differs");
  if (h.version != wanted.version || h.digest != wanted.digest || h.count != wanted.count || h.data != wanted.data ||
      h.bytes != wanted.bytes)
    return say(ctx, KOHL_PACKED_OTHER, name, "is for other weights, kernels or shapes, or of another version");
  if (length != wanted.data + wanted.bytes) {
    kohl_fail(ctx, KOHL_BAD_INPUT, "%s: has %zu bytes, expected %llu", name, length,
              (unsigned long long)(wanted.data + wanted.bytes));
    return KOHL_PACKED_DAMAGED;
  }
  if (kohl_crc32c(0, bytes + sizeof h, h.count * sizeof(kohl_packed_line)) != h.table_crc)
    return say(ctx, KOHL_PACKED_DAMAGED, name, "CRC32C of its table differs");
  return check_table(ctx, name, bytes, plan);
}

kohl_packed_state kohl_packed_open_memory(kohl_context *ctx, const char *name, const void *bytes, size_t length,
                                          const kohl_plan *plan, uint64_t digest, kohl_packed **out) {
  *out = NULL;
  kohl_packed_state state = check_bytes(ctx, name, bytes, length, plan, digest);
  if (state != KOHL_PACKED_FITS) return state;
  kohl_packed *packed;
  if (kohl_alloc(ctx, 1, sizeof *packed, "packed weights", &packed) != KOHL_OK) return KOHL_PACKED_FAILED;
  packed->bytes = bytes;
  packed->length = length;
  if (kohl_strdup(ctx, name, &packed->name) != KOHL_OK) {
    kohl_free(ctx, packed);
    return KOHL_PACKED_FAILED;
  }
  *out = packed;
  return KOHL_PACKED_FITS;
}

static kohl_packed_state refuse(kohl_context *ctx, const char *path, const char *doing) {
  const int code = errno;
  char text[128];
  if (strerror_r(code, text, sizeof text) != 0) strcpy(text, "unknown error");
  kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %s: %s", path, doing, text);
  return code == ENOENT ? KOHL_PACKED_ABSENT : KOHL_PACKED_FOREIGN;
}

kohl_packed_state kohl_packed_open(kohl_context *ctx, const char *path, const kohl_plan *plan, uint64_t digest,
                                   kohl_packed **out) {
  *out = NULL;
  /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
  const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return refuse(ctx, path, "opening");
  struct stat info;
  void *map = MAP_FAILED;
  kohl_packed_state state = KOHL_PACKED_FITS;
  if (fstat(fd, &info) != 0)
    state = refuse(ctx, path, "asking for its size");
  else if (!S_ISREG(info.st_mode))
    state = say(ctx, KOHL_PACKED_FOREIGN, path, "is not a regular file");
  else if (info.st_size == 0)
    state = say(ctx, KOHL_PACKED_DAMAGED, path, "is empty");
  else if ((map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
    state = refuse(ctx, path, "mapping");
  close(fd); /* the mapping lives on */
  if (state != KOHL_PACKED_FITS) return state;
  state = kohl_packed_open_memory(ctx, path, map, (size_t)info.st_size, plan, digest, out);
  if (state == KOHL_PACKED_FITS) {
    (*out)->map = map;
    madvise(map, (size_t)info.st_size, MADV_WILLNEED);
  } else {
    munmap(map, (size_t)info.st_size);
  }
  return state;
}

void kohl_packed_close(kohl_context *ctx, kohl_packed *packed) {
  if (!packed) return;
  if (packed->map) munmap(packed->map, packed->length);
  kohl_free(ctx, packed->name);
  kohl_free(ctx, packed);
}

const char *kohl_packed_weights(const kohl_packed *packed) {
  kohl_packed_header h;
  memcpy(&h, packed->bytes, sizeof h);
  return packed->bytes + h.data;
}

typedef struct sums {
  const char *weights;
  kohl_packed_line *lines;
} sums;

static void sum_line(void *state, size_t index, size_t worker) {
  const sums *s = state;
  (void)worker;
  s->lines[index].crc = kohl_crc32c(0, s->weights + s->lines[index].offset, (size_t)s->lines[index].bytes);
}

/* The table of these weights; the caller frees it. */
static kohl_status make_table(kohl_context *ctx, const kohl_plan *plan, const char *weights, kohl_packed_line **out) {
  const uint32_t count = count_weights(plan);
  kohl_status status = kohl_alloc(ctx, count, sizeof **out, "a table of weights", out);
  if (status != KOHL_OK) return status;
  kohl_packed_line *line = *out;
  for (size_t i = 0; i < plan->buffer_count; i++) {
    if (!is_weights(&plan->buffers[i])) continue;
    *line++ = (kohl_packed_line){.offset = plan->buffers[i].offset, .bytes = plan->buffers[i].bytes};
  }
  sums s = {weights, *out};
  kohl_parallel(ctx->threads, sum_line, &s, count);
  return KOHL_OK;
}

/* The layer whose weights or bias a buffer holds. */
static const char *layer_of(const kohl_plan *plan, int buffer) {
  for (size_t i = 0; i < plan->step_count; i++) {
    const kohl_step *step = &plan->steps[i];
    if (step->absorbed_by < 0 && (step->in[1] == buffer || step->in[2] == buffer))
      return plan->graph->nodes[step->node].name;
  }
  return "";
}

kohl_status kohl_packed_check(kohl_context *ctx, const kohl_packed *packed, const kohl_plan *plan) {
  kohl_packed_line *found;
  kohl_status status = make_table(ctx, plan, kohl_packed_weights(packed), &found);
  if (status != KOHL_OK) return status;
  const char *at = packed->bytes + sizeof(kohl_packed_header);
  const kohl_packed_line *own = found;
  for (size_t i = 0; i < plan->buffer_count && status == KOHL_OK; i++) {
    kohl_packed_line line;
    if (!is_weights(&plan->buffers[i])) continue;
    memcpy(&line, at, sizeof line);
    at += sizeof line;
    if (own->crc != line.crc) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT,
                         "%s: layer '%s': CRC32C of its packed weights is %08x, expected %08x: the file is damaged",
                         packed->name, layer_of(plan, (int)i), (unsigned)own->crc, (unsigned)line.crc);
    }
    own++;
  }
  kohl_free(ctx, found);
  return status;
}

static kohl_status write_file(kohl_context *ctx, kohl_file_place *place, const kohl_packed_header *header,
                              const kohl_packed_line *table, const void *weights) {
  static const char zeros[KOHL_PACKED_PAGE];
  const size_t lines = header->count * sizeof *table;
  kohl_status status = kohl_place_create(ctx, place);
  if (status == KOHL_OK) status = kohl_place_append(ctx, place, header, sizeof *header);
  if (status == KOHL_OK) status = kohl_place_append(ctx, place, table, lines);
  if (status == KOHL_OK) status = kohl_place_append(ctx, place, zeros, header->data - sizeof *header - lines);
  if (status == KOHL_OK) status = kohl_place_append(ctx, place, weights, header->bytes);
  return status == KOHL_OK ? kohl_place_commit(ctx, place) : status;
}

/* A killed process may have left as much as a whole file. */
static void sweep(kohl_context *ctx, const char *path) {
  static const char *const endings[] = {".packed"};
  char *folder;
  if (kohl_strdup(ctx, path, &folder) != KOHL_OK) return;
  char *slash = strrchr(folder, '/');
  if (slash) slash[slash == folder] = 0;
  kohl_place_sweep(slash ? folder : ".", endings, 1);
  kohl_free(ctx, folder);
}

kohl_status kohl_packed_write(kohl_context *ctx, const char *path, const kohl_plan *plan, uint64_t digest,
                              const void *weights) {
  kohl_packed_header header = header_of(plan, digest);
  kohl_packed_line *table;
  kohl_file_place place;
  kohl_status status = make_table(ctx, plan, weights, &table);
  if (status != KOHL_OK) return status;
  header.table_crc = kohl_crc32c(0, table, header.count * sizeof *table);
  header.header_crc = kohl_crc32c(0, &header, offsetof(kohl_packed_header, header_crc));
  sweep(ctx, path);
  status = kohl_place_begin(ctx, path, &place);
  if (status == KOHL_OK) {
    status = write_file(ctx, &place, &header, table, weights);
    kohl_place_end(ctx, &place);
  }
  kohl_free(ctx, table);
  return status;
}
