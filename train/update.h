/* The optimizer: what one step does to a flat array of weights, and the arrays that it keeps beside them.
 *
 * A step is: gradients scaled to a largest norm (optional), the rule (SGD, RMSprop, Adam, AdamW), the moving average of
 * the weights (optional).  Every part is an op of kernels/ whose header has the formulas; this chooses their kernels,
 * owns the state, and leaves out a step that would make numbers that are none.  Learning rate schedules are the
 * caller's.  One thread at a time. */
#ifndef KOHL_TRAIN_UPDATE_H
#define KOHL_TRAIN_UPDATE_H

#include "kernels/update/update.h"
#include "train/checkpoint.h"

/* A member that the rule does not name is not read. */
typedef struct kohl_update_options {
  kohl_update_rule rule;
  double momentum;          /* sgd, rmsprop: 0 to below 1; 0: none, and no array */
  bool nesterov, lr_inside; /* sgd (kernels/sgd) */
  double rho;               /* rmsprop */
  bool epsilon_inside;      /* rmsprop: of the square root */
  double beta1, beta2;      /* adam, adamw: 0 to below 1 */
  bool epsilon_plain;       /* adam, adamw: PyTorch's place, else Keras's (kernels/adam) */
  double epsilon;           /* all but sgd: > 0 */
  double weight_decay;      /* all */
  double clip_norm;         /* the largest norm of all gradients together; 0: none */
  double ema;               /* share of the old average, below 1; 0: no average */
} kohl_update_options;

typedef struct kohl_update kohl_update;

/* The desc of the op update that takes the same steps, with losses 0. */
kohl_update_desc kohl_update_desc_of(const kohl_update_options *options, size_t count);

/* Bytes of the arrays that such an optimizer keeps for count weights. */
size_t kohl_update_bytes(const kohl_update_options *options, size_t count);

/* Chooses kernels and allocates everything; moments are 0, the average is params (count floats, only read here).  *out
 * is the caller's until kohl_update_destroy (NULL is allowed), and borrows ctx.  KOHL_USAGE says why no kernel of the
 * context's level takes the options. */
kohl_status kohl_update_create(kohl_context *ctx, const kohl_update_options *options, const float *params, size_t count,
                               kohl_update **out);
void kohl_update_destroy(kohl_update *update);

/* The Euclidean norm of x, which has at most as many floats as there are weights; NaN or infinite where one is. */
double kohl_update_norm(const kohl_update *update, const float *x, size_t count);

/* Says that the norm of the next step's gradients is at most this, which spares a pass over them where nothing else
 * needs their norm; a number that is none is no bound. */
void kohl_update_bound(kohl_update *update, double norm);

/* One step on the CPU: step is its number from 1 (Adam's t), lr its rate; params and gradients have count floats.
 * Gradients are left clipped.  False: the gradients, or the weights with their decay, are not finite or so large that
 * the step could overflow; params, moments and average are then what they were.  Allocates nothing; the same bits for
 * any number of threads. */
bool kohl_update_step(kohl_update *update, int64_t step, double lr, float *params, float *gradients);

/* On a device, where params and gradients are its memory, a step is put on the stream and decides for itself: _set says
 * what the next one is (of the last of kohl_update_put, again and again where that was recorded), _put puts it, _taken
 * says after a wait whether it was taken.  losses: count floats of the device that must all be finite, or NULL and 0.
 */
bool kohl_update_on_device(const kohl_update *update);
void kohl_update_set(kohl_update *update, int64_t step, double lr);
kohl_status kohl_update_put(kohl_update *update, float *params, float *gradients, const float *losses, int count);
bool kohl_update_taken(const kohl_update *update);

/* Brings the state from the device to the arrays that kohl_update_arrays gives, and back; nothing on the CPU. */
kohl_status kohl_update_fetch(kohl_update *update);
kohl_status kohl_update_restore(kohl_update *update);

/* Exchanges params with the average, so that what reads params sees it; a second call undoes it.  Nothing without an
 * average. */
kohl_status kohl_update_swap(kohl_update *update, float *params);

/* The state as a checkpoint keeps it: how many arrays, their names ("momentum", "square",
 * "first_moment", "second_moment", "average") and the update's own memory of the host. */
enum { KOHL_UPDATE_ARRAYS = 3 };
size_t kohl_update_arrays(const kohl_update *update, kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS]);

#endif
