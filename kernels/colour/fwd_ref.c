/* colour forward, the reference: strict C, pixel by pixel. */
#include <math.h>

#include "kernels/colour/colour.h"

static float clip(float x) { return x < 0.0f ? 0.0f : x > 255.0f ? 255.0f : x; }

static float grey(const float v[3]) { return fmaf(0.114f, v[2], fmaf(0.587f, v[1], 0.299f * v[0])); }

static void brighten(const float *src, float brightness, float v[3]) {
  for (int c = 0; c < 3; c++) v[c] = clip(src[c] * brightness);
}

static void blend(float factor, float plain, float v[3]) {
  for (int c = 0; c < 3; c++) v[c] = clip(fmaf(factor, v[c] - plain, plain));
}

static uint64_t sum(const float *src, float brightness, size_t pixels) {
  uint64_t total = 0;
  for (size_t i = 0; i < pixels; i++) {
    float v[3];
    brighten(src + 3 * i, brightness, v);
    float level = grey(v);
    total += level > 0.0f ? (uint64_t)(level * 65536.0f) : 0;
  }
  return total;
}

static void apply(const kohl_colour_change *change, const float *src, float *dst, size_t pixels) {
  for (size_t i = 0; i < pixels; i++) {
    float v[3];
    brighten(src + 3 * i, change->brightness, v);
    if (change->contrast != 1.0f) blend(change->contrast, change->mean, v);
    if (change->saturation != 1.0f) blend(change->saturation, grey(v), v);
    for (int c = 0; c < 3; c++) dst[3 * i + (size_t)c] = v[c];
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_colour_run(desc, args, threads, sum, apply);
}

const kohl_kernel_code kohl_colour_fwd_ref = {kohl_colour_check, NULL, NULL, kohl_colour_workspace, run};
