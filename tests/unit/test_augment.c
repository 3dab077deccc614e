/* Augmentation: what is exact, what is drawn, and every kernel of warp and colour against its reference. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/augment.h"
#include "datasets/augment_text.h"
#include "kernels/colour/colour.h"
#include "kernels/warp/affine.h"
#include "kernels/warp/warp.h"

static uint32_t seed;
static uint32_t draw(uint32_t below) {
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}
static double between(double low, double high) { return low + (high - low) * draw(1 << 20) / (1 << 20); }

static kohl_context *context;
static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 3;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
}
static void teardown(void) { kohl_context_destroy(context); }

static uint8_t *noise(int h, int w) {
  uint8_t *memory = malloc((size_t)h * (size_t)w * 3);
  for (size_t i = 0; i < (size_t)h * (size_t)w * 3; i++) memory[i] = (uint8_t)draw(256);
  return memory;
}

/* The augmented picture, the caller's to free. */
static float *augmented(kohl_context *ctx, const kohl_augmentation *a, const kohl_augment_params *params,
                        kohl_augment_picture picture) {
  size_t floats = (size_t)picture.p * (size_t)picture.q * 3, bytes = kohl_augment_workspace(ctx, picture.p, picture.q);
  void *workspace = aligned_alloc(64, (bytes + 63) / 64 * 64);
  picture.dst = malloc(floats * sizeof(float));
  for (size_t i = 0; i < floats; i++) picture.dst[i] = NAN;
  memset(workspace, 0xa5, bytes);
  ck_assert_msg(kohl_augment_apply(ctx, a, params, &picture, workspace) == KOHL_OK, "%s", kohl_context_error(ctx));
  free(workspace);
  return picture.dst;
}

/* Nothing, flips and windows give the bytes of the source and no others, at every size. */
START_TEST(flips_and_windows_are_exact) {
  kohl_augmentation a = kohl_augmentation_none();
  seed = 3;
  for (int round = 0; round < 120; round++) {
    int p = 1 + (int)draw(40), q = 1 + (int)draw(40), h = p + (int)draw(3) * 5, w = q + (int)draw(3) * 4;
    kohl_augment_params params = kohl_augment_params_none();
    params.horizontal_flip = round % 2;
    params.vertical_flip = round / 2 % 2;
    params.crop_top = round % 3 / 2.0;
    params.crop_left = round % 5 / 4.0;
    a.fill = (kohl_fill)draw(KOHL_FILLS);
    int top = (int)(params.crop_top * (h - p + 1)), left = (int)(params.crop_left * (w - q + 1));
    if (top > h - p) top = h - p;
    if (left > w - q) left = w - q;
    uint8_t *src = noise(h, w);
    float *dst = augmented(context, &a, &params, (kohl_augment_picture){src, h, w, NULL, p, q});
    size_t wrong = 0;
    for (int i = 0; i < p * q * 3; i++) {
      int y = i / 3 / q, x = i / 3 % q;
      y = top + (params.vertical_flip ? p - 1 - y : y);
      x = left + (params.horizontal_flip ? q - 1 - x : x);
      wrong += !(dst[i] == (float)src[(y * w + x) * 3 + i % 3]);
    }
    ck_assert_msg(wrong == 0, "round %d, %d x %d out of %d x %d: %zu values", round, p, q, h, w, wrong);
    free(src);
    free(dst);
  }
}
END_TEST

static kohl_augmentation everything(void) {
  kohl_augmentation a = kohl_augmentation_none();
  a.rotation = 20;
  a.width_shift = a.height_shift = 0.2;
  a.shear = 10;
  a.zoom[0] = 0.8;
  a.zoom[1] = 1.25;
  a.horizontal_flip = a.vertical_flip = true;
  a.brightness[0] = a.contrast[0] = a.saturation[0] = 0.5;
  a.brightness[1] = a.contrast[1] = a.saturation[1] = 1.5;
  a.crop = 256;
  return a;
}

