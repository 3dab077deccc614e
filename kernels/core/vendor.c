/* No baseline needs a library yet. */
#include "kernels/core/vendor.h"

void kohl_vendor_close(kohl_context *ctx, kohl_stream *stream) { (void)ctx, (void)stream; }
