/* Training by SGD with momentum, loss by loss: the other side of gradients.py, winograd_steps.py and
 * pytorch/steps.py.
 *
 *   train_steps ARCH SIZE CLASSES BATCH SEED frozen|train LR MOMENTUM STEPS WEIGHTS [exact|nudged]
 *
 * Makes the network and one batch (network.h), writes the network to the model file WEIGHTS ("-": nowhere), and takes
 * that many steps on the same batch with the sgd op in PyTorch's form.  Prints the mean loss before each step.
 * exact: with kernels of class CHAIN alone; nudged: the same from weights whose last bits are drawn anew, which shows
 * how far training carries a rounding. */
#include "kernels/sgd/sgd.h"
#include "tests/oracle/network.h"

enum { NUDGE = NETWORK_INPUT + 1 }; /* what the last bits are drawn as */

static void nudge(network *net) {
  size_t count;
  float *params = kohl_session_params(net->session, &count);
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &params[i], sizeof bits);
    bits ^= kohl_random_u32(net->seed, 0, 1, NUDGE, i) & 1;
    memcpy(&params[i], &bits, sizeof bits);
  }
}

static void train(network *net, float lr, float momentum, int steps) {
  size_t count;
  float *params = kohl_session_params(net->session, &count);
  kohl_sgd_desc desc = {.n = 1, .count = (int64_t)count, .lr = lr, .momentum = momentum};
  const kohl_kernel *kernel = kohl_kernel_choose(net->ctx, &kohl_sgd_op, KOHL_FWD, &desc);
  network_need(net, kernel ? KOHL_OK : KOHL_USAGE);
  float *velocity = network_alloc(net, count, sizeof *velocity);
  kohl_args args = {.in = {[SGD_GRAD] = kohl_session_gradients(net->session, &count)},
                    .out = {[SGD_WEIGHTS] = params, [SGD_M] = velocity}};
  for (int step = 0; step < steps; step++) {
    network_need(net, kohl_session_backward(net->session, net->batch, 1));
    printf("%.9g\n", kohl_session_loss(net->session, net->batch));
    kernel->code->run(&desc, &args, net->ctx->threads);
  }
  free(velocity);
}

int main(int argc, char **argv) {
  if (argc != 11 && (argc != 12 || (strcmp(argv[11], "exact") != 0 && strcmp(argv[11], "nudged") != 0))) {
    fprintf(stderr,
            "usage: train_steps ARCH SIZE CLASSES BATCH SEED frozen|train LR MOMENTUM STEPS WEIGHTS [exact|nudged]\n");
    return 1;
  }
  network net = {
      .program = "train_steps", .classes = atoi(argv[3]), .batch = atoi(argv[4]), .seed = strtoull(argv[5], NULL, 10)};
  network_build(&net, argv[1], atoi(argv[2]), argv[6]);
  if (strcmp(argv[10], "-") != 0) network_need(&net, kohl_model_save(net.ctx, net.model, argv[10]));
  net.ctx->exact = argc == 12;
  network_begin(&net);
  if (argc == 12 && !strcmp(argv[11], "nudged")) nudge(&net);
  train(&net, strtof(argv[7], NULL), strtof(argv[8], NULL), atoi(argv[9]));
  network_end(&net);
  return 0;
}
