/* Which layers of a network a phase trains, and where the part begins that must run in every step.
 *
 * Not the training: this sets kohl_node.trainable and finds the boundary; nn plans by the one, the feature cache works
 * the frozen part out once by the other.  The base are the nodes up to graph->base_output, all of them where that is
 * -1; the head is what comes after, and always trains. */
#ifndef KOHL_TRAIN_TRAINABLE_H
#define KOHL_TRAIN_TRAINABLE_H

#include "nn/graph.h"

/* Sets trainable of every node of a graph that is inferred; a layer without weights is marked like the others, the
 * input never.  train is one of
 *   head         the head alone
 *   all          every layer
 *   last N       the head and the last N layers of the base, counted and ordered as in Keras (below); 1 to all of them
 *   from LAYER   the head, LAYER of the base and every layer of the base that stands after it in the graph
 *   A,B,...      the head and the layers of the base with these names; * and ? stand for any text and any character
 * freeze (NULL or "": none) are names like the last ones; what they match is frozen all the same, in the head too.
 * Without batch_norm no batch_norm of the base is trained: its running statistics are used and stay as they are.
 *
 * Keras's order is that of Model.layers for a base without its top: by the longest way to the output, and layers of
 * equal ways as a walk from the output, first inputs first, meets them.  Its input counts not.  An activation that
 * alone reads a conv2d or dense with bias and without activation is one layer with it (Keras's activation=...); behind
 * anything else it counts itself, and so do add, concat, pools, batch_norm, dropout, flatten.  Layers that the base's
 * output does not need are not counted.  The counts are Keras's 21 of VGG-19 and 310 of Inception-v3; of ResNet-50
 * there are 172 where Keras has 174: its conv1_pad and pool1_pad are here the padding of the layers behind them, so
 * that numbers up to 168 mean the same.  In SqueezeNet, which is not in Keras, the ReLUs belong to the convolutions.
 *
 * where says who asks ("recipe.yaml: field 'phases.2.train'") and begins every error: KOHL_USAGE for a name or pattern
 * that no layer has, naming the nearest one; KOHL_BAD_INPUT for an N that is none or more than the base has, a network
 * without head where "head" is asked for, and where no weight is left to train.  The graph is then as it was. */
kohl_status kohl_trainable_mark(kohl_context *ctx, kohl_graph *graph, const char *train, const char *freeze,
                                bool batch_norm, const char *where);

/* The last node whose output can be worked out once: everything that trains comes after it, and no path leads around
 * it, so that kohl_graph_cut and kohl_graph_rest take it; 0, the input, where there is no other.  To train is to have
 * weights or running statistics, or to be a dropout, with trainable set: a dropout at or before the boundary would not
 * drop.  (A frozen one there does not; a frozen one behind it does.)  With nothing to train it is the last node. */
int kohl_trainable_boundary(const kohl_graph *graph);

#endif
