/* Fuzz target: any bytes as a picture.  The declared size is kept small, so that time goes into parsing:
 * larger pictures are refused by the allocator, which is one more path that must hold.
 * The last byte, which no decoder looks at in a whole file, chooses the options: bit 0 orient, bit 1 fast, bit 2 one
 * side is enough, the others the wanted size. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "datasets/fit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

/* Most mutants of a PNG get their CRCs repaired, else nothing but the CRC check would be tested. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 8 == 0 || size < 8 || memcmp(data, "\x89PNG", 4) != 0) return size;
  for (size_t at = 8; size - at >= 12;) {
    size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
    if (length > size - at - 12) break;
    uint32_t crc = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
    for (int b = 0; b < 4; b++) data[at + 8 + length + (size_t)b] = (uint8_t)(crc >> (24 - 8 * b));
    at += length + 12;
  }
  return size;
}

enum { LIMIT = 4 << 20 };

static void *allocate(size_t bytes, void *user) {
  (void)user;
  return bytes > LIMIT ? NULL : aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void release(void *memory, void *user) {
  (void)user;
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){allocate, release, NULL};
  options.threads = 1;
  kohl_context *ctx;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  kohl_picture picture, fitted;
  int last = size ? data[size - 1] : 0;
  kohl_decode_options decode = {.background = {255, 255, 255}, .orient = last & 1, .fast = last & 2};
  kohl_decode_want want = {last >> 3, (last >> 3) + 1, last & 4};
  kohl_status status = kohl_picture_decode_for(ctx, "fuzz", data, size, &decode, &want, &picture);
  if (status == KOHL_OK) {
    kohl_fit fit = {
        (kohl_fit_mode)(size % KOHL_FIT_MODES), (kohl_filter)(size % KOHL_FILTERS), 9, 7, 11, 0.7, {1, 2, 3}};
    if (kohl_picture_fit(ctx, &picture, &fit, &fitted) == KOHL_OK) kohl_picture_free(ctx, &fitted);
  } else if (picture.rgb || !*kohl_context_error(ctx) || strchr(kohl_context_error(ctx), '\n')) {
    abort();
  }
  kohl_picture_free(ctx, &picture);
  kohl_context_destroy(ctx);
  return 0;
}
