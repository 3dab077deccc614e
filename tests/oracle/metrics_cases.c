/* metrics_cases: every figure of train/metrics*.h for the cases of a file, one JSON object a line, for
 * tests/oracle/metrics.py to compare.
 *
 *   metrics_cases FILE
 *
 * A case: five int64 (1 for many labels, n, classes, resamples, seed), a double (beta), n * classes floats
 * (probabilities), then n int32 (truth), or n * classes bytes (marks) and `classes` floats (thresholds). */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/alloc.h"
#include "train/metrics_interval.h"
#include "train/metrics_many.h"

typedef struct {
  kohl_context *ctx;
  int64_t head[5];
  double beta;
  float *probabilities, *thresholds;
  int32_t *truth;
  uint8_t *marks;
} metrics_case;

static void number(const char *name, double value) { printf("\"%s\": %.17g, ", name, value); }

static void classes(const kohl_class_metrics *per_class, int count) {
  printf("\"per_class\": [");
  for (int c = 0; c < count; c++) {
    const kohl_class_metrics *k = &per_class[c];
    printf("%s{", c ? ", " : "");
    number("precision", k->precision);
    number("recall", k->recall);
    number("f1", k->f1);
    number("fbeta", k->fbeta);
    number("specificity", k->specificity);
    number("roc_auc", k->roc_auc);
    number("average_precision", k->average_precision);
    number("brier", k->brier);
    printf("\"ranked\": %d, \"support\": %lld, \"predicted\": %lld}", k->ranked, (long long)k->support,
           (long long)k->predicted);
  }
  printf("], ");
}

static void bins(const kohl_calibration *calibration) {
  printf("\"bins\": [");
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) {
    const kohl_calibration_bin *bin = &calibration->bin[b];
    printf("%s[%lld, %lld, %.17g]", b ? ", " : "", (long long)bin->count, (long long)bin->right, bin->confidence);
  }
  printf("], ");
}

static void interval(const char *name, kohl_interval value) {
  printf("\"%s\": [%.17g, %.17g], ", name, value.low, value.high);
}

/* The figures that both kinds have by one name. */
#define SHARED(m)                                                  \
  number("macro_precision", (m)->macro_precision);                 \
  number("macro_recall", (m)->macro_recall);                       \
  number("macro_f1", (m)->macro_f1);                               \
  number("macro_fbeta", (m)->macro_fbeta);                         \
  number("weighted_precision", (m)->weighted_precision);           \
  number("weighted_recall", (m)->weighted_recall);                 \
  number("weighted_f1", (m)->weighted_f1);                         \
  number("weighted_fbeta", (m)->weighted_fbeta);                   \
  number("roc_auc_macro", (m)->roc_auc_macro);                     \
  number("roc_auc_micro", (m)->roc_auc_micro);                     \
  number("average_precision_macro", (m)->average_precision_macro); \
  number("average_precision_micro", (m)->average_precision_micro); \
  number("classes_used", (m)->classes_used);                       \
  number("brier", (m)->brier);                                     \
  number("log_loss", (m)->log_loss);                               \
  number("ece", (m)->ece);                                         \
  classes((m)->per_class, (m)->classes);                           \
  bins(&(m)->calibration)

