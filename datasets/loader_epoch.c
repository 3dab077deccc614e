/* An epoch: draws are claimed, loaded, and handed out in batches; bad pictures are told and counted on the way out.
 *
 * One lock guards who works on what; rows are written and read without it.  Draws are claimed in their order, and what
 * a claim knows of failures it reads under the lock, so that a draw is skipped only for a draw before it.  What a
 * sample is held to be is decided when draws are handed out, in their order: bad from its first bad draw on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "datasets/loader_state.h"

enum { POLL = 50000000 /* nanoseconds between two looks at the cancel callback while waiting */, NAMED = 3 };

static double clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The check's failure; counted NULL: every bad sample is named, else those that are counted. */
static kohl_status fail_bad(kohl_context *ctx, const kohl_samples *samples, const bool *counted, size_t bad,
                            size_t count, double share) {
  char names[768], path[KOHL_SAMPLE_PATH];
  size_t used = 0, named = 0;
  for (size_t i = 0; i < samples->count && named < NAMED && used < sizeof names; i++) {
    const kohl_sample *s = &samples->sample[i];
    if (!s->bad || (counted && !counted[i])) continue;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%.250s", named++ ? ", " : "",
                             kohl_sample_path(samples, i, path));
  }
  return kohl_fail(
      ctx, KOHL_BAD_INPUT, "%zu of %zu pictures are bad (%.3g %%), expected at most %g %%; the first are: %s%s", bad,
      count, count ? 100.0 * (double)bad / (double)count : 100.0, 100.0 * share, names, bad > named ? ", ..." : "");
}

kohl_status kohl_bad_check(kohl_context *ctx, const kohl_samples *samples, size_t bad, size_t count, double share) {
  if ((double)bad <= share * (double)count) return KOHL_OK;
  return fail_bad(ctx, samples, NULL, bad, count, share);
}

bool kohl_loader_claimable(const kohl_loader *loader) {
  size_t room = (loader->released + loader->ring) * (size_t)loader->options.batch;
  return loader->claimed < loader->end && loader->claimed - loader->first < room;
}

void kohl_load_claimed(kohl_load_worker *worker) {
  kohl_loader *loader = worker->loader;
  size_t draw = loader->claimed++, row;
  uint8_t *flags = &loader->flags[loader->list[draw]];
  bool known_bad = *flags & KOHL_SAMPLE_FAILED;
  kohl_slot *slot = kohl_loader_slot(loader, draw, &row);
  const kohl_load_result *result = &slot->results[row];
  loader->busy++;
  pthread_mutex_unlock(&loader->lock);
  kohl_load_draw(worker, draw, known_bad);
  pthread_mutex_lock(&loader->lock);
  if (result->status == KOHL_BAD_INPUT) *flags |= KOHL_SAMPLE_FAILED;
  loader->stats.decoded += result->decoded;
  loader->stats.cached += result->cached;
  if (worker->peak > loader->stats.decode_peak) loader->stats.decode_peak = worker->peak;
  loader->busy--;
  if (--slot->left == 0 || loader->busy == 0) pthread_cond_signal(&loader->ready);
}

/* No epoch any more, once the workers have finished what they have in hand.  Under the lock. */
static void end_epoch(kohl_loader *loader) {
  loader->end = loader->claimed;
  while (loader->busy) pthread_cond_wait(&loader->ready, &loader->lock);
  loader->first = loader->end = loader->claimed = 0;
  loader->batches = loader->released = 0;
  loader->list = NULL;
}

/* Readies the slot of a batch for the workers, if the epoch has that batch.  Under the lock. */
static void open_slot(kohl_loader *loader, size_t number) {
  size_t batch = (size_t)loader->options.batch, left = loader->end - loader->first;
  if (number > left / batch || number * batch >= left) return;
  left -= number * batch;
  loader->slots[number % loader->ring].left = left < batch ? left : batch;
}

kohl_status kohl_loader_begin(kohl_loader *loader, const size_t *list, size_t count, size_t first) {
  if (first > count) {
    return kohl_fail(loader->ctx, KOHL_USAGE, "loader: first draw %zu, expected at most %zu", first, count);
  }
  for (size_t i = 0; i < count; i++) {
    if (list[i] < loader->samples->count) continue;
    return kohl_fail(loader->ctx, KOHL_USAGE, "loader: draw %zu: sample %zu, expected less than %zu", i, list[i],
                     loader->samples->count);
  }
  pthread_mutex_lock(&loader->lock);
  end_epoch(loader);
  for (size_t i = 0; i < count; i++) {
    uint8_t *flags = &loader->flags[list[i]];
    if (!(*flags & KOHL_SAMPLE_LISTED)) loader->listed++;
    *flags |= KOHL_SAMPLE_LISTED;
    if (loader->samples->sample[list[i]].bad) *flags |= KOHL_SAMPLE_FAILED;
  }
  loader->list = list;
  loader->first = loader->claimed = first;
  loader->end = count;
  for (size_t i = 0; i < loader->ring; i++) open_slot(loader, i);
  loader->stats = (kohl_loader_stats){.decode_peak = loader->stats.decode_peak};
  loader->began = clock_now();
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  return KOHL_OK;
}

