/* A file over HTTP; see transfer.h.  Redirects are followed here, one request each, so that every address is looked at
 * before anything is asked of it; libcurl would also follow from https to http. */
#include "convert/fetch/transfer.h"

#ifdef KOHL_CURL /* set by the Makefile where it found the header */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "nn/json.h"

#define CURL_DISABLE_TYPECHECK /* its macros would call the library by name */
#include <curl/curl.h>

#define FUNCTIONS(CALL)     \
  CALL(curl_global_init)    \
  CALL(curl_global_cleanup) \
  CALL(curl_easy_init)      \
  CALL(curl_easy_setopt)    \
  CALL(curl_easy_perform) CALL(curl_easy_getinfo) CALL(curl_easy_cleanup) CALL(curl_easy_strerror)

typedef struct library {
#define CALL(name) __typeof__(name) *name;
  FUNCTIONS(CALL)
#undef CALL
} library;

enum { REDIRECTS = 10, CONNECT_SECONDS = 30, FOREIGN_BYTES = 1 << 20, RANGE_TEXT = 32 };

/* One address after the other; what the callbacks need. */
typedef struct exchange {
  kohl_context *ctx;
  library call;
  CURL *easy;
  const kohl_transfer *transfer;
  kohl_cache_file *file;
  const char *address; /* the present one */
  const char *named;   /* the same for errors: the caller's, or the text in quoted */
  kohl_quoted quoted;
  kohl_fetch_progress progress;
  kohl_status status;      /* of the first callback that failed */
  bool missing;            /* the server's fault */
  bool begun;              /* the file itself is coming */
  bool ranged;             /* Content-Range was there: */
  uint64_t first, whole;   /* its first byte (UINT64_MAX: none) and the file's size (0: unknown) */
  time_t watched;          /* seconds: when bytes were counted last, */
  uint64_t counted;        /* and how many there were */
  size_t headers, foreign; /* bytes of headers, and of pages that are not the file */
  char reason[CURL_ERROR_SIZE];
} exchange;

/* An error of the server or the network. */
static kohl_status refuse(exchange *x, kohl_status status, const char *what) {
  x->missing = true;
  return kohl_fail(x->ctx, status, "%s: %s", x->named, what);
}

/* A number of digits, or false. */
static bool take_number(const char **at, const char *end, uint64_t *out) {
  const char *from = *at;
  *out = 0;
  for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
    if (*out > (UINT64_MAX - 9) / 10) return false;
    *out = *out * 10 + (uint64_t)(**at - '0');
  }
  return *at > from;
}

/* "bytes FIRST-LAST/WHOLE", where a star may stand for FIRST-LAST or for WHOLE; anything else is as if it were not
 * there. */
static void take_range(exchange *x, const char *at, const char *end) {
  uint64_t last = 0;
  x->ranged = false;
  x->first = UINT64_MAX;
  x->whole = 0;
  while (at < end && *at == ' ') at++;
  if (end - at < 6 || strncasecmp(at, "bytes ", 6) != 0) return;
  at += 6;
  if (at < end && *at == '*') {
    at++;
  } else {
    if (!take_number(&at, end, &x->first) || at >= end || *at++ != '-' || !take_number(&at, end, &last)) return;
  }
  if (at >= end || *at++ != '/') return;
  x->ranged = (at < end && *at == '*') || take_number(&at, end, &x->whole);
}

/* The file will come: where do its bytes belong, and how many will they be? */
static kohl_status begin(exchange *x, long code) {
  const kohl_transfer *t = x->transfer;
  curl_off_t length = -1;
  x->begun = true;
  x->call.curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  uint64_t whole = length > 0 ? (uint64_t)length : 0;
  if (code == 206) {
    if (!x->ranged || x->first != x->file->have || x->file->have == 0)
      return refuse(x, KOHL_NO_RESOURCE, "the server sends another part of the file than was asked for");
    whole = x->whole;
  } else if (x->file->have > 0) {
    kohl_status status = kohl_cache_empty(x->ctx, x->file);
    if (status) return status;
    x->counted = 0;
  }
  if (t->bytes > 0 && whole > 0 && whole != t->bytes) {
    x->missing = true;
    return kohl_fail(x->ctx, KOHL_BAD_INPUT, "%s: the server has %llu bytes, expected %llu", x->named,
                     (unsigned long long)whole, (unsigned long long)t->bytes);
  }
  if (whole > t->most) {
    x->missing = true;
    return kohl_fail(x->ctx, KOHL_BAD_INPUT, "%s: the server has %llu bytes, expected at most %llu", x->named,
                     (unsigned long long)whole, (unsigned long long)t->most);
  }
  x->progress = (kohl_fetch_progress){KOHL_FETCH_GETS, x->file->have, whole > 0 ? whole : t->bytes, x->file->have};
  return KOHL_OK;
}

