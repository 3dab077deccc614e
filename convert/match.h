/* Which tensor of a file is which weight of a network, with shapes compared both ways: nothing missing, nothing extra,
 * nothing transposed.  Reads no values. */
#ifndef KOHL_CONVERT_MATCH_H
#define KOHL_CONVERT_MATCH_H

#include "convert/names.h"
#include "nn/model.h"

typedef struct kohl_match {
  const char *path, *arch; /* for error texts */
  const kohl_preset *preset;
  const kohl_graph *whole; /* the network before it was cut; names what may be left over */
  bool cut;                /* the caller asked for a part */
  int drop;                /* leading classes that the model does not take (slim's background): 0 or 1 */
} kohl_match;

/* Where a weight comes from. */
typedef struct kohl_origin {
  const kohl_name *name;
  kohl_shape inputs; /* what one output sees: rows, columns and channels of a filter, or of the picture that was
                        flattened before a dense layer; 1, 1 and the number for the rest */
} kohl_origin;

/* origins[i] is that of model->weights[i]; it has room for model->weight_count.  KOHL_BAD_INPUT names the first layer
 * that is wrong, both shapes, and the option that would help. */
kohl_status kohl_match_weights(kohl_context *ctx, const kohl_match *match, const kohl_model *model, kohl_names *names,
                               kohl_origin *origins);

/* The shape that a weight of a graph has in a file of a layout, and what one output of it sees; returns the dimensions. */
int kohl_match_shape(const kohl_graph *graph, const kohl_weight *weight, kohl_layout layout, int64_t shape[4],
                     kohl_shape *inputs);

/* How many weights of a graph the file has under their names with as many values as they need; *needed counts those of
 * the graph in front of its head, *found the ones of these that are there, *all every one of the graph that is. */
void kohl_match_count(const kohl_graph *graph, const kohl_names *names, size_t *needed, size_t *found, size_t *all);

/* Is this weight the classes' own (the last layer of the head)? */
bool kohl_match_is_classes(const kohl_match *match, const kohl_graph *graph, int node);

/* "[3,3,64,128]" */
typedef struct kohl_dims_text {
  char text[192];
} kohl_dims_text;
kohl_dims_text kohl_dims_write(const int64_t *shape, int dims);

#endif
