/* Kernels and the lists they stand in.
 *
 * An op is a folder, kernels/<op>/.  <op>.def lists its implementations, fastest first, `ref` last for each
 * direction, one line each:
 *
 *   KERNEL(direction, id, dtype, needs, kind, accuracy, "idea in one line")
 *
 * The line names the symbol kohl_<op>_<direction>_<id> (a kohl_kernel_code) that the file
 * kernels/<op>/<direction>_<id>.c defines.  Everything else - table, checker, bench, choice, docs - reads the
 * list, so that adding a kernel is one new file and one line (docs/ADDING_A_KERNEL.md).
 *
 * A kernel works on a desc (shapes, strides, parameters: plain data, one struct type per op, whose first
 * member is `int n`, the batch, so that the same plan can run a smaller batch) and on kohl_args. */
#ifndef KOHL_KERNELS_CORE_KERNEL_H
#define KOHL_KERNELS_CORE_KERNEL_H

#include "kernels/core/context.h"
#include "kernels/core/device.h"

typedef enum kohl_direction {
  KOHL_FWD,   /* outputs from inputs */
  KOHL_DGRAD, /* gradient of the input */
  KOHL_WGRAD, /* gradient of the weights */
} kohl_direction;

typedef enum kohl_dtype { KOHL_F32, KOHL_U8 } kohl_dtype;

typedef enum kohl_kind {
  KOHL_KIND_KERNEL,
  KOHL_KIND_STEP,     /* a teaching step: checked and timed, never chosen */
  KOHL_KIND_BASELINE, /* a vendor's library: checked and timed, never the default */
} kohl_kind;

/* Accuracy classes; docs/NUMERICS.md has each one's bound.  CHAIN: every output is one chain of f32 fused
 * multiply-adds in the order that the op's header documents, so all kernels of the class are bit-equal. */
typedef enum kohl_accuracy {
  KOHL_ACCURACY_CHAIN,
  KOHL_ACCURACY_F32, /* the same sums in any order */
  KOHL_ACCURACY_WINOGRAD,
  KOHL_ACCURACY_TF32, /* inputs rounded to 11 significant bits */
  KOHL_ACCURACY_BF16,
} kohl_accuracy;

/* What a kernel reads and writes.  Each op's header names the slots (CONV2D_SRC, ...), their shapes and which
 * may be NULL.  All memory is the caller's.  workspace holds workspace_size bytes, aligned to 64. */
enum { KOHL_ARGS_IN = 6, KOHL_ARGS_OUT = 5 };
typedef struct kohl_args {
  const void *in[KOHL_ARGS_IN];
  void *out[KOHL_ARGS_OUT];
  void *workspace;
} kohl_args;

typedef struct kohl_kernel_code {
  /* NULL, or why this kernel refuses the desc: "groups > 1". */
  const char *(*accepts)(const void *desc);
  /* Bytes of the packed weights; both members NULL when the kernel reads weights as they are stored. */
  size_t (*packed_size)(const void *desc);
  /* Packs stored weights (and nothing else) into packed_size bytes. */
  void (*pack)(const void *desc, const void *weights, void *packed);
  /* Bytes of workspace for that many workers; NULL: none. */
  size_t (*workspace_size)(const void *desc, size_t workers);
  /* Computes.  Cannot fail: everything that could be wrong was refused before.  threads may be NULL. */
  void (*run)(const void *desc, const kohl_args *args, kohl_threads *threads);
} kohl_kernel_code;

/* A kernel of CUDA.  It reads weights as they are stored; in, out and workspace are memory of the device. */
typedef struct kohl_cuda_code {
  const char *(*accepts)(const void *desc);   /* as above */
  size_t (*workspace_size)(const void *desc); /* NULL: none; a function of the shape alone */
  /* Puts the work on the stream.  A launch that fails is remembered by the stream. */
  void (*launch)(const void *desc, const kohl_args *args, kohl_stream *stream);
  /* Of a baseline, asked after accepts: NULL, or why its library cannot compute this here ("libcudnn.so.9 is not there:
   * ..."), which is the stream's until the next such call.  NULL for kernels of our own. */
  const char *(*available)(const kohl_context *ctx, kohl_stream *stream, const void *desc);
} kohl_cuda_code;

typedef struct kohl_kernel {
  const char *op, *id;
  kohl_direction direction;
  kohl_dtype dtype;
  unsigned needs; /* capability bits */
  kohl_kind kind;
  kohl_accuracy accuracy;
  const char *idea;
  const kohl_kernel_code *code; /* of the CPU, else NULL */
  const kohl_cuda_code *cuda;   /* of CUDA, where it is built in, else NULL */
} kohl_kernel;

/* One op: its name and its list, in the order of <op>.def. */
typedef struct kohl_op {
  const char *name;
  const kohl_kernel *kernels;
  size_t count;
  /* NULL, or asked besides accepts when the choice is free: NULL, or why this kernel, though right, would be slower for
   * the desc than a later one of the list. */
  const char *(*advise)(const kohl_kernel *kernel, const void *desc);
} kohl_op;

/* Every op of kernels/ops.def, and how many. */
extern const kohl_op *const kohl_ops[];
extern const size_t kohl_op_count;
const kohl_op *kohl_op_find(const char *name);

