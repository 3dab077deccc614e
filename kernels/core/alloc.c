/* Memory through the context's allocator. */
#include "kernels/core/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 2 << 20, LINE_BYTES = 64 };

void *kohl_default_allocate(size_t bytes, void *user) {
  (void)user;
  const size_t to = bytes >= 2 * PAGE_BYTES ? PAGE_BYTES : LINE_BYTES;
  if (bytes > SIZE_MAX - to) return NULL;
  const size_t whole = (bytes + to - 1) / to * to;
  void *memory = aligned_alloc(to, whole);
  if (memory && to == PAGE_BYTES) (void)madvise(memory, whole, MADV_HUGEPAGE); /* a kernel without them refuses */
  return memory;
}

void kohl_default_release(void *memory, void *user) {
  (void)user;
  free(memory);
}

kohl_status kohl_alloc(kohl_context *ctx, size_t count, size_t size, const char *what, void *out) {
  void *memory = NULL; /* copied out, since the caller's pointer has a type of its own */
  memcpy(out, &memory, sizeof memory);
  size_t bytes;
  if (!kohl_mul_size(count, size, &bytes) || bytes > SIZE_MAX - 64) {
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "memory for %s: %zu x %zu bytes is more than this machine can address",
                     what, count, size);
  }
  memory = ctx->allocator.allocate(bytes ? bytes : 1, ctx->allocator.user);
  if (!memory) return kohl_fail(ctx, KOHL_NO_RESOURCE, "memory for %s: %zu bytes refused", what, bytes);
  memset(memory, 0, bytes);
  memcpy(out, &memory, sizeof memory);
  return KOHL_OK;
}

kohl_status kohl_grow(kohl_context *ctx, void *array, size_t *capacity, size_t need, size_t size, const char *what) {
  if (need <= *capacity) return KOHL_OK;
  size_t wanted = *capacity ? *capacity : 8;
  while (wanted < need && wanted <= SIZE_MAX / 2) wanted *= 2;
  if (wanted < need) wanted = need;
  void *old, *larger;
  memcpy(&old, array, sizeof old);
  kohl_status status = kohl_alloc(ctx, wanted, size, what, &larger);
  if (status != KOHL_OK) return status;
  if (old) memcpy(larger, old, *capacity * size);
  kohl_free(ctx, old);
  memcpy(array, &larger, sizeof larger);
  *capacity = wanted;
  return KOHL_OK;
}

void kohl_free(kohl_context *ctx, void *memory) {
  if (memory) ctx->allocator.release(memory, ctx->allocator.user);
}

kohl_status kohl_strdup(kohl_context *ctx, const char *text, char **out) {
  size_t bytes = strlen(text) + 1;
  kohl_status status = kohl_alloc(ctx, bytes, 1, "a string", out);
  if (status == KOHL_OK) memcpy(*out, text, bytes);
  return status;
}
