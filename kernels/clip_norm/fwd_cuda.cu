/* clip_norm: half a warp to a unit of 4,096 squares, then one thread over the units, then the scaling. */
#include "kernels/core/flat.cuh"

extern "C" {
#include "kernels/clip_norm/clip_norm.h"
}

enum {
  PARTIALS = 16, /* of a unit, a lane each: two units to a warp */
  BLOCK = 64,
  AHEAD = 16, /* loads that a lane has under way */
  TILE = 256  /* units' sums */
};

static size_t units_of(const kohl_clip_norm_desc *d) {
  return (static_cast<size_t>(d->count) + KOHL_CLIP_NORM_BLOCK - 1) / KOHL_CLIP_NORM_BLOCK;
}

/* The factor, in a double's place, then the units' sums. */
static size_t workspace_size(const void *desc) {
  return (units_of(static_cast<const kohl_clip_norm_desc *>(desc)) + 1) * sizeof(double);
}

/* Every 16th square from the first on, added ascending. */
static __device__ double partial(const float *grad, int count) {
  double sum = 0.0;
  int i = 0;
  for (; i + (AHEAD - 1) * PARTIALS < count; i += AHEAD * PARTIALS) {
    float g[AHEAD];
    for (int k = 0; k < AHEAD; k++) g[k] = grad[i + k * PARTIALS];
    for (int k = 0; k < AHEAD; k++) sum = fma(static_cast<double>(g[k]), static_cast<double>(g[k]), sum);
  }
  for (; i < count; i += PARTIALS) sum = fma(static_cast<double>(grad[i]), static_cast<double>(grad[i]), sum);
  return sum;
}

static __global__ void __launch_bounds__(BLOCK)
    square_units(size_t count, size_t units, const float *grad, double *sums) {
  const int lane = threadIdx.x % 32, place = lane % PARTIALS;
  const size_t warps = kohl_thread_count() / 32;
  for (size_t pair = kohl_thread_index() / 32; 2 * pair < units; pair += warps) { /* the same for a whole warp */
    const size_t unit = 2 * pair + lane / PARTIALS, first = unit * KOHL_CLIP_NORM_BLOCK;
    const size_t left = first < count ? count - first : 0;
    const int length = left < KOHL_CLIP_NORM_BLOCK ? static_cast<int>(left) : KOHL_CLIP_NORM_BLOCK;
    double sum = partial(grad + first + place, length - place);
    for (int half = PARTIALS / 2; half; half /= 2) sum += kohl_shuffle_xor(sum, half);
    if (place == 0 && unit < units) sums[unit] = sum;
  }
}

/* The sums one after the other, a tile of them while the next one is under way; then the norm, and what the gradients
 * are to be multiplied by. */
static __global__ void __launch_bounds__(TILE)
    join(float max_norm, size_t units, const double *sums, float *out_norm, float *factor) {
  KOHL_SHARED(double, tile, [TILE]);
  double sum = 0.0, next = threadIdx.x < units ? sums[threadIdx.x] : 0.0;
  for (size_t first = 0; first < units; first += TILE) {
    const size_t ahead = first + TILE + threadIdx.x;
    tile[threadIdx.x] = next;
    __syncthreads();
    next = ahead < units ? sums[ahead] : 0.0;
    for (int i = 0; threadIdx.x == 0 && i < TILE; i += AHEAD) { /* +0 changes no sum that began at +0 */
      double some[AHEAD];
      for (int k = 0; k < AHEAD; k++) some[k] = tile[i + k];
      for (int k = 0; k < AHEAD; k++) sum += some[k];
    }
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const double norm = sqrt(sum), most = static_cast<double>(max_norm);
  *out_norm = static_cast<float>(norm);
  *factor = norm > most && norm < INFINITY ? static_cast<float>(most / norm) : 1.0f;
}

struct scaling {
  float factor;
  __device__ void operator()(float, float *x) const { *x *= factor; }
};

static __global__ void __launch_bounds__(KOHL_FLAT_BLOCK) scale(const float *factor, kohl_flat<1> flat) {
  const scaling one = {*factor};
  if (one.factor != 1.0f) kohl_flat_steps(flat, one);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_clip_norm_desc *d = static_cast<const kohl_clip_norm_desc *>(desc);
  const size_t units = units_of(d);
  float *factor = static_cast<float *>(args->workspace);
  double *sums = static_cast<double *>(args->workspace) + 1;
  void *const out[] = {args->out[CLIP_NORM_GRAD]};
  const kohl_flat<1> flat = kohl_flat_make(d->count, NULL, out);
  KOHL_LAUNCH(stream, square_units, dim3(kohl_grid(units * PARTIALS, BLOCK)), dim3(BLOCK),
              static_cast<size_t>(d->count), units, flat.out[0], sums);
  KOHL_LAUNCH(stream, join, dim3(1), dim3(TILE), d->max_norm, units, sums,
              static_cast<float *>(args->out[CLIP_NORM_NORM]), factor);
  if (d->max_norm == INFINITY) return; /* only measures */
  KOHL_LAUNCH(stream, scale, kohl_flat_grid(flat, stream), dim3(KOHL_FLAT_BLOCK), factor, flat);
}

KOHL_CUDA_KERNEL(clip_norm, fwd, cuda, kohl_clip_norm_check, workspace_size, launch)
