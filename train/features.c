/* Preprocessing of a run, and the rows of its pictures. */
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

static kohl_status measure(kohl_context *ctx, kohl_samples *samples, const size_t *list, size_t count,
                           const kohl_features_pass *pass, kohl_preprocessing *pre) {
  for (int c = 0; c < 3; c++) pre->mean[c] = 0, pre->std[c] = 1;
  moments m = {{0}, {0}, 0};
  relay r = {pass, "statistics"};
  kohl_pictures_job job = {.pre = pre,
                           .samples = samples,
                           .list = list,
                           .count = count,
                           .batch = KOHL_PICTURES_BATCH,
                           .workers = pass->workers,
                           .sink = add_moments,
                           .user = &m,
                           .progress = pass_on,
                           .progress_user = &r};
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

kohl_status kohl_recipe_preprocessing(kohl_context *ctx, const kohl_recipe *recipe, const kohl_preprocessing *source,
                                      kohl_samples *samples, const size_t *list, size_t count,
                                      const kohl_features_pass *pass, kohl_preprocessing *out) {
  static const kohl_fit_mode modes[] = {KOHL_FIT_STRETCH, KOHL_FIT_LETTERBOX, KOHL_FIT_CROP};
  static const kohl_filter filters[] = {KOHL_FILTER_NEAREST, KOHL_FILTER_BOX, KOHL_FILTER_BILINEAR, KOHL_FILTER_BICUBIC,
                                        KOHL_FILTER_LANCZOS};
  *out = *source;
  out->fit.mode = modes[recipe->pictures.fit];
  out->fit.filter = filters[recipe->pictures.filter];
  out->fit.w = out->fit.h = out->fit.resize = (int)recipe->pictures.size;
  memcpy(out->fit.background, recipe->pictures.background.rgb, 3);
  memcpy(out->decode.background, recipe->pictures.background.rgb, 3);
  out->decode.fast = recipe->pictures.decode != 0;
  out->decode.orient = recipe->pictures.orient != 0;
  if (recipe->pictures.normalise == KOHL_NORMALISE_BASE) return KOHL_OK;
  return measure(ctx, samples, list, count, pass, out);
}

static kohl_status keep_row(void *user, size_t at, const float *row, size_t floats) {
  kohl_features *f = user;
  memcpy(f->rows + at * f->floats, row, floats * sizeof *row);
  return KOHL_OK;
}

kohl_status kohl_features_compute(kohl_context *ctx, const kohl_model *base, const kohl_preprocessing *pre,
                                  kohl_samples *samples, const size_t *list, size_t count, int64_t *room,
                                  const kohl_features_pass *pass, kohl_features *out) {
  memset(out, 0, sizeof *out);
  kohl_shape shape = base->graph->nodes[base->graph->count - 1].shape;
  out->count = count;
  out->list = list;
  out->floats = (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
  size_t bytes;
  if (!kohl_mul_size(count, out->floats * sizeof(float), &bytes) || bytes > (size_t)*room) {
    return kohl_fail(ctx, KOHL_NO_RESOURCE,
                     "features of %zu pictures at layer '%s' (%dx%dx%d): %zu bytes each, and %lld are left of "
                     "limits.cache_bytes; raise it, or take a smaller pictures.size or head.pool=global_avg",
                     count, base->graph->nodes[base->graph->count - 1].name, shape.h, shape.w, shape.c,
                     out->floats * sizeof(float), (long long)*room);
  }
  kohl_status status = kohl_alloc(ctx, count * out->floats, sizeof(float), "features of the pictures", &out->rows);
  if (status != KOHL_OK) return status;
  *room -= (int64_t)bytes;
  relay r = {pass, "features"};
  kohl_pictures_job job = {.model = base,
                           .pre = pre,
                           .samples = samples,
                           .list = list,
                           .count = count,
                           .batch = KOHL_PICTURES_BATCH,
                           .workers = pass->workers,
                           .sink = keep_row,
                           .user = out,
                           .progress = pass_on,
                           .progress_user = &r};
  status = kohl_pictures_run(ctx, &job);
  if (status != KOHL_OK) kohl_features_free(ctx, out);
  return status;
}

void kohl_features_free(kohl_context *ctx, kohl_features *features) {
  kohl_free(ctx, features->rows);
  memset(features, 0, sizeof *features);
}