static size_t on_header(char *line, size_t one, size_t bytes, void *user) {
  static const char range[] = "content-range:";
  exchange *x = user;
  (void)one;
  x->headers += bytes;
  if (x->headers > FOREIGN_BYTES) return 0;
  if (bytes >= 5 && !strncasecmp(line, "HTTP/", 5)) x->ranged = false; /* those of an earlier answer are over */
  if (bytes >= sizeof range && !strncasecmp(line, range, sizeof range - 1))
    take_range(x, line + sizeof range - 1, line + bytes);
  if (bytes > 2 || x->begun) return bytes; /* a line that is empty ends the headers, or those of a 100 */
  long code = 0;
  x->call.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &code);
  if (code == 200 || code == 206) x->status = begin(x, code);
  return x->status ? 0 : bytes;
}

static size_t on_bytes(char *bytes, size_t one, size_t count, void *user) {
  exchange *x = user;
  (void)one;
  if (!x->begun) { /* a page that says why */
    x->foreign += count;
    return x->foreign > FOREIGN_BYTES ? 0 : count;
  }
  if (count > x->transfer->most - x->file->have) {
    x->missing = true;
    x->status = kohl_fail(x->ctx, KOHL_BAD_INPUT, "%s: the server sends more than %llu bytes", x->named,
                          (unsigned long long)x->transfer->most);
  }
  if (!x->status) x->status = kohl_cache_append(x->ctx, x->file, bytes, count);
  return x->status ? 0 : count;
}

static time_t seconds(void) {
  struct timespec now = {0, 0};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

/* At least a byte a second, counted once in the time that a server may be silent. */
static kohl_status watch(exchange *x) {
  const uint64_t bytes = x->file->have + x->headers + x->foreign;
  const time_t now = seconds(), stall = x->transfer->stall;
  if (now - x->watched < stall) return KOHL_OK;
  if (bytes < x->counted + (uint64_t)stall) {
    x->missing = true;
    return kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: nothing came for %d seconds", x->named, x->transfer->stall);
  }
  x->watched = now;
  x->counted = bytes;
  return KOHL_OK;
}

/* libcurl calls it at least once a second. */
static int on_progress(void *user, curl_off_t down_whole, curl_off_t down, curl_off_t up_whole, curl_off_t up) {
  exchange *x = user;
  (void)down_whole, (void)down, (void)up_whole, (void)up;
  if (!x->status) x->status = kohl_check_cancel(x->ctx);
  if (!x->status) x->status = watch(x);
  x->progress.done = x->file->have;
  if (!x->status && x->transfer->meter.show) x->transfer->meter.show(&x->progress, x->transfer->meter.user);
  return x->status != KOHL_OK;
}

static bool set_up(exchange *x) {
  const library *call = &x->call;
  CURL *easy = x->easy;
  const long connect = x->transfer->stall < CONNECT_SECONDS ? x->transfer->stall : CONNECT_SECONDS;
  int bad = 0;
#define SET(option, value) bad |= call->curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK
  SET(ERRORBUFFER, x->reason);
  SET(NOSIGNAL, 1L);
  SET(PROTOCOLS_STR, "http,https");
  SET(FOLLOWLOCATION, 0L);
  SET(SUPPRESS_CONNECT_HEADERS, 1L);
  SET(USERAGENT, "kohl/" KOHL_VERSION);
  SET(CONNECTTIMEOUT, connect);
  SET(HEADERFUNCTION, on_header);
  SET(HEADERDATA, (void *)x);
  SET(WRITEFUNCTION, on_bytes);
  SET(WRITEDATA, (void *)x);
  SET(NOPROGRESS, 0L);
  SET(XFERINFOFUNCTION, on_progress);
  SET(XFERINFODATA, (void *)x);
#undef SET
  return !bad;
}

/* What stopped the request, in libcurl's words. */
static kohl_status broken(exchange *x, CURLcode result) {
  const char *text = *x->reason ? x->reason : x->call.curl_easy_strerror(result);
  size_t n = strlen(text);
  while (n > 0 && (text[n - 1] == '.' || text[n - 1] == '\n')) n--;
  if (x->headers > FOREIGN_BYTES || x->foreign > FOREIGN_BYTES)
    return refuse(x, KOHL_NO_RESOURCE, "the server's answer has no end");
  x->missing = true;
  return kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: %s", x->named, kohl_quote(text, n).text);
}

/* One request.  *code: what the server answers, where KOHL_OK. */
static kohl_status request(exchange *x, long *code) {
  char range[RANGE_TEXT];
  snprintf(range, sizeof range, "%llu-", (unsigned long long)x->file->have);
  x->begun = x->ranged = false;
  x->headers = x->foreign = 0;
  x->watched = seconds();
  x->counted = x->file->have;
  *x->reason = 0;
  x->progress = (kohl_fetch_progress){KOHL_FETCH_GETS, x->file->have, x->transfer->bytes, x->file->have};
  if (x->call.curl_easy_setopt(x->easy, CURLOPT_URL, x->address) != CURLE_OK ||
      x->call.curl_easy_setopt(x->easy, CURLOPT_RANGE, x->file->have > 0 ? range : NULL) != CURLE_OK)
    return kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: memory for the request was refused", x->named);
  CURLcode result = x->call.curl_easy_perform(x->easy);
  if (x->status) return x->status;
  if (result != CURLE_OK) return broken(x, result);
  x->call.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, code);
  return KOHL_OK;
}

