/* Tests the tester, second part: what the host does wrong with streams and memory must be reported, or show as wrong
 * values every time; what it does right must work. */
#include "kernels/core/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/cuda_on_cpu/selftest.h"

enum { COUNT = 1000 };

#define NEED(condition)                                     \
  do {                                                      \
    if (condition) break;                                   \
    fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
    _exit(1);                                               \
  } while (0)
#define CUDA(call) NEED((call) == cudaSuccess)

static __global__ void add_one(int *at, int count) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) at[i]++;
}

static cudaStream_t stream;
static int *pinned, *on_device;

static void open_all(void) {
  CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA(cudaMallocHost(&pinned, COUNT * sizeof(int)));
  CUDA(cudaMalloc(&on_device, COUNT * sizeof(int)));
  for (int i = 0; i < COUNT; i++) pinned[i] = i;
}

static void close_all(void) {
  CUDA(cudaFree(on_device));
  CUDA(cudaFreeHost(pinned));
  CUDA(cudaStreamDestroy(stream));
}

static void upload(const void *from) {
  CUDA(cudaMemcpyAsync(on_device, from, COUNT * sizeof(int), cudaMemcpyHostToDevice, stream));
}
static void download(void *to) {
  CUDA(cudaMemcpyAsync(to, on_device, COUNT * sizeof(int), cudaMemcpyDeviceToHost, stream));
}
static void launch(void) {
  kohl_host_launch(stream, "add_one", dim3((COUNT + 127) / 128), dim3(128), add_one, on_device, COUNT);
  CUDA(cudaGetLastError());
}

static void waits(void) {
  open_all();
  upload(pinned);
  launch();
  download(pinned);
  CUDA(cudaStreamSynchronize(stream));
  for (int i = 0; i < COUNT; i++) NEED(pinned[i] == i + 1);
  close_all();
}

static void reads_early(void) {
  open_all();
  upload(pinned);
  launch();
  download(pinned);
  for (int i = 0; i < COUNT; i++) NEED(pinned[i] == i + 1);
}

static void changes_early(void) {
  open_all();
  upload(pinned);
  pinned[5] = 77;
  download(pinned);
  CUDA(cudaStreamSynchronize(stream));
  NEED(pinned[5] == 5);
}

static void pageable(void) {
  int source[COUNT] = {1, 2, 3}, result[COUNT];
  open_all();
  upload(source);
  source[1] = 9; /* was copied */
  download(result);
  NEED(result[1] == 2);
  close_all();
}

static void record_and_replay(void) {
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  size_t nodes = 0;
  open_all();
  CUDA(cudaMemset(on_device, 0, COUNT * sizeof(int)));
  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  launch();
  launch();
  download(pinned);
  CUDA(cudaStreamEndCapture(stream, &graph));
  CUDA(cudaStreamSynchronize(stream));
  NEED(pinned[7] == 7); /* recorded only */
  CUDA(cudaGraphGetNodes(graph, NULL, &nodes));
  CUDA(cudaGraphInstantiate(&ready, graph, 0));
  CUDA(cudaGraphDestroy(graph));
  for (int i = 0; i < 3; i++) CUDA(cudaGraphLaunch(ready, stream));
  CUDA(cudaStreamSynchronize(stream));
  NEED(nodes == 3 && pinned[0] == 6 && pinned[COUNT - 1] == 6);
  CUDA(cudaGraphExecDestroy(ready));
  close_all();
}

static void waits_while_recording(void) {
  open_all();
  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CUDA(cudaStreamSynchronize(stream));
}

static void events(void) {
  cudaEvent_t begin, end;
  float milliseconds = -1.0f;
  open_all();
  CUDA(cudaEventCreate(&begin));
  CUDA(cudaEventCreate(&end));
  upload(pinned);
  CUDA(cudaEventRecord(begin, stream));
  launch();
  download(pinned);
  CUDA(cudaEventRecord(end, stream));
  CUDA(cudaEventSynchronize(end));
  NEED(pinned[3] == 4);
  CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
  NEED(milliseconds > 0.0f);
  CUDA(cudaEventDestroy(begin));
  CUDA(cudaEventDestroy(end));
  close_all();
}

