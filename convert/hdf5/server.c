/* The child of hdf5.h: limits, then one answer for each request.  Everything of libhdf5 happens here; nothing is given
 * back, as the process ends with its last answer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "convert/hdf5/file.h"
#include "convert/hdf5/message.h"
#include "convert/sandbox.h"

bool kohl_hdf5_send(int pipe, const void *block, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t part = write(pipe, (const char *)block + done, bytes - done);
    if (part < 0 && errno != EINTR) return false;
    if (part > 0) done += (size_t)part;
  }
  return true;
}

bool kohl_hdf5_receive(int pipe, void *block, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t part = read(pipe, (char *)block + done, bytes - done);
    if (part == 0 || (part < 0 && errno != EINTR)) return false;
    if (part > 0) done += (size_t)part;
  }
  return true;
}

uint64_t kohl_hdf5_seconds(uint64_t bytes) { return KOHL_HDF5_SECONDS + bytes / (8 << 20); }
uint64_t kohl_hdf5_memory(uint64_t bytes) { return (32 << 20) + bytes; }

#ifdef KOHL_HDF5

enum { REQUESTS = 3, REPLIES = 4, OTHERS = 5 };

typedef struct server {
  kohl_context *ctx;
  kohl_hdf5_file file;
  kohl_hdf5_request request;
  kohl_hdf5_reply reply;
  kohl_hdf5_texts texts;
  float *floats;
  size_t capacity; /* of floats */
} server;

/* No handler of the caller's, none of its open files but the two pipes, and the end of its thread is the child's. */
static bool leave_the_caller(int requests, int replies) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const struct sigaction usual = {.sa_handler = SIG_DFL};
  for (int i = 1; i < NSIG; i++) sigaction(i, &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  requests = fcntl(requests, F_DUPFD, OTHERS); /* away from the numbers that they are to get */
  replies = fcntl(replies, F_DUPFD, OTHERS);
  if (requests < 0 || replies < 0 || dup2(requests, REQUESTS) < 0 || dup2(replies, REPLIES) < 0) return false;
  close(0);
  close(1);
  if (!KOHL_TRACED) close(2); /* where a sanitizer reports */
  return syscall(SYS_close_range, OTHERS, ~0U, 0) == 0 || errno == ENOSYS;
}

static bool limit(int what, uint64_t value) {
  struct rlimit old;
  if (getrlimit(what, &old) != 0) return false;
  if (old.rlim_cur != RLIM_INFINITY && value > old.rlim_cur) value = old.rlim_cur;
  struct rlimit now = {.rlim_cur = value, .rlim_max = old.rlim_max};
  if (old.rlim_max > value) now.rlim_max = value + 1; /* more: processor time's hard limit kills and says nothing */
  return setrlimit(what, &now) == 0;
}

