/* resize against Pillow's numbers, every kernel of resize and normalise against its reference. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/normalise/normalise.h"
#include "kernels/resize/resize.h"

static uint32_t seed;
static uint32_t draw(uint32_t below) {
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

/* Memory of exactly the size asked for, so that the address sanitizer sees a byte too far. */
static void *exactly(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  ck_assert_ptr_nonnull(memory);
  return memory;
}

static void run(const kohl_kernel *kernel, const void *desc, const void *src, void *dst, kohl_threads *threads) {
  const kohl_kernel_code *code = kernel->code;
  ck_assert_ptr_null(code->accepts(desc));
  size_t bytes = code->workspace_size ? code->workspace_size(desc, kohl_threads_count(threads)) : 0;
  void *packed = exactly(code->packed_size ? code->packed_size(desc) : 0);
  kohl_args args = {.in = {src, packed}, .out = {dst}, .workspace = exactly(bytes)};
  memset(args.workspace, 0xa5, bytes); /* nothing may depend on a clean workspace */
  if (code->pack) memset(packed, 0xa5, code->packed_size(desc));
  if (code->pack) code->pack(desc, NULL, packed);
  code->run(desc, &args, threads);
  free(args.workspace);
  free(packed);
}

static const kohl_kernel *ref_of(const kohl_op *op) { return &op->kernels[op->count - 1]; }

static kohl_context *context;
static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 3;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
}
static void teardown(void) { kohl_context_destroy(context); }

/* Pillow 9.4 on the 37 x 23 picture (7y + 13x + 29c) mod 256. */
START_TEST(pillow_vectors) {
  static const struct {
    kohl_filter filter;
    int w, h;
    unsigned long sum;
    uint8_t first[3], last[3];
  } rows[] = {
      {KOHL_FILTER_BILINEAR, 8, 8, 24945, {37, 66, 95}, {73, 102, 131}},
      {KOHL_FILTER_BILINEAR, 50, 40, 776649, {0, 29, 58}, {110, 139, 168}},
      {KOHL_FILTER_BICUBIC, 8, 8, 24938, {32, 61, 90}, {70, 107, 136}},
      {KOHL_FILTER_BICUBIC, 50, 40, 776468, {0, 27, 56}, {112, 141, 170}},
      {KOHL_FILTER_NEAREST, 8, 8, 24576, {33, 62, 91}, {77, 106, 135}},
      {KOHL_FILTER_NEAREST, 50, 40, 778432, {0, 29, 58}, {110, 139, 168}},
      {KOHL_FILTER_LANCZOS, 8, 8, 24933, {31, 60, 89}, {67, 112, 141}},
      {KOHL_FILTER_LANCZOS, 50, 40, 776522, {0, 27, 56}, {112, 141, 170}},
  };
  static uint8_t src[23][37][3], dst[50 * 40 * 3];
  for (int y = 0; y < 23; y++) {
    for (int x = 0; x < 37; x++) {
      for (int c = 0; c < 3; c++) src[y][x][c] = (uint8_t)(7 * y + 13 * x + 29 * c);
    }
  }
  for (size_t k = 0; k < kohl_resize_op.count; k++) {
    const kohl_kernel *kernel = &kohl_resize_op.kernels[k];
    if (kernel->needs & ~kohl_cpu_detect()) continue;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
      kohl_resize_desc d = kohl_resize_whole(23, 37, 3, rows[i].h, rows[i].w, rows[i].filter);
      if (kernel->code->accepts(&d)) continue;
      size_t bytes = (size_t)rows[i].w * (size_t)rows[i].h * 3;
      run(kernel, &d, src, dst, NULL);
      unsigned long sum = 0;
      for (size_t b = 0; b < bytes; b++) sum += dst[b];
      ck_assert_msg(sum == rows[i].sum, "%s, row %zu: sum %lu, expected %lu", kernel->id, i, sum, rows[i].sum);
      ck_assert_mem_eq(dst, rows[i].first, 3);
      ck_assert_mem_eq(dst + bytes - 3, rows[i].last, 3);
    }
  }
}
END_TEST

/* A random desc; sides near 1 and a long thin one now and then. */
static kohl_resize_desc random_desc(void) {
  kohl_resize_desc d = {.n = 1 + (int)draw(3), .c = 1 + (int)draw(4), .filter = (kohl_filter)draw(KOHL_FILTERS)};
  d.h = 1 + (int)draw(draw(4) ? 50 : 3);
  d.w = 1 + (int)draw(draw(8) ? 50 : 900);
  d.p_full = draw(5) ? 1 + (int)draw(70) : d.h;
  d.q_full = draw(5) ? 1 + (int)draw(70) : d.w;
  d.top = draw(2) ? (int)draw((uint32_t)d.p_full) : 0;
  d.left = draw(2) ? (int)draw((uint32_t)d.q_full) : 0;
  d.p = d.top ? 1 + (int)draw((uint32_t)(d.p_full - d.top)) : d.p_full;
  d.q = d.left ? 1 + (int)draw((uint32_t)(d.q_full - d.left)) : d.q_full;
  d.src_row = d.w * d.c + (int)draw(5);
  d.dst_row = d.q * d.c + (int)draw(5);
  return d;
}

