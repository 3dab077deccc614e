/* Problems of conv2d, in all three directions. */
#include <math.h>
#include <string.h>

#include "kernels/conv2d/conv2d.h"
#include "tests/kernelcheck/compare.h"
#include "tests/kernelcheck/winograd.h"

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
  RELU,
  POOL
};

/* A second side of -1 is as the first: stride_w as stride, pad_left and pad_bottom as pad, pad_right as pad_left. */
static const case_field fields[] = {{"n", 1, 0, 4096},        {"h", 1, 1, 65536},         {"w", 1, 1, 65536},
                                    {"c", 1, 1, 65536},       {"k", 1, 1, 65536},         {"r", 1, 1, 64},
                                    {"s", 1, 1, 64},          {"stride", 1, 1, 64},       {"stride_w", -1, -1, 64},
                                    {"dilation", 1, 1, 64},   {"dilation_w", -1, -1, 64}, {"pad", 0, 0, 64},
                                    {"pad_left", -1, -1, 64}, {"pad_bottom", -1, -1, 64}, {"pad_right", -1, -1, 64},
                                    {"groups", 1, 1, 65536},  {"src_gap", 0, 0, 4096},    {"dst_gap", 0, 0, 4096},
                                    {"dsts", 1, 1, 4},        {"bias", 0, 0, 1},          {"add", 0, 0, 1},
                                    {"relu", 0, 0, 1},        {"pool", 0, 0, 1},          {NULL, 0, 0, 0}};

