/* Vendors' libraries, opened at run time and only for baselines; which and how is in vendor.c. */
#ifndef KOHL_KERNELS_CORE_VENDOR_H
#define KOHL_KERNELS_CORE_VENDOR_H

#include "kernels/core/device.h"

/* Closes what a stream's baselines have opened; nothing when they have not. */
void kohl_vendor_close(kohl_context *ctx, kohl_stream *stream);

#endif
