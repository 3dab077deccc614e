/* Where the head of a network begins that comes without a word about it. */
#ifndef KOHL_CONVERT_BASE_H
#define KOHL_CONVERT_BASE_H

#include "nn/graph.h"

/* The last node with pixels, if nothing leads around it and something follows; else -1.  After infer. */
int kohl_convert_base(const kohl_graph *graph);

#endif
