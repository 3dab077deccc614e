/* Vendors' libraries: looking for them, and what a stream keeps of them. */
#include "kernels/core/vendor.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/vendor_cublas.h"
#include "kernels/core/vendor_cudnn.h"
#include "kernels/core/vendor_library.h"

enum { UNKNOWN = 999 }; /* cudaErrorUnknown: a stream's failure has a number of CUDA's */

kohl_vendor *kohl_vendor_of(const kohl_context *ctx, kohl_stream *stream) {
  if (stream->libraries) return stream->libraries;
  kohl_context worker = kohl_context_worker(ctx);
  kohl_vendor *vendor = NULL;
  if (kohl_alloc(&worker, 1, sizeof *vendor, "vendors' libraries", &vendor) != KOHL_OK) return NULL;
  vendor->ctx = worker;
  stream->libraries = vendor;
  return vendor;
}

kohl_status kohl_vendor_search(kohl_context *ctx, kohl_stream *stream, const char *folder) {
  kohl_vendor *vendor = kohl_vendor_of(ctx, stream);
  if (!vendor) return kohl_fail(ctx, KOHL_NO_RESOURCE, "no memory for vendors' libraries");
  if (strlen(folder) >= sizeof vendor->folder)
    return kohl_fail(ctx, KOHL_USAGE, "vendors' libraries: a folder's name of %zu bytes, expected at most %d",
                     strlen(folder), KOHL_VENDOR_FOLDER - 1);
  strcpy(vendor->folder, folder);
  return KOHL_OK;
}

static void *open_in(kohl_vendor *vendor, const char *below, const char *name, char *why, size_t why_bytes) {
  char path[KOHL_VENDOR_FOLDER + 64];
  snprintf(path, sizeof path, "%s/%s%s", vendor->folder, below, name);
  return kohl_library_open(path, why, why_bytes);
}

static void *open_one(kohl_vendor *vendor, const char *name, char *why, size_t why_bytes) {
  static const char *const below[] = {"cudnn/lib/", "cublas/lib/", "cu13/lib/"};
  if (!vendor->folder[0]) return kohl_library_open(name, why, why_bytes);
  void *library = open_in(vendor, "", name, why, why_bytes);
  for (size_t i = 0; i < sizeof below / sizeof *below && !library; i++)
    library = open_in(vendor, below[i], name, NULL, 0); /* the first place's reason is the one to tell */
  return library;
}

void *kohl_vendor_library(kohl_vendor *vendor, const char *const *names, const kohl_vendor_function *functions,
                          size_t function_count) {
  char why[KOHL_VENDOR_TEXT / 2], first[KOHL_VENDOR_TEXT / 2] = "";
  void *library = NULL;
  size_t found = 0;
  for (; names[found]; found++) {
    library = open_one(vendor, names[found], why, sizeof why);
    if (library) break;
    if (!found) memcpy(first, why, sizeof first);
  }
  if (!library) {
    snprintf(vendor->text, sizeof vendor->text, "%s is not there: %s", names[0], first);
    return NULL;
  }
  for (size_t i = 0; i < function_count; i++) {
    void *symbol = kohl_library_symbol(library, functions[i].name);
    if (!symbol) {
      snprintf(vendor->text, sizeof vendor->text, "%s has no %s", names[found], functions[i].name);
      kohl_library_close(library);
      return NULL;
    }
    memcpy(functions[i].at, &symbol, sizeof symbol); /* ISO C has no cast from an object's to a function's address */
  }
  return library;
}

void kohl_vendor_failed(kohl_stream *stream, const char *call, const char *reason) {
  kohl_vendor *vendor = stream->libraries;
  if (stream->failure) return;
  snprintf(vendor->text, sizeof vendor->text, "%s: %s", call, reason);
  stream->failure = UNKNOWN;
  stream->failed = vendor->text;
}

void kohl_vendor_close(kohl_context *ctx, kohl_stream *stream) {
  kohl_vendor *vendor = stream->libraries;
  if (!vendor) return;
  kohl_cublas_close(vendor);
  kohl_cudnn_close(vendor);
  kohl_free(ctx, vendor);
  stream->libraries = NULL;
}
