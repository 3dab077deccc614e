/* Winograd convolutions as wino.h words them, in strict C: one tile and one filter after the other.  The oracle of the
 * kernels of class WINOGRAD, which therefore shares no arithmetic with them. */
#ifndef KOHL_KERNELS_CONV2D_WINO_REF_H
#define KOHL_KERNELS_CONV2D_WINO_REF_H

#include "kernels/conv2d/wino.h"

/* V of one channel of a patch, columns first.  The positions lie `apart` floats from each other. */
void kohl_wino_ref_patch(int m, float d[KOHL_WINO_SIDE][KOHL_WINO_SIDE], float *v, size_t apart);

/* Members of a kernel, for tiles of m pixels.  Packed filters are U: [k][side * side][c]. */
size_t kohl_wino_ref_packed_size(int m, const kohl_conv2d_desc *d);
void kohl_wino_ref_pack(int m, const kohl_conv2d_desc *d, const float *wei, float *packed);
size_t kohl_wino_ref_workspace_size(int m, const kohl_conv2d_desc *d, size_t workers);
void kohl_wino_ref_run(int m, const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads);

/* The same of the input gradient: the filters turned round, with channels and filters exchanged, on ddst. */
size_t kohl_wino_ref_dgrad_packed_size(int m, const kohl_conv2d_desc *d);
void kohl_wino_ref_dgrad_pack(int m, const kohl_conv2d_desc *d, const float *wei, float *packed);
size_t kohl_wino_ref_dgrad_workspace_size(int m, const kohl_conv2d_desc *d, size_t workers);
void kohl_wino_ref_dgrad_run(int m, const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads);

/* Defines the reference of one direction and size, whose members begin with `of`. */
#define KOHL_WINO_REF(direction, m, of, accepts)                                                                   \
  static size_t packed_size(const void *desc) { return of##_packed_size(m, desc); }                                \
  static void pack(const void *desc, const void *wei, void *packed) { of##_pack(m, desc, wei, packed); }           \
  static size_t workspace_size(const void *desc, size_t workers) { return of##_workspace_size(m, desc, workers); } \
  static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {                                \
    of##_run(m, desc, args, threads);                                                                              \
  }                                                                                                                \
  const kohl_kernel_code kohl_conv2d_##direction##_wino##m##3_ref = {accepts, packed_size, pack, workspace_size, run};

#endif
