/* dropout gradient: the shared mask, drawn again, on the gradient. */
#include "kernels/dropout/dropout.cuh"

KOHL_CUDA_KERNEL(dropout, dgrad, cuda, kohl_dropout_accepts, NULL, kohl_dropout_launch)
