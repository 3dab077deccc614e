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
  bool many;         /* labels of a head have thresholds: the output says which are given */
  bool all_given;    /* those beyond topk are shown too, where they are given */
  kohl_status worst; /* of single pictures */
} classify_view;

/* One head's part of a result. */
typedef struct answer {
  const char *head; /* its name; NULL for a model with one */
  char *const *labels;
  size_t label_count;
  const float *probabilities, *logits;
  const bool *chosen; /* NULL for one label */
  int classes;
} answer;

static answer answer_of(const classify_view *v, const kohl_classified *r, size_t h) {
  const kohl_model_head head = kohl_model_head_at(v->model, h);
  answer a = {
      v->model->more_count ? head.layer : NULL, head.labels, head.label_count, r->probabilities, r->logits, r->chosen,
      kohl_classifier_classes(v->classifier)};
  if (h == 0) return a;
  a.probabilities = r->more[h - 1].probabilities;
  a.logits = r->more[h - 1].logits;
  a.chosen = r->more[h - 1].chosen;
  a.classes = (int)head.label_count;
  return a;
}

/* A class by its label, or "class 17" for a model without labels. */
typedef struct label_text {
  char text[KOHL_NAME_TEXT + 16];
} label_text;
static label_text label_of(const answer *a, int i) {
  label_text out;
  if ((size_t)i < a->label_count) {
    snprintf(out.text, sizeof out.text, "%s", a->labels[i]);
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

/* Fills order with the classes to be shown, best first; returns how many. */
static int order_classes(classify_view *v, const answer *a) {
  if (!a->classes || !a->chosen || !v->all_given) {
    return a->classes ? kohl_top_k(a->probabilities, a->classes, v->topk, v->order) : 0;
  }
  int kept = 0;
  kohl_top_k(a->probabilities, a->classes, a->classes, v->order);
  for (int i = 0; i < a->classes; i++) {
    if (i < v->topk || a->chosen[v->order[i]]) v->order[kept++] = v->order[i];
  }
  return kept;
}

/* The members "predictions" and "logits" of one head. */
static void print_answer(classify_view *v, const answer *a, kohl_json_writer *w) {
  const int best = order_classes(v, a);
  kohl_json_write_key(w, "predictions");
  kohl_json_write_array_begin(w);
  for (int i = 0; i < best; i++) {
    kohl_json_write_object_begin(w);
    cli_json_text(w, "label", label_of(a, v->order[i]).text);
    kohl_json_write_key(w, "probability");
    kohl_json_write_float(w, a->probabilities[v->order[i]]);
    if (a->chosen) {
      kohl_json_write_key(w, "chosen");
      kohl_json_write_bool(w, a->chosen[v->order[i]]);
    }
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
  if (v->raw && a->classes) cli_json_floats(w, "logits", a->logits, (size_t)a->classes);
}

static kohl_status print_object(classify_view *v, const kohl_classified *r) {
  kohl_json_writer writer, *w = &writer;
  answer first = answer_of(v, r, 0);
  kohl_json_write_begin(w, v->c->ctx);
  kohl_json_write_object_begin(w);
  cli_json_text(w, "file", r->path);
  if (first.head) cli_json_text(w, "head", first.head);
  print_answer(v, &first, w);
  if (first.head) {
    kohl_json_write_key(w, "heads");
    kohl_json_write_object_begin(w);
    for (size_t h = 1; h < kohl_model_heads(v->model); h++) {
      const answer a = answer_of(v, r, h);
      kohl_json_write_key(w, a.head);
      kohl_json_write_object_begin(w);
      print_answer(v, &a, w);
      kohl_json_write_object_end(w);
    }
    kohl_json_write_object_end(w);
  }
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

static void print_rows(classify_view *v, const char *path, const answer *a) {
  const char *format = cli_get(v->c, CLI_OPTION_format)->text;
  char separator = *format == 'c' ? ',' : '\t';
  const int best = order_classes(v, a);
  for (int i = 0; i < best; i++) {
    cli_print_field(path, format, stdout);
    if (a->head) printf("%c%s", separator, a->head);
    printf("%c%d%c", separator, i + 1, separator);
    cli_print_field(label_of(a, v->order[i]).text, format, stdout);
    putchar(separator);
    print_float(a->probabilities[v->order[i]]);
    if (v->raw) {
      putchar(separator);
      print_float(a->logits[v->order[i]]);
    }
    if (a->chosen) printf("%c%d", separator, a->chosen[v->order[i]]);
    if (!a->chosen && v->many) putchar(separator); /* the column is another head's */
    putchar('\n');
  }
}

static void print_block(classify_view *v, const answer *a) {
  const int best = order_classes(v, a);
  if (a->head) printf("  %s\n", a->head);
  for (int i = 0; i < best; i++) {
    label_text label = label_of(a, v->order[i]);
    bool chosen = a->chosen && a->chosen[v->order[i]];
    printf("%s%c %6.2f %%  ", a->head ? "  " : "", chosen ? '*' : ' ', 100.0 * (double)a->probabilities[v->order[i]]);
    cli_print_safe(label.text, strlen(label.text), stdout);
    if (v->raw) {
      int blanks = v->label_width - (int)cli_text_width(label.text);
      printf("%*s  %10.4f", blanks > 0 ? blanks : 0, "", (double)a->logits[v->order[i]]);
    }
    putchar('\n');
  }
}

static kohl_status print_result(void *user, const kohl_classified *r) {
  classify_view *v = user;
  if (r->status != KOHL_OK) {
    cli_complain(v->c, "%s", r->error);
    if (v->worst == KOHL_OK) v->worst = r->status;
    return KOHL_OK;
  }
  kohl_status status = KOHL_OK;
  const bool table = cli_format_is(v->c, "table");
  if (cli_format_is(v->c, "json")) {
    status = print_object(v, r);
  } else if (table) {
    cli_print_safe(r->path, strlen(r->path), stdout);
    putchar('\n');
  }
  for (size_t h = 0; h < kohl_model_heads(v->model) && !cli_format_is(v->c, "json"); h++) {
    const answer a = answer_of(v, r, h);
    if (table) print_block(v, &a);
    if (!table) print_rows(v, r->path, &a);
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
  for (size_t h = 0; h < kohl_model_heads(v->model); h++) {
    const kohl_model_head head = kohl_model_head_at(v->model, h);
    if ((int)head.label_count > classes) classes = (int)head.label_count;
    v->many = v->many || head.task == KOHL_TASK_MANY_LABELS;
    for (size_t i = 0; i < head.label_count; i++) {
      int width = (int)cli_text_width(head.labels[i]);
      if (width > v->label_width) v->label_width = width < 40 ? width : 40;
    }
  }
  if (v->topk > classes) v->topk = classes;
  status =
      kohl_alloc(c->ctx, (size_t)(v->many ? classes : v->topk) + 1, sizeof *v->order, "the best classes", &v->order);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  const char *format = cli_get(c, CLI_OPTION_format)->text;
  char s = *format == 'c' ? ',' : '\t';
  if (strlen(format) == 3)
    printf("file%s%crank%clabel%cprobability%s%s\n",
           !v->model->more_count ? ""
           : s == ','            ? ",head"
                                 : "\thead",
           s, s, s,
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
  view.all_given = !cli_get(c, CLI_OPTION_topk)->set;
  if (code == 0) code = classify_files(c, &view, files, count);
  kohl_classifier_destroy(view.classifier);
  kohl_free(c->ctx, view.order);
  kohl_free(c->ctx, files);
  kohl_free(c->ctx, lines);
  kohl_model_destroy(c->ctx, model);
  return code;
}
