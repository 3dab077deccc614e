/* normalise forward, the reference: the two roundings of the header for each of the 256 bytes and each channel,
 * then every pixel looks its three numbers up. */
#include <math.h>

#include "kernels/normalise/normalise.h"

enum { VALUES = 256, BLOCK = 4096 }; /* pixels per unit of work: 12 KiB read, 48 KiB written */

static const char *accepts(const void *desc) { return kohl_normalise_check(desc); }

static size_t workspace_size(const void *desc, size_t workers) {
  (void)desc;
  (void)workers;
  return 3 * VALUES * sizeof(float);
}

typedef struct {
  const kohl_normalise_desc *d;
  const kohl_args *args;
} job;

static void block(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_normalise_desc *d = j->d;
  const float *lookup = j->args->workspace;
  size_t pixels = (size_t)d->n * (size_t)d->pixels, first = index * BLOCK;
  size_t count = pixels - first < BLOCK ? pixels - first : BLOCK;
  const uint8_t *src = (const uint8_t *)j->args->in[NORMALISE_SRC] + first * 3;
  float *dst = (float *)j->args->out[NORMALISE_DST] + first * (size_t)d->dst_stride;
  int from[3] = {d->bgr ? 2 : 0, 1, d->bgr ? 0 : 2};
  for (size_t i = 0; i < count; i++, src += 3, dst += d->dst_stride) {
    for (int c = 0; c < 3; c++) dst[c] = lookup[c * VALUES + src[from[c]]];
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_normalise_desc *d = desc;
  float *lookup = args->workspace;
  for (int c = 0; c < 3; c++) {
    for (int value = 0; value < VALUES; value++) {
      lookup[c * VALUES + value] = fmaf((float)value, d->scale, -d->mean[c]) * d->inv_std[c];
    }
  }
  job state = {d, args};
  kohl_parallel(threads, block, &state, ((size_t)d->n * (size_t)d->pixels + BLOCK - 1) / BLOCK);
}

const kohl_kernel_code kohl_normalise_fwd_ref = {accepts, NULL, NULL, workspace_size, run};
