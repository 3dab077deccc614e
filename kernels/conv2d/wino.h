/* Winograd convolutions F(4x4, 3x3) and F(2x2, 3x3): 3x3 filters of stride 1 with a quarter, or four ninths, of the
 * multiplications.  Everything but the innermost loops is in wino.c, the innermost loops in wino.inc.
 *
 * With m = 4 or 2 and a side of m + 2, an output tile of m x m pixels of one filter is
 *
 *   Y = A^T [ sum_c U[c] (.) V[c] ] A,   U = G g G^T of each filter,   V = B^T d B of each patch of side x side pixels
 *
 * ((.) element by element; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015).  Each of the
 * side^2 positions is a product of matrices of its own, tiles x channels times channels x filters.  The points are 0,
 * 1, -1 and infinity for m = 2, and 0, +-1/sqrt(2), +-sqrt(2) and infinity for m = 4, whose error is half of that of
 * small integers.
 *
 * Accuracy class WINOGRAD (docs/NUMERICS.md).  All kernels of one m are bit-equal, since all make the same roundings,
 * which wino_ref.c has in the plainest form:
 *   - U in double, down the columns of g, then along its rows: fma(g2, G2, fma(g1, G1, g0 * G0)), zeros of G taking
 *     part; rounded once to f32.  G's sqrt(2)/3 and sqrt(2)/6 are rounded to double;
 *   - V down the columns, then along the rows; Y along the rows, then down the columns; in f32, with the operations of
 *     patch_end, patch_pair, patch_row2 and result_line4, result_line2 in wino.inc.  A pixel outside the picture is a
 *     zero that takes part;
 *   - the sum over c in chunks of KOHL_WINO_CHUNK channels: acc = 0, then acc = fma(V, U, acc) with c ascending; the
 *     result is the first chunk's sum, to which those of the others are added in ascending order;
 *   - then the epilogue of conv2d.h; a fused pool takes the largest of (0,0), (0,1), (1,0), (1,1) in that order, an
 *     equal one or -0 beside +0 not replacing the one before, and a NaN always.
 * An infinity or NaN in the source makes NaN of whole tiles, not only of the pixels that its filters reach; one in a
 * filter makes NaN of all outputs of that filter. */
#ifndef KOHL_KERNELS_CONV2D_WINO_H
#define KOHL_KERNELS_CONV2D_WINO_H

#include "kernels/conv2d/conv2d.h"

enum {
  KOHL_WINO_BLOCK = 16,  /* channels of V that lie together */
  KOHL_WINO_CHUNK = 128, /* channels of a partial sum: these halve the error at 512 channels */
  KOHL_WINO_SIDE = 6,    /* largest side of a patch */
};

/* The parts of V for m = 4 that are computed together, by rows of positions. */
enum { KOHL_WINO_ROW_0 = 1, KOHL_WINO_ROWS_12 = 2, KOHL_WINO_ROWS_34 = 4, KOHL_WINO_ROW_5 = 8, KOHL_WINO_ROWS = 15 };

/* The patch of one tile, blocks of 16 channels of it, to V. */
typedef struct kohl_wino_patch {
  const float *const *pixel; /* [side * side] first channels; NULL: pixel (i, j) is at src + i * row + j * column */
  const float *src;
  size_t row, column;
  size_t blocks;
  float *v;               /* the first block's first position */
  size_t block, position; /* floats of v from block to block, from position to position */
} kohl_wino_patch;

/* rows tiles of one position times one panel of filters: m[rows][width] = sum over blocks * 16 channels. */
typedef struct kohl_wino_product {
  const float *v; /* [blocks][block floats], a tile's 16 channels after the other's */
  size_t block, blocks;
  const float *u; /* [blocks * 16][width] */
  float *m;
  int rows;             /* 1 to isa rows */
  const char *soon[2];  /* what will be wanted next: two places to fetch to L2 from, */
  size_t soon_lines[2]; /* so many cache lines of each for every 4 channels */
} kohl_wino_product;

/* One tile of one panel: from the positions' sums to pixels. */
typedef struct kohl_wino_result {
  const float *m; /* the tile's first position */
  size_t position;
  int channels;           /* of the panel, 1 to isa width */
  int rows, columns;      /* pixels of the tile that exist, 1 to m */
  const float *bia, *add; /* NULL: none */
  size_t add_row, add_column;
  bool relu, pool, stream; /* stream: past the caches; needs whole, aligned vectors */
  float *dst;
  size_t row, column;
} kohl_wino_result;

/* Filters of one panel and the 16 channels of one block, in order, to U. */
typedef struct kohl_wino_filters {
  const float *g;  /* [9][16][width], taps r, s of each channel's filters side by side */
  float *u;        /* the block's first channel of position 0: [16][width] */
  size_t position; /* floats of u from position to position */
} kohl_wino_filters;

