/* A published file into the cache; see fetch.h. */
#include "convert/fetch/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/fetch/local.h"
#include "convert/fetch/transfer.h"

/* What one call has at hand. */
typedef struct fetching {
  kohl_context *ctx;
  const kohl_fetch_file *file;
  const kohl_fetch_options *options;
  kohl_fetch_result *result;
  kohl_cache_file part;
  const char *expected; /* the digest's digits; NULL: none is published */
  bool resumes;         /* what stays of the part is worth something */
} fetching;

void kohl_fetch_result_free(kohl_context *ctx, kohl_fetch_result *result) {
  kohl_free(ctx, result->path);
  result->path = NULL;
}

kohl_status kohl_fetch_look(kohl_context *ctx, const kohl_fetch_file *file, const char *cache, kohl_fetch_state *state,
                            uint64_t *bytes) {
  struct stat info;
  kohl_cache_file place;
  kohl_status status = kohl_cache_begin(ctx, cache, file->file, &place);
  *state = KOHL_FETCH_ABSENT;
  *bytes = 0;
  if (!status && stat(place.path, &info) == 0 && S_ISREG(info.st_mode))
    *state = KOHL_FETCH_PRESENT;
  else if (!status && stat(place.part, &info) == 0 && S_ISREG(info.st_mode))
    *state = KOHL_FETCH_PART;
  if (*state != KOHL_FETCH_ABSENT) *bytes = (uint64_t)info.st_size;
  kohl_cache_end(ctx, &place);
  return status;
}

/* Compares an open file of `bytes` bytes with the manifest.  *right is whether it is the published one; where it is
 * not, the context's text says why, with the path that stands there for the file. */
static kohl_status check(fetching *f, const char *path, int fd, uint64_t bytes, bool *right) {
  kohl_fetch_result *r = f->result;
  *right = false;
  r->bytes = bytes;
  if (f->file->bytes > 0 && bytes != f->file->bytes) {
    kohl_fail(f->ctx, KOHL_BAD_INPUT, "%s: has %llu bytes, expected %llu", path, (unsigned long long)bytes,
              (unsigned long long)f->file->bytes);
    return KOHL_OK;
  }
  kohl_status status = kohl_cache_digest(f->ctx, path, fd, bytes, r->kind, &f->options->meter, r->digest);
  if (status) return status;
  *right = f->expected ? !strncmp(r->digest, f->expected, strlen(f->expected)) : bytes > 0;
  if (*right) return KOHL_OK;
  if (f->expected)
    kohl_fail(f->ctx, KOHL_BAD_INPUT, "%s: its %s is %s, expected %s%s", path, kohl_digest_name(r->kind), r->digest,
              f->expected, strlen(f->expected) == 8 ? " at the beginning" : "");
  else
    kohl_fail(f->ctx, KOHL_BAD_INPUT, "%s: is empty", path);
  return KOHL_OK;
}

/* The file that is in the cache already. */
static kohl_status look(fetching *f, bool *right) {
  int fd;
  uint64_t bytes;
  *right = false;
  if (access(f->part.path, F_OK) != 0) return KOHL_OK;
  kohl_status status = kohl_cache_look(f->ctx, f->part.path, &fd, &bytes);
  if (status) return status;
  status = check(f, f->part.path, fd, bytes, right);
  close(fd);
  if (!status && !*right) kohl_log(f->ctx, KOHL_LOG_WARNING, "%s; it is fetched again", kohl_context_error(f->ctx));
  return status;
}

static kohl_status transfer(fetching *f, const char *address, uint64_t most) {
  const kohl_transfer t = {.address = address,
                           .bytes = f->file->bytes,
                           .most = most,
                           .stall = f->options->stall > 0 ? f->options->stall : KOHL_FETCH_STALL,
                           .meter = f->options->meter};
  const uint64_t have = f->part.have;
  kohl_status status = KOHL_OK;
  f->resumes = f->expected != NULL;
  if (f->resumes && have > 0 && have == t.bytes) return KOHL_OK;
  if (have > 0 && (!f->resumes || have > most)) status = kohl_cache_empty(f->ctx, &f->part);
  return status ? status : kohl_transfer_run(f->ctx, &t, &f->part, &f->result->missing);
}

