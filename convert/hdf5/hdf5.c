/* The caller's side of hdf5.h: the child, requests and replies.  A reply is a stranger's word too, as libhdf5 may have
 * lost its mind over the file: sizes are compared with what was asked for before anything is allocated. */
#include "convert/hdf5/hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "convert/hdf5/message.h"

enum { POLL_MS = 200 };

struct kohl_hdf5 {
  char *path;
  const void *image; /* the caller's bytes of the file, or NULL */
  uint64_t bytes;
  pid_t child; /* 0: none */
  /* requests: both ends are kept, so that writing to a child that has ended raises no SIGPIPE */
  int requests[2], replies;
  kohl_hdf5_request request;
  kohl_hdf5_reply reply;
};

void kohl_hdf5_texts_free(kohl_context *ctx, kohl_hdf5_texts *texts) {
  for (size_t i = 0; i < texts->count; i++) kohl_free(ctx, texts->text[i]);
  kohl_free(ctx, texts->text);
  *texts = (kohl_hdf5_texts){0};
}

uint64_t kohl_hdf5_bytes(const kohl_hdf5 *h5) { return h5->bytes; }

int kohl_hdf5_axis(const kohl_tensor_info *info) {
  int axis = 0;
  while (axis + 1 < info->dims && info->shape[axis] == 1) axis++;
  return axis;
}

static void close_pipe(int *pipe) {
  if (*pipe >= 0) close(*pipe);
  *pipe = -1;
}

/* The end of the child in words.  result: of waitpid, or -1 where another one has waited for it. */
static kohl_status ended(kohl_context *ctx, kohl_hdf5 *h5, int result) {
  int number = result != -1 && WIFSIGNALED(result) ? WTERMSIG(result) : 0;
  h5->child = 0;
  kohl_status status = kohl_check_cancel(ctx); /* a terminal's interrupt ends both */
  if (status) return status;
  if (number == SIGXCPU)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: libhdf5 was stopped after %llu seconds of processor time, expected less for %llu bytes; the "
                     "file is damaged",
                     h5->path, (unsigned long long)kohl_hdf5_seconds(h5->bytes), (unsigned long long)h5->bytes);
  if (number == SIGKILL || number == SIGTERM || number == SIGINT || number == SIGHUP)
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: the process that reads it was killed (signal %d)", h5->path, number);
  if (number)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: libhdf5 crashed (signal %d); the file is damaged", h5->path, number);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the process that reads it ended with code %d", h5->path,
                   result == -1 ? -1 : WEXITSTATUS(result));
}

static kohl_status wait_for_end(kohl_context *ctx, kohl_hdf5 *h5) {
  int result = -1;
  pid_t pid;
  do pid = waitpid(h5->child, &result, 0);
  while (pid < 0 && errno == EINTR);
  return ended(ctx, h5, pid == h5->child ? result : -1);
}

/* Until the child says something or has ended. */
static kohl_status wait_for_reply(kohl_context *ctx, kohl_hdf5 *h5) {
  struct pollfd one = {.fd = h5->replies, .events = POLLIN};
  kohl_status status = KOHL_OK;
  while (!status && poll(&one, 1, POLL_MS) <= 0) {
    int result = -1;
    pid_t pid = waitpid(h5->child, &result, WNOHANG); /* a stranger's fork may hold the pipe open */
    if (pid != 0 && poll(&one, 1, 0) <= 0) return ended(ctx, h5, pid == h5->child ? result : -1);
    status = kohl_check_cancel(ctx);
  }
  return status;
}

/* Sends h5->request and takes the fixed part of the reply. */
static kohl_status ask(kohl_context *ctx, kohl_hdf5 *h5) {
  kohl_hdf5_reply *reply = &h5->reply;
  if (!h5->child) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: libhdf5 has ended", h5->path);
  if (!kohl_hdf5_send(h5->requests[1], &h5->request, sizeof h5->request)) return wait_for_end(ctx, h5);
  kohl_status status = wait_for_reply(ctx, h5);
  if (status) return status;
  if (!kohl_hdf5_receive(h5->replies, reply, sizeof *reply)) return wait_for_end(ctx, h5);
  if (reply->status == KOHL_OK) return KOHL_OK;
  reply->error[sizeof reply->error - 1] = 0;
  for (char *at = reply->error; *at; at++)
    if ((unsigned char)*at < 32) *at = '?';
  status = reply->status == KOHL_NO_RESOURCE ? KOHL_NO_RESOURCE : KOHL_BAD_INPUT;
  return kohl_fail(ctx, status, "%s", reply->error);
}

