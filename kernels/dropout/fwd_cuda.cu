/* dropout forward: the shared mask on the activations. */
#include "kernels/dropout/dropout.cuh"

KOHL_CUDA_KERNEL(dropout, fwd, cuda, kohl_dropout_accepts, NULL, kohl_dropout_launch)
