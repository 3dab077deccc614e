/* Problems of gather. */
#include <string.h>

#include "kernels/gather/gather.h"
#include "tests/kernelcheck/compare.h"

enum { N, ROWS, BYTES };
static const case_field gather_fields[] = {
    {"n", 1, 0, 65536}, {"rows", 1, 0, 1 << 20}, {"bytes", 1, 1, 1 << 24}, {NULL, 0, 0, 0}};
/* Words of 16, 4 and 1 bytes; more than one block to a row, with and without a tail. */
static const char *const gather_fixed[] = {"n=1",
                                           "n=0 rows=3 bytes=16",
                                           "n=3 rows=0 bytes=5",
                                           "n=5 rows=4 bytes=4096",
                                           "n=4 rows=3 bytes=4112",
                                           "n=3 rows=5 bytes=1028",
                                           "n=6 rows=2 bytes=257",
                                           "n=9 rows=7 bytes=48",
                                           NULL};

static void gather_draw(case_problem *problem, uint64_t *random) {
  problem->v[N] = CASE_PICK(random, 0, 1, 2, 5, 17);
  problem->v[ROWS] = CASE_PICK(random, 1, 2, 3, 40);
  problem->v[BYTES] = CASE_PICK(random, 1, 3, 4, 12, 16, 255, 256, 272, 1020, 1024, 2049, 4080, 4096, 4128);
}

/* Numbers from -1 (the first one of several) to rows. */
static const char *gather_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction != KOHL_FWD) return "gather has cases for fwd only";
  const kohl_gather_desc d = {case_int(problem, N), case_int(problem, ROWS), case_int(problem, BYTES)};
  const int32_t none = -1;
  out->in[GATHER_SRC] = case_tensor_make("src", (size_t)d.rows, (int)d.bytes, 0);
  out->in[GATHER_INDEX] = case_tensor_make("index", (size_t)d.n, 1, 0);
  out->in[GATHER_INDEX].type = CASE_I32;
  out->in[GATHER_INDEX].values = CASE_LABELS;
  out->in[GATHER_INDEX].labels = (int)d.rows + 1;
  if (d.n > 2) case_tensor_give(&out->in[GATHER_INDEX], 0, &none, sizeof none);
  out->out[GATHER_DST] = case_tensor_make("dst", (size_t)d.n, (int)d.bytes, 0);
  out->in[GATHER_SRC].type = out->out[GATHER_DST].type = CASE_U8;
  out->bytes = 2.0 * d.n * (double)d.bytes;
  out->integer = 1;
  memcpy(out->desc, &d, sizeof d);
  return kohl_gather_check(&d);
}

static void gather_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_gather_desc *d = (const void *)out->desc;
  const int32_t from = ((const int32_t *)args->in[GATHER_INDEX])[row];
  const uint8_t *src = args->in[GATHER_SRC];
  (void)output;
  for (int64_t i = 0; i < d->bytes; i++) {
    const bool there = from >= 0 && from < d->rows;
    values[i] = (case_value){there ? src[from * d->bytes + i] : 0.0, 0.0, 0.0};
  }
}

const case_op case_gather = {"gather",     gather_fields, gather_fixed, gather_draw, gather_layout,
                             gather_truth, NULL,          NULL,         NULL};