/* Bytes of address space that the process has already, as a fork of a large one; 0 when /proc does not say. */
static uint64_t address_space(void) {
  char text[64] = "";
  unsigned long long pages = 0;
  int file = open("/proc/self/statm", O_RDONLY);
  if (file < 0) return 0;
  bool good = read(file, text, sizeof text - 1) > 0 && sscanf(text, "%llu", &pages) == 1;
  close(file);
  return good ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static kohl_status confine(kohl_context *ctx, const char *path, uint64_t bytes) {
  uint64_t space = address_space();
  bool good = limit(RLIMIT_CPU, kohl_hdf5_seconds(bytes)) && limit(RLIMIT_CORE, 0);
  if (good && !KOHL_TRACED) good = limit(RLIMIT_FSIZE, 0); /* a sanitizer's report may go to a file */
  if (good && space) good = limit(RLIMIT_AS, space + kohl_hdf5_memory(bytes));
  if (!good) return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: the process that reads it cannot be limited", path);
  return kohl_convert_sandbox_reader(ctx);
}

/* The library before the limits: loading it is no work on the file. */
static kohl_status open_file(server *s, const char *path, const void *image, uint64_t bytes) {
  kohl_status status = kohl_hdf5_file_prepare(s->ctx, path, image, bytes, &s->file);
  if (!status) status = confine(s->ctx, path, bytes);
  return status ? status : kohl_hdf5_file_open(s->ctx, &s->file);
}

static kohl_status read_floats(server *s) {
  const kohl_hdf5_request *request = &s->request;
  size_t count = request->slices;
  bool good = true;
  for (int i = kohl_hdf5_axis(&request->info) + 1; i < request->info.dims; i++)
    good = good && kohl_mul_size(count, (size_t)request->info.shape[i], &count);
  if (!good || !kohl_mul_size(count, sizeof *s->floats, &s->reply.bytes))
    return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s: a slice larger than any memory", s->file.path);
  if (count > s->capacity) {
    kohl_free(s->ctx, s->floats);
    s->capacity = 0;
    kohl_status status = kohl_alloc(s->ctx, count, sizeof *s->floats, "numbers of an HDF5 file", &s->floats);
    if (status) return status;
    s->capacity = count;
  }
  return kohl_hdf5_file_read(s->ctx, &s->file, request->path, &request->info, request->first, request->slices,
                             s->floats);
}

static kohl_status read_texts(server *s) {
  const kohl_hdf5_request *request = &s->request;
  kohl_status status =
      request->ask == KOHL_HDF5_ASK_LIST
          ? kohl_hdf5_file_list(s->ctx, &s->file, request->path, request->most, &s->texts)
          : kohl_hdf5_file_texts(s->ctx, &s->file, request->path, request->attribute, request->most, &s->texts);
  s->reply.found = s->texts.found;
  s->reply.count = s->texts.count;
  for (size_t i = 0; i < s->texts.count; i++) s->reply.bytes += strlen(s->texts.text[i]) + 1;
  return status;
}

static kohl_status answer(server *s, const char *path, const void *image, uint64_t bytes) {
  switch (s->request.ask) {
    case KOHL_HDF5_ASK_OPEN: return open_file(s, path, image, bytes);
    case KOHL_HDF5_ASK_FIND: return kohl_hdf5_file_find(s->ctx, &s->file, s->request.path, &s->reply.kind);
    case KOHL_HDF5_ASK_TEXTS:
    case KOHL_HDF5_ASK_LIST: return read_texts(s);
    case KOHL_HDF5_ASK_TENSOR: return kohl_hdf5_file_tensor(s->ctx, &s->file, s->request.path, &s->reply.info);
    default: return read_floats(s);
  }
}

static bool send_answer(server *s) {
  bool good = kohl_hdf5_send(REPLIES, &s->reply, sizeof s->reply);
  if (s->reply.status != KOHL_OK) return good;
  if (s->request.ask == KOHL_HDF5_ASK_READ) return good && kohl_hdf5_send(REPLIES, s->floats, s->reply.bytes);
  for (size_t i = 0; i < s->texts.count && good; i++)
    good = kohl_hdf5_send(REPLIES, s->texts.text[i], strlen(s->texts.text[i]) + 1);
  return good;
}

_Noreturn void kohl_hdf5_serve(const char *path, const void *image, uint64_t bytes, int requests, int replies) {
  kohl_context_options options = kohl_context_options_default();
  server s = {0};
  options.threads = 1; /* the caller's threads, allocator and callbacks stay behind */
  if (!leave_the_caller(requests, replies) || kohl_context_create(&options, &s.ctx) != KOHL_OK) _exit(1);
  while (kohl_hdf5_receive(REQUESTS, &s.request, sizeof s.request)) {
    s.reply = (kohl_hdf5_reply){0};
    s.reply.status = answer(&s, path, image, bytes);
    if (s.reply.status != KOHL_OK) snprintf(s.reply.error, sizeof s.reply.error, "%s", kohl_context_error(s.ctx));
    if (!send_answer(&s)) _exit(1);
    kohl_hdf5_texts_free(s.ctx, &s.texts);
  }
  _exit(0);
}
#endif
