/* Progress of training as people and programs read it.
 *
 * Lines that stay (epochs, phases, folds) are the same on a terminal and in a file, so that a log can be read like a
 * screen; the rewritten line and its escape sequences are for terminals alone. */
#include "cli/train_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/json.h"

enum { BAR_LEAST = 4, BAR_MOST = 24, LINE = 512, NAME = 16 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Columns of the terminal, which may change. */
static size_t columns(void) {
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void add(char line[LINE], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char line[LINE], const char *format, ...) {
  size_t used = strlen(line);
  va_list args;
  va_start(args, format);
  vsnprintf(line + used, LINE - used, format, args);
  va_end(args);
}

/* Ends a UTF-8 text after so many columns. */
static void cut(char *text, size_t width) {
  size_t seen = 0;
  for (; *text; text++) {
    if (((unsigned char)*text & 0xc0) != 0x80 && seen++ == width) break;
  }
  *text = 0;
}

/* "1:05" or "2:03:45". */
static void add_time(char line[LINE], double seconds) {
  long s = seconds > 0 && seconds < 1e8 ? (long)(seconds + 0.5) : 0;
  if (s >= 3600) {
    add(line, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  } else {
    add(line, "%ld:%02ld", s / 60, s % 60);
  }
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && !strcmp(text + n - m, end);
}

/* The watched figure in the words of a line: "val balanced 69.1 %", "val loss 0.7012". */
static void add_watched(char line[LINE], const kohl_train_progress *p) {
  char name[64];
  if (!p->watched || isnan(p->watched_value)) return;
  bool share = ends_with(p->watched, "accuracy");
  snprintf(name, sizeof name, "%s", p->watched);
  if (ends_with(name, "_balanced_accuracy")) {
    name[strlen(name) - strlen("_accuracy")] = 0;
  } else if (share) {
    name[strlen(name) - strlen("uracy")] = 0;
  }
  for (char *at = name; *at; at++) *at = *at == '_' ? ' ' : *at;
  add(line, share ? " %s %.1f %%" : " %s %.4f", name, share ? 100 * p->watched_value : p->watched_value);
}

/* How much of a line is said where the terminal is narrow. */
typedef enum detail { CUT, NO_RATE, NO_PLACE, ALL } detail;

static void add_left(const train_view *v, const kohl_train_progress *p, detail how, char line[LINE]) {
  if (v->fold && how > NO_PLACE) add(line, "fold %d/%d ", v->fold, v->folds);
  if (strcmp(p->what, "training")) {
    add(line, "%s", p->what);
    return;
  }
  if (p->phase_name && *p->phase_name && how > NO_PLACE) {
    char name[LINE];
    snprintf(name, sizeof name, "%s", p->phase_name);
    cut(name, NAME);
    add(line, "%s ", name);
  } else if (p->phases > 1 && how > NO_PLACE) {
    add(line, "phase %d/%d ", p->phase, p->phases);
  }
  add(line, "epoch %d/%d", p->epoch, p->epochs);
}

/* Steps are not counted for people: the bar has them, the rate is in pictures. */
static void add_right(const kohl_train_progress *p, detail how, char line[LINE]) {
  if (strcmp(p->what, "training")) {
    add(line, " %zu of %zu", p->done, p->count);
  } else {
    add(line, " loss %.4f", p->loss);
    add_watched(line, p);
  }
  if (how > NO_RATE && p->rate > 0) add(line, " %.0f/s", p->rate);
  add(line, " left ");
  add_time(line, p->seconds_left);
}

/* The rewritten line, at most ten times a second: as much as the terminal has room for, the rest of it a bar. */
static void show_line(train_view *v, const kohl_train_progress *p) {
  double time = now();
  if (time - v->shown < 0.1 && p->done < p->count) return;
  v->shown = time;
  char left[LINE], right[LINE];
  size_t room = columns() - 1, used = 0; /* in the last column some terminals begin a new line */
  for (detail how = ALL;; how--) {
    *left = *right = 0;
    add_left(v, p, how, left);
    add_right(p, how, right);
    used = cli_text_width(left) + cli_text_width(right);
    if (used <= room || how == CUT) break;
  }
  if (room >= used + BAR_LEAST + 3) {
    char bar[BAR_MOST + 1];
    size_t width = room - used - 3 < BAR_MOST ? room - used - 3 : BAR_MOST;
    memset(bar, '.', width);
    memset(bar, '=', p->count && p->done < p->count ? p->done * width / p->count : width);
    bar[width] = 0;
    add(left, " [%s]", bar);
  }
  add(left, "%s", right);
  cut(left, room);
  putchar('\r');
  cli_print_safe(left, strlen(left), stdout);
  fputs("\033[K", stdout);
  fflush(stdout);
  v->c->line_open = true;
}

/* The line of an epoch.  What is watched is added where it is none of the three figures that are always there; without
 * validation pictures there are none. */
static void show_epoch(const kohl_train_progress *p) {
  int digits = p->epochs > 99 ? 3 : p->epochs > 9 ? 2 : 1;
  printf("epoch %*d/%d  loss %.4f acc %4.1f %%", digits, p->epoch, p->epochs, p->loss, 100.0 * p->accuracy);
  if (!p->watched || !isnan(p->watched_value)) {
    printf("  val loss %.4f acc %4.1f %% balanced %4.1f %%", p->val_loss, 100.0 * p->val_accuracy,
           100.0 * p->val_balanced_accuracy);
  }
  static const char *const printed[] = {"val_loss", "val_accuracy", "val_balanced_accuracy"};
  bool told = !p->watched;
  for (int i = 0; i < 3 && !told; i++) told = !strcmp(p->watched, printed[i]);
  char line[LINE] = "";
  if (!told) add_watched(line, p);
  printf("%s\n", line);
}

/* What begins or ends, as a line that stays; false: nothing to say. */
static bool show_event(train_view *v, const kohl_train_progress *p) {
  const char *name = p->phase_name ? p->phase_name : "";
  char line[LINE] = "";
  if (!strcmp(p->what, "fold")) {
    add(line, "fold %d of %d", v->fold, v->folds);
  } else if (!strcmp(p->what, "phase")) {
    add(line, "phase %d of %d%s%s: %d epoch%s", p->phase, p->phases, *name ? ", " : "", name, p->epochs,
        p->epochs == 1 ? "" : "s");
  } else if (!strcmp(p->what, "stopped early")) {
    add(line, "stopped early after epoch %d of %d", p->epoch, p->epochs);
  } else if (!v->terminal && p->done == p->count && strcmp(p->what, "training")) {
    add(line, "%s of %zu pictures", p->what, p->count);
    if (p->rate > 0) add(line, ", %.1f a second", p->rate);
  } else {
    return false;
  }
  cli_clear_line(v->c);
  cli_print_safe(line, strlen(line), stdout);
  putchar('\n');
  return true;
}

void train_view_result_json(kohl_json_writer *w, const kohl_train_result *r) {
  cli_json_count(w, "epochs", (uint64_t)r->epochs);
  cli_json_count(w, "best_epoch", (uint64_t)r->best_epoch);
  cli_json_count(w, "steps", (uint64_t)r->steps);
  cli_json_count(w, "pictures", r->pictures);
  cli_json_count(w, "bad", r->bad);
  cli_json_number(w, "loss", r->loss);
  cli_json_number(w, "accuracy", r->accuracy);
  cli_json_number(w, "val_loss", r->val_loss);
  cli_json_number(w, "val_accuracy", r->val_accuracy);
  cli_json_number(w, "val_balanced_accuracy", r->val_balanced_accuracy);
}

/* A number that does not exist yet is null. */
static void print_json(train_view *v, const kohl_train_progress *p) {
  bool epoch = !strcmp(p->what, "epoch"), fold = !strcmp(p->what, "fold");
  if (!epoch && !fold && strcmp(p->what, "phase") && strcmp(p->what, "stopped early")) return;
  kohl_json_writer w;
  kohl_json_write_begin(&w, v->c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "event", p->what);
  if (v->fold) {
    cli_json_count(&w, "fold", (uint64_t)v->fold);
    cli_json_count(&w, "folds", (uint64_t)v->folds);
  }
  if (!fold) {
    cli_json_count(&w, "phase", (uint64_t)p->phase);
    cli_json_count(&w, "phases", (uint64_t)p->phases);
    if (p->phase_name) cli_json_text(&w, "phase_name", p->phase_name);
    cli_json_count(&w, "epoch", (uint64_t)p->epoch);
    cli_json_count(&w, "epochs", (uint64_t)p->epochs);
    cli_json_count(&w, "step", (uint64_t)p->step);
    if (p->watched) cli_json_text(&w, "watched", p->watched);
    if (p->watched) cli_json_number(&w, "watched_value", p->watched_value);
  }
  if (epoch) {
    cli_json_number(&w, "loss", p->loss);
    cli_json_number(&w, "accuracy", p->accuracy);
    cli_json_number(&w, "val_loss", p->val_loss);
    cli_json_number(&w, "val_accuracy", p->val_accuracy);
    cli_json_number(&w, "val_balanced_accuracy", p->val_balanced_accuracy);
    cli_json_number(&w, "pictures_per_s", p->rate);
    cli_json_number(&w, "seconds_left", p->seconds_left);
  }
  kohl_json_write_object_end(&w);
  cli_print_json(v->c, &w);
}

train_view train_view_begin(cli *c) {
  return (train_view){.c = c,
                      .terminal = isatty(STDOUT_FILENO) == 1,
                      .json = cli_get(c, CLI_OPTION_json)->set,
                      .quiet = cli_get(c, CLI_OPTION_quiet)->set};
}

void train_view_progress(const kohl_train_progress *p, void *user) {
  train_view *v = user;
  if (!strcmp(p->what, "fold")) {
    v->fold = (int)p->done;
    v->folds = (int)p->count;
  }
  if (v->c->output_ended || v->quiet) return;
  if (v->json) {
    print_json(v, p);
  } else if (!strcmp(p->what, "epoch")) {
    cli_clear_line(v->c);
    show_epoch(p);
    cli_flush(v->c, 0);
  } else if (show_event(v, p)) {
    cli_flush(v->c, 0);
  } else if (v->terminal) {
    show_line(v, p);
  }
}
