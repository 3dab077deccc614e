/* The device layer over the CUDA runtime.  One stream; graphs by stream capture. */
#include <cuda_runtime.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {
#include "kernels/core/alloc.h"
#include "kernels/core/device.h"
#include "kernels/core/vendor.h"

struct kohl_device {
  kohl_stream stream;
  cudaEvent_t begin, end;
};

struct kohl_device_graph {
  kohl_context *ctx; /* borrowed, for its allocator */
  cudaGraphExec_t ready;
  size_t nodes;
};
}

static cudaStream_t handle(const kohl_device *device) { return static_cast<cudaStream_t>(device->stream.handle); }

/* KOHL_OK, or a line with what CUDA says. */
static kohl_status check(kohl_context *ctx, int number, const char *call, cudaError_t error) {
  if (error == cudaSuccess) return KOHL_OK;
  cudaGetLastError(); /* forgets it, where that is possible */
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda:%d: %s: %s (%s)", number, call, cudaGetErrorString(error),
                   cudaGetErrorName(error));
}

extern "C" int kohl_device_count(const char **why) {
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  *why = error != cudaSuccess ? cudaGetErrorString(error) : "CUDA finds no device";
  /* what CUDA says where no driver is installed, too */
  if (error == cudaErrorInsufficientDriver)
    *why = "no CUDA driver is here, or one that is older than this build's CUDA";
  if (error != cudaSuccess) cudaGetLastError();
  return error == cudaSuccess ? count : 0;
}

/* KOHL_OK when there is a device of that number. */
static kohl_status exists(kohl_context *ctx, int number) {
  const char *why;
  int count = kohl_device_count(&why);
  if (number >= 0 && number < count) return KOHL_OK;
  if (!count) return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda:%d: %s", number, why);
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda:%d: this machine's devices are cuda:0%s%d", number,
                   count > 1 ? " to cuda:" : " alone: expected cuda:", count - 1);
}

static int attribute(cudaDeviceAttr what, int number) {
  int value = 0;
  if (cudaDeviceGetAttribute(&value, what, number) != cudaSuccess) cudaGetLastError();
  return value;
}

extern "C" kohl_status kohl_device_describe(kohl_context *ctx, int number, kohl_device_info *out) {
  memset(out, 0, sizeof *out);
  cudaDeviceProp properties;
  kohl_status status = exists(ctx, number);
  if (status == KOHL_OK) status = check(ctx, number, "properties", cudaGetDeviceProperties(&properties, number));
  if (status == KOHL_OK) status = check(ctx, number, "choosing the device", cudaSetDevice(number));
  if (status == KOHL_OK) status = check(ctx, number, "memory", cudaMemGetInfo(&out->available, &out->memory));
  if (status != KOHL_OK) return status;
  out->number = number;
  memcpy(out->name, properties.name, sizeof out->name - 1); /* of 256 characters, zeros behind the text */
  out->major = properties.major;
  out->minor = properties.minor;
  out->multiprocessors = properties.multiProcessorCount;
  out->l2_bytes = properties.l2CacheSize;
  out->clock_mhz = attribute(cudaDevAttrClockRate, number) / 1000;
  out->memory_clock_mhz = attribute(cudaDevAttrMemoryClockRate, number) / 1000;
  out->memory_bits = attribute(cudaDevAttrGlobalMemoryBusWidth, number);
  cudaDriverGetVersion(&out->driver);
  cudaRuntimeGetVersion(&out->runtime);
  return KOHL_OK;
}

