/* The reference of Winograd convolutions.  The three transforms are written for one line of values; a tile or a filter
 * goes through its transform twice, once in each direction. */
#include "kernels/conv2d/wino_ref.h"

#include <math.h>

#define ROOT 1.41421356237309504880       /* sqrt(2) */
#define ROOT_THIRD 0.47140452079103168293 /* sqrt(2) / 3 */

enum { SIDE = KOHL_WINO_SIDE };

/* G, in double. */
static const double g4[6][3] = {{1.0, 0.0, 0.0},
                                {-2.0 / 3.0, -ROOT_THIRD, -1.0 / 3.0},
                                {-2.0 / 3.0, ROOT_THIRD, -1.0 / 3.0},
                                {1.0 / 6.0, ROOT_THIRD / 2.0, 1.0 / 3.0},
                                {1.0 / 6.0, -ROOT_THIRD / 2.0, 1.0 / 3.0},
                                {0.0, 0.0, 1.0}};
static const double g2[4][3] = {{1.0, 0.0, 0.0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.0, 0.0, 1.0}};

/* B^T: pixels of a line to positions. */
static void patch_line(int m, const float d[SIDE], float v[SIDE]) {
  if (m == 2) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
    return;
  }
  const float even = fmaf(-2.0f, d[2], d[4]), odd = (float)(ROOT / 2.0) * fmaf(-2.0f, d[1], d[3]);
  const float even_far = fmaf(-0.5f, d[2], d[4]), odd_far = (float)ROOT * fmaf(-0.5f, d[1], d[3]);
  v[0] = fmaf(-2.5f, d[2], d[0] + d[4]);
  v[1] = even + odd;
  v[2] = even - odd;
  v[3] = even_far + odd_far;
  v[4] = even_far - odd_far;
  v[5] = fmaf(-2.5f, d[3], d[1] + d[5]);
}

/* G: a line of three taps to positions. */
static void filter_line(int m, const double g[3], double u[SIDE]) {
  for (int i = 0; i < m + 2; i++) {
    const double *row = m == 4 ? g4[i] : g2[i];
    u[i] = fma(g[2], row[2], fma(g[1], row[1], g[0] * row[0]));
  }
}

/* A^T: positions of a line to outputs. */
static void result_line(int m, const float t[SIDE], float y[4]) {
  if (m == 2) {
    y[0] = (t[0] + t[1]) + t[2];
    y[1] = (t[1] - t[2]) - t[3];
    return;
  }
  const float s = t[1] + t[2], d = t[1] - t[2], s_far = t[3] + t[4], d_far = t[3] - t[4];
  y[0] = (t[0] + s) + s_far;
  y[1] = (float)(ROOT / 2.0) * fmaf(2.0f, d_far, d);
  y[2] = fmaf(2.0f, s_far, 0.5f * s);
  y[3] = fmaf((float)(ROOT / 4.0), d, fmaf((float)(2.0 * ROOT), d_far, t[5]));
}

void kohl_wino_ref_patch(int m, float d[SIDE][SIDE], float *v, size_t apart) {
  float e[SIDE][SIDE], line[SIDE], out[SIDE];
  const int side = m + 2;
  for (int j = 0; j < side; j++) {
    for (int i = 0; i < side; i++) line[i] = d[i][j];
    patch_line(m, line, out);
    for (int i = 0; i < side; i++) e[i][j] = out[i];
  }
  for (int i = 0; i < side; i++) {
    patch_line(m, e[i], out);
    for (int j = 0; j < side; j++) v[(size_t)(i * side + j) * apart] = out[j];
  }
}

