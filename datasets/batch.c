/* One unit of work per picture; errors are gathered and told in order afterwards. */
#include "datasets/batch.h"

#include <string.h>

#include "kernels/core/alloc.h"

typedef struct {
  kohl_status status;
  char text[KOHL_ERROR_TEXT];
} result;

typedef struct {
  const kohl_context *ctx;
  const kohl_samples *samples;
  const kohl_preprocessing *pre;
  const size_t *indices;
  float *dst;
  result *results;
} job;

static void load(void *state, size_t i, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_sample *s = &j->samples->sample[j->indices[i]];
  float *dst = j->dst + i * kohl_prepare_floats(j->pre);
  result *r = &j->results[i];
  if (s->bad) {
    r->status = KOHL_BAD_INPUT;
  } else {
    kohl_context ctx = kohl_context_worker(j->ctx);
    kohl_picture picture;
    r->status = kohl_sample_picture(&ctx, j->samples, j->indices[i], &j->pre->decode, &picture);
    if (r->status == KOHL_OK) r->status = kohl_prepare(&ctx, j->pre, &picture, dst);
    kohl_picture_free(&ctx, &picture);
    if (r->status != KOHL_OK) memcpy(r->text, ctx.error, sizeof r->text);
  }
  if (r->status != KOHL_OK) memset(dst, 0, kohl_prepare_floats(j->pre) * sizeof *dst);
}

/* Marks and names the bad pictures; the first failure of another kind is the batch's. */
static kohl_status settle(kohl_context *ctx, kohl_samples *samples, const size_t *indices, size_t count,
                          const result *results, bool *ok) {
  for (size_t i = 0; i < count; i++) {
    kohl_sample *s = &samples->sample[indices[i]];
    const result *r = &results[i];
    ok[i] = r->status == KOHL_OK;
    if (r->status != KOHL_OK && r->status != KOHL_BAD_INPUT) return kohl_fail(ctx, r->status, "%s", r->text);
    if (ok[i] || s->bad) continue;
    s->bad = true;
    samples->bad++;
    kohl_log(ctx, KOHL_LOG_WARNING, "bad picture, skipped: %s", r->text);
  }
  return KOHL_OK;
}

kohl_status kohl_batch_load(kohl_context *ctx, kohl_samples *samples, const kohl_preprocessing *pre,
                            const size_t *indices, size_t count, float *dst, bool *ok) {
  const char *wrong = kohl_preprocessing_check(pre);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "preprocessing: %s", wrong);
  for (size_t i = 0; i < count; i++) {
    if (indices[i] >= samples->count) {
      return kohl_fail(ctx, KOHL_USAGE, "batch: sample %zu, expected less than %zu", indices[i], samples->count);
    }
  }
  kohl_status status = kohl_check_cancel(ctx);
  result *results = NULL;
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *results, "a batch of pictures", &results);
  if (status != KOHL_OK) return status;
  job j = {ctx, samples, pre, indices, dst, results};
  kohl_parallel(ctx->threads, load, &j, count);
  status = settle(ctx, samples, indices, count, results, ok);
  kohl_free(ctx, results);
  return status;
}
