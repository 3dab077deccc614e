/* Order instead of names; see order.h.  Keras lists layers by depth, which in Inception-v3 is not the order of
 * creation that its numbers follow; every other network here has one order. */
#include "convert/keras/order.h"

#include <string.h>

#include "nn/json.h"

/* The i-th convolution in the order of Keras's layer list is the one created as number depth_order[i]; batch-norms
 * likewise.  (Keras 2.2.4's own list.) */
static const unsigned char depth_order[] = {1,  2,  3,  4,  5,  9,  7,  10, 6,  8,  11, 12, 16, 14, 17, 13, 15, 18, 19,
                                            23, 21, 24, 20, 22, 25, 26, 28, 29, 27, 30, 35, 36, 32, 37, 33, 38, 31, 34,
                                            39, 40, 45, 46, 42, 47, 43, 48, 41, 44, 49, 50, 55, 56, 52, 57, 53, 58, 51,
                                            54, 59, 60, 65, 66, 62, 67, 63, 68, 61, 64, 69, 70, 73, 74, 71, 75, 72, 76,
                                            81, 78, 82, 79, 80, 83, 84, 77, 85, 90, 87, 91, 88, 89, 92, 93, 86, 94};
enum { CELLS = sizeof depth_order };

static const struct {
  kohl_layer layer;
  const char *words;
} classes[] = {{KOHL_LAYER_conv2d, "convolutions"},
               {KOHL_LAYER_dense, "dense layers"},
               {KOHL_LAYER_batch_norm, "batch-norm layers"}};
enum { CLASSES = sizeof classes / sizeof classes[0] };

/* Which class the layer of a tensor is, told by this tensor alone; -1 when another of its tensors must say. */
static int classify(const kohl_name *tensor) {
  if (!tensor->suffix) return -1;
  if (strcmp(tensor->suffix, "mean") == 0) return 2;
  if (strcmp(tensor->suffix, "weight") != 0) return -1;
  return tensor->tensor->info.dims == 4 ? 0 : tensor->tensor->info.dims == 2 ? 1 : -1;
}

static size_t count_nodes(const kohl_graph *graph, kohl_layer layer) {
  size_t count = 0;
  for (size_t i = 0; i < graph->count; i++) count += graph->nodes[i].layer == layer;
  return count;
}

/* The name of the network's k-th layer of a class, in Keras's order; k is below their number. */
static const char *kth_name(const kohl_graph *whole, const char *arch, int class, size_t k) {
  if (strcmp(arch, "inception_v3") == 0 && class != 1 && k < CELLS) k = depth_order[k] - 1u;
  for (size_t i = 0; i < whole->count; i++)
    if (whole->nodes[i].layer == classes[class].layer && k-- == 0) return whole->nodes[i].name;
  return "";
}

/* The file's tensors in its order; order has room for names->count. */
static void arrange(const kohl_names *names, kohl_name **order) {
  for (size_t i = 0; i < names->count; i++) order[names->names[i].index] = &names->names[i];
}

/* The end of the run of tensors of one layer that begins at `from`, and its class. */
static size_t run_end(kohl_name *const *order, size_t count, size_t from, int *class) {
  size_t end = from;
  *class = -1;
  while (end < count && strcmp(order[end]->layer, order[from]->layer) == 0) {
    int one = classify(order[end++]);
    if (one >= 0) *class = one;
  }
  return end;
}

static kohl_status check_counts(kohl_context *ctx, const kohl_match *match, const kohl_graph *graph,
                                kohl_name *const *order, size_t count) {
  size_t found[CLASSES] = {0};
  int class;
  for (size_t i = 0; i < count;) {
    const char *layer = order[i]->layer;
    i = run_end(order, count, i, &class);
    if (class < 0)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s' is neither a convolution, dense nor batch-norm",
                       match->path, kohl_quote(layer, strlen(layer)).text);
    found[class]++;
  }
  for (int c = 0; c < CLASSES; c++) {
    size_t whole = count_nodes(match->whole, classes[c].layer), part = count_nodes(graph, classes[c].layer);
    if (found[c] != whole && found[c] != part)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer count mismatch: the file has %zu %s, expected %zu for %s",
                       match->path, found[c], classes[c].words, part, match->arch);
  }
  return KOHL_OK;
}

static kohl_status rename_all(kohl_context *ctx, const kohl_match *match, kohl_name *const *order, size_t count) {
  size_t next[CLASSES] = {0};
  for (size_t i = 0; i < count;) {
    int class;
    size_t end = run_end(order, count, i, &class);
    const char *name = kth_name(match->whole, match->arch, class, next[class]++);
    for (; i < end; i++) {
      char *copy;
      kohl_status status = kohl_strdup(ctx, name, &copy);
      if (status) return status;
      kohl_free(ctx, order[i]->layer);
      order[i]->layer = copy;
    }
  }
  return KOHL_OK;
}

kohl_status kohl_keras_order_rename(kohl_context *ctx, const kohl_match *match, const kohl_graph *graph,
                                    kohl_names *names) {
  kohl_name **order;
  kohl_status status = kohl_alloc(ctx, names->count, sizeof *order, "the order of tensors", &order);
  if (status) return status;
  arrange(names, order);
  status = check_counts(ctx, match, graph, order, names->count);
  if (!status) status = rename_all(ctx, match, order, names->count);
  kohl_free(ctx, order);
  return status ? status : kohl_names_sort(ctx, match->path, names);
}
