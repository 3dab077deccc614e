/* conv2d weight gradient, Winograd F(3x3, 4x4), the reference of wgrad_wino.h: strict C, one channel and one filter
 * after the other.  A unit of work is a channel, whose V of all tiles is kept; Y is made anew for each. */
#include <math.h>

#include "kernels/conv2d/wgrad_ref.h"
#include "kernels/conv2d/wgrad_wino.h"
#include "kernels/conv2d/wino_ref.h"

#define ROOT 1.41421356237309504880       /* sqrt(2) */
#define ROOT_SIXTH 0.23570226039551584147 /* sqrt(2) / 6 */

enum { SIDE = KOHL_WINO_SIDE, POSITIONS = SIDE * SIDE, CHUNK = KOHL_WGRAD_WINO_CHUNK };

typedef struct {
  const kohl_conv2d_desc *d;
  const kohl_args *args;
  size_t down, across, tiles, groups;
} state;

/* Picture n, first output (p, q) of a tile. */
typedef struct {
  size_t n;
  int p, q;
} corner;

static corner corner_of(const state *st, size_t tile) {
  const size_t within = tile % (st->down * st->across);
  return (corner){tile / (st->down * st->across), (int)(within / st->across) * 4, (int)(within % st->across) * 4};
}

/* A: four pixels of a line to six positions. */
static void tile_line(const float y[4], float out[SIDE]) {
  const float e = fmaf(0.5f, y[2], y[0]), f = fmaf(0.5f, y[3], y[1]);
  const float g = fmaf(2.0f, y[2], y[0]), h = fmaf(2.0f, y[3], y[1]);
  out[0] = y[0];
  out[1] = fmaf((float)(ROOT / 2.0), f, e);
  out[2] = fmaf(-(float)(ROOT / 2.0), f, e);
  out[3] = fmaf((float)ROOT, h, g);
  out[4] = fmaf(-(float)ROOT, h, g);
  out[5] = y[3];
}

/* G^T: six positions of a line to three taps. */
static void result_line(const float u[SIDE], float w[3]) {
  const float s = u[1] + u[2], d = u[2] - u[1], t = u[3] + u[4], e = u[3] - u[4];
  w[0] = fmaf(1.0f / 6.0f, t, fmaf(-2.0f / 3.0f, s, u[0]));
  w[1] = (float)ROOT_SIXTH * fmaf(2.0f, d, e);
  w[2] = fmaf(1.0f / 3.0f, t - s, u[5]);
}

static void patch(const state *st, size_t tile, size_t c, float v[POSITIONS]) {
  const kohl_conv2d_desc *d = st->d;
  const corner at = corner_of(st, tile);
  const float *src = (const float *)st->args->in[CONV2D_WGRAD_SRC] + at.n * d->h * d->w * d->src_stride + c;
  float pixels[SIDE][SIDE];
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      const int y = at.p + i - d->pad_top, x = at.q + j - d->pad_left;
      const bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
      pixels[i][j] = inside ? src[((size_t)y * d->w + x) * d->src_stride] : 0.0f;
    }
  }
  kohl_wino_ref_patch(4, pixels, v, 1);
}

static void gradient(const state *st, size_t tile, size_t k, float y[POSITIONS]) {
  const kohl_conv2d_desc *d = st->d;
  const corner at = corner_of(st, tile);
  const float *ddst = (const float *)st->args->in[CONV2D_WGRAD_DDST] + k;
  float t[SIDE][4], line[4], out[SIDE];
  for (int j = 0; j < 4; j++) {
    for (int i = 0; i < 4; i++) {
      const bool inside = at.p + i < d->p && at.q + j < d->q;
      line[i] = inside ? ddst[((at.n * d->p + at.p + i) * d->q + at.q + j) * d->dst_stride[0]] : 0.0f;
    }
    tile_line(line, out);
    for (int i = 0; i < SIDE; i++) t[i][j] = out[i];
  }
  for (int i = 0; i < SIDE; i++) tile_line(t[i], y + i * SIDE);
}

/* dU of one filter, from all tiles: chunks, then groups of chunks. */
static void sums(const state *st, const float *v, size_t k, float u[POSITIONS]) {
  const size_t chunks = (st->tiles + CHUNK - 1) / CHUNK;
  for (size_t group = 0; group < st->groups; group++) {
    const size_t first = chunks * group / st->groups, end = chunks * (group + 1) / st->groups;
    float total[POSITIONS] = {0};
    for (size_t chunk = first; chunk < end; chunk++) {
      float acc[POSITIONS] = {0}, y[POSITIONS];
      for (size_t tile = chunk * CHUNK; tile < (chunk + 1) * CHUNK && tile < st->tiles; tile++) {
        gradient(st, tile, k, y);
        for (size_t i = 0; i < POSITIONS; i++) acc[i] = fmaf(y[i], v[tile * POSITIONS + i], acc[i]);
      }
      for (size_t i = 0; i < POSITIONS; i++) total[i] = chunk > first ? total[i] + acc[i] : acc[i];
    }
    for (size_t i = 0; i < POSITIONS; i++) u[i] = group ? u[i] + total[i] : total[i];
  }
}

/* All filters' weights of one channel. */
static void channel(void *user, size_t c, size_t worker) {
  const state *st = user;
  const kohl_conv2d_desc *d = st->d;
  float *v = (float *)st->args->workspace + worker * st->tiles * POSITIONS;
  for (size_t tile = 0; tile < st->tiles; tile++) patch(st, tile, c, v + tile * POSITIONS);
  for (size_t k = 0; k < (size_t)d->k; k++) {
    float u[POSITIONS], t[3][SIDE], line[SIDE], w[3];
    float *dwei = (float *)st->args->out[CONV2D_WGRAD_DWEI] + k * 9 * (size_t)d->c + c;
    sums(st, v, k, u);
    for (int j = 0; j < SIDE; j++) {
      for (int i = 0; i < SIDE; i++) line[i] = u[i * SIDE + j];
      result_line(line, w);
      for (int r = 0; r < 3; r++) t[r][j] = w[r];
    }
    for (int r = 0; r < 3; r++) {
      result_line(t[r], w);
      for (int s = 0; s < 3; s++) dwei[(r * 3 + s) * d->c] = w[s];
    }
  }
}

static state state_of(const kohl_conv2d_desc *d, const kohl_args *args) {
  state st = {d, args, ((size_t)d->p + 3) / 4, ((size_t)d->q + 3) / 4, 0, kohl_wgrad_wino_groups(d)};
  st.tiles = (size_t)d->n * st.down * st.across;
  return st;
}

static size_t workspace_size(const void *desc, size_t workers) {
  return state_of(desc, NULL).tiles * POSITIONS * workers * sizeof(float);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_conv2d_desc *d = desc;
  state st = state_of(d, args);
  kohl_parallel(threads, channel, &st, (size_t)d->c);
  for (size_t k = 0; d->bias && k < (size_t)d->k; k++)
    ((float *)args->out[CONV2D_WGRAD_DBIA])[k] = kohl_conv2d_wgrad_ref_bias(d, args, k);
}

const kohl_kernel_code kohl_conv2d_wgrad_wino43_ref = {kohl_wgrad_wino_accepts, NULL, NULL, workspace_size, run};
