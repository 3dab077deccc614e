/* Opening libhdf5; see library.h. */
#include "convert/hdf5/library.h"

#ifdef KOHL_HDF5
#include <dlfcn.h>
#include <string.h>

/* Two steps, so that a name that the header redefines is looked up under its new name. */
#define TEXT(name) #name
#define SYMBOL(name) TEXT(name)

static kohl_status find(kohl_context *ctx, const char *path, kohl_hdf5_library *library, const char *name, void *out) {
  void *symbol = dlsym(library->handle, name);
  if (!symbol)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be read: %s has no %s, expected libhdf5 1.10.7 or newer", path,
                     KOHL_HDF5, name);
  memcpy(out, &symbol, sizeof symbol); /* ISO C has no cast from an object's to a function's address */
  return KOHL_OK;
}

kohl_status kohl_hdf5_library_open(kohl_context *ctx, const char *path, kohl_hdf5_library *library) {
  kohl_status status = KOHL_OK;
  library->handle = dlopen(KOHL_HDF5, RTLD_NOW | RTLD_LOCAL);
  if (!library->handle)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: an HDF5 file cannot be read without %s, which this machine lacks", path,
                     KOHL_HDF5);
#define CALL(name) \
  if (!status) status = find(ctx, path, library, SYMBOL(name), &library->name);
#include "convert/hdf5/functions.def"
#undef CALL
  if (status) return status;
  library->H5dont_atexit(); /* fails where it was called before, which is all right */
  if (library->H5open() >= 0 && library->H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0 &&
      library->H5PLset_loading_state(0) >= 0)
    return KOHL_OK;
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: %s cannot be started", path, KOHL_HDF5);
}
#else
typedef int kohl_hdf5_library_absent; /* a file must declare something */
#endif
