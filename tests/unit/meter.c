/* The refusing, counting allocator. */
#include "tests/unit/meter.h"

#include <stdlib.h>

void *meter_allocate(size_t bytes, void *user) {
  meter *m = user;
  if (atomic_fetch_sub(&m->left, 1) <= 0) return NULL;
  atomic_fetch_add(&m->live, 1);
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

void meter_release(void *memory, void *user) {
  if (memory) atomic_fetch_sub(&((meter *)user)->live, 1);
  free(memory);
}
