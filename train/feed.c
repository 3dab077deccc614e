/* Feeds: which of the two a phase gets, rows worked out before it, batches in it. */
#include "train/feed.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "train/run.h"
#include "train/trainable.h"

void kohl_feed_progress(void *user, const char *what, size_t done, size_t count) {
  const kohl_run *run = user;
  if (!run->options->progress) return;
  kohl_train_progress p = kohl_run_progress(run, what, done, count);
  double seconds = kohl_run_clock() - run->begun, share = (double)done / (double)count;
  p.rate = seconds > 0 ? (double)done / seconds : 0;
  p.seconds_left = seconds * (1 - share) / share;
  run->options->progress(&p, run->options->progress_user);
}

static kohl_features_pass pass_of(kohl_run *run) {
  run->begun = kohl_run_clock();
  return (kohl_features_pass){.samples = &run->samples,
                              .pre = &run->pre,
                              .workers = (int)run->recipe.data.workers,
                              .cache = run->pictures,
                              .call = kohl_feed_progress,
                              .user = run};
}

static kohl_status check_bad(kohl_run *run) {
  size_t looked = run->train_count + run->validation_count;
  run->looked = true;
  run->result.pictures = looked;
  run->result.bad = run->samples.bad;
  return kohl_pictures_check(run->ctx, &run->samples, looked, run->recipe.limits.bad_pictures);
}

kohl_status kohl_run_preprocessing(kohl_run *run) {
  const kohl_recipe *r = &run->recipe;
  run->pre = kohl_recipe_preprocessing(r, &run->own);
  kohl_status status = KOHL_OK;
  if (r->limits.picture_bytes) {
    status =
        kohl_cache_create(run->ctx, run->samples.count, &run->pre.fit, (size_t)r->limits.picture_bytes, &run->pictures);
  }
  if (status != KOHL_OK || r->pictures.normalise == KOHL_NORMALISE_BASE) return status;
  const kohl_features_pass pass = pass_of(run);
  return kohl_features_measure(run->ctx, &pass, run->list, run->train_count, &run->pre);
}

kohl_status kohl_run_look(kohl_run *run) {
  if (run->looked) return KOHL_OK;
  const kohl_features_pass pass = pass_of(run);
  kohl_status status = kohl_features_look(run->ctx, &pass, run->list, run->train_count + run->validation_count);
  return status == KOHL_OK ? check_bad(run) : status;
}

/* The two parts of the network at the boundary. */
static kohl_status cut_model(kohl_run *run, kohl_feed *feed) {
  kohl_graph *graph;
  kohl_status status = kohl_graph_cut(run->ctx, run->model->graph, feed->boundary, NULL, &graph);
  if (status == KOHL_OK) status = kohl_model_assemble(run->ctx, graph, run->model, NULL, &feed->below);
  if (status == KOHL_OK) status = kohl_graph_rest(run->ctx, run->model->graph, feed->boundary, NULL, &graph);
  if (status == KOHL_OK) status = kohl_model_assemble(run->ctx, graph, run->model, NULL, &feed->above);
  return status;
}

/* Memory for the rows; feed->rows is false when limits.cache_bytes does not hold them. */
static kohl_status take_rows(kohl_run *run, kohl_feed *feed) {
  int64_t room = run->recipe.limits.cache_bytes;
  const size_t rows = feed->variants ? feed->variants * run->draws.count : run->train_count;
  bool fits;
  kohl_status status = kohl_features_take(run->ctx, feed->below, rows, &room, &feed->train, &fits);
  if (status == KOHL_OK && fits) {
    status = kohl_features_take(run->ctx, feed->below, run->validation_count, &room, &feed->validation, &fits);
  }
  if (status != KOHL_OK || fits) return status;
  kohl_run_log(run->ctx, run->options->run,
               "outputs of layer '%s' for %zu draws and %zu validation pictures, %zu bytes each, are more than "
               "limits.cache_bytes: %lld; the frozen part runs in every step",
               run->model->graph->nodes[feed->boundary].name, rows, run->validation_count,
               feed->train.floats * sizeof(float), (long long)run->recipe.limits.cache_bytes);
  feed->rows = false;
  return KOHL_OK;
}

