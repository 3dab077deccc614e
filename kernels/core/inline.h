/* KOHL_INLINE: a function of one text for C and CUDA, so that every device works out the same bits. */
#ifndef KOHL_KERNELS_CORE_INLINE_H
#define KOHL_KERNELS_CORE_INLINE_H

#ifdef __CUDACC__
#define KOHL_INLINE static inline __host__ __device__
#else
#define KOHL_INLINE static inline
#endif

#endif