/* Every parameter as a double, in a fixed order. */
enum { PARAMS = 13 };
static void list(const kohl_augment_params *p, double out[PARAMS]) {
  const double values[PARAMS] = {p->rotation,   p->height_shift,    p->width_shift,   p->shear,      p->zoom_height,
                                 p->zoom_width, p->horizontal_flip, p->vertical_flip, p->brightness, p->contrast,
                                 p->saturation, p->crop_top,        p->crop_left};
  memcpy(out, values, sizeof values);
}

static void drawn(const kohl_augmentation *a, uint64_t number, double out[PARAMS]) {
  kohl_augment_params params;
  kohl_augment_draw(a, 42, 3, number, &params);
  list(&params, out);
}

/* Switches off what parameter i belongs to; i and the others that went with it are marked. */
static void switch_off(kohl_augmentation *a, int i, bool off[PARAMS]) {
  off[i] = true;
  if (i == 0) a->rotation = 0;
  if (i == 1) a->height_shift = 0;
  if (i == 2) a->width_shift = 0;
  if (i == 3) a->shear = 0;
  if (i == 4 || i == 5) a->zoom[0] = a->zoom[1] = off[4] = off[5] = 1;
  if (i == 6) a->horizontal_flip = false;
  if (i == 7) a->vertical_flip = false;
  if (i == 8) a->brightness[0] = a->brightness[1] = 1;
  if (i == 9) a->contrast[0] = a->contrast[1] = 1;
  if (i == 10) a->saturation[0] = a->saturation[1] = 1;
  if (i == 11 || i == 12) a->crop = 0, off[11] = off[12] = true;
}

START_TEST(draws_do_not_depend_on_each_other) {
  const kohl_augmentation all = everything();
  double first[PARAMS], other[PARAMS], none[PARAMS];
  kohl_augment_params nothing = kohl_augment_params_none();
  list(&nothing, none);
  drawn(&all, 7, first);
  for (uint64_t number = 20; number-- > 0;) {
    drawn(&all, number, other);
    int same = 0;
    for (int i = 0; i < PARAMS; i++) same += i != 6 && i != 7 && first[i] == other[i];
    ck_assert_int_eq(same, number == 7 ? PARAMS - 2 : 0);
  }
  for (int i = 0; i < PARAMS; i++) {
    kohl_augmentation less = all;
    bool off[PARAMS] = {false};
    switch_off(&less, i, off);
    drawn(&less, 7, other);
    for (int k = 0; k < PARAMS; k++) ck_assert_double_eq(other[k], off[k] ? none[k] : first[k]);
  }
  kohl_augmentation no = kohl_augmentation_none();
  drawn(&no, 7, other);
  for (int i = 0; i < PARAMS; i++) ck_assert(other[i] == none[i] && !signbit(other[i]));
}
END_TEST

/* Of 4,000 draws the mean of a uniform number over [low, high] is within 5 standard deviations, (high - low) /
 * sqrt(12 * 4000) each; a flip's within 5 * 0.5 / sqrt(4000). */
START_TEST(draws_are_spread_over_their_ranges) {
  const kohl_augmentation a = everything();
  const double low[PARAMS] = {-20, -0.2, -0.2, -10, 0.8, 0.8, 0, 0, 0.5, 0.5, 0.5, 0, 0};
  const double high[PARAMS] = {20, 0.2, 0.2, 10, 1.25, 1.25, 1, 1, 1.5, 1.5, 1.5, 1, 1};
  double sum[PARAMS] = {0}, values[PARAMS];
  for (uint64_t number = 0; number < 4000; number++) {
    drawn(&a, number, values);
    for (int i = 0; i < PARAMS; i++) {
      ck_assert(values[i] >= low[i] && values[i] <= high[i]);
      sum[i] += values[i];
    }
  }
  for (int i = 0; i < PARAMS; i++) {
    double width = high[i] - low[i], deviation = i == 6 || i == 7 ? 0.5 : width / sqrt(12.0);
    ck_assert_msg(fabs(sum[i] / 4000 - (low[i] + high[i]) / 2) <= 5 * deviation / sqrt(4000.0), "parameter %d", i);
  }
  kohl_augment_params x, y;
  kohl_augment_draw(&a, 42, 3, 1, &x);
  kohl_augment_draw(&a, 42, 4, 1, &y);
  ck_assert(x.rotation != y.rotation);
  kohl_augment_draw(&a, 43, 3, 1, &y);
  ck_assert(x.rotation != y.rotation);
}
END_TEST

