/* A file over HTTP into a part of the cache: what is there already is asked for no more (RFC 9110, section 14), and a
 * server that does not know ranges begins it again.  libcurl is opened at run time; a build or machine without it says
 * so.  Proxies, and where the machine keeps its certificates, are libcurl's business.
 *
 * Bounds: http and https only, at most 10 redirects and none from https to http; 30 s to connect; a time without bytes;
 * a size; headers and pages that are not the file 1 MiB each.  SIGPIPE should be ignored by the process. */
#ifndef KOHL_CONVERT_FETCH_TRANSFER_H
#define KOHL_CONVERT_FETCH_TRANSFER_H

#include "convert/fetch/cache.h"

typedef struct kohl_transfer {
  const char *address; /* kohl_fetch_is_http */
  uint64_t bytes;      /* of the file; 0: not known */
  uint64_t most;       /* it may have */
  int stall;           /* seconds without a byte that end it */
  kohl_fetch_meter meter;
} kohl_transfer;

/* Goes on behind file->have bytes until the file is complete.  KOHL_NO_RESOURCE: the network or the server says no, in
 * words; KOHL_BAD_INPUT: too large, or not as large as `bytes`; KOHL_INTERRUPTED.  After an error the part has the
 * bytes that came; *missing is whether the server, or the way to it, was at fault. */
kohl_status kohl_transfer_run(kohl_context *ctx, const kohl_transfer *transfer, kohl_cache_file *file, bool *missing);

#endif
