/* The device's memory: ordinary memory, filled with NaN, between canaries (with AddressSanitizer: allocated exactly,
 * and closed to the host's code while no kernel and no copy runs).  Copies check that they stay within allocations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iterator>
#include <map>

#include "runtime.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace {

enum { ALIGNMENT = 256, GUARD = 256, CANARY = 0x5a, FILL = 0xff };

std::map<const char *, allocation> device_memory, pinned_memory;
size_t used;
int opened;

size_t read_total() {
  const char *asked = getenv("KOHL_CUDA_MEMORY");
  return asked ? strtoull(asked, nullptr, 10) : static_cast<size_t>(8) << 30;
}

const allocation *find(const std::map<const char *, allocation> &all, const void *at) {
  auto next = all.upper_bound(static_cast<const char *>(at));
  if (next == all.begin()) return nullptr;
  const allocation &before = std::prev(next)->second;
  return static_cast<const char *>(at) < before.data + before.bytes ? &before : nullptr;
}

void set_open(const allocation &memory, bool open) {
#ifdef __SANITIZE_ADDRESS__
  if (open)
    __asan_unpoison_memory_region(memory.data, memory.bytes);
  else
    __asan_poison_memory_region(memory.data, memory.bytes);
#else
  (void)memory;
  (void)open;
#endif
}

/* The bytes before an allocation, which only the alignment puts there. */
void close_front(void *block, bool closed) {
#ifdef __SANITIZE_ADDRESS__
  if (closed)
    __asan_poison_memory_region(block, GUARD);
  else
    __asan_unpoison_memory_region(block, GUARD);
#else
  (void)block;
  (void)closed;
#endif
}

bool intact(const allocation &memory) {
#ifdef __SANITIZE_ADDRESS__
  (void)memory;
#else
  const unsigned char *data = reinterpret_cast<const unsigned char *>(memory.data);
  for (size_t i = 0; i < GUARD; i++) {
    if (data[memory.bytes + i] != CANARY || data[-1 - static_cast<long>(i)] != CANARY) return false;
  }
#endif
  return true;
}

/* The range lies within one allocation; reports what does not, since no device would tell. */
void check_range(const char *what, const void *at, size_t bytes) {
  const allocation *memory = find(device_memory, at);
  if (!memory) report("%s: %p is no memory of the device", what, at);
  size_t left = static_cast<size_t>(memory->data + memory->bytes - static_cast<const char *>(at));
  if (bytes > left)
    report("%s: %zu bytes, where the allocation of %zu bytes has %zu left", what, bytes, memory->bytes, left);
}

void written(const void *at, size_t bytes) {
  const allocation *memory = find(device_memory, at);
  if (memory) shadow_written(memory->shadow, static_cast<size_t>(static_cast<const char *>(at) - memory->data), bytes);
}

}  // namespace

size_t memory_total() {
  static const size_t total = read_total();
  return total;
}

bool memory_pinned(const void *at) { return find(pinned_memory, at) != nullptr; }

memory_opening::memory_opening() {
  if (opened++) return;
  for (const auto &each : device_memory) set_open(each.second, true);
}

memory_opening::~memory_opening() {
  if (--opened) return;
  for (const auto &each : device_memory) set_open(each.second, false);
}

void memory_check_canaries() {
  for (const auto &each : device_memory) {
    if (!intact(each.second)) report("a write beyond an allocation of %zu bytes", each.second.bytes);
  }
}

bool memory_check_copy(const void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
  bool to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (!bytes) return true;
  if (!dst || !src || kind > cudaMemcpyDeviceToDevice) return false; /* a direction that is guessed is not ours */
  if (to) check_range("copy to the device", dst, bytes);
  if (from) check_range("copy from the device", src, bytes);
  if (!to && find(device_memory, dst)) report("copy to the host: %p is memory of the device", dst);
  if (!from && find(device_memory, src)) report("copy from the host: %p is memory of the device", src);
  return true;
}

void memory_check_set(const void *dst, size_t bytes) {
  if (bytes) check_range("memset", dst, bytes);
}

void memory_copy(void *dst, const void *src, size_t bytes) {
  memory_opening open;
  memmove(dst, src, bytes);
  written(dst, bytes);
}

void memory_set(void *dst, int value, size_t bytes) {
  memory_opening open;
  memset(dst, value, bytes);
  written(dst, bytes);
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  CALL(cudaErrorInvalidValue);
  *available = memory_total() - used;
  *total = memory_total();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
  CALL(cudaErrorMemoryAllocation);
  void *block = nullptr;
  size_t behind = GUARD;
#ifdef __SANITIZE_ADDRESS__
  behind = 0;
#endif
  if (!memory) return fails(cudaErrorInvalidValue);
  *memory = nullptr;
  if (!bytes) return cudaSuccess;
  if (bytes > memory_total() - used) return fails(cudaErrorMemoryAllocation);
  if (posix_memalign(&block, ALIGNMENT, GUARD + bytes + behind)) return fails(cudaErrorMemoryAllocation);
  allocation made = {static_cast<char *>(block) + GUARD, bytes, block, nullptr};
  memset(block, CANARY, GUARD);
  memset(made.data, FILL, bytes);
  memset(made.data + bytes, CANARY, behind);
  close_front(block, true);
  set_open(made, opened > 0);
  made.shadow = shadow_create(made.data, bytes, false);
  device_memory[made.data] = made;
  used += bytes;
  live_objects++;
  *memory = made.data;
  return cudaSuccess;
}

cudaError_t cudaFree(void *memory) {
  CALL(cudaErrorInvalidValue);
  if (!memory) return cudaSuccess;
  streams_finish();
  auto found = device_memory.find(static_cast<char *>(memory));
  if (found == device_memory.end()) report("cudaFree: %p is no allocation", memory);
  const allocation freed = found->second;
  if (!intact(freed)) report("cudaFree: there was a write beyond the allocation of %zu bytes", freed.bytes);
  device_memory.erase(found);
  shadow_destroy(freed.shadow);
  close_front(freed.block, false);
  set_open(freed, true);
  used -= freed.bytes;
  live_objects--;
  free(freed.block);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
  CALL(cudaErrorMemoryAllocation);
  (void)flags;
  if (!memory) return fails(cudaErrorInvalidValue);
  *memory = nullptr;
  if (!bytes) return cudaSuccess;
  void *block = nullptr;
  if (posix_memalign(&block, ALIGNMENT, bytes)) return fails(cudaErrorMemoryAllocation);
  memset(block, FILL, bytes);
  pinned_memory[static_cast<char *>(block)] = allocation{static_cast<char *>(block), bytes, block, nullptr};
  live_objects++;
  *memory = block;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) { return cudaHostAlloc(memory, bytes, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void *memory) {
  CALL(cudaErrorInvalidValue);
  if (!memory) return cudaSuccess;
  streams_finish();
  if (!pinned_memory.erase(static_cast<char *>(memory))) report("cudaFreeHost: %p is no allocation", memory);
  live_objects--;
  free(memory);
  return cudaSuccess;
}
