/* conv2d forward on CUDA, step 2: what threads of a block have in common is read once.
 *
 * A block owns 16 pixels x 16 filters, a thread one of these outputs.  For 16 channels of a tap at a time, each thread
 * fetches one float of src and one of wei, neighbouring threads neighbouring channels, into shared memory; then every
 * thread goes through the 16 channels there.  Each float from memory serves 16 outputs. */
#include "kernels/conv2d/fwd_steps_cuda.cuh"

enum { TILE = 16 };

static __global__ void __launch_bounds__(TILE *TILE) shared(const step_problem problem) {
  const kohl_conv2d_desc &d = problem.d;
  KOHL_SHARED(float, src, [TILE][TILE + 1]); /* pixel, channel; one more, or all pixels would meet in two banks */
  KOHL_SHARED(float, wei, [TILE][TILE + 1]); /* filter, channel */
  const int row = (int)threadIdx.x / TILE, column = (int)threadIdx.x % TILE;
  const int pixel = step_first_pixel(problem, TILE, TILE) + row, first_k = step_first_filter(problem, TILE);
  const step_pixel at = step_pixel_of(problem, pixel);
  float sum = 0.0f;
  for (int r = 0; r < d.r; r++) {
    for (int s = 0; s < d.s; s++) {
      const float *from_src = step_tap(problem, at, r, s), *from_wei = step_filter(problem, first_k + row, r, s);
      for (int first_c = 0; first_c < d.c; first_c += TILE) {
        const int c = first_c + column;
        __syncthreads(); /* nobody reads the channels before any more */
        src[row][column] = from_src && c < d.c ? from_src[c] : 0.0f;
        wei[row][column] = from_wei && c < d.c ? from_wei[c] : -0.0f; /* +0 * -0 changes no sum, not even -0 */
        __syncthreads();
        for (int i = 0; i < TILE; i++) sum = fmaf(src[row][i], wei[column][i], sum);
      }
    }
  }
  step_store(problem, pixel, first_k + column, sum);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const step_problem problem = step_problem_of(desc, args);
  KOHL_LAUNCH(stream, shared, step_grid(problem, TILE, TILE), dim3(TILE * TILE), problem);
}

KOHL_CUDA_KERNEL(conv2d, fwd, step02_shared_cuda, step_accepts, NULL, launch)
