/* A network in double precision, written as simply as possible: what `kohl bench` measures errors against. */
#ifndef KOHL_CLI_TRUTH_H
#define KOHL_CLI_TRUTH_H

#include "nn/model.h"

/* Computes node `node` of the model for one picture (h x w x c floats) with plain loops in double; out receives its
 * h*w*c values.  Nothing is folded or fused; dropout does nothing.  KOHL_INTERRUPTED between layers. */
kohl_status cli_truth(kohl_context *ctx, const kohl_model *model, int node, const float *picture, double *out);

#endif
