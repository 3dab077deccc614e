/* Problems of conv2d. */
#include <math.h>
#include <string.h>

#include "kernels/conv2d/conv2d.h"
#include "tests/kernelcheck/compare.h"

enum {
  N,
  H,
  W,
  C,
  K,
  R,
  S,
  STRIDE,
  STRIDE_W,
  DILATION,
  DILATION_W,
  PAD,
  PAD_LEFT,
  PAD_BOTTOM,
  PAD_RIGHT,
  GROUPS,
  SRC_GAP,
  DST_GAP,
  DSTS,
  BIAS,
  ADD,
  RELU
};

/* A second side of -1 is as the first: stride_w as stride, pad_left and pad_bottom as pad, pad_right as pad_left. */
static const case_field fields[] = {{"n", 1, 0, 4096},
                                    {"h", 1, 1, 65536},
                                    {"w", 1, 1, 65536},
                                    {"c", 1, 1, 65536},
                                    {"k", 1, 1, 65536},
                                    {"r", 1, 1, 64},
                                    {"s", 1, 1, 64},
                                    {"stride", 1, 1, 64},
                                    {"stride_w", -1, -1, 64},
                                    {"dilation", 1, 1, 64},
                                    {"dilation_w", -1, -1, 64},
                                    {"pad", 0, 0, 64},
                                    {"pad_left", -1, -1, 64},
                                    {"pad_bottom", -1, -1, 64},
                                    {"pad_right", -1, -1, 64},
                                    {"groups", 1, 1, 65536},
                                    {"src_gap", 0, 0, 4096},
                                    {"dst_gap", 0, 0, 4096},
                                    {"dsts", 1, 1, 4},
                                    {"bias", 0, 0, 1},
                                    {"add", 0, 0, 1},
                                    {"relu", 0, 0, 1},
                                    {NULL, 0, 0, 0}};

/* Register blocks in use are 14 x 32, 6 x 16 and 12 x 32 pixels x channels: sizes stand at, below and above them. */
static const char *const fixed[] = {
    "n=1 h=1 w=1 c=1 k=1",
    "n=0 h=5 w=5 c=3 k=4 r=3 s=3 pad=1 bias=1",
    "n=1 h=3 w=13 c=15 k=31 r=3 s=3 pad=1 bias=1 relu=1",
    "n=1 h=3 w=14 c=16 k=32 r=3 s=3 pad=1 bias=1 relu=1",
    "n=1 h=3 w=15 c=17 k=33 r=3 s=3 pad=1 bias=1 relu=1",
    "n=2 h=7 w=7 c=5 k=15 bias=1",
    "n=2 h=6 w=6 c=8 k=16 bias=1",
    "n=1 h=5 w=29 c=7 k=17 src_gap=9 dst_gap=15",
    "n=1 h=2 w=2 c=3 k=5 r=5 s=5 pad=2 relu=1",
    "n=1 h=1 w=1 c=2 k=3 r=7 s=7 pad=3 bias=1",
    "n=1 h=11 w=13 c=3 k=64 r=7 s=7 stride=2 pad=3 bias=1 relu=1",
    "n=1 h=9 w=10 c=3 k=37 r=3 s=3 stride=2 pad=0 pad_bottom=1 pad_right=1 bias=1",
    "n=1 h=17 w=17 c=6 k=11 r=1 s=7 pad=0 pad_left=3 pad_bottom=0 bias=1 relu=1",
    "n=1 h=17 w=17 c=6 k=11 r=7 s=1 pad=3 pad_left=0 bias=1 relu=1",
    "n=1 h=7 w=7 c=24 k=37 src_gap=8 dst_gap=3 dsts=4 bias=1 relu=1",
    "n=2 h=5 w=7 c=12 k=40 src_gap=4 dst_gap=24 dsts=3 bias=1 relu=1 r=3 s=3 pad=1",
    "n=1 h=5 w=5 c=9 k=4 dsts=2",
    "n=2 h=7 w=7 c=19 k=35 add=1 bias=1 relu=1 dst_gap=5",
    "n=1 h=4 w=15 c=8 k=32 r=3 s=3 pad=1 add=1",
    "n=1 h=9 w=9 c=4 k=6 r=3 s=3 dilation=2 pad=2 bias=1",
    "n=1 h=8 w=11 c=4 k=6 r=2 s=3 stride=3 stride_w=1 dilation_w=2 pad=1 pad_left=2 pad_bottom=0 pad_right=1",
    "n=1 h=3 w=3 c=512 k=18 r=3 s=3 pad=1 bias=1 relu=1",
    "n=1 h=2 w=3 c=3001 k=33 bias=1",
    "n=1 h=6 w=6 c=8 k=12 r=3 s=3 pad=1 groups=4 bias=1",
    "n=3 h=1 w=1 c=70 k=65 bias=1",
    NULL};

