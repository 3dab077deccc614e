/* Keras 3's layout of weights in HDF5 (.weights.h5, and inside .keras): the variables of an object are the datasets
 * P/vars/0, P/vars/1, ..., its path P being made of classes and numbers, "layers/conv2d_5".  (Format: keras,
 * saving/saving_lib.py.) */
#ifndef KOHL_CONVERT_KERAS_KERAS3_H
#define KOHL_CONVERT_KERAS_KERAS3_H

#include "convert/keras/store.h"

/* Fills in the tensors of the open file of source->state.  Objects come in the order of their paths: by class, those of
 * one class by number, which is Keras's order of layers; a model inside before the layers beside it.
 *
 * An object's layer is the one that a place of the store's says; else the name that Keras (since 3.6) has written
 * beside its variables; else its path, "layers/conv2d_5", which no layer is called: only the order within a class then
 * means something.  *found is false, and nothing else happens, where the file has no variables in this layout. */
kohl_status kohl_keras3_read(kohl_context *ctx, kohl_source *source, bool *found);

#endif
