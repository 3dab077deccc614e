/* rmsprop: a thread to four weights. */
#include "kernels/core/flat.cuh"
#include "kernels/rmsprop/one.cuh"

static __global__ void __launch_bounds__(KOHL_FLAT_BLOCK) steps(kohl_rmsprop_one one, kohl_flat<3> flat) {
  kohl_flat_steps(flat, one);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_rmsprop_desc *d = static_cast<const kohl_rmsprop_desc *>(desc);
  void *const out[] = {args->out[RMSPROP_WEIGHTS], d->momentum != 0.0f ? args->out[RMSPROP_M] : NULL,
                       args->out[RMSPROP_V]};
  const kohl_flat<3> flat = kohl_flat_make(d->count, args->in[RMSPROP_GRAD], out);
  KOHL_LAUNCH(stream, steps, kohl_flat_grid(flat, stream), dim3(KOHL_FLAT_BLOCK), kohl_rmsprop_one{*d}, flat);
}

KOHL_CUDA_KERNEL(rmsprop, fwd, cuda, kohl_rmsprop_check, NULL, launch)
