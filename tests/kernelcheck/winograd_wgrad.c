/* Bounds of the weight gradient by Winograd: winograd.h derives them.  Sums of squares are in units of u^2/3. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv2d/wgrad_wino.h"
#include "tests/kernelcheck/compare.h"
#include "tests/kernelcheck/winograd.h"
#include "tests/kernelcheck/winograd_parts.h"

#define FLOOR WINOGRAD_FLOOR
#define ROOT WINOGRAD_ROOT
#define HALF WINOGRAD_HALF

enum { SIDE = WINOGRAD_SIDE, POSITIONS = WINOGRAD_POSITIONS, CHUNK = KOHL_WGRAD_WINO_CHUNK };

/* G^T's constants in f32. */
static const double third = 1.0f / 3.0f, two_thirds = 2.0f / 3.0f, sixth = 1.0f / 6.0f,
                    root_sixth = (double)0.23570226039551584147f;

/* Four pixels x four of one filter: Y, with what is rounded on the way. */
typedef struct {
  double y[POSITIONS], squares[POSITIONS], size[POSITIONS];
  double column[SIDE][4], column_squares[SIDE][4]; /* after the lines down the columns */
} tile;

/* Sums over tiles for one channel: of the chunk, of the group, of all. */
typedef struct {
  double chunk[POSITIONS], group[POSITIONS], u[POSITIONS];
  double squares[POSITIONS], size[POSITIONS];
  double columns[SIDE][3];
} sums;

/* A line of A, shared roundings doubled. */
static void tile_line(const double y[4], double out[SIDE], double squares[SIDE]) {
  out[0] = y[0], out[5] = y[3];
  squares[0] = squares[5] = 0.0;
  for (int pair = 0; pair < 2; pair++) {
    const double square = pair ? 2.0 : 0.5, root = pair ? ROOT : HALF;
    double even = y[0] + square * y[2], odd = y[1] + square * y[3];
    for (int i = 0; i < 2; i++) {
      double value = out[1 + pair * 2 + i] = i ? even - root * odd : even + root * odd;
      squares[1 + pair * 2 + i] = 2.0 * (even * even + root * root * odd * odd) + value * value;
    }
  }
}

/* A line of G^T. */
static void result_line(const double u[SIDE], double w[3], double squares[3]) {
  double s = u[1] + u[2], d = u[2] - u[1], t = u[3] + u[4], e = u[3] - u[4];
  double inner = u[0] - two_thirds * s, sum = 2.0 * d + e;
  w[0] = inner + sixth * t;
  w[1] = root_sixth * sum;
  w[2] = u[5] + third * (t - s);
  squares[0] = two_thirds * two_thirds * s * s + inner * inner + sixth * sixth * t * t + w[0] * w[0];
  squares[1] = root_sixth * root_sixth * (4.0 * d * d + e * e + sum * sum) + w[1] * w[1];
  squares[2] = third * third * (s * s + t * t + (t - s) * (t - s)) + w[2] * w[2];
}

static void tile_make(const winograd_problem *p, const kohl_conv2d_desc *d, const float *ddst, size_t index,
                      tile *out) {
  const size_t across = ((size_t)p->q + 3) / 4, down = ((size_t)p->p + 3) / 4, n = index / (across * down);
  const int top = (int)(index / across % down) * 4, left = (int)(index % across) * 4;
  double line[4], sizes[SIDE][4] = {{0}}, values[SIDE], squares[SIDE];
  for (int j = 0; j < 4; j++) {
    for (int i = 0; i < 4; i++) {
      const int y = top + i, x = left + j;
      line[i] = y < p->p && x < p->q ? ddst[((n * p->p + y) * p->q + x) * d->dst_stride[0]] : 0.0;
      for (int k = 0; k < SIDE; k++) sizes[k][j] += fabs(p->t->a[i][k]) * (fabs(line[i]) + FLOOR) + FLOOR;
    }
    tile_line(line, values, squares);
    for (int x = 0; x < SIDE; x++) out->column[x][j] = values[x], out->column_squares[x][j] = squares[x];
  }
  for (int x = 0; x < SIDE; x++) {
    tile_line(out->column[x], out->y + x * SIDE, out->squares + x * SIDE);
    for (int y = 0; y < SIDE; y++) {
      double size = FLOOR;
      for (int j = 0; j < 4; j++) size += fabs(p->t->a[j][y]) * sizes[x][j];
      out->size[x * SIDE + y] = size;
    }
  }
}

