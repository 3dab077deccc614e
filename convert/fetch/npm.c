/* A package as the user's own npm gets it; see local.h.  npm runs no script of the package (--ignore-scripts), and its
 * words go to a file, of which the first line ends in the text of an error. */
#define _GNU_SOURCE /* posix_spawn_file_actions_addchdir_np */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "convert/fetch/local.h"
#include "nn/json.h"

enum { POLL_MS = 50, PATIENCE = 40 /* polls between asking to end and ending */, SAID = 512 };

typedef struct place {
  char *folder, *package, *log; /* PATH.npm, and in it the package's file and what npm says; owned */
} place;

static void place_free(kohl_context *ctx, place *p) {
  kohl_free(ctx, p->folder);
  kohl_free(ctx, p->package);
  kohl_free(ctx, p->log);
}

static kohl_status place_make(kohl_context *ctx, const char *path, const char *name, place *p) {
  size_t bytes = strlen(path) + strlen(name) + 16;
  kohl_status status = kohl_alloc(ctx, bytes, 1, "a file name", &p->folder);
  if (!status) status = kohl_alloc(ctx, bytes, 1, "a file name", &p->package);
  if (!status) status = kohl_alloc(ctx, bytes, 1, "a file name", &p->log);
  if (status) return status;
  snprintf(p->folder, bytes, "%s.npm", path);
  snprintf(p->package, bytes, "%s/%s", p->folder, name);
  snprintf(p->log, bytes, "%s/npm.log", p->folder);
  unlink(p->package); /* of a process that was killed */
  unlink(p->log);
  if (mkdir(p->folder, 0777) == 0 || errno == EEXIST) return KOHL_OK;
  return kohl_cache_fail(ctx, p->folder, "the folder for npm cannot be made");
}

/* Starts npm; returns 0 or the number of an error. */
static int start(const char *package, const place *p, char **environment, pid_t *child) {
  char word[4][20] = {"npm", "pack", "--loglevel=error", "--ignore-scripts"};
  char *arguments[] = {word[0], word[1], word[2], word[3], (char *)(uintptr_t)package, NULL}; /* it writes to none */
  char *none[] = {NULL};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t reset;
  sigemptyset(&reset);
  sigaddset(&reset, SIGPIPE);
  int error = posix_spawn_file_actions_init(&files);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (error) {
    posix_spawn_file_actions_destroy(&files);
    return error;
  }
  error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  if (!error) error = posix_spawn_file_actions_addopen(&files, 2, p->log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (!error) error = posix_spawn_file_actions_addchdir_np(&files, p->folder);
  if (!error) error = posix_spawnattr_setpgroup(&attributes, 0);
  if (!error) error = posix_spawnattr_setsigdefault(&attributes, &reset);
  if (!error) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  if (!error) error = posix_spawnp(child, "npm", &files, &attributes, arguments, environment ? environment : none);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

/* Waits for the child and its group; after a cancel it is asked to end, then made to. */
static kohl_status wait_for(kohl_context *ctx, pid_t child, const kohl_fetch_meter *meter, int *result) {
  const struct timespec pause = {0, POLL_MS * 1000000L};
  const kohl_fetch_progress progress = {KOHL_FETCH_PACKS, 0, 0, 0};
  kohl_status status = KOHL_OK;
  for (int polls = 0;;) {
    pid_t pid = waitpid(child, result, WNOHANG);
    if (pid == child) return status;
    if (pid < 0 && errno != EINTR) return status ? status : kohl_cache_fail(ctx, "npm pack", "waiting for it");
    nanosleep(&pause, NULL);
    if (meter->show && !status) meter->show(&progress, meter->user);
    if (!status && (status = kohl_check_cancel(ctx))) kill(-child, SIGTERM);
    if (status && ++polls == PATIENCE) kill(-child, SIGKILL);
  }
}

/* The first line of what npm said that says something, without its own name for itself. */
static void first_words(const char *log, char text[SAID]) {
  static const char *const prefixes[] = {"npm ERR! ", "npm error "};
  FILE *file = fopen(log, "re");
  *text = 0;
  while (file && !*text && fgets(text, SAID, file)) {
    text[strcspn(text, "\r\n")] = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
      if (!strncmp(text, prefixes[i], strlen(prefixes[i])))
        memmove(text, text + strlen(prefixes[i]), strlen(text + strlen(prefixes[i])) + 1);
    if (!strncmp(text, "npm ", 4)) *text = 0; /* a notice or warning */
    for (size_t n = strlen(text); n > 0 && (text[n - 1] == '.' || text[n - 1] == ' '); n--) text[n - 1] = 0;
  }
  if (file) fclose(file);
}

static kohl_status run(kohl_context *ctx, const char *package, const place *p, char **environment,
                       const kohl_fetch_meter *meter, bool *missing) {
  pid_t child;
  int result = 0, error = start(package, p, environment, &child);
  *missing = true;
  if (error)
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "npm pack %s: cannot be run: %s", package,
                     error == ENOENT ? "this machine has no npm" : strerror(error));
  kohl_status status = wait_for(ctx, child, meter, &result);
  *missing = !status && !(WIFEXITED(result) && WEXITSTATUS(result) == 0 && access(p->package, R_OK) == 0);
  if (!*missing) return status;
  char said[SAID];
  first_words(p->log, said);
  if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "npm pack %s: made no %s", package, strrchr(p->package, '/') + 1);
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "npm pack %s: failed (%s %d): %s", package,
                   WIFSIGNALED(result) ? "signal" : "exit code",
                   WIFSIGNALED(result) ? WTERMSIG(result) : WEXITSTATUS(result),
                   *said ? kohl_quote(said, strlen(said)).text : "it does not say why");
}

kohl_status kohl_npm_pack(kohl_context *ctx, const char *package, const char *name, uint64_t most, char **environment,
                          const kohl_fetch_meter *meter, kohl_cache_file *file, bool *missing) {
  place p = {NULL, NULL, NULL};
  kohl_status status = place_make(ctx, file->path, name, &p);
  *missing = false;
  if (!status) {
    status = run(ctx, package, &p, environment, meter, missing);
    if (!status) status = kohl_local_copy(ctx, p.folder, name, most, meter, file);
    unlink(p.package);
    unlink(p.log);
    rmdir(p.folder);
  }
  place_free(ctx, &p);
  return status;
}
