/* The last node with pixels; see base.h. */
#include "convert/base.h"

int kohl_convert_base(const kohl_graph *graph) {
  int base = (int)graph->count - 1;
  while (base >= 0 && graph->nodes[base].shape.h == 1 && graph->nodes[base].shape.w == 1) base--;
  for (size_t i = (size_t)base + 1; base >= 0 && i < graph->count; i++)
    for (int k = 0; k < graph->nodes[i].input_count; k++)
      if (graph->nodes[i].inputs[k] < base) return -1;
  return base > 0 && base + 1 < (int)graph->count ? base : -1;
}
