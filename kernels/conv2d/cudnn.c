/* conv2d by cuDNN, all three directions: a baseline, never chosen.
 *
 * cudnn computes in f32, cudnn_tf32 lets inputs be rounded to TF32.  Of the library's algorithms those count that are
 * sums of products (no Winograd, no FFT, whose errors are another class's) and give the same bits every time; the
 * fastest is found by running each once per problem, but for problems that are first met while a graph is recorded. The
 * epilogue is the library's fused one where that takes it. */
#include <string.h>

#include "kernels/conv2d/conv2d.h"
#include "kernels/core/vendor_cudnn.h"

enum { MOST_RESULTS = 10, LEAST_SPACE = 1 << 20, MOST_SPACE = 256 << 20 };

/* The sums among the library's algorithms, a bit each: fwd implicit GEMM, with precomputed indices, GEMM, direct; the
 * gradients' one implicit GEMM without atomics. */
static const unsigned sums[] = {[KOHL_FWD] = 0xf, [KOHL_DGRAD] = 1 << 1, [KOHL_WGRAD] = 1 << 1};

static const char *accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  const char *wrong = kohl_conv2d_check(d);
  if (wrong) return wrong;
  if (!d->n) return "an empty batch";
  if (d->dsts > 1) return "several destinations";
  if (d->pool) return "a fused pool";
  if (kohl_conv2d_out(d->h, d->r, d->stride_h, d->dilation_h, d->pad_top, d->pad_top) != d->p ||
      kohl_conv2d_out(d->w, d->s, d->stride_w, d->dilation_w, d->pad_left, d->pad_left) != d->q)
    return "cuDNN pads both ends of a side alike";
  if ((int64_t)d->h * d->w * d->src_stride > INT32_MAX || (int64_t)d->p * d->q * d->dst_stride[0] > INT32_MAX)
    return "a picture of more than 2^31 floats";
  return NULL;
}

static const char *accepts_gradient(const void *desc) {
  const char *wrong = kohl_conv2d_gradient_check(desc);
  return wrong ? wrong : accepts(desc);
}

/* The library tells a workspace only when it has the problem; sixteen times the tensors is more than the sums ask. */
static size_t space(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  double floats = (double)d->n * d->h * d->w * d->c + (double)d->n * d->p * d->q * d->k +
                  (double)d->k * d->r * d->s * (d->c / d->groups);
  double bytes = LEAST_SPACE + 16.0 * sizeof(float) * floats;
  return bytes < MOST_SPACE ? (size_t)bytes : MOST_SPACE;
}

static int set_tensor(const kohl_cudnn *cudnn, void *tensor, int n, int h, int w, int c, int stride) {
  return cudnn->SetTensor4dDescriptorEx(tensor, KOHL_CUDNN_FLOAT, n, c, h, w, h * w * stride, 1, w * stride, stride);
}

/* Sets every descriptor for the problem: x and w as stored, y of dst or ddst, z of the addend. */
static int describe(const kohl_cudnn *cudnn, const kohl_conv2d_desc *d, int math) {
  bool relu = d->activation == KOHL_ACTIVATION_RELU;
  int status = set_tensor(cudnn, cudnn->x, d->n, d->h, d->w, d->c, d->src_stride);
  if (!status) status = set_tensor(cudnn, cudnn->y, d->n, d->p, d->q, d->k, d->dst_stride[0]);
  if (!status) status = set_tensor(cudnn, cudnn->z, d->n, d->p, d->q, d->k, d->add ? d->add_stride : d->dst_stride[0]);
  if (!status) status = set_tensor(cudnn, cudnn->bias, 1, 1, 1, d->k, d->k);
  if (!status)
    status =
        cudnn->SetFilter4dDescriptor(cudnn->w, KOHL_CUDNN_FLOAT, KOHL_CUDNN_NHWC, d->k, d->c / d->groups, d->r, d->s);
  if (!status)
    status =
        cudnn->SetConvolution2dDescriptor(cudnn->conv, d->pad_top, d->pad_left, d->stride_h, d->stride_w, d->dilation_h,
                                          d->dilation_w, KOHL_CUDNN_CROSS_CORRELATION, KOHL_CUDNN_FLOAT);
  if (!status) status = cudnn->SetConvolutionGroupCount(cudnn->conv, d->groups);
  if (!status) status = cudnn->SetConvolutionMathType(cudnn->conv, math);
  if (!status)
    status = cudnn->SetActivationDescriptor(cudnn->act, relu ? KOHL_CUDNN_RELU : KOHL_CUDNN_IDENTITY,
                                            KOHL_CUDNN_PROPAGATE_NAN, 0.0);
  return status;
}

