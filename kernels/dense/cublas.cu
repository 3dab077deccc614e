/* dense by cuBLAS, all three directions: a baseline, never chosen.
 *
 * cublas multiplies in f32, cublas_tf32 lets inputs be rounded to TF32.  cuBLAS sees a row-major matrix as its
 * transpose, so that every product here is written with its factors exchanged.  It has no epilogue: bias and
 * activation, and the bias gradient, are small kernels of ours. */
#include <limits.h>

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/core/vendor_cublas.h"
#include "kernels/dense/dense.h"
}

enum { BLOCK = 256 };

static __global__ void __launch_bounds__(BLOCK) finish(kohl_dense_desc d, const float *bia, float *dst) {
  const size_t count = (size_t)d.n * d.k;
  for (size_t i = kohl_thread_index(); i < count; i += kohl_thread_count()) {
    size_t n = i / d.k, k = i - n * d.k;
    float *at = dst + n * d.dst_stride + k;
    *at = kohl_activate(d.bias ? *at + bia[k] : *at, d.activation);
  }
}

/* dbia[k] is the sum of ddst's column k, rows ascending. */
static __global__ void __launch_bounds__(BLOCK) columns(kohl_dense_desc d, const float *ddst, float *dbia) {
  for (size_t k = kohl_thread_index(); k < (size_t)d.k; k += kohl_thread_count()) {
    float sum = 0.0f;
    for (size_t n = 0; n < (size_t)d.n; n++) sum += ddst[n * d.dst_stride + k];
    dbia[k] = sum;
  }
}

static const char *accepts(const void *desc) {
  const kohl_dense_desc *d = static_cast<const kohl_dense_desc *>(desc);
  const char *wrong = kohl_dense_check(desc);
  if (wrong) return wrong;
  return d->n ? NULL : "an empty batch";
}

static const char *available(const kohl_context *ctx, kohl_stream *stream, const void *desc) {
  const char *why;
  (void)desc;
  return kohl_cublas_of(ctx, stream, &why) ? NULL : why;
}

/* c [rows][columns] = a b by row-major matrices with their strides; a transposed where it says so, or b. */
static void multiply(kohl_stream *stream, bool tf32, int rows, int columns, int terms, const float *a, int a_stride,
                     bool a_turned, const float *b, int b_stride, bool b_turned, float *c, int c_stride) {
  const float one = 1.0f, zero = 0.0f;
  const kohl_cublas *cublas = static_cast<kohl_vendor *>(stream->libraries)->cublas;
  if (stream->failure) return;
  int status = cublas->set_math_mode(cublas->handle, tf32 ? KOHL_CUBLAS_TF32_TENSOR_OP : KOHL_CUBLAS_DEFAULT_MATH);
  if (!status)
    status = cublas->sgemm(cublas->handle, b_turned ? KOHL_CUBLAS_T : KOHL_CUBLAS_N,
                           a_turned ? KOHL_CUBLAS_T : KOHL_CUBLAS_N, columns, rows, terms, &one, b, b_stride, a,
                           a_stride, &zero, c, c_stride);
  if (status) kohl_vendor_failed(stream, "cublasSgemm", cublas->status_text(status));
}

static const float *input(const kohl_args *args, int slot) { return static_cast<const float *>(args->in[slot]); }
static float *output(const kohl_args *args, int slot) { return static_cast<float *>(args->out[slot]); }

static void fwd(const void *desc, const kohl_args *args, kohl_stream *stream, bool tf32) {
  const kohl_dense_desc *d = static_cast<const kohl_dense_desc *>(desc);
  float *dst = output(args, DENSE_DST);
  multiply(stream, tf32, d->n, d->k, d->c, input(args, DENSE_SRC), d->src_stride, false, input(args, DENSE_WEI), d->c,
           true, dst, d->dst_stride);
  if (d->bias || d->activation != KOHL_ACTIVATION_NONE)
    KOHL_LAUNCH(stream, finish, dim3(kohl_grid((size_t)d->n * d->k, BLOCK)), dim3(BLOCK), *d, input(args, DENSE_BIA),
                dst);
}

static void dgrad(const void *desc, const kohl_args *args, kohl_stream *stream, bool tf32) {
  const kohl_dense_desc *d = static_cast<const kohl_dense_desc *>(desc);
  multiply(stream, tf32, d->n, d->c, d->k, input(args, DENSE_DGRAD_DDST), d->dst_stride, false,
           input(args, DENSE_DGRAD_WEI), d->c, false, output(args, DENSE_DGRAD_DSRC), d->src_stride);
}

static void wgrad(const void *desc, const kohl_args *args, kohl_stream *stream, bool tf32) {
  const kohl_dense_desc *d = static_cast<const kohl_dense_desc *>(desc);
  const float *ddst = input(args, DENSE_WGRAD_DDST);
  multiply(stream, tf32, d->k, d->c, d->n, ddst, d->dst_stride, true, input(args, DENSE_WGRAD_SRC), d->src_stride,
           false, output(args, DENSE_WGRAD_DWEI), d->c);
  if (d->bias)
    KOHL_LAUNCH(stream, columns, dim3(kohl_grid((size_t)d->k, BLOCK)), dim3(BLOCK), *d, ddst,
                output(args, DENSE_WGRAD_DBIA));
}

#define BASELINE(direction, id, tf32)                                                                   \
  static void launch_##direction##_##id(const void *desc, const kohl_args *args, kohl_stream *stream) { \
    direction(desc, args, stream, tf32);                                                                \
  }                                                                                                     \
  KOHL_CUDA_BASELINE(dense, direction, id, accepts, NULL, launch_##direction##_##id, available)
BASELINE(fwd, cublas, false)
BASELINE(fwd, cublas_tf32, true)
BASELINE(dgrad, cublas, false)
BASELINE(dgrad, cublas_tf32, true)
BASELINE(wgrad, cublas, false)
BASELINE(wgrad, cublas_tf32, true)
