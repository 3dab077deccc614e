/* cuDNN's convolutions, plainly.  Searches put forward algorithms that a deterministic f32 sum must not take, each of
 * which then refuses to run; the fused epilogue is refused for strides above 1, as the library may. */
#include "runtime.h"
#include "vendor_fake.h"

extern "C" {
#include "kernels/core/vendor_cudnn.h"
}

namespace {

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, BLOCK = 32, SPACE = 4096 };

struct handle {
  cudaStream_t stream;
};

struct tensor {
  int n, c, h, w, n_stride, h_stride, w_stride;
};

/* A filter, convolution or activation. */
struct object {
  int v[10];
};

/* A convolution as device code sees it. */
struct problem {
  tensor x, y;
  int k, c, r, s, pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, groups;
  bool tf32;
};

struct epilogue {
  const float *add, *bias;
  tensor z;
  bool relu;
};

__device__ size_t place(const tensor &t, int n, int h, int w) {
  return static_cast<size_t>(n) * t.n_stride + static_cast<size_t>(h) * t.h_stride +
         static_cast<size_t>(w) * t.w_stride;
}

__device__ float product(const problem &d, float a, float b, float sum) {
  return d.tf32 ? __fmaf_rn(fake_tf32(a), fake_tf32(b), sum) : __fmaf_rn(a, b, sum);
}

__device__ bool split(const tensor &t, int *n, int *h, int *w) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  *w = i % t.w;
  *h = i / t.w % t.h;
  *n = i / t.w / t.h;
  return *n < t.n;
}

__device__ float finish(float sum, const epilogue &e, size_t z_at, int k) {
  if (e.add) sum += e.add[z_at + k];
  if (e.bias) sum += e.bias[k];
  return e.relu && sum < 0.0f ? 0.0f : sum;
}

/* A thread per pixel of y. */
__global__ void forward(problem d, const float *x, const float *w, epilogue e, float *y) {
  int n, p, q, group_c = d.x.c / d.groups, group_k = d.k / d.groups;
  if (!split(d.y, &n, &p, &q)) return;
  for (int k = 0; k < d.k; k++) {
    float sum = 0.0f;
    for (int tap = d.r * d.s - 1; tap >= 0; tap--) {
      int h = p * d.stride_h - d.pad_h + tap / d.s * d.dilation_h,
          v = q * d.stride_w - d.pad_w + tap % d.s * d.dilation_w;
      if (h < 0 || h >= d.x.h || v < 0 || v >= d.x.w) continue;
      for (int c = 0; c < group_c; c++)
        sum = product(d, x[place(d.x, n, h, v) + k / group_k * group_c + c],
                      w[(static_cast<size_t>(k) * d.r * d.s + tap) * group_c + c], sum);
    }
    y[place(d.y, n, p, q) + k] = finish(sum, e, place(e.z, n, p, q), k);
  }
}

/* A thread per pixel of dx. */
__global__ void backward_data(problem d, const float *w, const float *dy, float *dx) {
  int n, h, v, group_c = d.x.c / d.groups, group_k = d.k / d.groups;
  if (!split(d.x, &n, &h, &v)) return;
  for (int c = 0; c < d.x.c; c++) {
    float sum = 0.0f;
    int group = c / group_c;
    for (int tap = 0; tap < d.r * d.s; tap++) {
      int down = h + d.pad_h - tap / d.s * d.dilation_h, across = v + d.pad_w - tap % d.s * d.dilation_w;
      if (down % d.stride_h || across % d.stride_w) continue;
      int p = down / d.stride_h, q = across / d.stride_w;
      if (down < 0 || across < 0 || p >= d.y.h || q >= d.y.w) continue;
      for (int k = group * group_k; k < (group + 1) * group_k; k++)
        sum = product(d, dy[place(d.y, n, p, q) + k],
                      w[(static_cast<size_t>(k) * d.r * d.s + tap) * group_c + c % group_c], sum);
    }
    dx[place(d.x, n, h, v) + c] = sum;
  }
}

/* A thread per weight; w_count of them. */
__global__ void backward_filter(problem d, const float *x, const float *dy, float *dw, int w_count) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), group_c = d.x.c / d.groups;
  if (i >= w_count) return;
  int c = i % group_c, tap = i / group_c % (d.r * d.s), k = i / group_c / (d.r * d.s);
  float sum = 0.0f;
  for (int n = d.y.n - 1; n >= 0; n--) {
    for (int p = 0; p < d.y.h; p++) {
      for (int q = 0; q < d.y.w; q++) {
        int h = p * d.stride_h - d.pad_h + tap / d.s * d.dilation_h,
            v = q * d.stride_w - d.pad_w + tap % d.s * d.dilation_w;
        if (h < 0 || h >= d.x.h || v < 0 || v >= d.x.w) continue;
        sum = product(d, x[place(d.x, n, h, v) + k / (d.k / d.groups) * group_c + c], dy[place(d.y, n, p, q) + k], sum);
      }
    }
  }
  dw[i] = sum;
}