static void frees_twice(void) {
  open_all();
  CUDA(cudaFree(on_device));
  CUDA(cudaFree(on_device));
}

static void copies_too_much(void) {
  static int source[COUNT + 1];
  open_all();
  CUDA(cudaMemcpy(on_device, source, sizeof source, cudaMemcpyHostToDevice));
}

static void wrong_direction(void) {
  open_all();
  CUDA(cudaMemcpy(pinned, on_device, COUNT * sizeof(int), cudaMemcpyHostToDevice));
}

/* On a GPU the host cannot touch it. */
static void touches_device_memory(void) {
  open_all();
  upload(pinned);
  CUDA(cudaStreamSynchronize(stream));
  NEED(on_device[3] == 3);
}

static void touches_host_memory(void) {
  int *mine = static_cast<int *>(calloc(COUNT, sizeof(int)));
  open_all();
  kohl_host_launch(stream, "add_one", dim3(1), dim3(128), add_one, mine, 100);
  CUDA(cudaStreamSynchronize(stream));
  free(mine);
}

static void too_many_threads(void) {
  open_all();
  kohl_host_launch(stream, "add_one", dim3(1), dim3(1025), add_one, on_device, 1);
  NEED(cudaGetLastError() == cudaErrorInvalidConfiguration);
  NEED(cudaGetLastError() == cudaSuccess);
  close_all();
}

static void memory_ends(void) {
  void *large = &large;
  size_t available = 0, total = 0;
  setenv("KOHL_CUDA_MEMORY", "1000000", 1);
  open_all();
  NEED(cudaMalloc(&large, 2000000) == cudaErrorMemoryAllocation && !large);
  NEED(cudaGetLastError() == cudaErrorMemoryAllocation);
  CUDA(cudaMemGetInfo(&available, &total));
  NEED(total == 1000000 && available == total - COUNT * sizeof(int));
  close_all();
}

/* The second call of those after it. */
static void fails_in_turn(void) {
  void *memory;
  setenv("KOHL_CUDA_FAIL", "2", 1);
  CUDA(cudaMalloc(&memory, 4));
  NEED(cudaFree(memory) == cudaErrorInvalidValue && cudaGetLastError() == cudaErrorInvalidValue);
  CUDA(cudaFree(memory));
  NEED(cudaGetLastError() == cudaSuccess);
}

static const struct {
  const char *name;
  void (*work)(void);
  int lanes; /* that must report it; 0: it is right */
} calls[] = {
    {"copies, a kernel and a wait", waits, 0},
    {"pageable memory is copied at once", pageable, 0},
    {"a graph is recorded and replayed", record_and_replay, 0},
    {"events", events, 0},
    {"a block of 1025 threads is refused", too_many_threads, 0},
    {"the device's memory ends", memory_ends, 0},
    {"calls fail when asked to", fails_in_turn, 0},
    {"results read before the wait", reads_early, ALL},
    {"page-locked memory changed before the wait", changes_early, ALL},
    {"a wait while a graph is recorded", waits_while_recording, ALL},
    {"memory freed twice", frees_twice, ALL},
    {"a copy longer than its allocation", copies_too_much, ALL},
    {"a copy in the wrong direction", wrong_direction, ALL},
    {"the host touches memory of the device", touches_device_memory, ASAN},
    {"a kernel touches memory of the host", touches_host_memory, TSAN},
};

void check_calls(int lane) {
  for (const auto &each : calls) {
    char text[4096] = "";
    if (each.lanes && !(each.lanes & lane)) continue;
    bool works = succeeds(each.work, "ascending", text, sizeof text);
    say(works == !each.lanes, each.lanes ? "wrong, reported" : "right", each.name, text);
  }
}
