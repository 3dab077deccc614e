/* dense forward on CUDA cores: conv2d's product, rows x features. */
#include "kernels/dense/conv2d_cuda.cuh"

extern "C" {
extern const kohl_cuda_code kohl_conv2d_fwd_igemm_cuda;
}

static_assert((int)DENSE_SRC == CONV2D_SRC && (int)DENSE_WEI == CONV2D_WEI && (int)DENSE_BIA == CONV2D_BIA, "slots");

static const char *accepts(const void *desc) {
  const char *wrong = kohl_dense_check(desc);
  if (wrong) return wrong;
  const kohl_conv2d_desc conv = dense_conv2d_picture(static_cast<const kohl_dense_desc *>(desc));
  return kohl_conv2d_fwd_igemm_cuda.accepts(&conv);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_conv2d_desc conv = dense_conv2d_picture(static_cast<const kohl_dense_desc *>(desc));
  kohl_conv2d_fwd_igemm_cuda.launch(&conv, args, stream);
}

KOHL_CUDA_KERNEL(dense, fwd, igemm_cuda, accepts, NULL, launch)
