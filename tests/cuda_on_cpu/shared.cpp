/* The static shared memory of the block that runs: one array for each declaration, between guards. */
#include <string.h>

#include <vector>

#include "runtime.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace {

constexpr size_t FRONT = 128, LIMIT = 48 * 1024;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t BEHIND = 0; /* AddressSanitizer watches */
#else
constexpr size_t BEHIND = 128;
#endif
enum { GUARD = 0xa5, FILL = 0xff }; /* FILL: as float NaN */

struct array {
  const void *tag;
  size_t bytes;
  unsigned char *block, *data;
  struct shadow *shadow;
  bool open; /* the current block has asked for it */
};

std::vector<array> arrays;

array make(const void *tag, size_t bytes) {
  void *block;
  if (posix_memalign(&block, FRONT, FRONT + bytes + BEHIND)) report("no memory for %zu bytes of shared memory", bytes);
  memset(block, GUARD, FRONT + bytes + BEHIND);
  unsigned char *data = static_cast<unsigned char *>(block) + FRONT;
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(block, FRONT);
#endif
  return array{tag, bytes, data - FRONT, data, shadow_create(reinterpret_cast<char *>(data), bytes, true), false};
}

}  // namespace

void *kohl_host_shared(const void *tag, size_t bytes) {
  array *found = nullptr;
  size_t total = bytes;
  if (!now.name) report("shared memory is asked for outside a kernel");
  for (array &known : arrays) {
    if (known.tag == tag) found = &known;
    total += known.bytes;
  }
  if (!found) {
    if (total > LIMIT) report("%zu bytes of static shared memory, at most %zu", total, LIMIT);
    arrays.push_back(make(tag, bytes));
    found = &arrays.back();
  }
  if (!found->open) {
    found->open = true;
    memset(found->data, FILL, bytes);
    shadow_block_begins(found->shadow);
  }
  return found->data;
}

void shared_block_ends() {
  for (array &known : arrays) {
    known.open = false;
    for (size_t i = 0; i < BEHIND; i++) {
      if (known.data[known.bytes + i] == GUARD && known.block[i] == GUARD) continue;
      report("a write beyond a shared array of %zu bytes", known.bytes);
    }
  }
}

void shared_kernel_ends() {
  for (array &known : arrays) {
    shadow_destroy(known.shadow);
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(known.block, FRONT);
#endif
    free(known.block);
  }
  arrays.clear();
}
