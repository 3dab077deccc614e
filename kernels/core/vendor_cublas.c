/* cuBLAS for baselines. */
#include "kernels/core/vendor_cublas.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/vendor_library.h"

static void start(kohl_vendor *vendor, kohl_stream *stream, kohl_cublas *cublas) {
  static const char *const names[] = {"libcublas.so.13", "libcublas.so.12", NULL};
  const kohl_vendor_function functions[] = {{"cublasCreate_v2", &cublas->create},
                                            {"cublasDestroy_v2", &cublas->destroy},
                                            {"cublasSetStream_v2", &cublas->set_stream},
                                            {"cublasSetMathMode", &cublas->set_math_mode},
                                            {"cublasGetStatusString", &cublas->status_text},
                                            {"cublasSgemm_v2", &cublas->sgemm}};
  cublas->library = kohl_vendor_library(vendor, names, functions, sizeof functions / sizeof *functions);
  if (!cublas->library) {
    memcpy(cublas->why, vendor->text, sizeof cublas->why);
    return;
  }
  int status = cublas->create(&cublas->handle);
  if (!status) status = cublas->set_stream(cublas->handle, stream->handle);
  if (!status) return;
  snprintf(cublas->why, sizeof cublas->why, "cuBLAS cannot be started: %s", cublas->status_text(status));
  if (cublas->handle) cublas->destroy(cublas->handle);
  kohl_library_close(cublas->library);
  cublas->library = cublas->handle = NULL;
}

kohl_cublas *kohl_cublas_of(const kohl_context *ctx, kohl_stream *stream, const char **why) {
  kohl_vendor *vendor = kohl_vendor_of(ctx, stream);
  *why = "no memory for vendors' libraries";
  if (!vendor) return NULL;
  if (!vendor->cublas) {
    if (kohl_alloc(&vendor->ctx, 1, sizeof *vendor->cublas, "cuBLAS", &vendor->cublas) != KOHL_OK) return NULL;
    start(vendor, stream, vendor->cublas);
  }
  *why = vendor->cublas->library ? NULL : vendor->cublas->why;
  return vendor->cublas->library ? vendor->cublas : NULL;
}

void kohl_cublas_close(kohl_vendor *vendor) {
  kohl_cublas *cublas = vendor->cublas;
  if (cublas && cublas->library) {
    cublas->destroy(cublas->handle);
    kohl_library_close(cublas->library);
  }
  kohl_free(&vendor->ctx, cublas);
  vendor->cublas = NULL;
}