/* Register blocks in use are 14 x 32, 6 x 16 and 12 x 32 pixels x channels: sizes stand at, below and above them. */
static const char *const fixed[] = {
    "n=1 h=1 w=1 c=1 k=1", "n=0 h=5 w=5 c=3 k=4 r=3 s=3 pad=1 bias=1",
    "n=1 h=3 w=13 c=15 k=31 r=3 s=3 pad=1 bias=1 relu=1", "n=1 h=3 w=14 c=16 k=32 r=3 s=3 pad=1 bias=1 relu=1",
    "n=1 h=3 w=15 c=17 k=33 r=3 s=3 pad=1 bias=1 relu=1", "n=2 h=7 w=7 c=5 k=15 bias=1", "n=2 h=6 w=6 c=8 k=16 bias=1",
    "n=1 h=5 w=29 c=7 k=17 src_gap=9 dst_gap=15", "n=1 h=2 w=2 c=3 k=5 r=5 s=5 pad=2 relu=1",
    "n=1 h=1 w=1 c=2 k=3 r=7 s=7 pad=3 bias=1", "n=1 h=11 w=13 c=3 k=64 r=7 s=7 stride=2 pad=3 bias=1 relu=1",
    "n=1 h=9 w=10 c=3 k=37 r=3 s=3 stride=2 pad=0 pad_bottom=1 pad_right=1 bias=1",
    "n=1 h=17 w=17 c=6 k=11 r=1 s=7 pad=0 pad_left=3 pad_bottom=0 bias=1 relu=1",
    "n=1 h=17 w=17 c=6 k=11 r=7 s=1 pad=3 pad_left=0 bias=1 relu=1",
    "n=1 h=7 w=7 c=24 k=37 src_gap=8 dst_gap=3 dsts=4 bias=1 relu=1",
    "n=2 h=5 w=7 c=12 k=40 src_gap=4 dst_gap=24 dsts=3 bias=1 relu=1 r=3 s=3 pad=1", "n=1 h=5 w=5 c=9 k=4 dsts=2",
    "n=2 h=7 w=7 c=19 k=35 add=1 bias=1 relu=1 dst_gap=5", "n=1 h=4 w=15 c=8 k=32 r=3 s=3 pad=1 add=1",
    "n=1 h=9 w=9 c=4 k=6 r=3 s=3 dilation=2 pad=2 bias=1",
    "n=1 h=8 w=11 c=4 k=6 r=2 s=3 stride=3 stride_w=1 dilation_w=2 pad=1 pad_left=2 pad_bottom=0 pad_right=1",
    "n=1 h=3 w=3 c=512 k=18 r=3 s=3 pad=1 bias=1 relu=1", "n=1 h=2 w=3 c=3001 k=33 bias=1",
    "n=1 h=6 w=6 c=8 k=12 r=3 s=3 pad=1 groups=4 bias=1", "n=3 h=1 w=1 c=70 k=65 bias=1",
    /* gradients: several blocks of rows, across pictures, the last one shorter; strides with and without all taps */
    "n=3 h=17 w=19 c=5 k=15 r=3 s=3 pad=1 bias=1", "n=5 h=7 w=7 c=17 k=29 r=3 s=3 pad=1 bias=1 src_gap=3 dst_gap=5",
    "n=1 h=3 w=300 c=3 k=7 r=3 s=3 pad=1 bias=1", "n=2 h=15 w=18 c=20 k=18 stride=2 bias=1 dst_gap=2",
    "n=3 h=16 w=17 c=33 k=14 r=3 s=3 stride=2 pad=1 bias=1 src_gap=1",
    "n=1 h=13 w=12 c=7 k=5 r=5 s=5 stride=2 stride_w=3 dilation=3 dilation_w=2 pad=6 pad_left=1",
    "n=1 h=5 w=6 c=4 k=3 r=2 s=2 stride=5 pad=0 pad_bottom=4 pad_right=6", "n=2 h=8 w=8 c=9 k=6 r=1 s=1 pad=2 bias=1",
    "n=260 h=1 w=1 c=3 k=5 bias=1",
    /* few channels and whole vectors of filters */
    "n=1 h=9 w=8 c=3 k=16 r=3 s=3 pad=1 bias=1", "n=2 h=33 w=31 c=3 k=64 r=3 s=3 pad=1 bias=1",
    "n=1 h=7 w=6 c=1 k=32 r=2 s=2", "n=3 h=23 w=21 c=3 k=48 r=7 s=7 stride=2 pad=3 bias=1 src_gap=2 dst_gap=16",
    "n=1 h=3 w=300 c=3 k=32 r=3 s=3 stride=2 bias=1", "n=1 h=19 w=17 c=4 k=112 r=5 s=3 pad=4 pad_left=0 bias=1",
    "n=2 h=16 w=15 c=2 k=80 r=3 s=3 stride=3 stride_w=1 dilation=2 dilation_w=3 pad=3 src_gap=5 dst_gap=3",
    "n=0 h=8 w=8 c=3 k=64 r=3 s=3 pad=1 bias=1", "n=300 h=1 w=1 c=3 k=16 bias=1",
    "n=1 h=2 w=700 c=2 k=192 r=1 s=9 bias=1",
    /* more than wgrad packs at once */
    "n=2 h=300 w=140 c=2 k=3 r=3 s=1 pad=1 pad_left=0 bias=1",
    /* CUDA's tiles of 128 x 128 pixels x channels, 128 x 64, 128 x 32, 64 x 64 and 32 x 32, full and with tails, in fwd
     * and in dgrad; four channels at a time where they are multiples of 16 */
    "n=1 h=16 w=16 c=16 k=128 r=2 s=2 pad=1 pad_bottom=0 pad_right=0 bias=1 relu=1",
    "n=1 h=16 w=16 c=128 k=16 r=2 s=2 pad=1 pad_bottom=0 pad_right=0 bias=1",
    "n=1 h=15 w=17 c=16 k=126 r=1 s=3 pad=0 pad_left=1 bias=1", "n=3 h=9 w=9 c=124 k=16 r=3 s=1 pad=1 pad_left=0",
    "n=1 h=12 w=11 c=16 k=44 r=3 s=1 pad=1 pad_left=0 bias=1 add=1 relu=1",
    "n=1 h=12 w=11 c=44 k=16 r=3 s=1 pad=1 pad_left=0", "n=1 h=10 w=13 c=48 k=127 relu=1", "n=1 h=10 w=13 c=124 k=48",
    "n=1 h=3 w=11 c=32 k=36 r=1 s=3 pad_left=1 add=1 bias=1", "n=5 h=3 w=2 c=16 k=16 r=3 s=3 pad=2 dilation=2",
    "n=1 h=9 w=15 c=16 k=31 r=6 s=6 pad=3 bias=1", "n=1 h=5 w=7 c=16 k=16 r=4 s=8 pad=2 pad_left=4",
    "n=2 h=5 w=7 c=32 k=96 r=3 s=3 pad=1 groups=2 bias=1 src_gap=4",
    "n=2 h=5 w=5 c=16 k=60 dsts=2 dst_gap=4 bias=1 relu=1", "n=2 h=11 w=10 c=16 k=32 r=3 s=3 stride=2 pad=1 bias=1",
    /* the same of wgrad, filters x weights: 128 x 128, 64 x 128 */
    "n=1 h=7 w=7 c=64 k=128 r=2 s=2 bias=1", "n=1 h=7 w=8 c=36 k=60 r=2 s=2 bias=1",
    "n=2 h=18 w=18 c=28 k=124 r=2 s=2 bias=1", "n=3 h=12 w=12 c=40 k=64 r=2 s=2 groups=2 bias=1",
    /* more blocks of rows than a launch of wgrad has; sums of 129 of them to be added */
    "n=1 h=140 w=130 c=16 k=16 groups=16 bias=1", "n=1 h=130 w=129 c=2 k=2 bias=1",
    /* Winograd's tiles of 4 x 4 and 2 x 2: one, parts of them, many; channels of several chunks of 128, the last one
     * shorter; strips of workers, and patches that they share: of few tiles, and because the filters are large */
    "n=1 h=4 w=4 c=16 k=16 r=3 s=3 pad=1", "n=2 h=5 w=9 c=32 k=48 r=3 s=3 pad=1 bias=1 relu=1 src_gap=16 dst_gap=16",
    "n=3 h=7 w=6 c=48 k=32 r=3 s=3 pad=0 pad_bottom=2 pad_right=1 bias=1 add=1 relu=1 src_gap=1 dst_gap=3",
    "n=1 h=5 w=6 c=144 k=160 r=3 s=3 pad=1 bias=1", "n=1 h=7 w=5 c=272 k=16 r=3 s=3 pad=2 bias=1",
    "n=1 h=7 w=5 c=16 k=272 r=3 s=3 pad=2", "n=1 h=33 w=35 c=16 k=16 r=3 s=3 pad=1 bias=1 relu=1 pool=1",
    "n=2 h=9 w=10 c=16 k=33 r=3 s=3 pad=1 bias=1 relu=1 pool=1", "n=1 h=11 w=13 c=32 k=32 r=3 s=3 pad=1 pool=1",
    "n=0 h=8 w=8 c=16 k=16 r=3 s=3 pad=1 bias=1",
    /* two groups of chunks of tiles in wgrad */
    "n=3 h=38 w=35 c=16 k=16 r=3 s=3 pad=1 bias=1", "n=1 h=3 w=5 c=192 k=176 r=3 s=3 pad=1 bias=1",
    "n=1 h=2 w=2 c=16 k=16 r=3 s=3 pad=1", NULL};