/* Until the slot's rows are all there; without threads they are made here.  Under the lock. */
static kohl_status await(kohl_loader *loader, const kohl_slot *slot) {
  kohl_status status = kohl_check_cancel(loader->ctx);
  while (slot->left && status == KOHL_OK) {
    if (loader->started == 0) {
      kohl_load_claimed(&loader->workers[0]);
    } else {
      struct timespec until;
      clock_gettime(CLOCK_MONOTONIC, &until);
      until.tv_nsec += POLL;
      until.tv_sec += until.tv_nsec / 1000000000;
      until.tv_nsec %= 1000000000;
      if (pthread_cond_timedwait(&loader->ready, &loader->lock, &until) != ETIMEDOUT) continue;
    }
    status = kohl_check_cancel(loader->ctx);
  }
  return status;
}

/* What one draw comes to; bad pictures are told and counted. */
static kohl_status settle_draw(kohl_loader *loader, const kohl_slot *slot, size_t row) {
  kohl_samples *samples = loader->samples;
  const kohl_load_result *result = &slot->results[row];
  size_t index = slot->sample[row];
  kohl_sample *s = &samples->sample[index];
  if (result->status != KOHL_OK && result->status != KOHL_BAD_INPUT) {
    return kohl_fail(loader->ctx, result->status, "%s", result->text);
  }
  slot->ok[row] = result->status == KOHL_OK && !s->bad;
  loader->stats.pictures += slot->ok[row];
  loader->stats.skipped += !slot->ok[row];
  if (slot->ok[row]) return KOHL_OK;
  /* A file that was bad for an earlier draw and has become good while this one was loaded too. */
  if (result->status == KOHL_OK) memset(slot->rows + row * loader->row_bytes, 0, loader->row_bytes);
  if (!s->bad) {
    s->bad = true;
    samples->bad++;
    kohl_log(loader->ctx, KOHL_LOG_WARNING, "bad picture, skipped: %s", result->text);
  }
  if (loader->counted[index]) return KOHL_OK;
  loader->counted[index] = true;
  loader->bad++;
  if ((double)loader->bad <= loader->options.bad_limit * (double)loader->listed) return KOHL_OK;
  return fail_bad(loader->ctx, samples, loader->counted, loader->bad, loader->listed, loader->options.bad_limit);
}

/* Fills in the slot's lists and settles its draws in order.  Without the lock: nobody else is at them any more. */
static kohl_status settle(kohl_loader *loader, kohl_slot *slot, size_t first, size_t count) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    slot->draw[i] = first + i;
    slot->sample[i] = loader->list[first + i];
    slot->label[i] = loader->samples->sample[slot->sample[i]].label;
    status = settle_draw(loader, slot, i);
  }
  return status;
}

kohl_status kohl_loader_next(kohl_loader *loader, kohl_batch *out) {
  size_t batch = (size_t)loader->options.batch;
  kohl_status status = KOHL_OK;
  memset(out, 0, sizeof *out);
  pthread_mutex_lock(&loader->lock);
  if (loader->released < loader->batches) { /* the caller is done with the batch before */
    open_slot(loader, loader->released + loader->ring);
    loader->released++;
    pthread_cond_broadcast(&loader->work);
  }
  size_t first = loader->first + loader->batches * batch;
  if (first < loader->end) {
    kohl_slot *slot = &loader->slots[loader->batches % loader->ring];
    size_t count = loader->end - first < batch ? loader->end - first : batch;
    double before = clock_now();
    status = await(loader, slot);
    loader->stats.waited += clock_now() - before;
    pthread_mutex_unlock(&loader->lock);
    if (status == KOHL_OK) status = settle(loader, slot, first, count);
    pthread_mutex_lock(&loader->lock);
    loader->stats.seconds = clock_now() - loader->began;
    if (status == KOHL_OK) {
      *out = (kohl_batch){.count = count,
                          .floats = loader->options.bytes ? NULL : (const float *)(const void *)slot->rows,
                          .bytes = loader->options.bytes ? slot->rows : NULL,
                          .ok = slot->ok,
                          .draw = slot->draw,
                          .sample = slot->sample,
                          .label = slot->label};
      loader->batches++;
    } else {
      end_epoch(loader);
    }
  } else if (loader->list) {
    loader->stats.seconds = clock_now() - loader->began;
    end_epoch(loader);
  }
  pthread_mutex_unlock(&loader->lock);
  return status;
}

kohl_loader_stats kohl_loader_read_stats(kohl_loader *loader) {
  pthread_mutex_lock(&loader->lock);
  kohl_loader_stats stats = loader->stats;
  stats.bad = loader->bad;
  stats.listed = loader->listed;
  pthread_mutex_unlock(&loader->lock);
  return stats;
}
