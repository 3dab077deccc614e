/* One picture is one unit of work; what was found is settled in the list's order after every round. */
#include "datasets/scan.h"

#include <string.h>

#include "datasets/fit.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"

enum { ROUND = 256 };

typedef struct {
  kohl_status status;
  const char *mode;
  char text[KOHL_ERROR_TEXT];
} result;

typedef struct {
  const kohl_context *ctx;
  const kohl_samples *samples;
  kohl_scan *scan;
  result *results;
  size_t first;
} job;

kohl_status kohl_picture_look(kohl_context *ctx, const kohl_picture *picture, kohl_look *out) {
  kohl_fit fit = {KOHL_FIT_STRETCH, KOHL_FILTER_BOX, KOHL_LOOK_W, KOHL_LOOK_H, 0, 0.0, {0, 0, 0}};
  kohl_picture small;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_picture_fit(ctx, picture, &fit, &small);
  if (status != KOHL_OK) return status;
  for (int y = 0; y < KOHL_LOOK_H; y++) {
    int before = 0;
    for (int x = 0; x < KOHL_LOOK_W; x++) {
      const uint8_t *rgb = small.rgb + 3 * (KOHL_LOOK_W * y + x);
      int grey = 299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]; /* of which the hash takes every digit */
      out->grey[y][x] = (uint8_t)((grey + 500) / 1000);
      if (x > 0 && before < grey) out->difference |= UINT64_C(1) << (8 * y + x - 1);
      before = grey;
    }
  }
  kohl_picture_free(ctx, &small);
  return KOHL_OK;
}

static void look(void *state, size_t i, size_t worker) {
  (void)worker;
  const job *j = state;
  size_t at = j->first + i;
  result *r = &j->results[i];
  kohl_scan_picture *p = &j->scan->picture[at];
  kohl_context ctx = kohl_context_worker(j->ctx);
  uint8_t *bytes;
  size_t length;
  kohl_picture picture = {0};
  r->status = kohl_sample_load(&ctx, j->samples, at, &bytes, &length);
  if (r->status == KOHL_OK) {
    r->status = kohl_sample_decode(&ctx, j->samples, at, bytes, length, NULL, &picture);
    p->crc = kohl_crc32c(0, bytes, length);
    p->bytes = length;
    kohl_free(&ctx, bytes);
  }
  r->mode = picture.mode;
  if (r->status == KOHL_OK) r->status = kohl_picture_look(&ctx, &picture, &p->look);
  if (r->status == KOHL_OK) {
    p->w = (uint16_t)picture.w;
    p->h = (uint16_t)picture.h;
  } else {
    memcpy(r->text, ctx.error, sizeof r->text);
  }
  kohl_picture_free(&ctx, &picture);
}

kohl_status kohl_scan_left_out(kohl_context *ctx, kohl_scan *scan, const char *path, const char *reason) {
  kohl_scan_bad bad = {NULL, NULL};
  kohl_status status =
      kohl_grow(ctx, &scan->bad, &scan->bad_capacity, scan->bad_count + 1, sizeof *scan->bad, "the bad pictures");
  if (status == KOHL_OK) status = kohl_strdup(ctx, path, &bad.path);
  if (status == KOHL_OK) status = kohl_strdup(ctx, reason, &bad.reason);
  if (status == KOHL_OK) {
    scan->bad[scan->bad_count++] = bad;
  } else {
    kohl_free(ctx, bad.path);
  }
  return status;
}

/* Error texts begin with the path, which the report gives by itself. */
static const char *without_path(const char *text, const char *path) {
  size_t length = strlen(path);
  return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2 : text;
}

static kohl_status enter_mode(kohl_context *ctx, kohl_scan *scan, const char *mode, uint8_t *out) {
  size_t m = 0;
  while (m < scan->mode_count && strcmp(scan->modes[m], mode) != 0) m++;
  if (m == KOHL_SCAN_MODES) return kohl_fail(ctx, KOHL_USAGE, "more than %d kinds of pictures", KOHL_SCAN_MODES);
  scan->modes[m] = mode;
  scan->mode_count += m == scan->mode_count;
  *out = (uint8_t)m;
  return KOHL_OK;
}

static kohl_status settle(kohl_context *ctx, kohl_samples *samples, const job *j, size_t i) {
  char path[KOHL_SAMPLE_PATH];
  kohl_scan *scan = j->scan;
  const result *r = &j->results[i];
  kohl_sample *s = &samples->sample[j->first + i];
  if (r->status == KOHL_OK) {
    scan->bytes += scan->picture[j->first + i].bytes;
    return enter_mode(ctx, scan, r->mode, &scan->picture[j->first + i].mode);
  }
  if (r->status != KOHL_BAD_INPUT) return kohl_fail(ctx, r->status, "%s", r->text);
  samples->bad += !s->bad;
  s->bad = true;
  kohl_sample_path(samples, j->first + i, path);
  return kohl_scan_left_out(ctx, scan, path, without_path(r->text, path));
}

kohl_status kohl_scan_run(kohl_context *ctx, kohl_samples *samples,
                          void (*progress)(void *user, size_t done, size_t count), void *user, kohl_scan *scan) {
  result *results = NULL;
  kohl_status status = kohl_alloc(ctx, samples->count, sizeof *scan->picture, "a scan", &scan->picture);
  if (status == KOHL_OK) status = kohl_alloc(ctx, ROUND, sizeof *results, "a scan", &results);
  for (size_t first = 0; status == KOHL_OK && first < samples->count; first += ROUND) {
    size_t n = samples->count - first < ROUND ? samples->count - first : ROUND;
    job j = {ctx, samples, scan, results, first};
    status = kohl_check_cancel(ctx);
    if (status == KOHL_OK) kohl_parallel(ctx->threads, look, &j, n);
    for (size_t i = 0; status == KOHL_OK && i < n; i++) status = settle(ctx, samples, &j, i);
    if (status == KOHL_OK && progress) progress(user, first + n, samples->count);
  }
  kohl_free(ctx, results);
  return status;
}

void kohl_scan_free(kohl_context *ctx, kohl_scan *scan) {
  for (size_t i = 0; i < scan->bad_count; i++) {
    kohl_free(ctx, scan->bad[i].path);
    kohl_free(ctx, scan->bad[i].reason);
  }
  kohl_free(ctx, scan->bad);
  kohl_free(ctx, scan->picture);
  memset(scan, 0, sizeof *scan);
}
