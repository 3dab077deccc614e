/* Memory between canaries.  The guard is longer than the widest register block, so that a kernel that writes one
 * block too many stays inside it and is reported instead of crashing. */
#include "tests/kernelcheck/canary.h"

#include "kernels/core/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 2048 };

/* The canary's byte at an address: depends on the place, so that a shifted copy of canaries is seen too. */
static unsigned char canary(size_t i) { return (unsigned char)(i * 37 + 11); }

static size_t total(const guarded *memory) { return memory->before + memory->bytes + GUARD; }

size_t guarded_after(const guarded *memory) { return (void)memory, GUARD; }

guarded guarded_make(size_t bytes, size_t shift) {
  guarded memory = {NULL, NULL, bytes, GUARD + shift};
  memory.base = kohl_default_allocate(total(&memory), NULL);
  if (!memory.base) {
    fprintf(stderr, "kernelcheck: no memory for %zu bytes\n", bytes);
    exit(4);
  }
  memory.data = memory.base + memory.before;
  for (size_t i = 0; i < memory.before; i++) memory.base[i] = canary(i);
  for (size_t i = memory.before + bytes; i < total(&memory); i++) memory.base[i] = canary(i);
  return memory;
}

void guarded_free(guarded *memory) {
  kohl_default_release(memory->base, NULL);
  memory->base = NULL;
}

bool guarded_intact(const guarded *memory, long *offset) {
  size_t end = memory->base ? total(memory) : 0;
  for (size_t i = 0; i < end; i++) {
    if (i == memory->before) i += memory->bytes;
    if (memory->base[i] == canary(i)) continue;
    *offset = (long)i - (long)memory->before;
    return false;
  }
  return true;
}

void guarded_poison(guarded *memory, bool other) {
  uint32_t bits = other ? GUARDED_OTHER_NAN : GUARDED_NAN;
  unsigned char bytes[sizeof bits], *data = memory->data;
  memcpy(bytes, &bits, sizeof bits);
  for (size_t i = 0; i < memory->bytes; i++) data[i] = bytes[i % sizeof bits];
}
