/* A session: the arena of one plan, its packed weights, and the running of its steps.
 *
 * Belongs to one thread at a time; the model may be shared.  After creation a run allocates nothing.
 *
 * With a context that uses a device the arena is the device's memory.  What the caller writes and reads here is then
 * memory of the host beside it: inputs go to the device and outputs come back in every run, which is one recorded
 * graph; weights and running statistics only when kohl_session_put and kohl_session_fetch say so. */
#ifndef KOHL_NN_SESSION_H
#define KOHL_NN_SESSION_H

#include "nn/model.h"
#include "nn/plan.h"

struct kohl_session {
  kohl_context *ctx;       /* borrowed */
  const kohl_model *model; /* borrowed */
  kohl_plan *plan;
  kohl_device *device;                /* borrowed; NULL: the CPU */
  char *weights;                      /* the arena's first part, of the device where there is one */
  char *arena;                        /* its other part */
  struct kohl_session_packed *packed; /* the file that packed weights are kept in; NULL: none was asked for */
  struct kohl_session_mirror *mirror; /* device: what the caller sees of the arena, and the recorded graphs */
  kohl_args *args;                    /* per step, resolved to addresses */
  struct kohl_pack_job *jobs;         /* room for the weights that are packed together */
  double *seconds;                    /* per step, of the last run when timed; else NULL */
  float *state_before; /* training: running statistics before the last kohl_session_backward; NULL without any */
  float *state_kept;   /* the same, of the last kohl_session_keep_state */
  /* Device: puts on the stream what fills the input, at kohl_session_at(session, plan->input), in the place of what the
   * caller wrote; set before the first run.  NULL: none. */
  kohl_status (*fill)(void *user, int n);
  void *fill_user;
  kohl_status (*tail)(void *user, int n); /* device: puts more work behind every kohl_session_backward; NULL: none */
  void *tail_user;
  int64_t step_number; /* training: counts kohl_session_backward, for messages */
};

/* Plans, allocates the arena and packs the weights (checking their CRC32C). */
kohl_status kohl_session_create(kohl_context *ctx, const kohl_model *model, const kohl_plan_options *options,
                                kohl_session **out);
void kohl_session_destroy(kohl_session *session);

/* Where the caller writes the input: batch x h x w x c floats, NHWC.  The session's memory. */
float *kohl_session_input(kohl_session *session);

/* Runs the forward pass on the first n pictures of the input, 0 <= n <= batch.  Between layers the context's cancel
 * callback is asked. */
kohl_status kohl_session_run(kohl_session *session, int n);

/* Copies node's output of the last run for n pictures, dense NHWC, to out (n*h*w*c floats).  node must be the last
 * node or a tap. */
kohl_status kohl_session_output(const kohl_session *session, int node, int n, float *out);

/* Switches the timing of steps on: kohl_session.seconds then holds each step's last time. */
kohl_status kohl_session_time_steps(kohl_session *session);

/* Training.  One head: what the caller writes before a run, and reads after it; k is the width of its layer.  Weights
 * are all 1 at first.  All is the session's memory; what a head has not is NULL. */
typedef struct kohl_session_head {
  int node, k;
  float weight;            /* of this head's loss in the sum */
  int32_t *labels;         /* softmax: [batch], 0 to k - 1 */
  float *targets;          /* sigmoid: [batch][k], 0 to 1 */
  float *class_weights;    /* [k] */
  float *positive_weights; /* sigmoid: [k] */
  float *sample_weights;   /* sigmoid: [batch] */
  const float *losses;     /* [batch]: weighted by class or sample, not divided */
} kohl_session_head;

/* The heads of the plan, in its order; index < plan->head_count. */
kohl_session_head kohl_session_head_at(kohl_session *session, size_t index);

/* The loss that the gradients of the last run on n samples belong to: the sum over heads of weight * mean loss. */
double kohl_session_loss(kohl_session *session, int n);

/* The first head's arrays. */
int32_t *kohl_session_labels(kohl_session *session);
float *kohl_session_class_weights(kohl_session *session);
const float *kohl_session_losses(const kohl_session *session);

/* uint64 [batch]: the position of each sample in the epoch's list, which keys dropout. */
uint64_t *kohl_session_draws(kohl_session *session);
float *kohl_session_params(kohl_session *session, size_t *count);
/* On the CPU; on a device kohl_session_fetch_gradients. */
float *kohl_session_gradients(kohl_session *session, size_t *count);

/* The running statistics of the batch-norms that use the batch's; NULL and 0 when there are none. */
float *kohl_session_state(kohl_session *session, size_t *count);

/* Forward and backward on n samples: afterwards gradients() are those of kohl_session_loss, and the running statistics
 * have taken in the batch.  epoch keys dropout.  Weights are packed anew from params first. */
kohl_status kohl_session_backward(kohl_session *session, int n, uint32_t epoch);

/* Takes the last backward's batch out of the running statistics again: for a step that is not to be. */
kohl_status kohl_session_undo_state(kohl_session *session);

/* Remembers the running statistics as they are, and goes back to what was remembered: for a step of several batches. */
kohl_status kohl_session_keep_state(kohl_session *session);
kohl_status kohl_session_restore_state(kohl_session *session);

/* Brings weights and running statistics from the device to what kohl_session_params and _state give, and the other way;
 * nothing on the CPU, where they are the same. */
kohl_status kohl_session_fetch(kohl_session *session);
kohl_status kohl_session_put(kohl_session *session);

/* The gradients of the last backward, and back again what the caller made of them.  On the device, the memory for them
 * is made by the first call. */
kohl_status kohl_session_fetch_gradients(kohl_session *session, float **out, size_t *count);
kohl_status kohl_session_put_gradients(kohl_session *session);

/* Where steps find a buffer of the plan: memory of the device where there is one.  NULL for buffer -1. */
void *kohl_session_at(const kohl_session *session, int buffer);

/* Copies params and running statistics into the model's weights of the same nodes (each gets memory of its own). */
kohl_status kohl_session_store_params(kohl_session *session, kohl_model *model);

#endif