typedef struct kohl_wino_isa {
  int rows, width; /* of the multiplication */
  void (*multiply)(const kohl_wino_product *call);
  void (*patch4)(const kohl_wino_patch *call);
  void (*patch2)(const kohl_wino_patch *call);
  void (*result4)(const kohl_wino_result *call);
  void (*result2)(const kohl_wino_result *call);
  void (*filters4)(const kohl_wino_filters *call);
  void (*filters2)(const kohl_wino_filters *call);
} kohl_wino_isa;

extern const kohl_wino_isa kohl_wino_avx2, kohl_wino_avx512;

/* G of either size, in double; side rows of 3. */
extern const double kohl_wino_g4[6][3], kohl_wino_g2[4][3];

/* The tiles of a convolution, counted through the batch, and how they are shared out. */
typedef struct kohl_wino_tiling {
  int m, side;
  size_t positions;           /* side * side */
  size_t down, across, tiles; /* tiles of a picture's column and row, and of the batch */
  size_t strip;               /* most tiles of a strip, */
  size_t strips;              /* of even lengths */
} kohl_wino_tiling;

/* Fills call with the patch of a tile: src pixels under it, `zeros` (c floats) outside the picture through `table`,
 * which is to hold side * side pointers. */
void kohl_wino_patch_of(const kohl_conv2d_desc *d, const kohl_wino_tiling *tiling, size_t tile, const float *src,
                        const float *zeros, const float **table, kohl_wino_patch *call);

/* Members of a kernel, for tiles of m pixels.  Packed filters are [panel][side * side][c][width]; dgrad packs them
 * turned round with channels and filters exchanged. */
const char *kohl_wino_accepts(const void *desc);
const char *kohl_wino_dgrad_accepts(const void *desc);

/* NULL, or why F(m x m) would be slower for a forward convolution or input gradient. */
const char *kohl_wino_advise(int m, const kohl_conv2d_desc *d);

size_t kohl_wino_packed_size(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d);
void kohl_wino_pack(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const float *wei, float *packed);
size_t kohl_wino_workspace_size(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, size_t workers);
void kohl_wino_run(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const kohl_args *args,
                   kohl_threads *threads);

/* The convolution of ddst that the input gradient of d is. */
kohl_conv2d_desc kohl_wino_dgrad(const kohl_conv2d_desc *d);
void kohl_wino_dgrad_pack(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const float *wei, float *packed);
void kohl_wino_dgrad_run(const kohl_wino_isa *isa, int m, const kohl_conv2d_desc *d, const kohl_args *args,
                         kohl_threads *threads);

/* Defines the kernel of one size and instruction set: what <direction>_wino<m>3_<isa>.c consists of. */
#define KOHL_WINO_FWD(m, isa)                                                                              \
  static size_t packed_size(const void *desc) { return kohl_wino_packed_size(&kohl_wino_##isa, m, desc); } \
  static void pack(const void *desc, const void *wei, void *packed) {                                      \
    kohl_wino_pack(&kohl_wino_##isa, m, desc, wei, packed);                                                \
  }                                                                                                        \
  static size_t workspace_size(const void *desc, size_t workers) {                                         \
    return kohl_wino_workspace_size(&kohl_wino_##isa, m, desc, workers);                                   \
  }                                                                                                        \
  static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {                        \
    kohl_wino_run(&kohl_wino_##isa, m, desc, args, threads);                                               \
  }                                                                                                        \
  const kohl_kernel_code kohl_conv2d_fwd_wino##m##3_##isa = {kohl_wino_accepts, packed_size, pack, workspace_size, run};

#define KOHL_WINO_DGRAD(m, isa)                                                                            \
  static size_t packed_size(const void *desc) {                                                            \
    const kohl_conv2d_desc conv = kohl_wino_dgrad(desc);                                                   \
    return kohl_wino_packed_size(&kohl_wino_##isa, m, &conv);                                              \
  }                                                                                                        \
  static void pack(const void *desc, const void *wei, void *packed) {                                      \
    kohl_wino_dgrad_pack(&kohl_wino_##isa, m, desc, wei, packed);                                          \
  }                                                                                                        \
  static size_t workspace_size(const void *desc, size_t workers) {                                         \
    const kohl_conv2d_desc conv = kohl_wino_dgrad(desc);                                                   \
    return kohl_wino_workspace_size(&kohl_wino_##isa, m, &conv, workers);                                  \
  }                                                                                                        \
  static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {                        \
    kohl_wino_dgrad_run(&kohl_wino_##isa, m, desc, args, threads);                                         \
  }                                                                                                        \
  const kohl_kernel_code kohl_conv2d_dgrad_wino##m##3_##isa = {kohl_wino_dgrad_accepts, packed_size, pack, \
                                                               workspace_size, run};

#endif
