/* kohl data: what is in a set of pictures, and what is made of it.  One function per verb; without a verb the set is
 * reported on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/data_pack.h"
#include "cli/data_report.h"
#include "cli/data_verbs.h"
#include "datasets/cifar.h"

/* Receives the operands behind the verb. */
typedef int (*verb_function)(cli *c, char **operands, int count);

static int data_report_verb(cli *c, char **operands, int count);
static int data_cifar_verb(cli *c, char **operands, int count);

static const struct {
  const char *name;
  verb_function run;
  int operands; /* behind the verb */
  const char *usage;
} verbs[] = {
    {"report", data_report_verb, 1, "DIR|CSV|-"},     {"cifar", data_cifar_verb, 2, "DIR|CSV|- OUT"},
    {"pack", data_pack, 2, "DIR|CSV|- OUT"},          {"split", data_split, 2, "SOURCE OUT.csv"},
    {"label", data_label, 3, "RULES IN.csv OUT.csv"}, {"balance", data_balance, 2, "SOURCE OUT --to N"},
};

kohl_source_options data_source_options(const cli *c) {
  return (kohl_source_options){.several_labels = cli_get(c, CLI_OPTION_several_labels)->set,
                               .coarse_labels = cli_get(c, CLI_OPTION_coarse)->set};
}

/* What kohl_samples_open hands to on_left_out. */
typedef struct {
  kohl_context *ctx;
  kohl_scan *scan;
  kohl_status status; /* of the entries so far */
} left_out;

static void on_left_out(void *user, const char *path, const char *why) {
  left_out *l = user;
  if (l->status == KOHL_OK) l->status = kohl_scan_left_out(l->ctx, l->scan, path, why);
}

static void show_progress(void *user, size_t done, size_t count) {
  cli *c = user;
  printf("\r%zu of %zu pictures\033[K", done, count);
  fflush(stdout);
  c->line_open = true;
}

data_progress_function data_progress(const cli *c) {
  return isatty(STDOUT_FILENO) == 1 && !cli_get(c, CLI_OPTION_quiet)->set ? show_progress : NULL;
}

static kohl_status look(cli *c, data_report *r) {
  left_out left = {c->ctx, &r->scan, KOHL_OK};
  kohl_source_options options = data_source_options(c);
  options.left_out = on_left_out;
  options.user = &left;
  kohl_status status = kohl_samples_open(c->ctx, r->source, &options, &r->samples);
  if (status == KOHL_OK) status = left.status;
  if (status == KOHL_OK) r->samples.other_files -= r->scan.bad_count; /* those are named, not passed over */
  if (status == KOHL_OK) status = kohl_scan_run(c->ctx, &r->samples, data_progress(c), c, &r->scan);
  if (status == KOHL_OK) status = kohl_duplicates_exact(c->ctx, &r->samples, &r->scan, &r->exact);
  if (status == KOHL_OK) {
    status = kohl_duplicates_similar(c->ctx, &r->samples, &r->scan, &r->exact, (int)cli_get(c, CLI_OPTION_near)->number,
                                     &r->similar);
  }
  cli_clear_line(c);
  return status;
}

static int compare(const void *a, const void *b) { return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b; }

/* Smallest, median (of an even number the upper) and largest. */
static void spread(uint16_t *values, size_t count, int out[3]) {
  if (!count) return;
  qsort(values, count, sizeof *values, compare);
  out[0] = values[0];
  out[1] = values[count / 2];
  out[2] = values[count - 1];
}

static void count_sample(data_report *r, size_t i) {
  size_t labels;
  uint8_t split = r->samples.sample[i].split;
  const int *label = kohl_sample_labels(&r->samples, i, &labels);
  for (size_t k = 0; k < labels; k++) {
    r->class[label[k]].count++;
    r->class[label[k]].part[split]++;
  }
  r->labels += labels;
  r->mode[r->scan.picture[i].mode]++;
}

/* n / (classes * n_class), as scikit-learn has it, over the training part where there is one. */
static void weigh(data_report *r) {
  size_t classes = r->samples.class_count, n = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (size_t k = 0; k < classes; k++) {
      size_t own = r->splits ? r->class[k].part[KOHL_SPLIT_TRAIN] : r->class[k].count;
      if (pass == 0) n += own;
      if (pass == 1) r->class[k].weight = own ? (double)n / ((double)classes * (double)own) : NAN;
    }
  }
}

