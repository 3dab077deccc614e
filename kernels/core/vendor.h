/* Vendors' libraries, opened at run time and only for baselines: what a stream keeps of them (kohl_stream.libraries).
 *
 * A library is looked for when the first baseline is asked whether it can run, by the names that its releases have had,
 * in the folder that the caller named or else where the loader looks (LD_LIBRARY_PATH).  One that is not there makes
 * its baselines refuse, with the loader's words; nothing else needs it. */
#ifndef KOHL_KERNELS_CORE_VENDOR_H
#define KOHL_KERNELS_CORE_VENDOR_H

#include "kernels/core/device.h"

enum { KOHL_VENDOR_FOLDER = 512, KOHL_VENDOR_TEXT = 512 };

typedef struct kohl_vendor {
  kohl_context ctx;                /* a worker's copy: allocator, no device */
  char folder[KOHL_VENDOR_FOLDER]; /* "": where the loader looks */
  char text[KOHL_VENDOR_TEXT];     /* of the last refusal or failed call */
  struct kohl_cublas *cublas;      /* NULL until asked for */
  struct kohl_cudnn *cudnn;
} kohl_vendor;

/* A function of a library: where its address goes, a pointer to a pointer to a function. */
typedef struct kohl_vendor_function {
  const char *name;
  void *at;
} kohl_vendor_function;

/* What the stream keeps, made when it is not there yet; NULL when memory is refused. */
kohl_vendor *kohl_vendor_of(const kohl_context *ctx, kohl_stream *stream);

/* kohl_device_libraries: the folder, and those below it that Python's packages have (cudnn/lib, cublas/lib, cu13/lib).
 */
kohl_status kohl_vendor_search(kohl_context *ctx, kohl_stream *stream, const char *folder);

/* Opens the first of the names (the last is NULL) that is there, and finds its functions.  NULL with vendor->text:
 * "libcudnn.so.9 is not there: ...". */
void *kohl_vendor_library(kohl_vendor *vendor, const char *const *names, const kohl_vendor_function *functions,
                          size_t function_count);

/* Makes the stream remember a call that failed, as of a kernel: nothing is launched after it. */
void kohl_vendor_failed(kohl_stream *stream, const char *call, const char *reason);

/* Closes what a stream's baselines have opened; nothing when they have not. */
void kohl_vendor_close(kohl_context *ctx, kohl_stream *stream);

#endif
