/* The loader of the host build, in place of kernels/core/vendor_library.c. */
#include <dlfcn.h>
#include <stdio.h>

#include "vendor_fake.h"

extern "C" {
#include "kernels/core/vendor_library.h"
}

void *kohl_library_open(const char *path, char *why, size_t why_bytes) {
  if (!strcmp(path, "fake/libcublas.so.13")) return const_cast<fake_function *>(fake_cublas);
  if (!strcmp(path, "fake/libcudnn.so.9")) return const_cast<fake_function *>(fake_cudnn);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const char *text = library ? nullptr : dlerror();
  if (why_bytes) snprintf(why, why_bytes, "%s", text ? text : "");
  return library;
}

static bool is_fake(const void *library) { return library == fake_cublas || library == fake_cudnn; }

void *kohl_library_symbol(void *library, const char *name) {
  if (!is_fake(library)) return dlsym(library, name);
  for (const fake_function *f = static_cast<fake_function *>(library); f->name; f++) {
    if (!strcmp(f->name, name)) return f->address;
  }
  return nullptr;
}

void kohl_library_close(void *library) {
  if (!is_fake(library)) dlclose(library);
}
