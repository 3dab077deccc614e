/* Worker threads over pthreadpool.  Each worker claims units from one counter: that gives every unit a worker
 * number for its scratch memory, which pthreadpool's own loops do not. */
#include "kernels/core/threads.h"

#include <pthreadpool.h>
#include <stdatomic.h>
#include <unistd.h>

#include "kernels/core/alloc.h"

/* pthreadpool hands work over through futexes that ThreadSanitizer does not see; tell it where the order is. */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TSAN_ACQUIRE(address) __tsan_acquire(address)
#define TSAN_RELEASE(address) __tsan_release(address)
#else
#define TSAN_ACQUIRE(address) ((void)(address))
#define TSAN_RELEASE(address) ((void)(address))
#endif

struct kohl_threads {
  pthreadpool_t pool;
  size_t count;
  uint32_t flags; /* of pthreadpool: workers sleep at once between jobs where they outnumber the processors */
};

typedef struct {
  kohl_task task;
  void *state;
  size_t count;
  atomic_size_t next;
} job;

kohl_status kohl_threads_create(kohl_context *ctx, int n, kohl_threads **out) {
  *out = NULL;
  if (n < 0 || n > 1024)
    return kohl_fail(ctx, KOHL_USAGE, "threads: %d, expected 1 to 1024, or 0 for one per processor", n);
  kohl_threads *threads;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *threads, "the thread pool", &threads);
  if (status != KOHL_OK) return status;
  threads->pool = pthreadpool_create((size_t)n);
  if (!threads->pool) {
    kohl_free(ctx, threads);
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "threads: the system refused a pool of %d", n);
  }
  threads->count = pthreadpool_get_threads_count(threads->pool);
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (processors > 0 && threads->count > (size_t)processors) threads->flags = PTHREADPOOL_FLAG_YIELD_WORKERS;
  *out = threads;
  return KOHL_OK;
}

void kohl_threads_destroy(kohl_context *ctx, kohl_threads *threads) {
  if (!threads) return;
  pthreadpool_destroy(threads->pool);
  kohl_free(ctx, threads);
}

size_t kohl_threads_count(const kohl_threads *threads) { return threads ? threads->count : 1; }

static void work(void *context, size_t worker) {
  job *j = context;
  TSAN_ACQUIRE(j);
  for (;;) {
    size_t i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
    if (i >= j->count) break;
    j->task(j->state, i, worker);
  }
  TSAN_RELEASE(j);
}

void kohl_parallel(kohl_threads *threads, kohl_task task, void *state, size_t count) {
  size_t workers = kohl_threads_count(threads);
  if (workers == 1 || count <= 1) {
    for (size_t i = 0; i < count; i++) task(state, i, 0);
    return;
  }
  job j = {task, state, count, 0};
  TSAN_RELEASE(&j);
  pthreadpool_parallelize_1d(threads->pool, work, &j, workers < count ? workers : count, threads->flags);
  TSAN_ACQUIRE(&j);
}
