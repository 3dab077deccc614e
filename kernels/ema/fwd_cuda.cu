/* ema: a thread to four weights. */
#include "kernels/core/flat.cuh"
#include "kernels/ema/one.cuh"

static __global__ void __launch_bounds__(KOHL_FLAT_BLOCK) steps(kohl_ema_one one, kohl_flat<1> flat) {
  kohl_flat_steps(flat, one);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_ema_desc *d = static_cast<const kohl_ema_desc *>(desc);
  void *const out[] = {args->out[EMA_AVERAGE]};
  const kohl_flat<1> flat = kohl_flat_make(d->count, args->in[EMA_WEIGHTS], out);
  const kohl_ema_one one = {static_cast<float>(1.0 - d->decay)};
  KOHL_LAUNCH(stream, steps, kohl_flat_grid(flat, stream), dim3(KOHL_FLAT_BLOCK), one, flat);
}

KOHL_CUDA_KERNEL(ema, fwd, cuda, kohl_ema_check, NULL, launch)
