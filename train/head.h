/* The heads of a recipe, each: pool or flatten, batch-norm where asked for, dense layers with ReLU, dropout, the
 * classes' dense layer, softmax or sigmoid.
 *
 * Two models: the frozen base, which runs once over all pictures, and the head behind it, whose input is what the base
 * gave, so that the base need not run while the head is trained.  In the end they are joined. */
#ifndef KOHL_TRAIN_HEAD_H
#define KOHL_TRAIN_HEAD_H

#include "nn/model.h"
#include "train/initial.h"
#include "train/recipe.h"

/* The frozen part of a recipe out of a model: its graph cut at base.at (default: where the model's head begins, or its
 * last layer when it has none), its input set to pictures.size (0: as it is), and behind it the head's pool, which has
 * no weights and is therefore worked out once, too (unless heads pool differently).  graph->base_output is the cut.
 * *out is the caller's; it holds copies of the weights. */
kohl_status kohl_base_create(kohl_context *ctx, const kohl_recipe *recipe, const kohl_model *source, kohl_model **out);

/* The trained part, for the output of base's last node, with initial weights: Glorot uniform (limit
 * sqrt(6 / (in + out))), biases 0, as in Keras.  Layer names begin with "head" and differ from all of base's.  Those of
 * a listed head begin with its name, and its last layer is called so; KOHL_BAD_INPUT where base has such a layer.
 * classes: of each head.  The first head comes last, so that the last layer is its.  *out is the caller's. */
kohl_status kohl_head_create(kohl_context *ctx, const kohl_recipe *recipe, const kohl_graph *base, const int *classes,
                             kohl_model **out);

/* base and head as one model: weights copied, labels, task and preprocessing set.  *out is the caller's. */
kohl_status kohl_head_join(kohl_context *ctx, const kohl_model *base, const kohl_model *head, const char *const *labels,
                           size_t label_count, const kohl_preprocessing *preprocessing, kohl_model **out);

#endif
