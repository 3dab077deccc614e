/* Files of equal lengths are candidates for copies, and only those are read. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "datasets/scan.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"

enum { ROUND = 256 };

typedef struct {
  uint64_t bytes;
  size_t sample;
} candidate;

typedef struct {
  const kohl_context *ctx;
  const kohl_samples *samples;
  kohl_scan *scan;
  const candidate *round;
  kohl_status status[ROUND];
  char text[ROUND][KOHL_ERROR_TEXT];
} job;

static int by_bytes(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
  return (x->sample > y->sample) - (x->sample < y->sample);
}

/* 0: nothing there that could be compared. */
static uint64_t bytes_of(const kohl_samples *samples, size_t i) {
  int w, h;
  size_t bytes;
  char path[KOHL_SAMPLE_PATH];
  struct stat st;
  if (kohl_sample_pixels(samples, i, &w, &h, &bytes)) return bytes;
  return stat(kohl_sample_path(samples, i, path), &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void sum(void *state, size_t i, size_t worker) {
  (void)worker;
  job *j = state;
  kohl_context ctx = kohl_context_worker(j->ctx);
  size_t length, at = j->round[i].sample;
  uint8_t *bytes;
  j->status[i] = kohl_sample_load(&ctx, j->samples, at, &bytes, &length);
  if (j->status[i] == KOHL_OK) {
    j->scan->picture[at].crc = kohl_crc32c(0, bytes, length);
    j->scan->picture[at].bytes = length;
    kohl_free(&ctx, bytes);
  } else {
    memcpy(j->text[i], ctx.error, sizeof j->text[i]);
  }
}

static kohl_status sum_all(kohl_context *ctx, job *j, const candidate *candidates, size_t count) {
  for (size_t first = 0; first < count; first += ROUND) {
    size_t n = count - first < ROUND ? count - first : ROUND;
    kohl_status status = kohl_check_cancel(ctx);
    if (status != KOHL_OK) return status;
    j->round = candidates + first;
    kohl_parallel(ctx->threads, sum, j, n);
    for (size_t i = 0; i < n; i++) {
      if (j->status[i] == KOHL_OK || j->status[i] == KOHL_BAD_INPUT) continue;
      return kohl_fail(ctx, j->status[i], "%s", j->text[i]);
    }
  }
  return KOHL_OK;
}

kohl_status kohl_scan_files(kohl_context *ctx, const kohl_samples *samples, kohl_scan *scan) {
  static const char what[] = "looking for copies";
  candidate *all = NULL;
  job *j = NULL;
  size_t n = samples->count, count = 0;
  scan->files_only = true;
  kohl_status status = kohl_alloc(ctx, n, sizeof *scan->picture, what, &scan->picture);
  if (status == KOHL_OK) status = kohl_alloc(ctx, n, sizeof *all, what, &all);
  if (status == KOHL_OK) status = kohl_alloc(ctx, 1, sizeof *j, what, &j);
  if (status == KOHL_OK) {
    for (size_t i = 0; i < n; i++) all[i] = (candidate){bytes_of(samples, i), i};
    qsort(all, n, sizeof *all, by_bytes);
    for (size_t i = 0, end; i < n; i = end) {
      for (end = i + 1; end < n && all[end].bytes == all[i].bytes;) end++;
      if (end - i < 2 || !all[i].bytes) continue;
      memmove(all + count, all + i, (end - i) * sizeof *all);
      count += end - i;
    }
    j->ctx = ctx;
    j->samples = samples;
    j->scan = scan;
    status = sum_all(ctx, j, all, count);
  }
  kohl_free(ctx, all);
  kohl_free(ctx, j);
  return status;
}
