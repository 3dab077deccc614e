/* What is kept between fits: it changes no byte, whatever came before, and spares the allocator. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/fit.h"
#include "datasets/fit_room.h"
#include "kernels/core/philox.h"
#include "tests/unit/meter.h"

enum { SHAPES = 7, PIXELS = 400 * 300, SIDE = 64 };

static meter counted;
static kohl_context *context;
static uint8_t pixels[PIXELS * 3];

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  counted = (meter){1000000, 0};
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &counted};
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)kohl_random_u32(1, 0, 0, 0, i);
}
static void teardown(void) {
  kohl_context_destroy(context);
  ck_assert_int_eq(atomic_load(&counted.live), 0);
}

/* More shapes than are kept; two of them differ in the window alone, two in the filter alone. */
static kohl_picture picture_of(int shape, kohl_fit *fit) {
  static const struct {
    int w, h;
    kohl_fit_mode mode;
    kohl_filter filter;
  } shapes[SHAPES] = {
      {400, 300, KOHL_FIT_STRETCH, KOHL_FILTER_LANCZOS},   {400, 300, KOHL_FIT_STRETCH, KOHL_FILTER_BILINEAR},
      {400, 300, KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS}, {400, 300, KOHL_FIT_CROP, KOHL_FILTER_LANCZOS},
      {300, 400, KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS}, {17, 23, KOHL_FIT_STRETCH, KOHL_FILTER_BICUBIC},
      {64, 64, KOHL_FIT_STRETCH, KOHL_FILTER_NEAREST},
  };
  *fit = (kohl_fit){shapes[shape].mode, shapes[shape].filter, SIDE, SIDE, 80, 0.0, {7, 8, 9}};
  return (kohl_picture){shapes[shape].w, shapes[shape].h, pixels, "RGB"};
}

START_TEST(kept_weights_change_no_byte) {
  static uint8_t got[SIDE * SIDE * 3];
  kohl_fit_room room;
  kohl_fit fit;
  ck_assert_int_eq(kohl_fit_room_make(context, &room), KOHL_OK);
  for (uint64_t draw = 0; draw < 300; draw++) {
    /* runs of few shapes, then of all */
    int of = draw % 100 < 60 ? 3 : SHAPES, shape = (int)(kohl_random_u32(2, 0, draw, 0, 0) % (uint32_t)of);
    kohl_picture src = picture_of(shape, &fit), want;
    ck_assert_int_eq(kohl_picture_fit(context, &src, &fit, &want), KOHL_OK);
    memset(got, 0x5a, sizeof got);
    ck_assert_int_eq(kohl_picture_fit_to(context, &src, &fit, &room, got), KOHL_OK);
    ck_assert_msg(!memcmp(got, want.rgb, sizeof got), "draw %d, shape %d differs", (int)draw, shape);
    kohl_picture_free(context, &want);
  }
  kohl_fit_room_free(context, &room);
}
END_TEST

START_TEST(kept_shapes_allocate_nothing) {
  static uint8_t got[SIDE * SIDE * 3], large[2048 * 16 * 3];
  kohl_fit_room room;
  kohl_fit fit;
  ck_assert_int_eq(kohl_fit_room_make(context, &room), KOHL_OK);
  atomic_store(&counted.left, 0);
  for (int i = 0; i < 3 * SHAPES; i++) {
    kohl_picture src = picture_of(i % SHAPES, &fit);
    ck_assert_int_eq(kohl_picture_fit_to(context, &src, &fit, &room, got), KOHL_OK);
  }
  /* 2048 outputs of 118 taps, 4 bytes a weight: more than a shape's share */
  kohl_picture wide = {32000, 3, pixels, "RGB"};
  fit = (kohl_fit){KOHL_FIT_STRETCH, KOHL_FILTER_LANCZOS, 2048, 16, 0, 0.0, {0, 0, 0}};
  ck_assert_int_eq(kohl_picture_fit_to(context, &wide, &fit, &room, large), KOHL_NO_RESOURCE);
  long before = atomic_load(&counted.live);
  atomic_store(&counted.left, 1); /* where the workspace has room, that is enough */
  kohl_status status = kohl_picture_fit_to(context, &wide, &fit, &room, large);
  ck_assert(status == KOHL_OK || status == KOHL_NO_RESOURCE);
  ck_assert_int_eq(atomic_load(&counted.live), before);
  atomic_store(&counted.left, 1000000);
  ck_assert_int_eq(kohl_picture_fit_to(context, &wide, &fit, &room, large), KOHL_OK);
  kohl_fit_room_free(context, &room);
  atomic_store(&counted.left, 0);
  ck_assert_int_eq(kohl_fit_room_make(context, &room), KOHL_NO_RESOURCE);
  kohl_fit_room_free(context, &room);
  atomic_store(&counted.left, 1000000);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fit_room");
  TCase *tests = tcase_create("fit_room");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, kept_weights_change_no_byte);
  tcase_add_test(tests, kept_shapes_allocate_nothing);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
