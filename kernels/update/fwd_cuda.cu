/* update in one launch: every block looks at losses and norms for itself and works out the step's factors, so that none
 * waits for another; then a thread to four weights. */
#include "kernels/adam/one.cuh"
#include "kernels/core/flat.cuh"
#include "kernels/ema/one.cuh"
#include "kernels/rmsprop/one.cuh"
#include "kernels/sgd/one.cuh"

extern "C" {
#include "kernels/update/step.h"
}

enum { BLOCK = KOHL_FLAT_BLOCK, WARPS = BLOCK / 32, STATE = UPDATE_AVERAGE + 1 };

struct inputs {
  const kohl_update_now *now;
  const float *norm, *weights_norm, *losses;
};

struct sgd_rule {
  kohl_sgd_one one;
  static __device__ sgd_rule make(const kohl_update_desc *d, const kohl_update_now *now) {
    return {{kohl_update_sgd(d, now)}};
  }
};
struct rmsprop_rule {
  kohl_rmsprop_one one;
  static __device__ rmsprop_rule make(const kohl_update_desc *d, const kohl_update_now *now) {
    return {{kohl_update_rmsprop(d, now)}};
  }
};
struct adam_rule {
  kohl_adam_one one;
  static __device__ adam_rule make(const kohl_update_desc *d, const kohl_update_now *now) {
    const kohl_adam_desc desc = kohl_update_adam(d, now);
    return {{kohl_adam_factors_of(&desc)}};
  }
};

/* x[UPDATE_WEIGHTS], x[UPDATE_FIRST] and x[UPDATE_SECOND] stand as the rules want them. */
template <class Rule>
struct whole {
  Rule rule;
  kohl_ema_one ema;
  __device__ void operator()(float grad, float *x) const {
    rule.one(grad, x);
    ema(x[UPDATE_WEIGHTS], &x[UPDATE_AVERAGE]);
  }
};

/* Whether this thread's losses are finite, and by the first thread whether the norms are fit for a step. */
static __device__ bool good(const kohl_update_desc &d, const inputs &in) {
  bool finite = true;
  for (int i = threadIdx.x; i < d.losses; i += BLOCK) finite = finite && in.losses[i] - in.losses[i] == 0.0f;
  if (threadIdx.x != 0) return finite;
  const double weights_norm = d.weight_decay != 0.0 ? static_cast<double>(*in.weights_norm) : 0.0;
  return finite && kohl_update_allowed(&d, in.now->lr, static_cast<double>(*in.norm), weights_norm);
}

template <class Rule>
static __global__ void __launch_bounds__(BLOCK)
    update(kohl_update_desc d, inputs in, kohl_flat<STATE> flat, int32_t *taken) {
  KOHL_SHARED(whole<Rule>, shared, [1]);
  KOHL_SHARED(int, votes, [WARPS]);
  int all = good(d, in);
  for (int half = 16; half; half /= 2) all &= kohl_shuffle_xor(all, half);
  if (threadIdx.x % 32 == 0) votes[threadIdx.x / 32] = all;
  if (threadIdx.x == 0) {
    shared[0].rule = Rule::make(&d, in.now);
    shared[0].ema.rest = static_cast<float>(1.0 - d.ema);
  }
  __syncthreads();
  for (int i = 0; i < WARPS; i++) all &= votes[i];
  if (kohl_thread_index() == 0) *taken = all;
  if (!all) return;
  const whole<Rule> step = shared[0];
  kohl_flat_steps(flat, step);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_update_desc *d = static_cast<const kohl_update_desc *>(desc);
  const inputs in = {
      static_cast<const kohl_update_now *>(args->in[UPDATE_NOW]), static_cast<const float *>(args->in[UPDATE_NORM]),
      static_cast<const float *>(args->in[UPDATE_WEIGHTS_NORM]), static_cast<const float *>(args->in[UPDATE_LOSSES])};
  int32_t *taken = static_cast<int32_t *>(args->out[UPDATE_TAKEN]);
  void *out[STATE];
  for (int i = UPDATE_WEIGHTS; i < STATE; i++) {
    out[i] = i == UPDATE_WEIGHTS || kohl_update_has(d, i) ? args->out[i] : NULL;
  }
  const kohl_flat<STATE> flat = kohl_flat_make(d->count, args->in[UPDATE_GRAD], out);
  dim3 grid = kohl_flat_grid(flat, stream), block(BLOCK);
  if (!grid.x) grid.x = 1; /* a step of no weights is taken or not, too */
  if (d->rule == KOHL_UPDATE_SGD) {
    KOHL_LAUNCH(stream, update<sgd_rule>, grid, block, *d, in, flat, taken);
  } else if (d->rule == KOHL_UPDATE_RMSPROP) {
    KOHL_LAUNCH(stream, update<rmsprop_rule>, grid, block, *d, in, flat, taken);
  } else {
    KOHL_LAUNCH(stream, update<adam_rule>, grid, block, *d, in, flat, taken);
  }
}

KOHL_CUDA_KERNEL(update, fwd, cuda, kohl_update_check, NULL, launch)
