/* Streams, events and graphs.  Work waits in its stream until somebody waits for it, as late as a device may do it, so
 * that a host that reads too early, or changes page-locked memory too early, sees wrong values every time.  Pageable
 * memory is copied at once, as CUDA promises. */
#include <string.h>
#include <time.h>

#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "runtime.h"

namespace {

/* A kernel with its arguments, shared by a graph and what is instantiated from it. */
struct launch {
  kohl_cuda_call call;
  explicit launch(const kohl_cuda_call &from) : call(from) {}
  launch(const launch &) = delete;
  ~launch() { call.drop(call.arguments); }
};

enum kind { COPY, SET, LAUNCH, RECORD, WAIT };

struct operation {
  kind what;
  void *dst;
  const void *src;
  size_t bytes;
  int value;
  std::shared_ptr<launch> kernel;
  std::shared_ptr<std::vector<char>> staged; /* pageable memory of the host, copied when it was given */
  cudaEvent_t event;
};

double seconds_now() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) + 1e-9 * static_cast<double>(at.tv_nsec);
}

}  // namespace

struct kohl_cuda_event {
  cudaStream_t stream; /* of the last record, until that is done */
  unsigned pending;
  bool recorded;
  double seconds;
};

struct kohl_cuda_graph {
  std::vector<operation> operations;
};

struct kohl_cuda_graph_exec {
  std::vector<operation> operations;
};

struct kohl_cuda_stream {
  std::deque<operation> waiting;
  unsigned flags;
  kohl_cuda_graph *capture; /* while it records */
  bool invalidated;
};

namespace {

std::set<cudaStream_t> streams;
kohl_cuda_stream null_stream = {{}, cudaStreamDefault, nullptr, false};

void run_one(cudaStream_t stream);

void run_operation(const operation &op) {
  memory_opening open;
  switch (op.what) {
    case COPY: memory_copy(op.dst, op.staged ? op.staged->data() : op.src, op.bytes); break;
    case SET: memory_set(op.dst, op.value, op.bytes); break;
    case LAUNCH: kernel_run(&op.kernel->call); break;
    case RECORD:
      op.event->seconds = seconds_now();
      op.event->recorded = true;
      op.event->pending--;
      break;
    case WAIT:
      while (op.event->pending) run_one(op.event->stream);
      break;
  }
}

void run_one(cudaStream_t stream) {
  operation op = stream->waiting.front();
  stream->waiting.pop_front();
  run_operation(op);
}

void finish(cudaStream_t stream) {
  memory_opening open;
  while (!stream->waiting.empty()) run_one(stream);
}

/* The stream behind a handle; NULL where there is none. */
cudaStream_t find(cudaStream_t stream) {
  if (!stream) return &null_stream;
  return streams.count(stream) ? stream : nullptr;
}

void put(cudaStream_t stream, const operation &op) {
  if (stream->capture) {
    stream->capture->operations.push_back(op);
    return;
  }
  stream->waiting.push_back(op);
  if (stream != &null_stream) return;
  for (cudaStream_t other : streams) { /* the null stream waits for all that did not ask to be left alone */
    if (!(other->flags & cudaStreamNonBlocking)) finish(other);
  }
  finish(stream);
}

/* False, with the recording spoilt, where a stream that records is asked for what it cannot do. */
bool may_wait(cudaStream_t stream) {
  if (!stream->capture) return true;
  stream->invalidated = true;
  return false;
}

cudaError_t copy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  cudaStream_t stream = find(handle);
  if (!stream) return fails(cudaErrorInvalidResourceHandle);
  if (!memory_check_copy(dst, src, bytes, kind)) return fails(cudaErrorInvalidValue);
  if (!bytes) return cudaSuccess;
  operation op = {COPY, dst, src, bytes, 0, nullptr, nullptr, nullptr};
  if (!stream->capture && kind == cudaMemcpyHostToDevice && !memory_pinned(src)) {
    const char *from = static_cast<const char *>(src);
    op.staged = std::make_shared<std::vector<char>>(from, from + bytes);
  }
  put(stream, op);
  if (!stream->capture && kind == cudaMemcpyDeviceToHost && !memory_pinned(dst)) finish(stream);
  return cudaSuccess;
}

cudaError_t set(void *dst, int value, size_t bytes, cudaStream_t handle) {
  cudaStream_t stream = find(handle);
  if (!stream) return fails(cudaErrorInvalidResourceHandle);
  memory_check_set(dst, bytes);
  if (bytes) put(stream, operation{SET, dst, nullptr, bytes, value, nullptr, nullptr, nullptr});
  return cudaSuccess;
}

}  // namespace

void streams_finish() {
  finish(&null_stream);
  for (cudaStream_t stream : streams) finish(stream);
}

