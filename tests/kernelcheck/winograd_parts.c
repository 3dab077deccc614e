/* Matrices and patches of Winograd convolutions. */
#include "tests/kernelcheck/winograd_parts.h"

#include <math.h>

#define FLOOR WINOGRAD_FLOOR
#define ROOT WINOGRAD_ROOT
#define HALF WINOGRAD_HALF
#define THIRD WINOGRAD_THIRD

enum { SIDE = WINOGRAD_SIDE, POSITIONS = WINOGRAD_POSITIONS };

static const winograd_matrices four = {{{1.0, 0.0, -2.5, 0.0, 1.0, 0.0},
                                        {0.0, -2.0 * HALF, -2.0, HALF, 1.0, 0.0},
                                        {0.0, 2.0 * HALF, -2.0, -HALF, 1.0, 0.0},
                                        {0.0, -0.5 * ROOT, -0.5, ROOT, 1.0, 0.0},
                                        {0.0, 0.5 * ROOT, -0.5, -ROOT, 1.0, 0.0},
                                        {0.0, 1.0, 0.0, -2.5, 0.0, 1.0}},
                                       {{1.0, 0.0, 0.0},
                                        {-2.0 / 3.0, -THIRD, -1.0 / 3.0},
                                        {-2.0 / 3.0, THIRD, -1.0 / 3.0},
                                        {1.0 / 6.0, 0.5 * THIRD, 1.0 / 3.0},
                                        {1.0 / 6.0, -0.5 * THIRD, 1.0 / 3.0},
                                        {0.0, 0.0, 1.0}},
                                       {{1.0, 1.0, 1.0, 1.0, 1.0, 0.0},
                                        {0.0, HALF, -HALF, 2.0 * HALF, -2.0 * HALF, 0.0},
                                        {0.0, 0.5, 0.5, 2.0, 2.0, 0.0},
                                        {0.0, 0.5 * HALF, -0.5 * HALF, 2.0 * ROOT, -2.0 * ROOT, 1.0}},
                                       17.0,
                                       4.0 * 0.29};
static const winograd_matrices two = {
    {{1.0, 0.0, -1.0, 0.0}, {0.0, 1.0, 1.0, 0.0}, {0.0, -1.0, 1.0, 0.0}, {0.0, 1.0, 0.0, -1.0}},
    {{1.0, 0.0, 0.0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.0, 0.0, 1.0}},
    {{1.0, 1.0, 1.0, 0.0}, {0.0, 1.0, -1.0, -1.0}},
    7.0,
    0.0};

winograd_problem winograd_problem_of(const kohl_conv2d_desc *d, kohl_direction direction, const kohl_args *args,
                                     int m) {
  const bool fwd = direction != KOHL_DGRAD, sums = direction == KOHL_FWD;
  winograd_problem p = {.t = m == 4 ? &four : &two, .m = m, .side = m + 2, .n = d->n, .pool = sums && d->pool ? 2 : 1};
  p.src = args->in[sums ? (int)CONV2D_SRC : fwd ? (int)CONV2D_WGRAD_SRC : (int)CONV2D_DGRAD_DDST];
  p.wei = sums ? args->in[CONV2D_WEI] : fwd ? NULL : args->in[CONV2D_DGRAD_WEI];
  p.bia = sums && d->bias ? args->in[CONV2D_BIA] : NULL;
  p.add = sums && d->add ? args->in[CONV2D_ADD] : NULL;
  p.add_stride = d->add_stride;
  p.relu = sums && d->activation == KOHL_ACTIVATION_RELU;
  p.turned = !fwd;
  p.tap = (size_t)d->c;
  p.filter = fwd ? 9 * (size_t)d->c : 1;
  p.channel = fwd ? 1 : 9 * (size_t)d->c;
  p.src_stride = fwd ? d->src_stride : d->dst_stride[0];
  p.h = fwd ? d->h : d->p, p.w = fwd ? d->w : d->q, p.c = fwd ? d->c : d->k;
  p.p = fwd ? d->p : d->h, p.q = fwd ? d->q : d->w, p.k = fwd ? d->k : d->c;
  p.pad_top = fwd ? d->pad_top : 2 - d->pad_top, p.pad_left = fwd ? d->pad_left : 2 - d->pad_left;
  return p;
}

/* A line of B^T: its values, and the squares of what is rounded on the way, shared roundings doubled. */
static void patch_line(int m, const double d[SIDE], double v[SIDE], double squares[SIDE]) {
  if (m == 2) {
    v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[1] - d[3];
    for (int i = 0; i < 4; i++) squares[i] = v[i] * v[i];
    return;
  }
  for (int end = 0; end < 2; end++) {
    double first = d[end] + d[end + 4], *to = &v[end * 5];
    *to = first - 2.5 * d[end + 2];
    squares[end * 5] = first * first + *to * *to;
  }
  for (int pair = 0; pair < 2; pair++) {
    const double square = pair ? 0.5 : 2.0, root = pair ? ROOT : HALF;
    double even = d[4] - square * d[2], inner = d[3] - square * d[1], odd = root * inner;
    double shared = even * even + odd * odd + root * root * inner * inner;
    for (int i = 0; i < 2; i++) {
      double value = v[1 + pair * 2 + i] = i ? even - odd : even + odd;
      squares[1 + pair * 2 + i] = 2.0 * shared + value * value;
    }
  }
}

/* |B^T||d||B|.  Zeros of B take part, so that a NaN or an infinity spreads to all positions. */
static void patch_size(const winograd_problem *p, double d[SIDE][SIDE], double size[POSITIONS]) {
  double e[SIDE][SIDE];
  for (int x = 0; x < p->side; x++) {
    for (int j = 0; j < p->side; j++) {
      e[x][j] = FLOOR;
      for (int i = 0; i < p->side; i++) e[x][j] += fabs(p->t->b[x][i]) * (fabs(d[i][j]) + FLOOR);
    }
  }
  for (int x = 0; x < p->side; x++) {
    for (int y = 0; y < p->side; y++) {
      size[x * p->side + y] = FLOOR;
      for (int j = 0; j < p->side; j++) size[x * p->side + y] += fabs(p->t->b[y][j]) * e[x][j];
    }
  }
}

void winograd_patch_make(const winograd_problem *p, size_t tile, int c, winograd_patch *out) {
  const size_t across = ((size_t)p->q + p->m - 1) / p->m, down = ((size_t)p->p + p->m - 1) / p->m;
  const size_t n = tile / (across * down), side = (size_t)p->side;
  const int top = (int)(tile / across % down) * p->m - p->pad_top, left = (int)(tile % across) * p->m - p->pad_left;
  double d[SIDE][SIDE], line[SIDE], values[SIDE], squares[SIDE];
  for (int i = 0; i < p->side; i++) {
    for (int j = 0; j < p->side; j++) {
      int y = top + i, x = left + j;
      bool inside = y >= 0 && y < p->h && x >= 0 && x < p->w;
      d[i][j] = inside ? p->src[((n * p->h + y) * p->w + x) * p->src_stride + c] : 0.0;
    }
  }
  for (size_t j = 0; j < side; j++) {
    for (size_t i = 0; i < side; i++) line[i] = d[i][j];
    patch_line(p->m, line, values, squares);
    for (size_t x = 0; x < side; x++)
      out->column[x * side + j] = values[x], out->column_squares[x * side + j] = squares[x];
  }
  for (size_t x = 0; x < side; x++)
    patch_line(p->m, out->column + x * side, out->v + x * side, out->v_squares + x * side);
  patch_size(p, d, out->v_size);
}