extern "C" kohl_status kohl_device_open(kohl_context *ctx, int number, kohl_device **out) {
  kohl_device *device = NULL;
  cudaStream_t stream = NULL;
  *out = NULL;
  kohl_status status = exists(ctx, number);
  if (status == KOHL_OK) status = kohl_alloc(ctx, 1, sizeof *device, "a device", &device);
  if (status != KOHL_OK) return status;
  device->stream.number = number;
  status = check(ctx, number, "choosing the device", cudaSetDevice(number));
  if (status == KOHL_OK) {
    status = check(ctx, number, "a stream", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    device->stream.handle = stream;
  }
  if (status == KOHL_OK) status = check(ctx, number, "an event", cudaEventCreate(&device->begin));
  if (status == KOHL_OK) status = check(ctx, number, "an event", cudaEventCreate(&device->end));
  if (status == KOHL_OK) {
    int *count = &device->stream.multiprocessors; /* kernels divide by it */
    status = check(ctx, number, "an attribute", cudaDeviceGetAttribute(count, cudaDevAttrMultiProcessorCount, number));
  }
  if (status == KOHL_OK)
    *out = device;
  else
    kohl_device_close(ctx, device);
  return status;
}

extern "C" void kohl_device_close(kohl_context *ctx, kohl_device *device) {
  if (!device) return;
  if (device->stream.handle) cudaStreamSynchronize(handle(device));
  kohl_vendor_close(ctx, &device->stream);
  if (device->begin) cudaEventDestroy(device->begin);
  if (device->end) cudaEventDestroy(device->end);
  if (device->stream.handle) cudaStreamDestroy(handle(device));
  kohl_free(ctx, device);
}

extern "C" kohl_stream *kohl_device_stream(kohl_device *device) { return &device->stream; }
extern "C" int kohl_device_number(const kohl_device *device) { return device->stream.number; }

extern "C" kohl_status kohl_device_libraries(kohl_context *ctx, kohl_device *device, const char *folder) {
  return kohl_vendor_search(ctx, &device->stream, folder);
}

extern "C" kohl_status kohl_device_available(kohl_context *ctx, kohl_device *device, size_t *bytes) {
  size_t all;
  *bytes = 0;
  return check(ctx, device->stream.number, "memory", cudaMemGetInfo(bytes, &all));
}

extern "C" kohl_status kohl_device_alloc(kohl_context *ctx, kohl_device *device, size_t bytes, const char *what,
                                         void **out) {
  const int number = device->stream.number;
  size_t available = 0, all = 0;
  *out = NULL;
  cudaError_t error = cudaMalloc(out, bytes ? bytes : 1);
  if (error == cudaSuccess) {
    error = cudaMemsetAsync(*out, 0, bytes ? bytes : 1, handle(device));
    if (error == cudaSuccess) return KOHL_OK;
    cudaFree(*out);
    *out = NULL;
    return check(ctx, number, what, error);
  }
  cudaGetLastError();
  if (cudaMemGetInfo(&available, &all) != cudaSuccess) cudaGetLastError();
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda:%d: no memory for %s: %zu bytes asked, %zu of %zu available (%s)",
                   number, what, bytes, available, all, cudaGetErrorString(error));
}

extern "C" void kohl_device_free(kohl_device *device, void *memory) {
  (void)device;
  if (memory && cudaFree(memory) != cudaSuccess) cudaGetLastError();
}

extern "C" kohl_status kohl_device_alloc_host(kohl_context *ctx, kohl_device *device, size_t bytes, const char *what,
                                              void **out) {
  *out = NULL;
  cudaError_t error = cudaMallocHost(out, bytes ? bytes : 1);
  if (error == cudaSuccess) {
    memset(*out, 0, bytes);
    return KOHL_OK;
  }
  cudaGetLastError();
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda:%d: no pinned memory of the host for %s: %zu bytes asked (%s)",
                   device->stream.number, what, bytes, cudaGetErrorString(error));
}

extern "C" void kohl_device_free_host(kohl_device *device, void *memory) {
  (void)device;
  if (memory && cudaFreeHost(memory) != cudaSuccess) cudaGetLastError();
}

static kohl_status copy(kohl_context *ctx, kohl_device *device, void *to, const void *from, size_t bytes,
                        cudaMemcpyKind kind, const char *what) {
  if (!bytes) return KOHL_OK;
  return check(ctx, device->stream.number, what, cudaMemcpyAsync(to, from, bytes, kind, handle(device)));
}

extern "C" kohl_status kohl_device_upload(kohl_context *ctx, kohl_device *device, void *to, const void *from_host,
                                          size_t bytes) {
  return copy(ctx, device, to, from_host, bytes, cudaMemcpyHostToDevice, "copying to the device");
}

