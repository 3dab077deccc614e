/* dense forward as a convolution of 1x1 pictures with 1x1 filters. */
#include "kernels/dense/fwd_igemm.h"

/* The arguments go through as they are. */
_Static_assert((int)DENSE_SRC == (int)CONV2D_SRC && (int)DENSE_WEI == (int)CONV2D_WEI &&
                   (int)DENSE_BIA == (int)CONV2D_BIA && (int)DENSE_DST == (int)CONV2D_DST,
               "dense and conv2d name the same slots");

static kohl_conv2d_desc as_conv2d(const kohl_dense_desc *d) {
  return (kohl_conv2d_desc){
      .n = d->n,
      .h = 1,
      .w = 1,
      .c = d->c,
      .k = d->k,
      .r = 1,
      .s = 1,
      .p = 1,
      .q = 1,
      .stride_h = 1,
      .stride_w = 1,
      .dilation_h = 1,
      .dilation_w = 1,
      .groups = 1,
      .src_stride = d->src_stride,
      .dsts = 1,
      .dst_k = {d->k},
      .dst_stride = {d->dst_stride},
      .bias = d->bias,
      .activation = d->activation,
  };
}

size_t kohl_dense_igemm_packed_size(const kohl_igemm_isa *isa, const kohl_dense_desc *d) {
  kohl_conv2d_desc conv = as_conv2d(d);
  return kohl_igemm_packed_size(isa, &conv);
}

void kohl_dense_igemm_pack(const kohl_igemm_isa *isa, const kohl_dense_desc *d, const float *wei, float *packed) {
  kohl_conv2d_desc conv = as_conv2d(d);
  kohl_igemm_pack(isa, &conv, wei, packed);
}

size_t kohl_dense_igemm_workspace_size(const kohl_igemm_isa *isa, const kohl_dense_desc *d, size_t workers) {
  kohl_conv2d_desc conv = as_conv2d(d);
  return kohl_igemm_workspace_size(isa, &conv, workers);
}

void kohl_dense_igemm_run(const kohl_igemm_isa *isa, const kohl_dense_desc *d, const kohl_args *args,
                          kohl_threads *threads) {
  kohl_conv2d_desc conv = as_conv2d(d);
  kohl_igemm_run(isa, &conv, args, threads);
}
