/* An upper bound of the norm of a step's gradients, for less than reading them.
 *
 * The first dense layer of a head on kept features has nearly all of its weights, and its gradient is the last step of
 * a backward pass: ddst^T src, whose norm is at most the product of theirs.  Both are in memory still, and together a
 * small part of it.  All other gradients are read. */
#ifndef KOHL_TRAIN_BOUND_H
#define KOHL_TRAIN_BOUND_H

#include "nn/session.h"
#include "train/update.h"

/* For the gradients of a session's last backward pass on n samples.  NaN where the last step is no such gradient, or
 * numbers are none. */
double kohl_gradient_bound(kohl_session *session, int n, const kohl_update *update);

#endif
