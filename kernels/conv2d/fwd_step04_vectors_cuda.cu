/* conv2d forward on CUDA, step 4: shared memory turned round, and read four floats at a time.
 *
 * A thread works out 8 x 8 outputs, in two times two groups of 4 x 4.  Channels are the slow index in shared memory, so
 * that four neighbouring pixels, or filters, are one load of 16 bytes: 4 loads for 64 multiply-adds. */
#include "kernels/conv2d/fwd_steps_cuda.cuh"

enum { TILE = 128, DEPTH = 8, EACH = 8, BLOCK = 256, LANES = TILE / EACH, PITCH = TILE + 4 };

static __global__ void __launch_bounds__(BLOCK) vectors(const step_problem problem) {
  const kohl_conv2d_desc &d = problem.d;
  KOHL_SHARED(float4, src_memory, [DEPTH * PITCH / 4]);
  KOHL_SHARED(float4, wei_memory, [DEPTH * PITCH / 4]);
  float(*src)[PITCH] = reinterpret_cast<float(*)[PITCH]>(&src_memory[0]);
  float(*wei)[PITCH] = reinterpret_cast<float(*)[PITCH]>(&wei_memory[0]);
  const int row = (int)threadIdx.x / LANES * 4, column = (int)threadIdx.x % LANES * 4; /* of the outputs */
  const int line = (int)threadIdx.x / 2, i = (int)threadIdx.x % 2 * 4;                 /* of what is fetched */
  const int first_pixel = step_first_pixel(problem, TILE, TILE), first_k = step_first_filter(problem, TILE);
  const step_pixel at = step_pixel_of(problem, first_pixel + line);
  float sums[EACH][EACH] = {};
  for (int r = 0; r < d.r; r++) {
    for (int s = 0; s < d.s; s++) {
      const float *from_src = step_tap(problem, at, r, s), *from_wei = step_filter(problem, first_k + line, r, s);
      for (int c = i; c - i < d.c; c += DEPTH) {
        const float4 x4 = step_fetch(from_src, c, d.c, 0.0f), y4 = step_fetch(from_wei, c, d.c, -0.0f);
        __syncthreads(); /* nobody reads the channels before any more */
        step_put(&src[i][line], PITCH, x4);
        step_put(&wei[i][line], PITCH, y4);
        __syncthreads();
        KOHL_UNROLL()
        for (int depth = 0; depth < DEPTH; depth++) {
          float x[EACH], y[EACH];
          step_get(&src[depth][row], TILE / 2, x);
          step_get(&wei[depth][column], TILE / 2, y);
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
    for (int w = 0; w < EACH; w++) {
      step_store(problem, first_pixel + row + u % 4 + u / 4 * TILE / 2, first_k + column + w % 4 + w / 4 * TILE / 2,
                 sums[u][w]);
    }
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const step_problem problem = step_problem_of(desc, args);
  KOHL_LAUNCH(stream, vectors, step_grid(problem, TILE, TILE), dim3(BLOCK), problem);
}

KOHL_CUDA_KERNEL(conv2d, fwd, step04_vectors_cuda, step_accepts, NULL, launch)
