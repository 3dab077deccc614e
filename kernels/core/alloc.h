/* Memory through the context's allocator, and size arithmetic that cannot overflow unnoticed. */
#ifndef KOHL_KERNELS_CORE_ALLOC_H
#define KOHL_KERNELS_CORE_ALLOC_H

#include "kernels/core/context.h"

/* The allocator of a context that was given none.  Aligned to 64; from 4 MiB on to 2 MiB and in huge pages where the
 * system has them: kernels that walk through some ten arrays at once would otherwise wait for addresses. */
void *kohl_default_allocate(size_t bytes, void *user);
void kohl_default_release(void *memory, void *user);

/* *out = count * size zeroed bytes aligned to 64, the caller's until kohl_free.  A count or size of 0 gives a
 * pointer that may be freed.  Overflow and a refusing allocator are KOHL_NO_RESOURCE, the text names what and
 * the bytes; *out is NULL then. */
kohl_status kohl_alloc(kohl_context *ctx, size_t count, size_t size, const char *what, void *out);

/* Makes *array (capacity *capacity elements of size bytes, or NULL and 0) hold at least need elements, growing
 * by doubling; the new part is zeroed.  On failure the array is as it was. */
kohl_status kohl_grow(kohl_context *ctx, void *array, size_t *capacity, size_t need, size_t size, const char *what);

/* Frees what kohl_alloc or kohl_grow gave; NULL is allowed. */
void kohl_free(kohl_context *ctx, void *memory);

/* A copy of text, the caller's until kohl_free. */
kohl_status kohl_strdup(kohl_context *ctx, const char *text, char **out);

/* *out = a * b or a + b; false when it does not fit in size_t. */
static inline bool kohl_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool kohl_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

#endif
