/* Networks that tests train: one that has every layer, and architectures, with random weights. */
#ifndef KOHL_TESTS_UNIT_SUBJECT_H
#define KOHL_TESTS_UNIT_SUBJECT_H

#include "kernels/core/philox.h"
#include "nn/model.h"

enum { SUBJECT_CHANNELS = 6, SUBJECT_CLASSES = 7 };

/* What to train: one of the architectures, or (arch NULL) a network that has every layer. */
typedef struct subject {
  const char *arch;
  int height, width, batch;
  bool train_norms;
  uint64_t seed;
} subject;

/* A number from -1 to 1: of a tensor (0: the input) its element. */
float subject_draw(kohl_random_key key, uint64_t tensor, size_t element);

/* The network with weights of He's scale, so that nothing dies out on the way; the caller's.  Fails the test where the
 * library does. */
kohl_model *subject_model(kohl_context *ctx, const subject *s, kohl_random_key key);

#endif