static kohl_status count(cli *c, data_report *r) {
  const kohl_samples *s = &r->samples;
  uint16_t *sides = NULL;
  kohl_status status = kohl_alloc(c->ctx, s->class_count, sizeof *r->class, "the report", &r->class);
  if (status == KOHL_OK) status = kohl_alloc(c->ctx, r->scan.mode_count, sizeof *r->mode, "the report", &r->mode);
  if (status == KOHL_OK) status = kohl_alloc(c->ctx, s->count, 2 * sizeof *sides, "the report", &sides);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < s->count; i++) {
    const kohl_scan_picture *p = &r->scan.picture[i];
    r->splits |= s->sample[i].split != KOHL_SPLIT_UNSET;
    if (!p->w) continue;
    sides[r->good] = p->w;
    sides[s->count + r->good++] = p->h;
    count_sample(r, i);
  }
  spread(sides, r->good, r->w);
  spread(sides + s->count, r->good, r->h);
  weigh(r);
  kohl_free(c->ctx, sides);
  return KOHL_OK;
}

static int data_report_verb(cli *c, char **operands, int operand_count) {
  (void)operand_count;
  data_report r = {.source = operands[0]};
  kohl_status status = look(c, &r);
  if (status == KOHL_OK) status = count(c, &r);
  int code = status == KOHL_OK ? data_report_print(c, &r) : cli_fail_library(c, status);
  if (code == 0 && r.scan.bad_count) {
    code = cli_fail(c, KOHL_BAD_INPUT, "%s: %zu of %zu pictures are bad", r.source, r.scan.bad_count,
                    r.good + r.scan.bad_count);
  }
  kohl_free(c->ctx, r.class);
  kohl_free(c->ctx, r.mode);
  kohl_duplicates_free(c->ctx, &r.similar);
  kohl_duplicates_free(c->ctx, &r.exact);
  kohl_scan_free(c->ctx, &r.scan);
  kohl_samples_free(c->ctx, &r.samples);
  return code;
}

static int data_cifar_verb(cli *c, char **operands, int operand_count) {
  (void)operand_count;
  const char *size = cli_get(c, CLI_OPTION_size)->text;
  kohl_fit fit = {KOHL_FIT_LETTERBOX, KOHL_FILTER_LANCZOS, 32, 32, 0, 0.0, {255, 255, 255}};
  int code = size ? cli_parse_size(c, size, &fit.h, &fit.w) : 0;
  if (code) return code;
  kohl_source_options options = data_source_options(c);
  kohl_samples samples;
  size_t written = 0;
  kohl_status status = kohl_samples_open(c->ctx, operands[0], &options, &samples);
  if (status == KOHL_OK) status = kohl_cifar_write(c->ctx, &samples, &fit, operands[1], &written);
  if (status != KOHL_OK) {
    code = cli_fail_library(c, status);
  } else {
    cli_say(c, "%zu pictures of %d x %d in %s", written, fit.w, fit.h, operands[1]);
    if (samples.bad) code = (int)KOHL_BAD_INPUT;
  }
  kohl_samples_free(c->ctx, &samples);
  return code;
}

int cmd_data(cli *c) {
  char **operands = c->options.operands;
  int count_left = c->options.operand_count;
  size_t verb = 0;
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs && count_left > 1; i++) {
    if (strcmp(operands[0], verbs[i].name) != 0) continue;
    verb = i;
    operands++;
    count_left--;
    break;
  }
  bool named = operands != c->options.operands;
  if (count_left != verbs[verb].operands) {
    return cli_fail(c, KOHL_USAGE, "%d operands%s%s, expected %d; usage: kohl data [options] %s%s%s", count_left,
                    named ? " behind " : "", named ? verbs[verb].name : "", verbs[verb].operands,
                    named ? verbs[verb].name : "", named ? " " : "", verbs[verb].usage);
  }
  int code = cli_begin(c);
  return code ? code : verbs[verb].run(c, operands, count_left);
}
