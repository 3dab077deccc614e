/* The safetensors writer, and its file against damage: round trip, every truncation, every flipped bit, every
 * allocation and every system call failing. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nn/safetensors.h"

/* System calls of the writer, replaced so that the n-th of a kind can fail; the library links to these. */
enum { CALL_NONE, CALL_WRITE, CALL_PWRITE, CALL_FSYNC, CALL_RENAME };
static int failing_call, failing_in, failing_errno;

static bool fails(int call) {
  if (call != failing_call || --failing_in != 0) return false;
  errno = failing_errno;
  return true;
}
ssize_t write(int fd, const void *bytes, size_t n) {
  return fails(CALL_WRITE) ? -1 : (ssize_t)syscall(SYS_write, fd, bytes, n);
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
  return fails(CALL_PWRITE) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, at);
}
int fsync(int fd) { return fails(CALL_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd); }
int rename(const char *from, const char *to) {
  return fails(CALL_RENAME) ? -1 : (int)syscall(SYS_renameat2, -100 /* AT_FDCWD */, from, -100, to, 0);
}

/* An allocator that counts, and refuses the allocation number refuse_at (from 1; 0: none). */
static long allocations, living, refuse_at;
static void *counting_allocate(size_t bytes, void *user) {
  (void)user;
  if (++allocations == refuse_at) return NULL;
  living++;
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}
static void counting_release(void *memory, void *user) {
  (void)user;
  if (memory) living--;
  free(memory);
}

static kohl_context *ctx;
static char folder[64], path[80];

static void setup(void) {
  allocations = living = refuse_at = 0;
  failing_call = CALL_NONE;
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.allocator = (kohl_allocator){counting_allocate, counting_release, NULL};
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_safetensors_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  sprintf(path, "%s/m.safetensors", folder);
}

static void teardown(void) {
  unlink(path);
  ck_assert_msg(rmdir(folder) == 0, "%s is not empty", folder); /* no temporary file was left */
  kohl_context_destroy(ctx);
  ck_assert_int_eq(living, 0);
}

enum { TENSORS = 6 };
static const struct {
  const char *name;
  kohl_safetensors_dtype dtype;
  int dims;
  int64_t shape[2];
  size_t bytes;
} model[TENSORS] = {{"odd", KOHL_SAFETENSORS_U8, 1, {7}, 7},      {"conv/kernel", KOHL_SAFETENSORS_F32, 2, {4, 8}, 128},
                    {"bias\n", KOHL_SAFETENSORS_F32, 1, {3}, 12}, {"none", KOHL_SAFETENSORS_F32, 2, {0, 5}, 0},
                    {"one", KOHL_SAFETENSORS_F64, 0, {0}, 8},     {"k", KOHL_SAFETENSORS_BF16, 1, {32}, 64}};
static const size_t order[TENSORS] = {1, 3, 5, 4, 2, 0};

static unsigned char model_byte(size_t tensor, size_t i) { return (unsigned char)(37 * tensor + 11 * i + 5); }

/* Writes the model in pieces of `piece` bytes. */
static kohl_status write_model(const char *to, size_t piece) {
  kohl_safetensors_writer *writer;
  kohl_status status = kohl_safetensors_writer_begin(ctx, to, &writer);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; status == KOHL_OK && i < TENSORS; i++) {
    status = kohl_safetensors_writer_tensor(writer, model[i].name, model[i].dtype, model[i].dims, model[i].shape);
  }
  if (status == KOHL_OK) status = kohl_safetensors_writer_metadata(writer, "kohl", "{\"a\":\"\xC3\xA9\"}\0", 12);
  if (status == KOHL_OK) status = kohl_safetensors_writer_lay(writer);
  unsigned char data[256];
  size_t n = 0;
  for (size_t i = 0; status == KOHL_OK && i < TENSORS; i++) {
    size_t tensor = kohl_safetensors_writer_order(writer, i);
    ck_assert_uint_eq(tensor, order[i]);
    for (size_t k = 0; k < model[tensor].bytes; k++) data[n++] = model_byte(tensor, k);
  }
  for (size_t at = 0; status == KOHL_OK && at < n; at += piece) {
    status = kohl_safetensors_write(writer, data + at, n - at < piece ? n - at : piece);
  }
  if (status == KOHL_OK) return kohl_safetensors_writer_finish(writer);
  kohl_safetensors_writer_abandon(writer);
  return status;
}

