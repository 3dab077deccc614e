/* The context: what every call of the library is given.  It holds the allocator, the callbacks, the CPU
 * level in force, the worker threads and the text of the last error; there are no globals.
 *
 * A worker thread that may fail on its own (a decoder) works on a copy made by kohl_context_worker, so that
 * error texts do not mix. */
#ifndef KOHL_KERNELS_CORE_CONTEXT_H
#define KOHL_KERNELS_CORE_CONTEXT_H

#include "kernels/core/cpu.h"
#include "kernels/core/threads.h"
#include "kohl/kohl.h"

enum { KOHL_ERROR_TEXT = 1024, KOHL_IMPL_TEXT = 256 };

struct kohl_device;
struct kohl_kernel_record;

struct kohl_context {
  kohl_allocator allocator;
  void (*log)(kohl_log_level level, const char *text, void *user);
  void *log_user;
  bool (*cancel)(void *user);
  void *cancel_user;
  unsigned caps;              /* capability bits of cpu.h that kernels may use */
  kohl_threads *threads;      /* owned by the context that created it; NULL in a worker's copy */
  struct kohl_device *device; /* where networks run; owned, NULL: the CPU; a worker's copy has none */
  bool exact;
  char impl[KOHL_IMPL_TEXT]; /* "" or "op_direction=id,..." */
  char *
      packed; /* owned, NULL in a worker's copy: the file of packed weights, "auto": MODEL.packed; NULL: none is kept */
  struct kohl_kernel_record *chosen; /* borrowed, NULL in a worker's copy: takes down the kernels that are chosen */
  struct kohl_kernel_record *again;  /* likewise: those that are to be chosen where they can run */
  char error[KOHL_ERROR_TEXT];
};

/* Writes the text of an error into the context and returns status, so that a failing function ends with
 * `return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: ...", path)`.  One line, without a final full stop. */
kohl_status kohl_fail(kohl_context *ctx, kohl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the error text, to name the file or layer that a deeper function did not know. */
void kohl_fail_prefix(kohl_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

void kohl_log(kohl_context *ctx, kohl_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* KOHL_INTERRUPTED (with a text) when the caller's cancel callback says stop, else KOHL_OK. */
kohl_status kohl_check_cancel(kohl_context *ctx);

/* Sessions that are made from now on, and only infer on the CPU, keep their packed weights in the file at path (copied;
 * "auto": the model's name with .packed behind it) and take them from there where they fit; NULL or "": they do not. */
kohl_status kohl_context_keep_packed(kohl_context *ctx, const char *path);

/* A copy for a worker thread: same allocator, level and log, its own error text, no thread pool. */
kohl_context kohl_context_worker(const kohl_context *ctx);

#endif
