/* dense weight gradient on CUDA cores: conv2d's product, output x input features, summed over rows.  As one picture of
 * one line they are one block of conv2d's sums, that is one chain. */
#include "kernels/dense/conv2d_cuda.cuh"

extern "C" {
extern const kohl_cuda_code kohl_conv2d_wgrad_igemm_cuda;
}

static_assert((int)DENSE_WGRAD_SRC == CONV2D_WGRAD_SRC && (int)DENSE_WGRAD_DDST == CONV2D_WGRAD_DDST, "slots");
static_assert((int)DENSE_WGRAD_DWEI == CONV2D_WGRAD_DWEI && (int)DENSE_WGRAD_DBIA == CONV2D_WGRAD_DBIA, "slots");

static const char *accepts(const void *desc) {
  const char *wrong = kohl_dense_check(desc);
  if (wrong) return wrong;
  const kohl_conv2d_desc conv = dense_conv2d_picture(static_cast<const kohl_dense_desc *>(desc));
  return kohl_conv2d_wgrad_igemm_cuda.accepts(&conv);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_conv2d_desc conv = dense_conv2d_picture(static_cast<const kohl_dense_desc *>(desc));
  kohl_conv2d_wgrad_igemm_cuda.launch(&conv, args, stream);
}

KOHL_CUDA_KERNEL(dense, wgrad, igemm_cuda, accepts, NULL, launch)
