/* Event files, read back by a parser of the test's own: frames with a CRC computed bit by bit, and messages. */
#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/meter.h"
#include "train/events.h"

enum { TEXT = 512, MOST = 4000 };

static char root[64];
static int warnings;
static char warning[1024];

/* One Event, as far as it is used here; absent members are negative, empty or NaN. */
typedef struct event {
  double wall;
  int64_t step;
  char version[32], tag[200];
  float value;
  bool has_value;
  int session;
} event;

static event events[MOST];
static size_t count;

static void on_log(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level != KOHL_LOG_WARNING) return;
  warnings++;
  snprintf(warning, sizeof warning, "%s", text);
}

static kohl_context *make_context(meter *m) {
  kohl_context_options options = kohl_context_options_default();
  options.log = on_log;
  options.threads = 1;
  if (m) options.allocator = (kohl_allocator){meter_allocate, meter_release, m};
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

static void make_root(void) {
  warnings = 0;
  snprintf(root, sizeof root, "/tmp/kohl_events_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
}

/* The n-th file of the folder by name, in a static buffer; NULL: there are fewer. */
static const char *event_file(int n) {
  static char path[TEXT];
  char folder[128];
  struct dirent **names;
  snprintf(folder, sizeof folder, "%s/tensorboard", root);
  int found = scandir(folder, &names, NULL, alphasort), at = 0;
  const char *result = NULL;
  for (int i = 0; i < found; i++) {
    if (*names[i]->d_name != '.' && at++ == n) {
      snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
      result = path;
    }
    free(names[i]);
  }
  if (found >= 0) free(names);
  return result;
}

static uint32_t masked_by_bits(const unsigned char *data, size_t bytes) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static uint64_t little(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
  return value;
}

static uint64_t varint(const unsigned char **at, const unsigned char *end) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    ck_assert(*at < end && shift < 64);
    unsigned char byte = *(*at)++;
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return value;
  }
}

static void copy(char *to, size_t room, const unsigned char *bytes, size_t length) {
  ck_assert_uint_lt(length, room);
  memcpy(to, bytes, length);
  to[length] = 0;
}

/* Reads the fields of a message of one of the kinds below; bytes fields go down to the next kind. */
enum kind { EVENT, SUMMARY, VALUE, SESSION };
static void parse(enum kind kind, const unsigned char *at, const unsigned char *end, event *e) {
  while (at < end) {
    uint64_t key = varint(&at, end), number = 0, length = 0;
    int field = (int)(key >> 3), wire = (int)(key & 7);
    const unsigned char *bytes = at;
    if (wire == 0) {
      number = varint(&at, end);
    } else if (wire == 2) {
      length = varint(&at, end);
      bytes = at;
      ck_assert_uint_le(length, (size_t)(end - at));
      at += length;
    } else {
      ck_assert(wire == 1 || wire == 5);
      int size = wire == 1 ? 8 : 4;
      ck_assert_int_le(size, (int)(end - at));
      number = little(at, size);
      at += size;
    }
    int place = kind * 1000 + field * 10 + wire;
    if (place == EVENT * 1000 + 11) {
      memcpy(&e->wall, &number, sizeof e->wall);
    } else if (place == EVENT * 1000 + 20) {
      e->step = (int64_t)number;
    } else if (place == EVENT * 1000 + 32) {
      copy(e->version, sizeof e->version, bytes, length);
    } else if (place == EVENT * 1000 + 52) {
      parse(SUMMARY, bytes, bytes + length, e);
    } else if (place == EVENT * 1000 + 72) {
      parse(SESSION, bytes, bytes + length, e);
    } else if (place == SUMMARY * 1000 + 12) {
      parse(VALUE, bytes, bytes + length, e);
    } else if (place == VALUE * 1000 + 12) {
      copy(e->tag, sizeof e->tag, bytes, length);
    } else if (place == VALUE * 1000 + 25) {
      uint32_t narrow = (uint32_t)number;
      memcpy(&e->value, &narrow, sizeof e->value);
      e->has_value = true;
    } else if (place == SESSION * 1000 + 10) {
      e->session = (int)number;
    } else {
      ck_abort_msg("message %d has field %d of wire type %d", (int)kind, field, wire);
    }
  }
}

