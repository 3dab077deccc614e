/* Bounds of Winograd convolutions: winograd.h derives them.  Sums of squares are in units of u^2/3. */
#include "tests/kernelcheck/winograd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernelcheck/compare.h"
#include "tests/kernelcheck/winograd_parts.h"

#define FLOOR WINOGRAD_FLOOR
#define ROOT WINOGRAD_ROOT
#define HALF WINOGRAD_HALF

enum { SIDE = WINOGRAD_SIDE, POSITIONS = WINOGRAD_POSITIONS, CHUNK = 128 };

/* One channel of one filter. */
typedef struct {
  double u[POSITIONS], u_size[POSITIONS];
  double rows[SIDE][3]; /* (G g)^2 */
} filter;

/* Sums over the channels of one tile and filter. */
typedef struct {
  double m[POSITIONS], size[POSITIONS], squares[POSITIONS];
  double columns[SIDE][4]; /* what roundings down the columns make of (x, output j) */
} sums;

/* A line of A^T: its values, and the squares of what is rounded on the way. */
static void result_line(int m, const double t[SIDE], double y[4], double squares[4]) {
  double s = t[1] + t[2], d = t[1] - t[2];
  if (m == 2) {
    y[0] = t[0] + s, y[1] = d - t[3];
    squares[0] = (t[0] + t[1]) * (t[0] + t[1]) + y[0] * y[0];
    squares[1] = d * d + y[1] * y[1];
    return;
  }
  double u = t[3] + t[4], e = t[3] - t[4], sum = 2.0 * e + d, inner = 2.0 * ROOT * e + t[5];
  y[0] = t[0] + s + u;
  y[1] = HALF * sum;
  y[2] = 2.0 * u + 0.5 * s;
  y[3] = 0.5 * HALF * d + inner;
  squares[0] = s * s + (t[0] + s) * (t[0] + s) + u * u + y[0] * y[0];
  squares[1] = HALF * HALF * (d * d + 4.0 * e * e + sum * sum) + y[1] * y[1];
  squares[2] = 0.25 * s * s + 4.0 * u * u + y[2] * y[2];
  squares[3] = 0.25 * HALF * HALF * d * d + 4.0 * ROOT * ROOT * e * e + inner * inner + y[3] * y[3];
}

static void filter_make(const winograd_problem *p, int k, int c, filter *out) {
  const float *wei = p->wei + (size_t)k * p->filter + (size_t)c * p->channel;
  double rows[SIDE][3], sizes[SIDE][3];
  for (int x = 0; x < p->side; x++) {
    for (int s = 0; s < 3; s++) {
      rows[x][s] = sizes[x][s] = 0.0;
      for (int r = 0; r < 3; r++) {
        int tap = r * 3 + s;
        double g = wei[(size_t)(p->turned ? 8 - tap : tap) * p->tap];
        rows[x][s] += p->t->g[x][r] * g;
        sizes[x][s] += fabs(p->t->g[x][r]) * (fabs(g) + FLOOR);
      }
      out->rows[x][s] = rows[x][s] * rows[x][s];
    }
    for (int y = 0; y < p->side; y++) {
      double u = 0.0, size = FLOOR;
      for (int s = 0; s < 3; s++) u += p->t->g[y][s] * rows[x][s], size += fabs(p->t->g[y][s]) * sizes[x][s];
      out->u[x * p->side + y] = u, out->u_size[x * p->side + y] = size;
    }
  }
}

static void sums_make(const winograd_problem *p, const winograd_patch *patches, const filter *filters, sums *out) {
  const int positions = p->side * p->side;
  double chunk[POSITIONS] = {0};
  memset(out, 0, sizeof *out);
  for (int c = 0; c < p->c; c++) {
    const winograd_patch *v = &patches[c];
    const filter *u = &filters[c];
    const bool full = (c + 1) % CHUNK == 0 || c + 1 == p->c;
    for (int i = 0; i < positions; i++) {
      chunk[i] += u->u[i] * v->v[i];
      out->squares[i] += chunk[i] * chunk[i] + u->u[i] * u->u[i] * (v->v_squares[i] + v->v[i] * v->v[i]);
      out->size[i] += u->u_size[i] * v->v_size[i] + FLOOR;
      if (!full) continue;
      out->m[i] += chunk[i];
      if (c >= CHUNK) out->squares[i] += out->m[i] * out->m[i];
      chunk[i] = 0.0;
    }
    for (int x = 0; x < p->side; x++) {
      for (int j = 0; j < p->m; j++) {
        for (int s = 0; s < 3; s++) out->columns[x][j] += u->rows[x][s] * v->column_squares[x * p->side + j + s];
      }
    }
  }
}

/* Value, Mag and the sum of squares of each pixel of a tile, before the epilogue. */
typedef struct {
  double value[4][4], size[4][4], squares[4][4];
} result;

static void result_make(const winograd_problem *p, const sums *from, result *out) {
  double t[SIDE][4], squares[SIDE][4], sizes[SIDE][4], line[SIDE], y[4], own[4];
  for (int x = 0; x < p->side; x++) {
    result_line(p->m, from->m + x * p->side, t[x], squares[x]);
    for (int j = 0; j < p->m; j++) {
      squares[x][j] += from->columns[x][j];
      sizes[x][j] = FLOOR;
      for (int i = 0; i < p->side; i++) {
        const double a = p->t->a[j][i];
        squares[x][j] += a * a * from->squares[x * p->side + i];
        sizes[x][j] += fabs(a) * from->size[x * p->side + i];
      }
    }
  }
  for (int j = 0; j < p->m; j++) {
    for (int x = 0; x < p->side; x++) line[x] = t[x][j];
    result_line(p->m, line, y, own);
    for (int i = 0; i < p->m; i++) {
      out->value[i][j] = y[i], out->squares[i][j] = own[i], out->size[i][j] = FLOOR;
      for (int x = 0; x < p->side; x++) {
        const double a = p->t->a[i][x];
        out->squares[i][j] += a * a * squares[x][j];
        out->size[i][j] += fabs(a) * sizes[x][j];
      }
    }
  }
}