/* Takes the first of the results, which come fastest first, that may be used; false: none. */
static bool take(kohl_cudnn_choice *choice, const kohl_cudnn_perf *perf, int count, size_t bytes) {
  for (int i = 0; i < count; i++) {
    const kohl_cudnn_perf *p = &perf[i];
    bool tensor = p->math == KOHL_CUDNN_TENSOR_OP || p->math == KOHL_CUDNN_TENSOR_OP_CONVERSION;
    if (p->status || p->bytes > bytes || p->determinism != KOHL_CUDNN_DETERMINISTIC) continue;
    if (p->algorithm < 0 || p->algorithm > 31 || !(sums[choice->direction] >> p->algorithm & 1)) continue;
    if (tensor && !choice->tf32) continue;
    choice->algorithm = p->algorithm;
    choice->math = choice->tf32 ? p->math : KOHL_CUDNN_FMA_MATH;
    return true;
  }
  return false;
}

static int math_of(bool tf32) { return tf32 ? KOHL_CUDNN_DEFAULT_MATH : KOHL_CUDNN_FMA_MATH; }

/* What the library thinks of the problem; NULL, or why it cannot be computed. */
static const char *estimate(const kohl_cudnn *cudnn, const kohl_conv2d_desc *d, kohl_cudnn_choice *choice) {
  kohl_cudnn_perf perf[MOST_RESULTS];
  int count = 0, status = describe(cudnn, d, math_of(choice->tf32));
  if (status) return cudnn->error_text(status);
  if (choice->direction == KOHL_FWD)
    status = cudnn->GetConvolutionForwardAlgorithm_v7(cudnn->handle, cudnn->x, cudnn->w, cudnn->conv, cudnn->y,
                                                      MOST_RESULTS, &count, perf);
  else if (choice->direction == KOHL_DGRAD)
    status = cudnn->GetConvolutionBackwardDataAlgorithm_v7(cudnn->handle, cudnn->w, cudnn->y, cudnn->conv, cudnn->x,
                                                           MOST_RESULTS, &count, perf);
  else
    status = cudnn->GetConvolutionBackwardFilterAlgorithm_v7(cudnn->handle, cudnn->x, cudnn->y, cudnn->conv, cudnn->w,
                                                             MOST_RESULTS, &count, perf);
  if (status) return cudnn->error_text(status);
  return take(choice, perf, count, space(d)) ? NULL : "cuDNN has no deterministic sum of products for this";
}

/* Runs each algorithm on the real memory, whose outputs the caller's run overwrites; what fails leaves the estimate. */
static void measure(const kohl_cudnn *cudnn, const kohl_args *args, size_t bytes, kohl_cudnn_choice *choice) {
  kohl_cudnn_perf perf[MOST_RESULTS];
  int count = 0, status;
  choice->measured = true;
  if (choice->direction == KOHL_FWD)
    status = cudnn->FindConvolutionForwardAlgorithmEx(
        cudnn->handle, cudnn->x, args->in[CONV2D_SRC], cudnn->w, args->in[CONV2D_WEI], cudnn->conv, cudnn->y,
        args->out[CONV2D_DST], MOST_RESULTS, &count, perf, args->workspace, bytes);
  else if (choice->direction == KOHL_DGRAD)
    status = cudnn->FindConvolutionBackwardDataAlgorithmEx(
        cudnn->handle, cudnn->w, args->in[CONV2D_DGRAD_WEI], cudnn->y, args->in[CONV2D_DGRAD_DDST], cudnn->conv,
        cudnn->x, args->out[CONV2D_DGRAD_DSRC], MOST_RESULTS, &count, perf, args->workspace, bytes);
  else
    status = cudnn->FindConvolutionBackwardFilterAlgorithmEx(
        cudnn->handle, cudnn->x, args->in[CONV2D_WGRAD_SRC], cudnn->y, args->in[CONV2D_WGRAD_DDST], cudnn->conv,
        cudnn->w, args->out[CONV2D_WGRAD_DWEI], MOST_RESULTS, &count, perf, args->workspace, bytes);
  if (!status) take(choice, perf, count, bytes);
}