/* Reads a file into events; every byte belongs to a whole record with good checksums. */
static void read_events(const char *path) {
  ck_assert_ptr_nonnull(path);
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  unsigned char frame[12], data[1024], crc[4];
  for (count = 0; fread(frame, 1, 12, file) == 12; count++) {
    ck_assert_uint_lt(count, MOST);
    ck_assert_uint_eq(little(frame + 8, 4), masked_by_bits(frame, 8));
    uint64_t length = little(frame, 8);
    ck_assert_uint_le(length, sizeof data);
    ck_assert_uint_eq(fread(data, 1, length, file), length);
    ck_assert_uint_eq(fread(crc, 1, 4, file), 4);
    ck_assert_uint_eq(little(crc, 4), masked_by_bits(data, length));
    events[count] = (event){.wall = -1, .step = -1, .session = -1};
    parse(EVENT, data, data + length, &events[count]);
  }
  ck_assert_int_eq(fgetc(file), EOF);
  fclose(file);
}

START_TEST(what_is_written_is_read) {
  static const struct {
    int64_t step;
    const char *tag;
    double value;
  } points[] = {{0, "loss", 0.5},
                {127, "lr", 1e-4},
                {128, "validation/accuracy", 2.0 / 3.0},
                {300, "loss", -1e-40}, /* a subnormal float */
                {INT64_MAX, "loss", NAN},
                {16384, "phase 1/kohl \xcf\x80", 1e30}};
  enum { POINTS = sizeof points / sizeof *points };
  kohl_context *ctx = make_context(NULL);
  kohl_events *log;
  make_root();
  double before = (double)time(NULL);
  ck_assert_int_eq(kohl_events_open(ctx, root, &log), KOHL_OK);
  for (int i = 0; i < POINTS; i++) {
    ck_assert_int_eq(kohl_events_scalar(log, points[i].step, points[i].tag, points[i].value), KOHL_OK);
  }
  kohl_events_close(log);
  read_events(event_file(0));
  ck_assert_uint_eq(count, POINTS + 1);
  ck_assert_str_eq(events[0].version, "brain.Event:2");
  ck_assert_str_eq(events[0].tag, "");
  for (int i = 0; i < POINTS; i++) {
    const event *e = &events[i + 1];
    float value = (float)points[i].value;
    ck_assert(e->wall >= before && e->wall <= (double)time(NULL) + 1);
    ck_assert(e->wall >= events[i].wall);
    ck_assert_int_eq(e->step, points[i].step);
    ck_assert_str_eq(e->tag, points[i].tag);
    ck_assert(e->has_value);
    ck_assert_msg(memcmp(&e->value, &value, sizeof value) == 0, "point %d: %g", i, (double)e->value);
    ck_assert_str_eq(e->version, "");
  }
  remove_root();
  kohl_context_destroy(ctx);
}
END_TEST

