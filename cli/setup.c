/* The library's context as the options ask for it, and Ctrl-C. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "kernels/core/kernel.h"

/* A signal handler can reach nothing but a variable of the file. */
static volatile sig_atomic_t interrupts, hangups, saves;

static void on_interrupt(int number) {
  (void)number;
  if (interrupts) _exit(130);
  interrupts = 1;
  /* writing a large checkpoint takes seconds, in which nobody should press it again for want of an answer */
  static const char text[] = "\nkohl: stopping and saving; Ctrl-C again stops at once\n";
  int error = errno;
  if (saves && write(STDERR_FILENO, text, sizeof text - 1) < 0) saves = 0;
  errno = error;
}

bool cli_interrupted(void) { return interrupts != 0; }

static void on_hangup(int number) {
  (void)number;
  hangups = 1;
}

/* System calls that the signal comes into go on by themselves. */
static void catch_signal(int number, void (*handler)(int)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, NULL);
}

void cli_catch_hangup(void) {
  saves = isatty(STDERR_FILENO) == 1;
  catch_signal(SIGHUP, on_hangup);
}

bool cli_take_hangup(void) {
  if (!hangups) return false;
  hangups = 0; /* a signal between the two lines is answered by the same checkpoint */
  return true;
}

static bool cancel(void *user) {
  (void)user;
  return interrupts != 0;
}

static void log_line(kohl_log_level level, const char *text, void *user) {
  cli *c = user;
  bool wanted = level == KOHL_LOG_WARNING ? !cli_get(c, CLI_OPTION_quiet)->set : cli_get(c, CLI_OPTION_verbose)->set;
  if (wanted) cli_complain(c, "%s%s", level == KOHL_LOG_WARNING ? "warning: " : "", text);
}

/* The place of the kernel "op_direction=id" in the lists: 0, or an error that names what is near. */
static int check_impl(cli *c, const char *entry, size_t length) {
  enum { MOST = 512, KEY = 96 };
  static const kohl_direction directions[] = {KOHL_FWD, KOHL_DGRAD, KOHL_WGRAD};
  char word[KEY], keys[MOST][KEY];
  const char *names[MOST];
  size_t count = 0;
  snprintf(word, sizeof word, "%.*s", (int)(length < KEY - 1 ? length : KEY - 1), entry);
  for (size_t o = 0; o < kohl_op_count; o++) {
    for (size_t d = 0; d < 3; d++) {
      for (size_t i = 0; i < kohl_ops[o]->count && count < MOST; i++) {
        const kohl_kernel *kernel = &kohl_ops[o]->kernels[i];
        if (kernel->direction != directions[d]) continue;
        snprintf(keys[count], KEY, "%s_%s=%s", kohl_ops[o]->name, kohl_direction_name(kernel->direction), kernel->id);
        if (!strcmp(keys[count], word)) return 0;
        names[count] = keys[count];
        count++;
      }
    }
  }
  const char *near = cli_nearest(word, names, count);
  return cli_fail(c, KOHL_USAGE, "--impl: no kernel '%s'%s%s", word,
                  near ? "; did you mean " : ", expected OP_DIRECTION=ID", near ? near : " as conv2d_fwd=ref");
}

static int check_impls(cli *c, const char *impl) {
  if (strlen(impl) >= KOHL_IMPL_TEXT) {
    return cli_fail(c, KOHL_USAGE, "--impl: %zu bytes, expected at most %d", strlen(impl), KOHL_IMPL_TEXT - 1);
  }
  for (const char *at = impl;;) {
    size_t length = strcspn(at, ",");
    int code = check_impl(c, at, length);
    if (code || !at[length]) return code;
    at += length + 1;
  }
}

cli_level_text cli_level(const cli *c) {
  cli_level_text level;
  if (c->ctx->device)
    snprintf(level.text, sizeof level.text, "cuda:%d", kohl_device_number(c->ctx->device));
  else
    snprintf(level.text, sizeof level.text, "%s", kohl_cpu_level(c->ctx->caps));
  return level;
}

int cli_begin(cli *c) {
  kohl_context_options options = kohl_context_options_default();
  options.log = log_line;
  options.log_user = c;
  options.cancel = cancel;
  options.cpu = cli_get(c, CLI_OPTION_cpu)->text;
  options.threads = (int)cli_get(c, CLI_OPTION_threads)->number;
  options.exact = cli_get(c, CLI_OPTION_exact)->set;
  options.impl = cli_get(c, CLI_OPTION_impl)->text;
  unsigned caps = kohl_cpu_detect();
  if (options.cpu && !kohl_cpu_limit(options.cpu, &caps)) {
    return cli_fail(c, KOHL_USAGE, "--cpu: this processor has no %s, its highest level is %s", options.cpu,
                    kohl_cpu_level(kohl_cpu_detect()));
  }
  int code = options.impl ? check_impls(c, options.impl) : 0;
  if (code) return code;
  catch_signal(SIGINT, on_interrupt);
  catch_signal(SIGTERM, on_interrupt);
  kohl_status status = kohl_context_create(&options, &c->ctx);
  if (status != KOHL_OK) {
    return cli_fail(c, status, "%ld threads: %s", cli_get(c, CLI_OPTION_threads)->number, kohl_status_text(status));
  }
  status = kohl_context_keep_packed(c->ctx, cli_get(c, CLI_OPTION_packed)->text);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  const char *device = cli_get(c, CLI_OPTION_device)->text;
  status = device && *device ? kohl_context_use_device(c->ctx, device) : KOHL_OK;
  if (status == KOHL_OK) return 0;
  kohl_fail_prefix(c->ctx, "--device");
  return cli_fail_library(c, status);
}
