/* A whole network on the CPU and on a device: the same bits.
 *
 *   compare_networks DEVICE ARCH SIZE CLASSES BATCH SEED infer|train|train:head|train:LAYER STEPS
 *
 * Weights and pictures are random (tests/oracle/network.h).  infer compares the logits and the network's outputs of
 * STEPS batches, of which the last has a picture fewer.  train takes STEPS steps of RMSprop with momentum, dropout
 * included, each on a new batch; compared are every step's losses, and at the end weights, running statistics and the
 * optimizer's state.  Both sides run with exact; the device twice, which must agree with itself.  Prints one line of
 * TAP with what was compared, or the first place that differs. */
#include "tests/oracle/network.h"
#include "train/update.h"

/* A side of the comparison. */
typedef struct side {
  network net;
  kohl_update *update;
  float *outputs; /* what is compared: appended to */
  size_t count, capacity;
  int steps;
} side;

static void keep(side *s, const float *values, size_t count) {
  while (s->count + count > s->capacity) {
    s->capacity = 2 * (s->capacity + count);
    s->outputs = realloc(s->outputs, s->capacity * sizeof *s->outputs);
    if (!s->outputs) exit(4);
  }
  memcpy(s->outputs + s->count, values, count * sizeof *values);
  s->count += count;
}

/* Every layer before `from` is frozen; dropout as the architecture has it. */
static int first_trained(const network *net, const char *mode) {
  int from = 0;
  if (!strcmp(mode, "train:head"))
    from = net->model->graph->base_output + 1;
  else if (mode[5] == ':')
    network_need(net, kohl_graph_need(net->ctx, net->model->graph, "mode", mode + 6, &from));
  return from;
}

static void make(side *s, const char *device, const char *arch, int size, const char *mode) {
  network *net = &s->net;
  network_build(net, arch, size, "frozen");
  net->ctx->exact = true;
  network_need(net, kohl_context_use_device(net->ctx, device));
  kohl_graph *graph = net->model->graph;
  kohl_plan_options plan = kohl_plan_options_default();
  int taps[] = {net->logits};
  plan.batch = net->batch;
  plan.train = strcmp(mode, "infer") != 0;
  plan.seed = net->seed;
  plan.taps = taps;
  plan.tap_count = 1;
  int from = plan.train ? first_trained(net, mode) : 0;
  for (size_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].layer == KOHL_LAYER_dropout) graph->nodes[i].params.rate = 0.4f;
    if (graph->nodes[i].layer != KOHL_LAYER_batch_norm) graph->nodes[i].trainable = (int)i >= from;
  }
  network_need(net, kohl_session_create(net->ctx, net->model, &plan, &net->session));
}

static void draw_batch(side *s, int step) {
  const network *net = &s->net;
  kohl_shape in = net->model->graph->nodes[0].shape;
  size_t floats = (size_t)net->batch * (size_t)(in.h * in.w * in.c);
  network_draw(net->seed, NETWORK_INPUT, (uint64_t)step + 1, 0.0f, 1.0f, 0, floats, kohl_session_input(net->session));
}

static void keep_output(side *s, int node, int n) {
  kohl_shape shape = s->net.model->graph->nodes[node].shape;
  size_t count = (size_t)n * (size_t)(shape.h * shape.w * shape.c);
  float *values = network_alloc(&s->net, count, sizeof *values);
  network_need(&s->net, kohl_session_output(s->net.session, node, n, values));
  keep(s, values, count);
  free(values);
}

static void infer(side *s) {
  const network *net = &s->net;
  for (int step = 0; step < s->steps; step++) {
    int n = step + 1 == s->steps && net->batch > 1 ? net->batch - 1 : net->batch;
    draw_batch(s, step);
    network_need(net, kohl_session_run(net->session, n));
    keep_output(s, net->logits, n);
    keep_output(s, (int)net->model->graph->count - 1, n);
  }
}

static kohl_status put_update(void *user, int n) {
  const side *s = user;
  const kohl_session *session = s->net.session;
  const kohl_plan *plan = session->plan;
  return kohl_update_put(s->update, kohl_session_at(session, plan->params), kohl_session_at(session, plan->gradients),
                         kohl_session_at(session, plan->heads[0].losses), n);
}

