/* kohl.h: the public API of libkohl.  What is not here is not API.
 *
 * Every function that can fail returns a kohl_status and leaves one line of text in the context
 * (kohl_context_error): the file, the layer or field, the value and what was expected.  The library
 * never exits, aborts, prints or reads the environment.
 *
 * Threads: a kohl_context belongs to one thread at a time.  A kohl_model is immutable once opened and
 * may be shared; a kohl_session (memory and worker threads of one network) belongs to one thread at a time. */
#ifndef KOHL_KOHL_H
#define KOHL_KOHL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KOHL_API __attribute__((visibility("default")))
#else
#define KOHL_API
#endif

#define KOHL_VERSION "0.1.0"

/* What went wrong, in the order of the command's exit codes (see kohl_status_exit_code). */
typedef enum kohl_status {
  KOHL_OK = 0,
  KOHL_USAGE,       /* the caller asked for something that does not exist: exit code 1 */
  KOHL_BAD_INPUT,   /* a file, picture, recipe or label is malformed or missing: exit code 2 */
  KOHL_NOT_FINITE,  /* a value became NaN or infinite: exit code 3 */
  KOHL_NO_RESOURCE, /* memory, disk, threads or a device ran out or failed: exit code 4 */
  KOHL_INTERRUPTED, /* the caller's cancel callback said stop: exit code 130 */
} kohl_status;

/* A constant sentence for a status; never NULL. */
KOHL_API const char *kohl_status_text(kohl_status status);

/* The library's version, KOHL_VERSION of the build. */
KOHL_API const char *kohl_version(void);

typedef struct kohl_context kohl_context;
typedef struct kohl_model kohl_model;
typedef struct kohl_session kohl_session;

typedef enum kohl_log_level { KOHL_LOG_DEBUG, KOHL_LOG_INFO, KOHL_LOG_WARNING } kohl_log_level;

/* Memory of the library comes from here.  allocate returns memory aligned to 64 bytes or NULL; release
 * takes what allocate returned, or NULL.  Both may be called from any thread. */
typedef struct kohl_allocator {
  void *(*allocate)(size_t bytes, void *user);
  void (*release)(void *memory, void *user);
  void *user;
} kohl_allocator;

/* Options of a context.  Start from kohl_context_options_default(). */
typedef struct kohl_context_options {
  size_t struct_size;                                              /* sizeof(kohl_context_options) */
  kohl_allocator allocator;                                        /* both NULL: aligned_alloc and free */
  void (*log)(kohl_log_level level, const char *text, void *user); /* NULL: silent */
  void *log_user;
  bool (*cancel)(void *user); /* polled between layers; true stops with KOHL_INTERRUPTED; NULL: never */
  void *cancel_user;
  int threads;      /* worker threads, the caller's among them; 0: one per processor */
  const char *cpu;  /* highest CPU level to use: "ref", "avx2", "avx512"; NULL: the best this machine has */
  bool exact;       /* true: only kernels of accuracy class CHAIN, whose results are bit-equal everywhere */
  const char *impl; /* kernels by name, "op_direction=id[,...]", as "conv2d_fwd=ref"; NULL: the list's order */
} kohl_context_options;

KOHL_API kohl_context_options kohl_context_options_default(void);

/* Makes a context.  *out is the caller's, to be given to kohl_context_destroy.  options is only read
 * during the call (the strings too); NULL means the defaults.  On failure *out is NULL and, since there
 * is no context yet to hold a text, the status alone says why. */
KOHL_API kohl_status kohl_context_create(const kohl_context_options *options, kohl_context **out);

/* Where the networks of sessions that are made from now on run: "cpu", "cuda" (the first device) or "cuda:N".  Pictures
 * are read on the CPU in any case.  KOHL_USAGE for another word; KOHL_NO_RESOURCE where there is no such device or no
 * CUDA in this build: the context is then as it was.  Sessions made before must be gone. */
KOHL_API kohl_status kohl_context_use_device(kohl_context *context, const char *device);

/* Frees a context; NULL is allowed.  Models and sessions made with it must be gone before. */
KOHL_API void kohl_context_destroy(kohl_context *context);

/* The text of the last error in this context, "" if none.  Owned by the context, valid until its next call. */
KOHL_API const char *kohl_context_error(const kohl_context *context);

#ifdef __cplusplus
}
#endif

#endif