/* A thread per channel. */
__global__ void backward_bias(tensor t, const float *dy, float *db) {
  int k = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (k >= t.c) return;
  float sum = 0.0f;
  for (int n = t.n - 1; n >= 0; n--) {
    for (int i = 0; i < t.h * t.w; i++) sum += dy[place(t, n, i / t.w, i % t.w) + k];
  }
  db[k] = sum;
}

/* y = act(y + a), a thread per pixel; a has one pixel or as many; NULL: none. */
__global__ void change(tensor t, tensor a, const float *add, bool relu, float *y) {
  int n, h, w;
  if (!split(t, &n, &h, &w)) return;
  bool one = a.n * a.h * a.w == 1;
  for (int k = 0; k < t.c; k++) {
    float *at = y + place(t, n, h, w) + k;
    if (add) *at += add[(one ? 0 : place(a, n, h, w)) + k];
    if (relu && *at < 0.0f) *at = 0.0f;
  }
}

unsigned blocks(long threads) { return static_cast<unsigned>((threads + BLOCK - 1) / BLOCK); }
long pixels(const tensor &t) { return static_cast<long>(t.n) * t.h * t.w; }
cudaStream_t stream_of(void *h) { return static_cast<handle *>(h)->stream; }

problem make(void *x, void *w, void *conv, void *y) {
  const int *f = static_cast<object *>(w)->v, *c = static_cast<object *>(conv)->v;
  return problem{*static_cast<tensor *>(x),
                 *static_cast<tensor *>(y),
                 f[0],
                 f[1],
                 f[2],
                 f[3],
                 c[0],
                 c[1],
                 c[2],
                 c[3],
                 c[4],
                 c[5],
                 c[7],
                 c[6] != KOHL_CUDNN_FMA_MATH};
}

/* The library's own arithmetic of sizes, and NHWC with krsc filters only. */
bool fits(const problem &d) {
  int p = (d.x.h + 2 * d.pad_h - d.dilation_h * (d.r - 1) - 1) / d.stride_h + 1;
  int q = (d.x.w + 2 * d.pad_w - d.dilation_w * (d.s - 1) - 1) / d.stride_w + 1;
  return p == d.y.h && q == d.y.w && d.c * d.groups == d.x.c && d.k == d.y.c && d.x.n == d.y.n;
}

int create_handle(void **out) { return *out = new handle{nullptr}, SUCCESS; }
int destroy_handle(void *h) { return delete static_cast<handle *>(h), SUCCESS; }
int set_stream(void *h, void *stream) {
  return static_cast<handle *>(h)->stream = static_cast<cudaStream_t>(stream), SUCCESS;
}
int create_tensor(void **out) { return *out = new tensor{}, SUCCESS; }
int destroy_tensor(void *t) { return delete static_cast<tensor *>(t), SUCCESS; }
int create_object(void **out) { return *out = new object{}, SUCCESS; }
int destroy_object(void *o) { return delete static_cast<object *>(o), SUCCESS; }

int set_tensor(void *t, int type, int n, int c, int h, int w, int n_stride, int c_stride, int h_stride, int w_stride) {
  if (type != KOHL_CUDNN_FLOAT || c_stride != 1 || w_stride < c || h_stride < w * w_stride) return BAD_PARAM;
  *static_cast<tensor *>(t) = tensor{n, c, h, w, n_stride, h_stride, w_stride};
  return SUCCESS;
}

int set_filter(void *w, int type, int format, int k, int c, int r, int s) {
  *static_cast<object *>(w) = object{{k, c, r, s}};
  return type == KOHL_CUDNN_FLOAT && format == KOHL_CUDNN_NHWC ? SUCCESS : BAD_PARAM;
}

int set_activation(void *act, int mode, int nan, double coefficient) {
  (void)coefficient;
  static_cast<object *>(act)->v[0] = mode;
  return nan == KOHL_CUDNN_PROPAGATE_NAN ? SUCCESS : BAD_PARAM;
}

int set_convolution(void *conv, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h, int dilation_w,
                    int mode, int type) {
  *static_cast<object *>(conv) = object{{pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, 0, 1}};
  return mode == KOHL_CUDNN_CROSS_CORRELATION && type == KOHL_CUDNN_FLOAT ? SUCCESS : BAD_PARAM;
}

int set_math(void *conv, int math) { return static_cast<object *>(conv)->v[6] = math, SUCCESS; }
int set_groups(void *conv, int groups) { return static_cast<object *>(conv)->v[7] = groups, SUCCESS; }

/* Fastest first: one that failed, a Winograd, one with atomics (of gradients), one that wants too much, then the sum.
 */
