/* One run of a CUDA kernel on copies of host memory in the device's. */
#include "tests/kernelcheck/device_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(kohl_context *ctx, const kohl_kernel *kernel, kohl_status status) {
  if (status == KOHL_OK) return;
  fflush(stdout);
  fprintf(stderr, "kernelcheck: %s %s %s: %s\n", kernel->op, kohl_direction_name(kernel->direction), kernel->id,
          kohl_context_error(ctx));
  exit(4);
}

/* A block in the device's memory; the data lies where an address of the host would have the same alignment. */
typedef struct mirror {
  void *memory;
  char *data;
  size_t before, after; /* bytes of canaries that are copied too */
} mirror;

enum { ALIGNMENT = 256 };

static void *mirror_make(kohl_context *ctx, const kohl_kernel *kernel, const guarded *host, bool canaries,
                         mirror *out) {
  *out = (mirror){NULL, NULL, 0, 0};
  if (!host->base) return NULL;
  size_t shift = host->before % ALIGNMENT;
  if (canaries) out->before = host->before, out->after = guarded_after(host);
  size_t bytes = (canaries ? out->before : shift) + host->bytes + out->after;
  need(ctx, kernel, kohl_device_alloc(ctx, ctx->device, bytes, "a tensor", &out->memory));
  out->data = (char *)out->memory + (canaries ? out->before : shift);
  need(ctx, kernel,
       kohl_device_upload(ctx, ctx->device, out->data - out->before, (const char *)host->data - out->before,
                          out->before + host->bytes + out->after));
  return out->data;
}

static void mirror_back(kohl_context *ctx, const kohl_kernel *kernel, guarded *host, const mirror *m) {
  if (!m->memory) return;
  need(ctx, kernel,
       kohl_device_download(ctx, ctx->device, (char *)host->data - m->before, m->data - m->before,
                            m->before + host->bytes + m->after));
}

/* What a baseline's library refused to run, which is then forgotten. */
static bool refused(kohl_context *ctx, const kohl_kernel *kernel, char *why, size_t why_bytes) {
  kohl_stream *stream = kohl_device_stream(ctx->device);
  if (kernel->kind != KOHL_KIND_BASELINE || !stream->failure) return false;
  snprintf(why, why_bytes, "%s", stream->failed);
  stream->failure = 0;
  return true;
}

bool device_run(kohl_context *ctx, const kohl_kernel *kernel, const void *desc, const guarded in[KOHL_ARGS_IN],
                guarded out[KOHL_ARGS_OUT], guarded *workspace, bool canaries, char *why, size_t why_bytes) {
  kohl_args args;
  mirror ins[KOHL_ARGS_IN], outs[KOHL_ARGS_OUT], scratch;
  memset(&args, 0, sizeof args);
  for (int i = 0; i < KOHL_ARGS_OUT; i++) args.out[i] = mirror_make(ctx, kernel, &out[i], canaries, &outs[i]);
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    int same = 0;
    while (same < KOHL_ARGS_OUT && !(out[same].base && out[same].base == in[i].base)) same++;
    ins[i] = (mirror){NULL, NULL, 0, 0};
    args.in[i] = same < KOHL_ARGS_OUT ? args.out[same] : mirror_make(ctx, kernel, &in[i], false, &ins[i]);
  }
  args.workspace = mirror_make(ctx, kernel, workspace, canaries, &scratch);
  if (!workspace->bytes) args.workspace = NULL;
  need(ctx, kernel, kohl_device_wait(ctx, ctx->device));
  kernel->cuda->launch(desc, &args, kohl_device_stream(ctx->device));
  bool ran = !refused(ctx, kernel, why, why_bytes);
  need(ctx, kernel, kohl_device_launched(ctx, ctx->device, "check"));
  for (int i = 0; i < KOHL_ARGS_OUT; i++) mirror_back(ctx, kernel, &out[i], &outs[i]);
  mirror_back(ctx, kernel, workspace, &scratch);
  need(ctx, kernel, kohl_device_wait(ctx, ctx->device));
  for (int i = 0; i < KOHL_ARGS_IN; i++) kohl_device_free(ctx->device, ins[i].memory);
  for (int i = 0; i < KOHL_ARGS_OUT; i++) kohl_device_free(ctx->device, outs[i].memory);
  kohl_device_free(ctx->device, scratch.memory);
  return ran;
}
