/* What a Winograd convolution accepts, its filters in transformed and packed form, and the convolution that an input
 * gradient is. */
#include <string.h>

#include "kernels/conv2d/wino.h"

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

const char *kohl_wino_dgrad_accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  const char *refusal = kohl_conv2d_gradient_check(d);
  if (!refusal) refusal = accepts(d);
  if (refusal) return refusal;
  if (d->pad_top > 2 || d->pad_left > 2 || d->pad_bottom > 2 || d->pad_right > 2) return "a padding is above 2";
  const kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  return accepts(&conv);
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

static size_t round_up(size_t x, size_t to) { return (x + to - 1) / to * to; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

size_t kohl_wino_packed_size(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d) {
  return round_up((size_t)d->k, (size_t)isa->width) * (size_t)((m + 2) * (m + 2)) * (size_t)d->c * sizeof(float);
}

/* Where tap (r, s) of a channel's filter is: the filters' memory in either direction. */
typedef struct {
  const float *wei;
  size_t filter, channel, tap; /* floats from one to the next */
  bool turned;
} filters;

static void pack(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const filters *from, float *packed) {
  enum { WIDEST = 32 };
  _Alignas(64) float g[9 * KOHL_WINO_BLOCK * WIDEST];
  const size_t width = (size_t)isa->width, c = (size_t)d->c, positions = (size_t)((m + 2) * (m + 2));
  for (size_t k0 = 0; k0 < (size_t)d->k; k0 += width, packed += positions * c * width) {
    const size_t count = smaller(width, (size_t)d->k - k0);
    if (count < width) memset(g, 0, sizeof g);
    for (size_t c0 = 0; c0 < c; c0 += KOHL_WINO_BLOCK) {
      for (size_t tap = 0; tap < 9; tap++) {
        const float *at =
            from->wei + k0 * from->filter + c0 * from->channel + (from->turned ? 8 - tap : tap) * from->tap;
        for (size_t k = 0; k < count; k++) {
          for (size_t i = 0; i < KOHL_WINO_BLOCK; i++)
            g[(tap * KOHL_WINO_BLOCK + i) * width + k] = at[k * from->filter + i * from->channel];
        }
      }
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
