/* The loader's augmentation hook; see augmenting.h. */
#include "train/augmenting.h"

#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"

struct kohl_augmenting {
  kohl_context *ctx;
  kohl_context worker; /* copied by every call: one thread's error texts are not another's */
  kohl_augmentation augmentation;
  kohl_preprocessing fitted;
  int h, w; /* of the result */
  uint64_t seed;
  uint32_t epoch;
  const size_t *order; /* borrowed, or NULL */
  kohl_normalise_desc normalise;
  const kohl_kernel *kernel;         /* that normalises */
  size_t picture_bytes, other_bytes; /* of the workspace: the picture before it is normalised, then what kernels take */
};

static bool changes_nothing(const kohl_augmentation *a) {
  const double *ranges[] = {a->zoom, a->brightness, a->contrast, a->saturation};
  bool none = a->rotation == 0 && a->width_shift == 0 && a->height_shift == 0 && a->shear == 0;
  for (int i = 0; i < 4; i++) none &= ranges[i][0] == 1 && ranges[i][1] == 1;
  return none && !a->horizontal_flip && !a->vertical_flip && a->crop == 0;
}

static kohl_augment_picture picture_of(const kohl_augmenting *augmenting, const uint8_t *rgb, float *grey) {
  const kohl_fit *fit = &augmenting->fitted.fit;
  return (kohl_augment_picture){rgb, fit->h, fit->w, grey, augmenting->h, augmenting->w};
}

/* One picture under given numbers; workspace as kohl_augment says. */
static kohl_status make(const kohl_augmenting *augmenting, kohl_context *ctx, const kohl_augment_params *params,
                        const uint8_t *rgb, float *dst, void *workspace) {
  float *grey = workspace;
  char *other = (char *)workspace + augmenting->picture_bytes;
  const kohl_augment_picture picture = picture_of(augmenting, rgb, grey);
  kohl_status status = kohl_augment_apply(ctx, &augmenting->augmentation, params, &picture, other);
  if (status != KOHL_OK) return status;
  kohl_args args = {.in = {grey}, .out = {dst}, .workspace = other};
  augmenting->kernel->code->run(&augmenting->normalise, &args, NULL);
  return KOHL_OK;
}

static void draw_params(const kohl_augmenting *augmenting, uint64_t draw, kohl_augment_params *params) {
  if (augmenting->order) draw = augmenting->order[draw];
  kohl_augment_draw(&augmenting->augmentation, augmenting->seed, augmenting->epoch, draw, params);
}

/* Only what does not depend on the draw can fail, which create has found out; were it otherwise, NaN stops the run
 * where anything else would be learned from. */
static void augment(void *user, uint64_t draw, const uint8_t *rgb, float *dst, void *workspace) {
  const kohl_augmenting *augmenting = user;
  kohl_context ctx = augmenting->worker;
  kohl_augment_params params;
  draw_params(augmenting, draw, &params);
  if (make(augmenting, &ctx, &params, rgb, dst, workspace) == KOHL_OK) return;
  for (size_t i = 0, n = 3 * (size_t)augmenting->h * (size_t)augmenting->w; i < n; i++) dst[i] = NAN;
}

static kohl_status set_fit(kohl_augmenting *augmenting, const kohl_preprocessing *pre) {
  const int crop = augmenting->augmentation.crop;
  augmenting->fitted = *pre;
  augmenting->h = pre->fit.h;
  augmenting->w = pre->fit.w;
  if (crop == 0) return KOHL_OK;
  if (crop < pre->fit.h || crop < pre->fit.w) {
    return kohl_fail(augmenting->ctx, KOHL_USAGE, "augmentation: key 'crop': value %d, expected at least %d", crop,
                     pre->fit.h > pre->fit.w ? pre->fit.h : pre->fit.w);
  }
  if (pre->fit.mode == KOHL_FIT_CROP && crop > pre->fit.resize) {
    return kohl_fail(augmenting->ctx, KOHL_USAGE,
                     "augmentation: key 'crop': value %d, expected at most %d, the shorter side that pictures get",
                     crop, pre->fit.resize);
  }
  augmenting->fitted.fit.h = augmenting->fitted.fit.w = crop;
  return KOHL_OK;
}

static kohl_status set_kernel(kohl_augmenting *augmenting, const kohl_preprocessing *pre) {
  kohl_context *ctx = &augmenting->worker;
  kohl_normalise_desc *d = &augmenting->normalise;
  *d = kohl_prepare_normalise(pre, 1);
  d->floats = true;
  augmenting->kernel = kohl_kernel_choose(augmenting->ctx, &kohl_normalise_op, KOHL_FWD, d);
  if (!augmenting->kernel) return KOHL_USAGE;
  const kohl_kernel_code *code = augmenting->kernel->code;
  size_t more = code->workspace_size ? code->workspace_size(d, 1) : 0;
  augmenting->picture_bytes = (kohl_prepare_floats(pre) * sizeof(float) + 63) / 64 * 64;
  augmenting->other_bytes = kohl_augment_workspace(ctx, augmenting->h, augmenting->w);
  if (more > augmenting->other_bytes) augmenting->other_bytes = more;
  return KOHL_OK;
}

