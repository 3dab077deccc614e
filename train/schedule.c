/* Schedules.  cos and pow are the C library's: a rate is the same on one machine however often a run is resumed, and
 * may differ in its last bit on another. */
#include "train/schedule.h"

#include <float.h>
#include <math.h>

_Static_assert(sizeof(kohl_schedule_state) == 56, "a checkpoint holds it as it is");

kohl_schedule_state kohl_schedule_begin(void) {
  return (kohl_schedule_state){.factor = 1, .before = -DBL_MAX, .best = -DBL_MAX, .stop_best = -DBL_MAX};
}

/* What the schedule makes of 1, t >= 0 steps after the warm-up; length is T. */
static double fall(const kohl_recipe_phase *phase, const kohl_schedule_state *state, double t, double length,
                   double per_epoch) {
  const double pi = 3.14159265358979323846, floor_share = phase->schedule.floor;
  switch ((kohl_recipe_schedule)phase->schedule.name) {
    case KOHL_SCHEDULE_CONSTANT: return 1;
    case KOHL_SCHEDULE_STEP: return pow(phase->schedule.factor, floor(t / ((double)phase->schedule.every * per_epoch)));
    case KOHL_SCHEDULE_EXPONENTIAL: return pow(phase->schedule.factor, t / per_epoch);
    case KOHL_SCHEDULE_COSINE:
      if (!(t < length)) return floor_share; /* also where the warm-up is the whole phase */
      return floor_share + (1 - floor_share) * (1 + cos(pi * t / length)) / 2;
    case KOHL_SCHEDULE_PLATEAU: return state->factor;
  }
  return 1;
}

double kohl_schedule_rate(const kohl_recipe_phase *phase, const kohl_schedule_state *state, int64_t step,
                          int64_t steps_per_epoch) {
  const double at = (double)step, per_epoch = (double)steps_per_epoch, warm = phase->schedule.warmup * per_epoch;
  const double base = phase->optimizer.lr / (1 + phase->optimizer.decay * at), from = phase->schedule.warmup_from;
  if (at < warm) {
    const double share = phase->schedule.name == KOHL_SCHEDULE_PLATEAU ? state->factor : 1;
    return base * share * (from + (1 - from) * at / warm);
  }
  return base * fall(phase, state, at - warm, (double)phase->epochs * per_epoch - warm, per_epoch);
}

/* Plateau's part; true: the phase ends. */
static bool watch(const kohl_recipe_phase *phase, kohl_schedule_state *state, double figure) {
  if (!isfinite(figure)) figure = NAN; /* no comparison below is then true */
  const bool previous = phase->schedule.compare == KOHL_COMPARE_PREVIOUS;
  const bool better = figure > (previous ? state->before : state->best);
  const bool miss = previous ? !(figure >= state->before) : !better;
  if (figure >= -DBL_MAX) state->before = figure;
  if (figure > state->best) state->best = figure;
  if (state->lowered && !better && phase->schedule.stop) return true;
  state->lowered = 0;
  state->waited = miss ? state->waited + 1 : 0;
  if (state->waited <= phase->schedule.patience) return false;
  const double lower = state->factor * phase->schedule.factor;
  state->factor = lower > phase->schedule.floor ? lower : phase->schedule.floor;
  state->lowered = 1;
  state->waited = 0;
  return false;
}

bool kohl_schedule_epoch(const kohl_recipe_phase *phase, kohl_schedule_state *state, double schedule_figure,
                         double stop_figure) {
  const bool ends = phase->schedule.name == KOHL_SCHEDULE_PLATEAU && watch(phase, state, schedule_figure);
  if (phase->stop.patience == 0) return ends;
  if (isfinite(stop_figure) && stop_figure > state->stop_best + phase->stop.min_delta) {
    state->stop_best = stop_figure;
    state->stop_waited = 0;
  } else {
    state->stop_waited++;
  }
  return ends || state->stop_waited >= phase->stop.patience;
}
