/* The list of kernels that warp pictures, the check of a desc, and the part of a row that needs no fill. */
#include "kernels/warp/warp.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(warp, __VA_ARGS__)
#include "kernels/warp/warp.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(warp, __VA_ARGS__)
#include "kernels/warp/warp.def"
#undef KERNEL
};
KOHL_DEFINE_OP(warp, table)

const char *kohl_warp_check(const kohl_warp_desc *d) {
  if (d->n < 0 || d->h < 1 || d->w < 1 || d->p < 1 || d->q < 1) return "a size is below 1";
  if (d->h > KOHL_WARP_SIDE || d->w > KOHL_WARP_SIDE || d->p > KOHL_WARP_SIDE || d->q > KOHL_WARP_SIDE) {
    return "a side is above 32768";
  }
  if (d->src_row < d->w * 3) return "a row's distance is below its bytes";
  if ((int)d->fill < 0 || d->fill >= (kohl_fill)KOHL_FILLS) return "no such fill";
  for (int c = 0; c < 3; c++) {
    if (!isfinite(d->colour[c])) return "the colour is not finite";
  }
  return NULL;
}

static int64_t floor_of(int64_t a, int64_t b) { return a / b - (a % b < 0); } /* b > 0 */

/* Narrows first .. end to the x with 0 <= from + x * step < last. */
static void narrow(int64_t from, int64_t step, int64_t last, int64_t *first, int64_t *end) {
  const int64_t far = INT64_C(1) << 62, steep = INT64_C(1) << 46; /* with x < 2^15 nothing below overflows */
  int64_t low = *first, high = *end;
  if (from <= -far || from >= far || step <= -steep || step >= steep) {
    high = low;
  } else if (step > 0) {
    low = -floor_of(from, step); /* the ceiling of -from / step */
    high = -floor_of(from - last, step);
  } else if (step < 0) {
    low = floor_of(from - last, -step) + 1;
    high = floor_of(from, -step) + 1;
  } else if (from < 0 || from >= last) {
    high = low;
  }
  if (low > *first) *first = low;
  if (high < *end) *end = high;
}

void kohl_warp_interior(const kohl_warp_row *r, int *first, int *end) {
  int64_t low = 0, high = r->d->q;
  narrow((int64_t)r->row, (int64_t)r->row_step, (int64_t)(r->d->h - 1) << 32, &low, &high);
  narrow((int64_t)r->column, (int64_t)r->column_step, (int64_t)(r->d->w - 1) << 32, &low, &high);
  *first = low < high ? (int)low : 0;
  *end = low < high ? (int)high : 0;
}
