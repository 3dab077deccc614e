/* sgd: a thread to four weights. */
#include "kernels/core/flat.cuh"
#include "kernels/sgd/one.cuh"

static __global__ void __launch_bounds__(KOHL_FLAT_BLOCK) steps(kohl_sgd_one one, kohl_flat<2> flat) {
  kohl_flat_steps(flat, one);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_sgd_desc *d = static_cast<const kohl_sgd_desc *>(desc);
  void *const out[] = {args->out[SGD_WEIGHTS], d->momentum != 0.0f ? args->out[SGD_M] : NULL};
  const kohl_flat<2> flat = kohl_flat_make(d->count, args->in[SGD_GRAD], out);
  KOHL_LAUNCH(stream, steps, kohl_flat_grid(flat, stream), dim3(KOHL_FLAT_BLOCK), kohl_sgd_one{*d}, flat);
}

KOHL_CUDA_KERNEL(sgd, fwd, cuda, kohl_sgd_check, NULL, launch)
