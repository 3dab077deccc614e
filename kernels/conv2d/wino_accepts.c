/* What Winograd convolutions can compute, and where they pay. */
#include "kernels/conv2d/wgrad_wino.h"

/* What all of them ask. */
static const char *accepts(const kohl_conv2d_desc *d) {
  if (d->r != 3 || d->s != 3) return "filters are not 3x3";
  if (d->stride_h != 1 || d->stride_w != 1 || d->dilation_h != 1 || d->dilation_w != 1)
    return "a stride or dilation is not 1";
  if (d->groups != 1) return "groups > 1";
  if (d->dsts != 1) return "more than one destination";
  if (d->c % KOHL_WINO_BLOCK) return "channels are no multiple of 16";
  return NULL;
}

/* A position of U is read once for all tiles, and U is 4 times (F(2x2): 16/9 times) as large as the filters: with too
 * few pixels reading it from memory takes longer than what is saved.  Measured with 512 channels that were not in a
 * cache: 16 x 16 pixels F(4x4) 2.1 ms, F(2x2) 1.8 ms; 8 x 8 F(2x2) 0.86 ms, directly 0.93 ms; 7 x 7 0.89 and 0.77 ms.
 */
enum { LEAST_FILTERS = 16, LEAST_PIXELS_4 = 320, LEAST_PIXELS_2 = 64 };

const char *kohl_wino_advise(int m, const kohl_conv2d_desc *d) {
  if (d->k < LEAST_FILTERS || d->c < LEAST_FILTERS) return "fewer than 16 filters or channels";
  if ((int64_t)d->n * d->p * d->q < (m == 4 ? LEAST_PIXELS_4 : LEAST_PIXELS_2)) return "few pixels";
  return NULL;
}

const char *kohl_wino_accepts(const void *desc) {
  const char *refusal = kohl_conv2d_check(desc);
  return refusal ? refusal : accepts(desc);
}

const char *kohl_wino_dgrad_accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  const char *refusal = kohl_conv2d_gradient_check(d);
  if (!refusal) refusal = accepts(d);
  if (refusal) return refusal;
  if (d->pad_top > 2 || d->pad_left > 2 || d->pad_bottom > 2 || d->pad_right > 2) return "a padding is above 2";
  const kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  return accepts(&conv);
}

enum {
  LEAST_SIDE = 3,                         /* pixels of a picture's side: below, a tile is mostly padding */
  LEAST_TILES = 12,                       /* measured: 512 filters of 512 channels lose with 4, gain with 16 */
  MOST_SUMS = (16 << 20) / sizeof(float), /* of blocks of rows of ddst */
};

const char *kohl_wgrad_wino_accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  const char *refusal = kohl_wino_dgrad_accepts(d);
  if (refusal) return refusal;
  const size_t rows = (size_t)kohl_conv2d_block_rows(d), sum_blocks = ((size_t)d->n * (size_t)d->p + rows - 1) / rows;
  if (d->bias && sum_blocks > MOST_SUMS / (size_t)d->k) return "more than 16 MiB of sums for the bias";
  return NULL;
}

const char *kohl_wgrad_wino_advise(const kohl_conv2d_desc *d) {
  if (d->p < LEAST_SIDE || d->q < LEAST_SIDE) return "a picture is hardly a tile";
  const size_t tiles = (size_t)d->n * (((size_t)d->p + 3) / 4) * (((size_t)d->q + 3) / 4);
  return tiles < LEAST_TILES ? "so few tiles that dU is more work than the pixels" : NULL;
}
