/* Worker threads: one pool per context, over pthreadpool. */
#ifndef KOHL_KERNELS_CORE_THREADS_H
#define KOHL_KERNELS_CORE_THREADS_H

#include <stddef.h>

#include "kohl/kohl.h"

typedef struct kohl_threads kohl_threads;

/* One unit of work.  index is its number; worker < kohl_threads_count says whose scratch memory it may use:
 * two units that run at the same time have different workers. */
typedef void (*kohl_task)(void *state, size_t index, size_t worker);

/* A pool of n threads, the caller's among them; 0 means one per processor.  More than processors is allowed.
 * Owned by the caller until kohl_threads_destroy. */
kohl_status kohl_threads_create(kohl_context *ctx, int n, kohl_threads **out);
void kohl_threads_destroy(kohl_context *ctx, kohl_threads *threads);

/* The number of workers; NULL is one thread. */
size_t kohl_threads_count(const kohl_threads *threads);

/* Runs task(state, i, worker) for every i < count and returns when all are done.  Units are claimed in
 * ascending order, one at a time, so an uneven pair of cores stays balanced.  threads may be NULL. */
void kohl_parallel(kohl_threads *threads, kohl_task task, void *state, size_t count);

#endif
