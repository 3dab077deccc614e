/* cuDNN for baselines: opening it. */
#include "kernels/core/vendor_cudnn.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/vendor_library.h"

static void release(kohl_cudnn *cudnn) {
  void *const tensors[] = {cudnn->x, cudnn->y, cudnn->z, cudnn->bias};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    if (tensors[i]) cudnn->DestroyTensorDescriptor(tensors[i]);
  }
  if (cudnn->w) cudnn->DestroyFilterDescriptor(cudnn->w);
  if (cudnn->conv) cudnn->DestroyConvolutionDescriptor(cudnn->conv);
  if (cudnn->act) cudnn->DestroyActivationDescriptor(cudnn->act);
  if (cudnn->handle) cudnn->Destroy(cudnn->handle);
  kohl_library_close(cudnn->library);
  cudnn->library = NULL;
}

static int make_all(kohl_cudnn *cudnn, kohl_stream *stream) {
  int status = cudnn->Create(&cudnn->handle);
  if (!status) status = cudnn->SetStream(cudnn->handle, stream->handle);
  if (!status) status = cudnn->CreateTensorDescriptor(&cudnn->x);
  if (!status) status = cudnn->CreateTensorDescriptor(&cudnn->y);
  if (!status) status = cudnn->CreateTensorDescriptor(&cudnn->z);
  if (!status) status = cudnn->CreateTensorDescriptor(&cudnn->bias);
  if (!status) status = cudnn->CreateFilterDescriptor(&cudnn->w);
  if (!status) status = cudnn->CreateConvolutionDescriptor(&cudnn->conv);
  if (!status) status = cudnn->CreateActivationDescriptor(&cudnn->act);
  return status;
}

static void start(kohl_vendor *vendor, kohl_stream *stream, kohl_cudnn *cudnn) {
  static const char *const names[] = {"libcudnn.so.9", NULL};
  const kohl_vendor_function functions[] = {
#define CUDNN(name, arguments) {"cudnn" #name, &cudnn->name},
#include "kernels/core/vendor_cudnn.def"
#undef CUDNN
      {"cudnnGetErrorString", &cudnn->error_text}};
  cudnn->library = kohl_vendor_library(vendor, names, functions, sizeof functions / sizeof *functions);
  if (!cudnn->library) {
    memcpy(cudnn->why, vendor->text, sizeof cudnn->why);
    return;
  }
  int status = make_all(cudnn, stream);
  if (!status) return;
  snprintf(cudnn->why, sizeof cudnn->why, "cuDNN cannot be started: %s", cudnn->error_text(status));
  release(cudnn);
}

kohl_cudnn *kohl_cudnn_of(const kohl_context *ctx, kohl_stream *stream, const char **why) {
  kohl_vendor *vendor = kohl_vendor_of(ctx, stream);
  *why = "no memory for vendors' libraries";
  if (!vendor) return NULL;
  if (!vendor->cudnn) {
    if (kohl_alloc(&vendor->ctx, 1, sizeof *vendor->cudnn, "cuDNN", &vendor->cudnn) != KOHL_OK) return NULL;
    start(vendor, stream, vendor->cudnn);
  }
  *why = vendor->cudnn->library ? NULL : vendor->cudnn->why;
  return vendor->cudnn->library ? vendor->cudnn : NULL;
}

void kohl_cudnn_close(kohl_vendor *vendor) {
  if (vendor->cudnn && vendor->cudnn->library) release(vendor->cudnn);
  kohl_free(&vendor->ctx, vendor->cudnn);
  vendor->cudnn = NULL;
}