/* Reads the file's bytes, malloc'ed. */
static unsigned char *slurp(const char *from, size_t *length) {
  FILE *file = fopen(from, "rb");
  ck_assert_ptr_nonnull(file);
  unsigned char *bytes = malloc(1 << 20);
  *length = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return realloc(bytes, *length);
}

static void check_model(const kohl_safetensors *file) {
  ck_assert_uint_eq(kohl_safetensors_count(file), TENSORS);
  for (size_t i = 0; i < TENSORS; i++) {
    long index = kohl_safetensors_find(file, model[i].name);
    ck_assert_int_eq(order[index], (long)i);
    const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)index);
    ck_assert(info->dtype == model[i].dtype && info->dims == model[i].dims && info->bytes == model[i].bytes);
    for (int k = 0; k < info->dims; k++) ck_assert_int_eq(info->shape[k], model[i].shape[k]);
    const unsigned char *data = info->data;
    for (size_t k = 0; k < info->bytes; k++) ck_assert_uint_eq(data[k], model_byte(i, k));
    size_t alignment = info->bytes % 64 ? kohl_safetensors_dtype_bytes(info->dtype) : 64;
    ck_assert_uint_eq((uintptr_t)data % alignment, 0);
    ck_assert_int_eq(kohl_safetensors_verify(ctx, file, (size_t)index), KOHL_OK);
    uint32_t crc;
    ck_assert(kohl_safetensors_crc(file, (size_t)index, &crc));
  }
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(file, "kohl");
  ck_assert(text && text->length == 12 && memcmp(text->text, "{\"a\":\"\xC3\xA9\"}\0", 12) == 0);
}

START_TEST(round_trip) {
  size_t length, again;
  ck_assert_msg(write_model(path, 1000) == KOHL_OK, "%s", kohl_context_error(ctx));
  unsigned char *first = slurp(path, &length);
  for (size_t piece = 1; piece < 140; piece += 23) { /* replaces the file; pieces do not matter */
    ck_assert_int_eq(write_model(path, piece), KOHL_OK);
    unsigned char *second = slurp(path, &again);
    ck_assert(again == length && memcmp(first, second, length) == 0);
    free(second);
  }
  free(first);
  kohl_safetensors *file;
  ck_assert_msg(kohl_safetensors_open(ctx, path, &file) == KOHL_OK, "%s", kohl_context_error(ctx));
  check_model(file);
  kohl_safetensors_close(ctx, file);
  mode_t mask = umask(0);
  umask(mask);
  struct stat info;
  ck_assert(stat(path, &info) == 0 && (info.st_mode & 0777) == (0666 & ~mask));
}
END_TEST

START_TEST(empty_file) {
  kohl_safetensors_writer *writer;
  static const int64_t none[1] = {0};
  for (size_t tensors = 0; tensors < 2; tensors++) { /* no tensor, and one without elements */
    ck_assert_int_eq(kohl_safetensors_writer_begin(ctx, path, &writer), KOHL_OK);
    kohl_status status = KOHL_OK;
    if (tensors) status = kohl_safetensors_writer_tensor(writer, "w", KOHL_SAFETENSORS_F32, 1, none);
    ck_assert_int_eq(status, KOHL_OK);
    ck_assert_int_eq(kohl_safetensors_writer_lay(writer), KOHL_OK);
    ck_assert_int_eq(kohl_safetensors_writer_finish(writer), KOHL_OK);
    kohl_safetensors *file;
    ck_assert_msg(kohl_safetensors_open(ctx, path, &file) == KOHL_OK, "%s", kohl_context_error(ctx));
    ck_assert_uint_eq(kohl_safetensors_count(file), tensors);
    kohl_safetensors_close(ctx, file);
  }
}
END_TEST

