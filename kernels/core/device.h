/* A GPU: its memory, its stream of work, and graphs recorded from it.  C sees this header; CUDA itself is seen by
 * device.cu and the kernels (cuda.h) only.
 *
 * A build without CUDA has these functions too (device_none.c): opening a device then fails and says why.
 *
 * Everything is put on one stream and done in order; calls that hand over memory of the host return at once, so that
 * memory must stay as it is until kohl_device_wait.  An error that CUDA reports late is found by the next wait.  A
 * device belongs to one thread at a time.  Errors are KOHL_NO_RESOURCE with a text that begins "cuda:N: ". */
#ifndef KOHL_KERNELS_CORE_DEVICE_H
#define KOHL_KERNELS_CORE_DEVICE_H

#include "kernels/core/context.h"

/* What a launch is given. */
typedef struct kohl_stream {
  void *handle;                /* cudaStream_t */
  int number, multiprocessors; /* of the device */
  int failure;                 /* the first cudaError_t of a launch, 0 for none; nothing is launched after it */
  const char *failed;          /* the kernel that it was */
  bool recording;              /* between kohl_device_record and kohl_device_recorded */
  void *libraries;             /* handles of vendors' libraries, for baselines; NULL until one is used */
} kohl_stream;

typedef struct kohl_device kohl_device;
typedef struct kohl_device_graph kohl_device_graph;

typedef struct kohl_device_info {
  int number;
  char name[128];
  int major, minor; /* compute capability */
  int multiprocessors, clock_mhz, memory_clock_mhz, memory_bits, l2_bytes;
  size_t memory, available; /* bytes; available: not taken by anybody now */
  int driver, runtime;      /* 1000 * major + 10 * minor */
} kohl_device_info;

/* How many devices there are.  0 with *why, a constant sentence: no CUDA in this build, no driver, no device. */
int kohl_device_count(const char **why);
kohl_status kohl_device_describe(kohl_context *ctx, int number, kohl_device_info *out);

/* Opens device `number`.  *out is the caller's until kohl_device_close, which waits for its work. */
kohl_status kohl_device_open(kohl_context *ctx, int number, kohl_device **out);
void kohl_device_close(kohl_context *ctx, kohl_device *device);
kohl_stream *kohl_device_stream(kohl_device *device);
int kohl_device_number(const kohl_device *device);

/* The folder in which vendors' libraries are looked for (kernels/core/vendor.h), before the first is used; without it,
 * where the loader looks. */
kohl_status kohl_device_libraries(kohl_context *ctx, kohl_device *device, const char *folder);

/* bytes (at least 1) of the device's memory, zeroed, aligned to 256; *out is NULL on failure, whose text has what it
 * was for, the bytes asked and those available. */
kohl_status kohl_device_alloc(kohl_context *ctx, kohl_device *device, size_t bytes, const char *what, void **out);
void kohl_device_free(kohl_device *device, void *memory); /* NULL is allowed */
kohl_status kohl_device_available(kohl_context *ctx, kohl_device *device, size_t *bytes);

/* Memory of the host that copies are fast from, zeroed; the same rules. */
kohl_status kohl_device_alloc_host(kohl_context *ctx, kohl_device *device, size_t bytes, const char *what, void **out);
void kohl_device_free_host(kohl_device *device, void *memory);

/* Copies put on the stream; bytes 0 does nothing. */
kohl_status kohl_device_upload(kohl_context *ctx, kohl_device *device, void *to, const void *from_host, size_t bytes);
kohl_status kohl_device_download(kohl_context *ctx, kohl_device *device, void *to_host, const void *from, size_t bytes);
kohl_status kohl_device_copy(kohl_context *ctx, kohl_device *device, void *to, const void *from, size_t bytes);

/* Waits until all that was put on the stream is done.  A launch that failed is reported here at the latest. */
kohl_status kohl_device_wait(kohl_context *ctx, kohl_device *device);

/* KOHL_OK, or the failed launch that the stream remembers; `what` (a layer, "update") goes into the text. */
kohl_status kohl_device_launched(kohl_context *ctx, kohl_device *device, const char *what);

/* Between record and recorded nothing is done: what is put on the stream becomes *out, the caller's until
 * kohl_device_graph_destroy (NULL is allowed).  recorded must follow record also where something in between failed;
 * it then gives that failure. */
kohl_status kohl_device_record(kohl_context *ctx, kohl_device *device);
kohl_status kohl_device_recorded(kohl_context *ctx, kohl_device *device, kohl_device_graph **out);
kohl_status kohl_device_replay(kohl_context *ctx, kohl_device *device, kohl_device_graph *graph);
void kohl_device_graph_destroy(kohl_device_graph *graph);
size_t kohl_device_graph_nodes(const kohl_device_graph *graph);

/* Seconds that the work put on the stream between begin and end took, by the device's own clock; end waits. */
kohl_status kohl_device_time_begin(kohl_context *ctx, kohl_device *device);
kohl_status kohl_device_time_end(kohl_context *ctx, kohl_device *device, double *seconds);

#endif
