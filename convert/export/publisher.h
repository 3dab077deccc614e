/* Does a publisher's network of the same architecture compute what this one does?  The same weights may mean something
 * else there: Inception's average pools, the stride of ResNet's blocks, pools that round up. */
#ifndef KOHL_CONVERT_EXPORT_PUBLISHER_H
#define KOHL_CONVERT_EXPORT_PUBLISHER_H

#include "convert/naming.h"

enum { KOHL_EXPORT_DIFFERENCES = 1024 };

/* Compares the layers that both have by name, at this network's input size; text (KOHL_EXPORT_DIFFERENCES bytes) gets
 * one line of what differs, or "": also where the publisher has no such network.  KOHL_BAD_INPUT: torchvision's has no
 * place for a bias that a layer has, or the other way round. */
kohl_status kohl_export_compare(kohl_context *ctx, const kohl_graph *graph, kohl_naming naming, char *text);

#endif