/* 3x3 of stride 1 with whole blocks of 16 channels. */
static void draw_winograd(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 1, 1, 2, 3);
  v[H] = CASE_PICK(random, 3, 4, 5, 6, 7, 8, 9, 12, 17, 24);
  v[W] = CASE_PICK(random, 3, 4, 5, 6, 7, 8, 9, 13, 16, 31);
  v[C] = CASE_PICK(random, 16, 16, 16, 32, 48, 80, 144, 272);
  v[K] = CASE_PICK(random, 16, 16, 16, 17, 32, 37, 48, 80, 144);
  v[R] = v[S] = 3;
  v[PAD] = CASE_PICK(random, 0, 1, 1, 1, 2);
  v[PAD_LEFT] = case_between(random, 0, 1) ? -1 : case_between(random, 0, 2);
  v[PAD_BOTTOM] = case_between(random, 0, 1) ? -1 : case_between(random, 0, 2);
  v[PAD_RIGHT] = case_between(random, 0, 1) ? -1 : case_between(random, 0, 2);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 3, 16);
  v[BIAS] = case_between(random, 0, 1);
  v[ADD] = !case_between(random, 0, 3);
  v[RELU] = case_between(random, 0, 1);
  v[POOL] = !case_between(random, 0, 3);
}

static void draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  if (!case_between(random, 0, 2)) {
    draw_winograd(problem, random);
    return;
  }
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
  d->add_stride = d->add ? d->k + (d->k % 4 ? 3 : 4) : 0;
  d->activation = problem->v[RELU] != 0 ? KOHL_ACTIVATION_RELU : KOHL_ACTIVATION_NONE;
  d->pool = problem->v[POOL] != 0;
  split(problem, d);
}

