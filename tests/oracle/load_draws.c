/* What a loader hands out, one line for each draw, for tests/oracle/bad_files.py to compare.
 *
 *   load_draws SOURCE WORKERS [EPOCHS]
 *
 * Without EPOCHS each sample is drawn once, in the order of the list, and normalised.  With it every class is repeated
 * to a quarter more than the largest one has, the list is shuffled with the epoch's number, and each draw is augmented
 * with numbers of its own.  A line is "EPOCH DRAW BATCH LABEL OK CRC32C PATH", the path without SOURCE where it begins
 * with it; the CRC32C is that of the row of floats.  Warnings go to standard error, and a last line there says what was
 * counted. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/augment.h"
#include "datasets/balance.h"
#include "datasets/loader.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"

enum { SIDE = 16, SEED = 5, ORDER = 1 /* Philox's op of the shuffle */ };

typedef struct {
  kohl_context *ctx;
  const char *source;
  kohl_samples samples;
  kohl_loader *loader;
  kohl_augmentation augmentation;
  uint32_t epoch;
  atomic_bool failed; /* an augmentation */
} run;

static void warn(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level == KOHL_LOG_WARNING) fprintf(stderr, "%s\n", text);
}

/* Called by several workers: each takes a copy of the context. */
static void augment(void *user, uint64_t draw, const uint8_t *rgb, float *dst, void *workspace) {
  run *r = user;
  kohl_context ctx = kohl_context_worker(r->ctx);
  kohl_augment_params params;
  kohl_augment_picture picture = {rgb, SIDE, SIDE, dst, SIDE, SIDE};
  kohl_augment_draw(&r->augmentation, SEED, r->epoch, draw, &params);
  if (kohl_augment_apply(&ctx, &r->augmentation, &params, &picture, workspace) != KOHL_OK)
    atomic_store(&r->failed, true);
}

static void print_batch(const run *r, size_t number, const kohl_batch *batch) {
  char path[KOHL_SAMPLE_PATH];
  size_t before = strlen(r->source), floats = (size_t)SIDE * SIDE * 3;
  for (size_t i = 0; i < batch->count; i++) {
    const char *name = kohl_sample_path(&r->samples, batch->sample[i], path);
    if (strncmp(name, r->source, before) == 0 && name[before] == '/') name += before + 1;
    printf("%" PRIu32 " %" PRIu64 " %zu %d %d %08x %s\n", r->epoch, batch->draw[i], number, batch->label[i],
           batch->ok[i], kohl_crc32c(0, batch->floats + i * floats, floats * sizeof(float)), name);
  }
}

static kohl_status run_epoch(run *r, bool shuffled) {
  kohl_list list = {0};
  kohl_batch batch;
  size_t largest = 0, *count = NULL, number = 0;
  kohl_status status = kohl_list_of_split(r->ctx, &r->samples, KOHL_SPLIT_UNSET, &list);
  if (status == KOHL_OK) status = kohl_alloc(r->ctx, r->samples.class_count, sizeof *count, "counts", &count);
  if (status == KOHL_OK && shuffled) {
    kohl_list_count(&list, &r->samples, false, count);
    for (size_t c = 0; c < r->samples.class_count; c++) largest = count[c] > largest ? count[c] : largest;
    status = kohl_list_oversample(r->ctx, &r->samples, largest + largest / 4, SEED, &list);
    if (status == KOHL_OK) kohl_shuffle(list.sample, list.count, SEED, r->epoch, ORDER);
  }
  if (status == KOHL_OK) status = kohl_loader_begin(r->loader, list.sample, list.count, 0);
  for (batch.count = 1; status == KOHL_OK && batch.count; number++) {
    status = kohl_loader_next(r->loader, &batch);
    if (status == KOHL_OK) print_batch(r, number, &batch);
  }
  kohl_free(r->ctx, count);
  kohl_list_free(r->ctx, &list);
  return status;
}

static kohl_status load(run *r, int workers, int epochs) {
  kohl_preprocessing pre = kohl_preprocessing_default();
  kohl_loader_options options = kohl_loader_options_default();
  pre.fit = (kohl_fit){KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS, SIDE, SIDE, 0, 0, {255, 255, 255}};
  options.workers = workers;
  if (epochs) {
    options.augment = augment;
    options.augment_user = r;
    options.augment_bytes = kohl_augment_workspace(r->ctx, SIDE, SIDE);
  }
  kohl_status status = kohl_samples_open(r->ctx, r->source, NULL, &r->samples);
  if (status == KOHL_OK) status = kohl_loader_create(r->ctx, &r->samples, &pre, &options, &r->loader);
  do {
    if (status == KOHL_OK) status = run_epoch(r, epochs > 0);
  } while (status == KOHL_OK && (int)++r->epoch < epochs);
  if (status != KOHL_OK) return status;
  if (atomic_load(&r->failed)) return kohl_fail(r->ctx, KOHL_USAGE, "a picture was not augmented");
  kohl_loader_stats stats = kohl_loader_read_stats(r->loader);
  fprintf(stderr, "%zu samples, %zu left out or other, %zu bad\n", r->samples.count, r->samples.other_files, stats.bad);
  return KOHL_OK;
}

int main(int argc, char **argv) {
  kohl_context_options options = kohl_context_options_default();
  run r = {.augmentation = kohl_augmentation_none()};
  r.augmentation.rotation = 20;
  r.augmentation.width_shift = r.augmentation.height_shift = 0.1;
  r.augmentation.horizontal_flip = true;
  r.augmentation.brightness[0] = 0.8;
  r.augmentation.brightness[1] = 1.2;
  options.threads = 1;
  options.log = warn;
  if (argc < 3 || kohl_context_create(&options, &r.ctx) != KOHL_OK) {
    fprintf(stderr, "usage: load_draws SOURCE WORKERS [EPOCHS]\n");
    return 1;
  }
  r.source = argv[1];
  kohl_status status = load(&r, atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 0);
  if (status != KOHL_OK) fprintf(stderr, "load_draws: %s\n", kohl_context_error(r.ctx));
  kohl_loader_destroy(r.loader);
  kohl_samples_free(r.ctx, &r.samples);
  kohl_context_destroy(r.ctx);
  return status == KOHL_OK && fflush(stdout) == 0 ? 0 : 2;
}
