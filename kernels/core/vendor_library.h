/* The loader, as baselines use it: a library by its name or path, and its functions by theirs.  The tests' host build
 * has its own (tests/cuda_on_cpu). */
#ifndef KOHL_KERNELS_CORE_VENDOR_LIBRARY_H
#define KOHL_KERNELS_CORE_VENDOR_LIBRARY_H

#include <stddef.h>

/* NULL with a reason in why. */
void *kohl_library_open(const char *path, char *why, size_t why_bytes);
void *kohl_library_symbol(void *library, const char *name); /* NULL: it has none of that name */
void kohl_library_close(void *library);

#endif