/* Opens length bytes from a block of exactly that size and verifies all tensors. */
static kohl_status open_and_verify(const unsigned char *bytes, size_t length) {
  unsigned char *copy = malloc(length ? length : 1);
  memcpy(copy, bytes, length);
  kohl_safetensors *file;
  kohl_status status = kohl_safetensors_open_memory(ctx, "copy", copy, length, &file);
  for (size_t i = 0; status == KOHL_OK && i < kohl_safetensors_count(file); i++) {
    status = kohl_safetensors_verify(ctx, file, i);
  }
  kohl_safetensors_close(ctx, file);
  free(copy);
  return status;
}

START_TEST(every_damage_is_found) {
  ck_assert_int_eq(write_model(path, 1000), KOHL_OK);
  size_t length;
  unsigned char *bytes = slurp(path, &length);
  ck_assert_int_eq(open_and_verify(bytes, length), KOHL_OK);
  for (size_t shorter = 0; shorter < length; shorter++) {
    ck_assert_msg(open_and_verify(bytes, shorter) == KOHL_BAD_INPUT, "cut to %zu bytes", shorter);
  }
  for (size_t bit = 0; bit < 8 * length; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    ck_assert_msg(open_and_verify(bytes, length) == KOHL_BAD_INPUT, "bit %zu of byte %zu", bit % 8, bit / 8);
    ck_assert_int_eq(strncmp(kohl_context_error(ctx), "copy: ", 6), 0);
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
  bytes[length - 1] ^= 1; /* the last byte of "odd" */
  ck_assert_int_eq(open_and_verify(bytes, length), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "copy: tensor 'odd': CRC32C of its data is "));
  free(bytes);
}
END_TEST

START_TEST(failing_allocations_leak_nothing) {
  long before = living;
  for (int reading = 0; reading < 2; reading++) {
    bool done = false;
    for (long k = 1; !done; k++) {
      kohl_safetensors *file = NULL;
      allocations = 0;
      refuse_at = k;
      kohl_status status = reading ? kohl_safetensors_open(ctx, path, &file) : write_model(path, 50);
      done = allocations < k; /* fewer allocations than k: none was refused */
      ck_assert_int_eq(status, done ? KOHL_OK : KOHL_NO_RESOURCE);
      kohl_safetensors_close(ctx, file);
      ck_assert_int_eq(living, before);
      ck_assert_int_eq(reading || done ? 0 : -1, access(path, F_OK)); /* nothing appears before it is complete */
    }
    refuse_at = 0;
  }
}
END_TEST

static int files_in_folder(void) {
  DIR *dir = opendir(folder);
  int count = -2; /* . and .. */
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

START_TEST(failing_system_calls_keep_the_old_file) {
  static const struct {
    int call, calls, error;
    kohl_status status;
    const char *message;
  } cases[] = {{CALL_WRITE, 5, ENOSPC, KOHL_NO_RESOURCE, "m.safetensors: writing: No space left on device"},
               {CALL_WRITE, 5, EIO, KOHL_NO_RESOURCE, "m.safetensors: writing: Input/output error"},
               {CALL_PWRITE, 2, EDQUOT, KOHL_NO_RESOURCE, "m.safetensors: writing: Disk quota exceeded"},
               {CALL_FSYNC, 1, EIO, KOHL_NO_RESOURCE, "m.safetensors: flushing to disk: Input/output error"},
               {CALL_RENAME, 1, EACCES, KOHL_BAD_INPUT, "renaming the temporary file to it: Permission denied"}};
  static const char old[] = "the old file";
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int k = 1; k <= cases[i].calls; k++) {
      FILE *file = fopen(path, "wb");
      fputs(old, file);
      fclose(file);
      failing_call = cases[i].call, failing_in = k, failing_errno = cases[i].error;
      kohl_status status = write_model(path, 100);
      failing_call = CALL_NONE;
      ck_assert_msg(status == cases[i].status, "case %zu, call %d: status %d", i, k, status);
      ck_assert_msg(strstr(kohl_context_error(ctx), cases[i].message) != NULL, "%s", kohl_context_error(ctx));
      ck_assert_int_eq(files_in_folder(), 1);
      size_t length;
      unsigned char *now = slurp(path, &length);
      ck_assert(length == sizeof old - 1 && memcmp(now, old, length) == 0);
      free(now);
    }
  }
  failing_call = CALL_WRITE, failing_in = 2, failing_errno = EINTR; /* is tried again */
  ck_assert_int_eq(write_model(path, 100), KOHL_OK);
  failing_call = CALL_FSYNC, failing_in = 2, failing_errno = EIO; /* of the folder: the new file is there */
  ck_assert_int_eq(write_model(path, 100), KOHL_NO_RESOURCE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "the file was written, but flushing its folder"));
  failing_in = 2, failing_errno = EINVAL; /* a file system that cannot */
  ck_assert_int_eq(write_model(path, 100), KOHL_OK);
  failing_call = CALL_NONE;
}
END_TEST