/* Random maps of random pictures: every kernel and number of threads gives ref's bits; memory of exactly the size that
 * the header says, for the address sanitizer. */
START_TEST(warp_kernels_equal_ref) {
  seed = 5;
  for (int round = 0; round < 300; round++) {
    kohl_warp_desc d = {.n = 1 + (int)draw(2), .h = 1 + (int)draw(60), .w = 1 + (int)draw(60), .p = 1 + (int)draw(50)};
    d.q = 1 + (int)draw(draw(2) ? 17 : 80);
    d.src_row = d.w * 3 + (int)draw(4);
    d.fill = (kohl_fill)draw(KOHL_FILLS);
    d.colour[0] = 12.5f;
    int64_t matrix[12];
    for (int n = 0; n < d.n; n++) {
      double reach = draw(4) ? 0.4 : 40;
      kohl_affine_keras_params k = {.theta = between(-90 * reach, 90 * reach),
                                    .tx = between(-reach, reach) * d.h,
                                    .ty = between(-reach, reach) * d.w,
                                    .shear = between(-30, 30),
                                    .zx = between(0.3, 2),
                                    .zy = between(0.3, 2),
                                    .flip_horizontal = draw(2)};
      if (!draw(8)) k = (kohl_affine_keras_params){.zx = 1, .zy = 1, .tx = draw(9), .ty = draw(9)};
      kohl_affine map = kohl_affine_keras(&k, d.h, d.w);
      ck_assert(kohl_affine_fixed(&map, matrix + 6 * n));
    }
    size_t bytes = ((size_t)d.n * (size_t)d.h - 1) * (size_t)d.src_row + (size_t)d.w * 3;
    size_t floats = (size_t)d.n * (size_t)d.p * (size_t)d.q * 3;
    uint8_t *src = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) src[i] = (uint8_t)draw(256);
    float *want = malloc(floats * sizeof *want);
    for (size_t k = kohl_warp_op.count; k-- > 0;) {
      const kohl_kernel *kernel = &kohl_warp_op.kernels[k];
      if (kernel->needs & ~kohl_cpu_detect()) continue;
      float *got = malloc(floats * sizeof *got);
      kohl_args args = {.in = {src, matrix}, .out = {got}};
      kernel->code->run(&d, &args, round % 8 ? NULL : context->threads);
      if (k + 1 == kohl_warp_op.count) memcpy(want, got, floats * sizeof *got);
      ck_assert_msg(memcmp(got, want, floats * sizeof *got) == 0, "%s differs from ref in round %d", kernel->id, round);
      free(got);
    }
    free(src);
    free(want);
  }
}
END_TEST

/* Grey levels up to 255 and factors on both sides of 1, and 1 itself, in place and not. */
START_TEST(colour_kernels_equal_ref) {
  seed = 9;
  for (int round = 0; round < 200; round++) {
    kohl_colour_desc d = {1 + (int)draw(3), 1 + (int)draw(draw(3) ? 40 : 9000)};
    size_t floats = (size_t)d.n * (size_t)d.pixels * 3, bytes = kohl_colour_workspace(&d, 1);
    float *src = malloc(floats * sizeof *src), *want = malloc(floats * sizeof *src), factors[9];
    for (size_t i = 0; i < floats; i++) src[i] = draw(3) ? (float)draw(256) : (float)between(0, 255);
    for (int i = 0; i < 9; i++) factors[i] = draw(4) ? (float)between(0, 3) : (float)draw(2);
    for (size_t k = kohl_colour_op.count; k-- > 0;) {
      const kohl_kernel *kernel = &kohl_colour_op.kernels[k];
      if (kernel->needs & ~kohl_cpu_detect()) continue;
      float *got = malloc(floats * sizeof *got);
      memcpy(got, src, floats * sizeof *got);
      kohl_args args = {.in = {round % 2 ? got : src, factors}, .out = {got}};
      args.workspace = aligned_alloc(64, (bytes + 63) / 64 * 64);
      kernel->code->run(&d, &args, round % 8 ? NULL : context->threads);
      if (k + 1 == kohl_colour_op.count) memcpy(want, got, floats * sizeof *got);
      ck_assert_msg(memcmp(got, want, floats * sizeof *got) == 0, "%s differs from ref in round %d", kernel->id, round);
      free(args.workspace);
      free(got);
    }
    for (size_t i = 0; i < floats; i++) {
      const float *f = factors + i / 3 / (size_t)d.pixels * 3;
      ck_assert(want[i] >= 0.0f && want[i] <= 255.0f);
      if (f[0] == 1.0f && f[1] == 1.0f && f[2] == 1.0f) ck_assert_float_eq(want[i], src[i]);
    }
    free(src);
    free(want);
  }
}
END_TEST

