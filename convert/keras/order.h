/* Layers matched as Keras itself loads them: by their order in the file, where their names mean nothing to us. */
#ifndef KOHL_CONVERT_KERAS_ORDER_H
#define KOHL_CONVERT_KERAS_ORDER_H

#include "convert/match.h"

/* Renames the file's layers to those of match->whole: its k-th convolution (4 dimensions), dense layer (2) and
 * batch-norm (mean) to the network's k-th in Keras's order.  The numbers of each must be those of the whole
 * network or of the part that graph is; else KOHL_BAD_INPUT "layer count mismatch".  Shapes are not compared here. */
kohl_status kohl_keras_order_rename(kohl_context *ctx, const kohl_match *match, const kohl_graph *graph,
                                    kohl_names *names);

#endif
