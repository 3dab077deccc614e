/* How fast pictures are loaded, by workers; run by hand.
 *
 *   loader_speed SOURCE SIZE [EPOCHS [exact|fast]]
 *
 * SOURCE is anything that kohl_samples_open takes, a pack too.  Every picture is fitted (letterbox, lanczos, white) to
 * SIZE x SIZE and handed out as normalised floats to somebody who only takes their CRC32C.  Printed per number of
 * workers: pictures/s of the best epoch, pictures per second of processor time (which other load disturbs less), both
 * again for epochs out of a cache that holds everything, the most bytes that a worker had at once, and the CRC32C of
 * all rows, which must be the same in all lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datasets/loader.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"

static kohl_context *context;
static size_t *list;

/* One epoch's seconds; *crc = of its rows. */
static double run_epoch(kohl_loader *loader, const kohl_samples *samples, size_t row_bytes, uint32_t *crc) {
  kohl_batch batch;
  *crc = 0;
  if (kohl_loader_begin(loader, list, samples->count, 0) != KOHL_OK) return -1;
  do {
    if (kohl_loader_next(loader, &batch) != KOHL_OK) return -1;
    *crc = kohl_crc32c(*crc, batch.floats, batch.count * row_bytes);
  } while (batch.count);
  return kohl_loader_read_stats(loader).seconds;
}

static double processor_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool measure(kohl_samples *samples, const kohl_preprocessing *pre, int workers, int epochs) {
  kohl_loader_options options = kohl_loader_options_default();
  kohl_loader *loader;
  double best[2] = {1e9, 1e9}, least[2] = {1e9, 1e9}; /* seconds, of processors */
  uint32_t crc = 0;
  size_t peak = 0, row_bytes = kohl_prepare_floats(pre) * sizeof(float);
  options.workers = workers;
  for (int cached = 0; cached < 2; cached++) {
    if (cached && kohl_cache_create(context, samples->count, &pre->fit, SIZE_MAX, &options.cache) != KOHL_OK)
      return false;
    if (kohl_loader_create(context, samples, pre, &options, &loader) != KOHL_OK) return false;
    for (int e = 0; e < epochs + cached; e++) { /* the first epoch fills the cache */
      double before = processor_seconds(), seconds = run_epoch(loader, samples, row_bytes, &crc);
      double used = processor_seconds() - before;
      if (seconds < 0) return false;
      if (e >= cached && seconds < best[cached]) best[cached] = seconds;
      if (e >= cached && used < least[cached]) least[cached] = used;
    }
    if (!cached) peak = kohl_loader_read_stats(loader).decode_peak;
    kohl_loader_destroy(loader);
  }
  kohl_cache_destroy(context, options.cache);
  double n = (double)samples->count;
  printf("%7d  %10.0f  %13.0f  %10.0f  %13.0f  %12zu  %08x\n", workers, n / best[0], n / least[0], n / best[1],
         n / least[1], peak, crc);
  return true;
}

int main(int argc, char **argv) {
  static const int workers[] = {0, 1, 2, 4};
  kohl_context_options options = kohl_context_options_default();
  kohl_preprocessing pre = kohl_preprocessing_default();
  kohl_samples samples;
  if (argc < 3) {
    fprintf(stderr, "usage: loader_speed SOURCE SIZE [EPOCHS [exact|fast]]\n");
    return 1;
  }
  int size = atoi(argv[2]), epochs = argc > 3 ? atoi(argv[3]) : 3;
  pre.fit = (kohl_fit){KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS, size, size, 0, 0, {255, 255, 255}};
  pre.decode.fast = argc > 4 && !strcmp(argv[4], "fast");
  options.threads = 1;
  bool good = kohl_context_create(&options, &context) == KOHL_OK &&
              kohl_samples_open(context, argv[1], NULL, &samples) == KOHL_OK &&
              kohl_alloc(context, samples.count, sizeof *list, "the list", &list) == KOHL_OK;
  for (size_t i = 0; good && i < samples.count; i++) list[i] = i;
  if (good) printf("workers  pictures/s  processor sec    cached/s  processor sec  decode bytes  CRC32C of all rows\n");
  for (int w = 0; w < 4 && good; w++) good = measure(&samples, &pre, workers[w], epochs);
  if (!good) fprintf(stderr, "loader_speed: %s\n", context ? kohl_context_error(context) : "no context");
  return good ? 0 : 2;
}
