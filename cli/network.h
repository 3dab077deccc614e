/* Models for the subcommands: opened from a file at another input size, or built with random weights for timing. */
#ifndef KOHL_CLI_NETWORK_H
#define KOHL_CLI_NETWORK_H

#include "cli/cli.h"
#include "nn/model.h"

/* Opens a model file; size (NULL: the network's own) is the text of --size.  Returns an exit code; *out is the
 * caller's until kohl_model_destroy. */
int cli_network_open(cli *c, const char *path, const char *size, kohl_model **out);

/* Builds an architecture of nn/models with weights drawn from a fixed seed, scaled so that activations keep their
 * size from layer to layer (He et al. 2015). */
int cli_network_build(cli *c, const char *arch, const char *size, kohl_model **out);

/* A model file, or an architecture by its name: one with a point or slash can only be meant as a file, any other must
 * be one of the architectures. */
int cli_network_load(cli *c, const char *name, const char *size, kohl_model **out);

/* Parameters of one node, and of the whole model. */
size_t cli_node_parameters(const kohl_graph *graph, const kohl_node *node);
size_t cli_graph_parameters(const kohl_graph *graph);

/* "149x149x32" */
typedef struct cli_shape_text {
  char text[40];
} cli_shape_text;
cli_shape_text cli_shape(kohl_shape shape);

/* 23851784 as "23,851,784". */
typedef struct cli_count_text {
  char text[32];
} cli_count_text;
cli_count_text cli_count(size_t n);

/* Fills floats with numbers of -1 to 1 from a fixed seed: what is timed must not be zeros. */
void cli_fill_random(float *values, size_t count, uint32_t stream);

#endif
