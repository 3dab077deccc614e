/* The training set on a GPU: what it takes, loading it, and a batch out of it. */
#include "train/resident.h"

#include <stdio.h>
#include <string.h>

#include "kernels/colour/colour.h"
#include "kernels/core/alloc.h"
#include "kernels/core/device.h"
#include "kernels/gather/gather.h"
#include "kernels/normalise/normalise.h"
#include "kernels/warp/warp.h"
#include "train/run.h"

/* What the host says about each row of a batch: one piece of memory, so that one copy sends it. */
typedef struct numbers {
  int64_t *matrix; /* [batch][6] */
  float *factors;  /* [batch][3] */
  int32_t *index;  /* [batch] */
} numbers;

/* The kernels of a batch, with descs for all of its rows; kernel NULL: not needed. */
enum { GATHER, WARP, COLOUR, NORMALISE, PARTS };
static const kohl_op *const ops[PARTS] = {&kohl_gather_op, &kohl_warp_op, &kohl_colour_op, &kohl_normalise_op};

struct kohl_resident {
  kohl_context *ctx; /* borrowed, as the next three */
  kohl_device *device;
  kohl_session *session;
  const kohl_augmenting *augmenting; /* NULL: pictures stay as they are */
  bool pictures;                     /* else ROWS */
  size_t count, row_bytes, batch;    /* rows that stay, bytes of one */
  kohl_gather_desc gather;
  kohl_warp_desc warp;
  kohl_colour_desc colour;
  kohl_normalise_desc normalise;
  const kohl_kernel *by[PARTS];
  char *rows, *picked, *warped, *workspace, *sent; /* of the device, owned */
  char *pinned;                                    /* of the host, owned: what `sent` becomes */
};

static numbers numbers_in(const kohl_resident *r, char *memory) {
  char *factors = memory + r->batch * 6 * sizeof(int64_t), *index = factors + r->batch * 3 * sizeof(float);
  return (numbers){(void *)memory, (void *)factors, (void *)index};
}

static size_t numbers_bytes(const kohl_resident *r) {
  return r->batch * (6 * sizeof(int64_t) + 3 * sizeof(float) + sizeof(int32_t));
}

static const void *desc_of(const kohl_resident *r, int part) {
  const void *descs[PARTS] = {&r->gather, &r->warp, &r->colour, &r->normalise};
  return descs[part];
}

/* How pictures of a preprocessing become an input. */
static void set_pictures(const kohl_run *run, kohl_resident *r) {
  const kohl_augmenting *augmenting = run->feed.augmenting;
  const int n = (int)r->batch;
  kohl_preprocessing pre = run->pre;
  if (augmenting) pre = kohl_augmenting_fitted(augmenting);
  if (augmenting && kohl_augmenting_changes(augmenting)) r->augmenting = augmenting;
  r->row_bytes = kohl_prepare_floats(&pre);
  r->normalise = r->augmenting ? kohl_augmenting_normalise(augmenting) : kohl_prepare_normalise(&pre, n);
  r->normalise.n = n;
  if (!r->augmenting) return;
  r->warp = kohl_augmenting_warp(augmenting);
  r->warp.n = n;
  r->colour = (kohl_colour_desc){n, r->normalise.pixels};
}

static void describe(const kohl_run *run, kohl_resident *r) {
  if (r->pictures) {
    r->count = run->train_count;
    set_pictures(run, r);
  } else {
    r->count = run->feed.train.count;
    r->row_bytes = run->feed.train.floats * sizeof(float);
  }
  r->gather = (kohl_gather_desc){(int)r->batch, (int64_t)r->count, (int64_t)r->row_bytes};
}

static bool needs(const kohl_resident *r, int part) {
  if (part == GATHER) return true;
  return part == NORMALISE ? r->pictures : r->augmenting != NULL;
}

/* False: the context's text says which kernel there is not. */
static bool choose(kohl_resident *r) {
  for (int part = 0; part < PARTS; part++) {
    if (!needs(r, part)) continue;
    r->by[part] = kohl_kernel_choose_on_device(r->ctx, ops[part], KOHL_FWD, desc_of(r, part));
    if (!r->by[part]) return false;
  }
  return true;
}

/* What is taken of the device, and how much; bytes 0: it is not needed. */
typedef struct piece {
  char **memory;
  size_t bytes;
} piece;
enum { PIECES = 5 };

