/* A model: graph, weights, class labels, task and preprocessing, in one .safetensors file.
 *
 * The file's metadata key `kohl` holds a JSON object {"format", "graph", "labels", "thresholds", "task", "heads",
 * "preprocessing", "provenance"}; labels, thresholds and task are those of the last node, and "heads", which a network
 * with one head has not, is a list of the others: {"layer", "labels", "thresholds", "task"}.  The tensors are named
 * "<node>.<suffix>" (nn/graph.h), f32, filters krsc, dense [out,in]. Opening maps the file and reads the header; a
 * tensor's CRC32C is checked when it is first packed. An opened model is immutable and may be shared between threads;
 * one that is being built belongs to its builder. */
#ifndef KOHL_NN_MODEL_H
#define KOHL_NN_MODEL_H

#include "kernels/picture/preprocessing.h"
#include "nn/graph.h"
#include "nn/safetensors.h"

typedef enum kohl_model_task {
  KOHL_TASK_NONE,       /* a base without a head: features only */
  KOHL_TASK_ONE_LABEL,  /* softmax, the most probable class */
  KOHL_TASK_MANY_LABELS /* sigmoid, a threshold per label */
} kohl_model_task;

typedef struct kohl_weight {
  char *name; /* "<node>.<suffix>" */
  int node;
  kohl_weight_spec spec;
  const float *data; /* spec.count floats: in the mapped file, or `owned` */
  float *owned;      /* NULL when data is mapped */
  long file_index;   /* of the tensor in the file, -1 when owned */
} kohl_weight;

/* A question that the network answers: a softmax or sigmoid with the names of its outputs.  It is called like its
 * layer.  Of the first head, that of the last node, these are the model's own members. */
typedef struct kohl_model_head {
  char *layer;
  int node;
  kohl_model_task task;
  char **labels;                       /* label_count of them */
  size_t label_count, threshold_count; /* threshold_count: label_count, or 0 */
  float *thresholds;                   /* as the model's */
} kohl_model_head;
enum { KOHL_MODEL_HEADS = 16 }; /* with the first one, at most */

struct kohl_model {
  char *path; /* for error texts; "" when built in memory */
  kohl_graph *graph;
  kohl_weight *weights; /* in graph order */
  size_t weight_count;
  char **labels; /* label_count class names in the order of the outputs; the last node's channels, or 0 */
  size_t label_count;
  float *thresholds; /* label_count numbers of 0 to 1 with KOHL_TASK_MANY_LABELS, or NULL: ask kohl_model_threshold */
  kohl_model_task task;
  kohl_model_head *more_heads; /* those behind the first, in order; owned */
  size_t more_count;
  kohl_preprocessing preprocessing;
  char *provenance; /* a JSON object as text: source, digest, recipe, metrics; "{}" when unknown */
  kohl_safetensors *file;
};

/* A model of a graph (taken over: freed with the model, even when this fails) with no weights yet. */
kohl_status kohl_model_create(kohl_context *ctx, kohl_graph *graph, kohl_model **out);

/* Opens a model file.  Everything wrong is KOHL_BAD_INPUT naming the file, the tensor or field and both values. */
kohl_status kohl_model_open(kohl_context *ctx, const char *path, kohl_model **out);
void kohl_model_destroy(kohl_context *ctx, kohl_model *model);

/* The weight of a node by suffix, or NULL. */
kohl_weight *kohl_model_weight(const kohl_model *model, int node, const char *suffix);

/* Gives a weight memory of its own, zeroed, to be filled by the caller: weight->owned. */
kohl_status kohl_weight_own(kohl_context *ctx, kohl_weight *weight);

/* Checks a weight: it has data, its CRC32C agrees. */
kohl_status kohl_weight_verify(kohl_context *ctx, const kohl_model *model, const kohl_weight *weight);

/* Gives back the memory of bytes of a mapped weight, or (data NULL) of all: they are read from the file again when
 * somebody asks for them.  What is not mapped stays.  Any thread. */
void kohl_model_release(const kohl_model *model, const void *data, size_t bytes);

/* Checks every weight (CRC32C, finite values); `kohl verify`. */
kohl_status kohl_model_verify(kohl_context *ctx, const kohl_model *model);

/* Replaces the labels by copies and forgets thresholds.  Their number must equal the channels of the last node, or be
 * 0. */
kohl_status kohl_model_set_labels(kohl_context *ctx, kohl_model *model, const char *const *labels, size_t count);

/* A picture has label i when its probability is at or above this: the model's threshold, or 0.5. */
float kohl_model_threshold(const kohl_model *model, size_t i);

/* Replaces the thresholds by a copy; NULL and 0: all are 0.5 again.  KOHL_BAD_INPUT: the task is not many labels, there
 * is not one for each label, one is outside 0 to 1. */
kohl_status kohl_model_set_thresholds(kohl_context *ctx, kohl_model *model, const float *thresholds, size_t count);

/* How many heads there are (0 for a base), and head number h of them, whose pointers are the model's. */
size_t kohl_model_heads(const kohl_model *model);
kohl_model_head kohl_model_head_at(const kohl_model *model, size_t h);

/* Adds a head behind those that are there: a node, not the last one, with copies of its labels, as many as it has
 * outputs.  KOHL_BAD_INPUT names the layer and what is wrong with it. */
kohl_status kohl_model_add_head(kohl_context *ctx, kohl_model *model, const char *layer, kohl_model_task task,
                                const char *const *labels, size_t count);

/* A new model of the first head alone: weights copied, labels, thresholds, task, preprocessing, provenance and path set.
 */
kohl_status kohl_model_first_head(kohl_context *ctx, const kohl_model *model, kohl_model **out);

/* Replaces the provenance text, which must be a JSON object. */
kohl_status kohl_model_set_provenance(kohl_context *ctx, kohl_model *model, const char *json);

/* A new model of a part of another: graph is a result of kohl_graph_cut, _rest or _append (taken over); weights are
 * found by name in `first`, then in `second` (may be NULL), and copied.  Labels, task and preprocessing are not. */
kohl_status kohl_model_assemble(kohl_context *ctx, kohl_graph *graph, const kohl_model *first, const kohl_model *second,
                                kohl_model **out);

/* "none", "one_label", "many_labels". */
const char *kohl_model_task_name(kohl_model_task task);

/* Writes the file: temporary file, CRCs, fsync, rename, fsync of the folder; the old file stays on any error. */
kohl_status kohl_model_save(kohl_context *ctx, const kohl_model *model, const char *path);

/* The same for a model whose weights have no values yet: read gives them one after the other, of a large one outputs
 * first to first + count - 1 (of the first dimension) at a time, so that at most `most` bytes of values are in memory,
 * or one output. */
typedef kohl_status kohl_weight_reader(kohl_context *ctx, const kohl_model *model, const kohl_weight *weight,
                                       size_t first, size_t count, float *out, void *user);
kohl_status kohl_model_save_from(kohl_context *ctx, const kohl_model *model, kohl_weight_reader *read, void *user,
                                 size_t most, const char *path);

#endif