/* Two pixels by hand.  Greys 299/1000 * 200 = 59.8 and 0.587 * 100 = 58.7: the mean is 59.25. */
START_TEST(colours_by_hand) {
  const uint8_t src[6] = {200, 0, 0, 0, 100, 0};
  const kohl_augmentation a = kohl_augmentation_none();
  const struct {
    float brightness, contrast, saturation, want[6];
  } rows[] = {
      {2, 1, 1, {255, 0, 0, 0, 200, 0}},
      {0.5f, 1, 1, {100, 0, 0, 0, 50, 0}},
      {1, 0, 1, {59.25f, 59.25f, 59.25f, 59.25f, 59.25f, 59.25f}},
      {1, 1, 0, {59.8f, 59.8f, 59.8f, 58.7f, 58.7f, 58.7f}},
      {1, 2, 1, {255, 0, 0, 0, 140.75f, 0}},
      {1, 0.5f, 0.5f, {94.575f, 44.575f, 44.575f, 44.3f, 69.3f, 44.3f}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    kohl_augment_params params = kohl_augment_params_none();
    params.brightness = rows[i].brightness;
    params.contrast = rows[i].contrast;
    params.saturation = rows[i].saturation;
    float *dst = augmented(context, &a, &params, (kohl_augment_picture){src, 1, 2, NULL, 1, 2});
    /* a dozen roundings of numbers to 255, and a mean at most 2^-16 too small: below 4e-5 */
    for (int k = 0; k < 6; k++) ck_assert_float_eq_tol(dst[k], rows[i].want[k], 4e-5f);
    free(dst);
  }
}
END_TEST

START_TEST(every_level_and_thread_gives_the_same) {
  const kohl_augmentation a = everything();
  uint8_t *src = noise(256, 256);
  float *want = NULL;
  const char *levels[] = {"ref", "avx2", "avx512"};
  for (int i = 0; i < 6; i++) {
    kohl_context *ctx;
    kohl_context_options options = kohl_context_options_default();
    options.cpu = levels[i / 2];
    options.threads = 2;
    if (kohl_context_create(&options, &ctx) != KOHL_OK) continue;
    kohl_context worker = kohl_context_worker(ctx);
    kohl_augment_params params;
    kohl_augment_draw(&a, 1, 2, 3, &params);
    kohl_augment_picture picture = {src, 256, 256, NULL, 224, 200};
    float *got = augmented(i % 2 ? ctx : &worker, &a, &params, picture);
    if (want) ck_assert_mem_eq(got, want, 224 * 200 * 3 * sizeof *got);
    if (want) free(got);
    if (!want) want = got;
    kohl_context_destroy(ctx);
  }
  free(want);
  free(src);
}
END_TEST

START_TEST(wrong_numbers_are_refused) {
  kohl_augmentation good = everything(), a;
  ck_assert_ptr_null(kohl_augmentation_check(&good));
#define REFUSED(change) \
  a = good;             \
  a.change;             \
  ck_assert_ptr_nonnull(kohl_augmentation_check(&a))
  REFUSED(rotation = -1);
  REFUSED(rotation = (double)NAN);
  REFUSED(width_shift = 1.5);
  REFUSED(height_shift = -0.1);
  REFUSED(shear = 90);
  REFUSED(zoom[0] = 0);
  REFUSED(zoom[1] = 0.5);
  REFUSED(brightness[0] = -0.5);
  REFUSED(contrast[1] = (double)INFINITY);
  REFUSED(saturation[0] = 2);
  REFUSED(crop = -1);
  REFUSED(fill = (kohl_fill)KOHL_FILLS);
  REFUSED(colour[1] = 256);
#undef REFUSED
  uint8_t src[27] = {0};
  float dst[12];
  kohl_augment_params params = kohl_augment_params_none();
  kohl_augment_picture picture = {src, 3, 3, dst, 4, 3};
  a = kohl_augmentation_none();
  ck_assert_int_eq(kohl_augment_apply(context, &a, &params, &picture, NULL), KOHL_USAGE);
  picture.p = 3;
  params.zoom_height = (double)NAN;
  ck_assert_int_eq(kohl_augment_apply(context, &a, &params, &picture, NULL), KOHL_USAGE);
  params = kohl_augment_params_none();
  params.height_shift = 1e30;
  ck_assert_int_eq(kohl_augment_apply(context, &a, &params, &picture, NULL), KOHL_USAGE);
  params = kohl_augment_params_none();
  params.contrast = INFINITY;
  ck_assert_int_eq(kohl_augment_apply(context, &a, &params, &picture, NULL), KOHL_USAGE);
}
END_TEST

START_TEST(texts_are_read_and_refused) {
  kohl_augmentation a = kohl_augmentation_none(), before;
  static const char all[] =
      "rotation=20,width_shift=0.2,height_shift=.1,zoom=0.9:1.1,shear=5,horizontal_flip=1,vertical_flip=1,"
      "brightness=0.8:1.2,contrast=1:2,saturation=0:1,crop=64,fill=wrap,colour=#0a80Ff";
  ck_assert_int_eq(kohl_augmentation_parse(context, "x", all, &a), KOHL_OK);
  ck_assert(a.rotation == 20 && a.width_shift == 0.2 && a.height_shift == 0.1 && a.shear == 5 && a.crop == 64);
  ck_assert(a.zoom[0] == 0.9 && a.zoom[1] == 1.1 && a.brightness[1] == 1.2 && a.contrast[1] == 2);
  ck_assert(a.saturation[0] == 0 && a.horizontal_flip && a.vertical_flip && a.fill == KOHL_FILL_WRAP);
  ck_assert(a.colour[0] == 10 && a.colour[1] == 128 && a.colour[2] == 255);
  before = a;
  ck_assert_int_eq(kohl_augmentation_parse(context, "x", "", &a), KOHL_OK);
  static const char *const wrong[] = {"rotation",  "rotation=",    "rotation=nan", "rotation=1e999", "zoom=1",
                                      "zoom=1:",   "zoom=:1",      "zoom=2:1",     "crop=1.5",       "fill=",
                                      ",",         "=1",           "rotatio=1",    "colour=#12345",  "colour=#12345g",
                                      "shear=0x1", "crop=1,crop=1"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_msg(kohl_augmentation_parse(context, "x", wrong[i], &a) == KOHL_USAGE, "%s", wrong[i]);
    ck_assert_int_eq(strncmp(kohl_context_error(context), "x: ", 3), 0);
  }
  ck_assert_mem_eq(&a, &before, sizeof a);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("augment");
  TCase *tests = tcase_create("augment");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, flips_and_windows_are_exact);
  tcase_add_test(tests, draws_do_not_depend_on_each_other);
  tcase_add_test(tests, draws_are_spread_over_their_ranges);
  tcase_add_test(tests, warp_kernels_equal_ref);
  tcase_add_test(tests, colour_kernels_equal_ref);
  tcase_add_test(tests, colours_by_hand);
  tcase_add_test(tests, every_level_and_thread_gives_the_same);
  tcase_add_test(tests, texts_are_read_and_refused);
  tcase_add_test(tests, wrong_numbers_are_refused);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