/* U of one channel: columns first. */
static void filter(int m, double g[3][3], float *u, size_t apart) {
  double t[SIDE][3], line[3], out[SIDE];
  const int side = m + 2;
  for (int s = 0; s < 3; s++) {
    for (int r = 0; r < 3; r++) line[r] = g[r][s];
    filter_line(m, line, out);
    for (int i = 0; i < side; i++) t[i][s] = out[i];
  }
  for (int i = 0; i < side; i++) {
    filter_line(m, t[i], out);
    for (int j = 0; j < side; j++) u[(size_t)(i * side + j) * apart] = (float)out[j];
  }
}

/* Y: rows first. */
static void result(int m, float sums[SIDE][SIDE], float y[4][4]) {
  float t[SIDE][4], line[SIDE], out[4];
  for (int i = 0; i < m + 2; i++) result_line(m, sums[i], t[i]);
  for (int j = 0; j < m; j++) {
    for (int i = 0; i < m + 2; i++) line[i] = t[i][j];
    result_line(m, line, out);
    for (int i = 0; i < m; i++) y[i][j] = out[i];
  }
}

/* One position of one tile and filter, over all channels. */
static float sum(const float *v, const float *u, size_t c) {
  float total = 0.0f;
  for (size_t begin = 0; begin < c; begin += KOHL_WINO_CHUNK) {
    const size_t end = c - begin < KOHL_WINO_CHUNK ? c : begin + KOHL_WINO_CHUNK;
    float acc = 0.0f;
    for (size_t i = begin; i < end; i++) acc = fmaf(v[i], u[i], acc);
    total = begin ? total + acc : acc;
  }
  return total;
}

typedef struct {
  int m;
  const kohl_conv2d_desc *d;
  const kohl_args *args;
  size_t down, across; /* tiles of a picture */
} state;

/* The first output of a tile. */
typedef struct {
  size_t n;
  int p, q;
} corner;

static void transform(const state *st, corner at, float *v) {
  const kohl_conv2d_desc *d = st->d;
  const float *src = (const float *)st->args->in[CONV2D_SRC] + at.n * d->h * d->w * d->src_stride;
  for (int c = 0; c < d->c; c++) {
    float pixels[SIDE][SIDE];
    for (int i = 0; i < st->m + 2; i++) {
      for (int j = 0; j < st->m + 2; j++) {
        const int y = at.p + i - d->pad_top, x = at.q + j - d->pad_left;
        const bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
        pixels[i][j] = inside ? src[((size_t)y * d->w + x) * d->src_stride + c] : 0.0f;
      }
    }
    kohl_wino_ref_patch(st->m, pixels, v + c, (size_t)d->c);
  }
}

/* The epilogue of output (p, q) of filter k. */
static float finish(const state *st, size_t n, int p, int q, size_t k, float x) {
  const kohl_conv2d_desc *d = st->d;
  const float *bia = st->args->in[CONV2D_BIA], *add = st->args->in[CONV2D_ADD];
  if (d->bias) x += bia[k];
  if (d->add) x += add[((n * d->p + p) * d->q + q) * d->add_stride + k];
  return kohl_activate(x, d->activation);
}

static float larger(float best, float x) { return x > best || isnan(x) ? x : best; }

/* What exists of a tile: its outputs, or the largest of each 2x2 of them. */
static void put(const state *st, corner at, size_t k, float y[4][4]) {
  const kohl_conv2d_desc *d = st->d;
  const int pool = d->pool ? 2 : 1, p_count = d->p / pool, q_count = d->q / pool;
  for (int i = 0; i < st->m && at.p + i < d->p; i++) {
    for (int j = 0; j < st->m && at.q + j < d->q; j++) y[i][j] = finish(st, at.n, at.p + i, at.q + j, k, y[i][j]);
  }
  for (int i = 0; i < st->m; i += pool) {
    for (int j = 0; j < st->m; j += pool) {
      const int p = (at.p + i) / pool, q = (at.q + j) / pool;
      if (p >= p_count || q >= q_count) continue;
      float x = y[i][j];
      if (d->pool) x = larger(larger(larger(x, y[i][j + 1]), y[i + 1][j]), y[i + 1][j + 1]);
      ((float *)st->args->out[CONV2D_DST])[((at.n * p_count + p) * q_count + q) * d->dst_stride[0] + k] = x;
    }
  }
}