START_TEST(impossible_places) {
  char name[160];
  ck_assert_int_eq(write_model(folder, 100), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), ": is a folder, expected a regular file or none"));
  sprintf(name, "%s/no/m", folder);
  ck_assert_int_eq(write_model(name, 100), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), ": creating a temporary file beside it: No such file"));
  ck_assert_int_eq(write_model("/dev/null", 100), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "/dev/null: is a device"));
  sprintf(name, "%s/ro", folder);
  ck_assert_int_eq(mkdir(name, 0500), 0);
  if (geteuid() != 0) { /* root may write everywhere */
    char inside[170];
    sprintf(inside, "%s/m", name);
    ck_assert_int_eq(write_model(inside, 100), KOHL_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "Permission denied"));
  }
  rmdir(name);
}
END_TEST

START_TEST(declarations_are_checked) {
  static const int64_t four[9] = {4, 1, 1, 1, 1, 1, 1, 1, 1}, negative[1] = {-1}, huge[2] = {INT64_MAX, 4};
  char name[KOHL_SAFETENSORS_NAME + 2];
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = 0;
  for (int i = 0; i < 14; i++) {
    kohl_safetensors_writer *writer;
    ck_assert_int_eq(kohl_safetensors_writer_begin(ctx, path, &writer), KOHL_OK);
    kohl_status status = kohl_safetensors_writer_tensor(writer, "w", KOHL_SAFETENSORS_U8, 1, four);
    ck_assert_int_eq(status, KOHL_OK);
    const char *names[] = {"__metadata__", name, "\xFF", "a", "b", "c", "w"};
    const int64_t *shape = i == 3 ? negative : i == 4 ? huge : four;
    if (i < 7)
      status = kohl_safetensors_writer_tensor(writer, names[i], KOHL_SAFETENSORS_F32,
                                              i == 4   ? 2
                                              : i == 5 ? 9
                                                       : 1,
                                              shape);
    if (i == 7) status = kohl_safetensors_writer_metadata(writer, "kohl_crc32c", "", 0);
    if (i == 8) status = kohl_safetensors_writer_metadata(writer, "k", "\xC3", 1);
    for (int k = 0; i == 9 && k < 2; k++) status = kohl_safetensors_writer_metadata(writer, "k", "", 0);
    if (i == 6 || i == 9) ck_assert_int_eq(status, KOHL_OK); /* doubles are seen when all is declared */
    if (i == 6 || i >= 9) status = i == 10 ? KOHL_OK : kohl_safetensors_writer_lay(writer);
    if (i >= 10) ck_assert_int_eq(status, KOHL_OK);
    if (i == 10 || i == 11) status = kohl_safetensors_write(writer, "12345", 5); /* too early, too much */
    if (i == 12) status = kohl_safetensors_writer_metadata(writer, "k", "", 0);  /* too late */
    if (i == 13) status = kohl_safetensors_write(writer, "123", 3);              /* too little */
    ck_assert_msg(status == (i == 13 ? KOHL_OK : KOHL_USAGE), "case %d", i);
    ck_assert_int_eq(kohl_safetensors_writer_finish(writer), KOHL_USAGE);
    if (i == 13) ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "tensor 'w': 3 bytes written, expected 4"));
    ck_assert_int_eq(files_in_folder(), 0);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("safetensors_write");
  TCase *tests = tcase_create("safetensors_write");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, round_trip);
  tcase_add_test(tests, empty_file);
  tcase_add_test(tests, every_damage_is_found);
  tcase_add_test(tests, failing_allocations_leak_nothing);
  tcase_add_test(tests, failing_system_calls_keep_the_old_file);
  tcase_add_test(tests, impossible_places);
  tcase_add_test(tests, declarations_are_checked);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
