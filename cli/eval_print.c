/* Tables of an evaluation. */
#include "cli/eval_print.h"

#include <stdio.h>

enum { CONFUSIONS_SHOWN = 5, LABEL = 22 };

static void percent(const char *name, double value) { printf("%-*s%7.2f %%\n", LABEL, name, 100.0 * value); }
static void plain(const char *name, double value) { printf("%-*s%7.4f\n", LABEL, name, value); }

/* "accuracy                71.43 %    95 %: 66.40 to 75.96 (Wilson), 66.57 to 76.00 (bootstrap)" */
static void with_intervals(const char *name, double value, const kohl_interval *wilson, const kohl_interval *drawn) {
  printf("%-*s%7.2f %%", LABEL, name, 100.0 * value);
  if (wilson || drawn) printf("    95 %%: ");
  if (wilson) printf("%.2f to %.2f (Wilson)", 100.0 * wilson->low, 100.0 * wilson->high);
  if (drawn) printf("%s%.2f to %.2f (bootstrap)", wilson ? ", " : "", 100.0 * drawn->low, 100.0 * drawn->high);
  putchar('\n');
}

/* A pair of ranks, macro and micro; a dash where there is none. */
static void ranks(const char *name, double macro, int classes_used, int classes, double micro, bool micro_ranked) {
  printf("%-*s", LABEL, name);
  if (classes_used) {
    printf("%7.4f macro", macro);
  } else {
    printf("      - macro");
  }
  if (classes_used < classes) printf(" (over %d of %d classes)", classes_used, classes);
  if (micro_ranked) printf(", %.4f micro", micro);
  putchar('\n');
}

static void print_pictures(const kohl_evaluation *e) {
  printf("%-*s%7zu", LABEL, "pictures", e->predictions.count);
  if (e->bad) printf(", and %zu that could not be read", e->bad);
  putchar('\n');
}

static void print_accuracies(const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  const kohl_bootstrap *b = e->bootstrap.resamples ? &e->bootstrap : NULL;
  with_intervals("accuracy", m->accuracy, e->many ? NULL : &e->accuracy, b ? &b->accuracy : NULL);
  percent("top 3", m->top3);
  percent("top 5", m->top5);
  if (e->topk != 1 && e->topk != 3 && e->topk != 5) {
    char name[32];
    snprintf(name, sizeof name, "top %d", e->topk);
    percent(name, kohl_metrics_top(m, e->topk));
  }
  with_intervals("balanced accuracy", m->balanced_accuracy, NULL, b ? &b->balanced_accuracy : NULL);
}

static void print_one(const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  const kohl_bootstrap *b = e->bootstrap.resamples ? &e->bootstrap : NULL;
  print_accuracies(e);
  with_intervals("macro F1", m->macro_f1, NULL, b ? &b->macro_f1 : NULL);
  percent("weighted F1", m->weighted_f1);
  if (m->beta != 1) {
    char name[32];
    snprintf(name, sizeof name, "macro F%g", m->beta);
    percent(name, m->macro_fbeta);
  }
  percent("macro precision", m->macro_precision);
  percent("macro recall", m->macro_recall);
  percent("macro specificity", m->macro_specificity);
  plain("Cohen's kappa", m->kappa);
  ranks("ROC AUC", m->roc_auc_macro, m->classes_used, m->classes, m->roc_auc_micro, m->micro_ranked);
  ranks("average precision", m->average_precision_macro, m->classes_used, m->classes, m->average_precision_micro,
        m->micro_ranked);
  plain("log loss", m->log_loss);
  plain("Brier score", m->brier);
  plain("calibration error", m->ece);
}

static void print_average(const char *name, double precision, double recall, double f1, double fbeta, double beta) {
  printf("%-*sprecision %6.4f, recall %6.4f, F1 %6.4f", LABEL, name, precision, recall, f1);
  if (beta != 1) printf(", F%g %6.4f", beta, fbeta);
  putchar('\n');
}

