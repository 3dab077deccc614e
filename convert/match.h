/* Which tensor of a Keras file is which weight of a network, with shapes compared both ways: nothing missing, nothing
 * extra, nothing transposed.  Reads no values. */
#ifndef KOHL_CONVERT_MATCH_H
#define KOHL_CONVERT_MATCH_H

#include "convert/names.h"
#include "nn/model.h"

typedef struct kohl_keras_match {
  const char *path, *arch; /* for error texts */
  const kohl_preset *preset;
  const kohl_graph *whole; /* the network before it was cut; names what may be left over */
  bool cut;                /* the caller asked for a part */
  int drop;                /* leading classes that the model does not take (slim's background): 0 or 1 */
} kohl_keras_match;

/* sources[i] becomes the tensor of model->weights[i]; it has room for model->weight_count.  KOHL_BAD_INPUT names the
 * first layer that is wrong, both shapes, and the option that would help. */
kohl_status kohl_keras_match_weights(kohl_context *ctx, const kohl_keras_match *match, const kohl_model *model,
                                     kohl_keras_names *names, const kohl_tensor_info **sources);

/* Is this weight the classes' own (the last layer of the head)? */
bool kohl_keras_match_is_classes(const kohl_keras_match *match, const kohl_graph *graph, int node);

/* "[3,3,64,128]" */
typedef struct kohl_shape_text {
  char text[192];
} kohl_shape_text;
kohl_shape_text kohl_shape_write(const int64_t *shape, int dims);

#endif