static void step_once(side *s, int step) {
  const network *net = &s->net;
  kohl_session *session = net->session;
  const kohl_plan *plan = session->plan;
  const double lr = 1e-4;
  bool taken;
  draw_batch(s, step);
  for (int i = 0; i < net->batch; i++) {
    kohl_session_labels(session)[i] = (i + step) % net->classes;
    kohl_session_draws(session)[i] = (uint64_t)(step * net->batch + i);
  }
  bool on_device = kohl_update_on_device(s->update);
  if (on_device) kohl_update_set(s->update, step + 1, lr);
  network_need(net, kohl_session_backward(session, net->batch, 1));
  if (on_device)
    taken = kohl_update_taken(s->update);
  else
    taken = kohl_update_step(s->update, step + 1, lr, kohl_session_at(session, plan->params),
                             kohl_session_at(session, plan->gradients));
  if (!taken) {
    fprintf(stderr, "%s: step %d: a gradient is not finite\n", net->program, step + 1);
    exit(3);
  }
  keep(s, kohl_session_losses(session), (size_t)net->batch);
}

static void train(side *s) {
  const network *net = &s->net;
  kohl_session *session = net->session;
  const kohl_update_options options = {
      .rule = KOHL_UPDATE_RMSPROP, .rho = 0.9, .momentum = 0.9, .epsilon = 1e-7, .clip_norm = 1.0};
  kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS];
  size_t count;
  const float *params = kohl_session_params(session, &count);
  network_need(net, kohl_update_create(net->ctx, &options, params, count, &s->update));
  if (kohl_update_on_device(s->update)) session->tail = put_update, session->tail_user = s;
  for (int step = 0; step < s->steps; step++) step_once(s, step);
  network_need(net, kohl_session_fetch(session));
  network_need(net, kohl_update_fetch(s->update));
  params = kohl_session_params(session, &count);
  keep(s, params, count);
  const float *state = kohl_session_state(session, &count);
  if (state) keep(s, state, count);
  size_t array_count = kohl_update_arrays(s->update, arrays);
  for (size_t i = 0; i < array_count; i++) keep(s, arrays[i].values, arrays[i].count);
  kohl_update_destroy(s->update);
}

static void run(side *s, const char *device, char **argv) {
  s->net = (network){.program = "compare_networks",
                     .classes = atoi(argv[4]),
                     .batch = atoi(argv[5]),
                     .seed = strtoull(argv[6], NULL, 10)};
  s->steps = atoi(argv[8]);
  make(s, device, argv[2], atoi(argv[3]), argv[7]);
  if (strcmp(argv[7], "infer") != 0)
    train(s);
  else
    infer(s);
  network_end(&s->net);
}

/* Bit for bit; a NaN would be a failure of its own. */
static bool same(const side *a, const side *b, const char *what, const char *line) {
  if (a->count == b->count && !memcmp(a->outputs, b->outputs, a->count * sizeof *a->outputs)) return true;
  size_t i = 0, different = 0;
  while (i < a->count && i < b->count && !memcmp(&a->outputs[i], &b->outputs[i], sizeof(float))) i++;
  for (size_t j = i; j < a->count && j < b->count; j++)
    different += memcmp(&a->outputs[j], &b->outputs[j], sizeof(float)) != 0;
  printf("not ok - %s\n# %s: %zu of %zu differ, the first is %zu: %.9g and %.9g\n", line, what, different, a->count, i,
         i < a->count ? (double)a->outputs[i] : NAN, i < b->count ? (double)b->outputs[i] : NAN);
  return false;
}

static bool all_finite(const side *s, const char *line) {
  for (size_t i = 0; i < s->count; i++) {
    if (isfinite(s->outputs[i])) continue;
    printf("not ok - %s\n# value %zu is %g\n", line, i, (double)s->outputs[i]);
    return false;
  }
  return s->count > 0;
}

int main(int argc, char **argv) {
  side sides[3];
  char line[256];
  memset(sides, 0, sizeof sides);
  if (argc != 9 || (strcmp(argv[7], "infer") != 0 && strncmp(argv[7], "train", 5) != 0) || atoi(argv[8]) < 1) {
    fprintf(stderr,
            "usage: compare_networks DEVICE ARCH SIZE CLASSES BATCH SEED infer|train|train:head|train:LAYER STEPS\n");
    return 1;
  }
  run(&sides[0], "cpu", argv);
  run(&sides[1], argv[1], argv);
  run(&sides[2], argv[1], argv);
  snprintf(line, sizeof line, "%s %s px, batch %s, %s, %s steps: %zu values have the CPU's bits on %s", argv[2],
           argv[3], argv[5], argv[7], argv[8], sides[0].count, argv[1]);
  bool right = all_finite(&sides[0], line) && same(&sides[1], &sides[0], "device and CPU", line) &&
               same(&sides[2], &sides[1], "the device, twice", line);
  if (right) printf("ok - %s\n", line);
  for (int i = 0; i < 3; i++) free(sides[i].outputs);
  return right ? 0 : 2;
}
