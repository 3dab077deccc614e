/* Where a file comes from that no server is asked for: a folder, or what the user's npm packs into one. */
#ifndef KOHL_CONVERT_FETCH_LOCAL_H
#define KOHL_CONVERT_FETCH_LOCAL_H

#include "convert/fetch/cache.h"

/* Copies FOLDER/NAME, of at most `most` bytes, into the part, which begins again. */
kohl_status kohl_local_copy(kohl_context *ctx, const char *folder, const char *name, uint64_t most,
                            const kohl_fetch_meter *meter, kohl_cache_file *file);

/* The folder of a file: address ("file:///a%20b" is "/a b"), the caller's until kohl_free.  KOHL_USAGE: a host other
 * than localhost, a bad escape. */
kohl_status kohl_local_folder(kohl_context *ctx, const char *address, char **out);

/* Runs `npm pack PACKAGE` in a folder PATH.npm beside the file, with this environment, in a process group of its own,
 * which a cancel ends, and copies the package NAME into the part.  So the user's registry, proxy and credentials are
 * npm's business.  KOHL_NO_RESOURCE: no npm, or what it says; *missing: it could not be had from there. */
kohl_status kohl_npm_pack(kohl_context *ctx, const char *package, const char *name, uint64_t most, char **environment,
                          const kohl_fetch_meter *meter, kohl_cache_file *file, bool *missing);

#endif