/* The address that a redirect names becomes the present one; *copy is what keeps it. */
static kohl_status redirect(exchange *x, long code, char **copy) {
  const char *to = NULL;
  char *next;
  x->call.curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &to);
  bool secure = to && !strncasecmp(to, "https://", 8), plain = to && !strncasecmp(to, "http://", 7);
  x->missing = true;
  if (!to) return kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: the server answers %ld without an address", x->named, code);
  if (!secure && !(plain && !strncasecmp(x->address, "http://", 7)))
    return kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: the server redirects to '%s', expected https%s", x->named,
                     kohl_quote(to, strlen(to)).text, strncasecmp(x->address, "http://", 7) ? "" : " or http");
  kohl_status status = kohl_strdup(x->ctx, to, &next);
  if (status) return status;
  kohl_free(x->ctx, *copy);
  *copy = next;
  x->address = next;
  x->quoted = kohl_quote(next, strlen(next));
  x->named = x->quoted.text;
  x->missing = false;
  return KOHL_OK;
}

/* The server has nothing behind what is there: all of it is, or it is that of another file. */
static kohl_status at_end(exchange *x, bool *done) {
  const uint64_t have = x->file->have;
  *done = have > 0 && x->ranged && x->whole == have;
  if (*done || have > 0) return *done ? KOHL_OK : kohl_cache_empty(x->ctx, x->file);
  return refuse(x, KOHL_NO_RESOURCE, "the server answers 416 to a request for the whole file");
}

static kohl_status follow(exchange *x) {
  char *copy = NULL;
  kohl_status status = KOHL_OK;
  bool done = false;
  for (int redirects = 0; !status && !done;) {
    long code = 0;
    status = request(x, &code);
    if (status) break;
    if (code == 200 || code == 206) {
      done = true;
    } else if (code == 301 || code == 302 || code == 303 || code == 307 || code == 308) {
      status = redirect(x, code, &copy);
      if (!status && ++redirects > REDIRECTS)
        status = refuse(x, KOHL_NO_RESOURCE, "is the 11th redirect, expected 10 at most");
    } else if (code == 416) {
      status = at_end(x, &done);
    } else {
      x->missing = true;
      status = kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: the server answers %ld%s, expected the file", x->named, code,
                         code == 403   ? " (forbidden)"
                         : code == 404 ? " (not found)"
                         : code == 407 ? " (the proxy wants a password)"
                                       : "");
    }
  }
  const uint64_t bytes = x->transfer->bytes;
  if (!status && bytes > 0 && x->file->have < bytes) {
    x->missing = true;
    status = kohl_fail(x->ctx, KOHL_NO_RESOURCE, "%s: the server ended after %llu of %llu bytes", x->named,
                       (unsigned long long)x->file->have, (unsigned long long)bytes);
  }
  kohl_free(x->ctx, copy);
  return status;
}

/* It stays open: what it is linked with may have handlers for the end of the process. */
static kohl_status open_library(exchange *x) {
  static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
  void *handle = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !handle; i++) handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!handle) return refuse(x, KOHL_NO_RESOURCE, "cannot be fetched without libcurl.so.4, which this machine lacks");
#define CALL(name)                                                                                                  \
  do {                                                                                                              \
    void *symbol = dlsym(handle, #name);                                                                            \
    if (!symbol) return refuse(x, KOHL_NO_RESOURCE, "cannot be fetched: libcurl has no " #name);                    \
    memcpy(&x->call.name, &symbol, sizeof symbol); /* ISO C has no cast from an object's to a function's address */ \
  } while (0);
  FUNCTIONS(CALL)
#undef CALL
  return KOHL_OK;
}

kohl_status kohl_transfer_run(kohl_context *ctx, const kohl_transfer *transfer, kohl_cache_file *file, bool *missing) {
  exchange x = {
      .ctx = ctx, .transfer = transfer, .file = file, .address = transfer->address, .named = transfer->address};
  kohl_status status = open_library(&x);
  if (!status && x.call.curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK) {
    x.easy = x.call.curl_easy_init();
    if (x.easy && set_up(&x))
      status = follow(&x);
    else
      status = refuse(&x, KOHL_NO_RESOURCE, "cannot be fetched: libcurl does not start, expected 7.85 or newer");
    if (x.easy) x.call.curl_easy_cleanup(x.easy);
    x.call.curl_global_cleanup();
  } else if (!status) {
    status = refuse(&x, KOHL_NO_RESOURCE, "cannot be fetched: libcurl does not start");
  }
  *missing = x.missing;
  return status;
}
#else
kohl_status kohl_transfer_run(kohl_context *ctx, const kohl_transfer *transfer, kohl_cache_file *file, bool *missing) {
  (void)file;
  *missing = true;
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: cannot be fetched: libcurl was not found when kohl was built",
                   transfer->address);
}
#endif