static uint8_t *noise(size_t bytes) {
  uint8_t *memory = malloc(bytes ? bytes : 1);
  uint32_t style = draw(3);
  for (size_t i = 0; i < bytes; i++) memory[i] = (uint8_t)(style == 0 ? draw(256) : style == 1 ? 255 * draw(2) : 255);
  return memory;
}

START_TEST(resize_kernels_equal_ref) {
  seed = 7;
  for (int round = 0; round < 500; round++) {
    kohl_resize_desc d = random_desc();
    ck_assert_ptr_null(kohl_resize_check(&d));
    size_t src_bytes = (size_t)d.n * (size_t)d.h * (size_t)d.src_row;
    size_t dst_bytes = (size_t)d.n * (size_t)d.p * (size_t)d.dst_row;
    uint8_t *src = noise(src_bytes), *want = malloc(dst_bytes), *got = malloc(dst_bytes);
    memset(want, 0x5a, dst_bytes);
    run(ref_of(&kohl_resize_op), &d, src, want, NULL);
    size_t touched = 0;
    for (size_t i = 0; i < dst_bytes; i++) {
      touched += (int)(i % (size_t)d.dst_row) >= d.q * d.c && want[i] != 0x5a;
    }
    ck_assert_uint_eq(touched, 0);
    for (size_t k = 0; k < kohl_resize_op.count; k++) {
      const kohl_kernel *kernel = &kohl_resize_op.kernels[k];
      if (kernel->needs & ~kohl_cpu_detect() || kernel->code->accepts(&d)) continue;
      memset(got, 0x5a, dst_bytes);
      run(kernel, &d, src, got, round % 16 ? NULL : context->threads);
      ck_assert_msg(memcmp(got, want, dst_bytes) == 0, "%s differs from ref in round %d: %d x %d x %d to %d x %d (%s)",
                    kernel->id, round, d.h, d.w, d.c, d.p_full, d.q_full, kohl_filter_name(d.filter));
    }
    free(src);
    free(want);
    free(got);
  }
}
END_TEST

START_TEST(window_is_a_part_of_the_whole) {
  seed = 11;
  for (int round = 0; round < 300; round++) {
    kohl_resize_desc part = random_desc(), whole = part;
    whole.p = whole.p_full;
    whole.q = whole.q_full;
    whole.top = whole.left = 0;
    whole.dst_row = whole.q * whole.c;
    uint8_t *src = noise((size_t)part.n * (size_t)part.h * (size_t)part.src_row);
    uint8_t *all = malloc((size_t)whole.n * (size_t)whole.p * (size_t)whole.dst_row);
    uint8_t *some = malloc((size_t)part.n * (size_t)part.p * (size_t)part.dst_row);
    run(ref_of(&kohl_resize_op), &whole, src, all, NULL);
    run(ref_of(&kohl_resize_op), &part, src, some, NULL);
    for (int row = 0; row < part.n * part.p; row++) {
      int y = row / part.p * whole.p + part.top + row % part.p;
      ck_assert_mem_eq(some + (size_t)row * (size_t)part.dst_row,
                       all + (size_t)y * (size_t)whole.dst_row + part.left * part.c, (size_t)(part.q * part.c));
    }
    free(src);
    free(all);
    free(some);
  }
}
END_TEST

/* Both halves of a packed weight fit 16 bits and make the weight again; pairs outside a filter are 0. */
START_TEST(packed_weights_are_the_weights) {
  seed = 13;
  int32_t largest = 0;
  for (int round = 0; round < 400; round++) {
    kohl_resize_desc d = kohl_resize_whole(1 + (int)draw(90), 1 + (int)draw(90), 3, 1, 1 + (int)draw(400),
                                           (kohl_filter)(1 + draw(KOHL_FILTERS - 1)));
    bool even = draw(2) != 0;
    void *tables = exactly(kohl_resize_tables_size(&d));
    kohl_resize_tables_pack(&d, NULL, tables);
    kohl_resize_plan plan = kohl_resize_plan_of(&d, tables);
    const kohl_resize_axis *axis = &plan.across;
    int pairs = kohl_resize_pairs(axis, d.q, even);
    ck_assert_int_le(pairs, kohl_resize_most_pairs(&d, true));
    int32_t *packed = exactly((size_t)d.q * (size_t)pairs * 2 * sizeof *packed);
    kohl_resize_pack(axis, d.q, even, pairs, packed);
    for (int x = 0; x < d.q; x++) {
      for (int i = 0; i < 2 * pairs; i++) {
        const int32_t *pair = packed + ((size_t)x * (size_t)pairs + (size_t)i / 2) * 2;
        int t = i - (even ? axis->from[x] % 2 : 0), shift = i % 2 * 16;
        int32_t want = t >= 0 && t < axis->count[x] ? axis->weight[x * axis->taps + t] : 0;
        int32_t low = (int16_t)((uint32_t)pair[0] >> shift), high = (int16_t)((uint32_t)pair[1] >> shift);
        ck_assert_int_eq(high * 2048 + low, want);
        if (abs(want) > largest) largest = abs(want);
      }
    }
    free(packed);
    free(tables);
  }
  ck_assert_int_lt(largest, 3 << KOHL_RESIZE_BITS >> 1);
}
END_TEST