/* The problem's choice, made by estimate when it is new; NULL with *why. */
static kohl_cudnn_choice *choose(kohl_cudnn *cudnn, const kohl_conv2d_desc *d, kohl_direction direction, bool tf32,
                                 const char **why) {
  _Static_assert(sizeof *d <= KOHL_CUDNN_DESC, "a choice holds the desc");
  for (size_t i = 0; i < KOHL_CUDNN_CHOICES; i++) {
    kohl_cudnn_choice *c = &cudnn->choices[i];
    if (c->used && c->direction == (int)direction && c->tf32 == tf32 && !memcmp(c->desc, d, sizeof *d)) return c;
  }
  kohl_cudnn_choice *choice = &cudnn->choices[cudnn->next];
  memset(choice, 0, sizeof *choice);
  choice->direction = direction;
  choice->tf32 = tf32;
  *why = estimate(cudnn, d, choice);
  if (*why) return NULL;
  memcpy(choice->desc, d, sizeof *d);
  choice->used = true;
  cudnn->next = (cudnn->next + 1) % KOHL_CUDNN_CHOICES;
  return choice;
}

static const char *available(const kohl_context *ctx, kohl_stream *stream, const void *desc, kohl_direction direction,
                             bool tf32) {
  const char *why;
  kohl_cudnn *cudnn = kohl_cudnn_of(ctx, stream, &why);
  return cudnn && choose(cudnn, desc, direction, tf32, &why) ? NULL : why;
}

/* The call that failed, for the stream; NULL: none. */
static const char *run_separately(const kohl_cudnn *cudnn, const kohl_conv2d_desc *d, const kohl_args *args,
                                  size_t bytes, const kohl_cudnn_choice *choice, int *status) {
  const float one = 1.0f, zero = 0.0f;
  void *dst = args->out[CONV2D_DST];
  *status =
      cudnn->ConvolutionForward(cudnn->handle, &one, cudnn->x, args->in[CONV2D_SRC], cudnn->w, args->in[CONV2D_WEI],
                                cudnn->conv, choice->algorithm, args->workspace, bytes, &zero, cudnn->y, dst);
  if (*status) return "cudnnConvolutionForward";
  if (d->bias) *status = cudnn->AddTensor(cudnn->handle, &one, cudnn->bias, args->in[CONV2D_BIA], &one, cudnn->y, dst);
  if (!*status && d->add)
    *status = cudnn->AddTensor(cudnn->handle, &one, cudnn->z, args->in[CONV2D_ADD], &one, cudnn->y, dst);
  if (*status) return "cudnnAddTensor";
  if (d->activation == KOHL_ACTIVATION_RELU)
    *status = cudnn->ActivationForward(cudnn->handle, cudnn->act, &one, cudnn->y, dst, &zero, cudnn->y, dst);
  return "cudnnActivationForward";
}

static const char *run_forward(const kohl_cudnn *cudnn, const kohl_conv2d_desc *d, const kohl_args *args, size_t bytes,
                               kohl_cudnn_choice *choice, int *status) {
  const float one = 1.0f, share = d->add ? 1.0f : 0.0f;
  void *dst = args->out[CONV2D_DST];
  if (d->bias && !choice->separate) {
    *status = cudnn->ConvolutionBiasActivationForward(
        cudnn->handle, &one, cudnn->x, args->in[CONV2D_SRC], cudnn->w, args->in[CONV2D_WEI], cudnn->conv,
        choice->algorithm, args->workspace, bytes, &share, cudnn->z, d->add ? args->in[CONV2D_ADD] : dst, cudnn->bias,
        args->in[CONV2D_BIA], cudnn->act, cudnn->y, dst);
    if (!*status) return NULL;
    choice->separate = true;
  }
  return run_separately(cudnn, d, args, bytes, choice, status);
}

