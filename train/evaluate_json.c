/* The figures of an evaluation as one JSON object. */
#include "train/evaluate.h"

static void number(kohl_json_writer *w, const char *key, double value) {
  kohl_json_write_key(w, key);
  kohl_json_write_double(w, value);
}

static void whole(kohl_json_writer *w, const char *key, int64_t value) {
  kohl_json_write_key(w, key);
  kohl_json_write_int64(w, value);
}

static void interval(kohl_json_writer *w, const char *key, kohl_interval value) {
  kohl_json_write_key(w, key);
  kohl_json_write_array_begin(w);
  kohl_json_write_double(w, value.low);
  kohl_json_write_double(w, value.high);
  kohl_json_write_array_end(w);
}

/* A rank that there is none of is null. */
static void rank(kohl_json_writer *w, const char *key, double value, bool known) {
  kohl_json_write_key(w, key);
  if (known) {
    kohl_json_write_double(w, value);
  } else {
    kohl_json_write_null(w);
  }
}

static void write_calibration(kohl_json_writer *w, const kohl_calibration *calibration) {
  kohl_json_write_key(w, "calibration");
  kohl_json_write_array_begin(w);
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) {
    const kohl_calibration_bin *bin = &calibration->bin[b];
    kohl_json_write_object_begin(w);
    whole(w, "count", bin->count);
    whole(w, "right", bin->right);
    number(w, "confidence", bin->confidence);
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
}

static void write_class(kohl_json_writer *w, const char *label, const kohl_class_metrics *one, const float *threshold) {
  kohl_json_write_key(w, label);
  kohl_json_write_object_begin(w);
  number(w, "precision", one->precision);
  number(w, "recall", one->recall);
  number(w, "f1", one->f1);
  number(w, "fbeta", one->fbeta);
  number(w, "specificity", one->specificity);
  rank(w, "roc_auc", one->roc_auc, one->ranked);
  rank(w, "average_precision", one->average_precision, one->ranked);
  number(w, "brier", one->brier);
  whole(w, "support", one->support);
  whole(w, "predicted", one->predicted);
  if (threshold) {
    kohl_json_write_key(w, "threshold");
    kohl_json_write_float(w, *threshold);
  }
  kohl_json_write_object_end(w);
}

static void write_classes(kohl_json_writer *w, const kohl_predictions *p, const kohl_class_metrics *per_class,
                          const float *thresholds) {
  kohl_json_write_key(w, "per_class");
  kohl_json_write_object_begin(w);
  for (int c = 0; c < p->classes; c++) {
    write_class(w, p->labels[c], &per_class[c], thresholds ? &thresholds[c] : NULL);
  }
  kohl_json_write_object_end(w);
}

/* What one label has, and many where every picture has one. */
static void write_accuracies(kohl_json_writer *w, const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  number(w, "accuracy", m->accuracy);
  number(w, "top3", m->top3);
  number(w, "top5", m->top5);
  kohl_json_write_key(w, "top");
  kohl_json_write_array_begin(w);
  for (int k = 1; k <= e->topk && k <= m->classes; k++) kohl_json_write_double(w, kohl_metrics_top(m, k));
  kohl_json_write_array_end(w);
  number(w, "balanced_accuracy", m->balanced_accuracy);
  if (!e->bootstrap.resamples) return;
  whole(w, "resamples", e->bootstrap.resamples);
  interval(w, "accuracy_bootstrap", e->bootstrap.accuracy);
  interval(w, "balanced_accuracy_bootstrap", e->bootstrap.balanced_accuracy);
  interval(w, "macro_f1_bootstrap", e->bootstrap.macro_f1);
}

static void write_confusion(kohl_json_writer *w, const kohl_metrics *m) {
  kohl_json_write_key(w, "confusion");
  kohl_json_write_array_begin(w);
  for (int t = 0; t < m->classes; t++) {
    kohl_json_write_array_begin(w);
    for (int p = 0; p < m->classes; p++) {
      kohl_json_write_int64(w, m->confusion[(size_t)t * (size_t)m->classes + (size_t)p]);
    }
    kohl_json_write_array_end(w);
  }
  kohl_json_write_array_end(w);
}