/* False: more than can be addressed. */
static bool list_pieces(kohl_resident *r, piece pieces[PIECES], size_t *sum) {
  size_t rows, workspace = 0;
  if (!kohl_mul_size(r->count, r->row_bytes, &rows)) return false;
  for (int part = 0; part < PARTS; part++) {
    size_t own = r->by[part] ? kohl_kernel_workspace(r->by[part], desc_of(r, part), 1) : 0;
    if (own > workspace) workspace = own;
  }
  const size_t floats = 3 * (size_t)r->normalise.pixels * sizeof(float);
  const piece all[PIECES] = {{&r->rows, rows},
                             {&r->picked, r->pictures ? r->batch * r->row_bytes : 0},
                             {&r->warped, r->augmenting ? r->batch * floats : 0},
                             {&r->workspace, workspace},
                             {&r->sent, numbers_bytes(r)}};
  memcpy(pieces, all, sizeof all);
  *sum = 0;
  for (int i = 0; i < PIECES; i++) {
    if (!kohl_add_size(*sum, pieces[i].bytes, sum)) return false;
  }
  return true;
}

static kohl_status take_memory(kohl_resident *r, const piece pieces[PIECES]) {
  const char *what = r->pictures ? "resident pictures" : "resident features";
  kohl_status status = kohl_device_alloc_host(r->ctx, r->device, numbers_bytes(r), what, (void **)&r->pinned);
  for (int i = 0; i < PIECES && status == KOHL_OK; i++) {
    if (pieces[i].bytes)
      status = kohl_device_alloc(r->ctx, r->device, pieces[i].bytes, what, (void **)pieces[i].memory);
  }
  return status;
}

static void say(const kohl_run *run, const kohl_resident *r, const char *where, const char *why) {
  kohl_run_log(r->ctx, run->options->run, "%zu %s of %zu bytes %s%s", r->count,
               r->pictures ? "training pictures" : "rows of features", r->row_bytes, where, why);
}

static void refuse(const kohl_run *run, const kohl_resident *r, const char *why) {
  say(run, r, "do not stay on the GPU; batches are sent to it: ", why);
}

/* The memory, or *taken false and a line in the log. */
static kohl_status settle(const kohl_run *run, kohl_resident *r, bool *taken) {
  const size_t limit = (size_t)run->recipe.limits.resident_bytes;
  piece pieces[PIECES];
  size_t sum, available;
  char why[KOHL_ERROR_TEXT];
  *taken = false;
  if (r->count > INT32_MAX || !choose(r)) {
    refuse(run, r, r->count > INT32_MAX ? "more than 2^31 - 1" : r->ctx->error);
    return KOHL_OK;
  }
  kohl_status status = kohl_device_available(r->ctx, r->device, &available);
  if (status != KOHL_OK) return status;
  const bool addressed = list_pieces(r, pieces, &sum);
  if (!addressed || sum > limit || sum > available / 2) {
    const bool by_limit = addressed && sum > limit;
    snprintf(why, sizeof why, "%zu bytes, expected at most %zu, %s", addressed ? sum : SIZE_MAX,
             by_limit ? limit : available / 2, by_limit ? "limits.resident_bytes" : "half of what the GPU has left");
    refuse(run, r, why);
    return KOHL_OK;
  }
  *taken = take_memory(r, pieces) == KOHL_OK;
  if (!*taken) refuse(run, r, r->ctx->error);
  return KOHL_OK;
}

static kohl_status make_loader(const kohl_run *run, kohl_resident *r, kohl_samples *samples, kohl_loader **loader) {
  kohl_loader_options options = kohl_loader_options_default();
  const kohl_preprocessing pre = run->feed.augmenting ? kohl_augmenting_fitted(run->feed.augmenting) : run->pre;
  options.bytes = true;
  options.batch = KOHL_PICTURES_BATCH;
  options.workers = kohl_feed_workers(run);
  options.bad_limit = 1.0; /* they were counted before */
  if (run->pictures && kohl_cache_fits(run->pictures, samples->count, &pre.fit)) options.cache = run->pictures;
  kohl_status status = kohl_loader_create(r->ctx, samples, &pre, &options, loader);
  return status == KOHL_OK ? kohl_loader_begin(*loader, run->list, r->count, 0) : status;
}