/* A black picture with everything that may be switched on, so that every kernel is chosen once. */
static kohl_status try_once(kohl_augmenting *augmenting) {
  kohl_context *ctx = augmenting->ctx;
  uint8_t *rgb = NULL;
  float *dst = NULL;
  void *workspace = NULL;
  kohl_augment_params params = kohl_augment_params_none();
  params.brightness = 0.5f;
  kohl_status status = kohl_alloc(ctx, kohl_prepare_floats(&augmenting->fitted), 1, "an augmented picture", &rgb);
  if (status == KOHL_OK) {
    status =
        kohl_alloc(ctx, 3 * (size_t)augmenting->h * (size_t)augmenting->w, sizeof *dst, "an augmented picture", &dst);
  }
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, augmenting->picture_bytes + augmenting->other_bytes, 1, "augmentation", &workspace);
  }
  if (status == KOHL_OK) {
    status = make(augmenting, &augmenting->worker, &params, rgb, dst, workspace);
    if (status != KOHL_OK) status = kohl_fail(ctx, status, "%s", augmenting->worker.error);
  }
  kohl_free(ctx, rgb);
  kohl_free(ctx, dst);
  kohl_free(ctx, workspace);
  return status;
}

kohl_status kohl_augmenting_create(kohl_context *ctx, const kohl_augmentation *a, const kohl_preprocessing *pre,
                                   uint64_t seed, kohl_augmenting **out) {
  kohl_augmenting *augmenting;
  *out = NULL;
  const char *wrong = kohl_augmentation_check(a);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "augmentation: %s", wrong);
  wrong = kohl_preprocessing_check(pre);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "preprocessing: %s", wrong);
  kohl_status status = kohl_alloc(ctx, 1, sizeof *augmenting, "augmentation", &augmenting);
  if (status != KOHL_OK) return status;
  augmenting->ctx = ctx;
  augmenting->worker = kohl_context_worker(ctx);
  augmenting->worker.log = NULL; /* callbacks are called by the caller's thread only */
  augmenting->worker.cancel = NULL;
  augmenting->augmentation = *a;
  augmenting->seed = seed;
  status = set_fit(augmenting, pre);
  if (status == KOHL_OK) status = set_kernel(augmenting, pre);
  if (status == KOHL_OK) status = try_once(augmenting);
  if (status == KOHL_OK)
    *out = augmenting;
  else
    kohl_augmenting_destroy(augmenting);
  return status;
}

void kohl_augmenting_destroy(kohl_augmenting *augmenting) {
  if (augmenting) kohl_free(augmenting->ctx, augmenting);
}

kohl_preprocessing kohl_augmenting_fitted(const kohl_augmenting *augmenting) { return augmenting->fitted; }

void kohl_augmenting_hook(kohl_augmenting *augmenting, kohl_loader_options *options) {
  if (changes_nothing(&augmenting->augmentation)) return;
  options->augment = augment;
  options->augment_user = augmenting;
  options->augment_bytes = augmenting->picture_bytes + augmenting->other_bytes;
  options->row_h = augmenting->h;
  options->row_w = augmenting->w;
}

bool kohl_augmenting_changes(const kohl_augmenting *augmenting) { return !changes_nothing(&augmenting->augmentation); }

kohl_warp_desc kohl_augmenting_warp(const kohl_augmenting *augmenting) {
  const kohl_augment_picture picture = picture_of(augmenting, NULL, NULL);
  return kohl_augment_warp(&augmenting->augmentation, &picture);
}

kohl_normalise_desc kohl_augmenting_normalise(const kohl_augmenting *augmenting) { return augmenting->normalise; }

void kohl_augmenting_numbers(const kohl_augmenting *augmenting, uint64_t draw, int64_t matrix[6], float factors[3]) {
  const kohl_augment_picture picture = picture_of(augmenting, NULL, NULL);
  kohl_augment_params params;
  draw_params(augmenting, draw, &params);
  if (kohl_augment_numbers(&params, &picture, matrix, factors)) return;
  memset(matrix, 0, 6 * sizeof *matrix);
  for (int i = 0; i < 3; i++) factors[i] = NAN;
}

void kohl_augmenting_begin(kohl_augmenting *augmenting, uint32_t epoch, const size_t *order) {
  augmenting->epoch = epoch;
  augmenting->order = order;
}