static void sums_add(sums *to, const winograd_patch *v, const tile *y) {
  for (int i = 0; i < POSITIONS; i++) {
    to->chunk[i] += y->y[i] * v->v[i];
    to->squares[i] +=
        to->chunk[i] * to->chunk[i] + y->y[i] * y->y[i] * v->v_squares[i] + v->v[i] * v->v[i] * y->squares[i];
    to->size[i] += y->size[i] * v->v_size[i] + FLOOR;
  }
  for (int x = 0; x < SIDE; x++) {
    for (int s = 0; s < 3; s++) {
      for (int j = 0; j < 4; j++) {
        const double column = v->column[x * SIDE + j + s], rounded = v->column_squares[x * SIDE + j + s];
        to->columns[x][s] += y->column[x][j] * y->column[x][j] * rounded + column * column * y->column_squares[x][j];
      }
    }
  }
}

/* Adds `from` to `to`, rounded unless it is the first. */
static void join(sums *of, double to[POSITIONS], double from[POSITIONS], bool first) {
  for (int i = 0; i < POSITIONS; i++) {
    to[i] += from[i];
    if (!first) of->squares[i] += to[i] * to[i];
    from[i] = 0.0;
  }
}

static void result_make(const winograd_problem *p, const sums *from, double roundings, case_value values[9],
                        size_t apart) {
  double t[3][SIDE], squares[3][SIDE], sizes[3][SIDE], line[SIDE], w[3], own[3];
  for (int y = 0; y < SIDE; y++) {
    for (int x = 0; x < SIDE; x++) line[x] = from->u[x * SIDE + y];
    result_line(line, w, own);
    for (int r = 0; r < 3; r++) {
      t[r][y] = w[r], squares[r][y] = own[r], sizes[r][y] = FLOOR;
      for (int x = 0; x < SIDE; x++) {
        const double g = p->t->g[x][r];
        squares[r][y] += g * g * from->squares[x * SIDE + y];
        sizes[r][y] += fabs(g) * from->size[x * SIDE + y];
      }
    }
  }
  for (int r = 0; r < 3; r++) {
    result_line(t[r], w, own);
    for (int s = 0; s < 3; s++) {
      case_value *to = &values[(size_t)(r * 3 + s) * apart];
      double sum = own[s], size = FLOOR;
      for (int y = 0; y < SIDE; y++) {
        const double g = p->t->g[y][s];
        sum += g * g * squares[r][y] + p->t->g[y][r] * p->t->g[y][r] * from->columns[y][s];
        size += fabs(g) * sizes[r][y];
      }
      const double off = fmin(fabs(w[s] - to->value), (p->t->constants + 2.0) * COMPARE_U * size);
      const double limit = compare_limit(roundings, size);
      to->limit = isfinite(limit) ? limit : NAN;
      to->variance = compare_variance(sum) + off * off;
    }
  }
}

/* All weights of filter k. */
static void filter_bounds(const winograd_problem *p, const kohl_conv2d_desc *d, const float *ddst, size_t tiles,
                          sums *all, case_value *values) {
  const size_t chunks = (tiles + CHUNK - 1) / CHUNK, groups = kohl_wgrad_wino_groups(d);
  memset(all, 0, (size_t)d->c * sizeof *all);
  for (size_t group = 0; group < groups; group++) {
    const size_t first = chunks * group / groups, end = chunks * (group + 1) / groups;
    for (size_t i = first * CHUNK; i < end * CHUNK && i < tiles; i++) {
      tile y;
      tile_make(p, d, ddst, i, &y);
      for (int c = 0; c < d->c; c++) {
        winograd_patch v;
        winograd_patch_make(p, i, c, &v);
        sums_add(&all[c], &v, &y);
        if ((i + 1) % CHUNK == 0 || i + 1 == tiles) join(&all[c], all[c].group, all[c].chunk, i / CHUNK == first);
      }
    }
    for (int c = 0; c < d->c; c++) join(&all[c], all[c].u, all[c].group, group == 0);
  }
  const double longest = (double)((chunks + groups - 1) / groups + groups - 2);
  const double roundings = 22.0 + (double)(tiles < CHUNK ? tiles : CHUNK) + fmax(longest, 0.0);
  for (int c = 0; c < d->c; c++) result_make(p, &all[c], roundings, values + c, (size_t)d->c);
}

void winograd_wgrad_bounds(const kohl_conv2d_desc *d, const kohl_args *args, const size_t *rows, size_t count,
                           case_value *values) {
  const winograd_problem p = winograd_problem_of(d, KOHL_WGRAD, args, 4);
  const size_t tiles = (size_t)d->n * (((size_t)d->p + 3) / 4) * (((size_t)d->q + 3) / 4);
  const float *ddst = args->in[CONV2D_WGRAD_DDST];
  sums *all = malloc((size_t)d->c * sizeof *all);
  if (!all) exit(4);
  for (size_t i = 0; i < count; i++) filter_bounds(&p, d, ddst + rows[i], tiles, all, values + i * 9 * (size_t)d->c);
  free(all);
}