const char *kohl_direction_name(kohl_direction direction); /* "fwd", "dgrad", "wgrad" */
const char *kohl_accuracy_name(kohl_accuracy accuracy);    /* "CHAIN", ... */
const char *kohl_dtype_name(kohl_dtype dtype);             /* "f32", "u8" */
const char *kohl_kind_name(kohl_kind kind);                /* "kernel", "step", "baseline" */

/* The kernel of the CPU to use for a desc under the context's level, --exact and --impl: the one that impl names for
 * this op and direction, else the first of context->again that is within caps, accepts and is advised, else of the
 * list.  NULL when there is none; the context's text then says why each one refused. */
const kohl_kernel *kohl_kernel_choose(kohl_context *ctx, const kohl_op *op, kohl_direction direction, const void *desc);

/* The same among CUDA's kernels where the context has a device, else among the CPU's: for what networks are made of. */
const kohl_kernel *kohl_kernel_choose_on_device(kohl_context *ctx, const kohl_op *op, kohl_direction direction,
                                                const void *desc);

/* The next one behind a kernel that was chosen: another algorithm for the same processor or device, which accepts too.
 * NULL: there is none, or --impl names the one. */
const kohl_kernel *kohl_kernel_next(const kohl_context *ctx, const kohl_op *op, const kohl_kernel *kernel,
                                    const void *desc);

/* Its reason: NULL when the kernel can run this desc under the context, or why not. */
const char *kohl_kernel_refusal(const kohl_context *ctx, const kohl_kernel *kernel, const void *desc);

/* The same, and the op's advice: NULL, or why the kernel is not taken where it is not named. */
const char *kohl_kernel_passed_over(const kohl_context *ctx, const kohl_op *op, const kohl_kernel *kernel,
                                    const void *desc);

/* Whether it reads weights in an order of its own. */
static inline bool kohl_kernel_packs(const kohl_kernel *kernel) { return kernel->code && kernel->code->pack; }

/* Bytes of workspace on the CPU with the context's threads, or on the device. */
size_t kohl_kernel_workspace(const kohl_kernel *kernel, const void *desc, size_t workers);

/* Defines kohl_<op>_op from a list; used once per op, in kernels/<op>/<op>.c:
 *
 *   #define KERNEL(...) KOHL_DECLARE_KERNEL(conv2d, __VA_ARGS__)
 *   #include "kernels/conv2d/conv2d.def"
 *   #undef KERNEL
 *   static const kohl_kernel table[] = {
 *   #define KERNEL(...) KOHL_TABLE_KERNEL(conv2d, __VA_ARGS__)
 *   #include "kernels/conv2d/conv2d.def"
 *   #undef KERNEL
 *   };
 *   KOHL_DEFINE_OP(conv2d, table) */
#define KOHL_DIRECTION_fwd KOHL_FWD
#define KOHL_DIRECTION_dgrad KOHL_DGRAD
#define KOHL_DIRECTION_wgrad KOHL_WGRAD
#define KOHL_DTYPE_f32 KOHL_F32
#define KOHL_DTYPE_u8 KOHL_U8
#define KOHL_DECLARE_KERNEL(op, direction, id, dtype, needs, ...) KOHL_DECLARE_##needs(kohl_##op##_##direction##_##id)
#define KOHL_TABLE_KERNEL(op, direction, id, dtype, needs, kind, accuracy, idea) \
  {#op,                                                                          \
   #id,                                                                          \
   KOHL_DIRECTION_##direction,                                                   \
   KOHL_DTYPE_##dtype,                                                           \
   KOHL_CAP_##needs,                                                             \
   KOHL_KIND_##kind,                                                             \
   KOHL_ACCURACY_##accuracy,                                                     \
   idea,                                                                         \
   KOHL_CODE_##needs(kohl_##op##_##direction##_##id)},

/* Which of a kernel's two codes there is, by what it needs. */
#define KOHL_DECLARE_CPU(symbol) extern const kohl_kernel_code symbol;
#define KOHL_CODE_CPU(symbol) &symbol, NULL
#define KOHL_DECLARE_NONE KOHL_DECLARE_CPU
#define KOHL_DECLARE_AVX2 KOHL_DECLARE_CPU
#define KOHL_DECLARE_AVX512 KOHL_DECLARE_CPU
#define KOHL_DECLARE_AVX512BF16 KOHL_DECLARE_CPU
#define KOHL_DECLARE_AVX512VNNI KOHL_DECLARE_CPU
#define KOHL_CODE_NONE KOHL_CODE_CPU
#define KOHL_CODE_AVX2 KOHL_CODE_CPU
#define KOHL_CODE_AVX512 KOHL_CODE_CPU
#define KOHL_CODE_AVX512BF16 KOHL_CODE_CPU
#define KOHL_CODE_AVX512VNNI KOHL_CODE_CPU
#ifdef KOHL_CUDA
#define KOHL_DECLARE_CUDA(symbol) extern const kohl_cuda_code symbol;
#define KOHL_CODE_CUDA(symbol) NULL, &symbol
#else
#define KOHL_DECLARE_CUDA(symbol)
#define KOHL_CODE_CUDA(symbol) NULL, NULL
#endif
#define KOHL_DEFINE_OP(op, table) KOHL_DEFINE_OP_ADVISED(op, table, NULL)
#define KOHL_DEFINE_OP_ADVISED(op, table, advise) \
  const kohl_op kohl_##op##_op = {#op, table, sizeof table / sizeof *table, advise};

#endif
