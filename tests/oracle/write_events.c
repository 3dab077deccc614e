/* Writes an event file for tests/oracle/tensorboard/read_events.py; run by it.
 *
 *   write_events FOLDER RESUMED < POINTS
 *
 * POINTS: lines "STEP TAG VALUE" (C99 hexadecimal or decimal).  RESUMED: -1, or the step at which the run is taken up
 * again. */
#include <stdio.h>
#include <stdlib.h>

#include "train/events.h"

int main(int argc, char **argv) {
  kohl_context *ctx;
  kohl_events *log;
  char tag[256], number[64];
  long long step;
  if (argc != 3 || kohl_context_create(NULL, &ctx) != KOHL_OK) return 1;
  kohl_status status = kohl_events_open(ctx, argv[1], &log);
  if (status == KOHL_OK && *argv[2] != '-') status = kohl_events_resume(log, atoll(argv[2]));
  while (status == KOHL_OK && scanf("%lld %255s %63s", &step, tag, number) == 3) {
    status = kohl_events_scalar(log, step, tag, strtod(number, NULL));
  }
  if (status == KOHL_OK) status = kohl_events_flush(log);
  if (status != KOHL_OK) fprintf(stderr, "%s\n", kohl_context_error(ctx));
  kohl_events_close(log);
  kohl_context_destroy(ctx);
  return status != KOHL_OK;
}
