/* What kohl calls of libhdf5 (hdf5.def), as pointers into the library that was opened.  Empty in a build without it.
 *
 * The header's macros (H5F_ACC_RDONLY, H5T_NATIVE_FLOAT, ...) call the library by name and must not be used. */
#ifndef KOHL_CONVERT_HDF5_LIBRARY_H
#define KOHL_CONVERT_HDF5_LIBRARY_H

#ifdef KOHL_HDF5 /* the library's soname as text, "libhdf5_serial.so.103", set by the Makefile where it found one */
#define H5_USE_110_API
#include <hdf5.h>

#include "kernels/core/context.h"

typedef struct kohl_hdf5_library {
  void *handle; /* of dlopen */
#define CALL(name) __typeof__(name) *name;
#include "convert/hdf5/functions.def"
#undef CALL
} kohl_hdf5_library;

/* Opens and starts the library: no error printing, no plugins, no handler at exit.  *library begins as zeros.  It stays
 * open until the process ends. */
kohl_status kohl_hdf5_library_open(kohl_context *ctx, const char *path, kohl_hdf5_library *library);

#endif
#endif