START_TEST(wrong_descs_are_refused) {
  kohl_resize_desc good = kohl_resize_whole(10, 20, 3, 5, 6, KOHL_FILTER_BICUBIC), d;
  ck_assert_ptr_null(kohl_resize_check(&good));
#define REFUSED(change) \
  d = good;             \
  d.change;             \
  ck_assert_ptr_nonnull(kohl_resize_check(&d))
  REFUSED(h = 0);
  REFUSED(w = KOHL_RESIZE_SIDE + 1);
  REFUSED(c = 5);
  REFUSED(q = 0);
  REFUSED(p_full = 4);
  REFUSED(left = 1);
  REFUSED(top = -1);
  REFUSED(src_row = 59);
  REFUSED(dst_row = 17);
  REFUSED(filter = (kohl_filter)KOHL_FILTERS);
#undef REFUSED
}
END_TEST

/* The formula is repeated here with its two roundings; the vector is p / 127.5 - 1 at its ends. */
START_TEST(normalise_is_its_formula) {
  seed = 5;
  for (int round = 0; round < 60; round++) {
    kohl_normalise_desc d = {.n = 1 + (int)draw(2), .pixels = 1 + (int)draw(9000), .bgr = draw(2) != 0};
    d.dst_stride = draw(2) ? 3 : 3 + (int)draw(3);
    d.scale = (float)(1.0 / 255.0);
    for (int c = 0; c < 3; c++) {
      d.mean[c] = (float)draw(1000) / 1000.0f;
      d.inv_std[c] = 0.5f + (float)draw(1000) / 100.0f;
    }
    size_t pixels = (size_t)d.n * (size_t)d.pixels, stride = (size_t)d.dst_stride;
    uint8_t *src = noise(pixels * 3);
    float *dst = malloc(pixels * stride * sizeof *dst);
    for (size_t k = 0; k < kohl_normalise_op.count; k++) {
      const kohl_kernel *kernel = &kohl_normalise_op.kernels[k];
      if (kernel->needs & ~kohl_cpu_detect() || kernel->code->accepts(&d)) continue;
      for (size_t i = 0; i < pixels * stride; i++) dst[i] = -77.0f;
      run(kernel, &d, src, dst, round % 4 ? NULL : context->threads);
      size_t wrong = 0;
      for (size_t i = 0; i < pixels * stride; i++) {
        size_t c = i % stride, from = i / stride * 3 + (d.bgr ? 2 - c : c);
        float want = c < 3 ? fmaf((float)src[from], d.scale, -d.mean[c]) * d.inv_std[c] : -77.0f;
        wrong += memcmp(&dst[i], &want, sizeof want) != 0;
      }
      ck_assert_uint_eq(wrong, 0);
    }
    free(src);
    free(dst);
  }
  kohl_normalise_desc keras = {1, 1, 1.0f / 127.5f, {1, 1, 1}, {1, 1, 1}, false, 3, false};
  uint8_t ends[3] = {0, 255, 51};
  float out[3];
  run(ref_of(&kohl_normalise_op), &keras, ends, out, NULL);
  ck_assert_float_eq(out[0], -1.0f);
  /* 1/127.5 is rounded to 24 bits, 2^-25 relative; times 255 the error is at most 2 * 2^-25 + half an ulp of 1. */
  ck_assert_float_eq_tol(out[1], 1.0f, 1.2e-7f);
  ck_assert_float_eq_tol(out[2], -0.6f, 1.2e-7f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("resize");
  TCase *tests = tcase_create("resize");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, pillow_vectors);
  tcase_add_test(tests, resize_kernels_equal_ref);
  tcase_add_test(tests, window_is_a_part_of_the_whole);
  tcase_add_test(tests, packed_weights_are_the_weights);
  tcase_add_test(tests, wrong_descs_are_refused);
  tcase_add_test(tests, normalise_is_its_formula);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
