/* Reading .h5 leaves the caller's process as it was: no child, no open file, no limit, no handler, whatever became of
 * libhdf5.  What is read is compared in tests/oracle/keras_h5.py; the files are seeds of tests/fuzz. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "convert/convert.h"

#define SEEDS "tests/fuzz/corpus/h5/"
#define ENDLESS "tests/fixtures/endless_heap.h5" /* libhdf5 1.10 loops over its global heap */

typedef struct process {
  int files;
  struct rlimit limits[RLIM_NLIMITS];
  void (*handlers[NSIG])(int);
  bool blocked[NSIG];
} process;

static kohl_context *ctx;
static bool stop;

static bool asked_to_stop(void *user) {
  (void)user;
  return stop;
}

static void look(process *p) {
  memset(p, 0, sizeof *p);
  DIR *folder = opendir("/proc/self/fd");
  ck_assert_ptr_nonnull(folder);
  while (readdir(folder)) p->files++;
  closedir(folder);
  for (int i = 0; i < (int)RLIM_NLIMITS; i++) ck_assert_int_eq(getrlimit(i, &p->limits[i]), 0);
  sigset_t mask;
  ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
  for (int i = 1; i < NSIG; i++) {
    struct sigaction action;
    if (sigaction(i, NULL, &action) == 0) p->handlers[i] = action.sa_handler;
    p->blocked[i] = sigismember(&mask, i) > 0;
  }
}

/* Converts a file; the text of the error must begin with its path and contain the phrase. */
static kohl_status convert(const char *path, const kohl_convert_options *options, const char *phrase) {
  static process before, after;
  kohl_model *model;
  look(&before);
  kohl_status status = kohl_convert_read(ctx, path, options, &model);
  look(&after);
  ck_assert_mem_eq(&before, &after, sizeof before);
  ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  kohl_model_destroy(ctx, model);
  if (status) ck_assert_msg(strstr(kohl_context_error(ctx), phrase) != NULL, "%s", kohl_context_error(ctx));
  return status;
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.cancel = asked_to_stop;
  stop = false;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}

static void teardown(void) { kohl_context_destroy(ctx); }

static const kohl_convert_options vgg = {.arch = "vgg19", .until = "block1_conv1"}, saved = {.preset = "keras"};

START_TEST(good_files) {
  ck_assert_int_eq(convert(SEEDS "keras1", &vgg, ""), KOHL_OK);
  ck_assert_int_eq(convert(SEEDS "saved_model", &saved, ""), KOHL_OK);
}
END_TEST

START_TEST(endless_heap) {
  clock_t begin = clock();
  sigset_t limits;
  sigemptyset(&limits);
  sigaddset(&limits, SIGXCPU);
  sigprocmask(SIG_BLOCK, &limits, NULL); /* what the caller does with the signal must not hold the child alive */
  signal(SIGXCPU, SIG_IGN);
  ck_assert_int_eq(convert(ENDLESS, &vgg, ENDLESS ": "), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "damaged"));
  ck_assert_int_lt((clock() - begin) / CLOCKS_PER_SEC, 2); /* the time was the child's */
}
END_TEST

START_TEST(interrupted) {
  stop = true;
  ck_assert_int_eq(convert(SEEDS "saved_model", &saved, "interrupted"), KOHL_INTERRUPTED);
}
END_TEST

/* Then nobody learns how the child has ended, which is only needed when it has ended early. */
START_TEST(children_are_ignored) {
  signal(SIGCHLD, SIG_IGN);
  ck_assert_int_eq(convert(SEEDS "keras1", &vgg, ""), KOHL_OK);
}
END_TEST

START_TEST(not_a_file) {
  ck_assert_int_eq(convert("tests/fuzz", &vgg, "tests/fuzz: "), KOHL_BAD_INPUT);
  ck_assert_int_eq(convert(SEEDS "absent", &vgg, "absent: "), KOHL_BAD_INPUT);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("convert_h5");
  TCase *tests = tcase_create("convert_h5");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, not_a_file);
#ifdef KOHL_HDF5
  tcase_add_test(tests, good_files);
  tcase_add_test(tests, endless_heap);
  tcase_add_test(tests, interrupted);
  tcase_add_test(tests, children_are_ignored);
#endif
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