int results(const problem &d, bool gradient, int asked, int *given, kohl_cudnn_perf *perf) {
  int math = d.tf32 ? KOHL_CUDNN_TENSOR_OP : KOHL_CUDNN_FMA_MATH;
  const kohl_cudnn_perf all[] = {{1, NOT_SUPPORTED, 0.1f, 0, 1, math, {}},
                                 {gradient ? 4 : 6, 0, 0.2f, 0, 1, math, {}},
                                 {gradient ? 0 : 7, 0, 0.3f, 0, gradient ? 0 : 1, math, {}},
                                 {1, 0, 0.4f, static_cast<size_t>(1) << 40, 1, math, {}},
                                 {1, 0, 0.5f, SPACE, 1, math, {}}};
  if (!fits(d)) return BAD_PARAM;
  for (*given = 0; *given < asked && *given < 5; ++*given) perf[*given] = all[*given];
  return SUCCESS;
}

int get_forward(void *, void *x, void *w, void *conv, void *y, int asked, int *given, kohl_cudnn_perf *perf) {
  return results(make(x, w, conv, y), false, asked, given, perf);
}
int get_data(void *, void *w, void *dy, void *conv, void *dx, int asked, int *given, kohl_cudnn_perf *perf) {
  return results(make(dx, w, conv, dy), true, asked, given, perf);
}
int get_filter(void *, void *x, void *dy, void *conv, void *dw, int asked, int *given, kohl_cudnn_perf *perf) {
  return results(make(x, dw, conv, dy), true, asked, given, perf);
}
int find_forward(void *, void *x, const void *, void *w, const void *, void *conv, void *y, void *, int asked,
                 int *given, kohl_cudnn_perf *perf, void *, size_t) {
  return results(make(x, w, conv, y), false, asked, given, perf);
}
int find_data(void *, void *w, const void *, void *dy, const void *, void *conv, void *dx, void *, int asked,
              int *given, kohl_cudnn_perf *perf, void *, size_t) {
  return results(make(dx, w, conv, dy), true, asked, given, perf);
}
int find_filter(void *, void *x, const void *, void *dy, const void *, void *conv, void *dw, void *, int asked,
                int *given, kohl_cudnn_perf *perf, void *, size_t) {
  return results(make(x, dw, conv, dy), true, asked, given, perf);
}

bool may_run(const problem &d, int algorithm, const void *space, size_t bytes) {
  /* what the search did not know of: the library may still refuse */
  return fits(d) && algorithm == 1 && space && bytes >= SPACE && (d.dilation_h == d.dilation_w || d.stride_h == 1);
}

const float *floats(const void *data) { return static_cast<const float *>(data); }
float *floats(void *data) { return static_cast<float *>(data); }

int convolve(void *h, const problem &d, const void *x, const void *w, const epilogue &e, void *y) {
  kohl_host_launch(stream_of(h), "fake convolution", dim3(blocks(pixels(d.y))), dim3(BLOCK), forward, d, floats(x),
                   floats(w), e, floats(y));
  return SUCCESS;
}

int run_forward(void *h, const void *, void *x, const void *x_data, void *w, const void *w_data, void *conv,
                int algorithm, void *space, size_t bytes, const void *, void *y, void *y_data) {
  problem d = make(x, w, conv, y);
  if (!may_run(d, algorithm, space, bytes)) return NOT_SUPPORTED;
  return convolve(h, d, x_data, w_data, epilogue{nullptr, nullptr, d.y, false}, y_data);
}

int run_fused(void *h, const void *, void *x, const void *x_data, void *w, const void *w_data, void *conv,
              int algorithm, void *space, size_t bytes, const void *alpha2, void *z, const void *z_data, void *,
              const void *bias_data, void *act, void *y, void *y_data) {
  problem d = make(x, w, conv, y);
  if (!may_run(d, algorithm, space, bytes) || d.stride_h > 1) return NOT_SUPPORTED;
  bool adds = *static_cast<const float *>(alpha2) != 0.0f;
  epilogue e = {adds ? floats(z_data) : nullptr, floats(bias_data), *static_cast<tensor *>(z),
                static_cast<object *>(act)->v[0] == KOHL_CUDNN_RELU};
  return convolve(h, d, x_data, w_data, e, y_data);
}

int run_data(void *h, const void *, void *w, const void *w_data, void *dy, const void *dy_data, void *conv,
             int algorithm, void *space, size_t bytes, const void *, void *dx, void *dx_data) {
  problem d = make(dx, w, conv, dy);
  if (!may_run(d, algorithm, space, bytes)) return NOT_SUPPORTED;
  kohl_host_launch(stream_of(h), "fake data gradient", dim3(blocks(pixels(d.x))), dim3(BLOCK), backward_data, d,
                   floats(w_data), floats(dy_data), floats(dx_data));
  return SUCCESS;
}

