/* What a step costs: floating-point operations and the least bytes it must move. */
#include "nn/plan.h"

static double buffer_bytes(const kohl_plan *plan, int buffer) {
  if (buffer < 0) return 0;
  const kohl_buffer *b = &plan->buffers[buffer];
  if (b->kind == KOHL_BUFFER_WEIGHTS) return (double)b->bytes;
  return 4.0 * plan->options.batch * b->shape.h * b->shape.w * b->shape.c;
}

double kohl_step_bytes(const kohl_plan *plan, const kohl_step *step) {
  double bytes = 0;
  for (int i = 0; i < KOHL_ARGS_IN; i++) bytes += buffer_bytes(plan, step->in[i]);
  for (int i = 0; i < KOHL_ARGS_OUT; i++) bytes += buffer_bytes(plan, step->out[i]);
  return bytes;
}

double kohl_step_flops(const kohl_step *step) {
  const kohl_desc *d = &step->desc;
  if (step->op == &kohl_conv2d_op) return kohl_conv2d_flops(&d->conv2d);
  if (step->op == &kohl_dense_op) return kohl_dense_flops(&d->dense);
  if (step->op == &kohl_pool_op) return (double)d->n * d->pool.p * d->pool.q * d->pool.c * d->pool.r * d->pool.s;
  if (step->op == &kohl_adaptive_pool_op)
    return (double)d->n * d->adaptive_pool.h * d->adaptive_pool.w * d->adaptive_pool.c;
  if (step->op == &kohl_batchnorm_op) return 2.0 * d->n * d->batchnorm.pixels * d->batchnorm.c;
  if (step->op == &kohl_add_op) return (double)d->n * d->add.pixels * d->add.c;
  if (step->op == &kohl_lrn_op) return 2.0 * d->n * d->lrn.pixels * d->lrn.c * d->lrn.size;
  return 0; /* copies and comparisons: bytes are what they cost */
}