/* The tensors of a direction; returns the most terms of a sum. */
static double tensors(const kohl_conv2d_desc *d, case_layout *out) {
  static const char *const names[] = {"dst", "dst[1]", "dst[2]", "dst[3]"};
  size_t pixels = (size_t)d->n * d->p * d->q;
  int filter = d->r * d->s * (d->c / d->groups);
  case_tensor src = case_tensor_make("src", (size_t)d->n * d->h * d->w, d->c, d->src_stride);
  case_tensor wei = case_tensor_make("wei", (size_t)d->k, filter, 0);
  case_tensor ddst = case_tensor_make("ddst", pixels, d->k, d->dst_stride[0]);
  wei.weights = true;
  if (out->direction == KOHL_FWD) {
    out->in[CONV2D_SRC] = src;
    out->in[CONV2D_WEI] = wei;
    if (d->bias) out->in[CONV2D_BIA] = case_tensor_make("bia", 1, d->k, 0);
    if (d->add) out->in[CONV2D_ADD] = case_tensor_make("add", pixels, d->k, d->add_stride);
    if (d->pool) pixels = (size_t)d->n * (d->p / 2) * (d->q / 2);
    for (int i = 0; i < d->dsts; i++) out->out[i] = case_tensor_make(names[i], pixels, d->dst_k[i], d->dst_stride[i]);
    return filter + 2.0;
  }
  if (out->direction == KOHL_DGRAD) {
    out->in[CONV2D_DGRAD_DDST] = ddst;
    out->in[CONV2D_DGRAD_WEI] = wei;
    src.name = "dsrc";
    out->out[CONV2D_DGRAD_DSRC] = src;
    return (double)d->r * d->s * (d->k / d->groups);
  }
  out->in[CONV2D_WGRAD_SRC] = src;
  out->in[CONV2D_WGRAD_DDST] = ddst;
  out->out[CONV2D_WGRAD_DWEI] = case_tensor_make("dwei", (size_t)d->k, filter, 0);
  if (d->bias) out->out[CONV2D_WGRAD_DBIA] = case_tensor_make("dbia", 1, d->k, 0);
  return (double)pixels;
}

/* Winograd's F(2x2, 3x3) is exact with weights that are multiples of 4: U = G g G^T halves twice.  |U| is at most 9/4
 * of the largest weight, |V| 4 of the largest pixel, |A^T| adds up three sums twice: every number is at most 81 c d g.
 */
static void winograd_integers(const kohl_conv2d_desc *d, case_layout *out) {
  const int c = out->direction == KOHL_FWD ? d->c : d->k;
  if (out->direction == KOHL_WGRAD || d->r != 3 || d->s != 3 || d->stride_h * d->stride_w != 1) return;
  if (d->dilation_h * d->dilation_w != 1 || d->groups != 1 || d->dsts != 1 || c % 16) return;
  out->in[out->direction == KOHL_FWD ? (int)CONV2D_WEI : (int)CONV2D_DGRAD_WEI].step = 4;
  out->integer = (int)fmin(100.0, sqrt(0x1p24 / (4.0 * 81.0 * c + 2.0)) - 1.0);
}

