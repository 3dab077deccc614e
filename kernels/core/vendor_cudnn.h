/* cuDNN for baselines: the convolutions of its version 9, by the interface that takes one problem at a time.
 *
 * What a baseline keeps here besides the functions: descriptors, set anew for every call, and for the last problems
 * which algorithm was the fastest. */
#ifndef KOHL_KERNELS_CORE_VENDOR_CUDNN_H
#define KOHL_KERNELS_CORE_VENDOR_CUDNN_H

#include "kernels/core/vendor.h"

/* Values of the library's enumerations. */
enum {
  KOHL_CUDNN_FLOAT = 0,
  KOHL_CUDNN_NHWC = 1,              /* of filters: krsc */
  KOHL_CUDNN_CROSS_CORRELATION = 1, /* the filter is not turned round */
  KOHL_CUDNN_DETERMINISTIC = 1,
  KOHL_CUDNN_RELU = 1,
  KOHL_CUDNN_IDENTITY = 5,
  KOHL_CUDNN_PROPAGATE_NAN = 1,
};
enum {
  KOHL_CUDNN_DEFAULT_MATH = 0, /* may round f32 inputs to TF32 */
  KOHL_CUDNN_TENSOR_OP = 1,
  KOHL_CUDNN_TENSOR_OP_CONVERSION = 2,
  KOHL_CUDNN_FMA_MATH = 3, /* f32 all through */
};

/* What a search says of one algorithm, laid out as the library has it for every direction. */
typedef struct kohl_cudnn_perf {
  int algorithm, status;
  float milliseconds;
  size_t bytes; /* of workspace */
  int determinism, math;
  int reserved[3];
} kohl_cudnn_perf;

enum { KOHL_CUDNN_CHOICES = 64, KOHL_CUDNN_DESC = 256 };

/* The algorithm for one problem. */
typedef struct kohl_cudnn_choice {
  unsigned char desc[KOHL_CUDNN_DESC]; /* the op's desc */
  int direction;
  bool tf32, used;
  bool measured; /* by a run of each, else by the library's estimate */
  bool separate; /* the fused epilogue was refused: bias and activation in calls of their own */
  int algorithm, math;
} kohl_cudnn_choice;

typedef struct kohl_cudnn {
  void *library; /* NULL: it is not there, or could not be started */
  void *handle;
  void *x, *y, *z, *bias; /* tensor descriptors */
  void *w, *conv, *act;
  char why[KOHL_VENDOR_TEXT];
  kohl_cudnn_choice choices[KOHL_CUDNN_CHOICES]; /* a ring: next is overwritten next */
  size_t next;
  const char *(*error_text)(int status);
#define CUDNN(name, arguments) int(*name) arguments;
#include "kernels/core/vendor_cudnn.def"
#undef CUDNN
} kohl_cudnn;

/* Opens the library once and makes a handle on the stream; NULL with *why. */
kohl_cudnn *kohl_cudnn_of(const kohl_context *ctx, kohl_stream *stream, const char **why);
void kohl_cudnn_close(kohl_vendor *vendor);

#endif
