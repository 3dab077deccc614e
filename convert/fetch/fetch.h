/* Published files into a cache folder: from their own address, another one or a local folder; resumed where they
 * stopped, and given their name only when size and digest are those of the manifest.  Nothing of a file is read but for
 * its digest. */
#ifndef KOHL_CONVERT_FETCH_FETCH_H
#define KOHL_CONVERT_FETCH_FETCH_H

#include "convert/fetch/cache.h"
#include "convert/fetch/manifest.h"

enum { KOHL_FETCH_STALL = 60 /* seconds without a byte that end a transfer */ };

typedef struct kohl_fetch_options {
  const char *cache;  /* the folder, which is made where it is missing */
  const char *from;   /* NULL: the file's own address; else a folder, or the http, https or file address of one, in
                         which it lies under its published name */
  char **environment; /* of npm, "NAME=VALUE" and NULL; NULL: an empty one */
  int stall;          /* 0: KOHL_FETCH_STALL */
  kohl_fetch_meter meter;
} kohl_fetch_options;

typedef struct kohl_fetch_result {
  char *path; /* of the file in the cache; also after an error, where memory was not refused */
  uint64_t bytes;
  kohl_digest_kind kind;
  char digest[KOHL_DIGEST_TEXT]; /* the file's, whole */
  bool fetched;                  /* false: it was there already */
  bool missing;                  /* after an error: it could not be had from there, but perhaps in another way */
} kohl_fetch_result;

/* Brings the file into the cache.  One that is there with the right digest is only checked; one with a wrong digest is
 * replaced, with a warning.  A file without a published digest gets a warning that names its SHA-256, and is not
 * resumed: nothing would tell its versions apart.
 * After an error or a cancel, FILE.part has what came, and the next call goes on there; one whose size or digest is
 * wrong is removed.  KOHL_USAGE: `from` is no address; KOHL_BAD_INPUT: digest or size, the folder; KOHL_NO_RESOURCE:
 * the network, the disk; KOHL_INTERRUPTED.  *result is the caller's until kohl_fetch_result_free, also then. */
kohl_status kohl_fetch(kohl_context *ctx, const kohl_fetch_file *file, const kohl_fetch_options *options,
                       kohl_fetch_result *result);
void kohl_fetch_result_free(kohl_context *ctx, kohl_fetch_result *result);

/* What of a file is in the cache, by names and sizes; no digest is computed. */
typedef enum kohl_fetch_state { KOHL_FETCH_ABSENT, KOHL_FETCH_PART, KOHL_FETCH_PRESENT } kohl_fetch_state;
kohl_status kohl_fetch_look(kohl_context *ctx, const kohl_fetch_file *file, const char *cache, kohl_fetch_state *state,
                            uint64_t *bytes);

#endif
