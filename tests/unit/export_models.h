/* What the tests of convert/export work on: small networks whose weights are odd bits, in a folder of each test's own.
 * Checks fail the running test. */
#ifndef KOHL_TESTS_UNIT_EXPORT_MODELS_H
#define KOHL_TESTS_UNIT_EXPORT_MODELS_H

#include "convert/export/export.h"
#include "nn/models/models.h"

/* The context, its last warning, and when its cancel callback says stop: as export_polls_left reaches 0; negative:
 * never. */
extern kohl_context *export_ctx;
extern char export_logged[2048];
extern long export_polls_left;

/* For tcase_add_checked_fixture.  The folder must hold nothing but the two files in the end. */
void export_setup(void);
void export_teardown(void);
extern char export_model_path[128], export_out_path[128];

#define export_ok(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(export_ctx))

/* The last error contains this text. */
void export_expect(const char *text);

/* Number i of tensor `tensor` of every model made here.  Bits that arithmetic would change are among them: signalling
 * NaN, -0, a denormal. */
float export_value(size_t tensor, size_t i);

/* Weights for a graph, which is taken over; saved as export_model_path and opened again.  Behind a sigmoid there are
 * three labels with thresholds. */
kohl_model *export_model(kohl_graph *graph);

/* Appends a layer behind the last one and gives its index. */
int export_layer(kohl_graph *graph, kohl_layer layer, const char *name, kohl_params p);

/* VGG-19's first layer, 3x3 and 4 filters on 5x4 pixels, and a head of one's own: flatten of 3x2x4, batch-norm without
 * gamma, dense with 3 outputs, sigmoid.  Weights: conv weight, bias; norm beta, mean, variance; dense weight, bias. */
kohl_graph *export_small(const char *arch);

/* A network of nn/models. */
kohl_model *export_published(const char *arch, const kohl_arch_options *options);

/* Exports to export_out_path. */
kohl_status export_as(const kohl_model *model, kohl_export_format format);

#endif
