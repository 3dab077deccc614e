/* What the parts of the test runtime know of one another. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_RUNTIME_H
#define KOHL_TESTS_CUDA_ON_CPU_RUNTIME_H

#include "include/cuda_runtime.h"

/* Prints what a kernel (or the caller of the runtime) did wrong, and ends the process with KOHL_CUDA_REPORTED. */
[[noreturn]] void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* device.cpp: every runtime call begins with this; false: it is to fail with *error, which is then the last error. */
bool call_begins(const char *name, cudaError_t error);
cudaError_t fails(cudaError_t error); /* makes it the last error; returns it */
/* One call at a time; held while a kernel runs. */
struct runtime_lock {
  runtime_lock();
  ~runtime_lock();
};

#define CALL(error)  \
  runtime_lock lock; \
  if (!call_begins(__func__, error)) return error
extern long live_objects; /* allocations, streams, events, graphs that nobody has destroyed */

/* block.cpp: runs all blocks of a kernel; call->arguments stay. */
void kernel_run(const kohl_cuda_call *call);
/* Of the kernel that runs now; name NULL: none does. */
struct kernel_now {
  const char *name;
  unsigned long launch; /* counts launches; 0: none yet */
  unsigned long block;  /* linear, within the grid */
  unsigned thread;      /* linear, within the block */
  unsigned phase;       /* barriers of the block so far */
  unsigned warp_phase;  /* warp barriers of the thread's whole warp so far */
  const char *stack;    /* of the fiber that runs */
  size_t stack_bytes;
  const char *arguments;
  size_t argument_bytes;
};
extern kernel_now now;

/* shared.cpp */
void shared_block_ends();  /* reports writes beyond shared arrays */
void shared_kernel_ends(); /* frees them */

/* memory.cpp */
struct allocation {
  char *data;
  size_t bytes;
  void *block; /* what malloc gave */
  struct shadow *shadow;
};
size_t memory_total();              /* of the device, in bytes */
bool memory_pinned(const void *at); /* page-locked host memory */
void memory_check_canaries();       /* reports a write beyond an allocation */
/* Reports ranges that leave their allocation; false: an invalid value. */
bool memory_check_copy(const void *dst, const void *src, size_t bytes, cudaMemcpyKind kind);
void memory_check_set(const void *dst, size_t bytes);
void memory_copy(void *dst, const void *src, size_t bytes); /* now */
void memory_set(void *dst, int value, size_t bytes);
/* While one stands, the device's memory may be touched. */
struct memory_opening {
  memory_opening();
  ~memory_opening();
};

/* stream.cpp: runs what any stream still has to do. */
void streams_finish();

/* race.cpp, in the lane whose kernels are instrumented; elsewhere shadows are NULL and these do nothing. */
struct shadow *shadow_create(char *data, size_t bytes, bool shared);
void shadow_destroy(shadow *of);
void shadow_written(shadow *of, size_t from, size_t bytes); /* by a copy or a fill */
void shadow_block_begins(shadow *of);                       /* shared memory becomes undefined */
void shadow_atomic(void *at, size_t bytes);

#endif
