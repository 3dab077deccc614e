/* Bins of a reliability diagram. */
#include "train/metrics_calibration.h"

#include <math.h>

void kohl_calibration_add(kohl_calibration *calibration, double confidence, bool right) {
  int b = (int)(confidence * KOHL_CALIBRATION_BINS);
  if (b >= KOHL_CALIBRATION_BINS) b = KOHL_CALIBRATION_BINS - 1;
  kohl_calibration_bin *bin = &calibration->bin[b];
  bin->count++;
  bin->right += right;
  bin->confidence += confidence;
}

void kohl_calibration_finish(kohl_calibration *calibration) {
  double wrong = 0;
  int64_t n = 0;
  for (int b = 0; b < KOHL_CALIBRATION_BINS; b++) {
    kohl_calibration_bin *bin = &calibration->bin[b];
    n += bin->count;
    wrong += fabs((double)bin->right - bin->confidence);
    if (bin->count) bin->confidence /= (double)bin->count;
  }
  calibration->ece = n ? wrong / (double)n : 0.0;
}

double kohl_probability_clip(double p) {
  const double least = 0x1p-52;
  return p < least ? least : p > 1 - least ? 1 - least : p;
}
