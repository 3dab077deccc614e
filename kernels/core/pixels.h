/* Pixels handed to the workers in blocks: the loop around every op whose pixels do not depend on each other.
 *
 * A block is about 32 KiB of floats, small enough to balance two uneven cores and large enough that claiming it
 * costs nothing.  Its size is a function of the shape alone; no number depends on where a block ends. */
#ifndef KOHL_KERNELS_CORE_PIXELS_H
#define KOHL_KERNELS_CORE_PIXELS_H

#include "kernels/core/kernel.h"

/* Computes pixels first .. first + count - 1 of an op. */
typedef void (*kohl_pixels_work)(const void *desc, const kohl_args *args, size_t first, size_t count);

typedef struct kohl_pixels_job {
  const void *desc;
  const kohl_args *args;
  kohl_pixels_work work;
  size_t pixels, block;
} kohl_pixels_job;

static inline void kohl_pixels_unit(void *state, size_t index, size_t worker) {
  (void)worker;
  const kohl_pixels_job *job = (const kohl_pixels_job *)state; /* C++ reads this too */
  size_t first = index * job->block, left = job->pixels - first;
  job->work(job->desc, job->args, first, left < job->block ? left : job->block);
}

/* Runs work over `pixels` pixels of c >= 1 floats each.  threads may be NULL. */
static inline void kohl_pixels_run(const void *desc, const kohl_args *args, kohl_threads *threads,
                                   kohl_pixels_work work, size_t pixels, size_t c) {
  size_t block = c < 8192 ? 8192 / c : 1;
  kohl_pixels_job job = {desc, args, work, pixels, block};
  kohl_parallel(threads, kohl_pixels_unit, &job, (pixels + block - 1) / block);
}

#endif