/* Variants are of draws, which the augmentation is keyed by; without them a picture's row serves all its draws. */
static kohl_status fill_rows(kohl_run *run, kohl_feed *feed) {
  kohl_features_pass pass = pass_of(run);
  kohl_status status = kohl_features_fill(run->ctx, feed->below, &pass, run->list + run->train_count,
                                          run->validation_count, &feed->validation, 0);
  if (status == KOHL_OK && !feed->variants) {
    pass = pass_of(run);
    return kohl_features_fill(run->ctx, feed->below, &pass, run->list, run->train_count, &feed->train, 0);
  }
  for (size_t v = 0; v < feed->variants && status == KOHL_OK; v++) {
    pass = pass_of(run);
    pass.augmenting = feed->augmenting;
    kohl_augmenting_begin(feed->augmenting, (uint32_t)v + 1, NULL);
    status = kohl_features_fill(run->ctx, feed->below, &pass, run->draws.sample, run->draws.count, &feed->train,
                                v * run->draws.count);
  }
  return status;
}

int kohl_feed_workers(const kohl_run *run) {
  int workers = (int)run->recipe.data.workers;
  if (workers < 0) workers = (int)kohl_threads_count(run->ctx->threads);
  return workers > KOHL_LOADER_WORKERS ? KOHL_LOADER_WORKERS : workers;
}

static kohl_status make_loader(kohl_run *run, kohl_feed *feed) {
  kohl_loader_options options = kohl_loader_options_default();
  kohl_preprocessing pre = run->pre;
  options.batch = (int)run->recipe.batch;
  options.workers = kohl_feed_workers(run);
  options.bad_limit = 1.0; /* they were counted before */
  if (feed->augmenting) pre = kohl_augmenting_fitted(feed->augmenting);
  if (feed->augmenting) kohl_augmenting_hook(feed->augmenting, &options);
  if (run->pictures && kohl_cache_fits(run->pictures, run->samples.count, &pre.fit)) options.cache = run->pictures;
  kohl_status status = kohl_alloc(run->ctx, run->draws.count, sizeof *feed->samples, "an epoch's list", &feed->samples);
  if (status != KOHL_OK) return status;
  return kohl_loader_create(run->ctx, &run->samples, &pre, &options, &feed->loader);
}

static kohl_status make_augmenting(kohl_run *run, kohl_feed *feed) {
  const kohl_augmentation augmentation = kohl_recipe_augmentation(&run->recipe);
  return kohl_augmenting_create(run->ctx, &augmentation, &run->pre, (uint64_t)run->recipe.seed, &feed->augmenting);
}

kohl_status kohl_feed_open(kohl_run *run) {
  kohl_feed *feed = &run->feed;
  const kohl_recipe *r = &run->recipe;
  const bool augments = kohl_recipe_augments(r);
  memset(feed, 0, sizeof *feed);
  feed->boundary = kohl_trainable_boundary(run->model->graph);
  feed->variants = augments ? (size_t)r->features.variants : 0;
  feed->rows = feed->boundary > 0 && r->features.cache && (!augments || feed->variants);
  kohl_status status = augments ? make_augmenting(run, feed) : KOHL_OK;
  if (status == KOHL_OK && feed->rows) status = cut_model(run, feed);
  if (status == KOHL_OK && feed->rows) status = take_rows(run, feed);
  if (status == KOHL_OK && feed->rows) status = fill_rows(run, feed);
  if (status == KOHL_OK && feed->rows && !run->looked) status = check_bad(run);
  if (status == KOHL_OK && !feed->rows) {
    status = kohl_run_look(run);
    if (status == KOHL_OK) status = make_loader(run, feed);
  }
  if (status != KOHL_OK) return status;
  run->features_digest =
      feed->rows ? kohl_crc32c(0, feed->train.rows, feed->train.count * feed->train.floats * sizeof(float)) : 0;
  kohl_run_log(
      run->ctx, run->options->run, "%s at layer '%s'%s",
      feed->rows ? "the network below is worked out once," : "every step runs the whole network; trained above",
      run->model->graph->nodes[feed->boundary].name, feed->variants && feed->rows ? ", in variants of every draw" : "");
  return KOHL_OK;
}