static void print_many(const kohl_evaluation *e) {
  const kohl_metrics_many *m = &e->many_metrics;
  const double n = m->n ? (double)m->n : 1.0;
  if (e->metrics.n) print_accuracies(e);
  with_intervals("all labels right", m->subset_accuracy, &e->accuracy, NULL);
  plain("Hamming loss", m->hamming_loss);
  printf("%-*s%7.4f a picture, %.4f given\n", LABEL, "labels", (double)m->marks / n, (double)m->chosen / n);
  print_average("over pictures", m->samples_precision, m->samples_recall, m->samples_f1, m->samples_fbeta, m->beta);
  print_average("micro", m->micro_precision, m->micro_recall, m->micro_f1, m->micro_fbeta, m->beta);
  print_average("macro", m->macro_precision, m->macro_recall, m->macro_f1, m->macro_fbeta, m->beta);
  print_average("weighted", m->weighted_precision, m->weighted_recall, m->weighted_f1, m->weighted_fbeta, m->beta);
  ranks("ROC AUC", m->roc_auc_macro, m->classes_used, m->classes, m->roc_auc_micro, m->micro_ranked);
  ranks("average precision", m->average_precision_macro, m->classes_used, m->classes, m->average_precision_micro,
        m->micro_ranked);
  plain("log loss", m->log_loss);
  plain("Brier score", m->brier);
  plain("calibration error", m->ece);
}

/* A figure for people, or with all its digits for programs. */
static void cell(cli_table *t, bool table, double value, bool known) {
  if (known) {
    cli_table_cellf(t, table ? "%.4f" : "%.17g", value);
  } else {
    cli_table_cell(t, table ? "-" : "");
  }
}

static int print_classes(cli *c, const kohl_evaluation *e) {
  const bool table = cli_format_is(c, "table");
  const kohl_class_metrics *per_class = e->many ? e->many_metrics.per_class : e->metrics.per_class;
  const double beta = e->many ? e->many_metrics.beta : e->metrics.beta;
  const bool fbeta = !table || beta != 1;
  char columns[256], f[32];
  if (table) {
    snprintf(f, sizeof f, "|>f%g", beta);
  } else {
    snprintf(f, sizeof f, "|>fbeta");
  }
  snprintf(columns, sizeof columns,
           "%sclass|>precision|>recall|>f1%s|>specificity|>roc_auc|>average_precision|>support|>predicted%s",
           e->head && !table ? "head|" : "", fbeta ? f : "", e->many ? "|>threshold" : "");
  cli_table *t = cli_table_new(columns);
  for (int i = 0; i < e->predictions.classes; i++) {
    const kohl_class_metrics *k = &per_class[i];
    if (e->head && !table) cli_table_cell(t, e->head);
    cli_table_cell(t, e->predictions.labels[i]);
    cell(t, table, k->precision, true);
    cell(t, table, k->recall, true);
    cell(t, table, k->f1, true);
    if (fbeta) cell(t, table, k->fbeta, true);
    cell(t, table, k->specificity, true);
    cell(t, table, k->roc_auc, k->ranked);
    cell(t, table, k->average_precision, k->ranked);
    cli_table_cellf(t, "%lld", (long long)k->support);
    cli_table_cellf(t, "%lld", (long long)k->predicted);
    if (e->many) cli_table_cellf(t, table ? "%.4f" : "%.9g", (double)e->many_metrics.thresholds[i]);
  }
  return cli_print_table(c, t);
}

/* The pairs that are taken for each other most often. */
static void print_confusions(const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  char *const *labels = e->predictions.labels;
  int64_t below = INT64_MAX;
  size_t n = (size_t)m->classes, after = 0;
  for (int shown = 0; shown < CONFUSIONS_SHOWN; shown++) {
    size_t best = n * n;
    for (size_t i = 0; i < n * n; i++) {
      if (i / n == i % n || m->confusion[i] == 0 || m->confusion[i] > below) continue;
      if (m->confusion[i] == below && i <= after) continue;
      if (best == n * n || m->confusion[i] > m->confusion[best]) best = i;
    }
    if (best == n * n) return;
    printf("%s%6lld  %s taken for %s\n", shown ? "" : "\nmost frequent mistakes:\n", (long long)m->confusion[best],
           labels[best / n], labels[best % n]);
    below = m->confusion[best];
    after = best;
  }
}

int cli_eval_print(cli *c, const kohl_evaluation *evaluation) {
  const bool table = cli_format_is(c, "table");
  if (table) {
    if (evaluation->head) printf("%-*s%s\n", LABEL, "head", evaluation->head);
    print_pictures(evaluation);
    if (evaluation->many) {
      print_many(evaluation);
    } else {
      print_one(evaluation);
    }
    putchar('\n');
  }
  int code = print_classes(c, evaluation);
  if (code == 0 && table && evaluation->metrics.n) print_confusions(evaluation);
  for (size_t h = 0; h < evaluation->more_count && code == 0; h++) {
    putchar('\n');
    code = cli_eval_print(c, &evaluation->more[h]);
  }
  return cli_flush(c, code);
}
