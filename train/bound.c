/* A bound by the factors of the largest gradient; see bound.h. */
#include "train/bound.h"

#include <math.h>

double kohl_gradient_bound(kohl_session *session, int n, const kohl_update *update) {
  const kohl_plan *plan = session->plan;
  const size_t last = plan->step_count - 1;
  const kohl_step *step = &plan->steps[last];
  if (step->op != &kohl_dense_op || step->direction != KOHL_WGRAD || step->absorbed_by >= 0) return NAN;
  const kohl_args *args = &session->args[last];
  size_t count;
  const float *gradients = kohl_session_gradients(session, &count), *own = args->out[DENSE_WGRAD_DWEI];
  const size_t rows = (size_t)n, c = (size_t)step->desc.dense.c, k = (size_t)step->desc.dense.k;
  const size_t before = (size_t)(own - gradients), behind = count - before - c * k;
  if (rows * (c + k) > c * k / 4) return NAN; /* reading it is no more work */
  const double src = kohl_update_norm(update, args->in[DENSE_WGRAD_SRC], rows * c);
  const double ddst = kohl_update_norm(update, args->in[DENSE_WGRAD_DDST], rows * k);
  /* chains of at most 4,096 products: what they lose in rounding is below 4,097 * 2^-24 of the bound */
  return src * ddst * (1 + 1e-3) + kohl_update_norm(update, gradients, before) +
         kohl_update_norm(update, own + c * k, behind);
}
