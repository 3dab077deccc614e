/* dense on CUDA as conv2d sees it: rows are pixels, features are channels, a filter has one tap. */
#ifndef KOHL_KERNELS_DENSE_CONV2D_CUDA_CUH
#define KOHL_KERNELS_DENSE_CONV2D_CUDA_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/conv2d/conv2d.h"
#include "kernels/dense/dense.h"
}

/* `pictures` pictures of one row of `pixels` pixels. */
static inline kohl_conv2d_desc dense_conv2d(const kohl_dense_desc *d, int pictures, int pixels) {
  kohl_conv2d_desc conv;
  memset(&conv, 0, sizeof conv);
  conv.n = pictures;
  conv.h = conv.p = conv.r = conv.s = 1;
  conv.w = conv.q = pixels;
  conv.c = d->c;
  conv.k = d->k;
  conv.stride_h = conv.stride_w = conv.dilation_h = conv.dilation_w = conv.groups = conv.dsts = 1;
  conv.src_stride = d->src_stride;
  conv.dst_k[0] = d->k;
  conv.dst_stride[0] = d->dst_stride;
  conv.bias = d->bias;
  conv.activation = d->activation;
  return conv;
}

/* The rows as pixels of one picture: conv2d's sums over pixels are then one chain, as dense's are. */
static inline kohl_conv2d_desc dense_conv2d_picture(const kohl_dense_desc *d) {
  return dense_conv2d(d, d->n > 0, d->n > 0 ? d->n : 1);
}

#endif