static void write_one(kohl_json_writer *w, const kohl_evaluation *e) {
  const kohl_metrics *m = &e->metrics;
  write_accuracies(w, e);
  interval(w, "accuracy_wilson", e->accuracy);
  number(w, "kappa", m->kappa);
  number(w, "beta", m->beta);
  number(w, "macro_precision", m->macro_precision);
  number(w, "macro_recall", m->macro_recall);
  number(w, "macro_f1", m->macro_f1);
  number(w, "macro_fbeta", m->macro_fbeta);
  number(w, "macro_specificity", m->macro_specificity);
  number(w, "micro_f1", m->accuracy);
  number(w, "weighted_precision", m->weighted_precision);
  number(w, "weighted_recall", m->weighted_recall);
  number(w, "weighted_f1", m->weighted_f1);
  number(w, "weighted_fbeta", m->weighted_fbeta);
  rank(w, "roc_auc_macro", m->roc_auc_macro, m->classes_used > 0);
  rank(w, "roc_auc_micro", m->roc_auc_micro, m->micro_ranked);
  rank(w, "average_precision_macro", m->average_precision_macro, m->classes_used > 0);
  rank(w, "average_precision_micro", m->average_precision_micro, m->micro_ranked);
  whole(w, "classes_used", m->classes_used);
  number(w, "brier", m->brier);
  number(w, "log_loss", m->log_loss);
  number(w, "ece", m->ece);
  write_calibration(w, &m->calibration);
  write_classes(w, &e->predictions, m->per_class, NULL);
  write_confusion(w, m);
}

static void write_averages(kohl_json_writer *w, const kohl_metrics_many *m) {
  number(w, "macro_precision", m->macro_precision);
  number(w, "macro_recall", m->macro_recall);
  number(w, "macro_f1", m->macro_f1);
  number(w, "macro_fbeta", m->macro_fbeta);
  number(w, "micro_precision", m->micro_precision);
  number(w, "micro_recall", m->micro_recall);
  number(w, "micro_f1", m->micro_f1);
  number(w, "micro_fbeta", m->micro_fbeta);
  number(w, "weighted_precision", m->weighted_precision);
  number(w, "weighted_recall", m->weighted_recall);
  number(w, "weighted_f1", m->weighted_f1);
  number(w, "weighted_fbeta", m->weighted_fbeta);
  number(w, "samples_precision", m->samples_precision);
  number(w, "samples_recall", m->samples_recall);
  number(w, "samples_f1", m->samples_f1);
  number(w, "samples_fbeta", m->samples_fbeta);
}

static void write_many(kohl_json_writer *w, const kohl_evaluation *e) {
  const kohl_metrics_many *m = &e->many_metrics;
  if (e->metrics.n) write_accuracies(w, e);
  number(w, "subset_accuracy", m->subset_accuracy);
  interval(w, "subset_accuracy_wilson", e->accuracy);
  number(w, "hamming_loss", m->hamming_loss);
  whole(w, "marks", m->marks);
  whole(w, "chosen", m->chosen);
  number(w, "beta", m->beta);
  write_averages(w, m);
  rank(w, "roc_auc_macro", m->roc_auc_macro, m->classes_used > 0);
  rank(w, "roc_auc_micro", m->roc_auc_micro, m->micro_ranked);
  rank(w, "average_precision_macro", m->average_precision_macro, m->classes_used > 0);
  rank(w, "average_precision_micro", m->average_precision_micro, m->micro_ranked);
  whole(w, "classes_used", m->classes_used);
  number(w, "brier", m->brier);
  number(w, "log_loss", m->log_loss);
  number(w, "ece", m->ece);
  write_calibration(w, &m->calibration);
  write_classes(w, &e->predictions, m->per_class, m->thresholds);
}

/* The further heads hold none themselves. */
void kohl_evaluation_write_json(const kohl_evaluation *evaluation, kohl_json_writer *writer) {
  kohl_json_write_object_begin(writer);
  if (evaluation->head) {
    kohl_json_write_key(writer, "head");
    kohl_json_write_string(writer, evaluation->head);
  }
  kohl_json_write_key(writer, "task");
  kohl_json_write_string(writer, evaluation->many ? "many_labels" : "one_label");
  kohl_json_write_key(writer, "n");
  kohl_json_write_uint64(writer, evaluation->predictions.count);
  kohl_json_write_key(writer, "bad");
  kohl_json_write_uint64(writer, evaluation->bad);
  if (evaluation->many) {
    write_many(writer, evaluation);
  } else {
    write_one(writer, evaluation);
  }
  if (evaluation->more_count) {
    kohl_json_write_key(writer, "heads");
    kohl_json_write_object_begin(writer);
    for (size_t h = 0; h < evaluation->more_count; h++) {
      kohl_json_write_key(writer, evaluation->more[h].head);
      kohl_evaluation_write_json(&evaluation->more[h], writer);
    }
    kohl_json_write_object_end(writer);
  }
  kohl_json_write_object_end(writer);
}