static const char *run_gradient(const kohl_cudnn *cudnn, const kohl_conv2d_desc *d, const kohl_args *args, size_t bytes,
                                const kohl_cudnn_choice *choice, int *status) {
  const float one = 1.0f, zero = 0.0f;
  if (choice->direction == KOHL_DGRAD) {
    *status = cudnn->ConvolutionBackwardData(cudnn->handle, &one, cudnn->w, args->in[CONV2D_DGRAD_WEI], cudnn->y,
                                             args->in[CONV2D_DGRAD_DDST], cudnn->conv, choice->algorithm,
                                             args->workspace, bytes, &zero, cudnn->x, args->out[CONV2D_DGRAD_DSRC]);
    return "cudnnConvolutionBackwardData";
  }
  const void *ddst = args->in[CONV2D_WGRAD_DDST];
  *status = cudnn->ConvolutionBackwardFilter(cudnn->handle, &one, cudnn->x, args->in[CONV2D_WGRAD_SRC], cudnn->y, ddst,
                                             cudnn->conv, choice->algorithm, args->workspace, bytes, &zero, cudnn->w,
                                             args->out[CONV2D_WGRAD_DWEI]);
  if (*status) return "cudnnConvolutionBackwardFilter";
  if (d->bias)
    *status = cudnn->ConvolutionBackwardBias(cudnn->handle, &one, cudnn->y, ddst, &zero, cudnn->bias,
                                             args->out[CONV2D_WGRAD_DBIA]);
  return "cudnnConvolutionBackwardBias";
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream, kohl_direction direction, bool tf32) {
  const kohl_conv2d_desc *d = desc;
  kohl_vendor *vendor = stream->libraries; /* it is there: the refusal was asked for */
  kohl_cudnn *cudnn = vendor->cudnn;
  const char *why = NULL, *call;
  size_t bytes = space(desc);
  if (stream->failure) return;
  kohl_cudnn_choice *choice = choose(cudnn, d, direction, tf32, &why);
  if (!choice) {
    kohl_vendor_failed(stream, "cuDNN", why);
    return;
  }
  int status = describe(cudnn, d, math_of(tf32));
  if (!status && !choice->measured && !stream->recording) measure(cudnn, args, bytes, choice);
  if (!status) status = cudnn->SetConvolutionMathType(cudnn->conv, choice->math);
  if (status) {
    kohl_vendor_failed(stream, "cuDNN's descriptors", cudnn->error_text(status));
    return;
  }
  call = direction == KOHL_FWD ? run_forward(cudnn, d, args, bytes, choice, &status)
                               : run_gradient(cudnn, d, args, bytes, choice, &status);
  if (status) kohl_vendor_failed(stream, call, cudnn->error_text(status));
}

#define BASELINE(name, direction, tf32, check)                                                          \
  static const char *name##_available(const kohl_context *ctx, kohl_stream *stream, const void *desc) { \
    return available(ctx, stream, desc, direction, tf32);                                               \
  }                                                                                                     \
  static void name##_launch(const void *desc, const kohl_args *args, kohl_stream *stream) {             \
    launch(desc, args, stream, direction, tf32);                                                        \
  }                                                                                                     \
  const kohl_cuda_code kohl_conv2d_##name = {check, space, name##_launch, name##_available};
BASELINE(fwd_cudnn, KOHL_FWD, false, accepts)
BASELINE(fwd_cudnn_tf32, KOHL_FWD, true, accepts)
BASELINE(dgrad_cudnn, KOHL_DGRAD, false, accepts_gradient)
BASELINE(dgrad_cudnn_tf32, KOHL_DGRAD, true, accepts_gradient)
BASELINE(wgrad_cudnn, KOHL_WGRAD, false, accepts_gradient)
BASELINE(wgrad_cudnn_tf32, KOHL_WGRAD, true, accepts_gradient)