static kohl_status nonsense(kohl_context *ctx, const kohl_hdf5 *h5) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: libhdf5 gives sizes that were not asked for; the file is damaged",
                   h5->path);
}

static kohl_status make_request(kohl_context *ctx, kohl_hdf5 *h5, kohl_hdf5_ask what, const char *path) {
  size_t length = strlen(path);
  h5->request = (kohl_hdf5_request){.ask = what};
  if (length >= sizeof h5->request.path)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a path of %zu bytes, expected less than %d", h5->path, length,
                     KOHL_HDF5_PATH);
  memcpy(h5->request.path, path, length + 1);
  return KOHL_OK;
}

/* The size of the file, and that it is one. */
static kohl_status check_file(kohl_context *ctx, kohl_hdf5 *h5) {
  struct stat info;
  if (stat(h5->path, &info) != 0 || !S_ISREG(info.st_mode))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is not a regular file", h5->path);
  h5->bytes = (uint64_t)info.st_size;
  return KOHL_OK;
}

static kohl_status start(kohl_context *ctx, kohl_hdf5 *h5) {
#ifdef KOHL_HDF5
  int replies[2] = {-1, -1};
  if (pipe(h5->requests) != 0 || pipe(replies) != 0)
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: no pipe: %s", h5->path, strerror(errno));
  h5->replies = replies[0];
  for (int i = 0; i < 2; i++) {
    fcntl(h5->requests[i], F_SETFD, FD_CLOEXEC);
    fcntl(replies[i], F_SETFD, FD_CLOEXEC);
  }
  pid_t child = fork();
  if (child == 0) kohl_hdf5_serve(h5->path, h5->image, h5->bytes, h5->requests[0], replies[1]);
  int error = errno;
  close(replies[1]);
  if (child < 0) return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: no process: %s", h5->path, strerror(error));
  h5->child = child;
  kohl_status status = make_request(ctx, h5, KOHL_HDF5_ASK_OPEN, "");
  return status ? status : ask(ctx, h5);
#else
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: this build reads no .h5 files: libhdf5 was not found when it was built",
                   h5->path);
#endif
}

kohl_status kohl_hdf5_open_memory(kohl_context *ctx, const char *path, const void *bytes, size_t length,
                                  kohl_hdf5 **out) {
  kohl_hdf5 *h5;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *h5, "an HDF5 file", &h5);
  if (status) return status;
  h5->requests[0] = h5->requests[1] = h5->replies = -1;
  h5->image = bytes;
  h5->bytes = length;
  status = kohl_strdup(ctx, path, &h5->path);
  if (!status && !bytes) status = check_file(ctx, h5);
  if (!status) status = start(ctx, h5);
  if (status)
    kohl_hdf5_close(ctx, h5);
  else
    *out = h5;
  return status;
}

kohl_status kohl_hdf5_open(kohl_context *ctx, const char *path, kohl_hdf5 **out) {
  return kohl_hdf5_open_memory(ctx, path, NULL, 0, out);
}

void kohl_hdf5_close(kohl_context *ctx, kohl_hdf5 *h5) {
  if (!h5) return;
  close_pipe(&h5->requests[0]);
  close_pipe(&h5->requests[1]); /* the child's end of work */
  close_pipe(&h5->replies);
  while (h5->child && waitpid(h5->child, NULL, 0) < 0 && errno == EINTR) continue;
  kohl_free(ctx, h5->path);
  kohl_free(ctx, h5);
}

kohl_status kohl_hdf5_find(kohl_context *ctx, kohl_hdf5 *h5, const char *path, kohl_hdf5_kind *kind) {
  *kind = KOHL_HDF5_NOTHING;
  kohl_status status = make_request(ctx, h5, KOHL_HDF5_ASK_FIND, path);
  if (!status) status = ask(ctx, h5);
  if (!status) *kind = h5->reply.kind;
  return status;
}

/* Cuts the block of texts that follows a reply. */
static kohl_status take_texts(kohl_context *ctx, kohl_hdf5 *h5, const char *block, size_t bytes,
                              kohl_hdf5_texts *texts) {
  size_t count = h5->reply.count;
  kohl_status status = kohl_grow(ctx, &texts->text, &texts->capacity, texts->count + count, sizeof *texts->text,
                                 "names of an HDF5 file");
  for (const char *at = block; count > 0 && !status; count--) {
    const char *end = memchr(at, 0, bytes - (size_t)(at - block));
    if (!end || (size_t)(end - at) > h5->request.most) return nonsense(ctx, h5);
    status = kohl_strdup(ctx, at, &texts->text[texts->count]);
    texts->count += !status;
    at = end + 1;
  }
  return status;
}