static const char *layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_conv2d_desc d;
  bool fwd = direction == KOHL_FWD;
  memset(&d, 0, sizeof d);
  desc_make(problem, &d);
  out->partial = !fwd && (d.activation != KOHL_ACTIVATION_NONE || d.dsts > 1 || d.pool);
  if (!fwd) { /* one destination whatever the forward has, so that all fixed problems serve all directions */
    d.pool = false;
    d.dsts = 1;
    d.dst_k[0] = d.k;
    d.dst_stride[0] = d.k + case_int(problem, DST_GAP);
  }
  const char *wrong = kohl_conv2d_check(&d);
  if (wrong) return wrong;
  out->direction = direction;
  double terms = tensors(&d, out);
  double src = (double)d.n * d.h * d.w * d.c, dst = (double)d.n * d.p * d.q * d.k;
  out->flops = kohl_conv2d_flops(&d);
  out->bytes = 4.0 * (src + (double)d.k * d.r * d.s * (d.c / d.groups) + dst * (fwd && d.add ? 2 : 1));
  /* terms m^2 < 2^24 keeps every partial sum below 2^24 (in fwd with bias and addend) */
  out->integer = (int)fmin(100.0, sqrt(0x1p24 / fmax(terms, 1.0)) - 1.0);
  winograd_integers(&d, out);
  out->linear = !d.bias && !d.add && !d.pool && d.activation == KOHL_ACTIVATION_NONE;
  memcpy(out->desc, &d, sizeof d);
  return NULL;
}

/* One output in double. */
static case_value one(const kohl_conv2d_desc *d, const kohl_args *args, kohl_accuracy accuracy, size_t pixel, int k) {
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
  return compare_sum_value(&chain, accuracy, d->activation == KOHL_ACTIVATION_RELU);
}

/* The largest of the four outputs under a fused pool's cell; NaN where one is.  Limit and variance: winograd.h. */
static case_value one_pooled(const kohl_conv2d_desc *d, const kohl_args *args, kohl_accuracy accuracy, size_t cell,
                             int k) {
  const size_t across = (size_t)d->q / 2, row = cell / across, rows = (size_t)d->p / 2;
  const size_t first = (row / rows * d->p + row % rows * 2) * d->q + cell % across * 2;
  case_value best = {-INFINITY, 0.0, 0.0};
  for (int i = 0; i < 4; i++) {
    case_value x = one(d, args, accuracy, first + (size_t)(i / 2 * d->q + i % 2), k);
    if (x.value > best.value || isnan(x.value)) best.value = x.value;
    best.limit = fmax(best.limit, x.limit);
    best.variance += x.variance;
  }
  return best;
}

/* One channel of one input pixel's gradient: taps descending, zeros outside ddst, none that the stride passes by. */
static case_value one_dgrad(const kohl_conv2d_desc *d, const kohl_args *args, kohl_accuracy accuracy, size_t pixel,
                            int c) {
  const float *ddst = args->in[CONV2D_DGRAD_DDST], *wei = args->in[CONV2D_DGRAD_WEI];
  const int group_c = d->c / d->groups, group_k = d->k / d->groups, group = c / group_c;
  const int x = (int)(pixel % d->w), y = (int)(pixel / d->w % d->h);
  const size_t n = pixel / d->w / d->h;
  compare_chain chain = {0};
  for (int tap = d->r * d->s - 1; tap >= 0; tap--) {
    int down = y + d->pad_top - tap / d->s * d->dilation_h, across = x + d->pad_left - tap % d->s * d->dilation_w;
    if (down % d->stride_h || across % d->stride_w) continue;
    int p = down / d->stride_h, q = across / d->stride_w;
    bool inside = p >= 0 && p < d->p && q >= 0 && q < d->q;
    for (int k = group * group_k; k < (group + 1) * group_k; k++) {
      double value = inside ? ddst[((n * d->p + p) * d->q + q) * d->dst_stride[0] + k] : 0.0;
      compare_add(&chain, value * wei[((size_t)k * d->r * d->s + tap) * group_c + c % group_c]);
    }
  }
  return compare_sum_value(&chain, accuracy, false);
}

