/* conv2d forward on CUDA, step 1: a thread per output, the loops of fwd_ref.c. */
#include "kernels/conv2d/fwd_steps_cuda.cuh"

enum { BLOCK = 256 };

static __global__ void __launch_bounds__(BLOCK) naive(const step_problem problem) {
  const kohl_conv2d_desc &d = problem.d;
  const int i = (int)kohl_thread_index(), pixel = i / d.k, k = i % d.k;
  if (pixel >= problem.pixels) return;
  const step_pixel at = step_pixel_of(problem, pixel);
  float sum = 0.0f;
  for (int r = 0; r < d.r; r++) {
    for (int s = 0; s < d.s; s++) {
      const float *src = step_tap(problem, at, r, s), *wei = step_filter(problem, k, r, s);
      for (int c = 0; c < d.c; c++) sum = fmaf(src ? src[c] : 0.0f, wei[c], sum);
    }
  }
  step_store(problem, pixel, k, sum);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const step_problem problem = step_problem_of(desc, args);
  const unsigned blocks = ((unsigned)problem.pixels * (unsigned)problem.d.k + BLOCK - 1) / BLOCK;
  KOHL_LAUNCH(stream, naive, dim3(blocks), dim3(BLOCK), problem);
}

KOHL_CUDA_KERNEL(conv2d, fwd, step01_naive_cuda, step_accepts, NULL, launch)
