/* Making and freeing a context; errors and log lines. */
#include "kernels/core/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/device.h"

kohl_context_options kohl_context_options_default(void) {
  kohl_context_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  return options;
}

kohl_status kohl_context_create(const kohl_context_options *options, kohl_context **out) {
  kohl_context_options defaults = kohl_context_options_default();
  if (!options) options = &defaults;
  *out = NULL;
  if (options->struct_size != sizeof *options) return KOHL_USAGE;
  if (options->impl && strlen(options->impl) >= KOHL_IMPL_TEXT) return KOHL_USAGE;
  kohl_allocator allocator = options->allocator;
  if (!allocator.allocate || !allocator.release)
    allocator = (kohl_allocator){kohl_default_allocate, kohl_default_release, NULL};
  unsigned caps = kohl_cpu_detect();
  if (options->cpu && !kohl_cpu_limit(options->cpu, &caps)) return KOHL_USAGE;

  kohl_context *ctx = allocator.allocate(sizeof *ctx, allocator.user);
  if (!ctx) return KOHL_NO_RESOURCE;
  memset(ctx, 0, sizeof *ctx);
  ctx->allocator = allocator;
  ctx->log = options->log;
  ctx->log_user = options->log_user;
  ctx->cancel = options->cancel;
  ctx->cancel_user = options->cancel_user;
  ctx->caps = caps;
  ctx->exact = options->exact;
  if (options->impl) strcpy(ctx->impl, options->impl);
  kohl_status status = kohl_threads_create(ctx, options->threads, &ctx->threads);
  if (status != KOHL_OK) {
    allocator.release(ctx, allocator.user);
    return status;
  }
  *out = ctx;
  return KOHL_OK;
}

void kohl_context_destroy(kohl_context *context) {
  if (!context) return;
  kohl_device_close(context, context->device);
  kohl_threads_destroy(context, context->threads);
  kohl_free(context, context->packed);
  context->allocator.release(context, context->allocator.user);
}

kohl_status kohl_context_keep_packed(kohl_context *ctx, const char *path) {
  char *copy = NULL;
  kohl_status status = path && *path ? kohl_strdup(ctx, path, &copy) : KOHL_OK;
  if (status != KOHL_OK) return status;
  kohl_free(ctx, ctx->packed);
  ctx->packed = copy;
  return KOHL_OK;
}

kohl_status kohl_context_use_device(kohl_context *context, const char *device) {
  kohl_device *opened = NULL;
  int number = 0;
  char more;
  if (strcmp(device, "cpu") != 0 && strcmp(device, "cuda") != 0 &&
      (sscanf(device, "cuda:%9d%c", &number, &more) != 1 || number < 0)) {
    return kohl_fail(context, KOHL_USAGE, "device '%.64s', expected cpu, cuda or cuda:N", device);
  }
  if (strcmp(device, "cpu") != 0) {
    kohl_status status = kohl_device_open(context, number, &opened);
    if (status != KOHL_OK) return status;
  }
  kohl_device_close(context, context->device);
  context->device = opened;
  context->caps = (context->caps & ~(unsigned)KOHL_CAP_CUDA) | (opened ? (unsigned)KOHL_CAP_CUDA : 0);
  return KOHL_OK;
}

const char *kohl_context_error(const kohl_context *context) { return context->error; }

kohl_status kohl_fail(kohl_context *ctx, kohl_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(ctx->error, sizeof ctx->error, format, args);
  va_end(args);
  return status;
}

void kohl_fail_prefix(kohl_context *ctx, const char *format, ...) {
  char old[KOHL_ERROR_TEXT];
  memcpy(old, ctx->error, sizeof old);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(ctx->error, sizeof ctx->error, format, args);
  va_end(args);
  if (n >= 0 && (size_t)n < sizeof ctx->error) {
    snprintf(ctx->error + n, sizeof ctx->error - (size_t)n, ": %.*s", (int)(sizeof ctx->error - (size_t)n - 3), old);
  }
}

void kohl_log(kohl_context *ctx, kohl_log_level level, const char *format, ...) {
  if (!ctx->log) return;
  char text[KOHL_ERROR_TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  ctx->log(level, text, ctx->log_user);
}

kohl_status kohl_check_cancel(kohl_context *ctx) {
  if (ctx->cancel && ctx->cancel(ctx->cancel_user)) return kohl_fail(ctx, KOHL_INTERRUPTED, "interrupted");
  return KOHL_OK;
}

kohl_context kohl_context_worker(const kohl_context *ctx) {
  kohl_context worker = *ctx;
  worker.threads = NULL;
  worker.device = NULL;
  worker.packed = NULL;
  worker.chosen = worker.again = NULL;
  worker.error[0] = 0;
  return worker;
}
