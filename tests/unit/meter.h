/* An allocator for contexts of tests: it refuses the request number `left` and all after it, and counts what lives. */
#ifndef KOHL_TESTS_UNIT_METER_H
#define KOHL_TESTS_UNIT_METER_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct meter {
  atomic_long left, live;
} meter;

/* Members of a kohl_allocator whose user is a meter; any thread may call them. */
void *meter_allocate(size_t bytes, void *user);
void meter_release(void *memory, void *user);

#endif
