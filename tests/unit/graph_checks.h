/* What the tests of nn/models ask of a graph; every check fails the running test. */
#ifndef KOHL_TESTS_UNIT_GRAPH_CHECKS_H
#define KOHL_TESTS_UNIT_GRAPH_CHECKS_H

#include "nn/models/models.h"

/* The context of all of them: for tcase_add_checked_fixture. */
extern kohl_context *graph_ctx;
void graph_setup(void);
void graph_teardown(void);

/* A network that must build; the caller destroys it with graph_ctx. */
kohl_graph *graph_build(const char *arch, const kohl_arch_options *options);

/* The same network must be refused with this status and a text that contains `text`. */
void graph_refused(const char *arch, const kohl_arch_options *options, kohl_status status, const char *text);

/* With classes and side: builds; one pixel narrower: refused, naming the layer.  classes is 0. */
void graph_smallest(const char *arch, int side, const char *layer);

/* Numbers in the weights, with or without batch-norm's running mean and variance. */
size_t graph_parameters(const kohl_graph *graph, bool running);

/* Products in convolutions and dense layers for one picture, what is published as "GFLOPS" or multiply-adds. */
double graph_products(const kohl_graph *graph);

const kohl_node *graph_node(const kohl_graph *graph, const char *name);
void graph_shape(const kohl_graph *graph, const char *name, int h, int w, int c);

/* The names of a node's inputs with spaces between. */
void graph_inputs(const kohl_graph *graph, const char *name, const char *inputs);

/* Our layer for a layer of a PyTorch state dict ("layer1.0.conv2"); false: there is none. */
typedef bool graph_rename(const char *torch, char layer[64]);

/* Every tensor of a state dict's list of shapes, {"NAME": [1, 2], ...}, is a weight of the graph with PyTorch's order
 * of axes, and the other way round.  False, with a line on standard output, when the file is absent. */
bool graph_matches_state_dict(const kohl_graph *graph, const char *path, graph_rename *rename);

#endif