extern "C" kohl_status kohl_device_download(kohl_context *ctx, kohl_device *device, void *to_host, const void *from,
                                            size_t bytes) {
  return copy(ctx, device, to_host, from, bytes, cudaMemcpyDeviceToHost, "copying from the device");
}

extern "C" kohl_status kohl_device_copy(kohl_context *ctx, kohl_device *device, void *to, const void *from,
                                        size_t bytes) {
  return copy(ctx, device, to, from, bytes, cudaMemcpyDeviceToDevice, "copying on the device");
}

extern "C" kohl_status kohl_device_launched(kohl_context *ctx, kohl_device *device, const char *what) {
  const kohl_stream *stream = &device->stream;
  if (!stream->failure) return KOHL_OK;
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda:%d: %s: kernel %s: %s (%s)", stream->number, what, stream->failed,
                   cudaGetErrorString((cudaError_t)stream->failure), cudaGetErrorName((cudaError_t)stream->failure));
}

extern "C" kohl_status kohl_device_wait(kohl_context *ctx, kohl_device *device) {
  kohl_status status = kohl_device_launched(ctx, device, "launch");
  if (status != KOHL_OK) return status;
  return check(ctx, device->stream.number, "waiting for the device", cudaStreamSynchronize(handle(device)));
}

extern "C" kohl_status kohl_device_record(kohl_context *ctx, kohl_device *device) {
  kohl_status status = check(ctx, device->stream.number, "recording",
                             cudaStreamBeginCapture(handle(device), cudaStreamCaptureModeThreadLocal));
  device->stream.recording = status == KOHL_OK;
  return status;
}

extern "C" kohl_status kohl_device_recorded(kohl_context *ctx, kohl_device *device, kohl_device_graph **out) {
  const int number = device->stream.number;
  kohl_device_graph *result = NULL;
  cudaGraph_t graph = NULL;
  *out = NULL;
  device->stream.recording = false;
  kohl_status status = check(ctx, number, "recording", cudaStreamEndCapture(handle(device), &graph));
  if (status == KOHL_OK) status = kohl_device_launched(ctx, device, "recording");
  if (status == KOHL_OK) status = kohl_alloc(ctx, 1, sizeof *result, "a graph", &result);
  if (status == KOHL_OK) {
    result->ctx = ctx;
    status = check(ctx, number, "counting a graph's nodes", cudaGraphGetNodes(graph, NULL, &result->nodes));
  }
  if (status == KOHL_OK)
    status = check(ctx, number, "making a graph ready", cudaGraphInstantiate(&result->ready, graph, 0));
  if (graph) cudaGraphDestroy(graph);
  if (status == KOHL_OK)
    *out = result;
  else
    kohl_free(ctx, result);
  return status;
}

extern "C" kohl_status kohl_device_replay(kohl_context *ctx, kohl_device *device, kohl_device_graph *graph) {
  return check(ctx, device->stream.number, "launching a graph", cudaGraphLaunch(graph->ready, handle(device)));
}

extern "C" void kohl_device_graph_destroy(kohl_device_graph *graph) {
  if (!graph) return;
  if (cudaGraphExecDestroy(graph->ready) != cudaSuccess) cudaGetLastError();
  kohl_free(graph->ctx, graph);
}

extern "C" size_t kohl_device_graph_nodes(const kohl_device_graph *graph) { return graph->nodes; }

extern "C" kohl_status kohl_device_time_begin(kohl_context *ctx, kohl_device *device) {
  return check(ctx, device->stream.number, "timing", cudaEventRecord(device->begin, handle(device)));
}

extern "C" kohl_status kohl_device_time_end(kohl_context *ctx, kohl_device *device, double *seconds) {
  const int number = device->stream.number;
  float milliseconds = 0;
  *seconds = 0;
  kohl_status status = check(ctx, number, "timing", cudaEventRecord(device->end, handle(device)));
  if (status == KOHL_OK) status = check(ctx, number, "timing", cudaEventSynchronize(device->end));
  if (status == KOHL_OK)
    status = check(ctx, number, "timing", cudaEventElapsedTime(&milliseconds, device->begin, device->end));
  *seconds = 1e-3 * (double)milliseconds;
  return status;
}
