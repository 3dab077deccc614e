/* A foreign file, whatever its format: named tensors, their numbers and, in some formats, the network itself.
 *
 * Each reader of a format (formats.def is the list) fills one kohl_source in; the conversion sees nothing else.  What a
 * reader says here it has checked: names end with a zero, are unique and at most KOHL_SAFETENSORS_NAME bytes; there are
 * at most KOHL_SAFETENSORS_COUNT tensors of at most KOHL_SAFETENSORS_DIMS dimensions; bytes is the product of shape and
 * element; all of it lies inside the file.  One thread at a time. */
#ifndef KOHL_CONVERT_SOURCE_H
#define KOHL_CONVERT_SOURCE_H

#include "nn/graph.h"
#include "nn/safetensors.h"

/* How a weight's numbers lie in the file.  All false is Keras's and TensorFlow's, all true PyTorch's. */
typedef struct kohl_layout {
  bool output_first;   /* filters k,c,r,s and dense out,in; else r,s,c,k and in,out */
  bool channels_first; /* the inputs of a dense layer behind a flattened picture are c,h,w; else h,w,c.  Of filters of
                          output_first it says c,r,s (else r,s,c) */
} kohl_layout;

typedef struct kohl_source_tensor {
  kohl_tensor_info info; /* name as in the file; data is the reader's own business, it may be NULL */
  kohl_layout layout;
  const char *layer;  /* the layer that the file itself says it belongs to; NULL: only the name speaks */
  const char *suffix; /* which of its weights, as model files say: weight, bias, gamma, beta, mean, variance; NULL: none
                         of them, or layer is NULL */
  bool quantised;     /* what is read are whole numbers q for (float)(q * scale + min), worked out in double */
  double scale, min;
  size_t step; /* at least 1: reads begin at a multiple of it and end at one or at the tensor's end */
} kohl_source_tensor;

typedef struct kohl_source kohl_source;

typedef struct kohl_source_calls {
  /* count values from `first` on, C order of info.shape, as f32: F16 and BF16 exactly, F64 rounded to nearest, whole
   * numbers as they are (BOOL, U8 to I16; a wider one is KOHL_BAD_INPUT).  KOHL_BAD_INPUT too: a finite value beyond
   * the largest float, a damaged file.  first and count follow `step`. */
  kohl_status (*read)(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count, float *out);
  /* The network that the file describes, inferred, the caller's; size replaces height and width of its input unless it
   * is 0.  NULL in formats that never do. */
  kohl_status (*graph)(kohl_context *ctx, kohl_source *source, int size, kohl_graph **out);
  void (*close)(kohl_context *ctx, kohl_source *source);
} kohl_source_calls;

struct kohl_source {
  const char *path;              /* the caller's */
  const char *format;            /* "a PyTorch file"; constant */
  const kohl_source_calls *call; /* constant */
  void *state;                   /* the reader's */
  kohl_source_tensor *tensors;   /* the reader's, until close */
  size_t count;
  bool describes;          /* call->graph gives a network */
  bool own_layers;         /* its layers have names of its own, so that it is that network whatever is asked for */
  const char *source_text; /* what the file says of its origin, or NULL; the reader's */
  /* What the network itself does to each channel of its input before anything else, x * scale + shift (torchvision's
   * transform_input, as exported to ONNX); set by call->graph where `affine`. */
  bool affine;
  double input_scale[3], input_shift[3];
};

/* Opens a file with the reader that its bytes ask for.  Fill *source with zeros before; end with kohl_source_close,
 * also after a failure.  path must outlive it.  KOHL_BAD_INPUT names another format, or what is wrong with this one. */
kohl_status kohl_source_open(kohl_context *ctx, const char *path, kohl_source *source);
void kohl_source_close(kohl_context *ctx, kohl_source *source);

/* What every reader's open is: *source comes with path set and the rest zero.  After a failure `close` is called if
 * call is set already. */
typedef kohl_status kohl_source_reader(kohl_context *ctx, const char *path, kohl_source *source);
#define FORMAT(id, what, reader, help) kohl_source_reader reader;
#define UNREAD(id, what, help)
#include "convert/formats.def"
#undef FORMAT
#undef UNREAD

/* Values lying in memory as f32, as kohl_source_calls.read says; info gives name and dtype, bytes need not be aligned.
 * For readers that map their file. */
kohl_status kohl_source_values(kohl_context *ctx, const char *path, const kohl_tensor_info *info, const void *bytes,
                               size_t count, float *out);

/* info->bytes from dtype, dims and shape: false where it overflows or a number is out of range. */
bool kohl_source_measure(kohl_tensor_info *info);

#endif
