/* One training step, written down: the other side of gradients.py and pytorch/gradients.py.
 *
 *   train_step ARCH SIZE CLASSES BATCH SEED frozen|train WEIGHTS STEP [TENSOR:ROW=DRAW ...]
 *
 * Makes the network (network.h), writes it to the model file WEIGHTS ("-": nowhere), runs forward and backward, and
 * writes to the safetensors file STEP the input, labels, logits, losses, every gradient (named as its weight) and,
 * where batch-norm is trained, the running statistics after the step. */
#include "tests/oracle/network.h"

/* One tensor of the file. */
typedef struct entry {
  const char *name;
  int dims;
  int64_t shape[4];
  const float *data;
} entry;

static size_t entry_bytes(const entry *e) {
  size_t count = 1;
  for (int i = 0; i < e->dims; i++) count *= (size_t)e->shape[i];
  return count * sizeof *e->data;
}

/* The gradient of a trained weight, a running statistic of a trained batch-norm, or NULL. */
static const float *result_of(const network *net, const kohl_weight *weight) {
  const kohl_node *node = &net->model->graph->nodes[weight->node];
  size_t count, at = kohl_plan_param(net->session->plan, weight->node, weight->spec.suffix);
  if (at != SIZE_MAX) return kohl_session_gradients(net->session, &count) + at;
  return node->layer == KOHL_LAYER_batch_norm && node->trainable ? weight->data : NULL;
}

static void write_entries(const network *net, const char *path, const entry *entries, size_t count) {
  kohl_safetensors_writer *w;
  network_need(net, kohl_safetensors_writer_begin(net->ctx, path, &w));
  for (size_t i = 0; i < count; i++) {
    const entry *e = &entries[i];
    network_need(net, kohl_safetensors_writer_tensor(w, e->name, KOHL_SAFETENSORS_F32, e->dims, e->shape));
  }
  network_need(net, kohl_safetensors_writer_lay(w));
  for (size_t i = 0; i < count; i++) {
    const entry *e = &entries[kohl_safetensors_writer_order(w, i)];
    network_need(net, kohl_safetensors_write(w, e->data, entry_bytes(e)));
  }
  network_need(net, kohl_safetensors_writer_finish(w));
}

static void write_step(const network *net, const char *path) {
  kohl_shape in = net->model->graph->nodes[0].shape;
  int64_t n = net->batch, k = net->classes;
  size_t count = 0;
  entry *entries = network_alloc(net, net->model->weight_count + 4, sizeof *entries);
  float *labels = network_alloc(net, (size_t)n, sizeof *labels);
  float *logits = network_alloc(net, (size_t)(n * k), sizeof *logits);
  for (int i = 0; i < n; i++) labels[i] = (float)kohl_session_labels(net->session)[i];
  network_need(net, kohl_session_output(net->session, net->logits, net->batch, logits));
  entries[count++] = (entry){"input", 4, {n, in.h, in.w, in.c}, kohl_session_input(net->session)};
  entries[count++] = (entry){"labels", 1, {n}, labels};
  entries[count++] = (entry){"logits", 2, {n, k}, logits};
  entries[count++] = (entry){"losses", 1, {n}, kohl_session_losses(net->session)};
  for (size_t i = 0; i < net->model->weight_count; i++) {
    const kohl_weight *weight = &net->model->weights[i];
    const float *data = result_of(net, weight);
    if (!data) continue;
    entries[count] = (entry){.name = weight->name, .dims = weight->spec.dims, .data = data};
    memcpy(entries[count++].shape, weight->spec.shape, sizeof weight->spec.shape);
  }
  write_entries(net, path, entries, count);
  free(entries);
  free(labels);
  free(logits);
}

int main(int argc, char **argv) {
  if (argc < 9) {
    fprintf(stderr, "usage: train_step ARCH SIZE CLASSES BATCH SEED frozen|train WEIGHTS STEP [TENSOR:ROW=DRAW ...]\n");
    return 1;
  }
  network net = {
      .program = "train_step", .classes = atoi(argv[3]), .batch = atoi(argv[4]), .seed = strtoull(argv[5], NULL, 10)};
  network_build(&net, argv[1], atoi(argv[2]), argv[6]);
  for (int i = 9; i < argc; i++) network_redraw(&net, argv[i]);
  if (strcmp(argv[7], "-") != 0) network_need(&net, kohl_model_save(net.ctx, net.model, argv[7]));
  network_begin(&net);
  network_need(&net, kohl_session_backward(net.session, net.batch, 1));
  network_need(&net, kohl_session_store_params(net.session, net.model)); /* running statistics go back to the model */
  write_step(&net, argv[8]);
  network_end(&net);
  return 0;
}
