/* A plan: a graph compiled for one batch size, CPU level and purpose into a flat array of steps and one arena.
 *
 * Passes, in lower.c unless named: 0 mark outputs and taps; 1 infer shapes; 2 drop what this run does not need;
 * 3 fold batch-norm (fuse.c); 4 propose fusions (fuse.c); 5 concat in place (fuse.c); 6 merge sibling 1x1
 * convolutions (fuse.c); 7 choose kernels, undoing a fusion nobody accepts (choose.c); 8 liveness and offsets
 * (arena.c).  In training the flat parameters come first (params.c), passes 3 to 6 touch only the frozen part of the
 * network that lies below everything trained, and the gradient steps follow the forward steps (backward.c); with a
 * memory limit that they exceed, parts of the forward pass are computed twice instead of kept (recompute.c).  Where a
 * limit is still exceeded, layers get kernels that need less memory (lighten.c).
 *
 * A plan holds no weights and no memory of the arena: a session (nn/session.h) does. */
#ifndef KOHL_NN_PLAN_H
#define KOHL_NN_PLAN_H

#include "kernels/activation/activation.h"
#include "kernels/adaptive_pool/adaptive_pool.h"
#include "kernels/add/add.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/batchnorm_train/batchnorm_train.h"
#include "kernels/concat/concat.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/core/kernel.h"
#include "kernels/dense/dense.h"
#include "kernels/dropout/dropout.h"
#include "kernels/lrn/lrn.h"
#include "kernels/pool/pool.h"
#include "kernels/sigmoid_bce/sigmoid_bce.h"
#include "kernels/softmax/softmax.h"
#include "kernels/softmax_xent/softmax_xent.h"
#include "nn/graph.h"

/* A head in training: the layer whose output is compared with labels.  A softmax gives the categorical cross-entropy
 * (kernels/softmax_xent), a sigmoid the binary one of many labels (kernels/sigmoid_bce). */
typedef struct kohl_head_options {
  int node;     /* a softmax or sigmoid that no other layer reads */
  float weight; /* > 0: of its loss in the sum over all heads */
  float label_smoothing;
  bool divide_by_weights; /* divide by the sum of the class (softmax) or sample (sigmoid) weights, not by the batch */
} kohl_head_options;
enum { KOHL_HEADS = 16 }; /* at most */

typedef struct kohl_plan_options {
  int batch;       /* the largest number of pictures in one run, >= 1 */
  bool train;      /* forward with dropout, loss, and the gradient of every trainable weight */
  const int *taps; /* nodes whose output is asked for besides the last node's; may be NULL */
  size_t tap_count;
  size_t memory_limit;            /* bytes of the arena; 0: none */
  const kohl_head_options *heads; /* training: head_count of them; NULL: the last node, with the next two */
  size_t head_count;
  float label_smoothing;
  bool divide_by_weights;
  uint64_t seed; /* training: key of dropout */
} kohl_plan_options;

/* A piece of the arena. */
typedef enum kohl_buffer_kind {
  KOHL_BUFFER_ACTIVATION, /* [batch][h][w] pixels of `stride` floats */
  KOHL_BUFFER_WEIGHTS,    /* packed or plain weights, bias, scale: alive all the time */
  KOHL_BUFFER_SCRATCH,    /* a step's workspace */
} kohl_buffer_kind;

typedef struct kohl_buffer {
  kohl_buffer_kind kind;
  kohl_shape shape;  /* of an activation */
  int stride;        /* floats from pixel to pixel */
  int home, channel; /* lies inside another buffer, from that float (of its first pixel) on; home is -1 otherwise */
  bool view;         /* with a home: the same memory in another shape (flatten); else a slice with home's stride */
  bool dense;        /* must keep stride == channels, since a view reads it */
  size_t bytes;      /* of a buffer with a place of its own */
  size_t offset;     /* in the arena, multiple of 64 */
  int first, last;   /* steps between which it is alive */
  bool keep;         /* output, tap or input: alive from the first step to the last */
} kohl_buffer;

/* The desc of any op; each begins with its batch. */
typedef union kohl_desc {
  int n;
  kohl_conv2d_desc conv2d;
  kohl_dense_desc dense;
  kohl_pool_desc pool;
  kohl_adaptive_pool_desc adaptive_pool;
  kohl_batchnorm_desc batchnorm;
  kohl_batchnorm_train_desc batchnorm_train;
  kohl_activation_desc activation;
  kohl_softmax_desc softmax;
  kohl_softmax_xent_desc softmax_xent;
  kohl_sigmoid_bce_desc sigmoid_bce;
  kohl_concat_desc concat;
  kohl_add_desc add;
  kohl_lrn_desc lrn;
  kohl_dropout_desc dropout;
} kohl_desc;

