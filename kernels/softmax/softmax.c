/* The list of softmaxes, checking a desc, and the arithmetic of one pixel. */
#include "kernels/softmax/softmax.h"

#include "kernels/core/math.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(softmax, __VA_ARGS__)
#include "kernels/softmax/softmax.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(softmax, __VA_ARGS__)
#include "kernels/softmax/softmax.def"
#undef KERNEL
};
KOHL_DEFINE_OP(softmax, table)

const char *kohl_softmax_check(const kohl_softmax_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  return NULL;
}

void kohl_softmax_pixel(const float *src, int c, float *dst, float *max, float *sum) {
  float top = -INFINITY, partial[16] = {0.0f};
  for (int i = 0; i < c; i++) top = src[i] > top || src[i] != src[i] ? src[i] : top;
  for (int i = 0; i < c; i++) {
    dst[i] = kohl_expf(src[i] - top);
    partial[i % 16] += dst[i];
  }
  for (int half = 8; half; half /= 2) {
    for (int i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  for (int i = 0; i < c; i++) dst[i] /= partial[0];
  *max = top;
  *sum = partial[0];
}