int run_filter(void *h, const void *, void *x, const void *x_data, void *dy, const void *dy_data, void *conv,
               int algorithm, void *space, size_t bytes, const void *, void *dw, void *dw_data) {
  problem d = make(x, dw, conv, dy);
  int count = d.k * d.r * d.s * d.c;
  if (!may_run(d, algorithm, space, bytes)) return NOT_SUPPORTED;
  kohl_host_launch(stream_of(h), "fake filter gradient", dim3(blocks(count)), dim3(BLOCK), backward_filter, d,
                   floats(x_data), floats(dy_data), floats(dw_data), count);
  return SUCCESS;
}

int run_bias(void *h, const void *, void *dy, const void *dy_data, const void *, void *, void *db_data) {
  const tensor *t = static_cast<tensor *>(dy);
  kohl_host_launch(stream_of(h), "fake bias gradient", dim3(blocks(t->c)), dim3(BLOCK), backward_bias, *t,
                   floats(dy_data), floats(db_data));
  return SUCCESS;
}

int add_tensor(void *h, const void *, void *a, const void *a_data, const void *, void *y, void *y_data) {
  const tensor *t = static_cast<tensor *>(y);
  kohl_host_launch(stream_of(h), "fake addition", dim3(blocks(pixels(*t))), dim3(BLOCK), change, *t,
                   *static_cast<tensor *>(a), floats(a_data), false, floats(y_data));
  return SUCCESS;
}

int activate(void *h, void *act, const void *, void *, const void *x_data, const void *, void *y, void *y_data) {
  const tensor *t = static_cast<tensor *>(y);
  if (x_data != y_data || static_cast<object *>(act)->v[0] != KOHL_CUDNN_RELU) return NOT_SUPPORTED;
  kohl_host_launch(stream_of(h), "fake activation", dim3(blocks(pixels(*t))), dim3(BLOCK), change, *t, *t,
                   static_cast<const float *>(nullptr), true, floats(y_data));
  return SUCCESS;
}

const char *error_text(int status) {
  return status == BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_NOT_SUPPORTED";
}

/* The address of a function that has exactly the type that the caller will use. */
template <class F>
void *as(F *function, F *) {
  return reinterpret_cast<void *>(function);
}
#define ENTRY(name, function) \
  { "cudnn" #name, as(function, static_cast<decltype(kohl_cudnn::name)>(nullptr)) }

}  // namespace

const fake_function fake_cudnn[] = {ENTRY(Create, create_handle),
                                    ENTRY(Destroy, destroy_handle),
                                    ENTRY(SetStream, set_stream),
                                    ENTRY(CreateTensorDescriptor, create_tensor),
                                    ENTRY(DestroyTensorDescriptor, destroy_tensor),
                                    ENTRY(SetTensor4dDescriptorEx, set_tensor),
                                    ENTRY(CreateFilterDescriptor, create_object),
                                    ENTRY(DestroyFilterDescriptor, destroy_object),
                                    ENTRY(SetFilter4dDescriptor, set_filter),
                                    ENTRY(CreateActivationDescriptor, create_object),
                                    ENTRY(DestroyActivationDescriptor, destroy_object),
                                    ENTRY(SetActivationDescriptor, set_activation),
                                    ENTRY(CreateConvolutionDescriptor, create_object),
                                    ENTRY(DestroyConvolutionDescriptor, destroy_object),
                                    ENTRY(SetConvolution2dDescriptor, set_convolution),
                                    ENTRY(SetConvolutionMathType, set_math),
                                    ENTRY(SetConvolutionGroupCount, set_groups),
                                    ENTRY(GetConvolutionForwardAlgorithm_v7, get_forward),
                                    ENTRY(GetConvolutionBackwardDataAlgorithm_v7, get_data),
                                    ENTRY(GetConvolutionBackwardFilterAlgorithm_v7, get_filter),
                                    ENTRY(FindConvolutionForwardAlgorithmEx, find_forward),
                                    ENTRY(FindConvolutionBackwardDataAlgorithmEx, find_data),
                                    ENTRY(FindConvolutionBackwardFilterAlgorithmEx, find_filter),
                                    ENTRY(ConvolutionForward, run_forward),
                                    ENTRY(ConvolutionBiasActivationForward, run_fused),
                                    ENTRY(ConvolutionBackwardData, run_data),
                                    ENTRY(ConvolutionBackwardFilter, run_filter),
                                    ENTRY(ConvolutionBackwardBias, run_bias),
                                    ENTRY(AddTensor, add_tensor),
                                    ENTRY(ActivationForward, activate),
                                    {"cudnnGetErrorString", reinterpret_cast<void *>(error_text)},
                                    {nullptr, nullptr}};
