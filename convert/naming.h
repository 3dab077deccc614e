/* What publishers call the weights of our networks: "features.0.weight" is torchvision's name of vgg19's
 * block1_conv1.weight.  The same list serves readers and writers.
 *
 * Layers here have Keras's names (nn/models); naming.c has a table or a rule for each publisher and architecture. */
#ifndef KOHL_CONVERT_NAMING_H
#define KOHL_CONVERT_NAMING_H

#include "convert/source.h"

typedef enum kohl_naming {
  KOHL_NAMING_KERAS,       /* block1_conv1/kernel */
  KOHL_NAMING_TORCHVISION, /* features.0.weight */
  KOHL_NAMING_TIMM,        /* torchvision's, but for the heads of VGG */
  KOHL_NAMING_SLIM,        /* vgg_19/conv1/conv1_1/weights */
  KOHL_NAMING_COUNT
} kohl_naming;

const char *kohl_naming_word(kohl_naming naming); /* "torchvision" */

/* Orders of the numbers that go with the names. */
kohl_layout kohl_naming_layout(kohl_naming naming);

/* The publisher's name of weight `suffix` of a layer of an architecture; text has room for KOHL_SAFETENSORS_NAME + 1
 * bytes.  False: the publisher has no such network or no such layer in it. */
bool kohl_naming_name(kohl_naming naming, const char *arch, const char *layer, const char *suffix, char *text);

/* A tensor of the publisher's files that no network here has and that may be left out: the number of batches seen, the
 * auxiliary classifier of Inception, slots of optimizers. */
bool kohl_naming_ignores(kohl_naming naming, const char *arch, const char *name);

#endif