/* From the address of another folder. */
static kohl_status transfer_from(fetching *f, const char *from, uint64_t most) {
  char address[KOHL_FETCH_ADDRESS + 2 + KOHL_FETCH_NAME];
  if (!kohl_fetch_is_http(from))
    return kohl_fail(f->ctx, KOHL_USAGE,
                     "'%.100s' is no address, expected http://, https:// or file:// and at most %d "
                     "characters of which none is special",
                     from, KOHL_FETCH_ADDRESS);
  snprintf(address, sizeof address, "%s%s%s", from, from[strlen(from) - 1] == '/' ? "" : "/", f->file->file);
  return transfer(f, address, most);
}

/* The part, from wherever it comes. */
static kohl_status get(fetching *f) {
  const char *from = f->options->from, *file = f->file->file;
  const uint64_t most = f->file->bytes > 0 ? f->file->bytes : KOHL_FETCH_MOST;
  const kohl_fetch_meter *meter = &f->options->meter;
  char *folder = NULL;
  if (!from && !strncmp(f->file->address, "npm:", 4))
    return kohl_npm_pack(f->ctx, f->file->address + 4, file, most, f->options->environment, meter, &f->part,
                         &f->result->missing);
  if (!from) return transfer(f, f->file->address, most);
  if (strstr(from, "://") && strncmp(from, "file://", 7) != 0) return transfer_from(f, from, most);
  kohl_status status = strncmp(from, "file://", 7) ? KOHL_OK : kohl_local_folder(f->ctx, from, &folder);
  if (!status) status = kohl_local_copy(f->ctx, folder ? folder : from, file, most, meter, &f->part);
  kohl_free(f->ctx, folder);
  return status;
}

/* Adds to the text of an error what became of the part. */
static void end_part(fetching *f, kohl_status status) {
  char text[KOHL_ERROR_TEXT];
  if (!f->resumes) kohl_cache_drop(&f->part);
  if (f->part.fd < 0 || f->part.have == 0) return;
  snprintf(text, sizeof text, "%s", kohl_context_error(f->ctx));
  kohl_fail(f->ctx, status, "%s; %llu bytes are in %s, and the same command goes on", text,
            (unsigned long long)f->part.have, f->part.part);
}

/* The part is complete: is it the file? */
static kohl_status finish(fetching *f) {
  bool right;
  kohl_status status = check(f, f->part.part, f->part.fd, f->part.have, &right);
  if (status) {
    end_part(f, status);
    return status;
  }
  if (!right) {
    char text[KOHL_ERROR_TEXT];
    snprintf(text, sizeof text, "%s", kohl_context_error(f->ctx));
    kohl_cache_drop(&f->part);
    return kohl_fail(f->ctx, KOHL_BAD_INPUT, "%s; it is removed", text);
  }
  f->result->fetched = true;
  return kohl_cache_commit(f->ctx, &f->part);
}

kohl_status kohl_fetch(kohl_context *ctx, const kohl_fetch_file *file, const kohl_fetch_options *options,
                       kohl_fetch_result *result) {
  fetching f = {.ctx = ctx, .file = file, .options = options, .result = result};
  bool right = false;
  *result = (kohl_fetch_result){.kind = KOHL_DIGEST_SHA256};
  if (*file->digest) kohl_digest_parse(file->digest, &result->kind, &f.expected);
  kohl_status status = kohl_cache_begin(ctx, options->cache, file->file, &f.part);
  if (!status) status = kohl_strdup(ctx, f.part.path, &result->path);
  if (!status) status = look(&f, &right);
  if (!status && !right) {
    status = kohl_cache_open(ctx, options->cache, &f.part);
    if (!status) {
      status = get(&f);
      if (status)
        end_part(&f, status);
      else
        status = finish(&f);
    }
  }
  if (!status && !f.expected && result->fetched)
    kohl_log(ctx, KOHL_LOG_WARNING, "%s: no digest is published to check it by; its SHA-256 is %s", result->path,
             result->digest);
  kohl_cache_end(ctx, &f.part);
  return status;
}
