/* conv2d forward on CUDA, step 3: a thread works out 4 x 4 outputs in registers.
 *
 * Step 2 reads two floats of shared memory for each multiply-add.  Here 4 of src and 4 of wei serve 16 multiply-adds,
 * and a block owns 64 pixels x 64 filters, so that each float from memory serves 64 outputs. */
#include "kernels/conv2d/fwd_steps_cuda.cuh"

enum { TILE = 64, DEPTH = 16, EACH = 4, BLOCK = 256 };
enum { LANES = TILE / EACH, ROWS_APART = BLOCK / DEPTH }; /* a thread's outputs are LANES apart */

static __global__ void __launch_bounds__(BLOCK) registers(const step_problem problem) {
  const kohl_conv2d_desc &d = problem.d;
  KOHL_SHARED(float, src, [TILE][DEPTH + 1]);
  KOHL_SHARED(float, wei, [TILE][DEPTH + 1]);
  const int row = (int)threadIdx.x / LANES, column = (int)threadIdx.x % LANES; /* of the outputs */
  const int line = (int)threadIdx.x / DEPTH, i = (int)threadIdx.x % DEPTH;     /* of what is fetched */
  const int first_pixel = step_first_pixel(problem, TILE, TILE), first_k = step_first_filter(problem, TILE);
  step_pixel at[EACH];
  for (int j = 0; j < EACH; j++) at[j] = step_pixel_of(problem, first_pixel + line + j * ROWS_APART);
  float sums[EACH][EACH] = {};
  for (int r = 0; r < d.r; r++) {
    for (int s = 0; s < d.s; s++) {
      for (int c = i; c - i < d.c; c += DEPTH) {
        __syncthreads(); /* nobody reads the channels before any more */
        KOHL_UNROLL()
        for (int j = 0; j < EACH; j++) {
          const float *from_src = step_tap(problem, at[j], r, s);
          const float *from_wei = step_filter(problem, first_k + line + j * ROWS_APART, r, s);
          src[line + j * ROWS_APART][i] = from_src && c < d.c ? from_src[c] : 0.0f;
          wei[line + j * ROWS_APART][i] = from_wei && c < d.c ? from_wei[c] : -0.0f;
        }
        __syncthreads();
        KOHL_UNROLL()
        for (int depth = 0; depth < DEPTH; depth++) {
          float x[EACH], y[EACH];
          KOHL_UNROLL()
          for (int j = 0; j < EACH; j++) {
            x[j] = src[row + j * LANES][depth];
            y[j] = wei[column + j * LANES][depth];
          }
          KOHL_UNROLL()
          for (int u = 0; u < EACH; u++) {
            KOHL_UNROLL()
            for (int w = 0; w < EACH; w++) sums[u][w] = fmaf(x[u], y[w], sums[u][w]);
          }
        }
      }
    }
  }
  KOHL_UNROLL()
  for (int u = 0; u < EACH; u++) {
    KOHL_UNROLL()
    for (int w = 0; w < EACH; w++)
      step_store(problem, first_pixel + row + u * LANES, first_k + column + w * LANES, sums[u][w]);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const step_problem problem = step_problem_of(desc, args);
  KOHL_LAUNCH(stream, registers, step_grid(problem, TILE, TILE), dim3(BLOCK), problem);
}

KOHL_CUDA_KERNEL(conv2d, fwd, step03_registers_cuda, step_accepts, NULL, launch)
