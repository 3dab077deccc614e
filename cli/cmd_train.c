/* kohl train: a recipe on labelled pictures, with its progress. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "train/fit.h"

enum { BAR = 16 };

typedef struct train_view {
  cli *c;
  bool terminal; /* standard output can rewrite a line */
  double shown;  /* seconds: when the line was last written */
} train_view;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* "1:05" or "2:03:45". */
static void print_time(double seconds) {
  long s = seconds > 0 && seconds < 1e8 ? (long)(seconds + 0.5) : 0;
  if (s >= 3600) {
    printf("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  } else {
    printf("%ld:%02ld", s / 60, s % 60);
  }
}

/* The rewritten line, at most ten times a second; it fits 80 columns. */
static void print_line(train_view *v, const kohl_train_progress *p) {
  double time = now();
  if (time - v->shown < 0.1 && p->done < p->count) return;
  v->shown = time;
  char bar[BAR + 1];
  size_t full = p->count ? p->done * BAR / p->count : 0;
  memset(bar, '.', BAR);
  memset(bar, '=', full < BAR ? full : BAR);
  bar[BAR] = 0;
  if (!strcmp(p->what, "training")) {
    printf("\repoch %d/%d [%s] loss %.4f accuracy %.1f %%", p->epoch, p->epochs, bar, p->loss, 100.0 * p->accuracy);
  } else {
    printf("\r%s [%s] %zu of %zu", p->what, bar, p->done, p->count);
  }
  printf(" %.0f/s left ", p->rate);
  print_time(p->seconds_left);
  printf("\033[K");
  fflush(stdout);
  v->c->line_open = true;
}

static void print_epoch(const kohl_train_progress *p) {
  printf("epoch %*d/%d  loss %.4f acc %4.1f %%  val loss %.4f acc %4.1f %% balanced %4.1f %%\n",
         p->epochs > 99  ? 3
         : p->epochs > 9 ? 2
                         : 1,
         p->epoch, p->epochs, p->loss, 100.0 * p->accuracy, p->val_loss, 100.0 * p->val_accuracy,
         100.0 * p->val_balanced_accuracy);
}

static void print_epoch_json(cli *c, const kohl_train_progress *p) {
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_count(&w, "epoch", (uint64_t)p->epoch);
  cli_json_count(&w, "epochs", (uint64_t)p->epochs);
  cli_json_count(&w, "step", (uint64_t)p->step);
  cli_json_number(&w, "loss", p->loss);
  cli_json_number(&w, "accuracy", p->accuracy);
  cli_json_number(&w, "val_loss", p->val_loss);
  cli_json_number(&w, "val_accuracy", p->val_accuracy);
  cli_json_number(&w, "val_balanced_accuracy", p->val_balanced_accuracy);
  cli_json_number(&w, "pictures_per_s", p->rate);
  kohl_json_write_object_end(&w);
  cli_print_json(c, &w);
}

static void on_progress(const kohl_train_progress *p, void *user) {
  train_view *v = user;
  bool epoch = !strcmp(p->what, "epoch");
  if (v->c->output_ended) return;
  if (cli_get(v->c, CLI_OPTION_json)->set) {
    if (epoch) print_epoch_json(v->c, p);
  } else if (cli_get(v->c, CLI_OPTION_quiet)->set) {
    return;
  } else if (epoch) {
    cli_clear_line(v->c);
    print_epoch(p);
    cli_flush(v->c, 0);
  } else if (v->terminal) {
    print_line(v, p);
  } else if (p->done == p->count && strcmp(p->what, "training")) {
    printf("%s of %zu pictures, %.1f a second\n", p->what, p->count, p->rate);
    cli_flush(v->c, 0);
  }
}

static int finish(cli *c, const char *run, kohl_status status, const kohl_train_result *r) {
  cli_clear_line(c);
  if (status == KOHL_INTERRUPTED) {
    return cli_fail(c, status, "interrupted; kohl train --resume --out %s goes on from the last complete epoch", run);
  }
  if (status != KOHL_OK) return cli_fail_library(c, status);
  if (cli_get(c, CLI_OPTION_quiet)->set || cli_get(c, CLI_OPTION_json)->set) return cli_flush(c, 0);
  printf("best epoch %d of %d: validation loss %.4f, accuracy %.2f %%, balanced %.2f %%\n", r->best_epoch, r->epochs,
         r->val_loss, 100.0 * r->val_accuracy, 100.0 * r->val_balanced_accuracy);
  if (r->bad) printf("%zu of %zu pictures could not be read\n", r->bad, r->pictures);
  printf("model: %s/best.safetensors\n", run);
  return cli_flush(c, 0);
}

int cmd_train(cli *c) {
  kohl_train_options options = {
      .recipe = c->options.operand_count ? c->options.operands[0] : NULL,
      .data = cli_get(c, CLI_OPTION_data)->text,
      .run = cli_get(c, CLI_OPTION_out)->text,
      .init_from = cli_get(c, CLI_OPTION_init_from)->text,
      .resume = cli_get(c, CLI_OPTION_resume)->set,
      .overrides = cli_get(c, CLI_OPTION_set)->list,
      .override_count = cli_get(c, CLI_OPTION_set)->list_count,
      .progress = on_progress,
  };
  if (!options.run) return cli_fail(c, KOHL_USAGE, "no --out RUN, expected the folder of the run");
  if (!options.data) return cli_fail(c, KOHL_USAGE, "no --data DIR|CSV, expected the labelled pictures");
  if (!options.recipe && !options.resume) {
    return cli_fail(c, KOHL_USAGE, "no RECIPE; usage: kohl train [options] RECIPE (only --resume goes without)");
  }
  int code = cli_begin(c);
  if (code) return code;
  train_view view = {c, isatty(STDOUT_FILENO) == 1, 0.0};
  options.progress_user = &view;
  kohl_train_result result;
  memset(&result, 0, sizeof result);
  kohl_status status = kohl_train(c->ctx, &options, &result);
  return finish(c, options.run, status, &result);
}
