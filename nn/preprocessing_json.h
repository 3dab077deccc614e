/* The preprocessing as JSON, for the model file and `kohl inspect`. */
#ifndef KOHL_NN_PREPROCESSING_JSON_H
#define KOHL_NN_PREPROCESSING_JSON_H

#include "kernels/picture/preprocessing.h"
#include "nn/json.h"

/* An object {"background", "orient", "decode", "fit", "filter", "width", "height", "resize", "fraction",
 * "fit_background", "order", "scale", "mean", "std"}; decode is the word exact or fast. */
void kohl_preprocessing_write_json(const kohl_preprocessing *pre, kohl_json_writer *writer);

/* Reads the object that comes next; absent members keep the default, unknown ones and bad values are KOHL_BAD_INPUT. */
kohl_status kohl_preprocessing_read_json(kohl_json *json, kohl_preprocessing *pre);

#endif
