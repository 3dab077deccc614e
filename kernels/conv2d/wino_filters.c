/* Filters of a Winograd convolution, transformed and packed, and the convolution that an input gradient is. */
#include <string.h>

#include "kernels/conv2d/wino.h"
#include "kernels/core/size.h"

kohl_conv2d_desc kohl_wino_dgrad(const kohl_conv2d_desc *d) {
  return (kohl_conv2d_desc){.n = d->n,
                            .h = d->p,
                            .w = d->q,
                            .c = d->k,
                            .k = d->c,
                            .r = 3,
                            .s = 3,
                            .p = d->h,
                            .q = d->w,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .pad_top = 2 - d->pad_top,
                            .pad_left = 2 - d->pad_left,
                            .pad_bottom = 2 - d->pad_bottom,
                            .pad_right = 2 - d->pad_right,
                            .groups = 1,
                            .src_stride = d->dst_stride[0],
                            .dsts = 1,
                            .dst_k = {d->c},
                            .dst_stride = {d->src_stride}};
}

const double kohl_wino_g4[6][3] = {
    {1.0, 0.0, 0.0},
    {-2.0 / 3.0, -0.47140452079103168, -1.0 / 3.0},
    {-2.0 / 3.0, 0.47140452079103168, -1.0 / 3.0},
    {1.0 / 6.0, 0.23570226039551584, 1.0 / 3.0},
    {1.0 / 6.0, -0.23570226039551584, 1.0 / 3.0},
    {0.0, 0.0, 1.0},
};
const double kohl_wino_g2[4][3] = {{1.0, 0.0, 0.0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.0, 0.0, 1.0}};

size_t kohl_wino_packed_size(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d) {
  return kohl_round_up((size_t)d->k, (size_t)isa->width) * (size_t)((m + 2) * (m + 2)) * (size_t)d->c * sizeof(float);
}

/* Where tap (r, s) of a channel's filter is: the filters' memory in either direction. */
typedef struct {
  const float *wei;
  size_t filter, channel, tap; /* floats from one to the next */
  bool turned;
} filters;

/* g[tap][channel][k]: the taps of `count` filters and the 16 channels from c0 on, filters side by side. */
static void gather(const filters *from, size_t k0, size_t count, size_t c0, size_t width, float *g) {
  enum { BLOCK = KOHL_WINO_BLOCK };
  for (size_t tap = 0; tap < 9; tap++, g += BLOCK * width) {
    const float *at = from->wei + k0 * from->filter + c0 * from->channel + (from->turned ? 8 - tap : tap) * from->tap;
    if (from->filter == 1) {
      for (size_t i = 0; i < BLOCK; i++) memcpy(g + i * width, at + i * from->channel, count * sizeof *g);
      continue;
    }
    for (size_t k = 0; k < count; k++) {
      for (size_t i = 0; i < BLOCK; i++) g[i * width + k] = at[k * from->filter + i * from->channel];
    }
  }
}

static void pack(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const filters *from, float *packed) {
  enum { WIDEST = 32 };
  _Alignas(64) float g[9 * KOHL_WINO_BLOCK * WIDEST];
  const size_t width = (size_t)isa->width, c = (size_t)d->c, positions = (size_t)((m + 2) * (m + 2));
  memset(g, 0, sizeof g);
  for (size_t k0 = 0; k0 < (size_t)d->k; k0 += width, packed += positions * c * width) {
    const size_t count = kohl_smaller(width, (size_t)d->k - k0);
    if (count < width) memset(g, 0, sizeof g);
    for (size_t c0 = 0; c0 < c; c0 += KOHL_WINO_BLOCK) {
      gather(from, k0, count, c0, width, g);
      const kohl_wino_filters call = {g, packed + c0 * width, c * width};
      (m == 4 ? isa->filters4 : isa->filters2)(&call);
    }
  }
}

void kohl_wino_pack(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const float *wei, float *packed) {
  const filters from = {wei, 9 * (size_t)d->c, 1, (size_t)d->c, false};
  pack(isa, m, d, &from, packed);
}

void kohl_wino_dgrad_pack(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const float *wei, float *packed) {
  const kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  const filters from = {wei, 1, 9 * (size_t)d->c, (size_t)d->c, true};
  pack(isa, m, &conv, &from, packed);
}
