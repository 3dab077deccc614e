/* normalise forward, the reference.  A byte has 256 values: the two roundings of the header are done once for each and
 * each channel, and every pixel looks its three numbers up.  Floats are worked out one by one. */
#include <math.h>

#include "kernels/normalise/normalise.h"

enum { VALUES = 256 };

static const char *accepts(const void *desc) { return kohl_normalise_check(desc); }

static size_t workspace_size(const void *desc, size_t workers) {
  (void)desc;
  (void)workers;
  return 3 * VALUES * sizeof(float);
}

static float normalised(const kohl_normalise_desc *d, float grey, int c) {
  return fmaf(grey, d->scale, -d->mean[c]) * d->inv_std[c];
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_normalise_desc *d = desc;
  const float *lookup = args->workspace, *floats = (const float *)args->in[NORMALISE_SRC] + first * 3;
  const uint8_t *bytes = (const uint8_t *)args->in[NORMALISE_SRC] + first * 3;
  float *dst = (float *)args->out[NORMALISE_DST] + first * (size_t)d->dst_stride;
  int from[3] = {d->bgr ? 2 : 0, 1, d->bgr ? 0 : 2};
  for (size_t i = 0; i < count; i++, dst += d->dst_stride) {
    for (int c = 0; c < 3; c++) {
      size_t at = i * 3 + (size_t)from[c];
      dst[c] = d->floats ? normalised(d, floats[at], c) : lookup[c * VALUES + bytes[at]];
    }
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_normalise_desc *d = desc;
  float *lookup = args->workspace;
  for (int c = 0; c < 3; c++) {
    for (int value = 0; value < VALUES; value++) lookup[c * VALUES + value] = normalised(d, (float)value, c);
  }
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * (size_t)d->pixels, 3);
}

const kohl_kernel_code kohl_normalise_fwd_ref = {accepts, NULL, NULL, workspace_size, run};
