/* The device itself: properties, versions, errors, and the counting and failing of calls. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mutex>
#include <string>

#include "order.h"
#include "runtime.h"

long live_objects;

namespace {

std::recursive_mutex &mutex() {
  static std::recursive_mutex once;
  return once;
}
thread_local cudaError_t last_error;

/* What the environment asks for; read at the first call. */
struct settings {
  unsigned long fail_at = 0; /* the first call to fail, from 1 */
  bool fail_on = false;      /* and all after it */
  std::string calls_file, names;
  unsigned long calls = 0;
  enum { ASCENDING, DESCENDING, SHUFFLED } order = ASCENDING;
  unsigned long seed = 0;
  settings() {
    const char *fail = getenv("KOHL_CUDA_FAIL"), *calls_to = getenv("KOHL_CUDA_CALLS"),
               *how = getenv("KOHL_CUDA_ORDER");
    char *end = nullptr;
    if (fail) fail_at = strtoul(fail, &end, 10);
    if (fail && *end == '+') fail_on = true, end++;
    if (fail && (*end || !fail_at)) wrong("KOHL_CUDA_FAIL", fail, "N or N+");
    if (calls_to) calls_file = calls_to;
    if (!how || !strcmp(how, "ascending")) return;
    if (!strcmp(how, "descending")) {
      order = DESCENDING;
      return;
    }
    order = SHUFFLED;
    seed = strtoul(how, &end, 10);
    if (*end) wrong("KOHL_CUDA_ORDER", how, "ascending, descending or a seed");
  }
  ~settings() {
    FILE *file = calls_file.empty() ? nullptr : fopen(calls_file.c_str(), "w");
    if (!file) return;
    fprintf(file, "%lu calls\n%ld objects left\n%s", calls, live_objects, names.c_str());
    fclose(file);
  }
  [[noreturn]] static void wrong(const char *name, const char *value, const char *expected) {
    fprintf(stderr, "cuda_on_cpu: %s=%s, expected %s\n", name, value, expected);
    _exit(1);
  }
};

settings &asked() {
  static settings once;
  return once;
}

const struct {
  cudaError_t error;
  const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

}  // namespace

runtime_lock::runtime_lock() { mutex().lock(); }
runtime_lock::~runtime_lock() { mutex().unlock(); }

void report(const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  fflush(stdout);
  if (now.name) {
    uint3 block = kohl_cuda_here.block, thread = kohl_cuda_here.thread;
    fprintf(stderr, "cuda_on_cpu: kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s\n", now.name, block.x, block.y,
            block.z, thread.x, thread.y, thread.z, text);
  } else {
    fprintf(stderr, "cuda_on_cpu: %s\n", text);
  }
  fflush(stderr);
  _exit(KOHL_CUDA_REPORTED);
}

bool call_begins(const char *name, cudaError_t error) {
  settings &s = asked();
  s.calls++;
  bool fail = s.fail_at && (s.calls == s.fail_at || (s.fail_on && s.calls > s.fail_at));
  if (!s.calls_file.empty()) s.names.append(name).append(fail ? " FAILED\n" : "\n");
  if (!fail) return true;
  fails(error);
  return false;
}

cudaError_t fails(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

void order_fill(unsigned *order, unsigned count, unsigned long salt) {
  settings &s = asked();
  for (unsigned i = 0; i < count; i++) order[i] = s.order == settings::DESCENDING ? count - 1 - i : i;
  if (s.order != settings::SHUFFLED) return;
  uint64_t random = (s.seed + 1) * 0x9e3779b97f4a7c15u + salt * 0xd1342543de82ef95u;
  for (unsigned i = count - 1; i > 0; i--) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    unsigned j = static_cast<unsigned>((random >> 33) % (i + 1)), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

cudaError_t cudaGetDeviceCount(int *count) {
  CALL(cudaErrorInitializationError);
  if (!count) return fails(cudaErrorInvalidValue);
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
  CALL(cudaErrorInitializationError);
  if (!device) return fails(cudaErrorInvalidValue);
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  CALL(cudaErrorInitializationError);
  return device ? fails(cudaErrorInvalidDevice) : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  CALL(cudaErrorInitializationError);
  if (device) return fails(cudaErrorInvalidDevice);
  memset(properties, 0, sizeof *properties);
  strcpy(properties->name, "CUDA on CPU");
  properties->totalGlobalMem = memory_total();
  properties->sharedMemPerBlock = properties->sharedMemPerBlockOptin = properties->sharedMemPerMultiprocessor =
      48 * 1024;
  properties->totalConstMem = 64 * 1024;
  properties->regsPerBlock = 65536;
  properties->warpSize = warpSize;
  properties->maxThreadsPerBlock = properties->maxThreadsPerMultiProcessor = 1024;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 2147483647;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->major = 8; /* the least that kohl's kernels are compiled for */
  properties->multiProcessorCount = 2;
  properties->l2CacheSize = 32 * 1024; /* small, so that kernelcheck's bench goes through several sets of memory */
  properties->asyncEngineCount = properties->unifiedAddressing = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  CALL(cudaErrorInitializationError);
  if (device || !value) return fails(device ? cudaErrorInvalidDevice : cudaErrorInvalidValue);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 48 * 1024; break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate: *value = 1000000; break; /* kHz */
    case cudaDevAttrGlobalMemoryBusWidth: *value = 64; break;
    case cudaDevAttrWarpSize: *value = warpSize; break;
    case cudaDevAttrMultiProcessorCount: *value = 2; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 8; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    default: return fails(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
  CALL(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  CALL(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
  CALL(cudaErrorLaunchFailure);
  streams_finish();
  return cudaSuccess;
}

cudaError_t cudaDeviceReset(void) {
  CALL(cudaErrorUnknown);
  streams_finish();
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attribute, int value) {
  CALL(cudaErrorInvalidValue);
  bool right =
      function && value >= 0 && (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value <= 48 * 1024);
  return right ? cudaSuccess : fails(cudaErrorInvalidValue);
}

cudaError_t cudaGetLastError(void) {
  runtime_lock lock;
  call_begins(__func__, cudaErrorLaunchFailure);
  cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError(void) {
  runtime_lock lock;
  call_begins(__func__, cudaErrorLaunchFailure);
  return last_error;
}

const char *cudaGetErrorString(cudaError_t error) {
  for (const auto &known : errors) {
    if (known.error == error) return known.text;
  }
  return "unrecognized error code";
}

const char *cudaGetErrorName(cudaError_t error) {
  for (const auto &known : errors) {
    if (known.error == error) return known.name;
  }
  return "unrecognized error code";
}
