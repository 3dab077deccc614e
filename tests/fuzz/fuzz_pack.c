/* Fuzz target: the reader of packs on any bytes.  Most inputs get their CRCs repaired, else nothing but the CRC check
 * would be tested.  An accepted pack must keep its promises: texts end, labels and parts exist, every picture may be
 * read, and memory is bounded by the input. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/pack_format.h"
#include "kernels/core/crc32c.h"

static kohl_context *context; /* made once: starting a context per input would be most of the time */
static size_t taken, most;    /* bytes asked for by one input, which its size bounds */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

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

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  kohl_pack_header h;
  if (seed % 8 == 0 || size < sizeof h) return size;
  memcpy(&h, data, sizeof h);
  if (seed % 2) { /* the sizes that follow from the others, too */
    uint64_t end =
        sizeof h + (h.samples & 0xffff) * sizeof(kohl_pack_record) + 4 * (h.labels & 0xff) + (h.texts & 0xffff);
    h.pictures = (end + KOHL_PACK_PAGE - 1) / KOHL_PACK_PAGE * KOHL_PACK_PAGE;
    h.bytes = h.pictures + h.samples * h.h * h.w * 3;
    if (h.bytes <= room && h.bytes > size) memset(data + size, 0, (size_t)h.bytes - size);
    if (h.bytes <= room && h.bytes >= sizeof h) size = (size_t)h.bytes;
  }
  if (h.pictures >= sizeof h && h.pictures <= size) {
    h.index_crc = kohl_crc32c(0, data + sizeof h, (size_t)h.pictures - sizeof h);
  }
  h.header_crc = kohl_crc32c(0, &h, offsetof(kohl_pack_header, header_crc));
  memcpy(data, &h, sizeof h);
  return size;
}

static void use(kohl_pack *pack) {
  const kohl_pack_info *info = kohl_pack_about(pack);
  size_t bytes = (size_t)info->fit.h * (size_t)info->fit.w * 3, bad = 0;
  for (size_t c = 0; c < info->class_count; c++) require(strlen(kohl_pack_class(pack, c)) > 0);
  for (size_t i = 0; i < info->count; i++) {
    kohl_pack_sample s = kohl_pack_sample_at(pack, i);
    require(strlen(s.path) > 0 && s.label >= 0 && (size_t)s.label < info->class_count);
    require(kohl_split_name(s.split) != NULL);
    require(!s.group || strlen(s.group) > 0);
    for (size_t k = 0; s.labels && k < s.label_count; k++) {
      require(s.labels[k] >= 0 && (size_t)s.labels[k] < info->class_count);
    }
    bad += s.bad;
    const uint8_t *rgb;
    if (kohl_pack_picture(context, pack, i, &rgb) != KOHL_OK) continue;
    require(!s.bad);
    volatile uint8_t sink = rgb[0];
    sink = rgb[bytes - 1];
    (void)sink;
  }
  require(bad == info->bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  most = SIZE_MAX;
  if (!context) {
    kohl_context_options options = kohl_context_options_default();
    options.threads = 1;
    options.allocator = (kohl_allocator){allocate, release, NULL};
    require(kohl_context_create(&options, &context) == KOHL_OK);
  }
  taken = 0;
  most = 2 * size + (1u << 20);
  kohl_pack *pack;
  if (kohl_pack_open_memory(context, "input", data, size, &pack) != KOHL_OK) {
    require(!pack && strncmp(kohl_context_error(context), "input: ", 7) == 0);
    return 0;
  }
  use(pack);
  kohl_pack_close(context, pack);
  return 0;
}
