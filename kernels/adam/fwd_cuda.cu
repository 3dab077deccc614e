/* adam: a thread to four weights. */
#include "kernels/adam/one.cuh"
#include "kernels/core/flat.cuh"

static __global__ void __launch_bounds__(KOHL_FLAT_BLOCK) steps(kohl_adam_one one, kohl_flat<3> flat) {
  kohl_flat_steps(flat, one);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_adam_desc *d = static_cast<const kohl_adam_desc *>(desc);
  void *const out[] = {args->out[ADAM_WEIGHTS], args->out[ADAM_M], args->out[ADAM_V]};
  const kohl_flat<3> flat = kohl_flat_make(d->count, args->in[ADAM_GRAD], out);
  KOHL_LAUNCH(stream, steps, kohl_flat_grid(flat, stream), dim3(KOHL_FLAT_BLOCK),
              kohl_adam_one{kohl_adam_factors_of(d)}, flat);
}

KOHL_CUDA_KERNEL(adam, fwd, cuda, kohl_adam_check, NULL, launch)
