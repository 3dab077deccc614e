/* What the references of conv2d's weight gradient share. */
#ifndef KOHL_KERNELS_CONV2D_WGRAD_REF_H
#define KOHL_KERNELS_CONV2D_WGRAD_REF_H

#include "kernels/conv2d/conv2d.h"

/* The bias gradient of filter k: a chain for every block of rows, and a chain of their sums. */
float kohl_conv2d_wgrad_ref_bias(const kohl_conv2d_desc *d, const kohl_args *args, size_t k);

#endif
