/* Event files: protobuf's wire form and TFRecord's framing by hand, in a buffer of fixed size. */
#include "train/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "train/runfolder.h"

enum {
  FRAME = 16, /* length (8), its CRC (4), the data's CRC (4) */
  MESSAGE = KOHL_EVENTS_TAG + 64,
  BUFFER = 16384,
  SAME_SECOND = 1000, /* files of one second, at most */
};

/* Field numbers of the messages, and wire types. */
enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, SESSION_STATUS = 1, SESSION_START = 1 };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct kohl_events {
  kohl_context *ctx;
  int file; /* -1: given up */
  size_t used;
  unsigned char buffer[BUFFER]; /* whole records */
  char path[KOHL_RUN_PATH];
};

typedef struct message {
  unsigned char byte[MESSAGE];
  size_t length;
} message;

static void put_little(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static void put_varint(message *m, uint64_t value) {
  for (; value > 127; value >>= 7) m->byte[m->length++] = (unsigned char)(value | 128);
  m->byte[m->length++] = (unsigned char)value;
}

static void put_key(message *m, int field, int wire) { put_varint(m, (uint64_t)field << 3 | (uint64_t)wire); }

static void put_fixed(message *m, int field, uint64_t bits, int bytes) {
  put_key(m, field, bytes == 8 ? FIXED64 : FIXED32);
  put_little(m->byte + m->length, bits, bytes);
  m->length += (size_t)bytes;
}

static void put_number(message *m, int field, uint64_t value) {
  put_key(m, field, VARINT);
  put_varint(m, value);
}

static void put_bytes(message *m, int field, const void *bytes, size_t length) {
  put_key(m, field, BYTES);
  put_varint(m, length);
  memcpy(m->byte + m->length, bytes, length);
  m->length += length;
}

/* A CRC of data that holds CRCs is weak; TFRecord therefore stores it turned and moved. */
static uint32_t masked(const void *data, size_t bytes) {
  uint32_t crc = kohl_crc32c(0, data, bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* An Event that has the time and, where it is not negative, the step. */
static message begin_event(int64_t step) {
  message m = {.length = 0};
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  uint64_t bits;
  memcpy(&bits, &seconds, sizeof bits);
  put_fixed(&m, EVENT_TIME, bits, 8);
  if (step >= 0) put_number(&m, EVENT_STEP, (uint64_t)step);
  return m;
}

static kohl_status give_up(kohl_events *e, int error) {
  kohl_status status = kohl_fail(e->ctx, KOHL_NO_RESOURCE, "%s: cannot write: %s", e->path, strerror(error));
  kohl_log(e->ctx, KOHL_LOG_WARNING, "%s: cannot write: %s; training goes on without this log", e->path,
           strerror(error));
  close(e->file);
  e->file = -1;
  return status;
}

kohl_status kohl_events_flush(kohl_events *events) {
  if (!events || events->file < 0) return KOHL_OK;
  size_t done = 0;
  while (done < events->used) {
    ssize_t n = write(events->file, events->buffer + done, events->used - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return give_up(events, n < 0 ? errno : EIO);
    done += (size_t)n;
  }
  events->used = 0;
  return KOHL_OK;
}

static kohl_status add_record(kohl_events *e, const message *m) {
  kohl_status status = KOHL_OK;
  if (e->used + m->length + FRAME > BUFFER) status = kohl_events_flush(e);
  if (status != KOHL_OK) return status;
  unsigned char *at = e->buffer + e->used;
  put_little(at, m->length, 8);
  put_little(at + 8, masked(at, 8), 4);
  memcpy(at + 12, m->byte, m->length);
  put_little(at + 12 + m->length, masked(m->byte, m->length), 4);
  e->used += m->length + FRAME;
  return KOHL_OK;
}

/* The host's name as part of a file's. */
static void host_name(char *name, size_t bytes) {
  if (gethostname(name, bytes) != 0) snprintf(name, bytes, "localhost");
  name[bytes - 1] = 0;
  for (char *c = name; *c; c++) {
    bool plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
    if (!plain && *c != '-' && *c != '.') *c = '_';
  }
}

/* Makes folder and file; events->path names what failed. */
static kohl_status make_file(kohl_events *e, const char *folder) {
  char host[128], tensorboard[KOHL_RUN_PATH];
  host_name(host, sizeof host);
  kohl_status status = kohl_run_path(e->ctx, folder, "tensorboard", tensorboard);
  if (status != KOHL_OK) return status;
  bool there = mkdir(tensorboard, 0777) == 0 || errno == EEXIST;
  int error = errno;
  long long seconds = (long long)time(NULL);
  for (int n = 0; there && e->file < 0 && n < SAME_SECOND; n++) {
    char name[224];
    /* ten digits, so that the names of later files come later */
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%d", seconds, host, n);
    status = kohl_run_path(e->ctx, tensorboard, name, e->path);
    if (status != KOHL_OK) return status;
    e->file = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    error = errno;
    if (e->file < 0 && error != EEXIST) break;
  }
  if (e->file >= 0) return KOHL_OK;
  return kohl_fail(e->ctx, KOHL_NO_RESOURCE, "%s: cannot make the log for TensorBoard: %s",
                   there ? e->path : tensorboard, strerror(error));
}

kohl_status kohl_events_open(kohl_context *ctx, const char *folder, kohl_events **out) {
  static const char version[] = "brain.Event:2";
  kohl_events *e;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *e, "the log for TensorBoard", &e);
  if (status == KOHL_OK) {
    e->ctx = ctx;
    e->file = -1;
    status = make_file(e, folder);
  }
  if (status != KOHL_OK) {
    kohl_log(ctx, KOHL_LOG_WARNING, "%s; training goes on without it", kohl_context_error(ctx));
    kohl_free(ctx, e);
    return KOHL_NO_RESOURCE;
  }
  message m = begin_event(-1);
  put_bytes(&m, EVENT_VERSION, version, sizeof version - 1);
  *out = e;
  return add_record(e, &m);
}

kohl_status kohl_events_resume(kohl_events *events, int64_t step) {
  if (!events || events->file < 0) return KOHL_OK;
  /* what has this step or a later one is dropped, and that of this step is not lost */
  message m = begin_event(step + 1), session = {.length = 0};
  put_number(&session, SESSION_STATUS, SESSION_START);
  put_bytes(&m, EVENT_SESSION, session.byte, session.length);
  return add_record(events, &m);
}

kohl_status kohl_events_scalar(kohl_events *events, int64_t step, const char *tag, double value) {
  if (!events || events->file < 0) return KOHL_OK;
  size_t length = strlen(tag);
  if (length < 1 || length > KOHL_EVENTS_TAG || step < 0) {
    return kohl_fail(events->ctx, KOHL_USAGE, "tag '%.40s', step %lld: expected 1 to %d bytes and a step of 0 or more",
                     tag, (long long)step, KOHL_EVENTS_TAG);
  }
  message m = begin_event(step), point = {.length = 0}, summary = {.length = 0};
  float narrow = (float)value;
  uint32_t bits;
  memcpy(&bits, &narrow, sizeof bits);
  put_bytes(&point, VALUE_TAG, tag, length);
  put_fixed(&point, VALUE_SIMPLE, bits, 4);
  put_bytes(&summary, SUMMARY_VALUE, point.byte, point.length);
  put_bytes(&m, EVENT_SUMMARY, summary.byte, summary.length);
  return add_record(events, &m);
}

void kohl_events_close(kohl_events *events) {
  if (!events) return;
  kohl_events_flush(events); /* a failure has warned */
  if (events->file >= 0) close(events->file);
  kohl_free(events->ctx, events);
}
