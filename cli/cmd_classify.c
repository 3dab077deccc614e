/* kohl classify: what is in pictures. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/network.h"
#include "infer/classify.h"

typedef struct classify_view {
  cli *c;
  const kohl_model *model;
  kohl_classifier *classifier;
  int *order; /* of the best classes: topk of them, with many labels room for all */
  int topk, label_width;
  bool raw;
  bool many;         /* labels have thresholds: the output says which are given */
  bool all_given;    /* those beyond topk are shown too, where they are given */
  kohl_status worst; /* of single pictures */
} classify_view;

/* A class by its label, or "class 17" for a model without labels. */
typedef struct label_text {
  char text[KOHL_NAME_TEXT + 16];
} label_text;
static label_text label_of(const kohl_model *model, int i) {
  label_text out;
  if ((size_t)i < model->label_count) {
    snprintf(out.text, sizeof out.text, "%s", model->labels[i]);
  } else {
    snprintf(out.text, sizeof out.text, "class %d", i);
  }
  return out;
}

/* The shortest of %.6g to %.9g that reads back as the same float. */
static void print_float(float value) {
  char text[32];
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if (strtof(text, NULL) == value) break;
  }
  fputs(text, stdout);
}

static kohl_status print_object(classify_view *v, const kohl_classified *r, int best) {
  kohl_json_writer writer, *w = &writer;
  kohl_json_write_begin(w, v->c->ctx);
  kohl_json_write_object_begin(w);
  cli_json_text(w, "file", r->path);
  kohl_json_write_key(w, "predictions");
  kohl_json_write_array_begin(w);
  for (int i = 0; i < best; i++) {
    kohl_json_write_object_begin(w);
    cli_json_text(w, "label", label_of(v->model, v->order[i]).text);
    kohl_json_write_key(w, "probability");
    kohl_json_write_float(w, r->probabilities[v->order[i]]);
    if (r->chosen) {
      kohl_json_write_key(w, "chosen");
      kohl_json_write_bool(w, r->chosen[v->order[i]]);
    }
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
  int classes = kohl_classifier_classes(v->classifier);
  if (v->raw && classes) cli_json_floats(w, "logits", r->logits, (size_t)classes);
  if (r->features) {
    kohl_shape shape = kohl_classifier_features_shape(v->classifier);
    cli_json_shape(w, "features_shape", shape);
    cli_json_floats(w, "features", r->features, (size_t)shape.h * (size_t)shape.w * (size_t)shape.c);
  }
  kohl_json_write_object_end(w);
  kohl_status status = kohl_json_write_end(w);
  if (status == KOHL_OK) {
    fwrite(w->text, 1, w->length, stdout);
    putchar('\n');
  }
  kohl_json_write_free(w);
  return status;
}

static void print_rows(classify_view *v, const kohl_classified *r, int best) {
  const char *format = cli_get(v->c, CLI_OPTION_format)->text;
  char separator = *format == 'c' ? ',' : '\t';
  for (int i = 0; i < best; i++) {
    cli_print_field(r->path, format, stdout);
    printf("%c%d%c", separator, i + 1, separator);
    cli_print_field(label_of(v->model, v->order[i]).text, format, stdout);
    putchar(separator);
    print_float(r->probabilities[v->order[i]]);
    if (v->raw) {
      putchar(separator);
      print_float(r->logits[v->order[i]]);
    }
    if (r->chosen) printf("%c%d", separator, r->chosen[v->order[i]]);
    putchar('\n');
  }
}

static void print_block(classify_view *v, const kohl_classified *r, int best) {
  cli_print_safe(r->path, strlen(r->path), stdout);
  putchar('\n');
  for (int i = 0; i < best; i++) {
    label_text label = label_of(v->model, v->order[i]);
    bool chosen = r->chosen && r->chosen[v->order[i]];
    printf("%c %6.2f %%  ", chosen ? '*' : ' ', 100.0 * (double)r->probabilities[v->order[i]]);
    cli_print_safe(label.text, strlen(label.text), stdout);
    if (v->raw) {
      int blanks = v->label_width - (int)cli_text_width(label.text);
      printf("%*s  %10.4f", blanks > 0 ? blanks : 0, "", (double)r->logits[v->order[i]]);
    }
    putchar('\n');
  }
}

/* Fills order with the classes to be shown, best first; returns how many. */
static int order_classes(classify_view *v, const kohl_classified *r) {
  int classes = kohl_classifier_classes(v->classifier);
  if (!classes || !r->chosen || !v->all_given) {
    return classes ? kohl_top_k(r->probabilities, classes, v->topk, v->order) : 0;
  }
  int kept = 0;
  kohl_top_k(r->probabilities, classes, classes, v->order);
  for (int i = 0; i < classes; i++) {
    if (i < v->topk || r->chosen[v->order[i]]) v->order[kept++] = v->order[i];
  }
  return kept;
}

static kohl_status print_result(void *user, const kohl_classified *r) {
  classify_view *v = user;
  if (r->status != KOHL_OK) {
    cli_complain(v->c, "%s", r->error);
    if (v->worst == KOHL_OK) v->worst = r->status;
    return KOHL_OK;
  }
  int best = order_classes(v, r);
  kohl_status status = KOHL_OK;
  if (cli_format_is(v->c, "json")) {
    status = print_object(v, r, best);
  } else if (cli_format_is(v->c, "table")) {
    print_block(v, r, best);
  } else {
    print_rows(v, r, best);
  }
  cli_flush(v->c, 0);
  return v->c->output_ended ? KOHL_INTERRUPTED : status;
}

/* The operands behind the model, - replaced by the lines of standard input.  *lines is the memory of those. */
static int list_files(cli *c, const char ***files, size_t *count, char **lines) {
  size_t room = 0, length = 0, capacity = 0, more = 0;
  for (int i = 1; i < c->options.operand_count; i++) {
    if (strcmp(c->options.operands[i], "-")) continue;
    kohl_status status = KOHL_OK;
    for (size_t got = 1; status == KOHL_OK && got; length += got) {
      got = 0;
      status = kohl_grow(c->ctx, lines, &capacity, length + 65536, 1, "the list of files");
      if (status == KOHL_OK) got = fread(*lines + length, 1, 65535, stdin);
    }
    if (status != KOHL_OK) return cli_fail_library(c, status);
    if (ferror(stdin)) return cli_fail(c, KOHL_BAD_INPUT, "standard input: %s", strerror(errno));
    (*lines)[length] = 0;
  }
  for (size_t i = 0; i < length; i++) more += (*lines)[i] == '\n';
  room = (size_t)c->options.operand_count + more + 1;
  kohl_status status = kohl_alloc(c->ctx, room, sizeof **files, "the list of files", files);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  for (int i = 1; i < c->options.operand_count; i++) {
    if (strcmp(c->options.operands[i], "-")) {
      (*files)[(*count)++] = c->options.operands[i];
      continue;
    }
    for (char *at = *lines, *end = at ? at + length : at; at && at < end;) {
      size_t n = strcspn(at, "\n");
      at[n] = 0;
      if (n && at[n - 1] == '\r') at[n - 1] = 0;
      if (*at) (*files)[(*count)++] = at;
      at += n + 1;
    }
    length = 0; /* a second - has nothing left to read */
  }
  return 0;
}

static int classify_files(cli *c, classify_view *v, const char *const *files, size_t count) {
  kohl_classifier_options options = kohl_classifier_options_default();
  const cli_value *batch = cli_get(c, CLI_OPTION_batch);
  if (batch->set) options.batch = (int)batch->number;
  if ((size_t)options.batch > count) options.batch = count ? (int)count : 1;
  options.features = cli_get(c, CLI_OPTION_features)->text;
  kohl_status status = kohl_classifier_create(c->ctx, v->model, &options, &v->classifier);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  int classes = kohl_classifier_classes(v->classifier);
  if (v->topk > classes) v->topk = classes;
  status =
      kohl_alloc(c->ctx, (size_t)(v->many ? classes : v->topk) + 1, sizeof *v->order, "the best classes", &v->order);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  for (size_t i = 0; i < v->model->label_count; i++) {
    int width = (int)cli_text_width(v->model->labels[i]);
    if (width > v->label_width) v->label_width = width < 40 ? width : 40;
  }
  const char *format = cli_get(c, CLI_OPTION_format)->text;
  char s = *format == 'c' ? ',' : '\t';
  if (strlen(format) == 3)
    printf("file%crank%clabel%cprobability%s%s\n", s, s, s,
           !v->raw    ? ""
           : s == ',' ? ",logit"
                      : "\tlogit",
           !v->many   ? ""
           : s == ',' ? ",chosen"
                      : "\tchosen");
  status = kohl_classify(v->classifier, files, count, print_result, v);
  if (c->output_ended) return c->output_code;
  return status == KOHL_OK ? (int)v->worst : cli_fail_library(c, status);
}

int cmd_classify(cli *c) {
  bool json = cli_format_is(c, "json"), features = cli_get(c, CLI_OPTION_features)->set;
  if (features && !json) return cli_fail(c, KOHL_USAGE, "--features: needs --format json");
  if (c->options.operand_count < 2) {
    return cli_fail(c, KOHL_USAGE, "too few arguments; usage: kohl classify [options] MODEL FILE...");
  }
  int code = cli_begin(c);
  if (code) return code;
  classify_view view;
  memset(&view, 0, sizeof view);
  view.c = c;
  view.topk = (int)cli_get(c, CLI_OPTION_topk)->number;
  view.raw = cli_get(c, CLI_OPTION_raw)->set;
  kohl_model *model = NULL;
  const char **files = NULL;
  char *lines = NULL;
  size_t count = 0;
  code = cli_network_open(c, c->options.operands[0], NULL, &model);
  if (code == 0 && model->task == KOHL_TASK_NONE && !features) {
    code = cli_fail(c, KOHL_USAGE, "%s: the model has no head; --features LAYER --format json gives a layer's output",
                    c->options.operands[0]);
  }
  if (code == 0) code = list_files(c, &files, &count, &lines);
  view.model = model;
  view.many = model && model->task == KOHL_TASK_MANY_LABELS;
  view.all_given = !cli_get(c, CLI_OPTION_topk)->set;
  if (code == 0) code = classify_files(c, &view, files, count);
  kohl_classifier_destroy(view.classifier);
  kohl_free(c->ctx, view.order);
  kohl_free(c->ctx, files);
  kohl_free(c->ctx, lines);
  kohl_model_destroy(c->ctx, model);
  return code;
}
