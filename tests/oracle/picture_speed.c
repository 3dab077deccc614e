/* How long pictures take from their files to fitted bytes, step by step; for bench/peers/load_pictures.py.
 *
 *   picture_speed SOURCE decode|steps|load SIZE THREADS EPOCHS [exact|fast]
 *
 * decode: files to pixels; steps: then stretched (lanczos) to SIZE x SIZE, each thread on every THREADS-th picture with
 * a room of its own for resizing, as a worker of the loader has;
 * load: the same through the loader, rows of bytes, THREADS workers.  One epoch is not timed.  Printed: the other
 * epochs' pictures, their seconds, processor seconds, and of all threads the seconds in decode and in resize (0: not
 * told apart); those are processor time, which other work on the machine disturbs less. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datasets/fit_room.h"
#include "datasets/loader.h"
#include "kernels/core/alloc.h"

enum { THREADS = 64 };

typedef struct {
  kohl_context ctx;
  const kohl_samples *samples;
  const kohl_preprocessing *pre;
  size_t first, step;
  bool resize, good;
  double decode_seconds, resize_seconds;
} job;

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *run_job(void *argument) {
  job *j = argument;
  kohl_decode_want want = kohl_fit_want(&j->pre->fit);
  char path[KOHL_SAMPLE_PATH];
  uint8_t *fitted = NULL;
  kohl_fit_room room;
  j->good = kohl_fit_room_make(&j->ctx, &room) == KOHL_OK &&
            kohl_alloc(&j->ctx, kohl_prepare_floats(j->pre), 1, "a fitted picture", &fitted) == KOHL_OK;
  for (size_t i = j->first; i < j->samples->count && j->good; i += j->step) {
    kohl_picture picture;
    double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    kohl_sample_path(j->samples, i, path);
    j->good = kohl_picture_read_for(&j->ctx, path, &j->pre->decode, j->resize ? &want : NULL, &picture) == KOHL_OK;
    double middle = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    if (j->good && j->resize) {
      j->good = kohl_picture_fit_to(&j->ctx, &picture, &j->pre->fit, &room, fitted) == KOHL_OK;
    }
    j->decode_seconds += middle - begin;
    j->resize_seconds += seconds_of(CLOCK_THREAD_CPUTIME_ID) - middle;
    kohl_picture_free(&j->ctx, &picture);
  }
  kohl_fit_room_free(&j->ctx, &room);
  kohl_free(&j->ctx, fitted);
  return NULL;
}

/* One epoch without the loader; adds to steps[2], the seconds in decode and in resize. */
static bool run_steps(kohl_context *ctx, const job *like, int threads, double *steps) {
  static job jobs[THREADS];
  pthread_t ids[THREADS];
  bool good = true;
  int made = 0;
  for (; made < threads && good; made += good) {
    jobs[made] = *like;
    jobs[made].ctx = kohl_context_worker(ctx);
    jobs[made].first = (size_t)made;
    good = pthread_create(&ids[made], NULL, run_job, &jobs[made]) == 0;
  }
  for (int t = 0; t < made; t++) {
    pthread_join(ids[t], NULL);
    if (!jobs[t].good) fprintf(stderr, "picture_speed: %s\n", kohl_context_error(&jobs[t].ctx));
    good = good && jobs[t].good;
    steps[0] += jobs[t].decode_seconds;
    steps[1] += jobs[t].resize_seconds;
  }
  return good;
}

static bool run_loader(kohl_loader *loader, const size_t *list, size_t count) {
  kohl_batch batch = {.count = 1};
  if (kohl_loader_begin(loader, list, count, 0) != KOHL_OK) return false;
  while (batch.count) {
    if (kohl_loader_next(loader, &batch) != KOHL_OK) return false;
  }
  return kohl_loader_read_stats(loader).skipped == 0;
}

static bool measure(kohl_context *ctx, kohl_samples *samples, const job *like, bool load, int threads, int epochs) {
  kohl_loader_options options = kohl_loader_options_default();
  kohl_loader *loader = NULL;
  size_t *list;
  double begin = 0, used = 0, steps[2] = {0, 0};
  options.workers = threads;
  options.bytes = true;
  bool good = kohl_alloc(ctx, samples->count, sizeof *list, "the list", &list) == KOHL_OK;
  for (size_t i = 0; good && i < samples->count; i++) list[i] = i;
  if (good && load) good = kohl_loader_create(ctx, samples, like->pre, &options, &loader) == KOHL_OK;
  for (int e = 0; e <= epochs && good; e++) {
    if (e == 1) { /* behind the one that warms up */
      begin = seconds_of(CLOCK_MONOTONIC);
      used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
      steps[0] = steps[1] = 0;
    }
    good = load ? run_loader(loader, list, samples->count) : run_steps(ctx, like, threads, steps);
  }
  if (good) {
    printf("%zu %.6f %.6f %.6f %.6f\n", samples->count * (size_t)epochs, seconds_of(CLOCK_MONOTONIC) - begin,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - used, steps[0], steps[1]);
  }
  kohl_loader_destroy(loader);
  kohl_free(ctx, list);
  return good;
}

int main(int argc, char **argv) {
  kohl_context *ctx = NULL;
  kohl_context_options options = kohl_context_options_default();
  kohl_preprocessing pre = kohl_preprocessing_default();
  kohl_samples samples;
  int size = argc > 3 ? atoi(argv[3]) : 0, threads = argc > 4 ? atoi(argv[4]) : 0,
      epochs = argc > 5 ? atoi(argv[5]) : 0;
  if (size < 1 || threads < 1 || threads > THREADS || epochs < 1) {
    fprintf(stderr, "usage: picture_speed SOURCE decode|steps|load SIZE THREADS EPOCHS [exact|fast]\n");
    return 1;
  }
  pre.fit = (kohl_fit){KOHL_FIT_STRETCH, KOHL_FILTER_LANCZOS, size, size, 0, 0, {255, 255, 255}};
  pre.decode.fast = argc > 6 && !strcmp(argv[6], "fast");
  options.threads = 1;
  bool good =
      kohl_context_create(&options, &ctx) == KOHL_OK && kohl_samples_open(ctx, argv[1], NULL, &samples) == KOHL_OK;
  if (good) {
    job like = {.samples = &samples, .pre = &pre, .step = (size_t)threads, .resize = !strcmp(argv[2], "steps")};
    good = measure(ctx, &samples, &like, !strcmp(argv[2], "load"), threads, epochs);
    kohl_samples_free(ctx, &samples);
  }
  if (!good) fprintf(stderr, "picture_speed: %s\n", ctx ? kohl_context_error(ctx) : "no context");
  kohl_context_destroy(ctx);
  return good ? 0 : 2;
}