/* More than the buffer holds, with the longest tag; what is flushed is in the file while it is open. */
START_TEST(many_points_and_flush) {
  enum { N = 2000 };
  kohl_context *ctx = make_context(NULL);
  kohl_events *log;
  char tag[KOHL_EVENTS_TAG + 2];
  make_root();
  memset(tag, 'x', sizeof tag);
  tag[KOHL_EVENTS_TAG + 1] = 0;
  ck_assert_int_eq(kohl_events_open(ctx, root, &log), KOHL_OK);
  ck_assert_int_eq(kohl_events_scalar(log, 1, tag, 1), KOHL_USAGE);
  ck_assert_int_eq(kohl_events_scalar(log, 1, "", 1), KOHL_USAGE);
  ck_assert_int_eq(kohl_events_scalar(log, -1, "loss", 1), KOHL_USAGE);
  tag[KOHL_EVENTS_TAG] = 0;
  for (int i = 0; i < N; i++) {
    ck_assert_int_eq(kohl_events_scalar(log, INT64_MAX - i, i % 3 ? tag : "t", i), KOHL_OK);
    if (i == 99) {
      ck_assert_int_eq(kohl_events_flush(log), KOHL_OK);
      read_events(event_file(0));
      ck_assert_uint_eq(count, 101);
    }
  }
  kohl_events_close(log);
  read_events(event_file(0));
  ck_assert_uint_eq(count, N + 1);
  for (int i = 0; i < N; i++) {
    ck_assert_str_eq(events[i + 1].tag, i % 3 ? tag : "t");
    ck_assert_int_eq(events[i + 1].step, INT64_MAX - i);
    ck_assert(events[i + 1].value == (float)i);
  }
  remove_root();
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(a_resumed_run_begins_a_file) {
  kohl_context *ctx = make_context(NULL);
  kohl_events *first, *second;
  char name[TEXT];
  make_root();
  ck_assert_int_eq(kohl_events_open(ctx, root, &first), KOHL_OK);
  ck_assert_int_eq(kohl_events_scalar(first, 8, "loss", 3), KOHL_OK);
  kohl_events_close(first);
  snprintf(name, sizeof name, "%s", event_file(0));
  ck_assert_ptr_nonnull(strstr(name, "/tensorboard/events.out.tfevents."));
  ck_assert_int_eq(kohl_events_open(ctx, root, &second), KOHL_OK); /* mostly within the same second */
  ck_assert_int_eq(kohl_events_resume(second, 7), KOHL_OK);
  ck_assert_int_eq(kohl_events_scalar(second, 8, "loss", 2), KOHL_OK);
  kohl_events_close(second);
  ck_assert_str_eq(event_file(0), name); /* so that TensorBoard reads them in their order */
  read_events(name);
  ck_assert_uint_eq(count, 2);
  read_events(event_file(1));
  ck_assert_uint_eq(count, 3);
  ck_assert_str_eq(events[0].version, "brain.Event:2");
  ck_assert_int_eq(events[1].session, 1);
  ck_assert_int_eq(events[1].step, 8);
  ck_assert_ptr_null(event_file(2));
  remove_root();
  kohl_context_destroy(ctx);
}
END_TEST

/* A file that may not grow stands for a full disk. */
START_TEST(a_full_disk_is_said_once) {
  kohl_context *ctx = make_context(NULL);
  kohl_events *log;
  make_root();
  ck_assert_int_eq(kohl_events_open(ctx, root, &log), KOHL_OK);
  signal(SIGXFSZ, SIG_IGN);
  int refused = 0, other = 0;
  struct rlimit unlimited, limit;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  limit = unlimited;
  limit.rlim_cur = 1000;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0); /* Check writes files too: no assertion until it is lifted */
  for (int i = 0; i < 2000; i++) {
    kohl_status status = kohl_events_scalar(log, i, "loss", i);
    refused += status == KOHL_NO_RESOURCE;
    other += status != KOHL_OK && status != KOHL_NO_RESOURCE;
  }
  setrlimit(RLIMIT_FSIZE, &unlimited);
  ck_assert_int_eq(refused, 1);
  ck_assert_int_eq(other, 0);
  ck_assert_int_eq(warnings, 1);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "tfevents"));
  ck_assert_ptr_nonnull(strstr(warning, "goes on"));
  ck_assert_int_eq(kohl_events_flush(log), KOHL_OK);
  kohl_events_close(log);
  ck_assert_int_eq(warnings, 1);
  remove_root();
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(no_folder_no_memory) {
  meter m = {.left = LONG_MAX};
  kohl_context *ctx = make_context(&m);
  kohl_events *log = NULL;
  char path[TEXT];
  make_root();
  snprintf(path, sizeof path, "%s/absent", root);
  ck_assert_int_eq(kohl_events_open(ctx, path, &log), KOHL_NO_RESOURCE);
  ck_assert_ptr_null(log);
  ck_assert_int_eq(warnings, 1);
  ck_assert_int_eq(kohl_events_scalar(log, 1, "loss", 1), KOHL_OK);
  ck_assert_int_eq(kohl_events_resume(log, 1), KOHL_OK);
  ck_assert_int_eq(kohl_events_flush(log), KOHL_OK);
  kohl_events_close(log);
  snprintf(path, sizeof path, "%s/tensorboard", root); /* a file where the folder should be */
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fclose(file);
  ck_assert_int_eq(kohl_events_open(ctx, root, &log), KOHL_NO_RESOURCE);
  ck_assert_ptr_nonnull(strstr(warning, "tensorboard"));
  ck_assert_int_eq(unlink(path), 0);
  long live = m.live;
  m.left = 0;
  ck_assert_int_eq(kohl_events_open(ctx, root, &log), KOHL_NO_RESOURCE);
  ck_assert_ptr_null(log);
  m.left = LONG_MAX;
  ck_assert_int_eq(m.live, live);
  remove_root();
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("events");
  TCase *tests = tcase_create("events");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, what_is_written_is_read);
  tcase_add_test(tests, many_points_and_flush);
  tcase_add_test(tests, a_resumed_run_begins_a_file);
  tcase_add_test(tests, a_full_disk_is_said_once);
  tcase_add_test(tests, no_folder_no_memory);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