static void draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 1, 1, 1, 2, 3, 0);
  v[H] = CASE_PICK(random, 1, 2, 3, 5, 6, 7, 8, 11, 13, 17);
  v[W] = CASE_PICK(random, 1, 2, 5, 6, 7, 12, 13, 14, 15, 17, 27, 28, 29, 31);
  v[C] = CASE_PICK(random, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 97);
  v[K] = CASE_PICK(random, 1, 2, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65, 97);
  v[R] = CASE_PICK(random, 1, 1, 2, 3, 3, 5, 7);
  v[S] = case_between(random, 0, 3) ? v[R] : CASE_PICK(random, 1, 2, 3, 7);
  v[STRIDE] = CASE_PICK(random, 1, 1, 1, 2, 3);
  v[STRIDE_W] = case_between(random, 0, 3) ? -1 : CASE_PICK(random, 1, 2);
  v[DILATION] = CASE_PICK(random, 1, 1, 1, 1, 2, 3);
  v[DILATION_W] = case_between(random, 0, 3) ? -1 : 1;
  v[PAD] = case_between(random, 0, (int)v[R]);
  v[PAD_LEFT] = case_between(random, 0, 1) ? -1 : case_between(random, 0, (int)v[S]);
  v[PAD_BOTTOM] = case_between(random, 0, 1) ? -1 : case_between(random, 0, (int)v[R]);
  v[PAD_RIGHT] = case_between(random, 0, 1) ? -1 : case_between(random, 0, (int)v[S]);
  if (!case_between(random, 0, 15)) v[GROUPS] = CASE_PICK(random, 2, 4);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 5, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 1, 3, 16);
  v[DSTS] = CASE_PICK(random, 1, 1, 1, 2, 3, 4);
  v[BIAS] = case_between(random, 0, 1);
  v[ADD] = v[DSTS] == 1 && !case_between(random, 0, 2);
  v[RELU] = case_between(random, 0, 1);
}

static int as(const case_problem *problem, int field, int other) {
  return problem->v[field] < 0 ? other : case_int(problem, field);
}

/* Splits k unevenly over the destinations, the last one taking the rest. */
static void split(const case_problem *problem, kohl_conv2d_desc *d) {
  d->dsts = case_int(problem, DSTS);
  int rest = d->k;
  for (int i = 0; i < d->dsts; i++) {
    int share = d->k / (d->dsts + 1) + i % 2;
    d->dst_k[i] = i + 1 == d->dsts ? rest : share > 0 ? share : 1;
    d->dst_stride[i] = d->dst_k[i] + case_int(problem, DST_GAP) * (i % 2 ? 2 : 1);
    rest -= d->dst_k[i];
  }
}

static void desc_make(const case_problem *problem, kohl_conv2d_desc *d) {
  d->n = case_int(problem, N);
  d->h = case_int(problem, H);
  d->w = case_int(problem, W);
  d->c = case_int(problem, C);
  d->k = case_int(problem, K);
  d->r = case_int(problem, R);
  d->s = case_int(problem, S);
  d->stride_h = case_int(problem, STRIDE);
  d->stride_w = as(problem, STRIDE_W, d->stride_h);
  d->dilation_h = case_int(problem, DILATION);
  d->dilation_w = as(problem, DILATION_W, d->dilation_h);
  d->pad_top = case_int(problem, PAD);
  d->pad_left = as(problem, PAD_LEFT, d->pad_top);
  d->pad_bottom = as(problem, PAD_BOTTOM, d->pad_top);
  d->pad_right = as(problem, PAD_RIGHT, d->pad_left);
  d->groups = case_int(problem, GROUPS);
  d->p = kohl_conv2d_out(d->h, d->r, d->stride_h, d->dilation_h, d->pad_top, d->pad_bottom);
  d->q = kohl_conv2d_out(d->w, d->s, d->stride_w, d->dilation_w, d->pad_left, d->pad_right);
  d->src_stride = d->c + case_int(problem, SRC_GAP);
  d->bias = problem->v[BIAS] != 0;
  d->add = problem->v[ADD] != 0;
  d->add_stride = d->add ? d->k + 3 : 0;
  d->activation = problem->v[RELU] != 0 ? KOHL_ACTIVATION_RELU : KOHL_ACTIVATION_NONE;
  split(problem, d);
}