/* A batch of the loader is one piece of memory, and stays until it is asked for the next one. */
static kohl_status load_pictures(kohl_run *run, kohl_resident *r) {
  kohl_loader *loader = NULL;
  kohl_status status = make_loader(run, r, &run->samples, &loader);
  while (status == KOHL_OK) {
    kohl_batch batch;
    status = kohl_loader_next(loader, &batch);
    if (status != KOHL_OK || batch.count == 0) break;
    status = kohl_device_upload(r->ctx, r->device, r->rows + (size_t)batch.draw[0] * r->row_bytes, batch.bytes,
                                batch.count * r->row_bytes);
    if (status == KOHL_OK) status = kohl_device_wait(r->ctx, r->device);
    if (status == KOHL_OK) kohl_feed_progress(run, "pictures", (size_t)batch.draw[0] + batch.count, r->count);
  }
  kohl_loader_destroy(loader);
  return status;
}

static kohl_status load(kohl_run *run, kohl_resident *r) {
  if (r->pictures) return load_pictures(run, r);
  kohl_status status = kohl_device_upload(r->ctx, r->device, r->rows, run->feed.train.rows, r->count * r->row_bytes);
  return status == KOHL_OK ? kohl_device_wait(r->ctx, r->device) : status;
}

static kohl_status put(const kohl_resident *r, int part, const void *desc, kohl_args args) {
  args.workspace = r->workspace;
  r->by[part]->cuda->launch(desc, &args, kohl_device_stream(r->device));
  return kohl_device_launched(r->ctx, r->device, "a batch of pictures");
}

/* n rows into the session's input; nothing but n is the same in every replay. */
static kohl_status fill(void *user, int n) {
  const kohl_resident *r = user;
  const numbers sent = numbers_in(r, r->sent);
  void *input = kohl_session_at(r->session, r->session->plan->input);
  kohl_gather_desc gather = r->gather;
  kohl_warp_desc warp = r->warp;
  kohl_colour_desc colour = r->colour;
  kohl_normalise_desc normalise = r->normalise;
  gather.n = warp.n = colour.n = normalise.n = n;
  kohl_status status = kohl_device_upload(r->ctx, r->device, r->sent, r->pinned, numbers_bytes(r));
  if (status == KOHL_OK) {
    void *to = r->pictures ? r->picked : input;
    status = put(r, GATHER, &gather, (kohl_args){.in = {r->rows, sent.index}, .out = {to}});
  }
  if (!r->pictures || status != KOHL_OK) return status;
  if (r->augmenting) {
    status = put(r, WARP, &warp, (kohl_args){.in = {r->picked, sent.matrix}, .out = {r->warped}});
    if (status == KOHL_OK)
      status = put(r, COLOUR, &colour, (kohl_args){.in = {r->warped, sent.factors}, .out = {r->warped}});
    if (status != KOHL_OK) return status;
  }
  const void *grey = r->augmenting ? r->warped : r->picked;
  return put(r, NORMALISE, &normalise, (kohl_args){.in = {grey}, .out = {input}});
}

kohl_status kohl_resident_open(kohl_run *run, kohl_resident **out) {
  kohl_context *ctx = run->ctx;
  kohl_resident *r;
  bool taken = false;
  *out = NULL;
  if (!ctx->device || (run->options->hooks && run->options->hooks->on_input)) return KOHL_OK;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *r, "resident pictures", &r);
  if (status != KOHL_OK) return status;
  r->ctx = ctx;
  r->device = ctx->device;
  r->session = run->session;
  r->pictures = !run->feed.rows;
  r->batch = (size_t)run->recipe.batch;
  describe(run, r);
  status = settle(run, r, &taken);
  if (status == KOHL_OK && taken) status = load(run, r);
  if (status != KOHL_OK || !taken) {
    kohl_resident_close(r);
    return status;
  }
  say(run, r, "stay on the GPU; batches are made there", "");
  run->session->fill = fill;
  run->session->fill_user = r;
  *out = r;
  return KOHL_OK;
}

void kohl_resident_close(kohl_resident *r) {
  if (!r) return;
  char *const memory[PIECES] = {r->rows, r->picked, r->warped, r->workspace, r->sent};
  for (int i = 0; i < PIECES; i++) kohl_device_free(r->device, memory[i]);
  kohl_device_free_host(r->device, r->pinned);
  kohl_free(r->ctx, r);
}

void kohl_resident_pick_row(kohl_resident *r, int i, size_t at) { numbers_in(r, r->pinned).index[i] = (int32_t)at; }

void kohl_resident_pick_picture(kohl_resident *r, int i, const kohl_run *run, size_t position) {
  const numbers to = numbers_in(r, r->pinned);
  to.index[i] = (int32_t)run->row[run->order[position]];
  if (r->augmenting)
    kohl_augmenting_numbers(r->augmenting, position, to.matrix + 6 * (size_t)i, to.factors + 3 * (size_t)i);
}
