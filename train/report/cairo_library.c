/* Opening Cairo; see cairo_library.h. */
#include "train/report/cairo_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool kohl_cairo_library_open(const char *name, kohl_cairo_library *library, char *why, size_t bytes) {
  memset(library, 0, sizeof *library);
  void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL), *symbol;
  const char *missing = NULL;
  if (!handle) {
    snprintf(why, bytes, "figures need libcairo2 (%.60s), which this machine lacks", name);
    return false;
  }
/* by memcpy: ISO C has no cast from an object's to a function's address */
#define CALL(result, call, parameters)              \
  if ((symbol = dlsym(handle, #call))) {            \
    memcpy(&library->call, &symbol, sizeof symbol); \
  } else {                                          \
    missing = #call;                                \
  }
#include "train/report/cairo.def"
#undef CALL
  if (missing) {
    snprintf(why, bytes, "figures need libcairo2 1.10 or newer: %.60s has no %s", name, missing);
    dlclose(handle);
    memset(library, 0, sizeof *library);
    return false;
  }
  library->handle = handle;
  return true;
}