/* Sends h5->request for texts of at most so many bytes each, and takes them. */
static kohl_status ask_texts(kohl_context *ctx, kohl_hdf5 *h5, size_t most, kohl_hdf5_texts *texts) {
  char *block = NULL;
  h5->request.most = most;
  kohl_status status = ask(ctx, h5);
  if (status) return status;
  size_t count = h5->reply.count, bytes = h5->reply.bytes;
  texts->found |= h5->reply.found;
  if (count == 0 && bytes == 0) return KOHL_OK;
  if (count > KOHL_HDF5_TEXTS - texts->count || bytes > h5->bytes) return nonsense(ctx, h5);
  status = kohl_alloc(ctx, bytes, 1, "names of an HDF5 file", &block);
  if (!status && !kohl_hdf5_receive(h5->replies, block, bytes)) status = wait_for_end(ctx, h5);
  if (!status) status = take_texts(ctx, h5, block, bytes, texts);
  kohl_free(ctx, block);
  return status;
}

kohl_status kohl_hdf5_texts_read(kohl_context *ctx, kohl_hdf5 *h5, const char *group, const char *attribute,
                                 size_t most, kohl_hdf5_texts *texts) {
  kohl_status status = make_request(ctx, h5, KOHL_HDF5_ASK_TEXTS, group);
  if (status) return status;
  snprintf(h5->request.attribute, sizeof h5->request.attribute, "%s", attribute);
  return ask_texts(ctx, h5, most, texts);
}

kohl_status kohl_hdf5_list(kohl_context *ctx, kohl_hdf5 *h5, const char *group, size_t most, kohl_hdf5_texts *texts) {
  kohl_status status = make_request(ctx, h5, KOHL_HDF5_ASK_LIST, group);
  return status ? status : ask_texts(ctx, h5, most, texts);
}

kohl_status kohl_hdf5_tensor(kohl_context *ctx, kohl_hdf5 *h5, const char *path, kohl_tensor_info *info) {
  kohl_status status = make_request(ctx, h5, KOHL_HDF5_ASK_TENSOR, path);
  if (!status) status = ask(ctx, h5);
  if (status) return status;
  const kohl_tensor_info *found = &h5->reply.info;
  bool floats = found->dtype == KOHL_SAFETENSORS_F32 || found->dtype == KOHL_SAFETENSORS_F64 ||
                found->dtype == KOHL_SAFETENSORS_F16 || found->dtype == KOHL_SAFETENSORS_BF16;
  if (!floats || found->dims < 0 || found->dims > KOHL_SAFETENSORS_DIMS) return nonsense(ctx, h5);
  size_t bytes = kohl_safetensors_dtype_bytes(found->dtype);
  for (int i = 0; i < found->dims; i++)
    if (found->shape[i] < 0 || !kohl_mul_size(bytes, (size_t)found->shape[i], &bytes)) return nonsense(ctx, h5);
  if (bytes != found->bytes) return nonsense(ctx, h5);
  info->dtype = found->dtype;
  info->dims = found->dims;
  memcpy(info->shape, found->shape, sizeof info->shape);
  info->bytes = bytes;
  info->data = NULL;
  return KOHL_OK;
}

kohl_status kohl_hdf5_read(kohl_context *ctx, kohl_hdf5 *h5, const char *path, const kohl_tensor_info *info,
                           size_t first, size_t slices, float *out) {
  size_t bytes = slices * sizeof *out; /* fits, as out does */
  for (int i = kohl_hdf5_axis(info) + 1; i < info->dims; i++) bytes *= (size_t)info->shape[i];
  kohl_status status = make_request(ctx, h5, KOHL_HDF5_ASK_READ, path);
  if (status) return status;
  h5->request.first = first;
  h5->request.slices = slices;
  h5->request.info = *info;
  status = ask(ctx, h5);
  if (status) return status;
  if (h5->reply.bytes != bytes) return nonsense(ctx, h5);
  return kohl_hdf5_receive(h5->replies, out, bytes) ? KOHL_OK : wait_for_end(ctx, h5);
}
