/* Preprocessing of a run, statistics, and the rows of its pictures. */
#include "train/features.h"

#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"

typedef struct moments {
  double sum[3], square[3], pixels;
} moments;

/* Adds one picture.  Sums of a picture first, so that the large sums take few roundings. */
static kohl_status add_moments(void *user, size_t at, const float *row, size_t floats) {
  (void)at;
  moments *m = user, one = {{0}, {0}, 0};
  for (size_t i = 0; i < floats; i += 3) {
    for (int c = 0; c < 3; c++) {
      double x = (double)row[i + (size_t)c];
      one.sum[c] += x;
      one.square[c] += x * x;
    }
  }
  for (int c = 0; c < 3; c++) {
    m->sum[c] += one.sum[c];
    m->square[c] += one.square[c];
  }
  m->pixels += (double)(floats / 3);
  return KOHL_OK;
}

typedef struct relay {
  const kohl_features_pass *to;
  const char *what;
} relay;

static void pass_on(void *user, size_t done, size_t count) {
  const relay *r = user;
  if (r->to->call) r->to->call(r->to->user, r->what, done, count);
}

static kohl_pictures_job job_of(const kohl_features_pass *pass, const size_t *list, size_t count, relay *to) {
  return (kohl_pictures_job){.pre = pass->pre,
                             .samples = pass->samples,
                             .list = list,
                             .count = count,
                             .batch = KOHL_PICTURES_BATCH,
                             .workers = pass->workers,
                             .cache = pass->cache,
                             .augmenting = pass->augmenting,
                             .progress = pass_on,
                             .progress_user = to};
}

kohl_status kohl_features_measure(kohl_context *ctx, const kohl_features_pass *pass, const size_t *list, size_t count,
                                  kohl_preprocessing *pre) {
  for (int c = 0; c < 3; c++) pre->mean[c] = 0, pre->std[c] = 1;
  moments m = {{0}, {0}, 0};
  relay to = {pass, "statistics"};
  kohl_pictures_job job = job_of(pass, list, count, &to);
  job.pre = pre;
  job.sink = add_moments;
  job.user = &m;
  kohl_status status = kohl_pictures_run(ctx, &job);
  if (status != KOHL_OK) return status;
  if (m.pixels == 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "featurewise: no training picture can be read");
  for (int c = 0; c < 3; c++) {
    double mean = m.sum[c] / m.pixels, variance = m.square[c] / m.pixels - mean * mean;
    double deviation = variance > 0 ? sqrt(variance) : 0;
    pre->mean[c] = (float)mean;
    pre->std[c] = (float)(deviation > 1e-6 ? deviation : 1e-6); /* one colour everywhere: nothing to divide by */
  }
  return KOHL_OK;
}

kohl_preprocessing kohl_recipe_preprocessing(const kohl_recipe *recipe, const kohl_preprocessing *base) {
  static const kohl_fit_mode modes[] = {KOHL_FIT_STRETCH, KOHL_FIT_LETTERBOX, KOHL_FIT_CROP};
  static const kohl_filter filters[] = {KOHL_FILTER_NEAREST, KOHL_FILTER_BOX, KOHL_FILTER_BILINEAR, KOHL_FILTER_BICUBIC,
                                        KOHL_FILTER_LANCZOS};
  kohl_preprocessing pre = *base;
  pre.fit.mode = modes[recipe->pictures.fit];
  pre.fit.filter = filters[recipe->pictures.filter];
  pre.fit.w = pre.fit.h = pre.fit.resize = (int)recipe->pictures.size;
  memcpy(pre.fit.background, recipe->pictures.background.rgb, 3);
  memcpy(pre.decode.background, recipe->pictures.background.rgb, 3);
  pre.decode.fast = recipe->pictures.decode != 0;
  pre.decode.orient = recipe->pictures.orient != 0;
  return pre;
}

static kohl_status ignore_row(void *user, size_t at, const float *row, size_t floats) {
  (void)user, (void)at, (void)row, (void)floats;
  return KOHL_OK;
}

kohl_status kohl_features_look(kohl_context *ctx, const kohl_features_pass *pass, const size_t *list, size_t count) {
  relay to = {pass, "pictures"};
  kohl_pictures_job job = job_of(pass, list, count, &to);
  job.sink = ignore_row;
  return kohl_pictures_run(ctx, &job);
}

kohl_status kohl_features_take(kohl_context *ctx, const kohl_model *model, size_t count, int64_t *room,
                               kohl_features *out, bool *fits) {
  memset(out, 0, sizeof *out);
  kohl_shape shape = model->graph->nodes[model->graph->count - 1].shape;
  out->count = count;
  out->floats = (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
  size_t bytes;
  *fits = kohl_mul_size(count, out->floats * sizeof(float), &bytes) && bytes <= (size_t)*room;
  if (!*fits) return KOHL_OK;
  kohl_status status = kohl_alloc(ctx, count * out->floats, sizeof(float), "features of the pictures", &out->rows);
  if (status == KOHL_OK) *room -= (int64_t)bytes;
  return status;
}

static kohl_status keep_row(void *user, size_t at, const float *row, size_t floats) {
  memcpy((float *)user + at * floats, row, floats * sizeof *row);
  return KOHL_OK;
}

kohl_status kohl_features_fill(kohl_context *ctx, const kohl_model *model, const kohl_features_pass *pass,
                               const size_t *list, size_t count, kohl_features *features, size_t first) {
  relay to = {pass, "features"};
  kohl_pictures_job job = job_of(pass, list, count, &to);
  job.model = model;
  job.sink = keep_row;
  job.user = features->rows + first * features->floats;
  return kohl_pictures_run(ctx, &job);
}

void kohl_features_free(kohl_context *ctx, kohl_features *features) {
  kohl_free(ctx, features->rows);
  memset(features, 0, sizeof *features);
}