static void tile(void *user, size_t index, size_t worker) {
  const state *st = user;
  const size_t c = (size_t)st->d->c, positions = (size_t)((st->m + 2) * (st->m + 2));
  const size_t within = index % (st->down * st->across);
  const corner at = {index / (st->down * st->across), (int)(within / st->across) * st->m,
                     (int)(within % st->across) * st->m};
  const float *u = st->args->in[CONV2D_WEI];
  float *v = (float *)st->args->workspace + worker * positions * c;
  transform(st, at, v);
  for (size_t k = 0; k < (size_t)st->d->k; k++, u += positions * c) {
    float sums[SIDE][SIDE], y[4][4];
    for (size_t i = 0; i < positions; i++)
      sums[i / (size_t)(st->m + 2)][i % (size_t)(st->m + 2)] = sum(v + i * c, u + i * c, c);
    result(st->m, sums, y);
    put(st, at, k, y);
  }
}

size_t kohl_wino_ref_packed_size(int m, const kohl_conv2d_desc *d) {
  return (size_t)((m + 2) * (m + 2)) * (size_t)d->k * (size_t)d->c * sizeof(float);
}

void kohl_wino_ref_pack(int m, const kohl_conv2d_desc *d, const float *wei, float *packed) {
  const size_t c = (size_t)d->c, positions = (size_t)((m + 2) * (m + 2));
  for (size_t k = 0; k < (size_t)d->k; k++) {
    for (size_t i = 0; i < c; i++) {
      double g[3][3];
      for (size_t tap = 0; tap < 9; tap++) g[tap / 3][tap % 3] = wei[(k * 9 + tap) * c + i];
      filter(m, g, packed + k * positions * c + i, c);
    }
  }
}

size_t kohl_wino_ref_workspace_size(int m, const kohl_conv2d_desc *d, size_t workers) {
  return (size_t)((m + 2) * (m + 2)) * (size_t)d->c * workers * sizeof(float);
}

void kohl_wino_ref_run(int m, const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads) {
  state st = {m, d, args, ((size_t)d->p + m - 1) / m, ((size_t)d->q + m - 1) / m};
  kohl_parallel(threads, tile, &st, (size_t)d->n * st.down * st.across);
}

size_t kohl_wino_ref_dgrad_packed_size(int m, const kohl_conv2d_desc *d) { return kohl_wino_ref_packed_size(m, d); }

void kohl_wino_ref_dgrad_pack(int m, const kohl_conv2d_desc *d, const float *wei, float *packed) {
  const size_t c = (size_t)d->c, k = (size_t)d->k, positions = (size_t)((m + 2) * (m + 2));
  for (size_t i = 0; i < c; i++) {
    for (size_t j = 0; j < k; j++) {
      double g[3][3];
      for (size_t tap = 0; tap < 9; tap++) g[tap / 3][tap % 3] = wei[(j * 9 + 8 - tap) * c + i];
      filter(m, g, packed + i * positions * k + j, k);
    }
  }
}

size_t kohl_wino_ref_dgrad_workspace_size(int m, const kohl_conv2d_desc *d, size_t workers) {
  const kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  return kohl_wino_ref_workspace_size(m, &conv, workers);
}

void kohl_wino_ref_dgrad_run(int m, const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads) {
  const kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  kohl_args forward = {.workspace = args->workspace};
  forward.in[CONV2D_SRC] = args->in[CONV2D_DGRAD_DDST];
  forward.in[CONV2D_WEI] = args->in[CONV2D_DGRAD_WEI];
  forward.out[CONV2D_DST] = args->out[CONV2D_DGRAD_DSRC];
  kohl_wino_ref_run(m, &conv, &forward, threads);
}