/* Weight i of filter k, or its bias: a chain for every block of rows, and a chain of their sums. */
static case_value one_wgrad(const kohl_conv2d_desc *d, const kohl_args *args, kohl_accuracy accuracy, int k, int i,
                            bool bias) {
  const float *src = args->in[CONV2D_WGRAD_SRC], *ddst = args->in[CONV2D_WGRAD_DDST];
  const int group_c = d->c / d->groups, c = k / (d->k / d->groups) * group_c + i % group_c;
  const int r = i / group_c / d->s, s = i / group_c % d->s;
  const size_t rows = (size_t)d->n * d->p, block = (size_t)kohl_conv2d_block_rows(d);
  compare_chain total = {0}, chain = {0};
  for (size_t row = 0; row < rows; row++) {
    int y = (int)(row % d->p) * d->stride_h - d->pad_top + r * d->dilation_h;
    for (int q = 0; q < d->q; q++) {
      int x = q * d->stride_w - d->pad_left + s * d->dilation_w;
      bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
      double value = inside ? src[((row / d->p * d->h + y) * d->w + x) * d->src_stride + c] : 0.0;
      compare_add(&chain, (bias ? 1.0 : value) * ddst[(row * d->q + q) * d->dst_stride[0] + k]);
    }
    if ((row + 1) % block && row + 1 < rows) continue;
    bool first = row < block;
    total.value += chain.value;
    total.magnitude += chain.magnitude;
    total.squares += chain.squares;
    total.partials += chain.partials + (first ? 0.0 : total.value * total.value);
    total.roundings += chain.roundings + (first ? 0.0 : 1.0);
    chain = (compare_chain){0};
  }
  /* a bias gradient has no factors to round */
  return compare_sum_value(&total, bias ? KOHL_ACCURACY_F32 : accuracy, false);
}

static void truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_conv2d_desc *d = (const void *)out->desc;
  if (out->direction == KOHL_DGRAD) {
    for (int c = 0; c < d->c; c++) values[c] = one_dgrad(d, args, out->accuracy, row, c);
  } else if (out->direction == KOHL_WGRAD && output == CONV2D_WGRAD_DBIA) {
    for (int k = 0; k < d->k; k++) values[k] = one_wgrad(d, args, out->accuracy, k, 0, true);
  } else if (out->direction == KOHL_WGRAD) {
    for (int i = 0; i < d->r * d->s * (d->c / d->groups); i++)
      values[i] = one_wgrad(d, args, out->accuracy, (int)row, i, false);
  } else {
    int k = 0;
    for (int i = 0; i < output; i++) k += d->dst_k[i];
    for (int j = 0; j < d->dst_k[output]; j++)
      values[j] = (d->pool ? one_pooled : one)(d, args, out->accuracy, row, k + j);
  }
}

static void bounds(const case_layout *out, const kohl_args *args, int output, const size_t *rows, size_t count,
                   case_value *values) {
  const kohl_conv2d_desc *d = (const void *)out->desc;
  if (out->accuracy != KOHL_ACCURACY_WINOGRAD) return;
  if (out->direction != KOHL_WGRAD)
    winograd_bounds(d, out->direction, args, out->tile, rows, count, values);
  else if (output == CONV2D_WGRAD_DWEI)
    winograd_wgrad_bounds(d, args, rows, count, values);
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

const case_op case_conv2d = {"conv2d", fields, fixed, draw, layout, truth, NULL, reduce, bounds};
