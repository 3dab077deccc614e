/* The loader, as baselines use it. */
#include "kernels/core/vendor_library.h"

#include <dlfcn.h>
#include <stdio.h>

void *kohl_library_open(const char *path, char *why, size_t why_bytes) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const char *text = library ? NULL : dlerror();
  if (why_bytes) snprintf(why, why_bytes, "%s", text ? text : "");
  return library;
}

void *kohl_library_symbol(void *library, const char *name) { return dlsym(library, name); }
void kohl_library_close(void *library) { dlclose(library); }
