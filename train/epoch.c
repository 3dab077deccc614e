/* One epoch: every draw of the training part once, in the epoch's order, then the validation part (validate.c). */
#include <string.h>
#include <time.h>

#include "kernels/core/philox.h"
#include "train/run.h"

double kohl_run_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fisher and Yates; the multiply-shift favours no place by more than count * 2^-32. */
void kohl_epoch_order(uint64_t seed, uint32_t epoch, size_t *order, size_t count) {
  kohl_random_key key = kohl_random_key_make(seed, epoch, KOHL_DRAWS_ORDER);
  for (size_t i = 0; i < count; i++) order[i] = i;
  for (size_t i = count; i > 1; i--) {
    size_t j = (size_t)(((uint64_t)kohl_random_at(key, 0, i) * i) >> 32), t = order[i - 1];
    order[i - 1] = order[j];
    order[j] = t;
  }
}

/* The heads' losses so far, each times its weight. */
static double loss_so_far(const kohl_run *run) {
  double sum = 0;
  for (size_t h = 0; h < run->head_count; h++) {
    const kohl_train_head *head = &run->place.head[h];
    if (head->divisor > 0) sum += run->head[h].recipe->head.weight * (head->loss / head->divisor);
  }
  return sum;
}

static double accuracy_so_far(const kohl_train_head *head) {
  return head->seen ? (double)head->right / (double)head->seen : 0;
}

static void report(const kohl_run *run, size_t began) {
  if (!run->options->progress) return;
  const kohl_train_place *place = &run->place;
  const size_t steps = kohl_run_steps(run), size = (run->draws.count + steps - 1) / steps;
  kohl_train_progress p = kohl_run_progress(run, "training", ((size_t)place->at + size - 1) / size, steps);
  double seconds = kohl_run_clock() - run->begun;
  double done = (double)((size_t)place->at - began), left = (double)run->draws.count - (double)place->at;
  p.loss = loss_so_far(run);
  p.accuracy = accuracy_so_far(&place->head[0]);
  p.rate = seconds > 0 ? done / seconds : 0;
  int64_t later = run->phase->epochs - place->phase_epoch - 1; /* other phases cost other times */
  p.seconds_left = p.rate > 0 ? (left + (double)later * (double)run->draws.count) / p.rate : 0;
  run->options->progress(&p, run->options->progress_user);
}

/* Steps until the draws of the epoch have been taken. */
static kohl_status take_steps(kohl_run *run, kohl_epoch *out) {
  const kohl_train_options *o = run->options;
  const int64_t epoch = run->place.epoch + 1;
  const size_t began = (size_t)run->place.at;
  kohl_epoch_order((uint64_t)run->recipe.seed, (uint32_t)epoch, run->order, run->draws.count);
  kohl_status status = kohl_feed_begin(run, epoch, began);
  while (status == KOHL_OK && (size_t)run->place.at < run->draws.count) {
    status = kohl_check_cancel(run->ctx);
    if (status == KOHL_OK) status = kohl_run_step(run, &out->lr);
    if (status != KOHL_OK) break;
    if (o->save_now && o->save_now(o->progress_user)) status = kohl_run_save(run);
    report(run, began);
  }
  return status;
}

kohl_status kohl_run_epoch(kohl_run *run, kohl_epoch *out) {
  memset(out, 0, sizeof *out);
  const kohl_train_place *place = &run->place;
  run->begun = kohl_run_clock();
  out->lr = kohl_schedule_rate(run->phase, &place->schedule, place->phase_step > 0 ? place->phase_step - 1 : 0,
                               (int64_t)kohl_run_steps(run)); /* of the step before, when none is left */
  kohl_status status = take_steps(run, out);
  out->loss = loss_so_far(run);
  for (size_t h = 0; h < run->head_count; h++) {
    const kohl_train_head *head = &place->head[h];
    out->head[h].loss = head->divisor > 0 ? head->loss / head->divisor : 0;
    out->head[h].accuracy = accuracy_so_far(head);
  }
  if (status == KOHL_OK && run->validation_count) status = kohl_run_validate(run, out);
  out->seconds = kohl_run_clock() - run->begun;
  return status;
}