typedef struct kohl_step {
  const kohl_op *op;
  kohl_direction direction;
  const kohl_kernel *kernel; /* chosen by pass 7 */
  kohl_desc desc;
  int node;             /* the node it computes (the last one when several are fused) */
  int in[KOHL_ARGS_IN]; /* buffers, -1 for none */
  int out[KOHL_ARGS_OUT];
  int scratch;                   /* buffer of its workspace, -1 for none */
  int sources[KOHL_CONV2D_DSTS]; /* nodes whose weights it packs: one, or merged siblings, in order; -1 ends */
  int norms[KOHL_CONV2D_DSTS];   /* batch-norm folded into each of these, -1 for none */
  int absorbed_by;               /* the step that does this one's work, -1 when it runs itself */
  bool repack;                   /* training: its weights change, pack them before every run */
  int repeats;                   /* the forward step that this one computes again (recompute.c), -1 for none */
  char fused[64];                /* what it took over, for `kohl plan`: "bn relu pool" */
} kohl_step;

/* A head of a training plan: the buffers of what it is told and what it answers, -1 for those it has not. */
typedef struct kohl_plan_head {
  kohl_head_options options;
  int labels;                           /* softmax: int32 [batch] */
  int targets;                          /* sigmoid: [batch][k], 0 to 1 */
  int class_weights;                    /* [k] */
  int positive_weights, sample_weights; /* sigmoid: [k], [batch] */
  int losses; /* [batch], weighted by class or sample, neither divided nor times the head's weight */
} kohl_plan_head;

typedef struct kohl_plan {
  const kohl_graph *graph; /* borrowed: lives longer than the plan */
  kohl_plan_options options;
  kohl_step *steps;
  size_t step_count, step_capacity;
  size_t forward_steps; /* the steps before this one are the forward pass */
  kohl_buffer *buffers;
  size_t buffer_count, buffer_capacity;
  int *node_buffer;  /* per node: the buffer of its output, -1 when it is not computed */
  int input, output; /* buffers */
  /* Training only. */
  kohl_plan_head heads[KOHL_HEADS];
  size_t head_count;
  char *wanted;          /* per node: something at or below it is trained, so that its output's gradient is wanted */
  int draws;             /* uint64 [batch] */
  int params, gradients; /* flat trainable weights and their gradients, in order of the graph's weights */
  int state;             /* running statistics of the batch-norms that use the batch's; -1 when there are none */
  size_t param_count, state_count;
  size_t *param_offset, *state_offset; /* per node, the first of its floats in params and state; SIZE_MAX: none */
  const unsigned char *lighter;        /* while it is made: plan_passes.h */
  int segments; /* into which the forward pass is cut for recompute; 1: all that gradients read is kept */
  size_t arena_bytes, weights_bytes; /* of all, and of the weights, which come first */
  uint64_t digest;                   /* of kernels, fusions and offsets */
} kohl_plan;

kohl_plan_options kohl_plan_options_default(void);

/* Compiles.  graph must be inferred; *out is the caller's until kohl_plan_destroy.  A layer that no kernel can
 * compute, and a memory limit that is too low, name the layer, the bytes and (memory) a batch that fits. */
kohl_status kohl_plan_create(kohl_context *ctx, const kohl_graph *graph, const kohl_plan_options *options,
                             kohl_plan **out);
void kohl_plan_destroy(kohl_context *ctx, kohl_plan *plan);

/* In training: where a weight tensor of a trained node begins in params and in gradients, in floats; SIZE_MAX when the
 * node is not trained or has no tensor of that suffix.  Every tensor begins at a multiple of 16 floats. */
size_t kohl_plan_param(const kohl_plan *plan, int node, const char *suffix);

/* The same for "mean" and "variance" of a batch-norm in training, in state. */
size_t kohl_plan_state(const kohl_plan *plan, int node, const char *suffix);

/* The desc of a head's loss, for the plan's batch. */
kohl_desc kohl_plan_head_desc(const kohl_plan *plan, const kohl_plan_head *head);

/* Cost of one step for the whole batch: floating-point operations, and bytes read and written at least. */
double kohl_step_flops(const kohl_step *step);
double kohl_step_bytes(const kohl_plan *plan, const kohl_step *step);

/* The buffer's place in the arena, its stride, and the buffer that owns its memory. */
size_t kohl_buffer_offset(const kohl_plan *plan, int buffer);
int kohl_buffer_stride(const kohl_plan *plan, int buffer);
int kohl_buffer_root(const kohl_plan *plan, int buffer);

#endif
