/* The device layer of a build without CUDA: there is no device, and no pointer to one ever exists. */
#include "kernels/core/device.h"

#include <string.h>

static const char without[] = "this build of kohl has no CUDA (it is built where nvcc is found)";

int kohl_device_count(const char **why) {
  *why = without;
  return 0;
}

static kohl_status none(kohl_context *ctx) { return kohl_fail(ctx, KOHL_NO_RESOURCE, "cuda: %s", without); }

kohl_status kohl_device_describe(kohl_context *ctx, int number, kohl_device_info *out) {
  memset(out, 0, sizeof *out);
  out->number = number;
  return none(ctx);
}

kohl_status kohl_device_open(kohl_context *ctx, int number, kohl_device **out) {
  (void)number;
  *out = NULL;
  return none(ctx);
}

void kohl_device_close(kohl_context *ctx, kohl_device *device) { (void)ctx, (void)device; }
kohl_stream *kohl_device_stream(kohl_device *device) { return (void)device, NULL; }
int kohl_device_number(const kohl_device *device) { return (void)device, 0; }

kohl_status kohl_device_libraries(kohl_context *ctx, kohl_device *device, const char *folder) {
  (void)device, (void)folder;
  return none(ctx);
}

kohl_status kohl_device_alloc(kohl_context *ctx, kohl_device *device, size_t bytes, const char *what, void **out) {
  (void)device, (void)bytes, (void)what;
  *out = NULL;
  return none(ctx);
}

void kohl_device_free(kohl_device *device, void *memory) { (void)device, (void)memory; }

kohl_status kohl_device_available(kohl_context *ctx, kohl_device *device, size_t *bytes) {
  (void)device;
  *bytes = 0;
  return none(ctx);
}

kohl_status kohl_device_alloc_host(kohl_context *ctx, kohl_device *device, size_t bytes, const char *what, void **out) {
  return kohl_device_alloc(ctx, device, bytes, what, out);
}

void kohl_device_free_host(kohl_device *device, void *memory) { (void)device, (void)memory; }

kohl_status kohl_device_upload(kohl_context *ctx, kohl_device *device, void *to, const void *from_host, size_t bytes) {
  (void)device, (void)to, (void)from_host, (void)bytes;
  return none(ctx);
}

kohl_status kohl_device_download(kohl_context *ctx, kohl_device *device, void *to_host, const void *from,
                                 size_t bytes) {
  return kohl_device_upload(ctx, device, to_host, from, bytes);
}

kohl_status kohl_device_copy(kohl_context *ctx, kohl_device *device, void *to, const void *from, size_t bytes) {
  return kohl_device_upload(ctx, device, to, from, bytes);
}

kohl_status kohl_device_wait(kohl_context *ctx, kohl_device *device) { return (void)device, none(ctx); }

kohl_status kohl_device_launched(kohl_context *ctx, kohl_device *device, const char *what) {
  (void)device, (void)what;
  return none(ctx);
}

kohl_status kohl_device_record(kohl_context *ctx, kohl_device *device) { return (void)device, none(ctx); }

kohl_status kohl_device_recorded(kohl_context *ctx, kohl_device *device, kohl_device_graph **out) {
  (void)device;
  *out = NULL;
  return none(ctx);
}

kohl_status kohl_device_replay(kohl_context *ctx, kohl_device *device, kohl_device_graph *graph) {
  (void)device, (void)graph;
  return none(ctx);
}

void kohl_device_graph_destroy(kohl_device_graph *graph) { (void)graph; }
size_t kohl_device_graph_nodes(const kohl_device_graph *graph) { return (void)graph, 0; }
kohl_status kohl_device_time_begin(kohl_context *ctx, kohl_device *device) { return (void)device, none(ctx); }

kohl_status kohl_device_time_end(kohl_context *ctx, kohl_device *device, double *seconds) {
  (void)device;
  *seconds = 0;
  return none(ctx);
}