static kohl_status one(const metrics_case *a) {
  kohl_metrics m;
  kohl_bootstrap b;
  const kohl_metrics_options options = {.beta = a->beta, .ranks = true};
  const size_t n = (size_t)a->head[1];
  const int k = (int)a->head[2];
  kohl_status status = kohl_metrics_measure(a->ctx, a->probabilities, a->truth, n, k, &options, &m);
  if (status == KOHL_OK) {
    status = kohl_bootstrap_run(a->ctx, a->probabilities, a->truth, n, k, (int)a->head[3], (uint64_t)a->head[4], &b);
  }
  if (status != KOHL_OK) return status;
  printf("{");
  number("accuracy", m.accuracy);
  number("top3", m.top3);
  number("top5", m.top5);
  number("top2", kohl_metrics_top(&m, 2));
  number("balanced_accuracy", m.balanced_accuracy);
  number("kappa", m.kappa);
  number("macro_specificity", m.macro_specificity);
  SHARED(&m);
  interval("wilson", kohl_interval_wilson(m.places[0], (int64_t)n));
  interval("bootstrap_accuracy", b.accuracy);
  interval("bootstrap_balanced", b.balanced_accuracy);
  interval("bootstrap_f1", b.macro_f1);
  printf("\"confusion\": [");
  for (int i = 0; i < k * k; i++) printf("%s%lld", i ? ", " : "", (long long)m.confusion[i]);
  printf("]}\n");
  kohl_metrics_free(a->ctx, &m);
  return KOHL_OK;
}

static kohl_status many(const metrics_case *a) {
  kohl_metrics_many m;
  const size_t n = (size_t)a->head[1];
  const int k = (int)a->head[2];
  kohl_status status = kohl_metrics_many_compute(a->ctx, a->probabilities, a->marks, n, k, a->thresholds, a->beta, &m);
  if (status == KOHL_OK)
    status = kohl_thresholds_choose(a->ctx, a->probabilities, a->marks, n, k, a->beta, a->thresholds);
  if (status != KOHL_OK) return status;
  printf("{");
  number("subset_accuracy", m.subset_accuracy);
  number("hamming_loss", m.hamming_loss);
  number("micro_precision", m.micro_precision);
  number("micro_recall", m.micro_recall);
  number("micro_f1", m.micro_f1);
  number("micro_fbeta", m.micro_fbeta);
  number("samples_precision", m.samples_precision);
  number("samples_recall", m.samples_recall);
  number("samples_f1", m.samples_f1);
  number("samples_fbeta", m.samples_fbeta);
  SHARED(&m);
  printf("\"thresholds\": [");
  for (int c = 0; c < k; c++) printf("%s%.17g", c ? ", " : "", (double)a->thresholds[c]);
  printf("]}\n");
  kohl_metrics_many_free(a->ctx, &m);
  return KOHL_OK;
}

/* The next case; false at the end of the file, or where it ends too early. */
static bool read_case(FILE *file, metrics_case *a) {
  if (fread(a->head, sizeof *a->head, 5, file) != 5 || fread(&a->beta, sizeof a->beta, 1, file) != 1) return false;
  size_t n = (size_t)a->head[1], k = (size_t)a->head[2], cells = n * k;
  a->probabilities = calloc(cells + 1, sizeof(float));
  a->truth = calloc(n + 1, sizeof *a->truth);
  a->marks = calloc(cells + 1, 1);
  a->thresholds = calloc(k + 1, sizeof(float));
  if (fread(a->probabilities, sizeof(float), cells, file) != cells) return false;
  if (!a->head[0]) return fread(a->truth, sizeof *a->truth, n, file) == n;
  return fread(a->marks, 1, cells, file) == cells && fread(a->thresholds, sizeof(float), k, file) == k;
}

static void free_case(metrics_case *a) {
  free(a->probabilities);
  free(a->truth);
  free(a->marks);
  free(a->thresholds);
  a->probabilities = a->thresholds = NULL;
  a->truth = NULL;
  a->marks = NULL;
}

int main(int argc, char **argv) {
  kohl_context_options options = kohl_context_options_default();
  metrics_case a = {0};
  kohl_status status = KOHL_OK;
  options.threads = 1;
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file || kohl_context_create(&options, &a.ctx) != KOHL_OK) return 1;
  while (status == KOHL_OK && read_case(file, &a)) {
    status = a.head[0] ? many(&a) : one(&a);
    free_case(&a);
  }
  if (status != KOHL_OK) fprintf(stderr, "%s\n", kohl_context_error(a.ctx));
  free_case(&a);
  fclose(file);
  kohl_context_destroy(a.ctx);
  return status != KOHL_OK;
}