void kohl_feed_close(kohl_run *run) {
  kohl_feed *feed = &run->feed;
  kohl_resident_close(feed->resident);
  kohl_loader_destroy(feed->loader);
  kohl_augmenting_destroy(feed->augmenting);
  kohl_features_free(run->ctx, &feed->train);
  kohl_features_free(run->ctx, &feed->validation);
  kohl_model_destroy(run->ctx, feed->below);
  kohl_model_destroy(run->ctx, feed->above);
  kohl_free(run->ctx, feed->samples);
  memset(feed, 0, sizeof *feed);
}

kohl_model *kohl_feed_model(kohl_run *run) { return run->feed.rows ? run->feed.above : run->model; }

/* Before the phase's first step; what the session takes is then known. */
static kohl_status make_resident(kohl_run *run) {
  kohl_feed *feed = &run->feed;
  feed->begun = true;
  run->begun = kohl_run_clock();
  kohl_status status = kohl_resident_open(run, &feed->resident);
  run->begun = kohl_run_clock();
  if (!feed->resident) return status;
  kohl_loader_destroy(feed->loader);
  feed->loader = NULL;
  return KOHL_OK;
}

kohl_status kohl_feed_begin(kohl_run *run, int64_t epoch, size_t first) {
  kohl_feed *feed = &run->feed;
  kohl_status status = feed->begun ? KOHL_OK : make_resident(run);
  if (status != KOHL_OK) return status;
  if (feed->rows) {
    feed->variant = feed->variants ? (size_t)(epoch - 1) % feed->variants : 0;
    return KOHL_OK;
  }
  if (feed->augmenting) kohl_augmenting_begin(feed->augmenting, (uint32_t)epoch, run->order);
  if (feed->resident) return KOHL_OK;
  for (size_t p = 0; p < run->draws.count; p++) feed->samples[p] = run->draws.sample[run->order[p]];
  return kohl_loader_begin(feed->loader, feed->samples, run->draws.count, first);
}

/* The kept row of a position in the order. */
static size_t kept_row(const kohl_run *run, size_t position) {
  const kohl_feed *feed = &run->feed;
  const size_t draw = run->order[position];
  return feed->variants ? feed->variant * run->draws.count + draw : run->row[draw];
}

/* Row i of the session's input from what stays on the device. */
static void pick(kohl_run *run, int i, size_t position) {
  const kohl_feed *feed = &run->feed;
  if (feed->rows)
    kohl_resident_pick_row(feed->resident, i, kept_row(run, position));
  else
    kohl_resident_pick_picture(feed->resident, i, run, position);
}

kohl_status kohl_feed_next(kohl_run *run, size_t first, size_t end, int *n) {
  kohl_feed *feed = &run->feed;
  kohl_batch batch = {0};
  float *input = kohl_session_input(run->session);
  uint64_t *draws = kohl_session_draws(run->session);
  const size_t floats = feed->rows ? feed->train.floats : kohl_prepare_floats(&run->pre);
  *n = 0;
  if (feed->loader) {
    kohl_status status = kohl_loader_next(feed->loader, &batch);
    if (status != KOHL_OK) return status;
  }
  for (size_t p = first; p < end; p++) {
    if (run->samples.sample[run->draws.sample[run->order[p]]].bad) continue;
    if (feed->resident) {
      pick(run, *n, p);
    } else {
      const float *row =
          feed->rows ? feed->train.rows + kept_row(run, p) * floats : batch.floats + (p - first) * floats;
      memcpy(input + (size_t)*n * floats, row, floats * sizeof *row);
    }
    draws[(*n)++] = p;
  }
  return KOHL_OK;
}
