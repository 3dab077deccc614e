/* The training half of a plan: the losses, and the gradient steps behind the forward steps.
 *
 * Going backwards over the nodes, each node's output gradient is turned into the gradients of its weights (when it is
 * trainable) and of its inputs (when something below them is trainable); below the lowest trainable layer nothing is
 * computed.  A layer kind whose op has no gradient kernel is refused by name when pass 7 looks for one. */
#include "nn/backward.h"

#include "kernels/core/alloc.h"

int kohl_plan_forward_step(const kohl_plan *plan, int node) {
  for (size_t i = 0; i < plan->forward_steps; i++) {
    if (plan->steps[i].node == node && plan->steps[i].absorbed_by < 0) return (int)i;
  }
  return -1;
}

int kohl_backward_value(const kohl_backward *b, int buffer) {
  bool again = buffer >= 0 && (size_t)buffer < b->forward_buffers && b->again[buffer] >= 0;
  return again ? b->again[buffer] : buffer;
}

/* A softmax becomes its loss: probabilities and losses forward, the logits' gradient backward.  So does a sigmoid. */
static void become_loss(kohl_plan *plan, const kohl_plan_head *head) {
  kohl_step *loss = &plan->steps[kohl_plan_forward_step(plan, head->options.node)];
  loss->desc = kohl_plan_head_desc(plan, head);
  if (head->labels >= 0) {
    loss->op = &kohl_softmax_xent_op;
    loss->in[SOFTMAX_XENT_LABELS] = head->labels;
    loss->in[SOFTMAX_XENT_CLASS_WEIGHTS] = head->class_weights;
    loss->out[SOFTMAX_XENT_LOSS] = head->losses;
    return;
  }
  loss->op = &kohl_sigmoid_bce_op;
  loss->in[SIGMOID_BCE_TARGETS] = head->targets;
  loss->in[SIGMOID_BCE_POSITIVE_WEIGHTS] = head->positive_weights;
  loss->in[SIGMOID_BCE_CLASS_WEIGHTS] = head->class_weights;
  loss->in[SIGMOID_BCE_SAMPLE_WEIGHTS] = head->sample_weights;
  loss->out[SIGMOID_BCE_LOSS] = head->losses;
}

_Static_assert((int)SOFTMAX_XENT_DGRAD_PROBABILITIES == 0 && (int)SIGMOID_BCE_DGRAD_PROBABILITIES == 0 &&
                   (int)SOFTMAX_XENT_LOGITS == 0 && (int)SIGMOID_BCE_LOGITS == 0,
               "logits forward, probabilities backward; the other inputs are the same");

static kohl_status loss_backward(kohl_backward *b, int node) {
  kohl_plan *plan = b->plan;
  int logits = plan->graph->nodes[node].inputs[0], forward = kohl_plan_forward_step(plan, node), target, sum;
  if (!plan->wanted[logits]) return KOHL_OK;
  kohl_step *step;
  kohl_status status = kohl_backward_gradient(b, logits, &target, &sum);
  if (status == KOHL_OK) status = kohl_plan_add_step(b->ctx, plan, plan->steps[forward].op, KOHL_DGRAD, node, &step);
  if (status != KOHL_OK) return status;
  step->desc = plan->steps[forward].desc;
  for (int i = 1; i < KOHL_ARGS_IN; i++) step->in[i] = plan->steps[forward].in[i];
  step->in[SOFTMAX_XENT_DGRAD_PROBABILITIES] = plan->node_buffer[node];
  step->out[SOFTMAX_XENT_DGRAD_DLOGITS] = target;
  return kohl_backward_sum(b, logits, target, sum);
}

static kohl_status walk(kohl_backward *b) {
  kohl_plan *plan = b->plan;
  kohl_status status = KOHL_OK;
  for (size_t i = plan->graph->count; i-- > 0 && status == KOHL_OK;) {
    int node = (int)i;
    if (kohl_plan_head_of(plan, node)) {
      status = loss_backward(b, node);
    } else if (b->gradient[i] >= 0 && plan->wanted[i]) {
      status = kohl_recompute_part(b, node);
      if (status == KOHL_OK) status = kohl_backward_node(b, node);
    }
  }
  return status;
}

kohl_status kohl_plan_add_backward(kohl_context *ctx, kohl_plan *plan) {
  const kohl_graph *graph = plan->graph;
  kohl_backward b = {.ctx = ctx, .plan = plan, .forward_buffers = plan->buffer_count};
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *b.gradient, "a plan", &b.gradient);
  if (status == KOHL_OK) status = kohl_alloc(ctx, graph->count, sizeof *b.segment, "a plan", &b.segment);
  if (status == KOHL_OK) status = kohl_alloc(ctx, plan->buffer_count, sizeof *b.again, "a plan", &b.again);
  if (status == KOHL_OK) {
    for (size_t i = 0; i < graph->count; i++) b.gradient[i] = -1;
    for (size_t i = 0; i < plan->buffer_count; i++) b.again[i] = -1;
    for (size_t i = 0; i < plan->step_count; i++)
      plan->steps[i].repack = plan->param_offset[plan->steps[i].node] != SIZE_MAX;
    for (size_t i = 0; i < plan->head_count; i++) become_loss(plan, &plan->heads[i]);
    kohl_recompute_cut(&b);
    status = walk(&b);
    kohl_recompute_prune(plan);
  }
  kohl_free(ctx, b.gradient);
  kohl_free(ctx, b.segment);
  kohl_free(ctx, b.again);
  return status;
}
