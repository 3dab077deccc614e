/* Runs every kernel of an op that this CPU has against the op's reference, bit for bit. */
#include "tests/unit/ops_compare.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t ops_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

int ops_between(uint32_t *state, int low, int high) {
  return low + (int)(ops_random(state) % (uint32_t)(high - low + 1));
}

float *ops_floats(uint32_t *state, size_t count, bool special) {
  static const float specials[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-42f, -3e-45f, 3.4e38f, -3.4e38f, 1e-38f};
  float *floats = malloc((count ? count : 1) * sizeof *floats);
  ck_assert_ptr_nonnull(floats);
  for (size_t i = 0; i < count; i++) {
    floats[i] = (float)((int)ops_random(state) - (1 << 23)) * 0x1p-21f;
    if (special && ops_random(state) % 16 == 0) floats[i] = specials[ops_random(state) % 10];
  }
  return floats;
}

static const kohl_kernel *reference(const kohl_op *op, kohl_direction direction) {
  const kohl_kernel *found = NULL;
  for (size_t i = 0; i < op->count; i++) {
    if (op->kernels[i].direction == direction) found = &op->kernels[i];
  }
  ck_assert_ptr_nonnull(found);
  ck_assert_str_eq(found->id, "ref");
  return found;
}

void ops_reference(const kohl_op *op, kohl_direction direction, const void *desc, const kohl_args *args) {
  const kohl_kernel_code *code = reference(op, direction)->code;
  const char *refusal = code->accepts(desc);
  ck_assert_msg(!refusal, "%s: %s", op->name, refusal);
  code->run(desc, args, NULL);
}

static void outputs_make(const ops_out out[KOHL_ARGS_OUT], kohl_args *args) {
  for (int i = 0; i < KOHL_ARGS_OUT && out[i].count; i++) {
    args->out[i] = malloc(out[i].count * sizeof(float));
    ck_assert_ptr_nonnull(args->out[i]);
    memcpy(args->out[i], out[i].before, out[i].count * sizeof(float));
  }
}

static void outputs_free(kohl_args *args) {
  for (int i = 0; i < KOHL_ARGS_OUT; i++) free(args->out[i]);
}

static void outputs_equal(const ops_out out[KOHL_ARGS_OUT], const kohl_args *expected, const kohl_args *got,
                          const kohl_kernel *kernel, int threads, const char *text) {
  for (int o = 0; o < KOHL_ARGS_OUT && out[o].count; o++) {
    const float *a = expected->out[o], *b = got->out[o];
    for (size_t i = 0; i < out[o].count; i++) {
      if (!memcmp(a + i, b + i, sizeof *a) || (isnan(a[i]) && isnan(b[i]))) continue;
      ck_abort_msg("%s %s, %d threads, %s: output %d, float %zu is %a, expected %a", kernel->op, kernel->id, threads,
                   text, o, i, (double)b[i], (double)a[i]);
    }
  }
}

/* What the kernel asks for, filled with NaN. */
static void *workspace_make(const kohl_kernel_code *code, const void *desc, int threads) {
  size_t bytes = code->workspace_size ? code->workspace_size(desc, (size_t)threads) : 0;
  void *workspace = bytes ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
  if (bytes) {
    ck_assert_ptr_nonnull(workspace);
    memset(workspace, 0xff, bytes);
  }
  return workspace;
}

int ops_compare(const kohl_op *op, kohl_direction direction, const void *desc, const void *const in[KOHL_ARGS_IN],
                const ops_out out[KOHL_ARGS_OUT], const char *text) {
  static kohl_threads *pools[4]; /* made once per test process */
  static kohl_context *ctx;
  if (!ctx) ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK);
  kohl_args expected = {0};
  memcpy(expected.in, in, sizeof expected.in);
  outputs_make(out, &expected);
  expected.workspace = workspace_make(reference(op, direction)->code, desc, 1);
  ops_reference(op, direction, desc, &expected);
  int ran = 0;
  for (size_t k = 0; k < op->count; k++) {
    const kohl_kernel *kernel = &op->kernels[k];
    if (kernel->direction != direction || kernel->needs & ~kohl_cpu_detect() || kernel->code->accepts(desc)) continue;
    ran++;
    for (int threads = 1; threads <= 3; threads++) {
      if (!pools[threads]) ck_assert_int_eq(kohl_threads_create(ctx, threads, &pools[threads]), KOHL_OK);
      kohl_args got = {0};
      memcpy(got.in, in, sizeof got.in);
      outputs_make(out, &got);
      got.workspace = workspace_make(kernel->code, desc, threads);
      kernel->code->run(desc, &got, pools[threads]);
      outputs_equal(out, &expected, &got, kernel, threads, text);
      outputs_free(&got);
      free(got.workspace);
    }
  }
  outputs_free(&expected);
  free(expected.workspace);
  return ran - 1;
}
