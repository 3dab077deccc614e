/* CUDA without a GPU: stands where the toolkit's cuda_runtime.h stands when kernels are compiled as host code.
 *
 * Only what kohl uses: the language's words (cuda_language.h), its functions (cuda_functions.h), and the runtime calls
 * below, which tests/cuda_on_cpu implements on ordinary memory.  A name that is missing here does not compile, and is
 * added when a kernel needs it.  Meanings are those of NVIDIA's CUDA Runtime API and CUDA C++ Programming Guide.
 *
 * The runtime alone reads these variables:
 *   KOHL_CUDA_ORDER=ascending|descending|N  order of a block's threads; N: shuffled by that seed (default ascending)
 *   KOHL_CUDA_MEMORY=BYTES                  of the device (default 8 GiB)
 *   KOHL_CUDA_FAIL=N or N+                  the Nth call fails, or all from the Nth on
 *   KOHL_CUDA_CALLS=FILE                    at exit: the number of calls, that of objects left, and each call's name
 * Whatever a kernel does wrong is one line on standard error, and the process ends with code KOHL_CUDA_REPORTED. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_CUDA_RUNTIME_H
#define KOHL_TESTS_CUDA_ON_CPU_CUDA_RUNTIME_H

#include <stddef.h>

#include "cuda_language.h"

#define CUDART_VERSION 12000
enum { KOHL_CUDA_REPORTED = 86 };

typedef enum cudaError {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorUnknown = 999,
} cudaError_t;

typedef enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4,
} cudaMemcpyKind;

typedef enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2,
} cudaStreamCaptureMode;

typedef enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2,
} cudaStreamCaptureStatus;

typedef enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9,
} cudaFuncAttribute;

typedef enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrClockRate = 13,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
} cudaDeviceAttr;

enum {
  cudaStreamDefault = 0,
  cudaStreamNonBlocking = 1,
  cudaEventDefault = 0,
  cudaEventBlockingSync = 1,
  cudaEventDisableTiming = 2,
  cudaHostAllocDefault = 0,
  cudaHostAllocPortable = 1,
  cudaHostAllocMapped = 2,
  cudaHostAllocWriteCombined = 4,
};

typedef struct kohl_cuda_stream *cudaStream_t;
typedef struct kohl_cuda_event *cudaEvent_t;
typedef struct kohl_cuda_graph *cudaGraph_t;
typedef struct kohl_cuda_node *cudaGraphNode_t;
typedef struct kohl_cuda_graph_exec *cudaGraphExec_t;

typedef struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin, sharedMemPerMultiprocessor, totalConstMem;
  int regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsPerMultiProcessor, maxThreadsDim[3], maxGridSize[3];
  int major, minor, multiProcessorCount, memoryBusWidth, l2CacheSize, asyncEngineCount, unifiedAddressing,
      managedMemory;
  int concurrentKernels, canMapHostMemory, integrated, ECCEnabled, pciBusID, pciDeviceID, pciDomainID;
} cudaDeviceProp;

extern "C" {
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaDeviceReset(void);

cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char *cudaGetErrorString(cudaError_t error);
const char *cudaGetErrorName(cudaError_t error);

cudaError_t cudaMemGetInfo(size_t *available, size_t *total);
cudaError_t cudaMalloc(void **memory, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMallocHost(void **memory, size_t bytes);
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemset(void *dst, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreate(cudaStream_t *stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status);

cudaError_t cudaEventCreate(cudaEvent_t *event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attribute, int value);

/* A kernel with its arguments: call runs it for the thread at kohl_cuda_here, drop frees the arguments. */
typedef struct kohl_cuda_call {
  const char *name;
  dim3 grid, block;
  void *arguments;
  size_t argument_bytes;
  void (*call)(void *arguments);
  void (*drop)(void *arguments);
} kohl_cuda_call;
/* Takes the arguments over.  A failure waits for cudaGetLastError, as after <<< >>>. */
void kohl_cuda_launch(cudaStream_t stream, const kohl_cuda_call *call);
/* The memory of the current block behind a shared declaration, told by a tag; filled with NaN anew for each block. */
void *kohl_host_shared(const void *tag, size_t bytes);
}

template <class T>
struct kohl_cuda_same {
  typedef T type;
};

/* What <<<grid, block, 0, stream>>> is: arguments become the kernel's parameter types, and are copied. */
template <class... A>
void kohl_host_launch(cudaStream_t stream, const char *name, dim3 grid, dim3 block, void (*kernel)(A...),
                      typename kohl_cuda_same<A>::type... args) {
  auto work = [kernel, args...] { kernel(args...); };
  typedef decltype(work) work_type;
  kohl_cuda_call call = {
      name,
      grid,
      block,
      new work_type(work),
      sizeof(work_type),
      [](void *arguments) { (*static_cast<work_type *>(arguments))(); },
      [](void *arguments) { delete static_cast<work_type *>(arguments); },
  };
  kohl_cuda_launch(stream, &call);
}

template <class T>
cudaError_t cudaMalloc(T **memory, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void **>(memory), bytes);
}
template <class T>
cudaError_t cudaMallocHost(T **memory, size_t bytes) {
  return cudaMallocHost(reinterpret_cast<void **>(memory), bytes);
}
template <class T>
cudaError_t cudaFuncSetAttribute(T *function, cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void *>(function), attribute, value);
}

#endif
