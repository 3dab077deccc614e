/* Training steps for `kohl plan` and `kohl bench`: which layers are trained, and a step on random pictures. */
#ifndef KOHL_CLI_TRAINING_H
#define KOHL_CLI_TRAINING_H

#include "cli/cli.h"
#include "nn/session.h"
#include "train/update.h"

/* Reads --mode: "infer"; "train" trains every layer, "train:head" those behind the base, "train:LAYER" from that layer
 * of the network on.  Sets trainable of every node; *train says whether there is something to train.  Returns an exit
 * code. */
int cli_training_mode(cli *c, kohl_graph *graph, bool *train);

/* A session that trains, and its optimizer (RMSprop as in experiment A). */
typedef struct cli_trainer {
  kohl_session *session; /* borrowed */
  kohl_update *update;
  int64_t steps;
} cli_trainer;

/* Random pictures, labels in turn.  The trainer is the caller's until cli_trainer_free, also after a failure. */
kohl_status cli_trainer_begin(cli *c, kohl_session *session, cli_trainer *out);

/* Forward, backward, update.  A loss or gradient that is not finite is KOHL_NOT_FINITE. */
kohl_status cli_trainer_step(cli *c, cli_trainer *trainer);

void cli_trainer_free(cli_trainer *trainer);

#endif
