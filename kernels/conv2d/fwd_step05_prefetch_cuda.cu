/* conv2d forward on CUDA, step 5: the next channels are on their way while these are multiplied.
 *
 * Step 4 waits for memory at every step of 8 channels.  Here a thread fetches the next ones into registers, multiplies
 * those in one half of shared memory, and only then puts the fetched ones into the other half: memory has the time of
 * the multiplications, and one barrier a step is enough.  fwd_igemm_cuda.cu goes on from here. */
#include "kernels/conv2d/fwd_steps_cuda.cuh"

enum { TILE = 128, DEPTH = 8, EACH = 8, BLOCK = 256, LANES = TILE / EACH, PITCH = TILE + 4 };

/* Where in taps and channels the next step begins. */
typedef struct step_cursor {
  int r, s, c;
} step_cursor;

static __device__ inline step_cursor advance(const kohl_conv2d_desc &d, step_cursor at) {
  if (at.c + DEPTH < d.c) return {at.r, at.s, at.c + DEPTH};
  return at.s + 1 < d.s ? step_cursor{at.r, at.s + 1, 0} : step_cursor{at.r + 1, 0, 0};
}

static __global__ void __launch_bounds__(BLOCK) prefetch(const step_problem problem) {
  const kohl_conv2d_desc &d = problem.d;
  KOHL_SHARED(float4, src_memory, [2 * DEPTH * PITCH / 4]);
  KOHL_SHARED(float4, wei_memory, [2 * DEPTH * PITCH / 4]);
  float(*src)[PITCH] = reinterpret_cast<float(*)[PITCH]>(&src_memory[0]);
  float(*wei)[PITCH] = reinterpret_cast<float(*)[PITCH]>(&wei_memory[0]);
  const int row = (int)threadIdx.x / LANES * 4, column = (int)threadIdx.x % LANES * 4; /* of the outputs */
  const int line = (int)threadIdx.x / 2, i = (int)threadIdx.x % 2 * 4;                 /* of what is fetched */
  const int first_pixel = step_first_pixel(problem, TILE, TILE), first_k = step_first_filter(problem, TILE);
  const step_pixel pixel = step_pixel_of(problem, first_pixel + line);
  float sums[EACH][EACH] = {};
  step_cursor next = {0, 0, 0};
  float4 x4 = step_fetch(step_tap(problem, pixel, 0, 0), i, d.c, 0.0f);
  float4 y4 = step_fetch(step_filter(problem, first_k + line, 0, 0), i, d.c, -0.0f);
  for (int half = 0; next.r < d.r; half = DEPTH - half) {
    step_put(&src[half + i][line], PITCH, x4);
    step_put(&wei[half + i][line], PITCH, y4);
    __syncthreads();
    next = advance(d, next);
    if (next.r < d.r) {
      x4 = step_fetch(step_tap(problem, pixel, next.r, next.s), next.c + i, d.c, 0.0f);
      y4 = step_fetch(step_filter(problem, first_k + line, next.r, next.s), next.c + i, d.c, -0.0f);
    }
    KOHL_UNROLL()
    for (int depth = 0; depth < DEPTH; depth++) {
      float x[EACH], y[EACH];
      step_get(&src[half + depth][row], TILE / 2, x);
      step_get(&wei[half + depth][column], TILE / 2, y);
      KOHL_UNROLL()
      for (int u = 0; u < EACH; u++) {
        KOHL_UNROLL()
        for (int w = 0; w < EACH; w++) sums[u][w] = fmaf(x[u], y[w], sums[u][w]);
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
  KOHL_LAUNCH(stream, prefetch, step_grid(problem, TILE, TILE), dim3(BLOCK), problem);
}

KOHL_CUDA_KERNEL(conv2d, fwd, step05_prefetch_cuda, step_accepts, NULL, launch)