/* Pixel (i, j) of a tile after the epilogue: its limit, its variance, its value in *y. */
static case_value finish(const winograd_problem *p, const result *from, int i, int j, int k, size_t pixel, double *y) {
  double value = from->value[i][j], size = from->size[i][j], squares = from->squares[i][j];
  double n = p->t->roundings + (p->c < CHUNK ? p->c : CHUNK) + (p->c + CHUNK - 1) / CHUNK - 1;
  const float *addends[2] = {p->bia ? p->bia + k : NULL, p->add ? p->add + pixel * p->add_stride + k : NULL};
  for (int a = 0; a < 2; a++) {
    if (!addends[a]) continue;
    value += *addends[a];
    squares += value * value;
    size += fabs((double)*addends[a]);
    n += 1.0;
  }
  *y = p->relu && value < 0.0 ? 0.0 : value;
  return (case_value){0.0, compare_limit(n, size), compare_variance(squares)};
}

/* Filter k of output (row, column) of a picture: one pixel of a tile, or the four that a pool takes the largest of. */
static void output_bounds(const winograd_problem *p, const result *from, int k, size_t n, int row, int column,
                          case_value *to) {
  double largest = -INFINITY, limit = 0.0, variance = 0.0, most = 0.0;
  for (int cell = 0; cell < p->pool * p->pool; cell++) {
    const int y = row * p->pool + cell / p->pool, x = column * p->pool + cell % p->pool, i = y % p->m, j = x % p->m;
    double value;
    case_value one = finish(p, from, i, j, k, (n * p->p + y) * p->q + x, &value);
    largest = fmax(largest, value);
    limit = one.limit > limit || isnan(one.limit) ? one.limit : limit;
    most = fmax(most, from->size[i][j]);
    variance += one.variance;
  }
  const double off = fmin(fabs(largest - to->value), p->t->constants * COMPARE_U * most);
  to->limit = isfinite(limit) ? limit : NAN;
  to->variance = variance + off * off;
}

/* The output pixels that are asked for, by tile: at[pixel] is where in rows, or count. */
static size_t *places(size_t pixels, const size_t *rows, size_t count) {
  size_t *at = malloc((pixels + 1) * sizeof *at);
  if (!at) exit(4);
  for (size_t i = 0; i < pixels; i++) at[i] = count;
  for (size_t i = 0; i < count; i++) at[rows[i]] = i;
  return at;
}

/* All filters of one tile: outputs first_row .. and first_column .. of picture n. */
static void tile_bounds(const winograd_problem *p, size_t tile, const filter *filters, const size_t *at, size_t count,
                        winograd_patch *patches, case_value *values) {
  const int p_count = p->p / p->pool, q_count = p->q / p->pool, step = p->m / p->pool;
  const size_t across = ((size_t)p->q + p->m - 1) / p->m, down = ((size_t)p->p + p->m - 1) / p->m;
  const size_t n = tile / (across * down), first = n * p_count * q_count;
  const int top = (int)(tile / across % down) * step, left = (int)(tile % across) * step;
  size_t wanted[16], spots = 0;
  int rows[16], columns[16];
  for (int row = top; row < top + step && row < p_count; row++) {
    for (int column = left; column < left + step && column < q_count; column++) {
      wanted[spots] = at[first + (size_t)row * q_count + column];
      rows[spots] = row, columns[spots] = column;
      spots += wanted[spots] < count;
    }
  }
  if (!spots) return;
  for (int c = 0; c < p->c; c++) winograd_patch_make(p, tile, c, &patches[c]);
  for (int k = 0; k < p->k; k++) {
    sums sum;
    result tile_result;
    sums_make(p, patches, filters + (size_t)k * p->c, &sum);
    result_make(p, &sum, &tile_result);
    for (size_t i = 0; i < spots; i++)
      output_bounds(p, &tile_result, k, n, rows[i], columns[i], &values[wanted[i] * (size_t)p->k + k]);
  }
}

void winograd_bounds(const kohl_conv2d_desc *d, kohl_direction direction, const kohl_args *args, int m,
                     const size_t *rows, size_t count, case_value *values) {
  const winograd_problem p = winograd_problem_of(d, direction, args, m);
  const size_t tiles = (size_t)p.n * (((size_t)p.p + m - 1) / m) * (((size_t)p.q + m - 1) / m);
  size_t *at = places((size_t)p.n * (p.p / p.pool) * (p.q / p.pool), rows, count);
  filter *filters = malloc((size_t)p.k * p.c * sizeof *filters);
  winograd_patch *patches = malloc((size_t)p.c * sizeof *patches);
  if (!filters || !patches) exit(4);
  for (int k = 0; k < p.k; k++) {
    for (int c = 0; c < p.c; c++) filter_make(&p, k, c, &filters[(size_t)k * p.c + c]);
  }
  for (size_t tile = 0; tile < tiles; tile++) tile_bounds(&p, tile, filters, at, count, patches, values);
  free(at);
  free(filters);
  free(patches);
}