void kohl_cuda_launch(cudaStream_t handle, const kohl_cuda_call *call) {
  runtime_lock lock;
  std::shared_ptr<launch> kernel = std::make_shared<launch>(*call);
  if (!call_begins(call->name, cudaErrorLaunchFailure)) return;
  cudaStream_t stream = find(handle);
  dim3 grid = call->grid, block = call->block;
  bool right = block.x && block.y && block.z && block.x <= 1024 && block.y <= 1024 && block.z <= 64 &&
               static_cast<uint64_t>(block.x) * block.y * block.z <= 1024 && grid.x && grid.y && grid.z &&
               grid.x <= 2147483647u && grid.y <= 65535 && grid.z <= 65535;
  if (!stream || !right) {
    fails(stream ? cudaErrorInvalidConfiguration : cudaErrorInvalidResourceHandle);
    return;
  }
  put(stream, operation{LAUNCH, nullptr, nullptr, 0, 0, kernel, nullptr, nullptr});
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  CALL(cudaErrorLaunchFailure);
  return copy(dst, src, bytes, kind, stream);
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
  CALL(cudaErrorLaunchFailure);
  return copy(dst, src, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream) {
  CALL(cudaErrorLaunchFailure);
  return set(dst, value, bytes, stream);
}

cudaError_t cudaMemset(void *dst, int value, size_t bytes) {
  CALL(cudaErrorLaunchFailure);
  return set(dst, value, bytes, nullptr);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  CALL(cudaErrorMemoryAllocation);
  *stream = new kohl_cuda_stream{{}, flags, nullptr, false};
  streams.insert(*stream);
  live_objects++;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  CALL(cudaErrorLaunchFailure);
  if (!stream || !find(stream)) return fails(cudaErrorInvalidResourceHandle);
  finish(stream);
  streams.erase(stream);
  live_objects--;
  delete stream->capture;
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  CALL(cudaErrorLaunchFailure);
  cudaStream_t stream = find(handle);
  if (!stream) return fails(cudaErrorInvalidResourceHandle);
  if (!may_wait(stream)) return fails(cudaErrorStreamCaptureUnsupported);
  finish(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  CALL(cudaErrorLaunchFailure);
  cudaStream_t stream = find(handle);
  if (!stream) return fails(cudaErrorInvalidResourceHandle);
  if (!may_wait(stream)) return fails(cudaErrorStreamCaptureUnsupported);
  if (stream->waiting.empty()) return cudaSuccess;
  run_one(stream); /* time passes */
  return cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags) {
  CALL(cudaErrorLaunchFailure);
  (void)flags;
  cudaStream_t stream = find(handle);
  if (!stream || !event) return fails(cudaErrorInvalidResourceHandle);
  if (!may_wait(stream)) return fails(cudaErrorStreamCaptureUnsupported);
  if (event->pending) put(stream, operation{WAIT, nullptr, nullptr, 0, 0, nullptr, nullptr, event});
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  CALL(cudaErrorLaunchFailure);
  (void)mode;
  if (!stream || !find(stream)) return fails(cudaErrorInvalidResourceHandle);
  if (stream->capture) return fails(cudaErrorStreamCaptureUnsupported);
  stream->capture = new kohl_cuda_graph;
  stream->invalidated = false;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  bool failed = !call_begins("cudaStreamEndCapture", cudaErrorStreamCaptureInvalidated);
  runtime_lock lock;
  *graph = nullptr;
  if (!stream || !find(stream) || !stream->capture) return fails(cudaErrorInvalidValue);
  kohl_cuda_graph *made = stream->capture;
  stream->capture = nullptr; /* a recording that failed is over too */
  if (failed || stream->invalidated) {
    delete made;
    return fails(cudaErrorStreamCaptureInvalidated);
  }
  live_objects++;
  *graph = made;
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status) {
  CALL(cudaErrorInvalidValue);
  cudaStream_t stream = find(handle);
  if (!stream) return fails(cudaErrorInvalidResourceHandle);
  *status = !stream->capture      ? cudaStreamCaptureStatusNone
            : stream->invalidated ? cudaStreamCaptureStatusInvalidated
                                  : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  CALL(cudaErrorMemoryAllocation);
  (void)flags;
  *event = new kohl_cuda_event{nullptr, 0, false, 0.0};
  live_objects++;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  CALL(cudaErrorLaunchFailure);
  if (!event) return fails(cudaErrorInvalidResourceHandle);
  streams_finish(); /* nothing may still wait for it */
  live_objects--;
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  CALL(cudaErrorLaunchFailure);
  cudaStream_t stream = find(handle);
  if (!stream || !event) return fails(cudaErrorInvalidResourceHandle);
  if (stream->capture) return cudaSuccess; /* orders nothing within one stream */
  event->pending++;
  event->stream = stream;
  put(stream, operation{RECORD, nullptr, nullptr, 0, 0, nullptr, nullptr, event});
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  CALL(cudaErrorLaunchFailure);
  if (!event) return fails(cudaErrorInvalidResourceHandle);
  memory_opening open;
  while (event->pending) run_one(event->stream);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  CALL(cudaErrorLaunchFailure);
  if (!event) return fails(cudaErrorInvalidResourceHandle);
  if (!event->pending) return cudaSuccess;
  run_one(event->stream);
  return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  CALL(cudaErrorLaunchFailure);
  if (!begin || !end || !begin->recorded || !end->recorded) return fails(cudaErrorInvalidResourceHandle);
  if (begin->pending || end->pending) return fails(cudaErrorNotReady);
  *milliseconds = static_cast<float>((end->seconds - begin->seconds) * 1e3);
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  CALL(cudaErrorInvalidValue);
  if (!graph || !count || nodes) return fails(cudaErrorInvalidValue); /* only counting is ours */
  *count = graph->operations.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
  CALL(cudaErrorMemoryAllocation);
  (void)flags;
  if (!graph) return fails(cudaErrorInvalidValue);
  *exec = new kohl_cuda_graph_exec{graph->operations};
  live_objects++;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle) {
  CALL(cudaErrorLaunchFailure);
  cudaStream_t stream = find(handle);
  if (!stream || !exec) return fails(cudaErrorInvalidResourceHandle);
  for (const operation &op : exec->operations) put(stream, op);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  CALL(cudaErrorInvalidValue);
  if (!exec) return fails(cudaErrorInvalidValue);
  live_objects--;
  delete exec;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  CALL(cudaErrorInvalidValue);
  if (!graph) return fails(cudaErrorInvalidValue);
  live_objects--;
  delete graph;
  return cudaSuccess;
}
