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

#endif