static const char *layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"dst", "dst[1]", "dst[2]", "dst[3]"};
  if (direction != KOHL_FWD) return "conv2d has cases for fwd only";
  kohl_conv2d_desc d;
  memset(&d, 0, sizeof d);
  desc_make(problem, &d);
  const char *wrong = kohl_conv2d_check(&d);
  if (wrong) return wrong;
  size_t pixels = (size_t)d.n * d.p * d.q;
  int terms = d.r * d.s * (d.c / d.groups);
  out->in[CONV2D_SRC] = case_tensor_make("src", (size_t)d.n * d.h * d.w, d.c, d.src_stride);
  out->in[CONV2D_WEI] = case_tensor_make("wei", (size_t)d.k, terms, 0);
  out->in[CONV2D_WEI].weights = true;
  if (d.bias) out->in[CONV2D_BIA] = case_tensor_make("bia", 1, d.k, 0);
  if (d.add) out->in[CONV2D_ADD] = case_tensor_make("add", pixels, d.k, d.add_stride);
  for (int i = 0; i < d.dsts; i++) out->out[i] = case_tensor_make(names[i], pixels, d.dst_k[i], d.dst_stride[i]);
  out->flops = kohl_conv2d_flops(&d);
  out->bytes = 4.0 * ((double)d.n * d.h * d.w * d.c + (double)d.k * terms + (double)pixels * d.k * (d.add ? 2 : 1));
  /* (terms + 2) m^2 < 2^24 keeps every partial sum with bias and addend below 2^24 */
  out->integer = (int)fmin(100.0, sqrt(0x1p24 / (terms + 2.0)) - 1.0);
  out->linear = !d.bias && !d.add && d.activation == KOHL_ACTIVATION_NONE;
  memcpy(out->desc, &d, sizeof d);
  return NULL;
}

/* One output in double. */
static case_value one(const kohl_conv2d_desc *d, const kohl_args *args, size_t pixel, int k) {
  const float *src = args->in[CONV2D_SRC], *wei = args->in[CONV2D_WEI];
  const float *bia = args->in[CONV2D_BIA], *add = args->in[CONV2D_ADD];
  int group_c = d->c / d->groups, c0 = k / (d->k / d->groups) * group_c;
  int q = (int)(pixel % d->q), p = (int)(pixel / d->q % d->p);
  size_t n = pixel / d->q / d->p;
  compare_chain chain = {0};
  const float *tap = wei + (size_t)k * d->r * d->s * group_c;
  for (int r = 0; r < d->r; r++) {
    for (int s = 0; s < d->s; s++, tap += group_c) {
      int y = p * d->stride_h - d->pad_top + r * d->dilation_h, x = q * d->stride_w - d->pad_left + s * d->dilation_w;
      bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
      for (int c = 0; c < group_c; c++) {
        /* the picture's rim is zeros that take part: an infinite weight there makes NaN */
        double value = inside ? src[((n * d->h + y) * d->w + x) * d->src_stride + c0 + c] : 0.0;
        compare_add(&chain, value * tap[c]);
      }
    }
  }
  if (d->bias) compare_add(&chain, bia[k]);
  if (d->add) compare_add(&chain, add[pixel * d->add_stride + k]);
  return compare_chain_value(&chain, d->activation == KOHL_ACTIVATION_RELU);
}

static void truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_conv2d_desc *d = (const void *)out->desc;
  int k = 0;
  for (int i = 0; i < output; i++) k += d->dst_k[i];
  for (int j = 0; j < d->dst_k[output]; j++) values[j] = one(d, args, row, k + j);
}

static bool reduce(case_problem *problem) {
  double *v = problem->v, rows = v[DILATION] * (v[R] - 1) + 1;
  if (v[N] > 1) {
    v[N] = 1;
  } else if (floor(v[H] / 2) >= rows) {
    v[H] = floor(v[H] / 2);
  } else {
    return false;
  }
  return true;
}

const case_op case_conv2d = {"conv2d", fields, fixed, draw, layout, truth, NULL, reduce};
