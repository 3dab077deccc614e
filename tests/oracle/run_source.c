/* What a file of others computes, for scripts that know the answer: the file is converted in memory as pixels (nothing
 * is done to its input but what the network itself does), run on floats and left at its logits.
 *
 *   run_source FILE [SIZE] < batch of h,w,c floats > outputs as floats
 *
 * Size 0 or none: the file's own.  The first line on stderr is "HxWxC in, HxWxC out". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert.h"
#include "nn/session.h"

static kohl_context *ctx;

static void need(kohl_status status) {
  if (status == KOHL_OK) return;
  fprintf(stderr, "run_source: %s\n", kohl_context_error(ctx));
  exit((int)status);
}

/* The last node but for a softmax that convert has added. */
static int last_node(const kohl_graph *graph) {
  int last = (int)graph->count - 1;
  return strcmp(graph->nodes[last].name, "probabilities") == 0 ? last - 1 : last;
}

int main(int argc, char **argv) {
  kohl_convert_options options = {.preset = "pixels", .size = argc > 2 ? atoi(argv[2]) : 0};
  kohl_context_options context = kohl_context_options_default();
  kohl_model *model;
  kohl_session *session;
  if (argc < 2 || kohl_context_create(&context, &ctx) != KOHL_OK) return 1;
  need(kohl_convert_read(ctx, argv[1], &options, &model));
  int last = last_node(model->graph);
  kohl_plan_options plan = {.batch = 1, .taps = &last, .tap_count = 1};
  kohl_shape in = model->graph->nodes[0].shape, out = model->graph->nodes[last].shape;
  size_t inputs = (size_t)in.h * (size_t)in.w * (size_t)in.c, outputs = (size_t)out.h * (size_t)out.w * (size_t)out.c;
  fprintf(stderr, "%dx%dx%d in, %dx%dx%d out\n", in.h, in.w, in.c, out.h, out.w, out.c);
  need(kohl_session_create(ctx, model, &plan, &session));
  float *values = malloc(outputs * sizeof *values), *input = kohl_session_input(session);
  const kohl_preprocessing *p = &model->preprocessing;
  if (!values) return 4;
  while (fread(input, sizeof *input, inputs, stdin) == inputs) {
    for (size_t i = 0; i < inputs; i++) input[i] = (input[i] - p->mean[i % (size_t)in.c]) / p->std[i % (size_t)in.c];
    need(kohl_session_run(session, 1));
    need(kohl_session_output(session, last, 1, values));
    if (fwrite(values, sizeof *values, outputs, stdout) != outputs) return 4;
  }
  free(values);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
  return 0;
}
